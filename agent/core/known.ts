// What the kernel holds, as far as it was read once and has said yes to each step since. Reading all of it costs too much for every command;
// its counters, its generations and its peers are read each time, and where they do not fit, so is the rest. Knows no table.

import { type Millis, millis } from './brand.ts';
import type { Prefix } from './ip.ts';
import type { Pool } from './pool.ts';
import * as pools from './pool.ts';
import type { Step } from './reconcile.ts';
import * as reconcile from './reconcile.ts';
import type { Generation, Held, Kernel, PeerKey, Slot, Terms } from './seat.ts';

/** `generation` null: the kernel has yet to say. */
type Kept = Readonly<{ key: PeerKey | null; generation: Generation | null; terms: Terms; ends: Millis }>;
export type Known = ReadonlyMap<Slot, Kept>;

/** `strays` have no place in it. */
export const begin = ({ held }: Kernel, now: Millis): Known =>
  new Map([...held.values()].map(({ slot, key, generation, terms, left }) => [slot, { key, generation, terms, ends: millis(now + left) }]));

export function after(known: Known, steps: readonly Step[], now: Millis): Known {
  const next = new Map(known);
  const change = (slot: Slot, to: Partial<Kept>): void => {
    const was = next.get(slot);
    if (was !== undefined) next.set(slot, { ...was, ...to });
  };
  for (const step of steps)
    switch (step.kind) {
      case 'expel':
        for (const [slot, { key }] of next) if (key === step.key) change(slot, { key: null });
        break;
      case 'clear':
        next.delete(step.held.slot);
        break;
      case 'alter': {
        const end = step.changes.findLast((c) => c.kind === 'set-end');
        const was = next.get(step.held.slot);
        if (was === undefined) break;
        const ends = end?.kind === 'set-end' ? millis(now + end.left) : was.ends;
        next.set(step.held.slot, { ...was, terms: step.changes.reduce(reconcile.altered, was.terms), ends });
        break;
      }
      case 'seat':
        next.set(step.seat.slot, { key: null, generation: null, terms: step.seat.terms, ends: millis(now + step.left) });
        break;
      case 'welcome':
        change(step.slot, { key: step.key });
        break;
    }
  return next;
}

type Metered = ReadonlyMap<Slot, Pick<Held, 'generation' | 'counted' | 'packets'>>;
type Peer = Readonly<{ key: PeerKey; allowed: readonly Prefix[] }>;

/** null: they do not fit, and somebody else has been there. */
export function meet(known: Known, metered: Metered, peers: readonly Peer[], pool: Pool, now: Millis): Kernel | null {
  const held = new Map<Slot, Held>();
  for (const [slot, { key, generation, terms, ends }] of known) {
    const meter = metered.get(slot);
    if (meter === undefined || (generation !== null && generation !== meter.generation)) return null;
    const { counted, packets } = meter;
    held.set(slot, { key, slot, terms, generation: meter.generation, counted, packets, left: millis(Math.max(0, ends - now)) });
  }
  const keyed = new Map([...known].map(([slot, { key }]) => [key, slot]));
  const isOurs = ({ key, allowed }: Peer): boolean =>
    allowed.length === 2 && allowed.every((p) => pools.slotOf(pool, p.address) === keyed.get(key));
  keyed.delete(null);
  return metered.size === known.size && peers.length === keyed.size && peers.every(isOurs) ? { held, strays: [] } : null;
}
