// The peer behind TLS: with good and bad certificates, asking for ours, speaking none, and cut off without a farewell.

import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { createServer as createSecureServer, TLSSocket, type TlsOptions } from 'node:tls';
import type { Endpoint } from '../../agent/ports/host.ts';
import type { TlsFixture } from '../host/conformance/fixture.ts';
import { type Certificate, makeCertificates, name } from './certificates.ts';
import { makePeer } from './peer.ts';

export async function startTls(): Promise<{ fixture: TlsFixture; close(): void }> {
  const certificates = makeCertificates();
  const servers: Server[] = [];
  const cuts = new Map<number, () => void>();
  const peer = makePeer((socket: Duplex) => {
    if (socket instanceof TLSSocket) cuts.get(Number(socket.remotePort))?.();
  });

  function listen(server: Server): Promise<Endpoint> {
    servers.push(server);
    return new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve({ address: '127.0.0.1', port: (server.address() as AddressInfo).port }));
    });
  }
  function serve(certificate: Certificate, options: TlsOptions): Promise<Endpoint> {
    const server = createSecureServer({ cert: certificates.of[certificate], key: certificates.key, allowHalfOpen: true, ...options }, peer);
    // That clients turn away is what the tests are about.
    server.on('tlsClientError', () => undefined);
    return listen(server);
  }
  /** Hands on what both sides say, until the peer cuts: then the client sees the end of the connection, and nothing before it. */
  function cutting(to: Endpoint): Promise<Endpoint> {
    const server = createServer({ allowHalfOpen: true }, (client: Socket) => {
      const upstream = connect({ host: to.address, port: to.port });
      upstream.on('connect', () => {
        cuts.set(Number(upstream.localPort), () => {
          upstream.unpipe(client);
          client.end();
        });
      });
      for (const socket of [client, upstream]) socket.on('error', () => socket.destroy());
      client.on('close', () => upstream.destroy());
      client.pipe(upstream);
      upstream.pipe(client);
    });
    return listen(server);
  }

  const tls12 = { maxVersion: 'TLSv1.2' } as const;
  const tls13 = { minVersion: 'TLSv1.3' } as const;
  const mutual = { requestCert: true, ca: certificates.authority } as const;
  const good12 = await serve('good', tls12);
  const good13 = await serve('good', tls13);
  const fixture: TlsFixture = {
    good12,
    good13,
    untrusted: await serve('untrusted', {}),
    expired: await serve('expired', {}),
    notYet: await serve('notYet', {}),
    wrongName: await serve('wrongName', {}),
    mutual12: await serve('good', { ...tls12, ...mutual }),
    mutual13: await serve('good', { ...tls13, ...mutual }),
    plain: await listen(createServer((socket) => socket.on('error', () => socket.destroy()).end('220 this is no TLS\r\n'))),
    cut12: await cutting(good12),
    cut13: await cutting(good13),
    name,
    authorities: certificates.authority,
    pin: certificates.pin,
    identity: { certificate: certificates.of.good, key: certificates.key },
  };
  return {
    fixture,
    close() {
      for (const server of servers) server.close();
    },
  };
}
