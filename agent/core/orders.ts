// What coordinators order: who may, whether it was ordered before, what becomes of it, and what is answered. A flood is turned away at the door,
// before anybody has read what it says. Knows no signature, no topic's prefix and no session.

import type { Bound } from './bound.ts';
import * as bounds from './bound.ts';
import { type Millis, type PublicKey, type Seconds, seconds } from './brand.ts';
import type { Order, Outcome } from './command.ts';
import type { Effect, Settled } from './effect.ts';
import type { Epoch } from './epoch.ts';
import * as epochs from './epoch.ts';
import type { Configured, Ordering, Serving, Ticket } from './event.ts';
import type { Mark } from './journal.ts';
import type { Keyring } from './keyring.ts';
import * as keyring from './keyring.ts';
import { absurd, type Fault, fail, fault, ok, type Result, text, under } from './result.ts';
import type { Pair } from './seat.ts';
import type { Ceilings, Permission } from './settings.ts';
import type { KeyId, Nonce, Wall } from './signed.ts';

/** A coordinator of the settings. `least`: of its certificates' serials, from the journal. */
export type Pinned = Readonly<{ id: KeyId; root: PublicKey; may: readonly Permission[]; least: number }>;

type Asked = Readonly<{ to: KeyId; root: KeyId; sequence: number }>;
type Own = Readonly<{ epoch: Epoch; ceilings: Ceilings; rights: ReadonlyMap<KeyId, readonly Permission[]> }>;
export type State = Readonly<{
  /** When this agent began. */
  since: Millis;
  ring: Keyring;
  /** null: our own name is not known yet. */
  own: Own | null;
  /** What was answered to a key, by the numbers of its commands; null: it is still being done. */
  answers: ReadonlyMap<KeyId, ReadonlyMap<number, Outcome | null>>;
  tickets: ReadonlyMap<Ticket, Asked>;
  bounds: ReadonlyMap<KeyId, Bound>;
  turns: Readonly<{ left: number; at: Millis }>;
  /** What the time is at least, and when that was known. */
  time: Readonly<{ earliest: Seconds; at: Millis }>;
  obeyed: number;
  refusals: ReadonlyMap<string, number>;
}>;
/** `causes`: what others are to hear of it. */
export type Step = Readonly<{ state: State; effects: readonly Effect[]; causes: readonly Cause[] }>;
export type Cause =
  | Extract<Serving, { kind: 'granted' | 'revoked' | 'listed' | 'bounded' }>
  | Readonly<{ kind: 'sent'; ticket: Ticket; root: KeyId; order: Extract<Order, { kind: 'send' }> }>
  | Readonly<{ kind: 'acknowledged'; ticket: Ticket; root: KeyId; order: Extract<Order, { kind: 'acknowledge' }> }>
  | Readonly<{ kind: 'moved'; ticket: Ticket; order: Extract<Order, { kind: 'move' }> }>
  | Readonly<{ kind: 'stopped'; signal: string }>;
export type Moment = Readonly<{ at: Millis; wall: Wall }>;

/** So many messages at once, and one more each half of a second: a signature takes a router some hundredths of one. */
const mostTurns = 64;
const turn = 500;
/** A command with all around it, or an answer with its certificate. */
const mostBytes = 8448;
/** So often it is written down what time it is at least. */
const day = 86_400;
/** Whoever orders it every minute would have an agent that does nothing else. */
const betweenRestarts = 600_000;

/** `time`: the highest that was ever trusted. */
export const begin = (time: Seconds, at: Millis): State => ({
  since: at,
  ring: new Map(),
  own: null,
  answers: new Map(),
  tickets: new Map(),
  bounds: new Map(),
  turns: { left: mostTurns, at },
  time: { earliest: time, at },
  obeyed: 0,
  refusals: new Map(),
});

/** Who was certified before stays so: the settings are asked anew with each connection. */
export function configure(state: State, { id, ceilings, pinned }: Configured, nonce: Nonce): State {
  const ring = new Map(pinned.map(({ id: root, root: key, least }) => [root, state.ring.get(root) ?? { key, least, keys: [] }] as const));
  const rights = new Map(pinned.map(({ id: root, may }) => [root, may] as const));
  const bounds = new Map([...state.bounds].filter(([root]) => rights.has(root)));
  return { ...state, ring, bounds, own: { epoch: state.own?.epoch ?? epochs.begin(id, nonce), ceilings, rights } };
}

/** What the time is at least, be the clock trusted or not. */
export const earliest = ({ time }: State, { at, wall }: Moment): Seconds =>
  seconds(Math.max(time.earliest + Math.floor((at - time.at) / 1000), wall.trust === 'unknown' ? 0 : wall.at));

export function update(state: State, event: Ordering, moment: Moment): Step {
  switch (event.kind) {
    case 'received':
      return admit(state, event, moment);
    case 'misheard':
      return nothing(refuse(state, event.fault));
    case 'enrolled': {
      const { root, answer } = event;
      const line = `enrol: ${answer.kind} by ${root}${answer.kind === 'refused' ? `: ${text(answer)}` : ''}`;
      return { ...nothing(state), effects: [{ kind: 'log', line }] };
    }
    case 'certified': {
      const { certified } = event;
      const isOwn = certified.id === state.own?.epoch.node;
      // With it each friend's grant would be a coordinator's.
      const taken = isOwn ? fail('denied', 'key', 'is our own') : keyring.take(state.ring, certified);
      if (!taken.ok) return nothing(refuse(state, under('certificate', taken.fault)));
      const before = state.ring.get(certified.root)?.least;
      const least = taken.value.get(certified.root)?.least;
      const voided: readonly Mark[] = least === undefined || least === before ? [] : [{ kind: 'voided', root: certified.root, least }];
      const effects: readonly Effect[] = voided.length === 0 ? [] : [{ kind: 'note', marks: voided, urgent: true }];
      // Whoever is certified no more is not heard again, and so not answered either.
      const heard = new Set([...taken.value.values()].flatMap(({ keys }) => keys.map(({ id }) => id)));
      const answers = new Map([...state.answers].filter(([id]) => heard.has(id)));
      return timed({ state: { ...state, ring: taken.value, answers }, effects, causes: [] }, moment);
    }
    case 'commanded':
      return timed(commanded(state, event, moment), moment);
    case 'settled':
      return { ...settle(state, event.ticket, event.outcome), causes: [] };
    default:
      return absurd(event);
  }
}

/** Time servers do not sign. Who speaks in their place once, far ahead, ends no key that a root certifies for later. */
function timed({ state, effects, causes }: Step, moment: Moment): Step {
  const ends = [...state.ring.values()].flatMap(({ keys }) => keys.map(({ until }) => until + 1));
  const time = seconds(Math.min(earliest(state, moment), Math.max(...ends)));
  if (moment.wall.trust === 'unknown' || time - state.time.earliest < day) return { state, effects, causes };
  const note: Effect = { kind: 'note', marks: [{ kind: 'timed', time }], urgent: false };
  return { state: { ...state, time: { earliest: time, at: moment.at } }, effects: [...effects, note], causes };
}

const nothing = (state: State): Step => ({ state, effects: [], causes: [] });

function admit(state: State, { topic, payload }: Extract<Ordering, { kind: 'received' }>, { at }: Moment): Step {
  const came = Math.floor((at - state.turns.at) / turn);
  const left = Math.min(mostTurns, state.turns.left + came);
  const turns = { left, at: left === mostTurns ? at : ((state.turns.at + came * turn) as Millis) };
  if (left === 0) return nothing(refuse({ ...state, turns }, fault('limit', 'door', 'too many messages')));
  const next = { ...state, turns: { ...turns, left: left - 1 } };
  if (payload.length > mostBytes) return nothing(refuse(next, fault('limit', 'message', `at most ${mostBytes} bytes`)));
  return { state: next, effects: [{ kind: 'hear', topic, payload }], causes: [] };
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function commanded(state: State, event: Extract<Ordering, { kind: 'commanded' }>, { at }: Moment): Step {
  const { own } = state;
  if (own === null) return nothing(state);
  const { signer, root, command, ticket } = event;
  const asked: Asked = { to: signer, root, sequence: command.sequence };
  const verdict = epochs.judge(own.epoch, { ...command, signer }, seconds(Math.floor(at / 1000)));
  switch (verdict.kind) {
    case 'repeated': {
      const known = refuse(state, fault('exists', 'sequence', 'was heard before'));
      const said = state.answers.get(signer)?.get(command.sequence) ?? null;
      return { state: known, effects: said === null ? [] : [replyTo(own, asked, said)], causes: [] };
    }
    case 'refused': {
      const known = refuse(state, verdict.fault);
      // Who names another node or another start of this one may be somebody who repeats what he has heard there.
      const isOurs = command.node === own.epoch.node && command.epoch === own.epoch.nonce;
      return { state: known, effects: isOurs ? [replyTo(own, asked, refusal(verdict.fault))] : [], causes: [] };
    }
    case 'fresh': {
      const kept = new Map([...(state.answers.get(signer) ?? [])].filter(([n]) => n > command.sequence - epochs.width));
      const begun: State = {
        ...state,
        own: { ...own, epoch: verdict.epoch },
        answers: new Map(state.answers).set(signer, kept.set(command.sequence, null)),
        tickets: new Map(state.tickets).set(ticket, asked),
        obeyed: state.obeyed + 1,
      };
      const right = rightOf(command.order);
      const isAllowed = right === null || (own.rights.get(root) ?? []).includes(right);
      if (isAllowed) return obey(begun, event, own, at);
      return done(begun, ticket, fail('denied', 'order', `the owner does not let this coordinator: weir.coordinator.may ${right}`));
    }
    default:
      return absurd(verdict);
  }
}

function rightOf({ kind }: Order): Permission | null {
  switch (kind) {
    case 'open':
    case 'change':
    case 'topUp':
    case 'close':
      return 'sessions';
    case 'list':
    case 'send':
    case 'acknowledge':
      return null;
    default:
      return kind;
  }
}

function obey(state: State, { ticket, root, command, granted }: Extract<Ordering, { kind: 'commanded' }>, own: Own, at: Millis): Step {
  const { order } = command;
  const pass = (cause: Cause): Step => ({ state, effects: [], causes: [cause] });
  switch (order.kind) {
    case 'open':
    case 'change':
    case 'topUp': {
      if (granted === null) throw new Error('an order without the grant that is in it');
      if (!granted.ok) return done(state, ticket, { ok: false, fault: under('order', granted.fault) });
      if (granted.value.root !== root) return done(state, ticket, fail('denied', 'order.grant', 'signed for another coordinator'));
      return pass({ kind: 'granted', granted: { ...granted.value, name: null, kind: order.kind, ticket } });
    }
    case 'close':
      return pass({ kind: 'revoked', ticket, session: order.session, root });
    case 'list':
      return pass({ kind: 'listed', ticket, root, after: order.after });
    case 'limit': {
      const no = beyond(order.rate, own.ceilings);
      if (no !== null) return done(state, ticket, { ok: false, fault: no });
      const { rate, sessions, isPaused } = order;
      return bounded(state, ticket, root, { rate, sessions, isPaused });
    }
    case 'quarantine':
      return bounded(state, ticket, root, { isQuarantined: order.isOn });
    case 'send':
      return pass({ kind: 'sent', ticket, root, order });
    case 'acknowledge':
      return pass({ kind: 'acknowledged', ticket, root, order });
    case 'probe':
      return { state, effects: [{ kind: 'probe', ticket, probe: order }], causes: [] };
    case 'restart':
      if (at - state.since < betweenRestarts) return done(state, ticket, fail('denied', 'uptime', 'the last start is not 10 minutes ago'));
      return { ...done(state, ticket, ok({ kind: 'done' })), causes: [{ kind: 'stopped', signal: `the order of ${root}` }] };
    case 'move':
      return pass({ kind: 'moved', ticket, order });
    case 'reboot':
      return { state, effects: [{ kind: 'reboot', ticket }], causes: [] };
    default:
      return absurd(order);
  }
}

const slowest = 8000n;

function beyond(rate: Pair<bigint> | null, ceilings: Ceilings): Fault | null {
  if (rate === null) return null;
  for (const way of ['up', 'down'] as const) {
    if (rate[way] > ceilings.rate[way]) return fault('limit', `order.rate.${way}`, `the owner allows ${ceilings.rate[way]} bit/s`);
    if (rate[way] < slowest) return fault('limit', `order.rate.${way}`, `at least ${slowest} bit/s; or pause`);
  }
  return null;
}

function bounded(state: State, ticket: Ticket, root: KeyId, more: Partial<Bound>): Step {
  const bound = { ...(state.bounds.get(root) ?? bounds.free), ...more };
  const next = done({ ...state, bounds: new Map(state.bounds).set(root, bound) }, ticket, ok({ kind: 'done' }));
  return { ...next, causes: [{ kind: 'bounded', root, bound }] };
}

// ── Answers ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const done = (state: State, ticket: Ticket, outcome: Result<Settled>): Step => ({ ...settle(state, ticket, outcome), causes: [] });

/** To a command of somebody's, once. */
export function settle(state: State, ticket: Ticket, outcome: Result<Settled>): Readonly<{ state: State; effects: readonly Effect[] }> {
  const asked = state.tickets.get(ticket);
  if (asked === undefined || state.own === null) return { state, effects: [] };
  const said = outcome.ok ? outcome.value : refusal(outcome.fault);
  const tickets = new Map(state.tickets);
  tickets.delete(ticket);
  const given = new Map(state.answers.get(asked.to)).set(asked.sequence, said);
  const next = { ...state, tickets, answers: new Map(state.answers).set(asked.to, given) };
  return { state: outcome.ok ? next : refuse(next, outcome.fault), effects: [replyTo(state.own, asked, said)] };
}

/** As much of it as a reply has room for. */
const refusal = ({ code, path, reason }: Fault): Outcome => ({
  kind: 'refused',
  code,
  path: path.slice(0, 128),
  reason: reason.slice(0, 256),
});

const replyTo = ({ epoch }: Own, { to, root, sequence }: Asked, outcome: Outcome): Effect => ({
  kind: 'publish',
  publication: { topic: `replies/${root}`, word: { kind: 'reply', reply: { epoch: epoch.nonce, to, sequence, outcome } } },
});

// ── What is told of it ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Of a few more words than codes, since a path may be whatever somebody sent. */
const known: readonly string[] = [
  'denied certificate',
  'denied certificate.key',
  'denied grant.node',
  'denied grant.session',
  'denied node',
  'denied order',
  'denied order.grant',
  'denied session',
  'denied uptime',
  'exists sequence',
  'expired certificate',
  'expired expires',
  'expired order.grant.certificate',
  'forged order.grant.signature',
  'forged signature',
  'limit door',
  'limit grant.until',
  'stale certificate.serial',
  'stale epoch',
  'stale grant.revision',
  'stale grant.until',
  'stale sequence',
  'stranger key',
  'stranger order.grant.key',
  'stranger root',
];

function refuse(state: State, why: Fault): State {
  const whole = `${why.code} ${why.path}`;
  const name = known.includes(whole) ? whole : why.code;
  return { ...state, refusals: new Map(state.refusals).set(name, (state.refusals.get(name) ?? 0) + 1) };
}

/** Is there anybody whose word counts? */
export const isTrusting = ({ own }: State): boolean => own !== null && own.rights.size > 0;

/** For who asks on the bus. */
export function status(state: State): Readonly<Record<string, string>> {
  if (!isTrusting(state)) return {};
  const { obeyed, refusals } = state;
  const refused = [...refusals].map(([name, count]) => `${name}: ${count}`).join(', ');
  const limits = [...state.bounds].flatMap(([root, bound]) => {
    const words = bounds.render(bound);
    return words === '' ? [] : [`${root}: ${words}`];
  });
  const limited = [...limits, 'until it says otherwise or the agent starts anew'].join('; ');
  return { commands: `${obeyed}`, ...(refused !== '' && { refused }), ...(limits.length > 0 && { limited }) };
}
