// Who is seated: what is asked for, what the owner allows and what the kernel holds → the seats wanted from now on (for reconcile.plan) and an
// answer to each who asked. Every command first drops what the owner no longer allows. Remembers nothing; knows no bus and no netlink.

import { type ByteCount, type Millis, millis } from './brand.ts';
import type { Limits, Wish } from './limits.ts';
import * as limits from './limits.ts';
import type { Pool } from './pool.ts';
import type { Blocked } from './reach.ts';
import * as reach from './reach.ts';
import { isSameTerms } from './reconcile.ts';
import { type Fault, fail, fault, ok, type Result } from './result.ts';
import * as schedule from './schedule.ts';
import type { Held, Kernel, Pair, PeerKey, Seat, Slot } from './seat.ts';
import type { Reason } from './session.ts';
import type { Owner, Share } from './settings.ts';

export type Renewal = Readonly<{ key: string; seconds: bigint }>;
export type Alteration = Readonly<{ key: string }> & Wish;
export type Eviction = Readonly<{ key: string }>;
/** `used`: what was billed before, as after a reboot, and in how many packets; none where nothing is said. `slot`: the one it had then, since
 *  its addresses stand in its configuration; another one where that is taken. */
export type Request = Renewal & Wish & Readonly<{ used: Pair<bigint>; packets?: Pair<bigint>; slot?: number }>;

export type Rules = Readonly<{ share: Share; limits: Limits; blocked: Blocked; pool: Pool; own: PeerKey }>;
/** `ended`: when an expired session was first seen so; the kernel does not say. `minute`: of the week; null: the clock is not trusted. */
export type Have = Readonly<{
  kernel: Kernel;
  ended: ReadonlyMap<PeerKey, Millis>;
  now: Millis;
  minute: number | null;
  isMonthSpent: boolean;
}>;

export type Evicted = Held & Readonly<{ key: PeerKey; why: Reason }>;
/** `evicted`: what was held and is no longer wanted. A session changing slots is evicted and wanted. */
export type Decision = Readonly<{
  want: ReadonlyMap<PeerKey, Seat>;
  evicted: readonly Evicted[];
  answers: readonly Result<Seat>[];
}>;

/** `own`: the router's key. */
export const rules = ({ share, limits: l }: Owner, pool: Pool, own: PeerKey): Rules => ({
  share,
  limits: l,
  blocked: reach.blocked([...l.deny, pool.four, pool.six], l.allow),
  pool,
  own,
});

type Draft = Map<PeerKey, Seat>;

/** Of what the kernel holds, what may stay: after a start, after a change of settings. */
export const adopt = (r: Rules, have: Have): Decision => decide(r, have, [], () => fail('missing', '', 'nothing is asked'));

/** The same key with the same terms is the same seat, with a new end. */
export const admit = (r: Rules, have: Have, asked: readonly Result<Request>[]): Decision =>
  decide(r, have, asked, (want, request) => {
    const no = refusal(r, have);
    if (no !== null) return { ok: false, fault: no };
    const key = parseKey(request.key, r.own);
    if (!key.ok) return key;
    const terms = limits.check(request, r.limits, r.blocked);
    if (!terms.ok) return terms;
    const ends = endOf(request, r, have);
    if (!ends.ok) return ends;
    const { used, packets = { up: 0n, down: 0n } } = request;
    const [wrong] = [
      ...limits.within('used_up', used.up, 0n, mostUsed, 'bytes'),
      ...limits.within('used_down', used.down, 0n, mostUsed, 'bytes'),
      ...limits.within('used_packets_up', packets.up, 0n, mostUsed, 'packets'),
      ...limits.within('used_packets_down', packets.down, 0n, mostUsed, 'packets'),
      ...(request.slot === undefined ? [] : limits.within('slot', BigInt(request.slot), 1n, 1n << 32n, 'as a slot')),
    ];
    if (wrong !== undefined) return { ok: false, fault: wrong };
    const seated = want.get(key.value);
    if (seated !== undefined)
      return isSameTerms(seated.terms, terms.value)
        ? put(want, { ...seated, ends: ends.value })
        : fail('exists', 'key', 'is seated with other terms: change them, or evict it first');
    if (want.size >= r.limits.sessions && !evictExpired(want, have))
      return fail('denied', 'weir.limits.sessions', `at most ${r.limits.sessions} sessions`);
    const slot = freeSlot(key.value, want, have.kernel, r.pool, request.slot);
    if (slot === null) return fail('limit', 'weir.tunnel.pool4', 'no slot is free');
    return put(want, { key: key.value, slot, terms: terms.value, used: used as Pair<ByteCount>, packets, ends: ends.value });
  });

export const renew = (r: Rules, have: Have, asked: readonly Result<Renewal>[]): Decision =>
  decide(r, have, asked, (want, renewal) => {
    const seated = find(r, have, want, renewal.key);
    if (!seated.ok) return seated;
    const ends = endOf(renewal, r, have);
    return ends.ok ? put(want, { ...seated.value, ends: ends.value }) : ends;
  });

/** All terms anew; what was used stays used. */
export const change = (r: Rules, have: Have, asked: readonly Result<Alteration>[]): Decision =>
  decide(r, have, asked, (want, alteration) => {
    const seated = find(r, have, want, alteration.key);
    if (!seated.ok) return seated;
    const terms = limits.check(alteration, r.limits, r.blocked);
    return terms.ok ? put(want, { ...seated.value, terms: terms.value }) : terms;
  });

/** The one thing that is never refused. */
export const evict = (r: Rules, have: Have, asked: readonly Result<Eviction>[]): Decision =>
  decide(r, have, asked, (want, { key }) => {
    const seated = seatOf(r, want, key);
    if (seated.ok) want.delete(seated.value.key);
    return seated;
  });

function decide<T>(r: Rules, have: Have, asked: readonly Result<T>[], answer: (want: Draft, asked: T) => Result<Seat>): Decision {
  const want = staying(r, have);
  const stayed = new Set(want.keys());
  const answers = asked.map((one) => (one.ok ? answer(want, one.value) : one));
  const named = new Set(answers.flatMap((one) => (one.ok ? [one.value.key] : [])));
  const why = (key: PeerKey): Reason => (stayed.has(key) ? (named.has(key) ? 'asked' : 'expired') : isShut(r, have) ? 'owner' : 'limits');
  const evicted = [...have.kernel.held.values()].flatMap(({ key, ...held }): Evicted[] =>
    key === null || want.get(key)?.slot === held.slot ? [] : [{ ...held, key, why: why(key) }],
  );
  return { want, evicted, answers };
}

const isShut = ({ share, limits: l }: Pick<Rules, 'share' | 'limits'>, { minute }: Have): boolean =>
  !share.accepted || share.paused || hours(l, minute) !== null;

function staying({ share, limits: l, blocked, pool, own }: Rules, have: Have): Draft {
  const want: Draft = new Map();
  if (isShut({ share, limits: l }, have)) return want;
  for (const { key, slot, terms, counted, packets, left } of have.kernel.held.values())
    if (key !== null && key !== own && slot <= pool.slots && limits.isWithin(terms, l, blocked))
      want.set(key, { key, slot, terms, used: counted, packets, ends: millis(have.now + left) });
  for (const { key } of inTurn(want, have)) if (want.size > l.sessions) want.delete(key);
  return want;
}

/** What is in the way by the owner's schedule. Whoever is in then has to go, and may ask again when it opens. */
export function hours({ schedule: { spans, whenUnknown } }: Limits, minute: number | null): Fault | null {
  if (schedule.isOpen(spans, minute, whenUnknown)) return null;
  const why = minute === null ? 'the clock is not set yet' : 'the owner shares at other hours';
  return fault('denied', 'weir.limits.schedule', why);
}

function refusal({ share, limits: l }: Rules, { isMonthSpent, minute }: Have): Fault | null {
  if (!share.accepted) return fault('denied', 'weir.share.accepted', 'the owner shares nothing yet');
  if (share.paused) return fault('denied', 'weir.share.paused', 'the owner has paused sharing');
  const { cap } = l.month;
  if (isMonthSpent)
    return fault('denied', 'weir.limits.monthly_cap', `the month is spent${cap === null ? '' : `: at most ${cap} line bytes`}`);
  return hours(l, minute);
}

const isExpired = ({ ends }: Seat, { now }: Have): boolean => ends <= now;

/** Those who ended longest ago first, then those who will end soonest. Nobody saw the end of those that expired before we began. */
function inTurn(want: Draft, have: Have): Seat[] {
  const end = (seat: Seat): number => (isExpired(seat, have) ? (have.ended.get(seat.key) ?? 0) : seat.ends);
  return [...want.values()].toSorted((a, b) => end(a) - end(b));
}

function evictExpired(want: Draft, have: Have): boolean {
  const [oldest] = inTurn(want, have);
  return oldest !== undefined && isExpired(oldest, have) && want.delete(oldest.key);
}

function put(want: Draft, seat: Seat): Result<Seat> {
  want.set(seat.key, seat);
  return ok(seat);
}

function find(r: Rules, have: Have, want: Draft, key: string): Result<Seat> {
  const no = refusal(r, have);
  return no === null ? seatOf(r, want, key) : { ok: false, fault: no };
}

function seatOf(r: Rules, want: Draft, text: string): Result<Seat> {
  const key = parseKey(text, r.own);
  if (!key.ok) return key;
  const seated = want.get(key.value);
  return seated === undefined ? fail('missing', 'key', 'no such session') : ok(seated);
}

/** 32 bytes have one base64: the last digit before the sign has two bits that are none of theirs. */
export const parsePeerKey = (text: string): Result<PeerKey> =>
  /^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/.test(text) ? ok(text as PeerKey) : fail('malformed', 'key', 'expected 32 bytes in base64');

// The kernel passes over its own key as a peer in silence.
const parseKey = (text: string, own: PeerKey): Result<PeerKey> =>
  text === own ? fail('denied', 'key', "is the router's own") : parsePeerKey(text);

function endOf({ seconds }: Readonly<{ seconds: bigint }>, r: Rules, { now }: Have): Result<Millis> {
  const [wrong] = limits.within('seconds', seconds, 1n, BigInt(r.limits.session.lifetime), 'seconds');
  return wrong === undefined ? ok(millis(now + 1000 * Number(seconds))) : { ok: false, fault: wrong };
}

// A pebibyte; sums of two are far from the kernel's 63 bits.
const mostUsed = 1n << 50n;

/**
 * Each key has a place of its own to begin the search, so that a slot just left is hardly the next one taken: answers to its last holder
 * may still be under way. What the kernel holds is taken only when it will be cleared before, and is known to have had a peer: rules
 * without one would be taken for this session's own.
 */
function freeSlot(key: PeerKey, want: Draft, { held }: Kernel, { slots }: Pool, before: number | undefined): Slot | null {
  const taken = new Set([...want.values()].map(({ slot }) => slot));
  const start = before === undefined ? [...key].reduce((hash, digit) => (hash * 31 + digit.charCodeAt(0)) % 0x7fff_ffff, 0) : before - 1;
  let reserve: Slot | null = null;
  for (let n = 0; n < slots; n++) {
    const slot = (1 + ((start + n) % slots)) as Slot;
    if (taken.has(slot)) continue;
    const holder = held.get(slot);
    if (holder === undefined) return slot;
    if (holder.key !== null) reserve ??= slot;
  }
  return reserve;
}
