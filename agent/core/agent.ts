// What the agent does next: (state, event) → state and effects. It asks for its settings, finds its broker, connects, says who it is, and
// begins anew when something fails. Knows no clock, no socket and no bytes.

import { type Millis, millis } from './brand.ts';
import type { Effect, Publication } from './effect.ts';
import type { Event } from './event.ts';
import type { Moment, Trail } from './link.ts';
import * as link from './link.ts';
import { absurd, type Fault, text } from './result.ts';
import type { Broker, Settings } from './settings.ts';

/** What stays true of this process. */
export type Self = Readonly<{ version: string; host: string; boot: string }>;

/** Where to, and what is remembered of the brokers. */
type Way = Readonly<{ settings: Settings; broker: Broker; trail: Trail }>;
export type State =
  /** Failures in a row to learn the settings. `trail` null: it has not waited for its turn yet. */
  | Readonly<{ kind: 'asking'; failures: number; trail: Trail | null }>
  /** `trial`: it left a broker that served it for a better one, and goes back at once. */
  | (Way & Readonly<{ kind: 'resolving'; trial: boolean }>)
  /** `others`: addresses of the same name that are still to be tried. */
  | (Way & Readonly<{ kind: 'connecting'; trial: boolean; others: readonly string[] }>)
  | (Way & Readonly<{ kind: 'connected'; since: Millis; back: Back | null }>)
  /** Says good-bye on its way to a better one. */
  | (Way & Readonly<{ kind: 'moving'; to: Broker }>)
  | Readonly<{ kind: 'resting'; failures: number; trail: Trail | null; until: Millis; why: string }>
  | Readonly<{ kind: 'leaving' }>;
type Back = Readonly<{ to: Broker; at: Millis }>;

export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;

export const begin = (): Step => ({ state: { kind: 'asking', failures: 0, trail: null }, effects: [{ kind: 'ask' }] });

export function update(self: Self, state: State, event: Event, moment: Moment): Step {
  const { at } = moment;
  switch (event.kind) {
    case 'configured': {
      if (state.kind !== 'asking') return unchanged(state);
      const { settings } = event;
      const { node, brokers } = settings;
      const turn = link.first(node.id, self.boot, brokers[0].spread);
      if (state.trail === null && turn > 0) return rest({ failures: 0, trail: new Map() }, turn, at, 'link: waits for its turn');
      const trail = state.trail ?? new Map();
      return resolve({ settings, broker: link.choose(trail, brokers, at), trail }, false);
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
      return connect(way, trial, [...addresses.slice(start), ...addresses.slice(0, start)]);
    }
    case 'connected': {
      if (state.kind !== 'connecting') return unchanged(state);
      const { settings, broker, trail } = state;
      const name = link.nameOf(broker);
      const better = link.back(trail, settings.brokers, broker, moment);
      const back = better === null ? null : { to: better.to, at: millis(at + better.pause) };
      return {
        state: { kind: 'connected', settings, broker, trail, since: at, back },
        effects: [
          log(`link: connected to ${name}`),
          { kind: 'tell', link: 'up', broker: name },
          { kind: 'publish', publication: birth(self, settings, at) },
          { kind: 'publish', publication: presence(settings, 'here') },
          ...(better === null ? [] : [{ kind: 'rest', pause: better.pause } as const]),
        ],
      };
    }
    case 'published':
      return { state, effects: [log(`link: published ${event.topic}`)] };
    case 'unpublished':
      return { state, effects: [log(`link: could not publish ${event.topic}: ${text(event.fault)}`)] };
    case 'disconnected':
      return disconnected(state, event.fault, moment);
    case 'rested':
      // Asked again, and not remembered: the owner may have mended a setting meanwhile.
      if (state.kind === 'resting') return ask(state);
      if (state.kind !== 'connected' || state.back === null) return unchanged(state);
      return {
        state: { ...way(state), kind: 'moving', to: state.back.to },
        effects: [log(`link: tries ${link.nameOf(state.back.to)}, which is better`), ...farewell(state)],
      };
    case 'stopped': {
      const why = log(`agent: ends on ${event.signal}`);
      if (state.kind === 'leaving') return unchanged(state);
      if (state.kind === 'connected') return { state: { kind: 'leaving' }, effects: [why, ...farewell(state)] };
      // The good-bye is being said.
      if (state.kind === 'moving') return { state: { kind: 'leaving' }, effects: [why] };
      // A connection that has not come to be has nothing to say good-bye to.
      return { state: { kind: 'leaving' }, effects: [why, { kind: 'exit', status: 0 }] };
    }
    case 'orphaned':
      return { state: { kind: 'leaving' }, effects: [log(`bus: lost: ${text(event.fault)}`), { kind: 'exit', status: 1 }] };
    default:
      return absurd(event);
  }
}

function disconnected(state: State, why: Fault | null, moment: Moment): Step {
  const said = why === null ? 'link: closed' : text(why);
  switch (state.kind) {
    case 'leaving':
      return { state, effects: [log('link: closed'), { kind: 'exit', status: 0 }] };
    case 'moving':
      return resolve({ ...way(state), broker: state.to }, true);
    case 'resolving':
    case 'connecting':
    case 'connected': {
      const { settings, broker } = state;
      if (state.kind === 'connecting' && why !== null && link.isUnheard(why.code) && state.others.length > 0) {
        const next = connect(way(state), state.trial, state.others);
        return { ...next, effects: [log(said), ...next.effects] };
      }
      const lived = state.kind === 'connected' ? millis(moment.at - state.since) : null;
      const trail = link.ended(state.trail, broker, why === null ? null : why.code, lived, moment);
      if (state.kind !== 'connected' && state.trial) {
        const back = ask({ failures: 0, trail });
        return { ...back, effects: [log(said), ...back.effects] };
      }
      const next = link.choose(trail, settings.brokers, moment.at);
      const step = rest({ failures: 0, trail }, link.pause(trail, next, moment), moment.at, said);
      const down: Effect = { kind: 'tell', link: 'down', broker: link.nameOf(broker) };
      return state.kind === 'connected' ? { ...step, effects: [down, ...step.effects] } : step;
    }
    default:
      return unchanged(state);
  }
}

/** For who asks on the bus. */
export function status(state: State, at: Millis): Readonly<Record<string, string>> {
  const rounded = (span: number): string => `${Math.max(0, Math.ceil(span / 1000))} s`;
  const broker = 'settings' in state ? { node: state.settings.node.id, broker: link.nameOf(state.broker) } : {};
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
const way = ({ settings, broker, trail }: Way): Way => ({ settings, broker, trail });

const ask = ({ failures, trail }: Readonly<{ failures: number; trail: Trail | null }>): Step => ({
  state: { kind: 'asking', failures, trail },
  effects: [{ kind: 'ask' }],
});

const resolve = (to: Way, trial: boolean): Step => ({
  state: { ...to, kind: 'resolving', trial },
  effects: [{ kind: 'resolve', name: to.broker.host }],
});

function connect(to: Way, trial: boolean, addresses: readonly string[]): Step {
  const [address, ...others] = addresses;
  if (address === undefined) throw new Error('connect: no address');
  const { node } = to.settings;
  return {
    state: { ...to, kind: 'connecting', trial, others },
    effects: [{ kind: 'connect', address, broker: to.broker, clientId: node.id, will: presence(to.settings, 'gone') }],
  };
}

/** An orderly end publishes no will, so the same words are said before it. */
const farewell = ({ settings }: Way): readonly Effect[] => [
  { kind: 'publish', publication: presence(settings, 'gone') },
  { kind: 'disconnect' },
];

/** For a wait that is nobody else's: the settings are not known yet. */
export const pause = (failures: number, luck: number): Millis =>
  millis(Math.floor(luck * Math.min(60_000, 1000 * 2 ** Math.min(failures, 16))));

function rest(then: Readonly<{ failures: number; trail: Trail | null }>, wait: Millis, at: Millis, ...why: readonly string[]): Step {
  return {
    state: { ...then, kind: 'resting', until: millis(at + wait), why: why.join('; ') },
    effects: [...why.map(log), log(`agent: goes on in ${Math.ceil(wait / 1000)} s`), { kind: 'rest', pause: wait }],
  };
}

const topic = ({ node }: Settings, last: string): string => `${node.prefix}/${node.id}/${last}`;

const birth = (self: Self, settings: Settings, up: Millis): Publication => ({
  topic: topic(settings, 'birth'),
  fields: new Map<number, number | string>([
    [1, 1],
    [2, settings.node.id],
    [3, self.version],
    [4, self.host],
    [5, self.boot],
    [6, Math.floor(up / 1000)],
  ]),
});

const presence = (settings: Settings, is: 'here' | 'gone'): Publication => ({
  topic: topic(settings, 'state'),
  fields: new Map([[1, is === 'here' ? 1 : 0]]),
});
