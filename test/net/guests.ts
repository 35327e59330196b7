// What tests of the enforcer at its post say again and again: sessions of the ground's consumers, and whether their traffic passes.

import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Row } from '../../agent/core/session.ts';
import type { Asked } from '../../agent/wire/enforcer.ts';
import * as at from './ground/addresses.ts';
import { mark } from './ground/topology.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

export type Name = keyof typeof post.keys;
type On = Pick<Post, 'ground'>;
/** For what shall come, on a busy machine; and for what shall not. */
export const withinMs = 20_000;
export const quiet = 600;
export const key = (name: Name): PeerKey => post.keys[name].public as PeerKey;
export const gigabit = 1_000_000_000n;
export const session = (name: Name, more: Partial<Asked['admit']> = {}): Asked['admit'] => ({
  key: key(name),
  quota: { kind: 'shared', bytes: gigabit },
  rate: { up: gigabit, down: gigabit },
  throttle: null,
  egress: { kind: 'internet' },
  seconds: 3600n,
  used: { up: 0n, down: 0n },
  ...more,
});
export const wish = ({ key, quota, rate, throttle, egress }: Asked['admit']): Asked['change'] => ({ key, quota, rate, throttle, egress });

export async function accepted(items: Promise<readonly Result<unknown>[]>): Promise<void> {
  for (const item of await items) assert.ok(item.ok, item.ok ? '' : `${item.fault.path}: ${item.fault.reason}`);
}
export async function admit(it: Post, ...sessions: readonly Asked['admit'][]): Promise<void> {
  await accepted(it.items('admit', ...sessions));
  // Who has called in vain before waits for 5 s until it calls again.
  const names = (Object.keys(post.keys) as Name[]).filter((name) => sessions.some((s) => s.key === key(name)));
  await it.connect(...names);
  for (const name of names) await it.ground.agree(name);
}
export const change = (it: Post, to: Asked['admit']): Promise<void> => accepted(it.items('change', wish(to)));
export async function rowOf(it: Post, name: Name): Promise<Row> {
  const row = (await it.rows()).find((r) => r.key === key(name));
  if (row === undefined) throw new Error(`there is no session of ${name}`);
  return row;
}
export const both = ({ up, down }: Row['counted']): bigint => up + down;
let tokens = 0;
export const token = (): string => `t${++tokens}`;
export const echoes = async (it: On, name: string, to: string = at.internet.v4, ms = withinMs, port = 443): Promise<boolean> =>
  'by' in (await it.ground.in(name).ask('udpEcho', { to, port, token: token(), withinMs: ms }));

/** By one datagram and no other, where each is counted. */
export const echoesOnce = async (it: On, name: string): Promise<boolean> =>
  'by' in (await it.ground.in(name).ask('udpEcho', { to: at.internet.v4, port: 443, token: token(), withinMs, againMs: withinMs }));

/** Nothing comes under that name. */
export const pass = (it: On, ms: number): Promise<unknown> =>
  it.ground.in('internet').ask('counted', { token: 'nobody', datagrams: 1, withinMs: ms });
/** Until nothing comes back any more. One answer may be late on a busy machine. */
export async function silent(it: On, name: string): Promise<boolean> {
  for (let tries = 0; tries < 40; tries++) {
    if (!(await echoes(it, name, at.internet.v4, 3 * quiet))) return true;
    await pass(it, 200);
  }
  return false;
}

/** What wg-quick does, on the device that is there: `wg` gets what its `strip` leaves, and the rest is `ip`'s. */
export async function take(it: On, name: string, printed: string): Promise<void> {
  const place = it.ground.in(name);
  const [config = ''] = printed.split('\n\n\x1b');
  await place.ask('write', { path: '/run/friend.conf', text: config });
  await place.ask('write', { path: '/run/stripped.conf', text: await place.run(['wg-quick', 'strip', '/run/friend.conf']) });
  // The handshake begins at once, before its packets are marked, and must not meet the tunnel's own routes.
  for (const family of ['-4', '-6']) await place.run(['ip', family, 'route', 'flush', 'table', mark]);
  await place.run(['wg', 'setconf', 'wg0', '/run/stripped.conf']);
  await place.run(['wg', 'set', 'wg0', 'fwmark', mark]);
  const [, addresses = ''] = /^Address = (.*)$/m.exec(config) ?? [];
  const [, mtu = ''] = /^MTU = (\d+)$/m.exec(config) ?? [];
  const lines = [
    'address flush dev wg0 scope global',
    `link set wg0 mtu ${mtu}`,
    ...addresses.split(', ').map((address) => `address add ${address} dev wg0`),
    ...['default', '::/0'].map((to) => `route add ${to} dev wg0 table ${mark}`),
  ];
  await place.run(['ip', '-batch', '-'], { input: lines.join('\n') });
}
