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
  for (const version of fixture.versions) {
    basics(`${version} by TCP`, host, fixture, { version });
    if (!host.lacks.has('tls')) basics(`${version} by TLS`, host, fixture, { version, tls });
  }
  refusals(host, fixture);
  oddities(host, fixture);
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

  test('what comes while we are gone waits, when we want it to', async () => {
    const [name, other] = [{ clientId: `kept-${kind.version}`, session: seconds(600) }, await start()];
    const gone = await start(name);
    await gone.subscribe('session');
    gone.sever();
    await gone.closed();
    await other.publish('session', 'meanwhile');
    const back = talk(host, fixture, { ...kind, ...name });
    assert.is(await back.connected(), true);
    assert.is(textOf(await back.next()), 'meanwhile');
    await finish(back, other);
    const anew = talk(host, fixture, { ...kind, clientId: name.clientId });
    assert.is(await anew.connected(), false);
    await finish(anew);
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

  // By MQTT 5 we say what we take, and the broker keeps back what is longer.
  if (kind.version === '3.1.1')
    test('of a message that is too long the beginning, each time it is told, and all that follows', async () => {
      const a = await start();
      await a.publish('long/kept', new Uint8Array(200_000), { retain: true });
      for (const word of ['first', 'second']) {
        const b = await start();
        await b.subscribe('long/+');
        assert.ok((await b.next()).payload.length > 65_000);
        await a.publish('long/other', word);
        assert.equal(await b.next(), message('long/other', word));
        await finish(b);
      }
      await a.publish('long/kept', '', { retain: true });
      await finish(a);
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
    test('somebody speaks no TLS', async () =>
      assert.is(
        await closed({ to: { address: '127.0.0.1', port: fixture.babble }, tls: { name: fixture.name, authorities: fixture.authority } }),
        'tls-protocol',
      ));
    test('an authority we do not know', async () =>
      assert.is(await closed({ tls: { name: fixture.name, authorities: fixture.stranger } }), 'tls-certificate'));
    test('another name', async () => assert.is(await closed({ tls: { name: 'other.test', authorities: fixture.authority } }), 'tls-name'));
  }
  test('a broker that says why it ends it', async () => {
    const t = talk(host, fixture, { version: '5', to: { address: '127.0.0.1', port: fixture.expel } });
    assert.equal(await t.closed(), { code: 'closed', path: 'link', reason: 'the broker ended it: Server busy (137)' });
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

function oddities(host: Host, fixture: Fixture): void {
  const test = suite('link to an odd broker');
  const start = (clientId: string, more: Partial<LinkOptions> = {}): Talk =>
    talk(host, fixture, { version: '5', to: { address: '127.0.0.1', port: fixture.odd }, clientId, ...more });

  test('its quota is spent', async () => assert.is((await start('spent').closed())?.code, 'denied'));
  test('its quota is spent for messages', async () => {
    const t = start('full');
    await t.connected();
    const sent = await t.publish('a', 'b');
    assert.is(sent.ok ? '' : sent.fault.code, 'denied');
    assert.match(sent.ok ? '' : sent.fault.reason, 'Quota exceeded');
    t.link.end();
    assert.is(await t.closed(), null);
  });
  test('somebody else has our name', async () => {
    const t = start('taken');
    await t.connected();
    const sent = t.publish('a', 'b');
    assert.equal(await t.closed(), { code: 'denied', path: 'link', reason: 'the broker ended it: Session taken over (142)' });
    assert.is(codeOf(await sent), 'denied');
  });
  test('it takes us, and then not', async () => {
    const t = start('kick');
    await t.connected();
    const sent = t.publish('a', 'b');
    assert.is((await t.closed())?.code, 'closed');
    assert.is(codeOf(await sent), 'closed');
  });
  test('half a connection is noticed', async () => {
    const t = start('mute', { keepAlive: seconds(1) });
    await t.connected();
    assert.is((await t.closed())?.code, 'timeout');
  });
  test('it answers pings, and no message: that is noticed, too', async () => {
    const t = start('absent', { keepAlive: seconds(1) });
    await t.connected();
    const sent = t.publish('into', 'nothing');
    assert.is((await t.closed())?.code, 'timeout');
    assert.is(codeOf(await sent), 'timeout');
  });
  test('it knows 3.1.1 alone', async () => {
    assert.is((await start('old').closed())?.code, 'unsupported');
    const t = start('old', { version: '3.1.1' });
    await t.connected();
    t.link.end();
    assert.is(await t.closed(), null);
  });
  test('two messages at a time, not longer than it likes, and all of them before the end', async () => {
    const t = start('narrow');
    await t.connected();
    const sent = Array.from({ length: 6 }, (_, n) => t.publish('narrow', `${n}`));
    const [large, just] = [t.publish('narrow', new Uint8Array(1000)), t.publish('narrow', new Uint8Array(900))];
    const last = t.publish('narrow', 'last');
    t.link.end();
    assert.equal((await Promise.all([...sent, just, last])).map(codeOf), Array(8).fill('ok'));
    assert.is(codeOf(await large), 'limit');
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
    // Some Mosquittos say why, some do not.
    assert.match(String((await first.closed())?.code), /^(closed|denied)$/);
    second.link.end();
    assert.is(await second.closed(), null);
  });

  test('a broker that falls silent is noticed', async () => {
    // It has to stand still before it is asked whether it is there.
    const t = talk(host, fixture, { keepAlive: seconds(2) });
    await t.connected();
    await order(host, fixture, 'stall');
    const sent = t.publish('into', 'silence');
    const why = await t.closed();
    await order(host, fixture, 'wake');
    assert.is(why?.code, 'timeout');
    assert.is(codeOf(await sent), 'timeout');
  });

  test('a quiet link stays', async () => {
    // An answer may be late by half of it; and one second and a half are one for NATS, which then ends it.
    const t = talk(host, fixture, { keepAlive: seconds(4) });
    await t.connected();
    // The welcome, and the answers to two pings.
    await t.heard(3);
    assert.is(codeOf(await t.publish('still', 'there')), 'ok');
    t.link.end();
    assert.is(await t.closed(), null);
  });

  const isFive = fixture.versions.includes('5');
  if (isFive)
    test('a message that nobody fetched in time is forgotten', async () => {
      const t = talk(host, fixture);
      await t.connected();
      await t.publish('brief', 'not for long', { retain: true, expiry: seconds(1) });
      await t.subscribe('mark');
      for (let said = 'not for long'; said === 'not for long'; ) {
        await t.subscribe('brief');
        await t.publish('mark', 'nothing');
        said = textOf(await t.next());
        if (said !== 'nothing') await t.next();
      }
      t.link.end();
      assert.is(await t.closed(), null);
    });

  test('a broker restarted that has stored our session', async () => {
    const options = { clientId: 'stored', session: seconds(600) };
    const before = talk(host, fixture, options);
    await before.connected();
    await before.subscribe('stored');
    await order(host, fixture, 'end');
    assert.ok((await before.closed()) !== null);
    await order(host, fixture, 'restart');
    const after = talk(host, fixture, options);
    assert.is(await after.connected(), true);
    await after.publish('stored', 'still mine');
    assert.is(textOf(await after.next()), 'still mine');
    after.link.end();
    assert.is(await after.closed(), null);
  });

  test('a broker restarted that has forgotten it', async () => {
    const options = { clientId: 'forgotten', session: seconds(600) };
    const before = talk(host, fixture, options);
    await before.connected();
    await before.subscribe('forgotten');
    await order(host, fixture, 'kill');
    assert.ok((await before.closed()) !== null);
    await order(host, fixture, 'restart');
    const after = talk(host, fixture, options);
    assert.is(await after.connected(), false);
    after.link.end();
    assert.is(await after.closed(), null);
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
