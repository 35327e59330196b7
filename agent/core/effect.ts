// What the agent may want done. Each is answered by events: `ask` by (un)configured, `resolve` by resolved or disconnected, `connect` by
// connected and disconnected, `publish` by (un)published, `rest` by rested, unless another `rest` came before it was over.

import type { Millis } from './brand.ts';
import type { Broker } from './settings.ts';

export type Effect =
  | Readonly<{ kind: 'ask' }>
  | Readonly<{ kind: 'resolve'; name: string }>
  | Readonly<{ kind: 'connect'; address: string; broker: Broker; clientId: string; will: Publication }>
  | Readonly<{ kind: 'publish'; publication: Publication }>
  | Readonly<{ kind: 'disconnect' }>
  | Readonly<{ kind: 'rest'; pause: Millis }>
  /** Whoever on the router wants to know. */
  | Readonly<{ kind: 'tell'; link: 'up' | 'down'; broker: string }>
  | Readonly<{ kind: 'log'; line: string }>
  | Readonly<{ kind: 'exit'; status: number }>;

/** A retained statement of the node about itself, not yet bytes: numbered fields as docs/PROTOCOL.md lists them. */
export type Publication = Readonly<{ topic: string; fields: ReadonlyMap<number, number | string> }>;
