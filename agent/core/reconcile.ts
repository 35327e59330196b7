// Want against have → ordered steps. Each step is one transaction of the kernel; between any two of them the router may lose power. So
// what takes away comes first, rules come before the peer that they hold, and a peer goes before its rules do: half-way is always too
// strict, never too open. Knows no netlink.

import { type Millis, millis } from './brand.ts';
import type { Egress, Held, Kernel, Pair, PeerKey, Quota, Seat, Slot, Terms } from './seat.ts';
import { isSpent } from './seat.ts';

/** What of a session the kernel changes by itself when told so; everything else keeps counting meanwhile. */
export type Change =
  /** In place: what was used stays to the byte. */
  | Readonly<{ kind: 'resize-quota'; quota: Quota }>
  /** A spent quota forgets what it refused only by being replaced; nothing passes while it is, so counters are exact. What a throttle lets
   *  pass between the reading and this, its rate for some milliseconds, is billed and not charged to the quota. */
  | Readonly<{ kind: 'replace-quota'; quota: Quota }>
  | Readonly<{ kind: 'set-rate'; rate: Terms['rate'] }>
  | Readonly<{ kind: 'set-spent'; spent: Terms['spent'] }>
  | Readonly<{ kind: 'set-egress'; egress: Egress }>
  | Readonly<{ kind: 'set-end'; left: Millis }>;

export type Step =
  | Readonly<{ kind: 'expel'; key: PeerKey }>
  | Readonly<{ kind: 'clear'; held: Held }>
  | Readonly<{ kind: 'alter'; held: Held; changes: readonly [Change, ...Change[]] }>
  | Readonly<{ kind: 'seat'; seat: Seat; left: Millis }>
  | Readonly<{ kind: 'welcome'; key: PeerKey; slot: Slot }>;

/** Timeouts are given and read some milliseconds apart. */
const slack = 2000;

export function plan(want: ReadonlyMap<PeerKey, Seat>, have: Kernel, now: Millis): Step[] {
  const expel: Step[] = have.strays.map((key) => ({ kind: 'expel', key }));
  const clear: Step[] = [];
  const alter: Step[] = [];
  const seat: Step[] = [];
  const welcome: Step[] = [];
  const bySlot = new Map<Slot, Seat>();
  for (const wanted of want.values()) bySlot.set(wanted.slot, wanted);

  for (const held of have.held.values()) {
    const wanted = bySlot.get(held.slot);
    if (wanted !== undefined && (held.key === null || held.key === wanted.key)) continue;
    if (held.key !== null) expel.push({ kind: 'expel', key: held.key });
    clear.push({ kind: 'clear', held });
  }
  for (const wanted of want.values()) {
    const left = millis(Math.max(0, wanted.ends - now));
    const held = have.held.get(wanted.slot);
    if (held === undefined || (held.key !== null && held.key !== wanted.key)) {
      // One that is over already is not begun.
      if (left === 0) continue;
      seat.push({ kind: 'seat', seat: wanted, left });
    } else {
      const [first, ...more] = changes(wanted, held, left);
      if (first !== undefined) alter.push({ kind: 'alter', held, changes: [first, ...more] });
      if (held.key === wanted.key) continue;
    }
    welcome.push({ kind: 'welcome', key: wanted.key, slot: wanted.slot });
  }
  return [...expel, ...clear, ...alter, ...seat, ...welcome];
}

function changes({ terms: want }: Seat, held: Held, left: Millis): Change[] {
  const { terms: have, counted } = held;
  const out: Change[] = [];
  if (!isSameEgress(want.egress, have.egress)) out.push({ kind: 'set-egress', egress: want.egress });
  if (!isSameQuota(want.quota, have.quota)) {
    const inPlace = want.quota.kind === have.quota.kind && !isSpent(have.quota, counted) && !isSpent(want.quota, counted);
    out.push({ kind: inPlace ? 'resize-quota' : 'replace-quota', quota: want.quota });
  }
  if (!isSamePair(want.rate, have.rate)) out.push({ kind: 'set-rate', rate: want.rate });
  if (!isSameSpent(want.spent, have.spent)) out.push({ kind: 'set-spent', spent: want.spent });
  if (Math.abs(left - held.left) > slack || (left === 0 && held.left > 0)) out.push({ kind: 'set-end', left });
  return out;
}

/** Terms after one change of a session. */
export function altered(terms: Terms, c: Change): Terms {
  switch (c.kind) {
    case 'resize-quota':
    case 'replace-quota':
      return { ...terms, quota: c.quota };
    case 'set-rate':
      return { ...terms, rate: c.rate };
    case 'set-spent':
      return { ...terms, spent: c.spent };
    case 'set-egress':
      return { ...terms, egress: c.egress };
    case 'set-end':
      return terms;
  }
}

export const isSameTerms = (a: Terms, b: Terms): boolean =>
  isSameQuota(a.quota, b.quota) && isSamePair(a.rate, b.rate) && isSameSpent(a.spent, b.spent) && isSameEgress(a.egress, b.egress);

const isSamePair = (a: Pair<bigint>, b: Pair<bigint>): boolean => a.up === b.up && a.down === b.down;

const isSameSpent = (a: Terms['spent'], b: Terms['spent']): boolean => (a === null || b === null ? a === b : isSamePair(a, b));

function isSameQuota(a: Quota, b: Quota): boolean {
  if (a.kind === 'shared') return b.kind === 'shared' && a.bytes === b.bytes;
  return b.kind === 'split' && isSamePair(a, b);
}

function isSameEgress(a: Egress, b: Egress): boolean {
  const lines = (e: Egress): string[] => {
    switch (e.kind) {
      case 'internet':
        return [e.kind];
      case 'hop':
        return [e.kind, `${e.address} ${e.protocol} ${e.port}`];
      case 'list':
        return [e.kind, ...e.flows.map((f) => `${f.address}/${f.length} ${f.protocol} ${f.ports.first}-${f.ports.last}`).toSorted()];
    }
  };
  return lines(a).join() === lines(b).join();
}
