// A line between a client and a server that behaves as lines do: it stalls, cuts, delays, or leads to a captive portal.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { createServer as createSecureServer } from 'node:tls';

/** What it does with all connections, those that are there and those that come. A stalled line takes bytes and hands on none, and its ends
 *  stay open; a portal answers whatever is said to it by a page; a dead one takes nobody. */
export type Mood = 'good' | 'stalled' | 'portal' | 'dead';

export type Proxy = Readonly<{
  port: number;
  /** Connections so far. */
  taken(): number;
  is(mood: Mood): void;
  /** For every piece in each direction. */
  delay(ms: number): void;
  /** Ends what is there, as a router that restarts. */
  cut(): void;
  close(): void;
}>;

/** With a certificate it ends TLS, too. */
export async function start(to: Readonly<{ port: number }>, tls?: Readonly<{ cert: string; key: string }>): Promise<Proxy> {
  const sockets = new Set<Socket>();
  let mood: Mood = 'good';
  let late = 0;
  let taken = 0;
  const hold = (socket: Socket): void =>
    void sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()));
  function take(client: Socket): void {
    taken += 1;
    hold(client);
    if (mood === 'dead') client.destroy();
    if (mood === 'portal') client.end('HTTP/1.1 302 Found\r\nLocation: http://login.example/\r\n\r\n');
    if (mood === 'dead' || mood === 'portal') return;
    const server = connect({ host: '127.0.0.1', port: to.port, noDelay: true });
    hold(server);
    for (const [from, into] of [
      [client, server],
      [server, client],
    ] as const) {
      from.on('data', (bytes: Buffer) => {
        const on = (): void => void (mood === 'good' && into.write(bytes));
        if (late === 0) on();
        else setTimeout(on, late);
      });
      // On a stalled line nobody hears of the other's end.
      from.on('close', () => mood === 'good' && setTimeout(() => into.destroy(), late));
    }
  }
  const server = tls === undefined ? createServer({ noDelay: true }, take) : createSecureServer({ ...tls, noDelay: true }, take);
  server.on('tlsClientError', () => undefined);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    port: (server.address() as AddressInfo).port,
    taken: () => taken,
    is(next) {
      mood = next;
    },
    delay(ms) {
      late = ms;
    },
    cut,
    close() {
      cut();
      server.close();
    },
  };
}
