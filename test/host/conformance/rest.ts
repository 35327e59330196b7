import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Host } from '../../../agent/ports/host.ts';
import { hex, later, within } from './line.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

export function rest(host: Host): void {
  hashes(host);
  netlink(host);

  const test = suite('process');

  test('random: as much as asked for, never the same', () => {
    assert.is(host.random(0).length, 0);
    assert.is(host.random(65_536).length, 65_536);
    const seen = new Set(Array.from({ length: 100 }, () => hex(host.random(16))));
    assert.is(seen.size, 100);
  });

  test('random: every bit is used', () => {
    const sum = [0, 0];
    for (const byte of host.random(4096)) for (const [i] of sum.entries()) sum[i] = Number(sum[i]) | (i === 0 ? byte : ~byte & 0xff);
    assert.equal(sum, [0xff, 0xff]);
  });

  test('memory', () => {
    const { used, limit } = host.process.memory();
    assert.ok(used > 10_000, `${used} bytes used`);
    if (host.lacks.has('memory-limit')) assert.is(limit, 0);
    else assert.ok(limit === 0 || limit > used, `${used} of ${limit} bytes used`);
  });

  test('what is allocated is seen', () => {
    const before = host.process.memory().used;
    const kept = Array.from({ length: 20_000 }, (_, i) => ({ i }));
    const grown = host.process.memory().used - before;
    // Node collects when it likes.
    assert.ok(grown > 200_000 || host.kind === 'node', `grown by ${grown} bytes`);
    assert.is(kept.length, 20_000);
  });

  test('who we are', () => {
    assert.ok(host.process.pid > 0);
    assert.ok(host.process.uid >= 0);
    assert.is(host.process.env('SURELY_NOT_SET_ANYWHERE'), null);
    assert.is(host.kind === 'node', host.lacks.has('memory-limit'));
  });

  test.run();
}

function hashes(host: Host): void {
  const test = suite('SHA-2');
  // FIPS 180-4 by way of RFC 6234 §8.5.
  const million = new Uint8Array(1_000_000).fill(97);
  const cases = [
    {
      name: 'empty',
      in: new Uint8Array(0),
      want256: 'e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855',
      want512:
        'cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e',
    },
    {
      name: 'abc',
      in: bytes('abc'),
      want256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      want512:
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    },
    {
      name: 'a million times a',
      in: million,
      want256: 'cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0',
      want512:
        'e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973ebde0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b',
    },
    {
      name: 'a view',
      in: bytes('xabcx').subarray(1, 4),
      want256: 'ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad',
      want512:
        'ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f',
    },
  ];
  for (const c of cases) {
    test(c.name, () => {
      assert.is(hex(host.sha256(c.in)), c.want256);
      assert.is(hex(host.sha512(c.in)), c.want512);
    });
  }
  test.run();
}

function netlink(host: Host): void {
  const test = suite('netlink');
  const little = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;
  const word = (n: number): number[] => (little ? [n & 0xff, n >> 8] : [n >> 8, n & 0xff]);
  const attribute = (type: number, ...value: number[]): number[] => [...word(4 + value.length), ...word(type), ...value];

  const cases: readonly { name: string; in: readonly number[]; offset?: number; end?: number; want: readonly number[] | null }[] = [
    { name: 'none', in: [], want: [] },
    { name: 'one without a value', in: attribute(1), want: [1, 4, 4] },
    { name: 'one of four bytes', in: attribute(2, 1, 2, 3, 4), want: [2, 4, 8] },
    { name: 'padded to four', in: [...attribute(3, 9), 0, 0, 0, ...attribute(4, 8, 8)], want: [3, 4, 5, 4, 12, 14] },
    { name: 'the last one need not be padded', in: attribute(5, 1), want: [5, 4, 5] },
    { name: 'flags are taken off the type', in: [...attribute(0x8001), ...attribute(0x4002)], want: [1, 4, 4, 2, 8, 8] },
    { name: 'from an offset', in: [7, 7, 7, 7, ...attribute(6, 1, 1, 1, 1)], offset: 4, want: [6, 8, 12] },
    { name: 'up to an end', in: [...attribute(1), ...attribute(2)], end: 4, want: [1, 4, 4] },
    { name: 'a length below its own head', in: [...word(3), ...word(1)], want: null },
    { name: 'a length of zero', in: [...word(0), ...word(1)], want: null },
    { name: 'a length beyond the end', in: [...word(9), ...word(1), 0, 0, 0, 0], want: null },
    { name: 'half a head', in: [...attribute(1), ...word(4)], want: null },
  ];
  const both = (title: string, c: (typeof cases)[number], padding: number): void => {
    test(`attributes: ${title}`, () => {
      const all = Uint8Array.from([...Array<number>(padding).fill(0xee), ...c.in, ...Array<number>(padding).fill(0xee)]);
      const seen = host.net.splitAttributes(all.subarray(padding, padding + c.in.length), c.offset ?? 0, c.end ?? c.in.length);
      assert.equal(seen === null ? null : [...seen], c.want);
    });
  };
  for (const c of cases) both(c.name, c, 0);
  for (const c of cases) both(`${c.name}, in a view`, c, 4);

  const long = (n: number): number[] => (little ? [n & 0xff, n >> 8, 0, 0] : [0, 0, n >> 8, n & 0xff]);
  /** struct nlmsghdr with two bytes of a family's header behind it, and two of padding. */
  const message = (type: number, flags: number, seq: number, ...body: number[]): number[] => [
    ...[...long(20 + body.length), ...word(type), ...word(flags), ...long(seq), 0, 0, 0, 0, 7, 7, 0, 0],
    ...body,
    ...Array<number>(-body.length & 3).fill(0),
  ];
  const nest = attribute(4, ...attribute(1, 8, 8), 0, 0, ...attribute(2));
  const one = message(18, 2, 9, ...attribute(2, 1, 1, 1, 1), ...nest);
  const none = [-1, -1];
  const runs: readonly { name: string; in: readonly number[]; paths: readonly number[]; want: readonly number[] | null }[] = [
    { name: 'nothing', in: [], paths: [2], want: [0] },
    { name: 'an attribute', in: one, paths: [2], want: [24, 28, 44] },
    { name: 'no path', in: one, paths: [], want: [44] },
    { name: 'what is not there', in: one, paths: [3, 2], want: [...none, 24, 28, 44] },
    { name: 'in a nest, and the nest', in: one, paths: [(2 << 16) | 4, 4, (1 << 16) | 4], want: [44, 44, 32, 44, 36, 38, 44] },
    { name: 'the inner type alone is another', in: one, paths: [1, (4 << 16) | 1], want: [...none, ...none, 44] },
    { name: 'the last of two', in: message(1, 0, 1, ...attribute(2), ...attribute(2)), paths: [2], want: [28, 28, 28] },
    { name: 'a run', in: [...one, ...one], paths: [2], want: [24, 28, 68, 72, 88] },
    { name: 'up to another type', in: [...one, ...message(19, 2, 9)], paths: [2], want: [24, 28, 44] },
    { name: 'up to other flags', in: [...one, ...message(18, 0, 9)], paths: [2], want: [24, 28, 44] },
    { name: 'up to another number', in: [...one, ...message(18, 2, 8)], paths: [2], want: [24, 28, 44] },
    { name: 'half a head behind it', in: [...one, ...one.slice(0, 15)], paths: [2], want: [24, 28, 44] },
    { name: 'the last one not padded', in: message(1, 0, 1, ...attribute(2, 5)).slice(0, 25), paths: [2], want: [24, 25, 25] },
    { name: 'a message beyond the end', in: one.slice(0, 43), paths: [2], want: null },
    { name: 'a message without its head', in: [...long(16), ...one.slice(4, 16)], paths: [2], want: null },
    { name: 'a length that does not fit', in: message(1, 0, 1, ...word(9), ...word(2), 0, 0, 0, 0), paths: [3], want: null },
    {
      name: 'one in a nest that is wanted',
      in: message(1, 0, 1, ...attribute(4, ...word(9), ...word(1))),
      paths: [(1 << 16) | 4],
      want: null,
    },
    { name: 'one in a nest that is not', in: message(1, 0, 1, ...attribute(4, ...word(9), ...word(1))), paths: [4], want: [24, 28, 28] },
  ];
  for (const c of runs)
    for (const padding of [0, 4])
      test(`messages: ${c.name}, ${padding} bytes into a buffer`, () => {
        const all = Uint8Array.from([...Array<number>(padding).fill(0xee), ...c.in, ...Array<number>(padding).fill(0xee)]);
        const view = all.subarray(padding, padding + c.in.length);
        const seen = host.net.pickMessages(view, 0, view.length, 4, Int32Array.from(c.paths));
        assert.equal(seen === null ? null : [...seen], c.want);
      });

  const silent = { received: () => undefined, overrun: () => undefined, closed: () => undefined };

  if (host.lacks.has('netlink')) {
    test('what is lacking says so', () => {
      const opened = host.net.openNetlink(0, [], silent);
      assert.is(opened.ok ? 'opened' : opened.fault.code, 'unsupported');
    });
  } else {
    test('the kernel answers', async () => {
      // struct nlmsghdr: length, RTM_GETLINK, NLM_F_REQUEST | NLM_F_DUMP, sequence 7, port; then struct rtgenmsg, padded.
      const request = Uint8Array.from([...word(20), 0, 0, ...word(18), ...word(0x301), ...word(7), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
      if (!little) request.set([0, 0, 0, 20], 0);
      if (!little) request.set([0, 0, 0, 7], 8);
      const answer = new Promise<Uint8Array>((resolve, reject) => {
        const opened = host.net.openNetlink(0, [], {
          received: (message) => {
            if (opened.ok) opened.value.close();
            resolve(message);
          },
          overrun: () => reject(new Error('overrun')),
          closed: (why) => reject(new Error(why.reason)),
        });
        if (!opened.ok) throw new Error(opened.fault.reason);
        assert.ok(opened.value.send(request).ok);
      });
      const message = await within(host, 'netlink', answer);
      const type = new DataView(message.buffer, message.byteOffset).getUint16(4, little);
      // RTM_NEWLINK
      assert.is(type, 16);
      await later(host, 20);
    });
    test('a protocol that does not exist', () => {
      const opened = host.net.openNetlink(4000, [], silent);
      assert.is(opened.ok, false);
    });
  }
  test.run();
}
