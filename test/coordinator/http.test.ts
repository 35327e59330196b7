// What of a request reaches the desk, over a real socket.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import * as http from '../../coordinator/adapters/http.ts';
import type { Server } from '../../coordinator/ports/http.ts';

const loopback = ip.parseAddress('127.0.0.1');
if (!loopback.ok) throw new Error(loopback.fault.reason);

let servers: readonly Server[] = [];
/** Answers with who asks and how long the body is. */
async function begin(proxy: ip.Address | null): Promise<string> {
  const server = await http.serve({ host: '127.0.0.1', port: 0, proxy }, async ({ caller, body }) => ({
    status: 200,
    type: 'text/plain',
    body: `${caller} ${body.length}`,
  }));
  if (!server.ok) throw new Error(server.fault.reason);
  servers = [...servers, server.value];
  return `http://127.0.0.1:${server.value.port}/`;
}
const saysOf = async (url: string, init: RequestInit): Promise<string> => (await fetch(url, init)).text();

const test = suite('coordinator: HTTP');
test.after(async () => {
  for (const server of servers) await server.end();
});

test('who asks is who the proxy says, and only where there is one', async () => {
  const headers = { 'x-forwarded-for': '10.0.0.1, 2001:db8::7' };
  assert.is(await saysOf(await begin(loopback.value), { headers }), '2001:db8::/64 0');
  assert.is(await saysOf(await begin(null), { headers }), '127.0.0.1 0');
});

test('a body of the size that is taken, and of one byte more', async () => {
  const url = await begin(null);
  const post = (size: number): RequestInit => ({ method: 'POST', body: new Uint8Array(size) });
  assert.is(await saysOf(url, post(65_536)), '127.0.0.1 65536');
  const answer = await fetch(url, post(65_537));
  assert.is(answer.status, 413);
  assert.equal(await answer.json(), { error: { code: 'limit', path: 'body', reason: 'at most 65536 bytes' } });
});

test.run();
