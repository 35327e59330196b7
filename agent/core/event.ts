// What may happen to the agent.

import type { Bound } from './bound.ts';
import type { Millis } from './brand.ts';
import type { Command } from './command.ts';
import type { Publication, Settled, Tunnel } from './effect.ts';
import type * as enrol from './enrol.ts';
import type { Draft, Granted } from './friend.ts';
import type { Certified } from './keyring.ts';
import type { Pinned } from './orders.ts';
import type { Dispute, Link, Voucher } from './receipt.ts';
import type { Fault, Result } from './result.ts';
import type { Asked } from './serving.ts';
import type { Departed, Gone, Row, Seated } from './session.ts';
import type { Broker, Ceilings, Settings } from './settings.ts';
import type { KeyId, SessionId } from './signed.ts';

/** `node`: the name it goes by at a broker; `id`: the name its key has. `pinned`: the settings' coordinators, with what is remembered of them. */
export type Configured = Readonly<{
  kind: 'configured';
  node: string;
  id: KeyId;
  settings: Settings;
  ceilings: Ceilings;
  pinned: readonly Pinned[];
  tunnel: Tunnel | null;
}>;
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
  | Sent
  /** As far as it can be known now where sessions come in. */
  | Readonly<{ kind: 'surveyed'; tunnel: Tunnel | null }>
  /** A coordinator wants it at other brokers; `instead` of those where one has sent it before. */
  | Readonly<{ kind: 'moved'; brokers: readonly [Broker, ...Broker[]]; instead: readonly Broker[] }>
  /** The name did not resolve, or the connection came to nothing, or it ended. null: it ended as we asked. */
  | Readonly<{ kind: 'disconnected'; fault: Fault | null }>
  | Readonly<{ kind: 'rested' }>;

type Sent =
  | Readonly<{ kind: 'published'; publication: Publication }>
  | Readonly<{ kind: 'unpublished'; publication: Publication; fault: Fault }>;

/** What comes in by the link, and what becomes of it. */
export type Ordering =
  | Readonly<{ kind: 'received'; topic: string; payload: Uint8Array }>
  /** By a root that is pinned here; `root` of it says by which. */
  | Readonly<{ kind: 'certified'; certified: Certified }>
  /** By a key that may command. `granted`: the grant inside, whose signature holds; null: there is none. */
  | Readonly<{ kind: 'commanded'; ticket: Ticket; signer: KeyId; root: KeyId; command: Command; granted: Result<Signed> | null }>
  /** By a key that may command: whether this node is now whose the settings' code says. */
  | Readonly<{ kind: 'enrolled'; root: KeyId; answer: enrol.Answer }>
  | Readonly<{ kind: 'misheard'; fault: Fault }>
  | Readonly<{ kind: 'settled'; ticket: Ticket; outcome: Result<Settled> }>;
type Signed = Pick<Granted, 'grant' | 'id' | 'digest' | 'bytes' | 'root'>;

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
  | Readonly<{ kind: 'revoked'; ticket: Ticket; session: SessionId; root: KeyId }>
  | Readonly<{ kind: 'listed'; ticket: Ticket; root: KeyId; after: SessionId | null }>
  | Readonly<{ kind: 'bounded'; root: KeyId; bound: Bound }>
  /** Its coordinator knows more of its chain than we do. */
  | Readonly<{ kind: 'outrun'; session: SessionId }>
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

export type Event = Contacting | Ordering | Serving | Readonly<{ kind: 'paced' }>;
