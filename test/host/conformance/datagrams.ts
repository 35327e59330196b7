import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as resolver from '../../../agent/adapters/resolver.ts';
import { millis } from '../../../agent/core/brand.ts';
import type { Result } from '../../../agent/core/result.ts';
import type { Endpoint, Host } from '../../../agent/ports/host.ts';
import type { Family } from '../../../agent/wire/dns.ts';
import type { Fixture } from './fixture.ts';
import { later, textOf, within } from './line.ts';

type Heard = Readonly<{ bytes: Uint8Array; from: Endpoint }>;

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export function datagrams(host: Host, fixture: Fixture): void {
  const test = suite('datagrams');

  function bind(address: string) {
    const heard: Heard[] = [];
    const waiters: (() => void)[] = [];
    const bound = host.net.bindUdp(
      { address, port: 0 },
      {
        received(received, from) {
          heard.push({ bytes: received, from });
          for (const wake of waiters.splice(0)) wake();
        },
        closed: (why) => heard.push({ bytes: bytes(why.reason), from: { address: why.code, port: 0 } }),
      },
    );
    if (!bound.ok) throw new Error(bound.fault.reason);
    const until = async (count: number): Promise<void> => {
      while (heard.length < count) await within(host, 'datagram', new Promise<void>((resolve) => waiters.push(resolve)));
    };
    return { socket: bound.value, heard, until };
  }

  for (const [name, to, any] of [
    ['IPv4', fixture.udp, '0.0.0.0'],
    ['IPv6', fixture.udp6, '::'],
  ] as const) {
    if (to === null) continue;
    test(`there and back by ${name}, with its sender`, async () => {
      const { socket, heard, until } = bind(any);
      assert.ok(socket.port > 0);
      assert.equal(socket.send(bytes('hello'), to), { ok: true, value: undefined });
      await until(1);
      assert.equal(
        heard.map((h) => [textOf(h.bytes), h.from]),
        [['hello', to]],
      );
      socket.close();
    });

    test(`keeps the borders of datagrams, by ${name}, also of empty and large ones`, async () => {
      const { socket, heard, until } = bind(any);
      const sizes = [0, 1, 8000, 3];
      for (const size of sizes) {
        assert.ok(socket.send(new Uint8Array(size + 2).fill(7).subarray(1, size + 1), to).ok);
        await until(sizes.indexOf(size) + 1);
      }
      assert.equal(
        heard.map((h) => h.bytes.length),
        sizes,
      );
      socket.close();
    });
  }

  test('nothing after close, and closing twice is harmless', async () => {
    const { socket, heard } = bind('0.0.0.0');
    socket.send(bytes('hello'), fixture.udp);
    socket.close();
    socket.close();
    await later(host, 50);
    assert.equal(heard, []);
  });

  test('a port that is taken', () => {
    const { socket } = bind('0.0.0.0');
    const again = host.net.bindUdp({ address: '0.0.0.0', port: socket.port }, { received: () => undefined, closed: () => undefined });
    assert.is(again.ok ? 'bound' : again.fault.code, 'EADDRINUSE');
    socket.close();
  });

  test('an address that is not ours, and one that is none', () => {
    const nowhere = { received: () => undefined, closed: () => undefined };
    const foreign = host.net.bindUdp({ address: '192.0.2.1', port: 0 }, nowhere);
    assert.is(foreign.ok ? 'bound' : foreign.fault.code, 'EADDRNOTAVAIL');
    assert.is(host.net.bindUdp({ address: 'localhost', port: 0 }, nowhere).ok, false);
  });

  test('what cannot be sent is a fault, and the socket goes on', async () => {
    const { socket, heard, until } = bind('0.0.0.0');
    assert.is(socket.send(bytes('x'), { address: 'localhost', port: 1 }).ok, false);
    assert.is(socket.send(bytes('x'), { address: '::1', port: 1 }).ok, false);
    const large = socket.send(new Uint8Array(70_000), fixture.udp);
    assert.is(large.ok ? 'sent' : large.fault.code, 'EMSGSIZE');
    assert.ok(socket.send(bytes('still here'), fixture.udp).ok);
    await until(1);
    assert.is(textOf(heard[0]?.bytes ?? bytes('')), 'still here');
    socket.close();
  });

  test.run();
  names(host, fixture);
}

function names(host: Host, fixture: Fixture): void {
  const test = suite('names');
  const { server, silent } = fixture.dns;
  const patient = { servers: [server], patience: millis(10_000), rounds: 2 };
  const brief = { patience: millis(150), rounds: 1 };
  const resolve = (name: string, options: resolver.Options = patient, family: Family = 4): Promise<string> =>
    within(host, name, resolver.resolve(host, options, name, family)).then(show);

  const cases: readonly { name: string; options?: resolver.Options; family?: Family; want: string; title?: string }[] = [
    { name: 'good.test', want: '192.0.2.1 192.0.2.2' },
    { name: 'GOOD.Test.', want: '192.0.2.1 192.0.2.2' },
    { name: 'good.test', family: 6, want: '2001:db8::1' },
    { name: 'alias.test', want: '192.0.2.7' },
    { name: 'circle.test', want: 'malformed circle.test' },
    { name: 'none.test', want: 'missing none.test' },
    { name: 'empty.test', want: 'missing empty.test' },
    { name: 'other-owner.test', want: 'missing other-owner.test' },
    { name: 'broken.test', want: 'foreign broken.test.server' },
    { name: 'big.test', want: Array.from({ length: 200 }, (_, i) => `10.0.0.${i}`).join(' ') },
    { name: 'big-and-gone.test', want: `closed big-and-gone.test.${server.address}` },
    { name: 'wrong-id.test', want: '192.0.2.1' },
    { name: 'wrong-question.test', want: '192.0.2.1' },
    { name: 'wrong-sender.test', want: '192.0.2.1' },
    { name: 'garbage.test', want: '192.0.2.1' },
    { name: 'only-wrong-id.test', options: { servers: [server], ...brief }, want: `timeout only-wrong-id.test.${server.address}` },
    { name: 'good.test', options: { servers: [silent], ...brief }, want: `timeout good.test.${server.address}`, title: 'a silent server' },
    {
      name: 'good.test',
      options: { servers: [fixture.refused], ...brief },
      want: `timeout good.test.${server.address}`,
      title: 'no server there',
    },
    {
      name: 'good.test',
      options: { servers: [silent, server], patience: millis(300), rounds: 20 },
      want: '192.0.2.1 192.0.2.2',
      title: 'the second server when the first is silent',
    },
    { name: 'good.test', options: { servers: [], ...brief }, want: 'missing good.test', title: 'no server known' },
    { name: '192.0.2.99', options: { servers: [], ...brief }, want: '192.0.2.99' },
    { name: '2001:db8::99', options: { servers: [], ...brief }, want: '2001:db8::99' },
    { name: 'a b', want: 'malformed a b' },
    { name: '', want: 'malformed ' },
    { name: `${'x'.repeat(64)}.test`, want: `malformed ${'x'.repeat(64)}.test` },
  ];
  for (const c of cases)
    test(c.title ?? `${c.name} ${c.family ?? ''}`, async () => assert.is(await resolve(c.name, c.options, c.family), c.want));
  test('how long a server takes, whatever it answers', async () => {
    const trip = await within(host, 'trip', resolver.trip(host, millis(10_000), server));
    assert.ok(trip.ok && trip.value >= 0 && trip.value < 10_000);
    const none = await within(host, 'trip', resolver.trip(host, millis(150), silent));
    assert.is(none.ok ? 'ok' : none.fault.code, 'timeout');
  });

  test.run();
}

const show = (r: Result<readonly string[]>): string => (r.ok ? r.value.join(' ') : `${r.fault.code} ${r.fault.path}`);
