import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Code } from '../../../agent/core/result.ts';
import type { Endpoint, Host, TlsOptions } from '../../../agent/ports/host.ts';
import { type Fixture, pattern, type TlsFixture } from './fixture.ts';
import { ask, hex, later, overTls, textOf } from './line.ts';

export function tls(host: Host, fixture: Fixture): void {
  if (fixture.tls === null) return;
  const pin = Uint8Array.from(fixture.tls.pin.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
  const { name, authorities } = fixture.tls;
  trust(host, fixture, fixture.tls, pin);
  streams('TLS 1.2', host, fixture, fixture.tls.good12, fixture.tls.cut12, { name, authorities });
  streams('TLS 1.3', host, fixture, fixture.tls.good13, fixture.tls.cut13, { name, authorities });
}

function trust(host: Host, fixture: Fixture, at: TlsFixture, pin: Uint8Array): void {
  const test = suite('trust');
  const { name, authorities } = at;
  const otherPin = pin.map((byte, i) => (i === 31 ? byte ^ 1 : byte));

  const accepted: readonly { name: string; to: Endpoint; options: TlsOptions }[] = [
    { name: 'a good certificate, TLS 1.2', to: at.good12, options: { name, authorities } },
    { name: 'a good certificate, TLS 1.3', to: at.good13, options: { name, authorities } },
    { name: 'an address for a name', to: at.good13, options: { name: '127.0.0.1', authorities } },
    { name: 'an address of IPv6 for a name', to: at.good12, options: { name: '::1', authorities } },
    { name: 'one authority among several', to: at.good13, options: { name, authorities: `${at.identity.certificate}${authorities}` } },
    { name: 'a good certificate with the right pin', to: at.good13, options: { name, authorities, pin } },
    { name: 'the right pin alone', to: at.good13, options: { name, pin } },
    { name: 'the right pin alone, TLS 1.2', to: at.good12, options: { name, pin } },
    { name: 'the right pin, expired', to: at.expired, options: { name, pin } },
    { name: 'the right pin, not valid yet', to: at.notYet, options: { name, pin } },
    { name: 'the right pin, another name', to: at.wrongName, options: { name, pin } },
    { name: 'the right pin, signed by a stranger', to: at.untrusted, options: { name, pin } },
    { name: 'our certificate asked for, TLS 1.2', to: at.mutual12, options: { name, authorities, identity: at.identity } },
    { name: 'our certificate asked for, TLS 1.3', to: at.mutual13, options: { name, authorities, identity: at.identity } },
    { name: 'our certificate not asked for', to: at.good13, options: { name, authorities, identity: at.identity } },
  ];
  for (const c of accepted) {
    test(c.name, async () => {
      const line = overTls(host, c.to, c.options);
      const k = key();
      assert.is(await ask(line, `say ${k} welcome`), 'welcome');
      assert.is(line.log(), 'opened received ended closed');
      assert.is(await ask(overTls(host, at.good13, { name, authorities }), `known ${k}`), 'yes');
    });
  }

  const refused: readonly { name: string; to: Endpoint; options: TlsOptions; want: Code }[] = [
    { name: 'signed by a stranger', to: at.untrusted, options: { name, authorities }, want: 'tls-certificate' },
    { name: 'expired', to: at.expired, options: { name, authorities }, want: 'tls-certificate' },
    { name: 'not valid yet', to: at.notYet, options: { name, authorities }, want: 'tls-certificate' },
    { name: 'another name', to: at.wrongName, options: { name, authorities }, want: 'tls-name' },
    { name: 'we asked for another name', to: at.good13, options: { name: 'else.test', authorities }, want: 'tls-name' },
    { name: 'we asked for another address', to: at.good13, options: { name: '127.0.0.2', authorities }, want: 'tls-name' },
    { name: 'an address, and the certificate names none', to: at.wrongName, options: { name: '127.0.0.1', authorities }, want: 'tls-name' },
    { name: 'no authority, no pin', to: at.good13, options: { name }, want: 'tls-certificate' },
    {
      name: 'an authority that has nothing to do with it',
      to: at.good13,
      options: { name, authorities: at.identity.certificate },
      want: 'tls-certificate',
    },
    { name: 'authorities that are none', to: at.good13, options: { name, authorities: 'hello' }, want: 'malformed' },
    {
      name: 'an identity that is none',
      to: at.good13,
      options: { name, authorities, identity: { certificate: 'hello', key: 'hello' } },
      want: 'malformed',
    },
    { name: 'the wrong pin', to: at.good13, options: { name, pin: otherPin }, want: 'tls-pin' },
    { name: 'the wrong pin, TLS 1.2', to: at.good12, options: { name, pin: otherPin }, want: 'tls-pin' },
    { name: 'the wrong pin under a good certificate', to: at.good13, options: { name, authorities, pin: otherPin }, want: 'tls-pin' },
    { name: 'the right pin under an expired certificate', to: at.expired, options: { name, authorities, pin }, want: 'tls-certificate' },
    { name: 'the right pin under another name', to: at.wrongName, options: { name, authorities, pin }, want: 'tls-name' },
    { name: 'no TLS at all', to: at.plain, options: { name, authorities }, want: 'tls-protocol' },
    { name: 'nobody there', to: fixture.refused, options: { name, authorities }, want: 'ECONNREFUSED' },
  ];
  for (const c of refused) {
    test(`refuses: ${c.name}`, async () => {
      const line = overTls(host, c.to, c.options);
      const k = key();
      line.say(`say ${k} welcome\n`);
      const why = await line.closed();
      assert.is(why?.code, c.want);
      assert.is(line.log(), 'closed');
      // What waits to be sent must never reach who has not proved himself.
      assert.is(await ask(overTls(host, at.good13, { name, authorities }), `known ${k}`), 'no');
    });
  }

  test('our certificate asked for and not given, TLS 1.2', async () => {
    const line = overTls(host, at.mutual12, { name, authorities });
    assert.is((await line.closed())?.code, 'tls-protocol');
    assert.is(line.log(), 'closed');
  });

  test('our certificate asked for and not given, TLS 1.3', async () => {
    // Here the client is through before the server has looked at it.
    const line = overTls(host, at.mutual13, { name, authorities });
    assert.is((await line.closed())?.code, 'tls-protocol');
  });

  test('closed in the middle of the handshake', async () => {
    const line = overTls(host, at.good13, { name, authorities });
    line.stream.close();
    const other = overTls(host, at.good13, { name, authorities });
    await later(host, 2);
    const seen = other.log();
    other.stream.close();
    await later(host, 50);
    assert.is(line.log(), '');
    assert.is(other.log(), seen);
  });

  test.run();
}

let keys = 0;
const key = (): string => `tls${++keys}`;

function streams(title: string, host: Host, fixture: Fixture, to: Endpoint, cut: Endpoint, options: TlsOptions): void {
  const test = suite(title);
  const dial = () => overTls(host, to, options);

  test('opens, sends, receives, ends both ways', async () => {
    const line = dial();
    await line.until('opened');
    line.say('echo\nhello');
    await line.untilReceived(5);
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(textOf(line.received()), 'hello');
    assert.is(line.log(), 'opened received ended closed');
  });

  test('half-closed by us: still receives', async () => {
    const line = dial();
    line.say('hash\nabc');
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(textOf(line.received()), `3 ${hex(host.sha256(new Uint8Array([97, 98, 99])))}`);
  });

  test('half-closed by the other side: still sends', async () => {
    const line = dial();
    const k = key();
    line.say(`say ${k} bye\n`);
    await line.until('ended');
    line.say('late');
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(await ask(dial(), `heard ${k}`), 'late');
  });

  test('an end without a farewell is no end', async () => {
    const line = overTls(host, cut, options);
    line.say('cut\n');
    assert.is((await line.closed())?.code, 'ECONNRESET');
    assert.is(line.log(), 'opened closed');
  });

  test('a large transfer there and back is whole', async () => {
    const line = dial();
    const bytes = pattern(fixture.large);
    line.say('echo\n');
    for (let at = 0; at < bytes.length; at += 100_000) line.stream.write(bytes.subarray(at, at + 100_000));
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(line.received().length, bytes.length);
    assert.is(hex(host.sha256(line.received())), hex(host.sha256(bytes)));
  });

  test('back-pressure: false until drained', async () => {
    const line = dial();
    const k = key();
    line.say(`stall ${k}\n`);
    await line.until('opened');
    const bytes = pattern(fixture.large * 2);
    assert.is(line.stream.write(bytes), false);
    await later(host, 100);
    assert.is(line.log(), 'opened');
    assert.is(await ask(dial(), `release ${k}`), 'released');
    await line.until('drained');
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(textOf(line.received()), `${bytes.length} ${hex(host.sha256(bytes))}`);
  });

  test('paused: nothing is received until resumed', async () => {
    const line = dial();
    line.stream.pause();
    line.say(`flood ${key()} 300000\n`);
    line.stream.end();
    await later(host, 100);
    assert.not.match(line.log(), 'received');
    line.stream.resume();
    assert.is(await line.closed(), null);
    assert.is(hex(host.sha256(line.received())), hex(host.sha256(pattern(300_000))));
  });

  test.run();
}
