// What the agent asks of a link to its broker: one connection, from the first byte to the last. Interfaces only. When to connect again,
// and to whom, is decided elsewhere.

import type { Seconds } from '../core/brand.ts';
import type { Fault, Result } from '../core/result.ts';
import type { Endpoint, TlsOptions } from './host.ts';

export type Qos = 0 | 1;
export type Message = Readonly<{
  topic: string;
  payload: Uint8Array;
  qos: Qos;
  retain: boolean;
  /** What the broker has not delivered by then it may forget. MQTT 5 only: what must not be obeyed late says so in its payload. */
  expiry?: Seconds;
}>;

export type LinkOptions = Readonly<{
  to: Endpoint;
  tls?: TlsOptions;
  version: '5' | '3.1.1';
  clientId: string;
  user?: string;
  password?: string;
  /** The broker publishes it when we go without a word. */
  will?: Message;
  /** Silence of one and a half times this ends the connection, on either side. */
  keepAlive: Seconds;
  /** From the first byte sent to the broker's welcome. */
  patience: Seconds;
  /** How long the broker keeps our subscriptions, and messages of QoS 1 for us, when we are gone; default: not at all. MQTT 3.1.1 knows no
   *  time: for as long as the broker likes. */
  session?: Seconds;
}>;

export type LinkEvents = Readonly<{
  /** `resumed`: the broker has kept our session. */
  connected(resumed: boolean): void;
  /** Of a message of more than 64 KiB as much comes as says that it is longer. */
  received(message: Message): void;
  /** Exactly once and last. null: we asked for the end, and the broker had everything. `denied`: it would not have us, and coming back soon
   *  would not change its mind. */
  closed(fault: Fault | null): void;
}>;

export type Link = Readonly<{
  subscribe(filter: string, qos: Qos, done: (granted: Result<Qos>) => void): void;
  /** Done when the broker has it (QoS 1) or when it is on its way (QoS 0); at the latest when the link closes. After a Fault nobody knows
   *  whether the broker has it: nothing is sent again on the next connection unless the caller says so. */
  publish(message: Message, done: (sent: Result<void>) => void): void;
  /** Says good-bye, so that no will is published, and closes within a few seconds. */
  end(): void;
}>;

export type Connect = (options: LinkOptions, events: LinkEvents) => Link;
