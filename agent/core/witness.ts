// Asking for a countersignature, from both ends. The router: when it sends a receipt again, and how much of an answer it looks at. The
// consumer: whether it agrees with a receipt. Knows no datagram and no signature.

import type { ByteCount, Millis } from './brand.ts';
import { millis } from './brand.ts';
import type { Grant } from './grant.ts';
import type { Dispute, Link, Receipt } from './receipt.ts';
import * as receipts from './receipt.ts';
import type { Pair } from './seat.ts';
import type { Digest, GrantId } from './signed.ts';

// ── The router ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One receipt per session is open at a time. */
export type Asking = Readonly<{
  sent: number;
  /** When it goes out again. */
  next: Millis;
  /** A verification costs 0.2 s of a router: each sending buys one, so that a flood of wrong answers costs no more than silence. */
  mayVerify: boolean;
}>;

const firstWait = 1000;
const lastWait = 60_000;

export const begin = (now: Millis): Asking => ({ sent: 0, next: now, mayVerify: false });

export const sent = (a: Asking, now: Millis): Asking => ({
  sent: a.sent + 1,
  next: millis(now + Math.min(lastWait, firstWait * 2 ** a.sent)),
  mayVerify: true,
});

export const verify = (a: Asking): Asking => ({ ...a, mayVerify: false });

/** Datagrams that are looked at, in a window of time. */
export type Patience = Readonly<{ since: Millis; heard: number }>;
export const window = millis(10_000);
export const mostHeard = 8;

export const hear = (p: Patience, now: Millis): Patience =>
  now - p.since >= window ? { since: now, heard: 1 } : { ...p, heard: p.heard + 1 };
export const isPatient = ({ heard }: Patience): boolean => heard <= mostHeard;

// ── The consumer ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The band: a MiB, for what was under way, and a twentieth, for what the air lost behind the router, or for the headers of packets that the
 *  consumer's kernel counted as one (72 bytes of 1420, at most). */
const slack = 1n << 20n;
const share = 20n;

/** `own`: the inner packets' bytes by the consumer's tunnel interface, in the whole session. Less than passed may be billed: that is the
 *  router's to give. */
export const isWithin = (billed: Pair<ByteCount>, own: Pair<ByteCount>): boolean =>
  (['up', 'down'] as const).every((way) => billed[way] <= own[way] + own[way] / share + slack);

/** What the consumer saw before: the last receipt of the chain, or the grant's beginning. */
export type Before = Readonly<{ receipt: Receipt; digest: Digest }> | null;
export type Opinion =
  | Readonly<{ kind: 'agreed' }>
  | Readonly<{ kind: 'disputed'; reason: Dispute['reason'] }>
  /** Nothing can be said before this receipt is there, or the grant that it names. */
  | Readonly<{ kind: 'wanting'; from: number; terms: GrantId | null }>;

/** What was granted: the first grant, its anchor, and the names of those that came after it. */
export type Agreement = Readonly<{ anchor: Link; grant: Grant; later: ReadonlySet<GrantId> }>;

/** Of a receipt whose signature holds. */
export function judge({ anchor, grant, later }: Agreement, before: Before, receipt: Receipt, own: Pair<ByteCount>): Opinion {
  const faults =
    before === null ? receipts.faultsOfFirst(anchor, grant, receipt) : receipts.faultsBetween(before.receipt, before.digest, receipt);
  // The price is the grant's in every receipt: a chain that was taken up again behind a gap has no other witness of it.
  const [wrong] = [...faults, ...receipts.faultsOfPrice(grant, receipt)];
  if (wrong?.code === 'missing') return { kind: 'wanting', from: (before?.receipt.sequence ?? 0) + 1, terms: null };
  if (wrong !== undefined) return { kind: 'disputed', reason: wrong.path.startsWith('due') ? 'price' : 'chain' };
  if (receipt.terms !== null && !later.has(receipt.terms)) return { kind: 'wanting', from: receipt.sequence, terms: receipt.terms };
  return isWithin(receipt.counted, own) ? { kind: 'agreed' } : { kind: 'disputed', reason: 'bytes' };
}
