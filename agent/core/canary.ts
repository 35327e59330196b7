// The canary: a throw-away guest of the router's own, whose packets have to move every counter before anybody is served. Who it is, how little
// it may, and what is wrong when a counter stays. Knows no socket and no rule.

import type { ByteCount } from './brand.ts';
import type { Pool } from './pool.ts';
import { type Fault, fault } from './result.ts';
import { type ByteRate, type Pair, type Slot, sumOf, type Terms } from './seat.ts';

/** Its end of the tunnel. */
export const device = 'weirc0';

/** An address of the pool that is no session's and not the router's. */
export const slotOf = ({ slots }: Pool): Slot => (slots + 2) as Slot;

const most = 4096n as ByteCount;

/** Whatever else may fail, it goes nowhere. */
export const terms: Terms = {
  quota: { kind: 'shared', bytes: most },
  rate: { up: 1_000_000n as ByteRate, down: 1_000_000n as ByteRate },
  spent: null,
  egress: { kind: 'list', flows: [] },
};

export type Way = keyof Pair<unknown>;
export type Version = 4 | 6;

export type Reading = Readonly<{
  /** What its own counters say; what its peer has carried; what the node's quota was charged, guests included. */
  counted: Pair<ByteCount>;
  carried: Pair<ByteCount>;
  node: ByteCount | null;
}>;

/** null: a packet moved whatever it had to move. */
export function unmoved(way: Way, version: Version, before: Reading, now: Reading): Fault | null {
  const stays = (what: string, reason: string): Fault => fault('foreign', `canary.${what}`, `${reason} (IPv${version}, ${way})`);
  const [counted, carried] = [now.counted[way] - before.counted[way], now.carried[way] - before.carried[way]];
  // Down, what is not counted is refused, and never gets as far as the tunnel.
  if (way === 'up' && carried === 0n) return stays('tunnel', 'the tunnel takes nothing of a throw-away guest over loopback');
  if (counted === 0n)
    return stays(`${way}${version}`, 'packets of a throw-away guest are not counted: something takes them before our rules');
  if (carried < counted) return stays('tunnel', 'the rules count more than the tunnel carries');
  if (before.node === null || now.node === null || now.node - before.node < counted)
    return stays('node', 'the quota of the month is not charged');
  return null;
}

/** null: the tunnel has taken more of it than its quota. */
export const unheard = (before: Reading, now: Reading): Fault | null =>
  now.carried.up - before.carried.up > most ? null : fault('foreign', 'canary.tunnel', 'the tunnel takes only some of a throw-away guest');

export const overdrawn = ({ counted }: Reading): Fault | null =>
  sumOf(counted) <= most ? null : fault('foreign', 'canary.quota', 'a throw-away guest gets more than its quota');
