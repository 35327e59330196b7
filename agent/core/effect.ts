// What the agent may want done. Each may be carried out twice, and is answered by events: `ask` by (un)configured, `resolve` by resolved or
// disconnected, `connect` by connected and disconnected, `publish` by (un)published, `rest` by rested, `wait` by ticked, `pace` by paced and
// `survey` by surveyed, unless another one came before it was over, `hear` by certified, commanded or misheard, `probe` and `reboot` by settled,
// `sign` by granted, `agree` by (dis)agreed, `read` by (un)read, `order` by answered, `seal` by (un)sealed.

import type { Birth } from './birth.ts';
import type { Millis } from './brand.ts';
import type { Order, Outcome, Reply } from './command.ts';
import type { Ticket } from './event.ts';
import type { Granted } from './friend.ts';
import type { Grant } from './grant.ts';
import type { Mark } from './journal.ts';
import type { Link, Receipt, Voucher } from './receipt.ts';
import type { Result } from './result.ts';
import type { Asked, Consumer } from './serving.ts';
import type { Broker } from './settings.ts';
import type { SessionId } from './signed.ts';

export type Effect =
  | Readonly<{ kind: 'ask' }>
  | Readonly<{ kind: 'resolve'; name: string }>
  /** `base`: what all topics of this node begin with. */
  | Readonly<{ kind: 'connect'; address: string; broker: Broker; clientId: string; base: string; will: Publication }>
  | Readonly<{ kind: 'subscribe'; topics: readonly string[] }>
  | Readonly<{ kind: 'publish'; publication: Publication }>
  | Readonly<{ kind: 'disconnect' }>
  | Readonly<{ kind: 'rest'; pause: Millis }>
  | Readonly<{ kind: 'pace'; pause: Millis }>
  /** What a birth says of the tunnel, after a while. */
  | Readonly<{ kind: 'survey'; pause: Millis }>
  /** Who has signed this, and may he? */
  | Readonly<{ kind: 'hear'; topic: string; payload: Uint8Array }>
  | Readonly<{ kind: 'probe'; ticket: Ticket; probe: Extract<Order, { kind: 'probe' }> }>
  | Readonly<{ kind: 'reboot'; ticket: Ticket }>
  /** By the node's own key. */
  | Readonly<{ kind: 'sign'; grant: Grant; name: string; ticket: Ticket }>
  /** Written down before anybody acts on it. */
  | Readonly<{ kind: 'agree'; granted: Granted; marks: readonly Mark[] }>
  /** Goes with the next write, unless it is `urgent`. */
  | Readonly<{ kind: 'note'; marks: readonly Mark[]; urgent: boolean }>
  | Readonly<{ kind: 'read' }>
  /** Of the enforcer. */
  | Readonly<{ kind: 'order'; asked: readonly Asked[] }>
  | Readonly<{ kind: 'wait'; pause: Millis }>
  /** `others`: heads of chains that are open and get no receipt now. */
  | Readonly<{ kind: 'seal'; receipts: readonly Receipt[]; others: readonly Link[] }>
  /** All who are to be heard and asked for countersignatures. */
  | Readonly<{ kind: 'attend'; consumers: readonly Consumer[] }>
  /** The last receipt of a session, to its consumer. */
  | Readonly<{ kind: 'show'; session: SessionId }>
  /** To be vouched for. */
  | Readonly<{ kind: 'tally'; tally: Voucher }>
  | Readonly<{ kind: 'answer'; ticket: Ticket; outcome: Result<Settled> }>
  /** Whoever on the router wants to know. */
  | Readonly<{ kind: 'tell'; event: 'link' | 'session' | 'quota'; body: Readonly<Record<string, string>> }>
  | Readonly<{ kind: 'log'; line: string }>
  | Readonly<{ kind: 'exit'; status: number }>;

export type Settled = Exclude<Outcome, { kind: 'refused' }>;

export type Tunnel = NonNullable<Birth['tunnel']>;

/** What is said to the world, not yet bytes. */
export type Word =
  | (Readonly<{ kind: 'birth' }> & Pick<Birth, 'sequence' | 'tunnel'>)
  /** `birth`: the number of the one that this connection began with. */
  | Readonly<{ kind: 'state'; isHere: boolean; birth: number }>
  | Readonly<{ kind: 'reply'; reply: Reply }>
  | Readonly<{ kind: 'receipt'; session: SessionId; sequence: number; receipt: Uint8Array; witness: Uint8Array | null }>
  /** Signed by the consumer: more than what it countersigned. */
  | Readonly<{ kind: 'voucher'; session: SessionId; voucher: Uint8Array }>
  | Readonly<{ kind: 'root'; number: number; root: Uint8Array }>;
/** `topic`: behind that of the node. A birth and a state are kept by the broker for who comes later. */
export type Publication = Readonly<{ topic: string; word: Word }>;
