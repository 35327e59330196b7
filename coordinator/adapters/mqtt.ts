// Any broker, by its URL: what was published to us is confirmed only once it was heard to the end, one message at a time.

import mqtt from 'mqtt';
import type { Heard, Transport } from '../ports/transport.ts';

export type Options = Readonly<{ url: string; user: string | null; password: string | null; authority: Uint8Array | null }>;

/** Resolves once it is connected for the first time; later it comes back by itself. `missed`: the broker has kept nothing for us meanwhile. */
export async function connect(
  options: Options,
  prefix: string,
  heard: Heard,
  missed: () => void,
  log: (line: string) => void,
): Promise<Transport> {
  const client = mqtt.connect(options.url, {
    // One name: a second coordinator would take the messages of the first.
    clientId: `weir-coordinator-${prefix.replaceAll('/', '-')}`,
    protocolVersion: 4,
    clean: false,
    reconnectPeriod: 1000,
    ...(options.user === null ? {} : { username: options.user }),
    ...(options.password === null ? {} : { password: options.password }),
    ...(options.authority === null ? {} : { ca: Buffer.from(options.authority) }),
  });
  // The package confirms when the callback is called without an error; an error ends the connection, and the broker says it again.
  client.handleMessage = (packet, done) => {
    heard(packet.topic, new Uint8Array(packet.payload as Buffer)).then(
      () => done(),
      (error: unknown) => {
        log(`broker: not taken: ${String(error)}`);
        done(error as Error);
      },
    );
  };
  // It is tried every second: what is wrong is said once, until it was right.
  const said = new Set<string>();
  const complain = (what: string): void => {
    if (!said.has(what)) log(`broker: ${what}`);
    said.add(what);
  };
  client.on('error', ({ message }) => complain(message));
  client.on('close', () => client.disconnecting || complain('no connection; it is tried again'));
  const topics = ['birth', 'state', 'receipts/+', 'roots', 'replies/+', 'telemetry', 'enrol'].map((name) => `${prefix}/+/${name}`);
  await new Promise<void>((resolve) => {
    client.on('connect', ({ sessionPresent }) => {
      said.clear();
      client.subscribe(topics, { qos: 1 }, (error) => {
        if (error !== null) return log(`broker: ${error.message}`);
        if (!sessionPresent) missed();
        resolve();
      });
    });
  });
  return {
    publish: (topic, payload) => void client.publish(topic, Buffer.from(payload), { qos: 1 }),
    end: () => client.endAsync(),
  };
}
