// What the agent does next: (state, event) → state and effects. Machines that know nothing of one another: how it keeps its broker, what
// coordinators order, what becomes of its sessions, and how receipts get away. Here they hear of one another.

import { type Millis, millis } from './brand.ts';
import type { Place } from './command.ts';
import type { Births } from './contact.ts';
import * as contact from './contact.ts';
import type { Effect } from './effect.ts';
import type { Contacting, Event, Serving } from './event.ts';
import type { Journal } from './journal.ts';
import type { Moment as Lucky } from './link.ts';
import * as orders from './orders.ts';
import * as outbox from './outbox.ts';
import { absurd, fail, ok, type Result } from './result.ts';
import type { Recalled } from './serving.ts';
import * as sessions from './sessions.ts';
import type { Broker } from './settings.ts';
import { type BootId, bootOf, type Wall } from './signed.ts';

export type Self = contact.Self;
export type State = Readonly<{
  contact: contact.State;
  sessions: sessions.State;
  orders: orders.State;
  outbox: outbox.State;
  births: Births;
  /** Where a coordinator has sent it; before the owner's own brokers, which it falls back to. */
  moved: readonly Broker[];
}>;
export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;
export type Moment = Lucky & Readonly<{ wall: Wall; journal: Journal }>;

export function begin(self: Self, recalled: readonly Recalled[], { time }: Journal, at: Millis): Step {
  const first = contact.begin();
  const state: State = {
    contact: first.state,
    sessions: sessions.begin(recalled, bootOf(self.boot), at),
    orders: orders.begin(time, at),
    outbox: outbox.begin,
    births: { last: 0, first: 0, tunnel: null },
    moved: [],
  };
  return { state, effects: first.effects };
}

export function update(self: Self, state: State, event: Event, moment: Moment): Step {
  const step = next(self, state, event, moment);
  return post(answered(step), event, moment);
}

function next(self: Self, state: State, event: Event, moment: Moment): Step {
  switch (event.kind) {
    case 'configured': {
      const { settings, tunnel } = event;
      const ordered = { ...state, orders: orders.configure(state.orders, event, self.epoch), births: { ...state.births, tunnel } };
      const brokers = [...state.moved, ...settings.brokers];
      const served = serve(self, ordered, event, moment);
      return and(served, (later) => meet(self, later, { ...event, settings: { ...settings, brokers } }, moment));
    }
    // What was used is written down before anybody says good-bye.
    case 'stopped':
    case 'orphaned':
      return and(serve(self, state, event, moment), (later) => meet(self, later, event, moment));
    case 'connected': {
      const first = state.births.last + 1;
      return meet(self, { ...state, births: { ...state.births, first, last: first } }, event, moment);
    }
    case 'surveyed':
      return and(meet(self, state, event, moment), (later) => {
        return { state: { ...later, births: { ...later.births, tunnel: event.tunnel } }, effects: [] };
      });
    case 'unconfigured':
    case 'resolved':
    case 'published':
    case 'unpublished':
    case 'disconnected':
    case 'rested':
    case 'moved':
      return meet(self, state, event, moment);
    case 'received':
    case 'certified':
    case 'commanded':
    case 'misheard':
    case 'enrolled':
    case 'settled': {
      const ordered = orders.update(state.orders, event, moment);
      const begun: Step = { state: { ...state, orders: ordered.state }, effects: ordered.effects };
      return ordered.causes.reduce((step, one) => and(step, (later) => follow(self, later, one, moment)), begun);
    }
    case 'paced': {
      return send(state, outbox.paced(state.outbox, groundOf(state, moment)));
    }
    default:
      return serve(self, state, event, moment);
  }
}

/** What comes of it, after it. */
function and(step: Step, more: (state: State) => Step): Step {
  const { state, effects } = more(step.state);
  return { state, effects: [...step.effects, ...effects] };
}

function serve(self: Self, state: State, event: Serving, moment: Moment): Step {
  const boot: BootId = bootOf(self.boot);
  const served = sessions.update(boot, state.sessions, event, moment);
  return { state: { ...state, sessions: served.state }, effects: served.effects };
}

function meet(self: Self, state: State, event: Contacting, moment: Moment): Step {
  const { births } = state;
  const met = contact.update(self, state.contact, event, { ...moment, births, isOrdered: rootsOf(state).length > 0 });
  const said = met.effects.flatMap((e) =>
    e.kind === 'publish' && e.publication.word.kind === 'birth' ? [e.publication.word.sequence] : [],
  );
  return { state: { ...state, contact: met.state, births: { ...births, last: Math.max(births.last, ...said) } }, effects: met.effects };
}

// ── What a coordinator's order sets off ──────────────────────────────────────────────────────────────────────────────────────────────

function follow(self: Self, state: State, cause: orders.Cause, moment: Moment): Step {
  switch (cause.kind) {
    case 'granted':
    case 'revoked':
    case 'listed':
    case 'bounded':
      return serve(self, state, cause, moment);
    case 'stopped':
      return next(self, state, cause, moment);
    case 'sent': {
      const { session, from } = cause.order;
      const no = outbox.asked(moment.journal, cause.root, session, from);
      if (no !== null) return reply(state, cause.ticket, { ok: false, fault: no });
      const again = { ...state, outbox: outbox.again(state.outbox, session, from, moment.journal) };
      return and(reply(again, cause.ticket, done), (later) => send(later, outbox.look(later.outbox, groundOf(later, moment))));
    }
    case 'acknowledged': {
      const { marks, fault, outrun } = outbox.acknowledge(moment.journal, cause.root, cause.order.receipts);
      const noted: Step = {
        state: { ...state, outbox: outbox.acknowledgeRoot(state.outbox, moment.journal, cause.order.root) },
        effects: marks.length === 0 ? [] : [{ kind: 'note', marks, urgent: false }],
      };
      const told = and(noted, (later) => reply(later, cause.ticket, fault === null ? done : { ok: false, fault }));
      return outrun.reduce((step, session) => and(step, (later) => serve(self, later, { kind: 'outrun', session }, moment)), told);
    }
    case 'moved': {
      const { contact: at } = state;
      const [first, ...others] = at.kind === 'connected' ? cause.order.brokers.map((place) => brokerAt(place, at.broker)) : [];
      // The account of this node would go over a line that anybody may listen to.
      const isPlain = first?.tls === null || others.some(({ tls }) => tls === null);
      if (first === undefined || isPlain) return reply(state, cause.ticket, fail('denied', 'order.brokers', 'each needs a pin'));
      const moved = [first, ...others] as const;
      return and(reply(state, cause.ticket, done), (later) =>
        meet(self, { ...later, moved }, { kind: 'moved', brokers: moved, instead: state.moved }, moment),
      );
    }
    default:
      return absurd(cause);
  }
}

const done: Result<{ kind: 'done' }> = ok({ kind: 'done' });

/** As the one where the order came from, whose account it is. */
const brokerAt = ({ host, port, pin }: Place, like: Broker): Broker => ({
  ...like,
  host,
  port,
  tls: pin === null ? like.tls : { authority: null, pin },
});

function reply(state: State, ticket: number, outcome: Result<{ kind: 'done' }>): Step {
  const settled = orders.settle(state.orders, ticket, outcome);
  return { state: { ...state, orders: settled.state }, effects: settled.effects };
}

/** Who ordered something is answered by the link. */
function answered(step: Step): Step {
  let { state } = step;
  const effects = step.effects.flatMap((effect): readonly Effect[] => {
    if (effect.kind !== 'answer' || !state.orders.tickets.has(effect.ticket)) return [effect];
    const settled = orders.settle(state.orders, effect.ticket, effect.outcome);
    state = { ...state, orders: settled.state };
    return settled.effects;
  });
  return { state, effects };
}

// ── Receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const rootsOf = ({ orders: { own } }: State) => [...(own?.rights.keys() ?? [])];

/** A minute, or until it is over. */
const patience = millis(60_000);

function groundOf(state: State, { at, journal }: Moment): outbox.Ground {
  const held = [...state.sessions.table.values()].filter(
    (s) => s.grant.consumer !== null && (s.kind === 'draining' || (s.asked !== null && at - s.asked < patience)),
  );
  return { journal, held: new Set(held.map(({ session }) => session)), roots: rootsOf(state) };
}

const send = (state: State, { state: box, effects }: outbox.Step): Step => ({ state: { ...state, outbox: box }, effects });

/** What the event means for what is to be sent. */
function post(step: Step, event: Event, moment: Moment): Step {
  const { outbox: box } = step.state;
  if (rootsOf(step.state).length === 0) return step;
  const ground = groundOf(step.state, moment);
  const put = (later: outbox.Step): Step => and(step, (state) => send(state, later));
  switch (event.kind) {
    case 'connected':
      return put(outbox.start(ground));
    case 'disconnected':
      return put({ state: outbox.begin, effects: [] });
    case 'published':
      return put(outbox.sent(box, event.publication, null));
    case 'unpublished':
      return put(outbox.sent(box, event.publication, event.fault));
    case 'witnessed':
      // Not at once: it has yet to be noted.
      return put({ state: outbox.again(box, event.link.session, event.link.sequence, moment.journal), effects: [] });
    case 'sealed':
    case 'read':
      return put(outbox.look(box, ground));
    default:
      return step;
  }
}
