// What may happen to the agent.

import type { Fault } from './result.ts';
import type { Settings } from './settings.ts';

export type Event =
  | Readonly<{ kind: 'configured'; settings: Settings }>
  | Readonly<{ kind: 'unconfigured'; faults: readonly Fault[] }>
  | Readonly<{ kind: 'resolved'; addresses: readonly [string, ...string[]] }>
  | Readonly<{ kind: 'connected' }>
  | Readonly<{ kind: 'published'; topic: string }>
  | Readonly<{ kind: 'unpublished'; topic: string; fault: Fault }>
  /** The name did not resolve, or the connection came to nothing, or it ended. null: it ended as we asked. */
  | Readonly<{ kind: 'disconnected'; fault: Fault | null }>
  | Readonly<{ kind: 'rested' }>
  | Readonly<{ kind: 'stopped'; signal: string }>
  /** The bus is gone, and with it the enforcer. */
  | Readonly<{ kind: 'orphaned'; fault: Fault }>;
