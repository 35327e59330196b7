// All sessions: who is granted one, and the round in which they are read, judged, ordered from the enforcer and billed. One thing at a time:
// read → order → seal → wait, so that no two answers of the kernel's can overtake one another. Knows no bus, no file and no key.

import { type Millis, millis } from './brand.ts';
import type { Effect, Settled } from './effect.ts';
import type { Answer, Budget, Serving, Ticket } from './event.ts';
import type { Granted } from './friend.ts';
import * as friend from './friend.ts';
import * as grants from './grant.ts';
import type { Link } from './receipt.ts';
import * as receipts from './receipt.ts';
import { absurd, type Fault, fault, ok, type Result, text, under } from './result.ts';
import type { PeerKey } from './seat.ts';
import type { Happening, Now, Recalled, Session } from './serving.ts';
import * as serving from './serving.ts';
import type { Ceilings } from './settings.ts';
import type { BootId, KeyId, SessionId } from './signed.ts';

export type Table = ReadonlyMap<SessionId, Session>;
export type State = Readonly<{
  table: Table;
  /** null: neither the enforcer nor our own name is known yet. */
  own: Readonly<{ id: KeyId; ceilings: Ceilings }> | null;
  phase: 'idle' | 'reading' | 'ordering' | 'sealing' | 'waiting';
  /** Something has changed since this round began. */
  isStale: boolean;
  /** Who waits for what becomes of a session. */
  askers: ReadonlyMap<SessionId, readonly Ticket[]>;
  /** What coordinators keep their sessions to. */
  bounds: serving.Bounds;
  budget: Budget;
  /** Of sealing a receipt and checking its countersignature, here. */
  cost: Millis;
  /** When lifetimes were last noted. */
  noted: Millis;
  /** What keeps the enforcer from saying that all is well. */
  silence: string | null;
}>;
export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;

const period = millis(10_000);
/** What is lost of a lifetime by a power cut: so often it is noted, and so often again the notes are written. */
const notes = millis(300_000);

// ── Beginning ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `recalled`: from the journal. */
export const begin = (recalled: readonly Recalled[], boot: BootId, at: Millis): State => ({
  table: new Map(recalled.map((one) => [one.session, serving.recall(one, boot, at)])),
  own: null,
  phase: 'idle',
  isStale: false,
  askers: new Map(),
  bounds: new Map(),
  budget: { round: false, step: false },
  cost: millis(0),
  noted: at,
  silence: null,
});

// ── What happens ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export function update(boot: BootId, state: State, event: Serving, moment: serving.Clock): Step {
  const { own } = state;
  if (event.kind === 'configured') {
    const { id, ceilings, pinned } = event;
    const bounds = new Map([...state.bounds].filter(([root]) => pinned.some((one) => one.id === root)));
    const known = { ...state, bounds, own: { id, ceilings } };
    const isTrusted = ({ root }: Session): boolean => root === null || pinned.some((one) => one.id === root);
    const happening = (s: Session): Happening => (isTrusted(s) ? { kind: 'passed' } : { kind: 'ended', why: 'owner' });
    const now = { ...moment, boot, ceilings, bounds };
    return settle(boot, moment, state, round(stepAll(known, happening, now)));
  }
  if (own === null) {
    const ticket = event.kind === 'granted' ? event.granted.ticket : 'ticket' in event ? event.ticket : null;
    return ticket === null ? { state, effects: [] } : refused(state, ticket, notYet);
  }
  return settle(boot, moment, state, next({ ...moment, boot, ceilings: own.ceilings, bounds: state.bounds }, own.id, state, event));
}

const notYet = fault('missing', 'agent', 'has only begun: the enforcer has not answered yet');

function next(now: Now, id: KeyId, state: State, event: Exclude<Serving, { kind: 'configured' }>): Step {
  switch (event.kind) {
    case 'invited': {
      const { ticket, nonce, name, draft } = event;
      const grant = friend.invite(id, nonce, draft);
      const no = friend.misnamed(name) ?? objection(state, id, now.ceilings, { grant, name, root: null, kind: 'open' });
      return no === null ? { state, effects: [{ kind: 'sign', grant, name, ticket }] } : refused(state, ticket, no);
    }
    case 'topped': {
      const { ticket, nonce, name, quota, seconds } = event;
      const had = byName(state.table, name);
      if (had === undefined) return refused(state, ticket, nobody);
      // Asked for again, by who did not hear the answer.
      if (had.terms !== null && had.grant.nonce === nonce && had.kind !== 'draining') return round(asking(state, had.session, ticket));
      const grant = friend.topUp(had.session, had.grant, nonce, quota, seconds);
      const no = objection(state, id, now.ceilings, { grant, name, root: null, kind: 'topUp' });
      return no === null ? { state, effects: [{ kind: 'sign', grant, name, ticket }] } : refused(state, ticket, no);
    }
    case 'dismissed': {
      const had = byName(state.table, event.name);
      return had === undefined ? refused(state, event.ticket, nobody) : end(state, now, had, event.ticket);
    }
    case 'revoked': {
      const had = state.table.get(event.session);
      if (had?.root === event.root) return end(state, now, had, event.ticket);
      return refused(state, event.ticket, had === undefined ? fault('missing', 'session', 'is not open here') : foreign('session'));
    }
    case 'listed':
      return { state, effects: [{ kind: 'answer', ticket: event.ticket, outcome: ok(listOf(state.table, event.root, event.after)) }] };
    case 'bounded': {
      const { root, bound } = event;
      const bounded = { ...state, bounds: new Map(state.bounds).set(root, bound) };
      const ended = bound.isQuarantined ? stepAll(bounded, (s) => whoseEnd(s, root), now) : bounded;
      return round(ended);
    }
    case 'outrun':
      return round(stepOne(state, event.session, { kind: 'ended', why: 'lost' }, now));
    case 'granted': {
      const { granted } = event;
      // Asked for again, by who did not hear the answer.
      const had = state.table.get(sessionOf(granted));
      const isAgain = granted.id === (granted.grant.session === null ? had?.session : had?.terms) && had?.root === granted.root;
      if (had !== undefined && isAgain && had.kind !== 'draining') return round(asking(state, had.session, granted.ticket));
      const no = objection(state, id, now.ceilings, granted);
      if (no === null) return { state, effects: [{ kind: 'agree', granted, marks: marksOf(granted, now) }] };
      return granted.ticket === null ? { state, effects: [] } : refused(state, granted.ticket, no);
    }
    case 'disagreed': {
      const { ticket } = event.granted;
      const why = log(`journal: a grant could not be written: ${text(event.fault)}`);
      if (ticket === null) return { state, effects: [why] };
      return { state, effects: [why, { kind: 'answer', ticket, outcome: { ok: false, fault: event.fault } }] };
    }
    case 'agreed':
      return round(asking(agreed(state, event.granted, now), sessionOf(event.granted), event.granted.ticket));
    case 'ticked':
      return state.phase === 'waiting' ? round(state) : { state, effects: [] };
    case 'read':
      return state.phase === 'reading' ? read(state, event, now) : { state, effects: [] };
    case 'unread': {
      if (state.phase !== 'reading') return { state, effects: [] };
      const why = text(event.fault);
      const passed = stepAll(state, () => ({ kind: 'passed' }), now);
      const { state: answered, effects } = dropAskers({ ...passed, silence: why }, event.fault);
      return seal(answered, now, [...(state.silence === why ? [] : [log(`sessions: cannot be read: ${why}`)]), ...effects]);
    }
    case 'answered':
      return state.phase === 'ordering' ? answered(state, event.answers, now) : { state, effects: [] };
    case 'sealed': {
      const links = new Map(event.links.map((link) => [link.session, link]));
      const told = stepAll(state, ({ session }) => linked(links.get(session)), now);
      const shows = event.links.flatMap(({ session }): Effect[] => {
        const s = told.table.get(session);
        return s === undefined || serving.consumerOf(s) === null ? [] : [{ kind: 'show', session }];
      });
      return rest({ ...told, cost: millis(3 * event.took) }, now, shows);
    }
    case 'unsealed': {
      const { state: told, effects } = dropAskers(state, event.fault);
      return rest(told, now, [log(`receipts: could not be sealed: ${text(event.fault)}`), ...effects]);
    }
    case 'witnessed': {
      const { session, sequence } = event.link;
      const mark = { kind: 'witnessed', session, sequence, signature: event.signature } as const;
      const told = stepOne(state, session, { kind: 'witnessed', sequence }, now);
      // Before the end it could be asked for again.
      const isOver = told.table.get(session)?.kind === 'closed';
      return { state: told, effects: [{ kind: 'note', marks: [mark], urgent: isOver }] };
    }
    case 'vouched': {
      const { voucher, message } = event;
      return { state: stepOne(state, voucher.session, { kind: 'vouched', counted: voucher.counted, message }, now), effects: [] };
    }
    case 'disputed': {
      const { session, sequence, reason, counted } = event.dispute;
      const why = log(`session ${session}: its consumer disputes receipt ${sequence}: ${reason}`);
      const told = stepOne(state, session, { kind: 'disputed', sequence }, now);
      const had = state.table.get(session);
      if (had === undefined) return { state: told, effects: [why] };
      const mark = { kind: 'disputed', session, dispute: { sequence, reason, counted, billed: had.sealed.counted } } as const;
      return { state: told, effects: [why, { kind: 'note', marks: [mark], urgent: false }] };
    }
    case 'stopped':
    case 'orphaned': {
      const receipts = [...state.table.values()].filter((s) => serving.billedSince(s) > 0n).map((s) => serving.receiptOf(s, now));
      const effects: Effect[] = [
        ...noted([...state.table.values()]),
        { kind: 'note', marks: livesOf(state.table, now), urgent: receipts.length === 0 },
      ];
      return { state: { ...state, own: null }, effects: receipts.length === 0 ? effects : [...effects, sealing(state.table, receipts)] };
    }
    default:
      return absurd(event);
  }
}

const linked = (link: Link | undefined): Happening => (link === undefined ? { kind: 'passed' } : { kind: 'sealed', link });

// ── Who is granted one ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

const foreign = (path: string): Fault => fault('denied', path, 'is not its own');
const nobody = fault('missing', 'name', 'no friend of that name has a session');
const sessionOf = ({ grant, id }: Granted): SessionId => grant.session ?? id;
const byName = (table: Table, name: string): Session | undefined => [...table.values()].find((s) => s.name === name);
const byKey = (table: Table, key: PeerKey): Session | undefined => [...table.values()].find(({ grant }) => grant.peer === key);

/** What speaks against it, before it is signed or written down. */
function objection(
  { table, bounds }: State,
  id: KeyId,
  ceilings: Ceilings,
  { grant, name, root, kind }: Pick<Granted, 'grant' | 'name' | 'root' | 'kind'>,
): Fault | null {
  if (grant.node !== id) return fault('denied', 'grant.node', 'meant for another node');
  const [inItself] = grants.faultsOf(grant);
  const over = inItself === undefined ? friend.beyond(grant, ceilings) : under('grant', inItself);
  if (over !== null) return over;
  if (kind === 'open') {
    const bound = root === null ? undefined : bounds.get(root);
    if (bound?.isPaused || bound?.isQuarantined) return fault('denied', 'limit', 'its coordinator lets nobody in for now');
    const others = [...table.values()].filter((s) => s.root === root).length;
    if (bound !== undefined && bound.sessions !== null && others >= bound.sessions)
      return fault('limit', 'limit.sessions', `its coordinator allows ${bound.sessions} of them`);
    if (grant.session !== null) return fault('malformed', 'grant.session', 'it is a change of another session');
    if (byKey(table, grant.peer) !== undefined) return fault('exists', 'grant.peer', 'has a session already');
    return name !== null && byName(table, name) !== undefined ? fault('exists', 'name', 'a friend of that name has a session') : null;
  }
  const had = grant.session === null ? undefined : table.get(grant.session);
  if (had === undefined || had.kind === 'draining') return fault('missing', 'grant.session', 'is not open here');
  if (had.root !== root) return foreign('grant.session');
  const [wrong] = (kind === 'topUp' ? grants.faultsOfTopUp : grants.faultsBetween)(had.session, had.grant, grant);
  return wrong === undefined ? null : under('grant', wrong);
}

const marksOf = (granted: Granted, { at, boot }: Now): Extract<Effect, { kind: 'agree' }>['marks'] => {
  const { grant, id, digest, bytes, name, root } = granted;
  if (grant.session !== null) return [{ kind: 'changed', session: grant.session, grant: bytes }];
  return [{ kind: 'opened', session: id, anchor: digest, grant: bytes, name, root, until: grant.until }, serving.lifeOf(id, 0, at, boot)];
};

function agreed(state: State, { grant, id, digest, name, root }: Granted, now: Now): State {
  if (grant.session !== null) return stepOne(state, grant.session, { kind: 'changed', grant, terms: id }, now);
  const anchor = { session: id, sequence: 0, digest };
  return { ...state, table: new Map(state.table).set(id, serving.begin(id, { name, root }, grant, anchor, now.at)) };
}

const end = (state: State, now: Now, { session }: Session, ticket: Ticket | null): Step =>
  round(asking(stepOne(state, session, { kind: 'ended', why: 'revoked' }, now), session, ticket));

const whoseEnd = (s: Session, root: KeyId): Happening => (s.root === root ? { kind: 'ended', why: 'quarantined' } : { kind: 'passed' });

const mostListed = 32;

function listOf(table: Table, root: KeyId, after: SessionId | null): Settled {
  const all = [...table.values()].filter((s) => s.root === root && (after === null || s.session > after));
  const sessions = all
    .toSorted((a, b) => (a.session < b.session ? -1 : 1))
    .slice(0, mostListed)
    .map(({ session, terms, kind, seen, head }) => {
      return { session, terms: terms ?? session, condition: kind, counted: seen.counted, sequence: head.sequence };
    });
  return { kind: 'listed', sessions, more: all.length > sessions.length };
}

// ── Who asked ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const refused = (state: State, ticket: Ticket, why: Fault): Step => ({
  state,
  effects: [{ kind: 'answer', ticket, outcome: { ok: false, fault: why } }],
});

function asking(state: State, session: SessionId, ticket: Ticket | null): State {
  if (ticket === null) return state;
  return { ...state, askers: new Map(state.askers).set(session, [...(state.askers.get(session) ?? []), ticket]) };
}

function answersOf({ askers }: State, session: SessionId, outcome: Result<Settled>): readonly Effect[] {
  return (askers.get(session) ?? []).map((ticket) => ({ kind: 'answer', ticket, outcome }));
}
const without = <K, V>(map: ReadonlyMap<K, V>, key: K): ReadonlyMap<K, V> => new Map([...map].filter(([k]) => k !== key));

/** Nobody waits for an enforcer that does not answer, or for a full flash. Whoever was to get a first place gets none. */
function dropAskers(state: State, why: Fault): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const session of state.askers.keys()) {
    const step = disappoint(next, session, why);
    next = step.state;
    effects.push(...step.effects);
  }
  return { state: next, effects };
}

function disappoint(state: State, session: SessionId, why: Fault): Step {
  if (!state.askers.has(session)) return { state, effects: [] };
  const askers = without(state.askers, session);
  const s = state.table.get(session);
  // What was asked of a session that goes on is written down, and the enforcer is asked again each round: a Fault would have it asked twice.
  const isInForce = s !== undefined && serving.hasBeenIn(s) && s.kind !== 'draining';
  const told = answersOf(state, session, isInForce ? ok(agreedOf(s)) : { ok: false, fault: why });
  if (s === undefined || serving.hasBeenIn(s)) return { state: { ...state, askers }, effects: told };
  // It was written down, and is nobody's: so it has to be written that it is over.
  return {
    // Should it have a place, the next round evicts it.
    state: { ...state, askers, isStale: true, table: without(state.table, session) },
    effects: [{ kind: 'note', marks: [{ kind: 'ended', session }], urgent: true }, ...told],
  };
}

// ── The round ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const round = (state: State): Step =>
  state.phase === 'idle' || state.phase === 'waiting'
    ? { state: { ...state, phase: 'reading', isStale: false }, effects: [{ kind: 'read' }] }
    : { state: { ...state, isStale: true }, effects: [] };

function stepAll(state: State, happening: (s: Session) => Happening, now: Now): State {
  return { ...state, table: new Map([...state.table].map(([id, s]) => [id, serving.step(s, happening(s), now)])) };
}
function stepOne(state: State, session: SessionId, happening: Happening, now: Now): State {
  const s = state.table.get(session);
  return s === undefined ? state : { ...state, table: new Map(state.table).set(session, serving.step(s, happening, now)) };
}

function read(state: State, { rows, gone, budget }: Extract<Serving, { kind: 'read' }>, now: Now): Step {
  const [here, away] = [new Map(rows.map((row) => [row.key, row])), new Map(gone.map((one) => [one.key, one]))];
  const happening = ({ grant: { peer } }: Session): Happening => {
    const row = here.get(peer);
    return row === undefined ? { kind: 'left', gone: away.get(peer) ?? null } : { kind: 'metered', row };
  };
  const seen = stepAll(state, happening, now);
  const own = new Set([...state.table.values()].filter(serving.hasBeenIn).map(({ grant }) => grant.peer));
  // Nobody agreed to them here, or what was agreed is over.
  const strays = new Set(rows.flatMap(({ key }) => (key === null || own.has(key) ? [] : [key])));
  const asked = [
    // That we have heard of them.
    ...[...away.keys()].filter((key) => !here.has(key)).map((key): serving.Asked => ({ method: 'evict', item: { key } })),
    ...[...strays].map((key): serving.Asked => ({ method: 'evict', item: { key } })),
    // An earlier session's seat would be taken for this one's, with all it has counted.
    ...[...seen.table.values()].flatMap((s) => (strays.has(s.grant.peer) ? [] : (serving.wantOf(s, now) ?? []))),
  ];
  const isNoteTime = now.at - state.noted >= notes;
  const next: State = { ...seen, budget, silence: null, noted: isNoteTime ? now.at : state.noted };
  const noted: Effect[] = isNoteTime ? [{ kind: 'note', marks: livesOf(seen.table, now), urgent: false }] : [];
  if (asked.length === 0) return seal(next, now, noted);
  return { state: { ...next, phase: 'ordering' }, effects: [...noted, { kind: 'order', asked }] };
}

function answered(state: State, answers: readonly Answer[], now: Now): Step {
  let next = state;
  const effects: Effect[] = [];
  for (const answer of answers) {
    const s = byKey(next.table, answer.asked.item.key);
    if (s === undefined) {
      // A stray that could not be evicted; as long as there is one, it is tried again.
      if (!answer.result.ok && answer.result.fault.code !== 'missing') next = { ...next, silence: text(answer.result.fault) };
      continue;
    }
    const { session } = s;
    if (answer.result.ok) {
      next = stepOne(next, session, happeningOf(answer), now);
      // After a reboot it has to have the same addresses, because they stand in its configuration.
      const { slot } = answer.result.value;
      if (answer.asked.method === 'evict') next = { ...next, isStale: next.isStale || !serving.hasBeenIn(s) };
      else if (slot !== s.slot) effects.push({ kind: 'note', marks: [{ kind: 'seated', session, slot }], urgent: true });
    } else {
      const { fault: why } = answer.result;
      // Not even stopped: the month is spent, say. An eviction is never refused.
      const isLeaving = s.kind === 'draining' && answer.asked.method === 'change' && why.code === 'denied';
      if (isLeaving) next = { ...stepOne(next, session, { kind: 'refused', fault: why }, now), isStale: true };
      else if (answer.asked.method === 'admit') next = stepOne(next, session, { kind: 'refused', fault: why }, now);
      else if (why.code === 'missing') next = stepOne(next, session, { kind: 'left', gone: null }, now);
      else effects.push(log(`session ${session}: ${answer.asked.method}: ${text(why)}`));
      const step = why.code === 'missing' || isLeaving ? { state: next, effects: [] } : disappoint(next, session, why);
      next = step.state;
      effects.push(...step.effects);
    }
  }
  const isStopped = [...next.table.values()].some((s) => s.kind === 'draining' && s.stage === 'stopped');
  return seal({ ...next, isStale: next.isStale || isStopped }, now, effects);
}

function happeningOf({ asked, result }: Answer): Happening {
  if (!result.ok) throw new Error('a refusal places nobody');
  if (!('address4' in result.value)) return { kind: 'left', gone: result.value };
  if (asked.method === 'evict' || asked.method === 'renew') return { kind: 'placed', seated: result.value, wish: null };
  const { quota, rate, throttle, egress } = asked.item;
  return { kind: 'placed', seated: result.value, wish: { quota, rate, throttle, egress } };
}

// ── Receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** All that are due, in one write. */
function seal(state: State, now: Now, effects: readonly Effect[]): Step {
  const { table, budget } = state;
  const due = [...table.values()].filter((s) => {
    const pace = paceOf(state, s);
    const isStep = s.isTurn || serving.billedSince(s) >= pace.step;
    return serving.isDue(s, pace, now.at) && (serving.isLast(s) || budget.round || (budget.step && isStep));
  });
  if (due.length === 0) return rest(state, now, effects);
  const drafts = due.map((s) => serving.receiptOf(s, now));
  return { state: { ...state, phase: 'sealing' }, effects: [...effects, sealing(table, drafts)] };
}

function sealing(table: Table, drafts: readonly receipts.Receipt[]): Effect {
  const sealed = new Set(drafts.map(({ session }) => session));
  const others = [...table.values()].filter((s) => !sealed.has(s.session) && s.head.sequence > 0 && !serving.isSealed(s));
  return { kind: 'seal', receipts: drafts, others: others.map(({ head }) => head) };
}

const paceOf = ({ table, cost }: State, { grant }: Session): receipts.Pace =>
  receipts.paceOf(table.size, cost, grant.quota as receipts.Receipt['left'], grant.credit);

function rest(state: State, now: Now, effects: readonly Effect[]): Step {
  if (state.isStale) {
    const again = round({ ...state, phase: 'idle' });
    return { state: again.state, effects: [...effects, ...again.effects] };
  }
  if (state.table.size === 0 && state.silence === null) return { state: { ...state, phase: 'idle' }, effects };
  const due = [...state.table.values()].filter((s) => serving.isTallyDue(s, paceOf(state, s), now.at));
  const tallied = due.reduce((next, { session }) => stepOne(next, session, { kind: 'tallied' }, now), state);
  const tallies = due.map(({ session, seen: { counted } }): Effect => ({ kind: 'tally', tally: { session, counted } }));
  return { state: { ...tallied, phase: 'waiting' }, effects: [...effects, ...tallies, { kind: 'wait', pause: period }] };
}

const livesOf = (table: Table, { at, boot }: Now): Extract<Effect, { kind: 'note' }>['marks'] =>
  [...table.values()].map((s) => serving.lifeOf(s.session, serving.livedBy(s, at), at, boot));

function noted(all: readonly Session[]): readonly Effect[] {
  const marks = all.flatMap((s) => serving.voucherOf(s) ?? []);
  return marks.length === 0 ? [] : [{ kind: 'note', marks, urgent: false }];
}

// ── What follows from it ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Whoever is over leaves the table; who asked, who listens and who countersigns hears of it. */
function settle(boot: BootId, moment: serving.Clock, before: State, { state, effects }: Step): Step {
  const more: Effect[] = [];
  let { table, askers } = state;
  for (const [session, s] of state.table) {
    const was = before.table.get(session);
    if (was !== undefined) more.push(...reached(was, s));
    if (s.kind !== was?.kind) {
      more.push(told(s), log(line(s)));
      // A word that goes unconfirmed is wanted later; mostly a countersignature follows it, and it costs no byte.
      if (s.kind === 'throttled' || s.kind === 'draining') more.push(...noted([s]));
      if (s.kind === 'draining' && !comesAgain.has(s.why))
        more.push({ kind: 'note', marks: [{ kind: 'ending', session, why: s.why }], urgent: true });
    }
    const outcome = settledOf(s, state, { ...moment, boot });
    if (outcome !== null) {
      more.push(...answersOf(state, session, outcome));
      askers = without(askers, session);
    }
    if (s.kind === 'closed') table = without(table, session);
  }
  const consumers = consumersOf(table);
  if (consumers.map(nameOf).join() !== consumersOf(before.table).map(nameOf).join()) more.push({ kind: 'attend', consumers });
  // A seat of who has left has to go.
  const step: Step = { state: { ...state, table, askers }, effects: [...effects, ...more] };
  if (table.size === state.table.size || state.own === null) return step;
  const again = round(step.state);
  return { state: again.state, effects: [...step.effects, ...again.effects] };
}

/** Ends that a session comes to by itself, after a restart too; every other one is written down before it is acted on. */
const comesAgain: ReadonlySet<receipts.Ending> = new Set(['expired', 'spent', 'idle']);

/** What there is to say to who asked for it; null: not yet. */
function settledOf(s: Session, { own, askers, bounds }: State, now: Omit<Now, 'ceilings' | 'bounds'>): Result<Settled> | null {
  if (own === null || !askers.has(s.session)) return null;
  switch (s.kind) {
    case 'closed':
      return ok({ kind: 'done' });
    case 'draining':
      return serving.isSealed(s) ? ok({ kind: 'done' }) : null;
    case 'waiting':
      return null;
    default: {
      const place = serving.placeOf(s);
      if (place === null) return ok({ kind: 'done' });
      const want = serving.wantOf(s, { ...now, ceilings: own.ceilings, bounds });
      return place.addresses === null || (want !== null && want.method !== 'renew') ? null : ok(agreedOf(s));
    }
  }
}
function agreedOf(s: Session): Settled {
  const addresses = serving.placeOf(s)?.addresses ?? null;
  return addresses === null ? { kind: 'done' } : { kind: 'opened', session: s.session, address4: addresses[0], address6: addresses[1] };
}

const consumersOf = (table: Table): readonly serving.Consumer[] => [...table.values()].flatMap((s) => serving.consumerOf(s) ?? []);
const nameOf = ({ session, addresses }: serving.Consumer): string => [session, ...addresses].join(' ');

export const reasonOf = (s: Session): string | null =>
  s.kind === 'paused' ? (s.why === 'spent' ? s.why : text(s.why)) : 'why' in s ? s.why : null;

/** Percent of its quota that the owner hears of. */
const steps = [80, 95, 100];

function reached(was: Session, is: Session): readonly Effect[] {
  const [before, now] = [serving.usedPart(was), serving.usedPart(is)];
  const step = steps.findLast((percent) => before < percent && percent <= now);
  if (step === undefined) return [];
  const body = { session: is.session, name: is.name ?? '', percent: `${step}` };
  return [{ kind: 'tell', event: 'quota', body }, log(`session ${titleOf(is)}: ${step} % of its quota is used`)];
}

function told(s: Session): Effect {
  const body = { session: s.session, name: s.name ?? '', condition: s.kind, reason: reasonOf(s) ?? '' };
  return { kind: 'tell', event: 'session', body };
}
const titleOf = ({ session, name }: Session): string => `${session}${name === null ? '' : ` (${name})`}`;
function line(s: Session): string {
  const why = reasonOf(s);
  return `session ${titleOf(s)}: ${s.kind}${why === null ? '' : `: ${why}`}`;
}
const log = (line: string): Effect => ({ kind: 'log', line });
