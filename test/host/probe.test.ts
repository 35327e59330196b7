// Round trips over real sockets of the loopback.

import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { measure } from '../../agent/adapters/probe.ts';
import type { Goal } from '../../agent/core/probe.ts';
import { host } from '../../agent/host/node.ts';

const goal = (protocol: Goal['protocol'], port: number, times: number, address = '127.0.0.1'): Goal => ({
  protocol,
  address,
  port,
  times,
  size: 0,
});

const trips = suite('trips');
trips('of datagrams that come back, and of one that does not', async () => {
  let heard = 0;
  const server = createSocket('udp4').bind(0, '127.0.0.1');
  server.on('message', (bytes, from) => {
    heard += 1;
    // Neither a stranger's bytes nor a part of ours are an answer.
    if (heard === 2) server.send(bytes.subarray(1), from.port, from.address);
    else if (heard === 3) server.send(Buffer.alloc(bytes.length, 0), from.port, from.address);
    else server.send(bytes, from.port, from.address);
  });
  await once(server, 'listening');
  const found = await measure(host, goal('udp', server.address().port, 4));
  server.close();
  assert.equal(
    found.map((trip) => trip !== null),
    [true, false, false, true],
  );
  for (const trip of found) assert.ok(trip === null || (trip >= 0 && trip < 1000));
});
trips('of connections that are taken', async () => {
  const server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const bound = server.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const found = await measure(host, goal('tcp', port, 2));
  server.close();
  await once(server, 'close');
  const refused = await measure(host, goal('tcp', port, 2));
  assert.equal([found.filter((trip) => trip !== null).length, refused], [2, [null, null]]);
});
trips('of what cannot even be sent', async () => assert.equal(await measure(host, goal('udp', 7, 1, '255.255.255.255')), [null]));
trips.run();
