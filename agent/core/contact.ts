// How the agent finds its broker and keeps it: (state, event) → state and effects. It asks for its settings, connects, says who it is, and
// begins anew when something fails. Without a broker in the settings it stays alone. Knows no session, no clock, no socket, no key and no bytes.

import { type Millis, millis } from './brand.ts';
import type { Effect, Publication, Tunnel } from './effect.ts';
import type { Contacting } from './event.ts';
import { isSame } from './grant.ts';
import type { Moment as Lucky, Trail } from './link.ts';
import * as link from './link.ts';
import { absurd, type Fault, text } from './result.ts';
import type { Broker } from './settings.ts';
import type { Nonce } from './signed.ts';

/** What stays true of this process. */
export type Self = Readonly<{ boot: string; epoch: Nonce }>;
/** Of the births of this epoch: the number of the last, and of the one that this connection begins with. */
export type Births = Readonly<{ last: number; first: number; tunnel: Tunnel | null }>;
/** `isOrdered`: there are coordinators. */
export type Moment = Lucky & Readonly<{ births: Births; isOrdered: boolean }>;

/** Where to, and what is remembered of the brokers. `node`: the name it goes by. */
type Way = Readonly<{ node: string; prefix: string; brokers: Brokers; broker: Broker; trail: Trail }>;
type Brokers = readonly [Broker, ...Broker[]];
export type State =
  /** Failures in a row to learn the settings. `trail` null: it has not waited for its turn yet. */
  | Readonly<{ kind: 'asking'; failures: number; trail: Trail | null }>
  /** There is no broker; procd starts us anew when the settings change. */
  | Readonly<{ kind: 'alone'; node: string }>
  /** `trial`: it left a broker that served it for a better one, and goes back at once. */
  | (Way & Readonly<{ kind: 'resolving'; trial: boolean }>)
  /** `others`: addresses of the same name that are still to be tried. */
  | (Way & Readonly<{ kind: 'connecting'; trial: boolean; others: readonly string[] }>)
  | (Way & Readonly<{ kind: 'connected'; since: Millis; back: Back | null }>)
  /** Says good-bye on its way to a better one. */
  | (Way & Readonly<{ kind: 'moving'; to: Broker }>)
  /** Says good-bye to one that does not take its birth: nobody would hear of it there. */
  | (Way & Readonly<{ kind: 'parting'; why: Fault }>)
  | Readonly<{ kind: 'resting'; failures: number; trail: Trail | null; until: Millis; why: string }>
  | Readonly<{ kind: 'leaving' }>;
type Back = Readonly<{ to: Broker; at: Millis }>;

export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;

export const begin = (): Step => ({ state: { kind: 'asking', failures: 0, trail: null }, effects: [{ kind: 'ask' }] });

export function update(self: Self, state: State, event: Contacting, moment: Moment): Step {
  const { at } = moment;
  switch (event.kind) {
    case 'configured': {
      if (state.kind !== 'asking') return unchanged(state);
      const { node, settings } = event;
      const [preferred, ...others] = settings.brokers;
      if (preferred === undefined) return { state: { kind: 'alone', node }, effects: [log('link: no broker is set')] };
      const turn = link.first(node, self.boot, preferred.spread);
      if (state.trail === null && turn > 0) return rest({ failures: 0, trail: new Map() }, turn, at, 'link: waits for its turn');
      const trail = state.trail ?? new Map();
      const brokers: Brokers = [preferred, ...others];
      return resolve({ node, prefix: settings.node.prefix, brokers, broker: link.choose(trail, brokers, at), trail }, false);
    }
    case 'unconfigured': {
      if (state.kind !== 'asking') return unchanged(state);
      const { failures, trail } = state;
      const why = event.faults.map(text);
      return rest({ failures: failures + 1, trail }, pause(failures, moment.luck), at, ...why);
    }
    case 'resolved': {
      if (state.kind !== 'resolving') return unchanged(state);
      const { kind: _, trial, ...way } = state;
      const { addresses } = event;
      // Who does not answer as a broker at one address may do so at another, next time.
      const start = (way.trail.get(link.nameOf(way.broker))?.failures ?? 0) % addresses.length;
      return connect(way, trial, [...addresses.slice(start), ...addresses.slice(0, start)], moment);
    }
    case 'connected': {
      if (state.kind !== 'connecting') return unchanged(state);
      const name = link.nameOf(state.broker);
      const better = link.back(state.trail, state.brokers, state.broker, moment);
      const back = better === null ? null : { to: better.to, at: millis(at + better.pause) };
      return {
        state: { ...way(state), kind: 'connected', since: at, back },
        effects: [
          log(`link: connected to ${name}`),
          told('up', state.broker),
          ...(moment.isOrdered ? [{ kind: 'subscribe', topics: inbound } as const, survey] : []),
          { kind: 'publish', publication: birth(moment.births.first, moment.births.tunnel) },
          { kind: 'publish', publication: presence(true, moment) },
          ...(better === null ? [] : [{ kind: 'rest', pause: better.pause } as const]),
        ],
      };
    }
    case 'published': {
      const { topic, word } = event.publication;
      return { state, effects: word.kind === 'birth' || word.kind === 'state' ? [log(`link: published ${named(state, topic)}`)] : [] };
    }
    case 'unpublished': {
      const { publication, fault: why } = event;
      const line = log(`link: could not publish ${named(state, publication.topic)}: ${text(why)}`);
      if (state.kind !== 'connected' || publication.word.kind !== 'birth' || why.code !== 'denied') return { state, effects: [line] };
      return { state: { ...way(state), kind: 'parting', why }, effects: [line, ...farewell(moment)] };
    }
    case 'surveyed': {
      if (state.kind !== 'connected') return unchanged(state);
      const { last, tunnel } = moment.births;
      if (isSame(tunnel, event.tunnel)) return { state, effects: [survey] };
      return { state, effects: [{ kind: 'publish', publication: birth(last + 1, event.tunnel) }, survey] };
    }
    case 'moved': {
      const [to] = event.brokers;
      if (state.kind !== 'connected') return unchanged(state);
      const brokers: Brokers = [...event.brokers, ...state.brokers.filter((one) => !event.instead.includes(one))];
      return {
        state: { ...way(state), brokers, kind: 'moving', to },
        effects: [log(`link: goes to ${link.nameOf(to)}, as it was told`), ...farewell(moment)],
      };
    }
    case 'disconnected':
      return disconnected(state, event.fault, moment);
    case 'rested':
      // Asked again, and not remembered: the owner may have mended a setting meanwhile.
      if (state.kind === 'resting') return ask(state);
      if (state.kind !== 'connected' || state.back === null) return unchanged(state);
      return {
        state: { ...way(state), kind: 'moving', to: state.back.to },
        effects: [log(`link: tries ${link.nameOf(state.back.to)}, which is better`), ...farewell(moment)],
      };
    case 'stopped': {
      const why = log(`agent: ends on ${event.signal}`);
      if (state.kind === 'leaving') return unchanged(state);
      if (state.kind === 'connected') return { state: { kind: 'leaving' }, effects: [why, ...farewell(moment)] };
      // The good-bye is being said.
      if (state.kind === 'moving' || state.kind === 'parting') return { state: { kind: 'leaving' }, effects: [why] };
      // A connection that has not come to be has nothing to say good-bye to.
      return { state: { kind: 'leaving' }, effects: [why, { kind: 'exit', status: 0 }] };
    }
    case 'orphaned':
      return { state: { kind: 'leaving' }, effects: [log(`bus: lost: ${text(event.fault)}`), { kind: 'exit', status: 1 }] };
    default:
      return absurd(event);
  }
}

function disconnected(state: State, ended: Fault | null, moment: Moment): Step {
  const why = state.kind === 'parting' ? state.why : ended;
  const said = why === null ? 'link: closed' : text(why);
  switch (state.kind) {
    case 'leaving':
      return { state, effects: [log('link: closed'), { kind: 'exit', status: 0 }] };
    case 'moving':
      return resolve({ ...way(state), broker: state.to }, true);
    case 'resolving':
    case 'connecting':
    case 'connected':
    case 'parting': {
      const { broker, brokers } = state;
      if (state.kind === 'connecting' && why !== null && link.isUnheard(why.code) && state.others.length > 0) {
        const next = connect(way(state), state.trial, state.others, moment);
        return { ...next, effects: [log(said), ...next.effects] };
      }
      const lived = state.kind === 'connected' ? millis(moment.at - state.since) : null;
      const trail = link.ended(state.trail, broker, why === null ? null : why.code, lived, moment);
      if ('trial' in state && state.trial) {
        const back = ask({ failures: 0, trail });
        return { ...back, effects: [log(said), ...back.effects] };
      }
      const next = link.choose(trail, brokers, moment.at);
      const step = rest({ failures: 0, trail }, link.pause(trail, next, moment), moment.at, said);
      return 'trial' in state ? step : { ...step, effects: [told('down', broker), ...step.effects] };
    }
    default:
      return unchanged(state);
  }
}

/** For who asks on the bus. */
export function status(state: State, at: Millis): Readonly<Record<string, string>> {
  const rounded = (span: number): string => `${Math.max(0, Math.ceil(span / 1000))} s`;
  const broker = { ...('node' in state && { node: state.node }), ...('broker' in state && { broker: link.nameOf(state.broker) }) };
  switch (state.kind) {
    case 'connected': {
      const next = state.back === null ? {} : { next: `${link.nameOf(state.back.to)} in ${rounded(state.back.at - at)}` };
      return { link: state.kind, ...broker, for: rounded(at - state.since), ...next };
    }
    case 'resting':
      return { link: state.kind, next: `in ${rounded(state.until - at)}`, why: state.why };
    default:
      return { link: state.kind, ...broker };
  }
}

const unchanged = (state: State): Step => ({ state, effects: [] });
const log = (line: string): Effect => ({ kind: 'log', line });
const told = (is: 'up' | 'down', broker: Broker): Effect => ({
  kind: 'tell',
  event: 'link',
  body: { link: is, broker: link.nameOf(broker) },
});
const way = ({ node, prefix, brokers, broker, trail }: Way): Way => ({ node, prefix, brokers, broker, trail });

const ask = ({ failures, trail }: Readonly<{ failures: number; trail: Trail | null }>): Step => ({
  state: { kind: 'asking', failures, trail },
  effects: [{ kind: 'ask' }],
});

const resolve = (to: Way, trial: boolean): Step => ({
  state: { ...to, kind: 'resolving', trial },
  effects: [{ kind: 'resolve', name: to.broker.host }],
});

function connect(to: Way, trial: boolean, addresses: readonly string[], { births }: Moment): Step {
  const [address, ...others] = addresses;
  if (address === undefined) throw new Error('connect: no address');
  // The broker says it later, when this connection is lost: which birth it belongs to has to be known by now.
  const will: Publication = { topic: 'state', word: { kind: 'state', isHere: false, birth: births.last + 1 } };
  return {
    state: { ...to, kind: 'connecting', trial, others },
    effects: [{ kind: 'connect', address, broker: to.broker, clientId: to.node, base: `${to.prefix}/${to.node}/`, will }],
  };
}

/** An orderly end publishes no will, so the same words are said before it. */
const farewell = (moment: Moment): readonly Effect[] => [{ kind: 'publish', publication: presence(false, moment) }, { kind: 'disconnect' }];

/** For a wait that is nobody else's: the settings are not known yet. */
export const pause = (failures: number, luck: number): Millis =>
  millis(Math.floor(luck * Math.min(60_000, 1000 * 2 ** Math.min(failures, 16))));

function rest(then: Readonly<{ failures: number; trail: Trail | null }>, wait: Millis, at: Millis, ...why: readonly string[]): Step {
  return {
    state: { ...then, kind: 'resting', until: millis(at + wait), why: why.join('; ') },
    effects: [...why.map(log), log(`agent: goes on in ${Math.ceil(wait / 1000)} s`), { kind: 'rest', pause: wait }],
  };
}

const named = (state: State, topic: string): string =>
  'node' in state && 'prefix' in state ? `${state.prefix}/${state.node}/${topic}` : topic;

const inbound = ['certificates', 'commands', 'enrolled'];
const survey: Effect = { kind: 'survey', pause: millis(60_000) };

const birth = (sequence: number, tunnel: Tunnel | null): Publication => ({ topic: 'birth', word: { kind: 'birth', sequence, tunnel } });

const presence = (isHere: boolean, { births }: Moment): Publication => ({
  topic: 'state',
  word: { kind: 'state', isHere, birth: births.first },
});
