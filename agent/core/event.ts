// What may happen to the agent. `luck` is a fraction from 0 up to 1, drawn where the event arose, so that waiting can differ from node to
// node and the decision stays a pure function.

import type { Millis } from './brand.ts';
import type { Fault } from './result.ts';
import type { Settings } from './settings.ts';

export type Event =
  | Readonly<{ kind: 'configured'; settings: Settings }>
  | Readonly<{ kind: 'unconfigured'; faults: readonly Fault[]; luck: number }>
  | Readonly<{ kind: 'resolved'; addresses: readonly [string, ...string[]] }>
  | Readonly<{ kind: 'connected'; up: Millis }>
  | Readonly<{ kind: 'published'; topic: string }>
  | Readonly<{ kind: 'unpublished'; topic: string; fault: Fault }>
  /** The name did not resolve, or the connection came to nothing, or it ended. null: it ended as we asked. */
  | Readonly<{ kind: 'disconnected'; fault: Fault | null; luck: number }>
  | Readonly<{ kind: 'rested' }>
  | Readonly<{ kind: 'stopped'; signal: string }>
  /** The bus is gone, and with it the enforcer. */
  | Readonly<{ kind: 'orphaned'; fault: Fault }>;
