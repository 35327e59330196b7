// The embedded broker (aedes, MQTT 3.1.1): who knows the fleet's password may say what its own name is about, and hear what is said to it. A
// name is not proven here: whatever counts is signed. What it holds is gone with this process, and nodes say it again.

import { timingSafeEqual } from 'node:crypto';
import { type AddressInfo, createServer as createPlain, type Server } from 'node:net';
import { createServer as createTls } from 'node:tls';
import { Aedes, type Client } from 'aedes';
import { type Errno, fail, ok, type Result } from '../../agent/core/result.ts';

export type Options = Readonly<{
  host: string;
  port: number;
  prefix: string;
  user: string;
  password: string;
  tls: Readonly<{ certificate: Uint8Array; key: Uint8Array }> | null;
}>;
/** `door`: the coordinator's own, on loopback, which lets in nobody else; and it comes by no other. */
export type Broker = Readonly<{ port: number; door: number; end(): Promise<void> }>;

export const ownUser = 'coordinator';

const same = (a: string, b: string): boolean => {
  const [one, other] = [Buffer.from(a), Buffer.from(b)];
  return one.length === other.length && timingSafeEqual(one, other);
};

const says = /^(birth|state|receipts\/[a-z2-7]{16}|roots|replies\/[a-z2-7]{16}|telemetry|enrol)$/;
const hears = /^(certificates|commands|enrolled)$/;

export async function start(options: Options, own: string): Promise<Result<Broker>> {
  const server = serverFor(options.tls);
  if (!server.ok) return server;
  const owners = new WeakSet<Client>();
  const atDoor = new WeakSet<object>();
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
      const isOwner = atDoor.has(client.conn) && user === ownUser && same(given, own);
      if (isOwner) owners.add(client);
      const isNode = !atDoor.has(client.conn) && user === options.user && same(given, options.password) && /^[a-z2-7]{16}$/.test(client.id);
      done(null, isOwner || isNode);
    },
    authorizePublish(client, { topic }, done) {
      done(isOwn(client) || says.test(behind(client, topic)) ? null : new Error(`not yours to say: ${topic}`));
    },
    authorizeSubscribe(client, subscription, done) {
      done(null, isOwn(client) || hears.test(behind(client, subscription.topic)) ? subscription : null);
    },
  });
  server.value.on(options.tls === null ? 'connection' : 'secureConnection', aedes.handle);
  const inner = createPlain((socket) => {
    atDoor.add(socket);
    aedes.handle(socket);
  });
  const end = (): Promise<void> =>
    new Promise((resolve) => {
      aedes.close(() => inner.close(() => server.value.close(() => resolve())));
    });
  const port = await listen(server.value, options.port, options.host);
  const door = port.ok ? await listen(inner, 0, '127.0.0.1') : port;
  if (port.ok && door.ok) return ok({ port: port.value, door: door.value, end });
  await end();
  return door as Result<never>;
}

function serverFor(tls: Options['tls']): Result<Server> {
  if (tls === null) return ok(createPlain());
  try {
    return ok(createTls({ cert: Buffer.from(tls.certificate), key: Buffer.from(tls.key) }));
  } catch (error) {
    return fail('malformed', 'certificate', `or its key: ${(error as Error).message}`);
  }
}

const listen = (server: Server, port: number, host: string): Promise<Result<number>> =>
  new Promise((resolve) => {
    server.once('error', ({ code, message }: NodeJS.ErrnoException) => resolve(fail(code as Errno, 'mqtt', message)));
    server.listen(port, host, () => resolve(ok((server.address() as AddressInfo).port)));
  });
