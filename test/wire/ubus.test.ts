// Frames captured from the real ubusd: each decodes to what its capture says, encodes to the same bytes, and cut anywhere is a Fault.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Field, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as ubus from '../../agent/wire/ubus.ts';
import captures from '../vectors/ubus-vectors.json';
import { bytesOf, hexOf } from './hex.ts';

type Shown = string | number | boolean | null | readonly Shown[] | { readonly [key: string]: Shown };

const names: Readonly<Record<string, keyof ubus.Attrs>> = {
  STATUS: 'status',
  OBJPATH: 'path',
  OBJID: 'object',
  METHOD: 'method',
  OBJTYPE: 'objectType',
  SIGNATURE: 'signature',
  DATA: 'data',
  TARGET: 'target',
  ACTIVE: 'active',
  NO_REPLY: 'noReply',
  SUBSCRIBERS: 'subscribers',
  USER: 'user',
  GROUP: 'group',
};

/** A value as the captures write it. */
function show(value: Value): Shown {
  if (value.kind === 'null') return '';
  if (value.kind === 'array' || value.kind === 'table') return value.fields.map(showField);
  if (value.kind === 'string') return typeof value.value === 'string' ? value.value : hexOf(value.value);
  return Number(value.value);
}
const showField = ({ name, value }: Field): Shown => ({
  name,
  type: value.kind === 'null' ? 'UNSPEC' : value.kind.toUpperCase(),
  value: show(value),
});

const id = (n: number): string => `0x${n.toString(16).padStart(8, '0')}`;

function showAttr(value: string | number | boolean | Uint8Array | readonly number[]): Shown {
  if (value instanceof Uint8Array) {
    const table = blobmsg.decode(value);
    if (!table.ok) throw new Error(table.fault.reason);
    const again = blobmsg.encode(table.value);
    assert.is(again.ok && hexOf(again.value), hexOf(value));
    return table.value.map(showField);
  }
  if (typeof value === 'boolean') return value ? 1 : 0;
  return typeof value === 'object' ? value.map((n) => [0, id(n)]) : value;
}

const vectors = suite('ubus vectors');
for (const { name, index, hex, decoded } of captures) {
  vectors(`${index} ${name}`, () => {
    const frame = bytesOf(hex);
    const got = ubus.decode(frame);
    if (!got.ok) throw new Error(got.fault.reason);
    const { type, seq, peer, attrs } = got.value;
    assert.is(type.toUpperCase().replace('-', '_'), decoded.type.split(' ')[1]);
    assert.equal([seq, id(peer)], [decoded.seq, decoded.peer]);
    const want = decoded.attrs.map((a) => [names[a.name], a.value]);
    const shown = Object.entries(attrs).map(([key, v]) => [
      key,
      typeof v === 'number' && key !== 'status' ? id(v) : showAttr(v as Parameters<typeof showAttr>[0]),
    ]);
    assert.equal(shown, want);
    const again = ubus.encode(got.value);
    assert.is(again.ok && hexOf(again.value), hex);
  });
  vectors(`${index} cut`, () => {
    const frame = bytesOf(hex);
    for (let size = 0; size < frame.length; size++) {
      const got = ubus.decode(frame.subarray(0, size));
      assert.ok(!got.ok && got.fault.code === 'malformed', `${size} bytes of ${frame.length}`);
    }
  });
}
vectors('all of them', () => assert.is(captures.length, 75));
vectors.run();

const frame = (type: number, ...attrs: number[]): Uint8Array =>
  Uint8Array.of(0, type, 0, 7, 0, 0, 0, 9, 0, 0, (attrs.length + 4) >> 8, (attrs.length + 4) & 255, ...attrs);

const decode = suite('ubus.decode refuses');
const refused: readonly { name: string; in: Uint8Array; code: string; path: string }[] = [
  { name: 'another version', in: Uint8Array.of(1, ...frame(0).subarray(1)), code: 'unsupported', path: 'byte 0' },
  { name: 'a type it does not know', in: frame(11), code: 'unsupported', path: 'byte 1' },
  { name: 'bytes behind the blob', in: Uint8Array.of(...frame(0), 0), code: 'malformed', path: 'byte 12' },
  { name: 'a typed outer blob', in: Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 4), code: 'malformed', path: 'byte 8' },
  { name: 'an extended attribute', in: frame(1, 0x81, 0, 0, 8, 0, 0, 0, 0), code: 'malformed', path: 'byte 12' },
  { name: 'an attribute shorter than its header', in: frame(1, 1, 0, 0, 3), code: 'malformed', path: 'byte 12' },
  { name: 'an attribute over the end', in: frame(1, 1, 0, 0, 9, 0, 0, 0, 0), code: 'malformed', path: 'byte 16' },
  { name: 'a status of two bytes', in: frame(1, 1, 0, 0, 6, 0, 0, 0, 0), code: 'malformed', path: 'byte 16' },
  { name: 'a status of five bytes', in: frame(1, 1, 0, 0, 9, 0, 0, 0, 0, 1, 0, 0, 0), code: 'malformed', path: 'byte 20' },
  { name: 'two statuses', in: frame(1, 1, 0, 0, 8, 0, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0), code: 'malformed', path: 'byte 20' },
  { name: 'padding that says something', in: frame(4, 2, 0, 0, 6, 65, 0, 0, 1), code: 'malformed', path: 'byte 19' },
  { name: 'a path without NUL', in: frame(4, 2, 0, 0, 8, 65, 65, 65, 65), code: 'malformed', path: 'byte 16' },
  { name: 'a path with text behind its NUL', in: frame(4, 2, 0, 0, 8, 65, 0, 65, 0), code: 'malformed', path: 'byte 16' },
  { name: 'an empty path attribute', in: frame(4, 2, 0, 0, 4), code: 'malformed', path: 'byte 16' },
  { name: 'a path that is no UTF-8', in: frame(4, 2, 0, 0, 6, 0xff, 0, 0, 0), code: 'malformed', path: 'byte 16' },
  { name: 'a flag of 2', in: frame(10, 9, 0, 0, 5, 2, 0, 0, 0), code: 'malformed', path: 'byte 16' },
  { name: 'a subscriber of another id', in: frame(1, 11, 0, 0, 12, 1, 0, 0, 8, 0, 0, 0, 1), code: 'malformed', path: 'byte 24' },
];
for (const c of refused)
  decode(c.name, () => {
    const got = ubus.decode(c.in);
    assert.equal(got.ok || [got.fault.code, got.fault.path], [c.code, c.path]);
  });
decode('but keeps an attribute of a later ubus', () => {
  const later = frame(1, 0x7f, 0, 0, 5, 42, 0, 0, 0, 1, 0, 0, 8, 0, 0, 0, 0);
  const got = ubus.decode(later);
  assert.ok(got.ok);
  if (!got.ok) return;
  assert.equal(got.value.attrs, { attr127: Uint8Array.of(42), status: 0 });
  const again = ubus.encode(got.value);
  assert.is(again.ok && hexOf(again.value), hexOf(later));
});
decode.run();

const encode = suite('ubus.encode');
const message = (attrs: ubus.Attrs): ubus.Message => ({ type: 'invoke', seq: 1, peer: 2, attrs });
const outgoing: readonly { name: string; in: ubus.Attrs; want: number | readonly [string, string] }[] = [
  { name: 'the largest blob', in: { data: new Uint8Array(ubus.mostBlob - 8) }, want: 8 + ubus.mostBlob },
  { name: 'one byte more', in: { data: new Uint8Array(ubus.mostBlob - 7) }, want: ['limit', ''] },
  { name: 'a NUL inside a name', in: { method: 'admit\0' }, want: ['malformed', 'method'] },
  { name: 'half a surrogate pair', in: { path: 'weir\ud800' }, want: ['malformed', 'path'] },
];
for (const c of outgoing)
  encode(c.name, () => {
    const got = ubus.encode(message(c.in));
    assert.equal(got.ok ? got.value.length : [got.fault.code, got.fault.path], c.want);
  });
encode.run();

const split = suite('ubus.splitter');
const stream = bytesOf(captures.map((c) => c.hex).join(''));
for (const size of [1, 2, 3, 7, 8, 11, 12, 13, 64, 1000, stream.length])
  split(`chunks of ${size}`, () => {
    const splitter = ubus.splitter();
    const got: string[] = [];
    for (let at = 0; at < stream.length; at += size) {
      const frames = splitter.push(stream.subarray(at, at + size));
      if (frames.ok) got.push(...frames.value.map(hexOf));
    }
    assert.equal(
      got,
      captures.map((c) => c.hex),
    );
  });
const announced = (length: number): Uint8Array => Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, length >> 16, (length >> 8) & 255, length & 255);
for (const c of [
  { name: 'a blob shorter than its header', in: announced(3), want: 'malformed' },
  { name: 'the largest blob', in: announced(ubus.mostBlob), want: true },
  { name: 'one byte more', in: announced(ubus.mostBlob + 1), want: 'limit' },
])
  split(c.name, () => {
    const got = ubus.splitter().push(c.in);
    assert.is(got.ok || got.fault.code, c.want);
  });
split('an unaligned blob is as long as it says', () => {
  const got = ubus.splitter().push(Uint8Array.of(...announced(5), 1, ...announced(4)));
  assert.equal(got.ok && got.value.map((f) => f.length), [13, 12]);
});
split.run();
