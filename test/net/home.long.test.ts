// A line that carries less than its owner believes: its counters never look full, so the native agent's soundings have to tell.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import { key, pass } from './guests.ts';
import * as household from './household.ts';
import * as post from './post.ts';

const link = 20;
const believed = `${1500 * link}`;
const it = await post.open(post.config({ 'limits.link_up': believed, 'limits.link_down': believed }), {
  consumers: ['c', 'd'],
  singleSegments: true,
});
const home = suite('home first, with a wrong link speed');
home.after(async () => it.close());

async function befriend(name: 'c' | 'd'): Promise<void> {
  const [much, rate] = [blobmsg.int64(1_000_000_000n), blobmsg.int64(1_000_000_000n)];
  const friend = { quota: much, rate_up: rate, rate_down: rate, seconds: blobmsg.int64(3600n) };
  const args = blobmsg.table({ name: blobmsg.string(name), key: blobmsg.string(key(name)), ...friend });
  post.must(await it.root.call('weir', 'friend_add', args, millis(30_000)));
  await it.connect(name);
}

home('without the agent guests fill the line; with it they leave room', async () => {
  await it.begin();
  await it.ground.in('uplink').ask('answerNames', { port: 53 });
  await household.narrow(it, link);
  await it.served.start();
  await befriend('c');
  await befriend('d');
  const idle = await household.delayOf(it, 1);
  household.crowd(it, 'c', 'd');
  const delays: number[] = [];
  for (let n = 0; n < 30; n++) {
    await pass(it, 500);
    delays.push(await household.delayOf(it, 1));
  }
  const served = delays.slice(10).toSorted((a, b) => a - b);
  await it.served.kill();
  // What was told last is soon stale.
  await household.until(it, (told) => told > 1.05 * link);
  await pass(it, 5000);
  const alone = await household.delayOf(it, 4);
  const told = JSON.stringify({ idle, delays, alone });
  assert.ok(alone - idle > 20, told);
  assert.ok((served[served.length >> 1] ?? Number.NaN) - idle <= 20, told);
});
home.run();
