// Home first on a real kernel: a line of 20 Mbit/s with a large queue at either end, a household, and guests who take what they can get. All
// is compared within one run: the household alone, with guests who need not yield, and with guests who have to.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as fields from '../../agent/wire/fields.ts';
import * as plain from '../fakes/plain.ts';
import * as at from './ground/addresses.ts';
import { admit, both, pass, session, token } from './guests.ts';
import * as post from './post.ts';

const megabit = 1_000_000 / 8;
const link = 20;
const endless = 2 ** 40;
const flows = ['c', 'c', 'c', 'c', 'd', 'd', 'd', 'd'];

const it = await post.open(
  post.config({ 'limits.link_up': `${1000 * link}`, 'limits.link_down': `${1000 * link}`, 'limits.home_first': '0' }),
  { consumers: ['c', 'd'], singleSegments: true },
);
const lan = it.ground.in('lan');
const target = { to: at.internet.v4, port: 443 };
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;

/** Milliseconds there and back. */
async function delayOf(seconds: number): Promise<number> {
  const { stdout } = await lan.attempt(['ping', '-n', '-i', '0.05', '-c', `${20 * seconds}`, '-W', '2', target.to], { withinMs: 30_000 });
  return median([...stdout.matchAll(/time=([\d.]+)/g)].map(([, ms]) => Number(ms)));
}

/** Of a download of so many seconds, the rate of the last two, in Mbit/s. */
async function bulk(seconds: number): Promise<number> {
  const order = { ...target, token: token(), up: 0, down: endless, intervalMs: 250, withinMs: 1000 * seconds };
  const { log, received } = await lan.ask('tcpTransfer', order);
  const from = log.find(({ ms }) => ms >= 1000 * (seconds - 2));
  const last = log.at(-1);
  if (from === undefined || last === undefined) throw new Error(`no download of ${seconds} s: ${received} bytes`);
  return (last.received - from.received) / ((last.ms - from.ms) / 1000) / megabit;
}

/** Half of the line for so many seconds; the delay of the last two. */
async function stream(seconds: number): Promise<number> {
  const order = { ...target, token: token(), total: 1000 * seconds, size: 1222, perSecond: 1000, withinMs: 1000 * seconds + 2000 };
  const flow = lan.ask('udpFetch', order);
  await pass(it, 1000 * (seconds - 2));
  const delay = await delayOf(2);
  await flow;
  return delay;
}

async function rate(): Promise<number> {
  const told = fields.integer(post.must(await it.ask('facts')), 'guests_rate');
  return told.ok ? Number(told.value) / 1_000_000 : Number.NaN;
}
async function until(is: (rate: number) => boolean): Promise<void> {
  for (let tries = 0; tries < 40; tries++) {
    if (is(await rate())) return;
    await pass(it, 500);
  }
  throw new Error(`the guests' rate is still ${await rate()} Mbit/s`);
}
/** What guests carry in a second while something else goes on, in Mbit/s. */
async function guestsDuring<T>(work: Promise<T>): Promise<readonly [T, number]> {
  const carried = async (): Promise<number> => Number((await it.rows()).reduce((sum, row) => sum + both(row.counted), 0n));
  const [begun, before] = [Date.now(), await carried()];
  const done = await work;
  return [done, ((await carried()) - before) / ((Date.now() - begun) / 1000) / megabit];
}

const home = suite('home first');
home.after(async () => it.close());

home('the household keeps its transfer and its delay, and guests have the rest', async () => {
  await it.begin();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
  const bloat = ['root', 'tbf', 'rate', `${link}mbit`, 'burst', '16kb', 'limit', '800kb'];
  await it.ground.in('router').run(['tc', 'qdisc', 'add', 'dev', 'wan', ...bloat]);
  await it.ground.in('uplink').run(['tc', 'qdisc', 'add', 'dev', 'to-r', ...bloat]);
  await admit(it, session('c'), session('d'));

  const alone = { delay: await delayOf(1), bulk: await bulk(4) };
  const guests = flows.map((name) =>
    it.ground.in(name).ask('tcpTransfer', { ...target, token: token(), up: 0, down: endless, intervalMs: 1000, withinMs: 120_000 }),
  );
  // They end with their namespaces.
  void Promise.allSettled(guests);
  await pass(it, 2000);
  const without = { delay: await stream(3), bulk: await bulk(5) };

  const call = async (method: string, args: plain.Fields) =>
    post.must(await it.root.call('uci', method, plain.table({ config: 'weir', ...args }), millis(5000)));
  await call('set', { section: 'limits', values: { home_first: '1' } });
  await call('commit', {});
  await until((told) => told >= link / 4);
  // Once more where something else kept the machine busy.
  let [delay, carried] = await guestsDuring(stream(6));
  for (let tries = 0; tries < 2 && !(delay - alone.delay <= 20); tries++) [delay, carried] = await guestsDuring(stream(4));
  let kept = await bulk(7);
  for (let tries = 0; tries < 2 && !(kept >= 0.9 * alone.bulk); tries++) kept = await bulk(4);

  const told = JSON.stringify({ alone, without, with: { delay, bulk: kept, guests: carried } });
  assert.ok(without.bulk < 0.7 * alone.bulk, told);
  assert.ok(without.delay - alone.delay > 20, told);
  assert.ok(kept >= 0.9 * alone.bulk, told);
  assert.ok(delay - alone.delay <= 20, told);
  // Half of what the stream leaves over is theirs at least, for all that is lost on the way.
  assert.ok(carried >= link / 8, told);
});

home('a delay that the agent tells only lowers', async () => {
  await until((told) => told >= link / 8);
  const strain = async (delay: number): Promise<void> => {
    post.must(await it.ask('strain', plain.table({ delay })));
    await pass(it, 1000);
  };
  for (let n = 0; n < 6; n++) await strain(500);
  const low = await rate();
  assert.ok(low < link / 16, `${low} Mbit/s`);
  const refused = post.must(await it.ask('strain', plain.table({ delay: -1 })));
  assert.ok(fields.has(refused, 'fault'));
});
home.run();
