// What may happen to the agent.

import type { Millis } from './brand.ts';
import type { Draft, Granted } from './friend.ts';
import type { Dispute, Link, Voucher } from './receipt.ts';
import type { Fault, Result } from './result.ts';
import type { Asked } from './serving.ts';
import type { Departed, Gone, Row, Seated } from './session.ts';
import type { Ceilings, Settings } from './settings.ts';
import type { KeyId, SessionId } from './signed.ts';

/** `node`: the name it goes by at a broker; `id`: the name its key has. */
type Configured = Readonly<{ kind: 'configured'; node: string; id: KeyId; settings: Settings; ceilings: Ceilings }>;
type Ended =
  | Readonly<{ kind: 'stopped'; signal: string }>
  /** The bus is gone, and with it the enforcer. */
  | Readonly<{ kind: 'orphaned'; fault: Fault }>;

export type Contacting =
  | Configured
  | Ended
  | Readonly<{ kind: 'unconfigured'; faults: readonly Fault[] }>
  | Readonly<{ kind: 'resolved'; addresses: readonly [string, ...string[]] }>
  | Readonly<{ kind: 'connected' }>
  | Readonly<{ kind: 'published'; topic: string }>
  | Readonly<{ kind: 'unpublished'; topic: string; fault: Fault }>
  /** The name did not resolve, or the connection came to nothing, or it ended. null: it ended as we asked. */
  | Readonly<{ kind: 'disconnected'; fault: Fault | null }>
  | Readonly<{ kind: 'rested' }>;

/** Who asks, and waits for the answer. */
export type Ticket = number;
/** May receipts be sealed because of the time, or because of their bytes? */
export type Budget = Readonly<{ round: boolean; step: boolean }>;
export type Answer =
  | Readonly<{ asked: Eviction; result: Result<Gone> }>
  | Readonly<{ asked: Exclude<Asked, Eviction>; result: Result<Seated> }>;
type Eviction = Extract<Asked, { method: 'evict' }>;

export type Serving =
  | Configured
  | Ended
  // Who asks
  /** The owner, for a friend. */
  | Readonly<{ kind: 'invited'; ticket: Ticket; nonce: string; name: string; draft: Draft }>
  | Readonly<{ kind: 'topped'; ticket: Ticket; nonce: string; name: string; quota: bigint; seconds: number }>
  | Readonly<{ kind: 'dismissed'; ticket: Ticket; name: string }>
  /** Signed by who may grant here. */
  | Readonly<{ kind: 'granted'; granted: Granted }>
  | Readonly<{ kind: 'revoked'; ticket: Ticket | null; session: SessionId }>
  // The journal
  | Readonly<{ kind: 'agreed'; granted: Granted }>
  | Readonly<{ kind: 'disagreed'; granted: Granted; fault: Fault }>
  /** `took`: for each, on average. */
  | Readonly<{ kind: 'sealed'; links: readonly Link[]; took: Millis }>
  | Readonly<{ kind: 'unsealed'; fault: Fault }>
  // The enforcer
  | Readonly<{ kind: 'read'; rows: readonly Row[]; gone: readonly Departed[]; budget: Budget }>
  | Readonly<{ kind: 'unread'; fault: Fault }>
  | Readonly<{ kind: 'answered'; answers: readonly Answer[] }>
  | Readonly<{ kind: 'ticked' }>
  // The consumers
  | Readonly<{ kind: 'witnessed'; link: Link; signature: Uint8Array }>
  | Readonly<{ kind: 'vouched'; voucher: Voucher; message: Uint8Array }>
  | Readonly<{ kind: 'disputed'; dispute: Dispute; bytes: Uint8Array }>;

export type Event = Contacting | Serving;
