// The broker that the conversation talks to, and those that are none.

import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import * as odd from '../fakes/broker.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import { freePort } from '../fakes/port.ts';
import type { Fixture, Order, Version } from './conversation/fixture.ts';

export async function startFixture(
  start = mosquitto.start,
  versions: readonly Version[] = ['5', '3.1.1'],
): Promise<{ fixture: Fixture; close(): Promise<void> }> {
  const broker = await start();
  const strange = await odd.start();
  const sockets = new Set<Socket>();
  const servers: Server[] = [];
  const listen = (take: (socket: Socket) => void): Promise<number> => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      sockets.add(socket.on('close', () => sockets.delete(socket)).on('error', () => socket.destroy()));
      take(socket);
    });
    servers.push(server);
    return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port)));
  };
  const obey: Readonly<Record<Order, () => unknown>> = broker;
  const control = await listen((socket) => {
    let said = '';
    socket.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    socket.on('end', async () => {
      await obey[said.trim() as Order]();
      socket.end();
    });
  });
  const silent = await listen((socket) => socket.resume());
  const expel = await listen((socket) => socket.once('data', () => socket.end(Buffer.from('2003000000e00189', 'hex'))));
  const babble = await listen((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
  const flood = await listen((socket) =>
    socket.once('data', (connect: Buffer) => {
      const isFive = connect[connect.indexOf('MQTT') + 4] === 5;
      socket.write(Buffer.from(isFive ? '2003000000' : '20020000', 'hex'));
      // A PUBLISH of 256 MB, as far as 8 of them.
      socket.write(Buffer.from('30ffffff7f', 'hex'));
      for (let kb = 0; kb < 8192; kb += 64) socket.write(Buffer.alloc(65_536));
    }),
  );
  const { port, tlsPort, user, password, name, authority, stranger } = broker;
  return {
    fixture: {
      versions,
      port,
      tlsPort,
      user,
      password,
      name,
      authority,
      stranger,
      control,
      silent,
      expel,
      babble,
      flood,
      refused: await freePort(),
      odd: strange.port,
    },
    async close() {
      for (const socket of sockets) socket.destroy();
      for (const server of servers) server.close();
      strange.stop();
      await broker.stop();
    },
  };
}
