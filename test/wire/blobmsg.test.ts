import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as fields from '../../agent/wire/fields.ts';
import { bytesOf, hexOf } from './hex.ts';

const nest = (levels: number): Value => (levels === 0 ? blobmsg.nothing : blobmsg.array([nest(levels - 1)]));

const round = suite('blobmsg both ways');
const values: readonly { name: string; in: Value; hex: string }[] = [
  { name: 'null', in: blobmsg.nothing, hex: '80000008' + '00017600' },
  { name: 'true', in: blobmsg.boolean(true), hex: '87000009' + '00017600' + '01000000' },
  { name: 'an int8 that is no boolean', in: { kind: 'int8', value: -2 }, hex: '87000009' + '00017600' + 'fe000000' },
  { name: 'int16', in: blobmsg.int16(-32768), hex: '8600000a' + '00017600' + '80000000' },
  { name: 'int32', in: blobmsg.int32(-2147483648), hex: '8500000c' + '00017600' + '80000000' },
  { name: '2^53 + 1', in: blobmsg.int64(9007199254740993n), hex: '84000010' + '00017600' + '0020000000000001' },
  { name: '2^63 - 1', in: blobmsg.int64((1n << 63n) - 1n), hex: '84000010' + '00017600' + '7fffffffffffffff' },
  { name: '-2^63', in: blobmsg.int64(-(1n << 63n)), hex: '84000010' + '00017600' + '8000000000000000' },
  { name: '-0.0', in: blobmsg.double(-0), hex: '88000010' + '00017600' + '8000000000000000' },
  { name: 'infinity', in: blobmsg.double(Number.POSITIVE_INFINITY), hex: '88000010' + '00017600' + '7ff0000000000000' },
  { name: 'no text', in: blobmsg.string(''), hex: '83000009' + '00017600' + '00000000' },
  { name: 'text', in: blobmsg.string('wär'), hex: '8300000d' + '00017600' + '77c3a47200000000' },
  { name: 'text too long for the short way', in: blobmsg.string('a'.repeat(65)), hex: `8300004a00017600${'61'.repeat(65)}000000` },
  { name: 'text with a byte order mark', in: blobmsg.string('\ufeffa'), hex: '8300000d' + '00017600' + 'efbbbf6100000000' },
  { name: 'an SSID that is no UTF-8', in: { kind: 'string', value: Uint8Array.of(0xff, 0x41) }, hex: '8300000b' + '00017600' + 'ff410000' },
  { name: 'an empty table', in: blobmsg.nested([]), hex: '82000008' + '00017600' },
  {
    name: 'a nested length holds the padding of its children',
    in: blobmsg.array([blobmsg.boolean(false)]),
    hex: '81000014' + '00017600' + '87000009' + '00000000' + '00000000',
  },
  {
    name: 'an array whose elements have names',
    in: { kind: 'array', fields: [{ name: 'x', value: blobmsg.nothing }] },
    hex: '81000010' + '00017600' + '80000008' + '00017800',
  },
];
for (const c of values)
  round(c.name, () => {
    const table: Table = [{ name: 'v', value: c.in }];
    const encoded = blobmsg.encode(table);
    assert.is(encoded.ok && hexOf(encoded.value), c.hex);
    assert.equal(blobmsg.decode(bytesOf(c.hex)), { ok: true, value: table });
    for (let size = 1; size < c.hex.length / 2; size++) assert.not.ok(blobmsg.decode(bytesOf(c.hex).subarray(0, size)).ok, `${size} bytes`);
  });
round('the deepest', () => {
  const encoded = blobmsg.encode([{ name: '', value: nest(32) }]);
  assert.ok(encoded.ok && blobmsg.decode(encoded.value).ok);
});
round('the most values', () => {
  const encoded = blobmsg.encode(Array.from({ length: 8192 }, () => ({ name: '', value: blobmsg.nothing })));
  assert.ok(encoded.ok && blobmsg.decode(encoded.value).ok);
});
round.run();

const decode = suite('blobmsg.decode refuses');
const deep = (levels: number): string => (levels === 0 ? '' : `81${(8 * levels).toString(16).padStart(6, '0')}00000000${deep(levels - 1)}`);
const refused: readonly { name: string; in: string; code?: string; path: string }[] = [
  { name: 'an attribute without a name', in: '05000008' + '00000001', path: 'byte 0' },
  { name: 'a type it does not have', in: '89000008' + '00000000', path: 'byte 8' },
  { name: 'a name over the end', in: '80000008' + '00027600', path: 'byte 6' },
  { name: 'a name without NUL', in: '80000008' + '00017676', path: 'byte 6' },
  { name: 'NUL in a name', in: '8000000c' + '00027600' + '00000000', path: 'byte 6' },
  { name: 'a name that is no UTF-8', in: '80000008' + '0001ff00', path: 'byte 6' },
  { name: 'name padding that says something', in: '80000008' + '00000001', path: 'byte 7' },
  { name: 'a null with content', in: '8000000c' + '00000000' + '00000000', path: 'byte 8' },
  { name: 'an int8 of two bytes', in: '8700000a' + '00000000' + '01010000', path: 'byte 9' },
  { name: 'an int16 of one byte', in: '86000009' + '00000000' + '01000000', path: 'byte 8' },
  { name: 'an int32 of eight bytes', in: '85000010' + '00000000' + '0000000000000001', path: 'byte 12' },
  { name: 'an int64 of four bytes', in: '8400000c' + '00000000' + '00000001', path: 'byte 8' },
  { name: 'a double that is no number', in: '88000010' + '00000000' + '7ff8000000000000', path: 'byte 8' },
  { name: 'a string without NUL', in: '8300000c' + '00000000' + '41414141', path: 'byte 8' },
  { name: 'a string without anything', in: '83000008' + '00000000', path: 'byte 8' },
  { name: 'padding that says something', in: '87000009' + '00000000' + '01000001', path: 'byte 11' },
  { name: 'a child over its parent', in: '8200000c' + '00000000' + '80000008' + '00000000', path: 'byte 12' },
  { name: 'too deep', in: deep(34), code: 'limit', path: 'byte 264' },
  { name: 'too many', in: ('80000008' + '00000000').repeat(8193), code: 'limit', path: 'byte 65536' },
];
for (const c of refused)
  decode(c.name, () => {
    const got = blobmsg.decode(bytesOf(c.in));
    assert.equal(got.ok || [got.fault.code, got.fault.path], [c.code ?? 'malformed', c.path]);
  });
decode.run();

const encode = suite('blobmsg.encode refuses');
const unsent: readonly { name: string; in: Value; code?: string; path?: string }[] = [
  { name: 'int64 above', in: blobmsg.int64(1n << 63n) },
  { name: 'int64 below', in: blobmsg.int64(-(1n << 63n) - 1n) },
  { name: 'int32 above', in: blobmsg.int32(2 ** 31) },
  { name: 'int32 with a fraction', in: blobmsg.int32(0.5) },
  { name: 'int16 above', in: blobmsg.int16(32768) },
  { name: 'int8 above', in: { kind: 'int8', value: 128 } },
  { name: 'not a number', in: blobmsg.double(Number.NaN) },
  { name: 'NUL', in: blobmsg.string('a\0') },
  { name: 'half a surrogate pair', in: blobmsg.string('\udc00') },
  { name: 'NUL in bytes', in: { kind: 'string', value: Uint8Array.of(0) } },
  { name: 'a bad name inside', in: blobmsg.nested(blobmsg.table({ 'a\0': blobmsg.nothing })), path: 'v.a\0' },
  { name: 'a name of 65,536 bytes', in: blobmsg.nested(blobmsg.table({ ['n'.repeat(65_536)]: blobmsg.nothing })), code: 'limit', path: '' },
  { name: 'more than a message holds', in: blobmsg.string('n'.repeat(1 << 20)), code: 'limit' },
  { name: 'too deep', in: nest(33), code: 'limit', path: '' },
];
for (const c of unsent)
  encode(c.name, () => {
    const got = blobmsg.encode([{ name: 'v', value: c.in }]);
    assert.not.ok(got.ok);
    if (got.ok) return;
    assert.is(got.fault.code, c.code ?? 'malformed');
    if (c.path !== '') assert.is(got.fault.path, c.path ?? 'v');
  });
encode.run();

const take = suite('fields');
const sample = [
  ...blobmsg.table({
    text: blobmsg.string('a'),
    raw: { kind: 'string', value: Uint8Array.of(0xff) },
    yes: blobmsg.boolean(true),
    no: blobmsg.boolean(false),
    short: blobmsg.int16(-5),
    int: blobmsg.int32(-1),
    long: blobmsg.int64(9007199254740993n),
    inner: blobmsg.nested(blobmsg.table({ a: blobmsg.nothing })),
    list: blobmsg.array([blobmsg.int32(1), blobmsg.string('two')]),
    twice: blobmsg.nothing,
  }),
  { name: 'twice', value: blobmsg.nothing },
];
const taken: readonly { name: string; take: (t: Table, name: string) => Result<unknown>; field: string; want: unknown }[] = [
  { name: 'string', take: fields.string, field: 'text', want: 'a' },
  { name: 'string that is an int', take: fields.string, field: 'int', want: 'malformed' },
  { name: 'string that is no UTF-8', take: fields.string, field: 'raw', want: 'malformed' },
  { name: 'string that is not there', take: fields.string, field: 'none', want: 'missing' },
  { name: 'true', take: fields.boolean, field: 'yes', want: true },
  { name: 'false', take: fields.boolean, field: 'no', want: false },
  { name: 'boolean that is an int', take: fields.boolean, field: 'int', want: 'malformed' },
  { name: 'integer of 16 bits', take: fields.integer, field: 'short', want: -5n },
  { name: 'integer of 32 bits', take: fields.integer, field: 'int', want: -1n },
  { name: 'integer of 64 bits', take: fields.integer, field: 'long', want: 9007199254740993n },
  { name: 'integer that is a boolean', take: fields.integer, field: 'yes', want: 'malformed' },
  { name: 'number', take: fields.number, field: 'int', want: -1 },
  { name: 'number that is too large', take: fields.number, field: 'long', want: 'limit' },
  { name: 'id', take: fields.id, field: 'int', want: 0xffffffff },
  { name: 'id of 64 bits', take: fields.id, field: 'long', want: 'malformed' },
  { name: 'table', take: fields.table, field: 'inner', want: [{ name: 'a', value: blobmsg.nothing }] },
  { name: 'table that is an array', take: fields.table, field: 'list', want: 'malformed' },
  { name: 'array', take: fields.array, field: 'list', want: [blobmsg.int32(1), blobmsg.string('two')] },
  { name: 'array that is a table', take: fields.array, field: 'inner', want: 'malformed' },
  { name: 'given twice', take: fields.value, field: 'twice', want: 'malformed' },
];
for (const c of taken)
  take(c.name, () => {
    const got = c.take(sample, c.field);
    if (got.ok) assert.equal(got.value, c.want);
    else assert.equal([got.fault.code, got.fault.path], [c.want, c.field]);
  });
take('has', () => assert.equal([fields.has(sample, 'text'), fields.has(sample, 'none')], [true, false]));
take.run();
