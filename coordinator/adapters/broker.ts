// The embedded broker (aedes, MQTT 3.1.1): who knows the fleet's password may say what its own name is about, and hear what is said to it. A
// name is not proven here: whatever counts is signed. What it holds is gone with this process, and nodes say it again.

import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer as createPlain } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { Aedes, type Client } from 'aedes';

export type Options = Readonly<{
  host: string;
  port: number;
  prefix: string;
  user: string;
  password: string;
  tls: Readonly<{ certificate: Uint8Array; key: Uint8Array }> | null;
}>;
export type Broker = Readonly<{ port: number; end(): Promise<void> }>;

/** What the coordinator itself logs in as. */
export const ownUser = 'coordinator';

const same = (a: string, b: string): boolean => {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
};

const says = /^(birth|state|receipts\/[a-z2-7]{16}|roots|replies\/[a-z2-7]{16}|telemetry|enrol)$/;
const hears = /^(certificates|commands|enrolled)$/;

export async function start(options: Options, own: string): Promise<Broker> {
  const owners = new WeakSet<Client>();
  const isOwn = (client: Client | null): boolean => client !== null && owners.has(client);
  /** The rest of the topic behind the client's own name. */
  const behind = (client: Client | null, topic: string): string => {
    const start = `${options.prefix}/${client?.id}/`;
    return topic.startsWith(start) ? topic.slice(start.length) : '';
  };
  const aedes = await Aedes.createBroker({
    id: 'weir',
    authenticate(client, user, password, done) {
      const given = password?.toString() ?? '';
      const isOwner = user === ownUser && same(given, own);
      if (isOwner) owners.add(client);
      done(null, isOwner || (user === options.user && same(given, options.password) && /^[a-z2-7]{16}$/.test(client.id)));
    },
    authorizePublish(client, { topic }, done) {
      done(isOwn(client) || says.test(behind(client, topic)) ? null : new Error(`not yours to say: ${topic}`));
    },
    authorizeSubscribe(client, subscription, done) {
      done(null, isOwn(client) || hears.test(behind(client, subscription.topic)) ? subscription : null);
    },
  });
  const server =
    options.tls === null
      ? createPlain(aedes.handle)
      : createTls({ cert: Buffer.from(options.tls.certificate), key: Buffer.from(options.tls.key) }, aedes.handle);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port, options.host, resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    end: () =>
      new Promise((resolve) => {
        aedes.close(() => server.close(() => resolve()));
      }),
  };
}
