import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PublicKey, SecretKey } from '../../agent/core/brand.ts';
import type { Prefix } from '../../agent/core/ip.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Dialect, Field, Message, Out } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import type { DeviceChange, PeerChange } from '../../agent/wire/wireguard.ts';
import * as wireguard from '../../agent/wire/wireguard.ts';
import vectors from '../vectors/netlink-wireguard.json';
import { bytesOf, hexOf } from './hex.ts';
import { checkTruncations, little, messagesOf, orders, plain, type Vector } from './kernel.ts';

const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(r.fault.reason);
  return r.value;
};
const prefix = (text: string): Prefix => must(ip.parsePrefix(text));
const keyOf = (byte: number): PublicKey => new Uint8Array(32).fill(byte) as PublicKey;
const secret = new Uint8Array(32).fill(0x5e) as SecretKey;
const family = 0x20;
const one = (m: readonly Message[]): Message => {
  const [first] = m;
  if (first === undefined || m.length > 1) throw new Error('expected one message');
  return first;
};

// @ts-expect-error a secret key must never be usable where a public key is published
const leaked: PublicKey = secret;
assert.ok(leaked);

const kernel = suite('wireguard as kernel 6.1 says it');
for (const v of vectors as readonly Vector[])
  kernel(v.name, () => {
    const messages = messagesOf(v.datagrams, little);
    const data = messages.filter((m) => m.kind === 'data');
    const end = messages.at(-1);
    if (end?.kind === 'end' && end.fault !== null) assert.equal(end.fault, v.says);
    else if (v.reads === 'family') assert.equal(wireguard.decodeFamily(one(data)), { ok: true, value: v.says });
    else assert.equal(plain(must(wireguard.decodeDevice(data))), v.says);
    for (const m of data)
      if (v.reads === 'family') checkTruncations(m, 4, wireguard.decodeFamily);
      else checkTruncations(m, 4, (cut) => wireguard.decodeDevice([cut]));
  });
kernel.run();

/** A request read back with netlink's own means: what arrives at the kernel. */
const allowedField = netlink.attributes({ family: [1, netlink.asU16], address: [2, netlink.asBytes], length: [3, netlink.asU8] }, {});
const peerField = netlink.attributes(
  { key: [1, netlink.asBytes], bits: [3, netlink.asU32] },
  { endpoint: [4, netlink.asBytes], keepalive: [5, netlink.asU16], allowed: [9, netlink.asList(allowedField)] },
);
const setField: Field<Record<string, unknown>> = netlink.after(
  4,
  (f, at) => ({ command: f.view.getUint8(at), version: f.view.getUint8(at + 1) }),

  { index: [1, netlink.asU32] },
  { secret: [3, netlink.asBytes], bits: [5, netlink.asU32], port: [6, netlink.asU16], peers: [8, netlink.asList(peerField)] },
);
const sentIn = (d: Dialect, c: DeviceChange): readonly Record<string, unknown>[] =>
  wireguard.encodeSet(d, family, 10, 5, c).map((s) => must(netlink.read(one(must(netlink.decode(s.bytes, d))), setField)));

const encode = suite('wireguard.encodeSet');
const change: DeviceChange = {
  key: secret,
  port: 51820,
  onlyThese: true,
  peers: [
    { kind: 'put', key: keyOf(1), allowed: [prefix('10.64.0.2'), prefix('fd00:64::/64')], keepalive: 25 },
    { kind: 'change', key: keyOf(2), allowed: [] },
    { kind: 'remove', key: keyOf(3) },
  ],
};
for (const [order, dialect] of orders)
  encode(`everything, ${order}-endian`, () => {
    assert.equal(plain(sentIn(dialect, change)), [
      {
        command: 1,
        version: 1,
        index: 5,
        secret: hexOf(secret),
        bits: 1,
        port: 51820,
        peers: [
          {
            key: hexOf(keyOf(1)),
            bits: 2,
            keepalive: 25,
            allowed: [
              { family: 2, address: '0a400002', length: 32 },
              { family: 10, address: 'fd000064000000000000000000000000', length: 64 },
            ],
          },
          { key: hexOf(keyOf(2)), bits: 6, allowed: [] },
          { key: hexOf(keyOf(3)), bits: 1 },
        ],
      },
    ]);
  });
const endpoints = [
  { at: '127.0.0.1', text: '127.0.0.1:51820', little: '0200ca6c7f0000010000000000000000', big: '0002ca6c7f0000010000000000000000' },
  {
    at: 'fd00::7',
    text: '[fd00::7]:51820',
    little: '0a00ca6c00000000fd00000000000000000000000000000700000000',
    big: '000aca6c00000000fd00000000000000000000000000000700000000',
  },
] as const;
for (const e of endpoints) {
  const called: DeviceChange = {
    peers: [{ kind: 'put', key: keyOf(1), allowed: [], endpoint: { address: prefix(e.at).address, port: 51820 } }],
  };
  for (const [order, dialect] of orders)
    encode(`a peer at ${e.text}, ${order}-endian`, () => {
      const [told] = plain(sentIn(dialect, called)) as readonly Readonly<{ peers: readonly Readonly<{ endpoint: string }>[] }>[];
      assert.is(told?.peers[0]?.endpoint, order === 'little' ? e.little : e.big);
    });
  encode(`a peer at ${e.text}, for wireguard-go`, () => assert.match(wireguard.renderSet(called), `\nendpoint=${e.text}\n`));
}
encode('nothing but the device', () =>
  assert.equal(plain(sentIn(little, { port: 7, peers: [] })), [{ command: 1, version: 1, index: 5, port: 7 }]),
);
encode('more peers than a message holds', () => {
  const peers = Array.from(
    { length: 600 },
    (_, i): PeerChange => ({ kind: 'put', key: keyOf(i % 256), allowed: [prefix(`10.64.${i >> 8}.${i & 255}`)] }),
  );
  const parts = sentIn(little, { ...change, peers });
  assert.equal(
    parts.map((p) => (p['peers'] as unknown[]).length),
    [256, 256, 88],
  );
  // Said again, "only these" would throw out the peers of the first message.
  assert.equal(
    parts.map((p) => [p['bits'], p['secret'] !== undefined]),
    [
      [1, true],
      [undefined, false],
      [undefined, false],
    ],
  );
  assert.equal(
    wireguard.encodeSet(little, family, 10, 5, { ...change, peers }).map((s) => s.exchange.first),
    [10, 11, 12],
  );
});
encode('the questions', () => {
  assert.is(
    hexOf(wireguard.encodeGetFamily(little, 1).bytes),
    '24000000100005000100000000000000' + '03010000' + '0e000200776972656775617264000000',
  );
  assert.is(hexOf(wireguard.encodeGet(little, family, 1, 5).bytes), '1c000000200001030100000000000000' + '00010000' + '0800010005000000');
});
encode.run();

function deviceMessage(d: Dialect, fill: (o: Out) => void): Message {
  const o = netlink.open(d);
  netlink.message(o, family, 2, 1, () => {
    netlink.put32(o, 0);
    fill(o);
  });
  return one(must(netlink.decode(netlink.done(o), d)));
}
const figures = (o: Out, endpoint: string, seconds: number): void => {
  netlink.bytes(o, 1, keyOf(1));
  netlink.bytes(o, 4, bytesOf(endpoint));
  netlink.u16(o, 5, 25);
  netlink.attribute(o, 6, () => {
    for (const word of o.little ? [seconds, 0, 5, 0] : [0, seconds, 0, 5]) netlink.put32(o, word);
  });
  for (const type of [7, 8])
    netlink.attribute(o, type, () => {
      for (const word of o.little ? [type, 1] : [1, type]) netlink.put32(o, word);
    });
};
const allowed = (o: Out, address: string): void =>
  netlink.nest(o, 9, () =>
    netlink.nest(o, 0, () => {
      netlink.u16(o, 1, 2);
      netlink.bytes(o, 2, bytesOf(address));
      netlink.u8(o, 3, 32);
    }),
  );

const decode = suite('wireguard.decodeDevice');
for (const [order, dialect] of orders) {
  const familyBytes = order === 'little' ? '0200' : '0002';
  const family6 = order === 'little' ? '0a00' : '000a';
  decode(`a peer that goes on in the next message, ${order}-endian`, () => {
    const first = deviceMessage(dialect, (o) => {
      netlink.u16(o, 6, 51820);
      netlink.nest(o, 8, () =>
        netlink.nest(o, 0, () => {
          figures(o, `${familyBytes}0309c00002020000000000000000`, 1_795_173_794);
          allowed(o, '0a400002');
        }),
      );
    });
    const next = deviceMessage(dialect, (o) =>
      netlink.nest(o, 8, () => {
        netlink.nest(o, 0, () => {
          netlink.bytes(o, 1, keyOf(1));
          allowed(o, '0a400003');
        });
        netlink.nest(o, 0, () => figures(o, `${family6}030900000000fe80000000000000000000000000000102000000`, 0));
      }),
    );
    const peers = must(wireguard.decodeDevice([first, next])).peers;
    assert.is(peers.length, 1);
    assert.equal(plain(peers[0]), {
      key: hexOf(keyOf(1)),
      endpoint: { address: 'c0000202', port: 777 },
      handshake: 1_795_173_794,
      rxBytes: `${(1n << 32n) + 7n}n`,
      txBytes: `${(1n << 32n) + 8n}n`,
      keepalive: 25,
      allowed: [
        { address: '0a400002', length: 32 },
        { address: '0a400003', length: 32 },
      ],
    });
  });
  decode(`an IPv6 endpoint, ${order}-endian`, () => {
    const m = deviceMessage(dialect, (o) => {
      netlink.u16(o, 6, 1);
      netlink.nest(o, 8, () => netlink.nest(o, 0, () => figures(o, `${family6}030900000000fe80000000000000000000000000000102000000`, 0)));
    });
    const [peer] = must(wireguard.decodeDevice([m])).peers;
    assert.equal(plain(peer?.endpoint), { address: 'fe800000000000000000000000000001', port: 777 });
    assert.is(peer?.handshake, null);
  });
}
const broken: readonly { name: string; in: readonly Message[]; code: string; path: string }[] = [
  { name: 'no message', in: [], code: 'missing', path: 'port' },
  {
    name: 'a peer without figures',
    in: [deviceMessage(little, (o) => netlink.nest(o, 8, () => netlink.nest(o, 0, () => netlink.bytes(o, 1, keyOf(1)))))],
    code: 'missing',
    path: 'message 0.peers',
  },
  {
    name: 'a short key',
    in: [deviceMessage(little, (o) => netlink.nest(o, 8, () => netlink.nest(o, 0, () => netlink.bytes(o, 1, new Uint8Array(31)))))],
    code: 'malformed',
    path: 'message 0.peers.0.key.byte 32',
  },
  {
    name: 'an endpoint of 17 bytes',
    in: [deviceMessage(little, (o) => netlink.nest(o, 8, () => netlink.nest(o, 0, () => figures(o, '00'.repeat(17), 0))))],
    code: 'malformed',
    path: 'message 0.peers.0.endpoint.byte 68',
  },
];
for (const c of broken)
  decode(`refuses ${c.name}`, () => {
    const read = wireguard.decodeDevice(c.in);
    assert.is(read.ok ? '' : read.fault.code, c.code);
    assert.is(read.ok ? '' : read.fault.path, c.path);
  });
decode.run();

const text = suite("wireguard-go's text");
text('a change', () => {
  assert.is(
    wireguard.renderSet(change),
    [
      'set=1',
      `private_key=${hexOf(secret)}`,
      'listen_port=51820',
      'replace_peers=true',
      `public_key=${hexOf(keyOf(1))}`,
      'persistent_keepalive_interval=25',
      'replace_allowed_ips=true',
      'allowed_ip=10.64.0.2/32',
      'allowed_ip=fd00:64::/64',
      `public_key=${hexOf(keyOf(2))}`,
      'update_only=true',
      'replace_allowed_ips=true',
      `public_key=${hexOf(keyOf(3))}`,
      'remove=true',
      '\n',
    ].join('\n'),
  );
});
// Said by wireguard-go 0.0.20220316 after a handshake; the private key is another.
const answer = `private_key=${hexOf(secret)}
listen_port=51820
public_key=d3d13c1b5a37458266911ea0c31d258e48ba4bf2c579518aa0301c55066b9045
preshared_key=0000000000000000000000000000000000000000000000000000000000000000
protocol_version=1
endpoint=192.0.2.2:57888
last_handshake_time_sec=1795173794
last_handshake_time_nsec=158319750
tx_bytes=668
rx_bytes=660
persistent_keepalive_interval=0
allowed_ip=10.64.0.2/32
allowed_ip=fd00:64::2/128
public_key=4eb32f4a83f88d842563a448cc181bb2c42a637bf12363e2fb2ef594e5965d7d
preshared_key=0000000000000000000000000000000000000000000000000000000000000000
protocol_version=1
endpoint=[2001:db8::9]:777
last_handshake_time_sec=0
last_handshake_time_nsec=0
tx_bytes=0
rx_bytes=0
persistent_keepalive_interval=25
allowed_ip=10.64.0.3/32
errno=0

`;
text('a reading', () => {
  assert.equal(plain(must(wireguard.parseGet(answer))), {
    port: 51820,
    peers: [
      {
        key: 'd3d13c1b5a37458266911ea0c31d258e48ba4bf2c579518aa0301c55066b9045',
        endpoint: { address: 'c0000202', port: 57888 },
        handshake: 1795173794,
        rxBytes: '660n',
        txBytes: '668n',
        keepalive: 0,
        allowed: [
          { address: '0a400002', length: 32 },
          { address: 'fd000064000000000000000000000002', length: 128 },
        ],
      },
      {
        key: '4eb32f4a83f88d842563a448cc181bb2c42a637bf12363e2fb2ef594e5965d7d',
        endpoint: { address: '20010db8000000000000000000000009', port: 777 },
        handshake: null,
        rxBytes: '0n',
        txBytes: '0n',
        keepalive: 25,
        allowed: [{ address: '0a400003', length: 32 }],
      },
    ],
  });
});
text('nothing is whole before its end', () => {
  for (let size = 0; size < answer.length; size++) {
    const part = answer.slice(0, size);
    assert.not.ok(wireguard.isWhole(part), `${size} characters`);
    assert.not.ok(wireguard.parseGet(part).ok);
  }
});
const key = `public_key=${hexOf(keyOf(1))}\n`;
const refusals: readonly { name: string; in: string; code?: string; path: string }[] = [
  { name: 'EINVAL', in: 'errno=-22\n\n', code: 'EINVAL', path: '' },
  { name: 'a positive number', in: 'errno=98\n\n', code: 'EADDRINUSE', path: '' },
  { name: 'no errno', in: 'listen_port=1\n\n', code: 'missing', path: 'errno' },
  { name: 'errno of letters', in: 'errno=x\n\n', code: 'missing', path: 'errno' },
  { name: 'a line without =', in: 'listen_port\nerrno=0\n\n', path: 'line 1' },
  { name: 'an empty name', in: '=1\nerrno=0\n\n', path: 'line 1' },
  { name: 'a port of 17 bits', in: 'listen_port=65536\nerrno=0\n\n', path: 'line 1' },
  { name: 'half a key', in: 'public_key=00\nerrno=0\n\n', path: 'line 1' },
  { name: 'more than 64 bits', in: `${key}rx_bytes=18446744073709551616\nerrno=0\n\n`, path: 'line 2' },
  { name: 'less than nothing', in: `${key}tx_bytes=-1\nerrno=0\n\n`, path: 'line 2' },
  { name: 'an endpoint without a port', in: `${key}endpoint=192.0.2.1\nerrno=0\n\n`, path: 'line 2' },
  { name: 'an endpoint beyond 65535', in: `${key}endpoint=192.0.2.1:70000\nerrno=0\n\n`, path: 'line 2' },
  { name: 'a prefix that is none', in: `${key}allowed_ip=10.0.0.1/8\nerrno=0\n\n`, path: 'line 2' },
];
for (const c of refusals)
  text(`refuses ${c.name}`, () => {
    const read = wireguard.parseGet(c.in);
    assert.is(read.ok ? '' : read.fault.code, c.code ?? 'malformed');
    assert.is(read.ok ? '' : read.fault.path, c.path);
  });
text('no Fault tells a secret', () => {
  const lines = [`private_key=${hexOf(secret)}`, `private_key${hexOf(secret)}`, `=${hexOf(secret)}`];
  for (const line of lines)
    for (const end of ['errno=-22\n\n', 'x\n\n', 'errno=0\n\n'])
      assert.not.match(JSON.stringify(wireguard.parseGet(`${line}\n${end}`)), '5e5e');
});
text('the end of a change', () => {
  assert.equal(wireguard.parseSet('errno=0\n\n'), { ok: true, value: undefined });
  assert.is(wireguard.parseSet('errno=-13\n\n').ok, false);
});
text.run();
