// Receipts: what a session has used so far, each bound to the one before. When one is sealed, what it says, whether it follows another, and
// what becomes of a consumer who countersigns none. Figures are cumulative, so a receipt that is lost takes no byte with it. Knows no
// signature, no clock and no kernel.

import type { ByteCount, Millis } from './brand.ts';
import { millis } from './brand.ts';
import type { Grant, Micro, Price } from './grant.ts';
import { type Fault, fault } from './result.ts';
import type { Generation, Pair, Quota } from './seat.ts';
import { sizeOf, sumOf } from './seat.ts';
import type { BootId, Digest, GrantId, SessionId, Wall } from './signed.ts';

export const endings = ['expired', 'spent', 'idle', 'revoked', 'owner', 'unwitnessed', 'quarantined', 'lost'] as const;
export type Ending = (typeof endings)[number];

/** What was read, at one moment. */
export type Reading = Readonly<{
  boot: BootId;
  /** Powered on, in this boot. */
  up: Millis;
  /** Advisory: nothing is decided by it. */
  wall: Wall;
  /** Billed, of the whole session. */
  counted: Pair<ByteCount>;
  packets: Pair<bigint>;
  /** Of the kernel's counters; another one says that they began anew. */
  generation: Generation;
  /** By WireGuard's own count, since it knows this peer. */
  tunnel: Pair<ByteCount>;
  /** What passed uncounted by our rules, in the whole session: billed to nobody. */
  gap: Pair<ByteCount> | null;
  left: Quota;
}>;

/** `price` stands beside the amount, so that bytes and money are one signed statement. */
export type Due = Readonly<{ amount: Micro; price: Price }>;

export type Receipt = Reading &
  Readonly<{
    session: SessionId;
    /** From 1 on. */
    sequence: number;
    /** Of the receipt before; of the first grant, in the first receipt. */
    previous: Digest;
    /** The grant now in force; null: still the first. */
    terms: GrantId | null;
    due: Due | null;
    /** The last receipt whose countersignature the router holds. */
    witnessed: number | null;
    /** Nothing follows a receipt that has it. */
    final: Ending | null;
  }>;

/** The end of a chain, or its anchor: sequence 0 and the digest of the first grant. */
export type Link = Readonly<{ session: SessionId; sequence: number; digest: Digest }>;
/** What the session knows beyond the reading. */
export type Standing = Pick<Receipt, 'terms' | 'witnessed' | 'final'>;

/** Rounded down: a fraction of the smallest unit is the router's to lose. */
export const amountOf = (counted: Pair<ByteCount>, { micro }: Price): Micro => ((sumOf(counted) * micro) >> 20n) as Micro;

export const next = ({ session, sequence, digest }: Link, reading: Reading, price: Price | null, standing: Standing): Receipt => ({
  ...reading,
  session,
  sequence: sequence + 1,
  previous: digest,
  due: price === null ? null : { amount: amountOf(reading.counted, price), price },
  ...standing,
});

/** What is wrong with a receipt in itself. */
export function faultsOf({ due, counted, sequence, witnessed }: Receipt): readonly Fault[] {
  const faults: Fault[] = [];
  if (due !== null && due.amount !== amountOf(counted, due.price)) faults.push(fault('denied', 'due', 'is not bytes times price'));
  if (witnessed !== null && witnessed >= sequence) faults.push(fault('denied', 'witnessed', 'names a receipt yet to come'));
  return faults;
}

/** Does it stand at the beginning of the session that this grant opened? */
export function faultsOfFirst(anchor: Link, grant: Grant, first: Receipt): readonly Fault[] {
  return [...faultsOfLink(anchor, first), ...faultsOf(first), ...faultsOfPrice(grant, first)];
}

export const faultsOfPrice = ({ price }: Grant, { due }: Receipt): readonly Fault[] =>
  isSamePrice(price, due?.price ?? null) ? [] : [fault('denied', 'due.price', 'is not the price granted')];

/** `most`: of all that was granted; null: no end of it. */
export const faultsOfQuota = ({ counted }: Receipt, most: bigint | null): readonly Fault[] =>
  most === null || sumOf(counted) <= most ? [] : [fault('limit', 'counted', `at most ${most} bytes were granted`)];

/** What a consumer's dispute has against the receipt that it names. */
export const faultsOfDispute = (dispute: Dispute, told: Link): readonly Fault[] =>
  // The other half of a fork: the consumer shows that it was told something else.
  dispute.digest === told.digest ? [] : [fault('forged', 'dispute.digest', 'the consumer was shown another receipt of this number')];

/** Does `after` follow `before`? A missing receipt in between is a Fault of its own: nothing else can be said then. */
export function faultsBetween(before: Receipt, digest: Digest, after: Receipt): readonly Fault[] {
  const link = faultsOfLink({ session: before.session, sequence: before.sequence, digest }, after);
  if (link.length > 0) return link;
  const faults = [...faultsOf(after)];
  if (before.final !== null) faults.push(fault('closed', 'final', 'the receipt before it was the last'));
  const grows: readonly (readonly [path: string, before: bigint, after: bigint])[] = [
    ['counted.up', before.counted.up, after.counted.up],
    ['counted.down', before.counted.down, after.counted.down],
    ['packets.up', before.packets.up, after.packets.up],
    ['packets.down', before.packets.down, after.packets.down],
    ['gap.up', before.gap?.up ?? 0n, after.gap?.up ?? 0n],
    ['gap.down', before.gap?.down ?? 0n, after.gap?.down ?? 0n],
    ['witnessed', BigInt(before.witnessed ?? 0), BigInt(after.witnessed ?? 0)],
    ...(before.boot === after.boot ? [['up', BigInt(before.up), BigInt(after.up)] as const] : []),
  ];
  for (const [path, was, is] of grows) if (is < was) faults.push(fault('denied', path, 'is less than in the receipt before'));
  if (!isSamePrice(before.due?.price ?? null, after.due?.price ?? null))
    faults.push(fault('denied', 'due.price', 'is not that of the receipt before'));
  return faults;
}

function faultsOfLink({ session, sequence, digest }: Link, after: Receipt): readonly Fault[] {
  if (after.session !== session) return [fault('denied', 'session', 'of another session')];
  if (after.sequence <= sequence) return [fault('stale', 'sequence', `at least ${sequence + 1}`)];
  if (after.sequence > sequence + 1) return [fault('missing', 'sequence', `${sequence + 1} is missing`)];
  return after.previous === digest ? [] : [fault('forged', 'previous', 'the chain forks')];
}

const isSamePrice = (a: Price | null, b: Price | null): boolean => a?.micro === b?.micro && a?.currency === b?.currency;

/** A consumer's signed word against a receipt. `counted`: its own figures, when they are the reason. */
export type Dispute = Readonly<{
  session: SessionId;
  sequence: number;
  digest: Digest;
  reason: (typeof reasons)[number];
  counted: Pair<ByteCount> | null;
}>;
export const reasons = ['bytes', 'chain', 'price', 'terms'] as const;

/** A consumer's signed word that so much has passed, before there is a receipt of it: it extends the credit, and costs the flash nothing. */
export type Voucher = Readonly<{ session: SessionId; counted: Pair<ByteCount> }>;

// ── When ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Not before `least` whatever passes, not after `most` when anything did, and else at every `step`. */
export type Pace = Readonly<{ least: Millis; most: Millis; step: ByteCount }>;

const shortest = 10_000;
const longest = 300_000;
const widest = 1n << 26n;

/** `cost`: of sealing one receipt and checking its countersignature, here. All sessions together may take a hundredth of the time. */
export function paceOf(sessions: number, cost: Millis, quota: Quota, credit: ByteCount | null): Pace {
  const least = millis(Math.max(shortest, Math.ceil(100 * cost * sessions)));
  const hundredth = sizeOf(quota) / 100n;
  const step = hundredth > widest ? hundredth : widest;
  const quarter = credit === null ? step : credit / 4n;
  return { least, most: millis(Math.max(longest, least)), step: (quarter < step ? quarter : step) as ByteCount };
}

/** `isTurn`: the session ends, or changes its terms or its state. */
export function isTime(pace: Pace, since: Readonly<{ bytes: bigint; time: number }>, isTurn: boolean): boolean {
  if (isTurn) return true;
  if (since.bytes === 0n || since.time < pace.least) return false;
  return since.bytes >= pace.step || since.time >= pace.most;
}

// ── Credit ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What passed since the last countersignature, against what the grant allows to. */
export function serviceOf({ witness, credit }: Pick<Grant, 'witness' | 'credit'>, unwitnessed: bigint): 'full' | 'throttled' | 'cut' {
  if (witness !== 'required' || credit === null || unwitnessed <= credit) return 'full';
  return unwitnessed <= 2n * credit ? 'throttled' : 'cut';
}
