import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { bytesOf, hexOf } from '../../agent/wire/form.ts';
import { toBeSigned } from '../../agent/wire/request.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as desk from '../../scripts/desk.ts';
import { freePort } from '../fakes/port.ts';
import { signerOf } from '../wire/story.ts';

const [ann, root, other] = [signerOf('ann'), signerOf('root'), signerOf('other root')];
const asked: IncomingMessage[] = [];
let server: Server;
let url = '';

const test = suite('desk');
test.before(async () => {
  server = createServer((request, response) => {
    asked.push(request);
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ root: hexOf(root.key) }));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
test.before.each(() => void asked.splice(0));
test.after(() => {
  server.closeAllConnections();
  server.close();
});

test('a coordinator that is not trusted is asked for its root, by nobody, and no more', async () => {
  const refused = await desk.at(url, ann, other.key).ask('GET', '/offers');
  assert.is(refused.ok ? '' : `${refused.fault.code} ${refused.fault.path}`, 'stranger coordinator');
  assert.equal(
    asked.map((one) => [one.url, one.headers.authorization]),
    [['/api/v1/health', undefined]],
  );
});

test('what it is asked is signed for its root', async () => {
  const to = desk.at(url, ann, root.key);
  for (const path of ['/offers', '/ledger']) assert.ok((await to.ask('GET', path)).ok);
  assert.equal(
    asked.map((one) => one.url),
    ['/api/v1/health', '/api/v1/offers', '/api/v1/ledger'],
  );
  const [, key, time, signature] = `${asked[1]?.headers.authorization}`.split(' ');
  assert.is(key, hexOf(ann.key));
  const request = { method: 'GET', url: '/api/v1/offers', body: new Uint8Array() };
  const isFor = (one: typeof root): boolean =>
    ed25519.verify(bytesOf(`${signature}`), toBeSigned({ ...request, root: one.key }, `${time}`, hashes), ann.key, hashes.sha512);
  assert.equal([isFor(root), isFor(other)], [true, false]);
});

test('where nobody answers, it says where and why', async () => {
  const nobody = `http://127.0.0.1:${await freePort()}`;
  const refused = await desk.at(nobody, ann, root.key).ask('GET', '/offers');
  assert.is(refused.ok ? '' : refused.fault.reason, `${nobody} does not answer: ECONNREFUSED`);
});

test.run();
