// What survives a restart: marks, and the state they add up to. A mark is written before anybody acts on it, so whatever prefix of the marks
// is found again is a state that was true, and no chain is told twice from it. Taking a mark again changes nothing; a mark that would fork a
// chain is a Fault. Knows no file and no signature; receipts and grants are bytes to it.

import type { ByteCount, Millis, Seconds } from './brand.ts';
import { millis } from './brand.ts';
import type { Dispute, Ending, Link } from './receipt.ts';
import { type Fault, fail, fault, ok, type Result } from './result.ts';
import type { Pair, Slot } from './seat.ts';
import type { BootId, Digest, KeyId, SessionId } from './signed.ts';

type Head = Pick<Link, 'sequence' | 'digest'>;
/** What the consumer says against a receipt: its own figures, where they are the reason, and those that the receipt bills. */
export type Disputed = Pick<Dispute, 'sequence' | 'reason' | 'counted'> & Readonly<{ billed: Pair<ByteCount> }>;
/** `witness`: the consumer's countersignature, once it came. */
export type Kept = Head & Readonly<{ receipt: Uint8Array; witness: Uint8Array | null }>;

/** Powered-on time used of a lifetime, at that moment of that boot: what followed in the same boot can be told. */
export type Lived = Readonly<{ time: Seconds; boot: BootId; up: Seconds }>;

export type Account = Readonly<{
  /** Of the first grant, which began the chain. */
  anchor: Digest;
  grant: Uint8Array;
  /** The owner's, for a friend. */
  name: string | null;
  /** Whose session it is; null: the owner's. */
  root: KeyId | null;
  /** When its first grant is over. */
  until: Seconds | null;
  /** The grant in force; null: still the first. */
  terms: Uint8Array | null;
  /** Its place in the pool, so that the consumer finds the same addresses after a reboot; null: never seated. */
  slot: Slot | null;
  /** null: it was only opened. */
  lived: Lived | null;
  /** Up to here the other end holds the chain. */
  acknowledged: number;
  /** The link before the first of `kept`. */
  base: Head;
  /** Without a gap up to the head; the last one always, which says where to go on. */
  kept: readonly Kept[];
  /** The consumer's word for what no countersigned receipt says, as it was signed. */
  voucher: Uint8Array | null;
  /** The newest. */
  dispute: Disputed | null;
  /** It is to end, and its last receipt is not sealed yet. */
  ending: Ending | null;
  isClosed: boolean;
}>;
/** A session that is over: enough to refuse its grant a second time. */
export type Past = Readonly<{ session: SessionId }> & Pick<Account, 'root' | 'until'>;

export type Journal = Readonly<{
  starts: number;
  /** The highest time ever trusted. */
  time: Seconds;
  /** Certificates of a root below it are void for good. */
  least: ReadonlyMap<KeyId, number>;
  root: Readonly<{ number: number; digest: Digest; bytes: Uint8Array }> | null;
  accounts: ReadonlyMap<SessionId, Account>;
  /** Oldest first; of each root so many. */
  past: readonly Past[];
  /** Of a root: no session is begun by a grant that ends by then, since those that have been are not known any more. */
  outlived: ReadonlyMap<KeyId, Seconds>;
}>;

type Of<K extends string, F = unknown> = Readonly<{ kind: K; session: SessionId }> & Readonly<F>;
export type Mark =
  | Readonly<{ kind: 'started'; starts: number }>
  | Readonly<{ kind: 'timed'; time: Seconds }>
  | Readonly<{ kind: 'voided'; root: KeyId; least: number }>
  | Readonly<{ kind: 'rooted'; number: number; digest: Digest; bytes: Uint8Array }>
  | Of<'opened', Pick<Account, 'anchor' | 'grant' | 'name' | 'root' | 'until'>>
  | Of<'changed', { grant: Uint8Array }>
  | Of<'seated', { slot: Slot }>
  | Of<'lived', Lived>
  /** The chain up to here is not kept any more. Only who compacts says so. */
  | Of<'shortened', Head & { acknowledged: number }>
  | Of<'sealed', Head & { receipt: Uint8Array; isLast: boolean }>
  | Of<'witnessed', { sequence: number; signature: Uint8Array }>
  | Of<'vouched', { voucher: Uint8Array }>
  | Of<'disputed', { dispute: Disputed }>
  | Of<'ending', { why: Ending }>
  | Of<'acknowledged', Head>
  /** Its chain is never gone on with. */
  | Of<'ended'>
  // Only who compacts says these.
  | Of<'past', Past>
  | Readonly<{ kind: 'outlived'; root: KeyId; until: Seconds }>;

export const empty: Journal = {
  starts: 0,
  time: 0 as Seconds,
  least: new Map(),
  root: null,
  accounts: new Map(),
  past: [],
  outlived: new Map(),
};

/** Of grants and receipts in all, so that a coordinator who is away for weeks does not fill the flash: the oldest go first. */
export const mostKept = 72 << 10;
/** Of each root. */
export const mostPast = 256;

export const headOf = ({ base, kept }: Account): Head => kept.at(-1) ?? base;

// ── Taking marks ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function take(j: Journal, m: Mark): Result<Journal> {
  switch (m.kind) {
    case 'started':
      return ok({ ...j, starts: Math.max(j.starts, m.starts) });
    case 'timed':
      return ok(m.time > j.time ? { ...j, time: m.time } : j);
    case 'voided':
      return ok({ ...j, least: new Map(j.least).set(m.root, Math.max(m.least, j.least.get(m.root) ?? 0)) });
    case 'rooted': {
      const { number, digest, bytes } = m;
      if (j.root !== null && number <= j.root.number)
        return digest === j.root.digest ? ok(j) : fail('exists', 'root', `number ${number} was told already`);
      return ok({ ...j, root: { number, digest, bytes } });
    }
    case 'opened': {
      const had = j.accounts.get(m.session);
      // The receipts of a chain that is over may still be kept.
      if (had?.isClosed || j.past.some(({ session }) => session === m.session)) return fail('closed', m.session, 'is over');
      if (had !== undefined) return ok(j);
      const no = unknowable(j, m);
      if (no !== null) return { ok: false, fault: no };
      const { anchor, grant, name, root, until } = m;
      const account = {
        terms: null,
        slot: null,
        lived: null,
        acknowledged: 0,
        kept: [],
        voucher: null,
        dispute: null,
        ending: null,
        isClosed: false,
      } as const;
      return ok(thin(put(j, m.session, { ...account, anchor, grant, name, root, until, base: { sequence: 0, digest: anchor } })));
    }
    case 'ended':
      return ok(end(j, m.session));
    case 'past':
      return ok(bury(j, m));
    case 'outlived':
      return ok({ ...j, outlived: outlive(j, m.root, m.until) });
    default: {
      const account = j.accounts.get(m.session);
      const isPast = account === undefined && j.past.some(({ session }) => session === m.session);
      // Acknowledgements come again when their replies were lost, and a consumer's word may come behind the last one.
      if (isPast) return m.kind === 'sealed' || m.kind === 'changed' ? fail('closed', m.session, 'is over') : ok(j);
      if (account === undefined) return fail('missing', m.session, 'was never opened');
      const next = takeOf(account, m);
      if (!next.ok) return { ok: false, fault: { ...next.fault, path: m.session } };
      const { isClosed, acknowledged } = next.value;
      if (isClosed && acknowledged >= headOf(next.value).sequence) return ok(end(j, m.session));
      const changed = put(j, m.session, next.value);
      return ok(growing.has(m.kind) ? thin(changed) : changed);
    }
  }
}

/** What makes more of what is kept. Were it let grow beyond the bound in between, its marks would not make the same state again. */
const growing: ReadonlySet<Mark['kind']> = new Set(['changed', 'sealed', 'witnessed', 'vouched']);

const put = (j: Journal, session: SessionId, account: Account): Journal => ({ ...j, accounts: new Map(j.accounts).set(session, account) });

function takeOf(a: Account, m: Exclude<Extract<Mark, { session: SessionId }>, { kind: 'opened' | 'ended' | 'past' }>): Result<Account> {
  const head = headOf(a);
  switch (m.kind) {
    case 'changed':
      return ok({ ...a, terms: m.grant });
    case 'seated':
      return ok({ ...a, slot: m.slot });
    case 'lived':
      return ok(a.lived === null || m.time >= a.lived.time ? { ...a, lived: { time: m.time, boot: m.boot, up: m.up } } : a);
    case 'shortened':
      return ok({ ...a, acknowledged: m.acknowledged, base: { sequence: m.sequence, digest: m.digest }, kept: [] });
    case 'sealed': {
      const { sequence, digest, receipt } = m;
      if (sequence === head.sequence && digest === head.digest) return ok(a);
      if (a.isClosed) return fail('closed', '', 'nothing follows its last receipt');
      if (sequence !== head.sequence + 1) return fail('stale', '', `receipt ${head.sequence + 1} is next, not ${sequence}`);
      return ok(trim({ ...a, kept: [...a.kept, { sequence, digest, receipt, witness: null }], isClosed: m.isLast }));
    }
    case 'witnessed':
      return ok({ ...a, kept: a.kept.map((k) => (k.sequence === m.sequence ? { ...k, witness: m.signature } : k)), voucher: null });
    case 'vouched':
      return ok({ ...a, voucher: m.voucher });
    case 'disputed':
      return ok({ ...a, dispute: m.dispute });
    case 'ending':
      return ok({ ...a, ending: m.why });
    case 'acknowledged': {
      // Whoever acknowledges more than is here, or something else, has heard a later journal of this node.
      if (m.sequence > head.sequence) return fail('missing', '', `knows nothing after receipt ${head.sequence}`);
      const known = [a.base, ...a.kept].find(({ sequence }) => sequence === m.sequence);
      if (known !== undefined && known.digest !== m.digest) return fail('forged', '', `receipt ${m.sequence} was another`);
      return ok(trim({ ...a, acknowledged: Math.max(a.acknowledged, m.sequence) }));
    }
  }
}

/** Without what the other end holds. */
function trim(a: Account): Account {
  const at = a.kept.findIndex(({ sequence }) => sequence > a.acknowledged);
  return drop(a, at < 0 ? a.kept.length - 1 : at);
}

function drop(a: Account, count: number): Account {
  const last = a.kept[count - 1];
  return last === undefined ? a : { ...a, base: { sequence: last.sequence, digest: last.digest }, kept: a.kept.slice(count) };
}

/** A coordinator's grant of which nobody would know whether it has begun a session before: a second one would sign receipt 1 once more. */
function unknowable({ past, accounts, outlived }: Journal, { root, until }: Pick<Account, 'root' | 'until'>): Fault | null {
  // The nonce of a friend's grant was drawn here.
  if (root === null) return null;
  if (until === null) {
    const endless = [...past, ...accounts.values()].filter((one) => one.root === root && one.until === null);
    return endless.length < mostPast ? null : fault('limit', 'grant.until', `${mostPast} sessions had no end: give it one`);
  }
  const least = outlived.get(root);
  return least === undefined || until > least ? null : fault('stale', 'grant.until', `has to be after ${least}`);
}

function end(j: Journal, session: SessionId): Journal {
  const account = j.accounts.get(session);
  if (account === undefined) return j;
  const accounts = new Map(j.accounts);
  accounts.delete(session);
  return bury({ ...j, accounts }, { session, root: account.root, until: account.until });
}

/** Of each root's the one that ends first makes room: no other root's, and none without an end. */
function bury(j: Journal, { session, root, until }: Past): Journal {
  const past = [...j.past, { session, root, until }];
  const theirs = past.filter((one) => one.root === root);
  if (theirs.length <= mostPast) return { ...j, past };
  const first = theirs.reduce((a, b) => ((b.until ?? Infinity) < (a.until ?? Infinity) ? b : a));
  const isOutlived = root !== null && first.until !== null;
  return { ...j, past: past.filter((one) => one !== first), outlived: isOutlived ? outlive(j, root, first.until) : j.outlived };
}

const outlive = ({ outlived }: Journal, root: KeyId, until: Seconds): Journal['outlived'] =>
  new Map(outlived).set(root, Math.max(until, outlived.get(root) ?? until) as Seconds);

/** Figures are cumulative: the oldest receipt of the longest chain is missed least. Then sessions that are over. First of all theirs of whom
 *  most is kept: no coordinator, and no friend, makes room at the expense of another one's receipts. */
function thin(j: Journal): Journal {
  let thinner = j;
  while (sizeOf([...thinner.accounts]) > mostKept) {
    const next = without(thinner);
    if (next === null) return thinner;
    thinner = next;
  }
  return thinner;
}

type Accounts = readonly (readonly [SessionId, Account])[];

function without(j: Journal): Journal | null {
  const all: Accounts = [...j.accounts];
  const roots = [...new Set(all.map(([, { root }]) => root))].map((root) => all.filter(([, account]) => account.root === root));
  for (const theirs of roots.toSorted((a, b) => sizeOf(b) - sizeOf(a))) {
    const [longest] = theirs.toSorted(([, a], [, b]) => b.kept.length - a.kept.length);
    if (longest !== undefined && longest[1].kept.length > 1) return put(j, longest[0], drop(longest[1], 1));
    const over = theirs.find(([, { isClosed }]) => isClosed);
    if (over !== undefined) return end(j, over[0]);
  }
  return null;
}

/** Asked with each mark of a journal that is full, hence without a list of it all. */
const sizeOf = (accounts: Accounts): number =>
  accounts.reduce((sum, [, { grant, terms, kept, voucher }]) => {
    const agreed = grant.length + (terms?.length ?? 0) + (voucher?.length ?? 0);
    return kept.reduce((size, { receipt, witness }) => size + receipt.length + (witness?.length ?? 0), sum + agreed);
  }, 0);

/** Nothing follows any chain: who lost marks cannot know what was told. */
export const abandoned = ({ accounts }: Journal): readonly Mark[] => [...accounts.keys()].map((session) => ({ kind: 'ended', session }));

/** How many receipts are gone that nobody acknowledged. */
export const missingOf = ({ base, acknowledged }: Account): number => Math.max(0, base.sequence - acknowledged);

/** Nothing of it was ever signed. */
export const isUnused = ({ root, accounts, past }: Journal): boolean => root === null && accounts.size === 0 && past.length === 0;

// ── The marks of a state ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Taken from the beginning they make the same state: what a file is compacted to. */
export function marksOf(j: Journal): readonly Mark[] {
  return [
    { kind: 'started', starts: j.starts },
    { kind: 'timed', time: j.time },
    ...[...j.least].map(([root, least]): Mark => ({ kind: 'voided', root, least })),
    ...(j.root === null ? [] : [{ kind: 'rooted', ...j.root } as const]),
    // Those that are open may end before what is outlived by now.
    ...[...j.accounts].flatMap(([session, a]) => marksOfAccount(session, a)),
    ...j.past.map((past): Mark => ({ kind: 'past', ...past })),
    ...[...j.outlived].map(([root, until]): Mark => ({ kind: 'outlived', root, until })),
  ];
}

function marksOfAccount(session: SessionId, a: Account): readonly Mark[] {
  const { anchor, grant, name, root, until, terms, slot, lived, base, acknowledged, kept, voucher, dispute, ending, isClosed } = a;
  return [
    { kind: 'opened', session, anchor, grant, name, root, until },
    ...(terms === null ? [] : [{ kind: 'changed', session, grant: terms } as const]),
    ...(slot === null ? [] : [{ kind: 'seated', session, slot } as const]),
    ...(lived === null ? [] : [{ kind: 'lived', session, ...lived } as const]),
    { kind: 'shortened', session, ...base, acknowledged },
    ...kept.flatMap(({ sequence, digest, receipt, witness }, i): readonly Mark[] => [
      { kind: 'sealed', session, sequence, digest, receipt, isLast: isClosed && i === kept.length - 1 },
      ...(witness === null ? [] : [{ kind: 'witnessed', session, sequence, signature: witness } as const]),
    ]),
    ...(voucher === null ? [] : [{ kind: 'vouched', session, voucher } as const]),
    ...(dispute === null ? [] : [{ kind: 'disputed', session, dispute } as const]),
    ...(ending === null ? [] : [{ kind: 'ending', session, why: ending } as const]),
  ];
}

// ── How often ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Writes that are left; one more comes with every `refill`. A day takes at most 288 and `burst`. */
export type Budget = Readonly<{ left: number; at: Millis }>;
export const refill = millis(300_000);
export const burst = 60;

export const full = (now: Millis): Budget => ({ left: burst, at: now });

export function earn(b: Budget, now: Millis): Budget {
  const earned = Math.floor((now - b.at) / refill);
  const left = Math.min(burst, b.left + earned);
  return { left, at: left === burst ? now : millis(b.at + earned * refill) };
}

/** What has to be written is written; the debt then keeps back what can wait. */
export const spend = (b: Budget): Budget => ({ ...b, left: b.left - 1 });

/** So long may wait what may be lost: mostly it goes with the next receipts, and costs no write of its own. */
export const patience = millis(3 * refill);

/** A busy day of 20 sessions is a megabyte then. */
const sessionsPerRefill = 4;

/** May receipts be sealed now? By time: the more sessions, the longer. By bytes: while half of the burst is left to turns. */
export function isTime(b: Budget, since: Millis, sessions: number, isStep: boolean): boolean {
  const rounds = Math.max(1, Math.ceil(sessions / sessionsPerRefill));
  return since >= rounds * refill || (isStep && b.left > burst / 2);
}
