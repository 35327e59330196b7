// A household behind the enforcer at its post, on a line with a large queue at either end: what it downloads, how long it waits, and what
// guests carry meanwhile. Rates in Mbit/s, delays in milliseconds.

import { millis } from '../../agent/core/brand.ts';
import * as fields from '../../agent/wire/fields.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as at from './ground/addresses.ts';
import { both, pass, token } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const megabit = 1_000_000 / 8;
const endless = 2 ** 40;
const target = { to: at.internet.v4, port: 443 };
const median = (of: readonly number[]): number => of.toSorted((a, b) => a - b)[of.length >> 1] ?? Number.NaN;

/** The line, in both directions; the queue of each is a third of a second long. */
export async function narrow(it: Post, rate: number): Promise<void> {
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [target.port] });
  const queue = ['root', 'tbf', 'rate', `${rate}mbit`, 'burst', '16kb', 'limit', `${rate * 40}kb`];
  await it.ground.in('router').run(['tc', 'qdisc', 'add', 'dev', 'wan', ...queue]);
  await it.ground.in('uplink').run(['tc', 'qdisc', 'add', 'dev', 'to-r', ...queue]);
}

/** The owner changes a limit. */
export async function set(it: Post, values: Readonly<Record<string, string>>): Promise<void> {
  const call = async (method: string, args: Fields) =>
    post.must(await it.root.call('uci', method, plain.table({ config: 'weir', ...args }), millis(5000)));
  await call('set', { section: 'limits', values });
  await call('commit', {});
}

/** Downloads by guests that end with their namespaces: four of each. */
export function crowd(it: Post, ...names: readonly string[]): void {
  const order = { ...target, up: 0, down: endless, intervalMs: 1000, withinMs: 1_000_000 };
  const all = names.flatMap((name) => Array.from({ length: 4 }, () => it.ground.in(name).ask('tcpTransfer', { ...order, token: token() })));
  void Promise.allSettled(all);
}

export async function delayOf(it: Post, seconds: number): Promise<number> {
  const argv = ['ping', '-n', '-i', '0.05', '-c', `${20 * seconds}`, '-W', '2', target.to];
  const { stdout } = await it.ground.in('lan').attempt(argv, { withinMs: 30_000 });
  return median([...stdout.matchAll(/time=([\d.]+)/g)].map(([, ms]) => Number(ms)));
}

/** Of a download of so many seconds, the last two. */
export async function bulk(it: Post, seconds: number): Promise<number> {
  const order = { ...target, token: token(), up: 0, down: endless, intervalMs: 250, withinMs: 1000 * seconds };
  const { log, received } = await it.ground.in('lan').ask('tcpTransfer', order);
  const from = log.find(({ ms }) => ms >= 1000 * (seconds - 2));
  const last = log.at(-1);
  if (from === undefined || last === undefined) throw new Error(`no download of ${seconds} s: ${received} bytes`);
  return (last.received - from.received) / ((last.ms - from.ms) / 1000) / megabit;
}

/** 10 Mbit/s for so many seconds; the delay of the last two. */
export async function stream(it: Post, seconds: number): Promise<number> {
  const order = { ...target, token: token(), total: 1000 * seconds, size: 1222, perSecond: 1000, withinMs: 1000 * seconds + 2000 };
  const flow = it.ground.in('lan').ask('udpFetch', order);
  await pass(it, 1000 * (seconds - 2));
  const delay = await delayOf(it, 2);
  await flow;
  return delay;
}

/** What the kernel lets all guests have. */
export async function rate(it: Post): Promise<number> {
  const told = fields.integer(post.must(await it.ask('facts')), 'guests_rate');
  return told.ok ? Number(told.value) / 1_000_000 : Number.NaN;
}

export async function until(it: Post, is: (rate: number) => boolean): Promise<void> {
  for (let tries = 0; tries < 80; tries++) {
    if (is(await rate(it))) return;
    await pass(it, 500);
  }
  throw new Error(`the guests' rate is still ${await rate(it)} Mbit/s`);
}

/** What guests carry while something else goes on. */
export async function meanwhile<T>(it: Post, work: Promise<T>): Promise<readonly [done: T, guests: number]> {
  const carried = async (): Promise<number> => Number((await it.rows()).reduce((sum, row) => sum + both(row.counted), 0n));
  const [begun, before] = [Date.now(), await carried()];
  const done = await work;
  return [done, ((await carried()) - before) / ((Date.now() - begun) / 1000) / megabit];
}
