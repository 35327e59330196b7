// The other ends that the conformance suite talks to, and what a driver needs to run it.

import { createSocket, type Socket } from 'node:dgram';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { networkInterfaces, tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Endpoint } from '../../agent/ports/host.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { startDns } from '../fakes/dns.ts';
import { makePeer } from '../fakes/peer.ts';
import { freePort } from '../fakes/port.ts';
import { startTls } from '../fakes/tls.ts';
import type { Fixture } from './conformance/fixture.ts';

/** One module: the whole suite for a QuickJS host, to be called with the Fixture as JSON. */
export async function bundleConformance(): Promise<string> {
  const { entry, modules } = await bundleProgram('test/host/conformance/program.ts');
  const source = modules.get(entry);
  if (source === undefined) throw new Error('no program came out of the bundler');
  return source;
}

const hasIpv6 = Object.values(networkInterfaces()).some((list) => list?.some((a) => a.address === '::1'));

const portOf = (server: Server): number => (server.address() as AddressInfo).port;

function listen(server: Server, address: string): Promise<Endpoint> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, address, () => resolve({ address, port: portOf(server) }));
  });
}

export async function startFixture(): Promise<{ fixture: Fixture; close(): void }> {
  const temp = mkdtempSync(join(tmpdir(), 'weir-host-'));
  const peer = makePeer();
  const servers: Server[] = [];
  const serve = (): Server => {
    const server = createServer({ allowHalfOpen: true, noDelay: true }, peer);
    servers.push(server);
    return server;
  };
  const unix = join(temp, 'peer.sock');
  await new Promise<void>((resolve) => serve().listen(unix, resolve));
  const dns = await startDns();
  const tls = await startTls();
  const datagrams: Socket[] = [];
  const echoUdp = (type: 'udp4' | 'udp6', address: string): Promise<Endpoint> => {
    const socket = createSocket(type);
    datagrams.push(socket);
    socket.on('message', (bytes, from) => socket.send(bytes, from.port, from.address));
    return new Promise((resolve) => socket.bind(0, address, () => resolve({ address, port: socket.address().port })));
  };
  const fixture: Fixture = {
    temp,
    unix,
    tcp: await listen(serve(), '127.0.0.1'),
    tcp6: hasIpv6 ? await listen(serve(), '::1') : null,
    refused: { address: '127.0.0.1', port: await freePort() },
    udp: await echoUdp('udp4', '127.0.0.1'),
    udp6: hasIpv6 ? await echoUdp('udp6', '::1') : null,
    dns: { server: dns.server, silent: dns.silent },
    tls: tls.fixture,
    programs: true,
    large: 4 << 20,
  };
  return {
    fixture,
    close() {
      for (const server of [...servers, ...datagrams, dns, tls]) server.close();
      rmSync(temp, { recursive: true, force: true });
    },
  };
}

/** uvu on QuickJS ends in peace whatever failed, so its totals are read. Fails when not all of them passed, or none were. */
export function assertPassed(output: string): void {
  const count = (label: string): number => Number(new RegExp(`^ *${label}: +(\\d+)`, 'm').exec(output)?.[1]);
  if (count('Total') > 0 && count('Total') === count('Passed') + count('Skipped')) return;
  throw new Error(`${count('Passed')} of ${count('Total')} tests passed`);
}
