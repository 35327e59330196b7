// The link against a real broker, written once against ports/link.ts. The drivers (test/link/*.test.ts) bring the host and the broker.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../../agent/core/brand.ts';
import type { Result } from '../../../agent/core/result.ts';
import type { Host } from '../../../agent/ports/host.ts';
import type { LinkOptions } from '../../../agent/ports/link.ts';
import type { Fixture } from './fixture.ts';
import { message, order, type Talk, talk, textOf } from './talk.ts';

const codeOf = (result: Result<unknown>): string => (result.ok ? 'ok' : result.fault.code);

export function converse(host: Host, fixture: Fixture): void {
  const tls = { name: fixture.name, authorities: fixture.authority };
  for (const version of ['5', '3.1.1'] as const) {
    basics(`${version} by TCP`, host, fixture, { version });
    if (!host.lacks.has('tls')) basics(`${version} by TLS`, host, fixture, { version, tls });
  }
  refusals(host, fixture);
  troubles(host, fixture);
}

function basics(name: string, host: Host, fixture: Fixture, kind: Partial<LinkOptions>): void {
  const test = suite(name);
  const start = async (more: Partial<LinkOptions> = {}): Promise<Talk> => {
    const t = talk(host, fixture, { ...kind, ...more });
    await t.connected();
    return t;
  };
  const finish = async (...talks: Talk[]): Promise<void> => {
    for (const t of talks) t.link.end();
    for (const t of talks) assert.is(await t.closed(), null);
  };

  test('a message there and back, at both qualities', async () => {
    const t = await start();
    assert.equal(await t.subscribe('a/+'), { ok: true, value: 1 });
    assert.equal(await t.subscribe('b', 0), { ok: true, value: 0 });
    for (const [topic, qos] of [
      ['a/ü', 1],
      ['a/0', 0],
      ['b', 1],
    ] as const) {
      assert.equal(await t.publish(topic, `to ${topic}`, { qos }), { ok: true, value: undefined });
      assert.equal(await t.next(), message(topic, `to ${topic}`, { qos: topic === 'b' ? 0 : qos }));
    }
    await finish(t);
  });

  test('all bytes, and nothing', async () => {
    const t = await start();
    await t.subscribe('bytes');
    for (const payload of [Uint8Array.from({ length: 256 }, (_, i) => i), new Uint8Array()]) {
      await t.publish('bytes', payload);
      assert.equal((await t.next()).payload, payload);
    }
    await finish(t);
  });

  test('what is retained waits', async () => {
    const [a, b] = [await start(), await start()];
    await a.publish('kept', 'still here', { retain: true });
    await b.subscribe('kept');
    assert.equal(await b.next(), message('kept', 'still here', { retain: true }));
    await a.publish('kept', '', { retain: true });
    await finish(a, b);
  });

  test('the will comes when we go without a word, and not when we say good-bye', async () => {
    const watcher = await start();
    await watcher.subscribe('will/#');
    const polite = await start({ will: message('will/polite', 'never') });
    await finish(polite);
    const struck = await start({ will: message('will/struck', 'gone') });
    struck.sever();
    assert.is((await struck.closed())?.reason, 'severed');
    assert.equal(await watcher.next(), message('will/struck', 'gone'));
    await finish(watcher);
  });

  test('more than any buffer holds, both ways at once and in order', async () => {
    const t = await start();
    await t.subscribe('flood');
    const many = 64;
    const block = (n: number): Uint8Array => new Uint8Array(32_768).fill(n);
    const sent = Array.from({ length: many }, (_, n) => t.publish('flood', block(n)));
    for (let n = 0; n < many; n++) assert.equal((await t.next()).payload, block(n));
    assert.equal((await Promise.all(sent)).map(codeOf), Array(many).fill('ok'));
    await finish(t);
  });

  test('the end waits for what is under way', async () => {
    const t = await start();
    const sent = t.publish('last', 'words');
    t.link.end();
    assert.is(codeOf(await sent), 'ok');
    assert.is(await t.closed(), null);
  });

  test('after the end every question is answered', async () => {
    const t = await start();
    await finish(t);
    t.link.end();
    assert.is(codeOf(await t.publish('a', 'b')), 'closed');
    assert.is(codeOf(await t.subscribe('a')), 'closed');
  });

  test('a topic that is none', async () => {
    const t = await start();
    assert.is(codeOf(await t.subscribe('a/#/b')), 'malformed');
    await finish(t);
  });

  test('a wrong password', async () => {
    const why = await talk(host, fixture, { ...kind, password: 'guess' }).closed();
    assert.is(why?.code, 'denied');
    assert.not.match(JSON.stringify(why), 'guess');
  });

  test.run();
}

function refusals(host: Host, fixture: Fixture): void {
  const test = suite('link refused');
  const closed = async (more: Partial<LinkOptions>): Promise<string | undefined> => (await talk(host, fixture, more).closed())?.code;

  test('nobody listens', async () => assert.is(await closed({ to: { address: '127.0.0.1', port: fixture.refused } }), 'ECONNREFUSED'));
  test('somebody says nothing', async () =>
    assert.is(await closed({ to: { address: '127.0.0.1', port: fixture.silent }, patience: seconds(1) }), 'timeout'));
  test('somebody speaks no MQTT', async () => assert.is(await closed({ to: { address: '127.0.0.1', port: fixture.babble } }), 'malformed'));
  for (const version of ['5', '3.1.1'] as const)
    test(`a packet without an end, ${version}`, async () =>
      assert.is(await closed({ version, to: { address: '127.0.0.1', port: fixture.flood } }), 'limit'));
  if (!host.lacks.has('tls')) {
    test('an authority we do not know', async () =>
      assert.is(await closed({ tls: { name: fixture.name, authorities: fixture.stranger } }), 'tls-certificate'));
    test('another name', async () => assert.is(await closed({ tls: { name: 'other.test', authorities: fixture.authority } }), 'tls-name'));
  }
  test('a broker that says why it ends it', async () => {
    const t = talk(host, fixture, { to: { address: '127.0.0.1', port: fixture.expel } });
    assert.equal(await t.closed(), { code: 'closed', path: 'link', reason: 'the broker ended it with reason 137' });
  });
  test('asked before it is there', async () => {
    const t = talk(host, fixture);
    assert.is(codeOf(await t.publish('early', 'bird')), 'closed');
    await t.connected();
    t.link.end();
    assert.is(await t.closed(), null);
  });
  test('ended before it is there', async () => {
    const t = talk(host, fixture);
    t.link.end();
    assert.is(await t.closed(), null);
  });
  test.run();
}

function troubles(host: Host, fixture: Fixture): void {
  const test = suite('link in trouble');

  test('somebody else with our name', async () => {
    const first = talk(host, fixture, { clientId: 'twin' });
    await first.connected();
    const second = talk(host, fixture, { clientId: 'twin' });
    await second.connected();
    assert.is((await first.closed())?.code, 'closed');
    second.link.end();
    assert.is(await second.closed(), null);
  });

  test('a broker that falls silent is noticed', async () => {
    const t = talk(host, fixture, { keepAlive: seconds(1) });
    await t.connected();
    await order(host, fixture, 'stall');
    const sent = t.publish('into', 'silence');
    const why = await t.closed();
    await order(host, fixture, 'wake');
    assert.is(why?.code, 'timeout');
    assert.is(codeOf(await sent), 'timeout');
  });

  test('a quiet link stays', async () => {
    const t = talk(host, fixture, { keepAlive: seconds(1) });
    await t.connected();
    // The welcome, and the answers to two pings.
    await t.heard(3);
    assert.is(codeOf(await t.publish('still', 'there')), 'ok');
    t.link.end();
    assert.is(await t.closed(), null);
  });

  test('a broker killed and restarted', async () => {
    const t = talk(host, fixture);
    await t.connected();
    await order(host, fixture, 'kill');
    assert.ok((await t.closed()) !== null);
    assert.is(codeOf(await t.publish('to', 'nobody')), 'closed');
    assert.is((await talk(host, fixture).closed())?.code, 'ECONNREFUSED');
    await order(host, fixture, 'restart');
    const again = talk(host, fixture);
    await again.connected();
    await again.subscribe('back');
    await again.publish('back', 'again');
    assert.is(textOf(await again.next()), 'again');
    again.link.end();
    assert.is(await again.closed(), null);
  });

  test.run();
}
