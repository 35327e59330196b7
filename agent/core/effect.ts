// What the agent may want done. Each may be carried out twice, and is answered by events: `ask` by (un)configured, `resolve` by resolved or
// disconnected, `connect` by connected and disconnected, `publish` by (un)published, `rest` by rested and `wait` by ticked, unless another one
// came before it was over, `sign` by granted, `agree` by (dis)agreed, `read` by (un)read, `order` by answered, `seal` by (un)sealed.

import type { Millis } from './brand.ts';
import type { Outcome } from './command.ts';
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
  | Readonly<{ kind: 'connect'; address: string; broker: Broker; clientId: string; will: Publication }>
  | Readonly<{ kind: 'publish'; publication: Publication }>
  | Readonly<{ kind: 'disconnect' }>
  | Readonly<{ kind: 'rest'; pause: Millis }>
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
  | Readonly<{ kind: 'tell'; event: 'link' | 'session'; body: Readonly<Record<string, string>> }>
  | Readonly<{ kind: 'log'; line: string }>
  | Readonly<{ kind: 'exit'; status: number }>;

export type Settled = Extract<Outcome, { kind: 'done' | 'opened' }>;

/** A retained statement of the node about itself, not yet bytes: numbered fields as docs/PROTOCOL.md lists them. */
export type Publication = Readonly<{ topic: string; fields: ReadonlyMap<number, number | string> }>;
