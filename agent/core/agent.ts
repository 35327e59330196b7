// What the agent does next: (state, event) → state and effects. It asks for its settings, finds its broker, connects, says who it is, and
// begins anew when something fails. Knows no clock, no socket and no bytes.

import { type Millis, millis } from './brand.ts';
import type { Effect, Publication } from './effect.ts';
import type { Event } from './event.ts';
import { absurd, text } from './result.ts';
import type { Settings } from './settings.ts';

/** What stays true of this process. */
export type Self = Readonly<{ version: string; host: string; boot: string }>;

export type State =
  | Readonly<{ kind: 'asking'; failures: number }>
  | Readonly<{ kind: 'resolving' | 'connecting' | 'connected'; settings: Settings; failures: number }>
  | Readonly<{ kind: 'resting'; failures: number }>
  | Readonly<{ kind: 'leaving' }>;

export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;

export const begin = (): Step => ({ state: { kind: 'asking', failures: 0 }, effects: [{ kind: 'ask' }] });

export function update(self: Self, state: State, event: Event): Step {
  switch (event.kind) {
    case 'configured': {
      if (state.kind !== 'asking') return unchanged(state);
      const { settings } = event;
      return {
        state: { kind: 'resolving', settings, failures: state.failures },
        effects: [{ kind: 'resolve', name: settings.broker.host }],
      };
    }
    case 'unconfigured':
      return state.kind === 'asking' ? rest(state.failures, event.luck, event.faults.map(text)) : unchanged(state);
    case 'resolved': {
      if (state.kind !== 'resolving') return unchanged(state);
      const { settings, failures } = state;
      // A broker with several addresses is tried at the next one after each failure.
      const address = event.addresses[failures % event.addresses.length] ?? event.addresses[0];
      const { node, broker } = settings;
      return {
        state: { kind: 'connecting', settings, failures },
        effects: [{ kind: 'connect', address, broker, clientId: node.id, will: presence(settings, 'gone') }],
      };
    }
    case 'connected': {
      if (state.kind !== 'connecting') return unchanged(state);
      const { settings } = state;
      return {
        state: { kind: 'connected', settings, failures: 0 },
        effects: [
          log(`link: connected to ${settings.broker.host}:${settings.broker.port}`),
          { kind: 'publish', publication: birth(self, settings, event.up) },
          { kind: 'publish', publication: presence(settings, 'here') },
        ],
      };
    }
    case 'published':
      return { state, effects: [log(`link: published ${event.topic}`)] };
    case 'unpublished':
      return { state, effects: [log(`link: could not publish ${event.topic}: ${text(event.fault)}`)] };
    case 'disconnected':
      if (state.kind === 'leaving') return { state, effects: [log('link: closed'), { kind: 'exit', status: 0 }] };
      if (state.kind !== 'resolving' && state.kind !== 'connecting' && state.kind !== 'connected') return unchanged(state);
      return rest(state.failures, event.luck, [event.fault === null ? 'link: closed' : text(event.fault)]);
    case 'rested':
      // Asked again, and not remembered: the owner may have mended a setting meanwhile.
      return state.kind === 'resting' ? { state: { ...state, kind: 'asking' }, effects: [{ kind: 'ask' }] } : unchanged(state);
    case 'stopped': {
      const why = log(`agent: ends on ${event.signal}`);
      if (state.kind === 'leaving') return unchanged(state);
      // A connection that has not come to be has nothing to say good-bye to.
      if (state.kind !== 'connected') return { state: { kind: 'leaving' }, effects: [why, { kind: 'exit', status: 0 }] };
      // An orderly end publishes no will, so the same words are said before it.
      return {
        state: { kind: 'leaving' },
        effects: [why, { kind: 'publish', publication: presence(state.settings, 'gone') }, { kind: 'disconnect' }],
      };
    }
    case 'orphaned':
      return { state: { kind: 'leaving' }, effects: [log(`bus: lost: ${text(event.fault)}`), { kind: 'exit', status: 1 }] };
    default:
      return absurd(event);
  }
}

/** For who asks on the bus. */
export const status = (state: State): Readonly<Record<string, string>> => {
  const broker =
    'settings' in state ? { node: state.settings.node.id, broker: `${state.settings.broker.host}:${state.settings.broker.port}` } : {};
  return { link: state.kind, ...broker };
};

const unchanged = (state: State): Step => ({ state, effects: [] });
const log = (line: string): Effect => ({ kind: 'log', line });

const shortest = 1000;
const longest = 60_000;

/** Anywhere between nothing and a bound that doubles with each failure: nodes that failed together do not return together. */
export const pause = (failures: number, luck: number): Millis =>
  millis(Math.floor(luck * Math.min(longest, shortest * 2 ** Math.min(failures, 16))));

function rest(failures: number, luck: number, why: readonly string[]): Step {
  const wait = pause(failures, luck);
  return {
    state: { kind: 'resting', failures: failures + 1 },
    effects: [...why.map(log), log(`agent: tries again in ${wait} ms`), { kind: 'rest', pause: wait }],
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
