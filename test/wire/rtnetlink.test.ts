import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Prefix } from '../../agent/core/ip.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Dialect, Message } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import * as port from '../../agent/wire/port.ts';
import type { Route, Rule } from '../../agent/wire/rtnetlink.ts';
import * as rtnetlink from '../../agent/wire/rtnetlink.ts';
import vectors from '../vectors/netlink-rtnetlink.json';
import { hexOf } from './hex.ts';
import { checkTruncations, little, messagesOf, orders, plain, settle, type Vector } from './kernel.ts';

const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(r.fault.reason);
  return r.value;
};
const address = (text: string): ip.Address => must(ip.parseAddress(text));
const prefix = (text: string): Prefix => must(ip.parsePrefix(text));

const decoders: Readonly<Record<string, readonly [headerSize: number, decode: (m: Message) => Result<unknown>]>> = {
  links: [16, rtnetlink.decodeLink],
  ports: [16, port.decode],
  addresses: [8, rtnetlink.decodeAddress],
  routes: [12, rtnetlink.decodeRoute],
  rules: [12, rtnetlink.decodeRule],
};

const kernel = suite('rtnetlink as the kernel says it');
for (const v of vectors as readonly Vector[])
  kernel(v.name, () => {
    const messages = messagesOf(v.datagrams, little);
    const seq = v.first ?? messages[0]?.seq ?? 0;
    const [headerSize, decode] = decoders[v.reads] ?? [0, rtnetlink.decodeEvent];
    const read = messages.filter((m) => m.kind === 'data').map((m) => decode(m));
    const said = read.map((r) => plain(r.ok ? r.value : r.fault));
    if (v.reads === 'refusal') assert.equal(settle(seq, seq, messages).end.fault, v.says);
    else assert.equal(said, v.says);
    if (headerSize > 0) for (const m of messages) if (m.kind === 'data') checkTruncations(m, headerSize, decode);
  });
kernel.run();

const sent = (d: Dialect, r: rtnetlink.Request): Message => {
  const [m] = must(netlink.decode(rtnetlink.encode(d, 1, r).bytes, d));
  if (m === undefined) throw new Error('no message');
  return m;
};

const both = suite('rtnetlink both ways');
const routes: readonly { name: string; in: Route }[] = [
  {
    name: 'a default route',
    in: {
      destination: prefix('0.0.0.0/0'),
      type: 'unicast',
      table: 1000,
      metric: 10,
      protocol: 119,
      hops: [{ index: 3, gateway: address('192.0.2.254') }],
    },
  },
  {
    name: 'a gateway in no network of its link',
    in: {
      destination: prefix('0.0.0.0/0'),
      type: 'unicast',
      table: 1000,
      metric: 0,
      protocol: 119,
      hops: [{ index: 3, gateway: address('10.255.0.1'), onlink: true }],
    },
  },
  {
    name: 'two of them',
    in: {
      destination: prefix('0.0.0.0/0'),
      type: 'unicast',
      table: 1000,
      metric: 0,
      protocol: 119,
      hops: [
        { index: 3, gateway: address('10.255.0.1'), onlink: true },
        { index: 4, gateway: address('10.255.0.1') },
      ],
    },
  },
  {
    name: 'a refusal',
    in: { destination: prefix('::/0'), type: 'prohibit', table: 70000, metric: 4_000_000_000, protocol: 119, hops: [] },
  },
  {
    name: 'a link',
    in: { destination: prefix('10.99.0.0/16'), type: 'unicast', table: 254, metric: 0, protocol: 119, hops: [{ index: 5 }] },
  },
  {
    name: 'of one sender',
    in: {
      destination: prefix('::/0'),
      source: prefix('2001:db8::/56'),
      type: 'unicast',
      table: 254,
      metric: 5,
      protocol: 119,
      hops: [{ index: 3, gateway: address('fe80::1') }],
    },
  },
  {
    name: 'two hops',
    in: {
      destination: prefix('203.0.113.0/24'),
      type: 'unicast',
      table: 254,
      metric: 0,
      protocol: 119,
      hops: [{ index: 3, gateway: address('192.0.2.1') }, { index: 4 }],
    },
  },
  {
    name: 'IPv4 over IPv6',
    in: {
      destination: prefix('198.51.100.0/24'),
      type: 'unicast',
      table: 254,
      metric: 0,
      protocol: 119,
      hops: [{ index: 3, gateway: address('fe80::1') }],
    },
  },
];
const rules: readonly { name: string; in: Rule }[] = [
  { name: 'a table for what enters', in: { family: 4, priority: 900, action: 'lookup', table: 1000, protocol: 119, iif: 'weir0' } },
  {
    name: 'a group left out',
    in: { family: 4, priority: 901, action: 'lookup', table: 254, protocol: 119, iif: 'weir0', suppressGroup: 0 },
  },
  {
    name: 'everything at once',
    in: {
      family: 6,
      priority: 902,
      action: 'unreachable',
      table: 0,
      protocol: 119,
      iif: 'weir0',
      oif: 'wan',
      source: prefix('fd00:64::/64'),
      destination: prefix('2000::/3'),
      mark: 7,
      suppressGroup: 3,
      suppressLength: 0,
    },
  },
];
for (const [order, dialect] of orders) {
  for (const c of routes)
    both(`${c.name}, ${order}-endian`, () => {
      assert.equal(rtnetlink.decodeRoute(sent(dialect, { kind: 'add-route', route: c.in })), { ok: true, value: c.in });
    });
  for (const c of rules)
    both(`${c.name}, ${order}-endian`, () => {
      assert.equal(rtnetlink.decodeRule(sent(dialect, { kind: 'add-rule', rule: c.in })), { ok: true, value: c.in });
    });
  both(`an address, ${order}-endian`, () => {
    const value = { index: 5, address: address('fd00:64::1'), length: 64 };
    const m = sent(dialect, { kind: 'add-address', ...value });
    assert.equal(rtnetlink.decodeAddress(m), { ok: true, value: { ...value, scope: 0, flags: 0 } });
  });
  both(`a link, ${order}-endian`, () => {
    const m = sent(dialect, { kind: 'add-link', name: 'weir0', of: 'wireguard', mtu: 1420, group: 77 });
    const want = { index: 0, name: 'weir0', isEthernet: false, isUp: false, hasCarrier: false, kind: 'wireguard', mtu: 1420, group: 77 };
    assert.equal(rtnetlink.decodeLink(m), { ok: true, value: want });
  });
}
both.run();

const encode = suite('rtnetlink.encode');
const requests: readonly { in: rtnetlink.Request; hex: string }[] = [
  {
    in: { kind: 'link', name: 'wan' },
    hex: '28000000120005000100000000000000' + '00000000000000000000000000000000' + '0800030077616e00',
  },
  { in: { kind: 'links' }, hex: '20000000120001030100000000000000' + '00000000000000000000000000000000' },
  { in: { kind: 'addresses', family: 6 }, hex: '18000000160001030100000000000000' + '0a00000000000000' },
  { in: { kind: 'routes', family: 4 }, hex: '1c0000001a0001030100000000000000' + '020000000000000000000000' },
  { in: { kind: 'rules', family: 4 }, hex: '1c000000220001030100000000000000' + '020000000000000000000000' },
  { in: { kind: 'set-link', index: 5, up: true }, hex: '20000000100005000100000000000000' + '00000000050000000100000001000000' },
  { in: { kind: 'set-link', index: 5, up: false }, hex: '20000000100005000100000000000000' + '00000000050000000000000001000000' },
  {
    in: { kind: 'set-link', index: 5, group: 3 },
    hex: '28000000100005000100000000000000' + '00000000050000000000000000000000' + '08001b0003000000',
  },
  { in: { kind: 'delete-link', index: 5 }, hex: '20000000110005000100000000000000' + '00000000050000000000000000000000' },
];
for (const c of requests) encode(c.in.kind, () => assert.is(hexOf(rtnetlink.encode(little, 1, c.in).bytes), c.hex));
const flags: readonly { in: rtnetlink.Request; type: number; flags: number }[] = [
  { in: { kind: 'add-link', name: 'x', of: 'wireguard' }, type: 16, flags: 0x605 },
  { in: { kind: 'add-address', index: 1, address: address('10.0.0.1'), length: 8 }, type: 20, flags: 0x505 },
  { in: { kind: 'delete-address', index: 1, address: address('10.0.0.1'), length: 8 }, type: 21, flags: 5 },
  {
    in: { kind: 'delete-route', route: { destination: prefix('::/0'), type: 'prohibit', table: 1, metric: 1, protocol: 1, hops: [] } },
    type: 25,
    flags: 5,
  },
  // Exclusive: else the kernel takes the same rule twice.
  { in: { kind: 'add-rule', rule: { family: 4, priority: 1, action: 'prohibit', table: 0, protocol: 1 } }, type: 32, flags: 0x605 },
  { in: { kind: 'delete-rule', rule: { family: 4, priority: 1, action: 'prohibit', table: 0, protocol: 1 } }, type: 33, flags: 5 },
];
for (const c of flags)
  encode(`${c.in.kind} asks for an answer`, () => {
    const m = sent(little, c.in);
    assert.equal([m.type, m.flags], [c.type, c.flags]);
  });
encode('ports', () => {
  for (const d of [little, netlink.dialect(false)]) assert.equal(port.encode(d, 1), rtnetlink.encode(d, 1, { kind: 'links' }));
});
encode.run();

const refuse = suite('rtnetlink refuses');
function message(type: number, bytes: readonly number[], fill: (o: netlink.Out) => void): Message {
  const o = netlink.open(little);
  netlink.message(o, type, 0, 1, () => {
    for (const byte of bytes) o.w.view.setUint8(o.w.at++, byte);
    fill(o);
  });
  const [m] = must(netlink.decode(netlink.done(o), little));
  if (m === undefined) throw new Error('no message');
  return m;
}
const nothing = (): void => undefined;
const zeros = (n: number): number[] => Array<number>(n).fill(0);
refuse('what a tunnel has in place of a hardware address', () => {
  const tunnel6 = message(16, [0, 0, 1, 3, 5, ...zeros(11)], (o) => netlink.bytes(o, 54, new Uint8Array(16)));
  assert.equal(port.decode(tunnel6), { ok: true, value: { index: 5 } });
});
const refusals: readonly { name: string; in: Message; read: (m: Message) => Result<unknown>; code: string; path: string }[] = [
  { name: 'another message', in: message(24, zeros(12), nothing), read: rtnetlink.decodeLink, code: 'malformed', path: '' },
  { name: 'a port of another message', in: message(24, zeros(12), nothing), read: port.decode, code: 'malformed', path: '' },
  { name: 'a link without a name', in: message(16, zeros(16), nothing), read: rtnetlink.decodeLink, code: 'missing', path: 'name' },
  {
    name: "a bridge's port",
    in: message(17, [7, ...zeros(15)], (o) => netlink.text(o, 3, 'lan1')),
    read: rtnetlink.decodeEvent,
    code: 'unsupported',
    path: 'family',
  },
  {
    name: 'short counters',
    in: message(16, zeros(16), (o) => {
      netlink.text(o, 3, 'lan1');
      netlink.bytes(o, 23, new Uint8Array(31));
    }),
    read: rtnetlink.decodeLink,
    code: 'malformed',
    path: 'stats.byte 48',
  },
  { name: 'no address', in: message(20, zeros(8), nothing), read: rtnetlink.decodeAddress, code: 'missing', path: 'address' },
  {
    name: 'an address of five bytes',
    in: message(20, zeros(8), (o) => netlink.bytes(o, 2, new Uint8Array(5))),
    read: rtnetlink.decodeAddress,
    code: 'malformed',
    path: 'local',
  },
  {
    name: 'a multicast route',
    in: message(24, [128, ...zeros(11)], nothing),
    read: rtnetlink.decodeEvent,
    code: 'unsupported',
    path: 'family',
  },
  {
    name: 'a route of unknown type',
    in: message(24, [2, 0, 0, 0, 0, 0, 0, 99, 0, 0, 0, 0], nothing),
    read: rtnetlink.decodeRoute,
    code: 'unsupported',
    path: 'type',
  },
  {
    name: 'a prefix without its address',
    in: message(24, [2, 8, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], nothing),
    read: rtnetlink.decodeRoute,
    code: 'missing',
    path: 'address',
  },
  {
    name: 'a prefix longer than its address',
    in: message(24, [2, 33, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], (o) => netlink.bytes(o, 1, new Uint8Array(4))),
    read: rtnetlink.decodeRoute,
    code: 'malformed',
    path: '',
  },
  {
    name: 'an address of the other family',
    in: message(24, [2, 32, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], (o) => netlink.bytes(o, 1, new Uint8Array(16))),
    read: rtnetlink.decodeRoute,
    code: 'malformed',
    path: 'address',
  },
  {
    name: 'a hop that is too long',
    in: message(24, [2, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0], (o) => netlink.bytes(o, 9, Uint8Array.of(9, 0, 0, 0, 1, 0, 0, 0))),
    read: rtnetlink.decodeRoute,
    code: 'malformed',
    path: 'many.byte 32',
  },
  {
    name: 'a notification of something else',
    in: message(28, zeros(12), nothing),
    read: rtnetlink.decodeEvent,
    code: 'unsupported',
    path: '',
  },
];
for (const c of refusals)
  refuse(c.name, () => {
    const read = c.read(c.in);
    assert.is(read.ok ? '' : read.fault.code, c.code);
    assert.is(read.ok ? '' : read.fault.path, c.path);
  });
refuse.run();
