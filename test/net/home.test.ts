// Home first on a real kernel: a line of 20 Mbit/s, a household, and guests who take what they can get. All is compared within one run: the
// household alone, with guests who need not yield, and with guests who have to.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as fields from '../../agent/wire/fields.ts';
import * as plain from '../fakes/plain.ts';
import { admit, pass, session } from './guests.ts';
import * as household from './household.ts';
import * as post from './post.ts';

const link = 20;
const speed = `${1000 * link}`;
const it = await post.open(post.config({ 'limits.link_up': speed, 'limits.link_down': speed, 'limits.home_first': '0' }), {
  consumers: ['c', 'd'],
  singleSegments: true,
});
const { bulk, delayOf, stream, meanwhile, rate } = household;
const home = suite('home first');
home.after(async () => it.close());

home('the household keeps its transfer and its delay, and guests have the rest', async () => {
  await it.begin();
  await household.narrow(it, link);
  await admit(it, session('c'), session('d'));
  const alone = { delay: await delayOf(it, 1), bulk: await bulk(it, 4) };
  household.crowd(it, 'c', 'd');
  await pass(it, 3000);
  const without = { delay: await stream(it, 3), bulk: await bulk(it, 5) };
  for (let tries = 0; tries < 2 && without.bulk >= 0.9 * alone.bulk; tries++) without.bulk = await bulk(it, 5);

  await household.set(it, { home_first: '1' });
  await household.until(it, (told) => told >= link / 4);
  // Once more where something else kept the machine busy.
  let [delay, guests] = await meanwhile(it, stream(it, 6));
  for (let tries = 0; tries < 2 && (delay - alone.delay > 20 || guests < link / 8); tries++)
    [delay, guests] = await meanwhile(it, stream(it, 4));
  let kept = await bulk(it, 7);
  for (let tries = 0; tries < 2 && kept < 0.9 * alone.bulk; tries++) kept = await bulk(it, 4);

  const told = JSON.stringify({ alone, without, kept: { delay, bulk: kept, guests } });
  assert.ok(without.bulk < 0.9 * alone.bulk, told);
  assert.ok(without.delay - alone.delay > 20, told);
  assert.ok(kept >= 0.9 * alone.bulk, told);
  assert.ok(delay - alone.delay <= 20, told);
  // A quarter of what the stream leaves over is theirs at least, for all that is lost on the way.
  assert.ok(guests >= link / 8, told);
});

home('a delay that the agent tells only lowers', async () => {
  await household.until(it, (told) => told >= link / 8);
  for (let n = 0; n < 6; n++) {
    post.must(await it.ask('strain', plain.table({ delay: 500 })));
    await pass(it, 1000);
  }
  const low = await rate(it);
  assert.ok(low < link / 16, `${low} Mbit/s`);
  assert.ok(fields.has(post.must(await it.ask('strain', plain.table({ delay: -1 }))), 'fault'));
});
home.run();
