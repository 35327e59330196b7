// How good a way is, by round trips: what is made of them, and whom a coordinator may have probed. Knows no socket.

import { type Millis, millis } from './brand.ts';
import type { Order, Outcome } from './command.ts';
import * as ip from './ip.ts';
import * as reach from './reach.ts';
import { fail, ok, type Result } from './result.ts';

/** There and back, in the order of asking; null: nothing came back in time. */
export type Trips = readonly (Millis | null)[];

/** `address`: as core/ip renders it. */
export type Goal = Readonly<{ protocol: 'udp' | 'tcp'; address: string; port: number; times: number; size: number }>;

const elsewhere = reach.blocked([], []);

/** Not into the owner's network, nor the router itself: what answers there is none of a coordinator's business. */
export function admit({ protocol, address, port, times, size }: Extract<Order, { kind: 'probe' }>): Result<Goal> {
  const parsed = ip.parseAddress(address);
  if (!parsed.ok) return parsed;
  const wall = reach.wallOf(elsewhere, { address: parsed.value, length: 8 * parsed.value.length });
  return wall === null ? ok({ protocol, address, port, times, size }) : fail('denied', 'order.address', `is in ${wall}`);
}

export const lostOf = (trips: Trips): number => trips.filter((trip) => trip === null).length;

/** null: none came back. Of two in the middle the longer one. */
export function medianOf(trips: Trips): Millis | null {
  const back = trips.filter((trip) => trip !== null).sort((a, b) => a - b);
  return back[Math.floor(back.length / 2)] ?? null;
}

export function outcomeOf(trips: Trips): Extract<Outcome, { kind: 'probed' }> {
  const back = trips.filter((trip) => trip !== null);
  const median = medianOf(trips);
  const micros = (span: number): number => Math.round(1000 * span);
  const times = median === null ? null : { least: micros(Math.min(...back)), median: micros(median), most: micros(Math.max(...back)) };
  return { kind: 'probed', sent: trips.length, received: back.length, times };
}

/** Between two askings of one, and so long all askings together may take. */
export const pause = millis(100);
export const patience = millis(1000);
export const mostTime = millis(20_000);
