import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Host, Stream, StreamEvents } from '../../../agent/ports/host.ts';
import { type Fixture, pattern } from './fixture.ts';
import { ask, hex, type Line, later, open, overTcp, overUnix, textOf } from './line.ts';

export function sockets(host: Host, fixture: Fixture): void {
  const { unix, tcp6 } = fixture;
  streams('tcp', host, fixture, (events) => host.net.connectTcp(fixture.tcp, events));
  if (unix !== null) streams('unix', host, fixture, (events) => host.net.connectUnix(unix, events));

  const test = suite('connecting');

  test('nobody listens', async () => {
    const line = overTcp(host, fixture.refused);
    const why = await line.closed();
    assert.is(why?.code, 'ECONNREFUSED');
    assert.is(line.log(), 'closed');
  });

  test('what was written to nobody is lost without a noise', async () => {
    const line = overTcp(host, fixture.refused);
    line.say('hello\n');
    line.stream.end();
    assert.is((await line.closed())?.code, 'ECONNREFUSED');
    assert.is(line.log(), 'closed');
  });

  test('a unix socket that is not there', async () => {
    assert.is((await overUnix(host, `${fixture.temp}/nobody.sock`).closed())?.code, 'ENOENT');
  });

  test('a unix path too long for the kernel', async () => {
    const why = await overUnix(host, `${fixture.temp}/${'x'.repeat(120)}.sock`).closed();
    assert.ok(why !== null);
  });

  test('a name is no address', async () => {
    const why = await overTcp(host, { address: 'localhost', port: 1 }).closed();
    assert.ok(why !== null);
    assert.is(why.path, 'localhost');
  });

  test('reset by the other side', async () => {
    const line = overTcp(host, fixture.tcp);
    await line.until('opened');
    line.say('reset\n');
    assert.is((await line.closed())?.code, 'ECONNRESET');
    assert.is(line.log(), 'opened closed');
  });

  if (tcp6 !== null) {
    test('by IPv6', async () => {
      const line = overTcp(host, tcp6);
      assert.is(await ask(line, 'hash'), `0 ${hex(host.sha256(new Uint8Array(0)))}`);
    });
  }

  test.run();
}

function streams(name: string, host: Host, fixture: Fixture, connect: (events: StreamEvents) => Stream): void {
  const test = suite(name);
  const dial = (): Line => open(host, name, connect);
  let keys = 0;
  const key = (): string => `${name}${++keys}`;

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

  test('takes bytes before it is open', async () => {
    const line = dial();
    line.say('echo\n');
    line.say('early');
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(textOf(line.received()), 'early');
  });

  test('does not keep the bytes it was given', async () => {
    const line = dial();
    line.say('echo\n');
    const bytes = new Uint8Array([97, 98, 99]);
    line.stream.write(bytes);
    bytes.fill(120);
    line.stream.end();
    await line.closed();
    assert.is(textOf(line.received()), 'abc');
  });

  test('sends what a view shows, not what is around it', async () => {
    const line = dial();
    line.say('echo\n');
    line.stream.write(new Uint8Array([120, 97, 98, 120]).subarray(1, 3));
    line.stream.end();
    await line.closed();
    assert.is(textOf(line.received()), 'ab');
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
    assert.is(textOf(line.received()), 'bye');
    await later(host, 20);
    assert.is(line.log(), 'opened received ended');
    line.say('late');
    line.stream.end();
    assert.is(await line.closed(), null);
    assert.is(await ask(dial(), `heard ${k}`), 'late');
  });

  test('no event after close, and closing twice is harmless', async () => {
    const line = dial();
    line.say('echo\nhello');
    line.stream.close();
    line.stream.close();
    const open = dial();
    open.say('echo\nhello');
    await open.until('received');
    open.stream.close();
    await later(host, 50);
    assert.is(line.log(), '');
    assert.is(open.log(), 'opened received');
  });

  test('closed from inside an event', async () => {
    let events = 0;
    const stream = connect({
      opened: () => stream.write(new TextEncoder().encode('flood x 300000\n')),
      received: () => {
        events++;
        stream.close();
      },
      ended: () => events++,
      drained: () => undefined,
      closed: () => events++,
    });
    await ask(dial(), 'hash');
    await later(host, 50);
    assert.is(events, 1);
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

  test('paused: nothing is received, and the other side is slowed down', async () => {
    const k = key();
    const line = dial();
    line.stream.pause();
    line.say(`flood ${k} ${fixture.large * 2}\n`);
    line.stream.end();
    const sent = Number(await ask(dial(), `stuck ${k}`));
    assert.ok(sent < fixture.large * 2, `all ${sent} bytes left the other side`);
    assert.not.match(line.log(), 'received');
    line.stream.resume();
    assert.is(await line.closed(), null);
    assert.is(hex(host.sha256(line.received())), hex(host.sha256(pattern(fixture.large * 2))));
  });

  test('paused from inside an event, and resumed', async () => {
    let chunks = 0;
    const line: Line = open(host, name, connect, () => {
      chunks++;
      line.stream.pause();
    });
    line.say('flood y 200000\n');
    line.stream.end();
    await line.until('received');
    await later(host, 30);
    assert.is(chunks, 1);
    while (!line.log().includes('closed')) {
      line.stream.resume();
      await later(host, 1);
    }
    assert.is(line.received().length, 200_000);
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

  test('twenty at once', async () => {
    const lines = Array.from({ length: 20 }, dial);
    const answers = await Promise.all(lines.map((line, i) => ask(line, `say ${key()} ${i}`)));
    assert.equal(
      answers,
      lines.map((_, i) => String(i)),
    );
  });

  test.run();
}
