import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import type { Message } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import type { Change, Query, Table } from '../../agent/wire/nftables.ts';
import * as nftables from '../../agent/wire/nftables.ts';
import vectors from '../vectors/netlink-nftables.json';
import { bytesOf, hexOf } from './hex.ts';
import { big, checkTruncations, little, messagesOf, orders, plain, settle, type Vector } from './kernel.ts';

const table: Table = { family: 'netdev', name: 'weir_m' };
const guest = Uint8Array.of(10, 64, 0, 2);
const decoders: Readonly<Record<string, (m: Message) => Result<unknown>>> = {
  generation: nftables.decodeGeneration,
  tables: nftables.decodeTable,
  chains: nftables.decodeChain,
  objects: nftables.decodeObject,
  elements: nftables.decodeElements,
  events: nftables.decodeEvent,
};
const decoderOf = (v: Vector) => decoders[v.reads] as (m: Message) => Result<unknown>;

const kernel = suite('nftables as the kernel says it');
for (const v of vectors as readonly Vector[])
  kernel(v.name, () => {
    const messages = messagesOf(v.datagrams, little);
    const seq = messages[0]?.seq ?? 0;
    if (v.reads === 'batch') {
      const first = v.first ?? 0;
      const { end } = settle(first, messages.at(-1)?.seq ?? first, messages);
      assert.equal(end.fault, v.says);
    } else if (v.reads === 'events') {
      assert.equal(
        messages.map((m) => decoderOf(v)(m)).map((r) => plain(r.ok ? r.value : r.fault)),
        v.says,
      );
    } else {
      const { data, end } = settle(seq, seq, messages);
      assert.ok(end.ended);
      const read = data.map((m) => decoderOf(v)(m));
      assert.equal(plain(end.fault ?? read.map((r) => (r.ok ? r.value : r.fault))), v.says);
    }
  });
kernel('every truncation inside an attribute is a Fault', () => {
  for (const v of vectors as readonly Vector[]) {
    if (decoders[v.reads] === undefined) continue;
    for (const m of messagesOf(v.datagrams, little)) if (m.kind === 'data') checkTruncations(m, 4, decoderOf(v));
  }
});
kernel('a deleted object has a name alone', () => {
  const name = 'two changes, the first refused';
  assert.ok((vectors as readonly Vector[]).some((v) => v.name === name));
  const gone = (vectors as readonly Vector[]).find((v) => JSON.stringify(v.says).includes('"deleted","thing":"object"'));
  const [m] = messagesOf(gone?.datagrams ?? [], little);
  assert.equal(m && nftables.decodeObject(m), { ok: true, value: { table, name: 'x', of: 'limit' } });
});
kernel.run();

const encode = suite('nftables.encodeBatch');
// What nft 1.0.6 sends for the same commands (strace), from the family's header on.
const same: readonly { name: string; in: Change; body: string }[] = [
  {
    name: 'a counter',
    in: { kind: 'add-object', table, name: 'c1', content: { kind: 'counter', packets: 7n, bytes: (1n << 40n) + 5n } },
    body: '050000000b000100776569725f6d00000700020063310000' + '08000300000000011c0004800c00010000000100000000050c0002000000000000000007',
  },
  {
    name: 'a quota',
    in: { kind: 'add-object', table, name: 'q1', content: { kind: 'quota', bytes: 500000000n, used: 3333n, over: true } },
    body:
      '050000000b000100776569725f6d00000700020071310000' +
      '0800030000000002240004800c000100000000001dcd65000c0004000000000000000d050800020000000001',
  },
  {
    name: 'a limit',
    in: {
      kind: 'add-object',
      table,
      name: 'l1',
      content: { kind: 'limit', of: 'bytes', rate: 1250000n, seconds: 1n, burst: 131072, over: false },
    },
    body:
      '050000000b000100776569725f6d0000070002006c310000' +
      '0800030000000004340004800c00010000000000001312d00c00020000000000000000010800030000020000' +
      '08000400000000010800050000000000',
  },
  {
    name: 'an element less',
    in: { kind: 'delete-elements', table, set: 'q4', elements: [{ key: guest }] },
    body: '050000000b000100776569725f6d0000070002007134000014000380100001800c000180080001000a400002',
  },
];
for (const c of same)
  encode(`${c.name}, byte for byte as nft`, () => {
    const { bytes, exchange } = nftables.encodeBatch(little, 1, [c.in]);
    const size = (16 + c.body.length / 2).toString(16).padStart(2, '0');
    const type = c.in.kind === 'delete-elements' ? '0e0a' : '120a';
    const flags = c.in.kind === 'delete-elements' ? '0500' : '0504';
    const begin = '14000000100001000100000000000000' + '0000000a';
    const end = '14000000110001000300000000000000' + '0000000a';
    assert.is(hexOf(bytes), `${begin}${size}000000${type}${flags}0200000000000000${c.body}${end}`);
    assert.equal([exchange.first, exchange.last], [1, 2]);
  });
encode('a generation to hold against', () => {
  const { bytes } = nftables.encodeBatch(little, 1, [], 258);
  assert.is(hexOf(bytes).slice(0, 56), '1c000000100001000100000000000000' + '0000000a' + '0800010000000102');
});
encode('more elements than an attribute holds', () => {
  const elements = Array.from({ length: 5000 }, (_, i) => ({ key: Uint8Array.of(10, 64, i >> 8, i & 255), object: 'x'.repeat(60) }));
  const { bytes, exchange } = nftables.encodeBatch(little, 1, [{ kind: 'add-elements', table, set: 'qu4', elements }]);
  const messages = netlink.decode(bytes, little);
  const read = messages.ok ? messages.value.slice(1, -1).map((m) => nftables.decodeElements(m)) : [];
  assert.equal(
    read.flatMap((r) => (r.ok ? r.value.elements : [])).map((e) => hexOf(e.key)),
    elements.map((e) => hexOf(e.key)),
  );
  assert.is(exchange.last, 1 + read.length);
});
encode('used never exceeds the quota: the kernel would refuse the batch', () => {
  const content = { kind: 'quota', bytes: 10n, used: 11n, over: false } as const;
  const { bytes } = nftables.encodeBatch(little, 1, [{ kind: 'add-object', table, name: 'q', content }]);
  const messages = netlink.decode(bytes, little);
  const read = messages.ok && messages.value[1] ? nftables.decodeObject(messages.value[1]) : null;
  assert.equal(read?.ok && read.value.content, { ...content, used: 10n });
});
const kept: readonly Change[] = [
  { kind: 'add-object', table, name: 'c', content: { kind: 'counter', packets: 1n, bytes: (1n << 64n) - 1n } },
  { kind: 'add-object', table, name: 'q', content: { kind: 'quota', bytes: 9n, used: 8n, over: true } },
  { kind: 'add-object', table, name: 'l', content: { kind: 'limit', of: 'packets', rate: 5n, seconds: 60n, burst: 9, over: true } },
];
const elements: readonly nftables.Element[] = [
  { key: guest, timeout: 3_600_000n },
  { key: guest, object: 's1_q' },
  {
    key: nftables.concat(guest, Uint8Array.of(17), nftables.port(51820)),
    keyEnd: nftables.concat(guest, Uint8Array.of(17), nftables.port(51821)),
  },
  { key: guest, intervalEnd: true },
];
for (const [order, dialect] of orders) {
  encode(`objects both ways, ${order}-endian`, () => {
    const messages = netlink.decode(nftables.encodeBatch(dialect, 1, kept).bytes, dialect);
    assert.equal(
      messages.ok && messages.value.slice(1, -1).map((m) => nftables.decodeObject(m)),
      kept.map((c) => c.kind === 'add-object' && { ok: true, value: { table, name: c.name, of: c.content.kind, content: c.content } }),
    );
  });
  encode(`elements both ways, ${order}-endian`, () => {
    const messages = netlink.decode(nftables.encodeBatch(dialect, 1, [{ kind: 'add-elements', table, set: 's', elements }]).bytes, dialect);
    assert.equal(messages.ok && messages.value[1] && nftables.decodeElements(messages.value[1]), {
      ok: true,
      value: { table, set: 's', elements },
    });
  });
  encode(`tables both ways, ${order}-endian`, () => {
    const flags = { dormant: false, owner: true, persist: true };
    const messages = netlink.decode(nftables.encodeBatch(dialect, 1, [{ kind: 'add-table', table, flags }]).bytes, dialect);
    assert.equal(messages.ok && messages.value[1] && nftables.decodeTable(messages.value[1]), { ok: true, value: { table, flags } });
  });
}
encode('concatenated keys are padded as nft pads them', () => {
  const key = nftables.concat(guest, Uint8Array.of(198, 51, 100, 2), Uint8Array.of(17), nftables.port(51820));
  assert.is(hexOf(key), '0a400002' + 'c6336402' + '11000000' + 'ca6c0000');
});
const kinds: readonly { in: Change; type: number; text: string }[] = [
  { in: { kind: 'delete-table', table }, type: 0x0a02, text: '050000000b000100776569725f6d0000' },
  { in: { kind: 'flush-set', table, set: 'q4' }, type: 0x0a0e, text: '050000000b000100776569725f6d00000700020071340000' },
  {
    in: { kind: 'delete-object', table, name: 'q1', of: 'quota' },
    type: 0x0a14,
    text: '050000000b000100776569725f6d000007000200713100000800030000000002',
  },
];
for (const c of kinds)
  encode(c.in.kind, () => {
    const messages = netlink.decode(nftables.encodeBatch(little, 1, [c.in]).bytes, little);
    const m = messages.ok ? messages.value[1] : undefined;
    assert.is(m?.type, c.type);
    assert.is(m && hexOf(m.frame.bytes.subarray(m.start, m.end)), c.text);
  });
encode.run();

const queries = suite('nftables.encodeQuery');
const asked: readonly { in: Query; hex: string }[] = [
  { in: { kind: 'generation' }, hex: '14000000100a05000300000000000000' + '00000000' },
  { in: { kind: 'tables', family: 'inet' }, hex: '14000000010a01030300000000000000' + '01000000' },
  { in: { kind: 'chains', family: 'netdev' }, hex: '14000000040a01030300000000000000' + '05000000' },
  {
    in: { kind: 'objects', table, of: 'limit' },
    hex: '28000000130a01030300000000000000' + '050000000b000100776569725f6d00000800030000000004',
  },
  {
    in: { kind: 'elements', table, set: 'q4' },
    hex: '280000000d0a01030300000000000000' + '050000000b000100776569725f6d00000700020071340000',
  },
];
for (const c of asked) queries(c.in.kind, () => assert.is(hexOf(nftables.encodeQuery(little, 3, c.in).bytes), c.hex));
queries('in the other order', () =>
  assert.is(hexOf(nftables.encodeQuery(big, 3, { kind: 'tables', family: 'inet' }).bytes), '000000140a0103010000000300000000' + '01000000'),
);
queries.run();

const refuse = suite('nftables refuses');
function message(type: number, body: string): Message {
  const o = netlink.open(little);
  netlink.message(o, type, 0, 1, () => {
    for (const byte of bytesOf(body)) {
      const at = o.w.at++;
      o.w.view.setUint8(at, byte);
    }
  });
  const read = netlink.decode(netlink.done(o), little);
  if (!read.ok || read.value[0] === undefined) throw new Error('no message');
  return read.value[0];
}
const named = '0b000100776569725f6d0000';
const refusals: readonly { name: string; read: (m: Message) => Result<unknown>; type: number; body: string; code: string; path: string }[] =
  [
    { name: 'another message', read: nftables.decodeObject, type: 0x0a00, body: '05000000', code: 'malformed', path: '' },
    { name: 'no header', read: nftables.decodeObject, type: 0x0a12, body: '0500', code: 'malformed', path: 'byte 16' },
    {
      name: 'a table without a name',
      read: nftables.decodeTable,
      type: 0x0a00,
      body: '05000000' + '0800020000000000',
      code: 'missing',
      path: 'name',
    },
    {
      name: 'a family nobody knows',
      read: nftables.decodeTable,
      type: 0x0a00,
      body: `03000000${named}0800020000000000`,
      code: 'unsupported',
      path: 'family',
    },
    {
      name: 'an object of a kind that is not ours',
      read: nftables.decodeObject,
      type: 0x0a12,
      body: `05000000${named}0600020078000000080003000000000304000400`,
      code: 'unsupported',
      path: 'of',
    },
    {
      name: 'an object without content',
      read: nftables.decodeObject,
      type: 0x0a12,
      body: `05000000${named}06000200780000000800030000000001`,
      code: 'missing',
      path: 'content',
    },
    {
      name: 'a counter of half a number',
      read: nftables.decodeObject,
      type: 0x0a12,
      body: `05000000${named}060002007800000008000300000000010c0004000800010000000001`,
      code: 'malformed',
      path: 'bytes.byte 56',
    },
    {
      name: 'an element without a key',
      read: nftables.decodeElements,
      type: 0x0a0c,
      body: `05000000${named}0600020078000000100003000c0001000800030000000000`,
      code: 'missing',
      path: 'elements.0.key',
    },
    { name: 'an unknown notification', read: nftables.decodeEvent, type: 0x0a7f, body: '05000000', code: 'unsupported', path: '' },
    { name: 'a notification without a table', read: nftables.decodeEvent, type: 0x0a12, body: '05000000', code: 'missing', path: 'table' },
  ];
for (const c of refusals)
  refuse(c.name, () => {
    const read = c.read(message(c.type, c.body));
    assert.is(read.ok ? '' : read.fault.code, c.code);
    assert.is(read.ok ? '' : read.fault.path, c.path);
  });
refuse.run();
