// What was last seen of every seat. The kernel is the truth; this is for the moment when somebody has deleted part of it: peers go with
// their device, rules with their table. What is lost is then wanted again from here: strictly, for WireGuard goes on counting what the rules
// no longer count, and that is charged to the quota; leniently, for nobody is billed for it. Knows no table and no device.

import { type ByteCount, type Millis, millis } from './brand.ts';
import type { Generation, Held, Kernel, Pair, PeerKey, Seat, Slot } from './seat.ts';

/** `gap`: all that passed uncounted. `settled`: of it, what came before these counters; the rest is, for all that is known, in them. */
export type Seen = Seat &
  Readonly<{ generation: Generation; packets: Pair<bigint>; gap: Pair<ByteCount>; settled: Pair<ByteCount>; tunnel: Pair<ByteCount> }>;
export type Sight = ReadonlyMap<PeerKey, Seen>;
/** By WireGuard's own count. */
export type Tunnelled = ReadonlyMap<PeerKey, Pair<ByteCount>>;

const none: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };

const each = (of: (way: 'up' | 'down') => bigint): Pair<ByteCount> => ({ up: of('up') as ByteCount, down: of('down') as ByteCount });

/** Counters that are smaller than before are those of a peer that was made anew. */
const growth = (before: Pair<ByteCount>, now: Pair<ByteCount>): Pair<ByteCount> =>
  each((way) => (now[way] < before[way] ? now[way] : now[way] - before[way]));

/** Whose rules these are; null: nobody knows. */
function ownerOf(held: Held, before: Sight): PeerKey | null {
  if (held.key !== null) return held.key;
  const seen = [...before.values()].find(({ slot, generation }) => slot === held.slot && generation === held.generation);
  return seen === undefined ? null : seen.key;
}

/** A seat that the kernel has lost stays in sight until it is wanted no more. */
export function look(before: Sight, { held }: Kernel, tunnel: Tunnelled, now: Millis): Sight {
  const sight = new Map<PeerKey, Seen>();
  for (const one of held.values()) {
    const key = ownerOf(one, before);
    if (key === null) continue;
    const { slot, generation, terms, counted, packets, left } = one;
    const was = before.get(key);
    // The kernel does not say when an expired seat ended.
    const ends = left === 0 && was !== undefined && was.ends <= now ? was.ends : millis(now + left);
    // The same counters as before have counted all the while.
    const gap = (was?.generation === generation ? was.settled : was?.gap) ?? none;
    sight.set(key, { key, slot, generation, terms, used: counted, packets, ends, gap, settled: gap, tunnel: tunnel.get(key) ?? none });
  }
  for (const [key, was] of before) {
    if (sight.has(key)) continue;
    const counted = tunnel.get(key) ?? was.tunnel;
    const grown = growth(was.tunnel, counted);
    sight.set(key, { ...was, gap: each((way) => was.gap[way] + grown[way]), tunnel: counted });
  }
  return sight;
}

/** The kernel as it would be, had nobody taken anything away. */
export function whole({ held, strays }: Kernel, sight: Sight, now: Millis): Kernel {
  const all = new Map(held);
  for (const { key, slot, generation, terms, used, packets, ends } of sight.values()) {
    const there = held.get(slot);
    if (there === undefined || (there.key === null && there.generation === generation))
      all.set(slot, {
        key,
        slot,
        generation,
        terms,
        counted: used,
        packets,
        left: millis(Math.max(0, ends - now)),
        ...(there && { left: there.left }),
      });
  }
  return { held: all, strays };
}

/** What the quota, and nobody's bill, has to know. */
export function withGaps(want: ReadonlyMap<PeerKey, Seat>, sight: Sight): ReadonlyMap<PeerKey, Seat> {
  const gapOf = (key: PeerKey): Pair<ByteCount> => sight.get(key)?.gap ?? none;
  return new Map([...want].map(([key, seat]) => [key, gapOf(key) === none ? seat : { ...seat, gap: gapOf(key) }]));
}

export function without(sight: Sight, gone: Iterable<PeerKey>): Sight {
  const left = new Map(sight);
  for (const key of gone) left.delete(key);
  return left;
}

/** When those who have expired did so. */
export const ended = (sight: Sight, now: Millis): ReadonlyMap<PeerKey, Millis> =>
  new Map([...sight.values()].filter(({ ends }) => ends <= now).map(({ key, ends }) => [key, ends]));

/** Slots whose rules counted more than WireGuard carried, by more than what waits in its queues: one of the two is not to be believed. */
export function disagreeing(before: Sight, now: Sight): readonly Slot[] {
  const odd: Slot[] = [];
  for (const [key, seen] of now) {
    const was = before.get(key);
    if (was === undefined || was.generation !== seen.generation) continue;
    const [billed, carried] = [growth(was.used, seen.used), growth(was.tunnel, seen.tunnel)];
    if (billed.up > carried.up + queues || billed.down > carried.down + queues) odd.push(seen.slot);
  }
  return odd;
}

const queues = 1n << 21n;
