// A link with a memory: tests wait for what happened.

import { connect } from '../../../agent/adapters/mqtt-link.ts';
import { seconds } from '../../../agent/core/brand.ts';
import { type Fault, fault, type Result } from '../../../agent/core/result.ts';
import type { Endpoint, Host, Stream, StreamEvents, TlsOptions } from '../../../agent/ports/host.ts';
import type { Link, LinkOptions, Message, Qos } from '../../../agent/ports/link.ts';
import { overTcp, within } from '../../host/conformance/line.ts';
import type { Fixture, Order } from './fixture.ts';

export type Talk = Readonly<{
  link: Link;
  /** Whether the broker has kept our session. */
  connected(): Promise<boolean>;
  closed(): Promise<Fault | null>;
  next(): Promise<Message>;
  subscribe(filter: string, qos?: Qos): Promise<Result<Qos>>;
  publish(topic: string, payload: string | Uint8Array, more?: Partial<Message>): Promise<Result<void>>;
  /** When the broker has said something `times` times, CONNACK and PINGRESP included. */
  heard(times: number): Promise<void>;
  /** As when the power goes: no DISCONNECT, no close_notify. */
  sever(): void;
}>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (message: Message): string => new TextDecoder().decode(message.payload);
export const message = (topic: string, payload: string, more: Partial<Message> = {}): Message => ({
  topic,
  payload: bytes(payload),
  qos: 1,
  retain: false,
  ...more,
});

let talks = 0;

export function talk(
  host: Host,
  fixture: Pick<Fixture, 'port' | 'tlsPort' | 'user' | 'password'> & Partial<Pick<Fixture, 'versions'>>,
  more: Partial<LinkOptions> = {},
): Talk {
  const inbox: Message[] = [];
  const takers: ((message: Message) => void)[] = [];
  let sever = (): void => undefined;
  let heard = 0;
  const listeners = new Set<() => void>();
  const keep = (events: StreamEvents, open: (events: StreamEvents) => Stream): Stream => {
    const stream = open({
      ...events,
      received(bytes) {
        events.received(bytes);
        heard += 1;
        for (const listener of listeners) listener();
      },
    });
    sever = () => {
      stream.close();
      events.closed(fault('closed', '', 'severed'));
    };
    return stream;
  };
  const { net } = host;
  const watched = {
    clock: host.clock,
    net: {
      ...net,
      connectTcp: (to: Endpoint, events: StreamEvents) => keep(events, (heard) => net.connectTcp(to, heard)),
      connectTls: (to: Endpoint, tls: TlsOptions, events: StreamEvents) => keep(events, (heard) => net.connectTls(to, tls, heard)),
    },
  };
  talks += 1;
  const options: LinkOptions = {
    to: { address: '127.0.0.1', port: more.tls === undefined ? fixture.port : fixture.tlsPort },
    version: fixture.versions?.[0] ?? '5',
    clientId: `talk-${talks}`,
    user: fixture.user,
    password: fixture.password,
    keepAlive: seconds(30),
    patience: seconds(15),
    ...more,
  };
  let opened = (_resumed: boolean): void => undefined;
  let ended = (_why: Fault | null): void => undefined;
  const connected = new Promise<boolean>((resolve) => {
    opened = resolve;
  });
  const closed = new Promise<Fault | null>((resolve) => {
    ended = resolve;
  });
  const link = connect(watched, options, {
    connected: opened,
    closed: ended,
    received(message) {
      const taker = takers.shift();
      if (taker === undefined) inbox.push(message);
      else taker(message);
    },
  });
  return {
    link,
    connected: () =>
      within(host, 'connected', Promise.race([connected, closed.then((why) => Promise.reject(new Error(`closed: ${why?.reason}`)))])),
    closed: () => within(host, 'closed', closed),
    next() {
      const first = inbox.shift();
      return within(host, 'a message', first === undefined ? new Promise((resolve) => takers.push(resolve)) : Promise.resolve(first));
    },
    subscribe: (filter, qos = 1) => within(host, 'subscribe', new Promise((resolve) => link.subscribe(filter, qos, resolve))),
    publish: (topic, payload, given = {}) =>
      within(
        host,
        'publish',
        new Promise((resolve) =>
          link.publish({ ...message(topic, '', given), payload: typeof payload === 'string' ? bytes(payload) : payload }, resolve),
        ),
      ),
    heard: (times) =>
      within(
        host,
        `${times} words`,
        new Promise((resolve) => {
          const check = (): void => {
            if (heard >= times) resolve();
          };
          listeners.add(check);
          check();
        }),
      ),
    sever: () => sever(),
  };
}

export async function order(host: Host, fixture: Fixture, what: Order): Promise<void> {
  const line = overTcp(host, { address: '127.0.0.1', port: fixture.control });
  line.say(`${what}\n`);
  line.stream.end();
  const why = await line.closed();
  if (why !== null) throw new Error(`${what}: ${why.reason}`);
}
