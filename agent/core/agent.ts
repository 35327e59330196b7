// What the agent does next: (state, event) → state and effects. Two machines that know nothing of one another: how it keeps its broker, and what
// becomes of its sessions.

import type { Millis } from './brand.ts';
import * as contact from './contact.ts';
import type { Effect } from './effect.ts';
import type { Event } from './event.ts';
import type { Moment as Lucky } from './link.ts';
import type { Recalled } from './serving.ts';
import * as sessions from './sessions.ts';
import { type BootId, bootOf, type Wall } from './signed.ts';

export type Self = contact.Self;
export type State = Readonly<{ contact: contact.State; sessions: sessions.State }>;
export type Step = Readonly<{ state: State; effects: readonly Effect[] }>;
export type Moment = Lucky & Readonly<{ wall: Wall }>;

export function begin(self: Self, recalled: readonly Recalled[], at: Millis): Step {
  const first = contact.begin();
  return { state: { contact: first.state, sessions: sessions.begin(recalled, bootOf(self.boot), at) }, effects: first.effects };
}

export function update(self: Self, state: State, event: Event, moment: Moment): Step {
  const boot: BootId = bootOf(self.boot);
  switch (event.kind) {
    case 'configured':
    case 'stopped':
    case 'orphaned': {
      // What was used is written down before anybody says good-bye.
      const served = sessions.update(boot, state.sessions, event, moment);
      const met = contact.update(self, state.contact, event, moment);
      return { state: { contact: met.state, sessions: served.state }, effects: [...served.effects, ...met.effects] };
    }
    case 'unconfigured':
    case 'resolved':
    case 'connected':
    case 'published':
    case 'unpublished':
    case 'disconnected':
    case 'rested': {
      const met = contact.update(self, state.contact, event, moment);
      return { state: { ...state, contact: met.state }, effects: met.effects };
    }
    default: {
      const served = sessions.update(boot, state.sessions, event, moment);
      return { state: { ...state, sessions: served.state }, effects: served.effects };
    }
  }
}
