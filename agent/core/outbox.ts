// Receipts on their way to coordinators: one at a time, behind all else, and again until each is acknowledged from end to end. What there is to
// send is what the journal keeps. Knows no link and no signature.

import { type Millis, millis } from './brand.ts';
import type { Acknowledged } from './command.ts';
import type { Effect, Publication, Word } from './effect.ts';
import type { Account, Journal, Mark } from './journal.ts';
import * as journal from './journal.ts';
import { type Fault, fail, fault, ok, type Result, under } from './result.ts';
import type { Digest, KeyId, SessionId } from './signed.ts';

/** `sent`: up to where, of chains that do not begin with what is acknowledged. `root`: the last one that was sent. `vouched`: of which session
 *  the last voucher was. */
type Sent = Readonly<{ sent: ReadonlyMap<SessionId, number>; root: number; vouched: SessionId | null }>;
export type State =
  | Readonly<{ kind: 'away' }>
  /** `was`: up to where, when this one left. */
  | (Sent & Readonly<{ kind: 'sending'; was: number | null }>)
  /** `isEmpty`: nothing was left to send. */
  | (Sent & Readonly<{ kind: 'waiting'; isEmpty: boolean }>);
export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;
export type Ground = Readonly<{
  journal: Journal;
  /** Whose sessions' last receipts may still be countersigned. */
  held: ReadonlySet<SessionId>;
  roots: readonly KeyId[];
}>;

const pace = millis(200);
/** Of a broker that takes none: its quota may be spent. */
const respite = millis(60_000);
/** So long who has not acknowledged is given. */
const patience: Millis = millis(3_600_000);

export const begin: State = { kind: 'away' };

/** With each connection. */
export const start = (ground: Ground): Step => send({ sent: new Map(), root: 0, vouched: null }, ground);

/** Something may be there by now. */
export const look = (state: State, ground: Ground): Step =>
  state.kind === 'waiting' && state.isEmpty ? send(state, ground) : { state, effects: [] };

export function paced(state: State, ground: Ground): Step {
  if (state.kind !== 'waiting') return { state, effects: [] };
  return state.isEmpty ? start(ground) : send(state, ground);
}

/** `fault`: it did not get there; one that the broker will never take is not tried again. */
export function sent(state: State, { word }: Publication, why: Fault | null): Step {
  if (state.kind !== 'sending' || !isOurs(word)) return { state, effects: [] };
  const isOver = why === null || why.code === 'limit';
  // What was asked for meanwhile goes once more.
  const isSame = word.kind !== 'receipt' || (state.sent.get(word.session) ?? null) === state.was;
  const { sent, root, vouched } = state;
  const next = isOver && isSame ? after(state, word) : { sent, root, vouched };
  return { state: { ...next, kind: 'waiting', isEmpty: false }, effects: [{ kind: 'pace', pause: isOver ? pace : respite }] };
}

type Ours = Extract<Word, { kind: 'receipt' | 'voucher' | 'root' }>;
const isOurs = (word: Word): word is Ours => word.kind === 'receipt' || word.kind === 'voucher' || word.kind === 'root';

function after({ sent, root, vouched }: Sent, word: Ours): Sent {
  if (word.kind === 'root') return { sent, root: word.number, vouched };
  if (word.kind === 'voucher') return { sent, root, vouched: word.session };
  return { sent: new Map(sent).set(word.session, word.sequence), root, vouched };
}

function send({ sent, root, vouched }: Sent, { journal: { accounts, root: last }, held, roots }: Ground): Step {
  const publish = (publication: Publication, was: number | null): Step => ({
    state: { kind: 'sending', sent, root, vouched, was },
    effects: [{ kind: 'publish', publication }],
  });
  for (const [session, account] of accounts) {
    if (account.root === null || !roots.includes(account.root)) continue;
    const from = sent.get(session) ?? account.acknowledged;
    const next = account.kept.find(({ sequence }) => sequence > from);
    if (next === undefined) continue;
    const isAnswered = next.witness !== null || account.dispute?.sequence === next.sequence;
    if (held.has(session) && !isAnswered && next === account.kept.at(-1)) continue;
    const { sequence, receipt, witness } = next;
    const topic = `receipts/${account.root}`;
    // With the last receipt's acknowledgement it is gone.
    if (account.voucher !== null && account.isClosed && next === account.kept.at(-1) && vouched !== session)
      return publish({ topic, word: { kind: 'voucher', session, voucher: account.voucher } }, null);
    return publish({ topic, word: { kind: 'receipt', session, sequence, receipt, witness } }, sent.get(session) ?? null);
  }
  if (last !== null && last.number > root && roots.length > 0)
    return publish({ topic: 'roots', word: { kind: 'root', number: last.number, root: last.bytes } }, null);
  return { state: { kind: 'waiting', isEmpty: true, sent, root, vouched }, effects: [{ kind: 'pace', pause: patience }] };
}

/** From there on once more. A countersignature that came late is worth it, too. */
export function again(state: State, session: SessionId, from: number, { accounts }: Journal): State {
  const account = accounts.get(session);
  if (state.kind === 'away' || account === undefined) return state;
  const before = Math.min(from - 1, state.sent.get(session) ?? account.acknowledged);
  return { ...state, sent: new Map(state.sent).set(session, before) };
}

// ── What is asked of it ──────────────────────────────────────────────────────────────────────────────────────────────────────────────

function find({ accounts }: Journal, root: KeyId, session: SessionId): Result<Account> {
  const account = accounts.get(session);
  if (account === undefined) return fail('missing', 'session', 'nothing is kept of it here');
  return account.root === root ? ok(account) : fail('denied', 'session', 'is not of this coordinator');
}

/** May they be sent from there on? */
export function asked(book: Journal, root: KeyId, session: SessionId, from: number): Fault | null {
  const found = find(book, root, session);
  if (!found.ok) return found.fault;
  const [first] = found.value.kept;
  return first === undefined || from < first.sequence ? fault('missing', 'from', `kept from ${first?.sequence ?? 'none'} on`) : null;
}

export type Taken = Readonly<{
  marks: readonly Mark[];
  /** The first thing that was wrong. */
  fault: Fault | null;
  /** Sessions of which the other end knows more than we do. */
  outrun: readonly SessionId[];
}>;

export function acknowledge(book: Journal, root: KeyId, receipts: readonly Acknowledged[]): Taken {
  const marks: Mark[] = [];
  const outrun: SessionId[] = [];
  let wrong: Fault | null = null;
  let state = book;
  for (const [i, one] of receipts.entries()) {
    if (book.past.some(({ session }) => session === one.session)) continue;
    const found = find(book, root, one.session);
    const mark = { kind: 'acknowledged', ...one } as const;
    const taken = found.ok ? journal.take(state, mark) : found;
    if (taken.ok) {
      state = taken.value;
      marks.push(mark);
      continue;
    }
    wrong ??= under(`order.receipts.${i}`, { ...taken.fault, path: '' });
    if (found.ok && one.sequence > journal.headOf(found.value).sequence) outrun.push(one.session);
  }
  return { marks, fault: wrong, outrun };
}

/** Told of the root that is the newest: it need not be told again. */
export const acknowledgeRoot = (state: State, book: Journal, root: Readonly<{ number: number; digest: Digest }> | null): State =>
  state.kind === 'away' || root === null || root.digest !== book.root?.digest ? state : { ...state, root: root.number };
