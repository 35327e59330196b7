// One session, from its grant to its last receipt: what becomes of it by what is counted, answered, signed and agreed, what it wants of the
// enforcer, and what its next receipt says. The kernel holds its limits meanwhile; here they are judged once more, and billed. Knows no other
// session, no key of ours and no bytes.

import type { Alteration, Eviction, Renewal, Request } from './admission.ts';
import type { Bound } from './bound.ts';
import * as bounds from './bound.ts';
import { type ByteCount, type Millis, millis, type PublicKey, type Seconds, seconds } from './brand.ts';
import type { Grant } from './grant.ts';
import { isSame } from './grant.ts';
import type { Lived, Mark } from './journal.ts';
import type { Wish } from './limits.ts';
import type { Ending, Link, Pace, Reading, Receipt } from './receipt.ts';
import * as receipts from './receipt.ts';
import { absurd, type Fault, fault } from './result.ts';
import type { Pair, PeerKey, Quota, Slot } from './seat.ts';
import { isSpent, sumOf } from './seat.ts';
import type { Figures, Row, Seated } from './session.ts';
import type { Ceilings } from './settings.ts';
import type { BootId, GrantId, KeyId, SessionId, Wall } from './signed.ts';

export type Seen = Pick<Reading, 'counted' | 'packets' | 'generation' | 'tunnel' | 'gap'>;

/** Its place in the kernel. */
export type Place = Readonly<{
  /** What the enforcer has agreed to; null: that was in an earlier life of ours. */
  told: Wish | null;
  addresses: readonly [four: string, six: string] | null;
  endpoint: string | null;
  /** Of the kernel's own time-out; null: not read yet. */
  left: Millis | null;
  /** What passed uncounted, by the enforcer's own memory of this place. */
  gap: Pair<ByteCount>;
}>;

type Common = Readonly<{
  session: SessionId;
  name: string | null;
  /** Of whom it is; null: of the owner. */
  root: KeyId | null;
  grant: Grant;
  /** The grant in force; null: still the first. */
  terms: GrantId | null;
  head: Link;
  /** Where its addresses are from; null: it had none yet, and whoever is in under its key is of a session before it. */
  slot: Slot | null;
  /** The newest that is known. */
  seen: Seen;
  /** At the head of the chain: what is billed, and when that was. */
  sealed: Readonly<{ counted: Pair<ByteCount>; at: Millis }>;
  /** The last receipt that was countersigned. */
  witnessed: Readonly<{ sequence: number; bytes: bigint }> | null;
  /** What its consumer vouched for last, and the message; of use where no countersignature says as much. */
  vouched: Readonly<{ bytes: bigint; message: Uint8Array }> | null;
  /** When it was last asked to. */
  tallied: Millis;
  /** Since when its consumer has a receipt to answer; null: it has answered the last. */
  asked: Millis | null;
  /** Lifetime that was used at `since`. */
  lived: Seconds;
  since: Millis;
  /** When bytes last passed. */
  moved: Millis;
  /** Terms or state are others than at the head. */
  isTurn: boolean;
}>;

export type Session = Common &
  (
    | Readonly<{ kind: 'waiting' }>
    | Readonly<{ kind: 'open' | 'throttled'; place: Place }>
    /** Of no use for now: the enforcer refuses it, or a friend has used it up and may get more. */
    | Readonly<{ kind: 'paused'; why: Fault | 'spent'; place: Place | null }>
    /** Nothing passes any more but what is said about its receipts. */
    | Readonly<{ kind: 'draining'; why: Ending; stage: Stage; place: Place | null }>
    | Readonly<{ kind: 'closed'; why: Ending }>
  );
type Stage =
  /** It has to be stopped, and then read once more. */
  | 'stopping'
  /** The enforcer will not have it stopped, so it has to be evicted. */
  | 'leaving'
  | 'stopped'
  /** All that it will ever have used is known: its last receipt is due. */
  | 'measured'
  /** So long the consumer may countersign that. */
  | Readonly<{ until: Millis }>;

export type Clock = Readonly<{ at: Millis; wall: Wall }>;
export type Now = Clock & Readonly<{ boot: BootId; ceilings: Ceilings; bounds: Bounds }>;
/** Of coordinators, for the sessions of each. */
export type Bounds = ReadonlyMap<KeyId, Bound>;

export type Happening =
  | Readonly<{ kind: 'metered'; row: Row }>
  /** `wish` null: only its end was set. */
  | Readonly<{ kind: 'placed'; seated: Seated; wish: Wish | null }>
  | Readonly<{ kind: 'refused'; fault: Fault }>
  /** The kernel has no place of it any more; null: nobody says what it had counted. */
  | Readonly<{ kind: 'left'; gone: Figures | null }>
  | Readonly<{ kind: 'changed'; grant: Grant; terms: GrantId }>
  | Readonly<{ kind: 'ended'; why: Ending }>
  | Readonly<{ kind: 'sealed'; link: Link }>
  | Readonly<{ kind: 'witnessed'; sequence: number }>
  | Readonly<{ kind: 'tallied' }>
  | Readonly<{ kind: 'vouched'; counted: Pair<ByteCount>; message: Uint8Array }>
  | Readonly<{ kind: 'disputed'; sequence: number }>
  | Readonly<{ kind: 'passed' }>;

const none: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
const nothing: Seen = { counted: none, packets: none, generation: 0 as Seen['generation'], tunnel: none, gap: null };
function larger(a: bigint, b: bigint): bigint {
  if (a > b) return a;
  return b;
}
const each = (of: (way: 'up' | 'down') => bigint): Pair<ByteCount> => ({ up: of('up') as ByteCount, down: of('down') as ByteCount });

// ── Beginning ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Whose = Pick<Common, 'name' | 'root'>;
export const begin = (session: SessionId, { name, root }: Whose, grant: Grant, anchor: Link, at: Millis): Session => ({
  kind: 'waiting',
  session,
  name,
  root,
  grant,
  terms: null,
  head: anchor,
  slot: null,
  seen: nothing,
  sealed: { counted: none, at },
  witnessed: null,
  vouched: null,
  tallied: at,
  asked: null,
  lived: seconds(0),
  since: at,
  moved: at,
  isTurn: false,
});

/** What the journal knows of a session. */
export type Recalled = Readonly<{
  session: SessionId;
  name: string | null;
  root: KeyId | null;
  grant: Grant;
  terms: GrantId | null;
  head: Link;
  slot: Slot | null;
  last: Receipt | null;
  witnessed: Readonly<{ sequence: number; bytes: bigint }> | null;
  lived: Lived | null;
  ending: Ending | null;
}>;

/** The router was powered on while we were not there; after a reboot, since its boot. */
export function recall({ lived, last, ending, ...kept }: Recalled, boot: BootId, at: Millis): Session {
  const { session, grant, head } = kept;
  const since = lived !== null && lived.boot === boot ? lived.up : 0;
  const seen = last === null ? nothing : { ...last, tunnel: none };
  const found = {
    ...begin(session, kept, grant, head, at),
    ...kept,
    seen,
    sealed: { counted: seen.counted, at },
    // Whatever it may have said meanwhile, it is asked anew.
    asked: last === null || last.sequence === kept.witnessed?.sequence ? null : at,
    lived: seconds((lived?.time ?? 0) + Math.max(0, Math.floor(at / 1000) - since)),
  };
  // Should it still have its place, that is found, and stopped.
  return ending === null ? found : { ...found, kind: 'draining', why: ending, stage: 'stopping', place: null };
}

// ── What becomes of it ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function step(s: Session, h: Happening, now: Now): Session {
  const next = judge(take(s, h, now), now);
  return next.kind === s.kind || s.kind === 'waiting' || next.kind === 'closed' ? next : { ...next, isTurn: true };
}

function take(s: Session, h: Happening, now: Now): Session {
  switch (h.kind) {
    case 'metered':
      return hasBeenIn(s) ? metered(s, h.row, now.at) : unseated(s);
    case 'left':
      return unseated(h.gone !== null && hasBeenIn(s) ? billed(s, h.gone) : s);
    case 'placed':
      return placed(s, h.seated, h.wish, now.at);
    case 'refused':
      return refused(s, h.fault);
    case 'changed':
      return { ...s, grant: h.grant, terms: h.terms, isTurn: true };
    case 'ended':
      return drain(s, h.why);
    case 'sealed':
      return sealed(s, h.link, now.at);
    case 'witnessed':
      return answered({ ...s, asked: null, witnessed: { sequence: h.sequence, bytes: sumOf(s.sealed.counted) } }, h.sequence);
    case 'tallied':
      return { ...s, tallied: now.at };
    case 'vouched':
      return { ...s, vouched: { bytes: sumOf(h.counted), message: h.message } };
    case 'disputed':
      return answered(s, h.sequence);
    case 'passed':
      return s;
    default:
      return absurd(h);
  }
}

function metered(s: Session, row: Row, at: Millis): Session {
  const was = placeOf(s);
  const place: Place = { ...(was ?? nowhere), endpoint: row.endpoint, left: row.left, gap: row.gap };
  const next = billed(s, row);
  const isMoving = was === null || sumOf(next.seen.counted) > sumOf(s.seen.counted);
  const seen = { ...next.seen, generation: row.generation, tunnel: row.tunnel };
  const here = seated({ ...next, seen, moved: isMoving ? at : s.moved }, place);
  return here.kind === 'draining' && here.stage === 'stopped' ? { ...here, stage: 'measured' } : here;
}

/** Never less than before: whatever the kernel forgot, it had counted. */
function billed(s: Session, { counted, packets, gap }: Figures): Session {
  const most = (had: Pair<bigint>, has: Pair<bigint>): Pair<ByteCount> => each((way) => larger(had[way], has[way]));
  const [had, before] = [s.seen.gap ?? none, placeOf(s)?.gap ?? null];
  // Of a place that we did not see made, nobody knows what of its gap is known already.
  const all = before === null ? most(had, gap) : each((way) => had[way] + (gap[way] < before[way] ? gap[way] : gap[way] - before[way]));
  const seen = { counted: most(s.seen.counted, counted), packets: most(s.seen.packets, packets), gap: sumOf(all) === 0n ? null : all };
  return { ...s, seen: { ...s.seen, ...seen } };
}

function placed(s: Session, { address4, address6, generation, slot }: Seated, wish: Wish | null, at: Millis): Session {
  const was = placeOf(s);
  const place: Place = { ...(was ?? nowhere), told: wish ?? was?.told ?? null, addresses: [address4, address6] };
  const next = was === null ? { ...s, slot, seen: { ...s.seen, generation }, moved: at } : { ...s, slot };
  // What is answered may have been asked before it was to end.
  const isStop = s.kind === 'draining' && s.stage === 'stopping' && wish !== null && isSame(wish, wishOf(s));
  const here = seated(next, place);
  return here.kind === 'draining' && isStop ? { ...here, stage: 'stopped' } : here;
}

function seated(s: Session, place: Place): Session {
  switch (s.kind) {
    case 'open':
    case 'throttled':
      return { ...s, place };
    case 'draining':
      // It was let in while it was to end.
      return { ...s, place, stage: s.place === null && s.stage === 'measured' ? 'stopping' : s.stage };
    case 'closed':
      return s;
    case 'paused':
      return s.why === 'spent' ? { ...s, place } : { ...common(s), kind: 'open', place };
    case 'waiting':
      return { ...common(s), kind: 'open', place };
  }
}

function unseated(s: Session): Session {
  switch (s.kind) {
    case 'draining':
      return typeof s.stage === 'object' ? close(s, s.why) : { ...s, place: null, stage: 'measured' };
    case 'closed':
      return s;
    case 'paused':
      return s.why === 'spent' ? { ...common(s), kind: 'waiting' } : { ...s, place: null };
    default:
      return { ...common(s), kind: 'waiting' };
  }
}

function refused(s: Session, why: Fault): Session {
  if (s.kind === 'draining') return s.stage === 'stopping' ? { ...s, stage: 'leaving' } : s;
  return s.kind === 'waiting' || s.kind === 'paused' ? { ...common(s), kind: 'paused', why, place: null } : s;
}

function drain(s: Session, why: Ending): Session {
  if (s.kind === 'draining' || s.kind === 'closed') return s;
  const place = placeOf(s);
  return { ...common(s), kind: 'draining', why, place, stage: place === null ? 'measured' : 'stopping' };
}

const close = (s: Common, why: Ending): Session => ({ ...common(s), kind: 'closed', why });

function sealed(s: Session, head: Link, at: Millis): Session {
  const next = { ...s, head, sealed: { counted: s.seen.counted, at }, asked: s.asked ?? at, isTurn: false };
  if (next.kind !== 'draining' || next.stage !== 'measured') return next;
  const isAsked = next.place !== null && next.grant.consumer !== null;
  return isAsked ? { ...next, stage: { until: millis(at + lastWord) } } : close(next, next.why);
}

/** By its consumer, to the receipt of that number. */
const answered = (s: Session, sequence: number): Session =>
  s.kind === 'draining' && typeof s.stage === 'object' && sequence === s.head.sequence ? close(s, s.why) : s;

function judge(s: Session, now: Now): Session {
  switch (s.kind) {
    case 'closed':
      return s;
    case 'draining':
      return typeof s.stage === 'object' && now.at >= s.stage.until ? close(s, s.why) : s;
    case 'waiting':
      return leftOf(s, now) > 0 ? s : drain(s, 'expired');
    case 'paused':
    case 'open':
    case 'throttled': {
      if (leftOf(s, now) <= 0) return drain(s, 'expired');
      const { grant, place, moved } = s;
      if (place === null) return s;
      if (grant.idle !== null && now.at - moved >= grant.idle * 1000) return drain(s, 'idle');
      const isOver = isUsedUp(s, now.at);
      if (isOver && grant.throttle === null)
        return s.name === null ? drain(s, 'spent') : { ...common(s), kind: 'paused', why: 'spent', place };
      if (boundOf(s, now).isPaused) return { ...common(s), kind: 'paused', why: halted, place };
      const service = serviceOf(s);
      if (service === 'cut' && s.asked !== null && now.at - s.asked >= lastWord) return drain(s, 'unwitnessed');
      return { ...common(s), kind: isOver || service !== 'full' ? 'throttled' : 'open', place };
    }
  }
}

// ── What it comes to ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** A consumer that was not asked, or is still being asked, is slowed and not cut. */
const lastWord = 60_000;
const nowhere: Place = { told: null, addresses: null, endpoint: null, left: null, gap: none };

const common = ({
  session,
  name,
  root,
  grant,
  terms,
  head,
  slot,
  seen,
  sealed,
  witnessed,
  vouched,
  tallied,
  asked,
  lived,
  since,
  moved,
  isTurn,
}: Common): Common => ({
  session,
  name,
  root,
  grant,
  terms,
  head,
  slot,
  seen,
  sealed,
  witnessed,
  vouched,
  tallied,
  asked,
  lived,
  since,
  moved,
  isTurn,
});

const boundOf = ({ root }: Common, now: Pick<Now, 'bounds'>): Bound => (root === null ? undefined : now.bounds.get(root)) ?? bounds.free;
const halted = fault('denied', 'limit', 'its coordinator has paused it');

export const placeOf = (s: Session): Place | null => ('place' in s ? s.place : null);

/** What is told of its key is told of it. */
export const hasBeenIn = ({ slot }: Common): boolean => slot !== null;

export const livedBy = ({ lived, since }: Common, at: Millis): Seconds => seconds(lived + Math.floor((at - since) / 1000));

export const lifeOf = (session: SessionId, time: number, at: Millis, boot: BootId): Mark => ({
  kind: 'lived',
  session,
  time: seconds(time),
  boot,
  up: seconds(Math.floor(at / 1000)),
});

/** Seconds. A wall clock that nobody vouches for ends nothing. */
export function leftOf(s: Common, { at, wall }: Clock): number {
  const { lifetime, until } = s.grant;
  const left = lifetime - livedBy(s, at);
  return until === null || wall.trust === 'unknown' ? left : Math.min(left, until - wall.at);
}

const chargedTo = ({ seen: { counted, gap } }: Common): Pair<ByteCount> => each((way) => counted[way] + (gap?.[way] ?? 0n));

/** The kernel refuses the packet that would exceed, of up to 64 KiB, and all that follow: so a little may be left of a quota that is spent. */
function isUsedUp(s: Common, at: Millis): boolean {
  const quota = s.grant.quota as Quota;
  const charged = chargedTo(s);
  if (isSpent(quota, charged)) return true;
  const isStill = at - s.moved >= stillness && sumOf(charged) > 0n;
  const less = (n: bigint): ByteCount => (n / 16n < crumbs ? n - n / 16n : n - crumbs) as ByteCount;
  return (
    isStill &&
    isSpent(quota.kind === 'shared' ? { ...quota, bytes: less(quota.bytes) } : { ...quota, ...each((way) => less(quota[way])) }, charged)
  );
}
const crumbs = 1n << 16n;
const stillness = 10_000;

/** What its consumer has given no word for. */
const unwitnessed = ({ seen, witnessed, vouched }: Common): bigint =>
  sumOf(seen.counted) - larger(witnessed?.bytes ?? 0n, vouched?.bytes ?? 0n);

export const serviceOf = (s: Common): ReturnType<typeof receipts.serviceOf> => receipts.serviceOf(s.grant, unwitnessed(s));

/** In whole percent; of two quotas, of the one that is nearer its end. */
export function usedPart(s: Common): number {
  const { quota } = s.grant;
  const charged = chargedTo(s);
  const part = (limit: bigint, used: bigint): number => (used >= limit ? 100 : Number((used * 100n) / limit));
  return quota.kind === 'shared' ? part(quota.bytes, sumOf(charged)) : Math.max(part(quota.up, charged.up), part(quota.down, charged.down));
}

export function quotaLeft(s: Common): Quota {
  const { quota } = s.grant;
  const charged = chargedTo(s);
  const above = (had: bigint, used: bigint): ByteCount => (had > used ? had - used : 0n) as ByteCount;
  return quota.kind === 'shared'
    ? { kind: 'shared', bytes: above(quota.bytes, sumOf(charged)) }
    : { kind: 'split', up: above(quota.up, charged.up), down: above(quota.down, charged.down) };
}

// ── What it wants of the enforcer ────────────────────────────────────────────────────────────────────────────────────────────────────

export type Asked =
  | Readonly<{ method: 'admit'; item: Request & Readonly<{ key: PeerKey }> }>
  | Readonly<{ method: 'change'; item: Alteration & Readonly<{ key: PeerKey }> }>
  | Readonly<{ method: 'renew'; item: Renewal & Readonly<{ key: PeerKey }> }>
  | Readonly<{ method: 'evict'; item: Eviction & Readonly<{ key: PeerKey }> }>;
export type Method = Asked['method'];

/** null: it is as it should be. */
export function wantOf(s: Session, now: Now): Asked | null {
  const key = s.grant.peer;
  if (s.kind === 'closed') return null;
  if (s.kind === 'draining') {
    if (s.stage !== 'stopping' && s.stage !== 'leaving') return null;
    // Only who can countersign has to stay until the last receipt is signed.
    return s.grant.consumer === null || s.stage === 'leaving'
      ? { method: 'evict', item: { key } }
      : { method: 'change', item: { key, ...wishOf(s) } };
  }
  const bound = boundOf(s, now);
  // It keeps its place, and nothing passes.
  const wish = bound.isPaused ? { ...wishOf(s), quota: usedUp(s), throttle: null } : bounds.slowed(wishOf(s), bound);
  const wanted = Math.max(1, Math.min(leftOf(s, now), now.ceilings.lifetime));
  const place = placeOf(s);
  if (place === null && bound.isPaused) return null;
  if (place === null) {
    const { counted: used, packets } = s.seen;
    return { method: 'admit', item: { key, ...wish, seconds: BigInt(wanted), used, packets, ...(s.slot !== null && { slot: s.slot }) } };
  }
  if (place.told === null || !isSame(place.told, wish)) return { method: 'change', item: { key, ...wish } };
  const left = place.left === null ? wanted : place.left / 1000;
  // The kernel's time runs as ours does; it is behind when the grant was topped up, and where the owner's ceiling is shorter than the grant.
  const isFar = left < wanted - Math.max(trifle, wanted / 4) || left > wanted + trifle;
  return isFar ? { method: 'renew', item: { key, seconds: BigInt(wanted) } } : null;
}

const trifle = 10;

/** For whom nothing is granted once the credit is used up: a sixteenth of the rate, and enough to countersign by. */
const slowest = 64_000n;
const slowed = (rate: bigint): bigint => (rate < slowest ? rate : rate / 16n < slowest ? slowest : rate / 16n);

function wishOf(s: Session): Wish {
  const { rate, throttle, egress } = s.grant;
  if (s.kind === 'draining') return { quota: usedUp(s), rate, throttle: null, egress };
  const quota = withoutGap(s);
  if (serviceOf(s) === 'full') return { quota, rate, throttle, egress };
  const slow = throttle ?? { up: slowed(rate.up), down: slowed(rate.down) };
  return { quota, rate: slow, throttle, egress };
}

/** What passed uncounted through earlier places is not known to the kernel of this one. */
function withoutGap(s: Session): Wish['quota'] {
  const { quota } = s.grant;
  const [all, known] = [s.seen.gap ?? none, placeOf(s)?.gap ?? none];
  const less = (n: bigint, gap: bigint): bigint => (n > gap ? n - gap : 1n);
  return quota.kind === 'shared'
    ? { kind: 'shared', bytes: less(quota.bytes, sumOf(all) - sumOf(known)) }
    : { kind: 'split', up: less(quota.up, all.up - known.up), down: less(quota.down, all.down - known.down) };
}

/** A quota that is spent: the kernel passes nothing more, and the peer stays. */
function usedUp({ grant: { quota }, seen: { counted } }: Common): Wish['quota'] {
  const least = (n: bigint): bigint => (n > 0n ? n : 1n);
  return quota.kind === 'shared'
    ? { kind: 'shared', bytes: least(sumOf(counted)) }
    : { kind: 'split', up: least(counted.up), down: least(counted.down) };
}

/** Whose word about receipts is heard, and where. */
export type Consumer = Readonly<{ session: SessionId; key: PublicKey; addresses: readonly [string, string] }>;
export function consumerOf(s: Session): Consumer | null {
  const [key, addresses] = [s.grant.consumer, placeOf(s)?.addresses ?? null];
  return key === null || addresses === null ? null : { session: s.session, key, addresses };
}

// ── Receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Its last receipt is sealed, and may still be countersigned. */
export const isSealed = (s: Session): boolean => s.kind === 'draining' && typeof s.stage === 'object';

export const isLast = (s: Session): boolean => s.kind === 'draining' && s.stage === 'measured';

export const billedSince = (s: Common): bigint => sumOf(s.seen.counted) - sumOf(s.sealed.counted);

export function isDue(s: Session, pace: Pace, at: Millis): boolean {
  // Whoever drains has one more to come.
  if (s.kind === 'draining' || s.kind === 'closed') return isLast(s);
  const bytes = billedSince(s);
  return bytes > 0n && receipts.isTime(pace, { bytes, time: at - s.sealed.at }, s.isTurn);
}

/** Its consumer has nothing to answer, a quarter of the credit is used, and no receipt can be written of it yet. Who leaves a receipt
 *  unanswered is not asked for less than that. */
export function isTallyDue(s: Session, { least }: Pace, at: Millis): boolean {
  const { witness, credit } = s.grant;
  if ((s.kind !== 'open' && s.kind !== 'throttled') || s.asked !== null || witness !== 'required' || credit === null) return false;
  return unwitnessed(s) >= credit / 4n && at - s.tallied >= least;
}

/** What has to be kept of its consumer's word when something has gone otherwise; null: its countersignature says as much. */
export const voucherOf = ({ session, witnessed, vouched }: Common): Mark | null =>
  vouched === null || vouched.bytes <= (witnessed?.bytes ?? 0n) ? null : { kind: 'vouched', session, voucher: vouched.message };

export const receiptOf = (s: Session, { at, wall, boot }: Now): Receipt =>
  receipts.next(s.head, { ...s.seen, boot, up: at, wall, left: quotaLeft(s) }, s.grant.price, {
    terms: s.terms,
    witnessed: s.witnessed?.sequence ?? null,
    final: s.kind === 'draining' && isLast(s) ? s.why : null,
  });
