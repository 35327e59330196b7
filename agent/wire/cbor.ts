// Deterministic CBOR (RFC 8949, 4.2.1) ↔ values: whole numbers of 64 bits, bytes, text, arrays, maps with whole-number keys, true, false,
// null. One value has one encoding, so what was signed can be checked by its bytes; every other encoding is a Fault. Knows no floats, tags
// or lengths left open, and not what the values mean.
//
// Not by cbor-x: it takes integers that are not in their shortest form, keys twice or out of order, floats, tags, and bytes that are no
// UTF-8, writes 2^32 as a float and map keys in the order given, and costs 30 KB of bundle and 130 KB of heap where this costs 3 and 10.
// test/wire/cbor.test.ts holds this codec against it wherever both should agree.

import { fail, ok, type Result } from '../core/result.ts';

export type Value = number | bigint | string | boolean | null | Uint8Array | readonly Value[] | ReadonlyMap<number, Value>;

const deepest = 16;
const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

/** A value without an encoding (a fraction, a number past 64 bits) is a bug and throws. */
export function encode(value: Value): Uint8Array {
  const parts: Uint8Array[] = [];
  write(parts, value);
  return concat(parts);
}

function write(parts: Uint8Array[], value: Value): void {
  if (typeof value === 'number' || typeof value === 'bigint') parts.push(integer(value));
  else if (typeof value === 'boolean') parts.push(Uint8Array.of(value ? 0xf5 : 0xf4));
  else if (value === null) parts.push(Uint8Array.of(0xf6));
  else if (typeof value === 'string') {
    const bytes = encoder.encode(value);
    parts.push(head(3, bytes.length), bytes);
  } else if (value instanceof Uint8Array) parts.push(head(2, value.length), value);
  else if (isMap(value)) {
    parts.push(head(5, value.size));
    const entries = [...value].map(([key, inner]) => ({ key: integer(key), inner }));
    for (const { key, inner } of entries.sort((a, b) => compare(a.key, b.key))) {
      parts.push(key);
      write(parts, inner);
    }
  } else {
    parts.push(head(4, value.length));
    for (const inner of value) write(parts, inner);
  }
}

const isMap = (value: readonly Value[] | ReadonlyMap<number, Value>): value is ReadonlyMap<number, Value> => value instanceof Map;
const integer = (n: number | bigint): Uint8Array => (n < 0 ? head(1, -1n - BigInt(n)) : head(0, n));

function head(major: number, argument: number | bigint): Uint8Array {
  const n = BigInt(argument);
  if (n >= 1n << 64n) throw new RangeError('CBOR: past 64 bits');
  const first = major << 5;
  if (n < 24n) return Uint8Array.of(first | Number(n));
  const size = n < 1n << 8n ? 1 : n < 1n << 16n ? 2 : n < 1n << 32n ? 4 : 8;
  const bytes = new Uint8Array(1 + size);
  bytes[0] = first | (24 + Math.log2(size));
  for (let i = 0; i < size; i++) bytes[size - i] = Number((n >> BigInt(8 * i)) & 0xffn);
  return bytes;
}

/** Sorted as section 4.2.1 wants: byte by byte, as encoded. */
function compare(a: Uint8Array, b: Uint8Array): number {
  const at = a.findIndex((byte, i) => byte !== b[i]);
  return at < 0 ? a.length - b.length : at < b.length ? Number(a[at]) - Number(b[at]) : 1;
}

function concat(parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

/** Exactly one value. Numbers past 2^53 come as bigint. */
export function decode(bytes: Uint8Array): Result<Value> {
  const from = { bytes, at: 0 };
  const value = read(from, 0);
  if (value.ok && from.at < bytes.length) return fail('malformed', `byte ${from.at}`, 'something follows the value');
  return value;
}

type Source = { readonly bytes: Uint8Array; at: number };
type Head = Readonly<{ major: number; argument: bigint }>;

function readHead(from: Source): Result<Head> {
  const start = from.at;
  const first = from.bytes[start];
  if (first === undefined) return cut(start);
  const major = first >> 5;
  const short = first & 31;
  from.at++;
  if (short < 24) return ok({ major, argument: BigInt(short) });
  if (short > 27) return fail('malformed', `byte ${start}`, 'a length left open, or reserved');
  if (major === 7) return fail('unsupported', `byte ${start}`, 'a float');
  const size = 1 << (short - 24);
  const tail = from.bytes.subarray(from.at, from.at + size);
  if (tail.length < size) return cut(start);
  from.at += size;
  const argument = tail.reduce((sum, byte) => (sum << 8n) | BigInt(byte), 0n);
  if (argument < (size === 1 ? 24n : 1n << BigInt(4 * size))) return fail('malformed', `byte ${start}`, 'not in its shortest form');
  return ok({ major, argument });
}

const cut = (at: number): Result<never> => fail('malformed', `byte ${at}`, 'the bytes end inside a value');

function read(from: Source, depth: number): Result<Value> {
  const start = from.at;
  if (depth > deepest) return fail('limit', `byte ${start}`, `deeper than ${deepest}`);
  const head = readHead(from);
  if (!head.ok) return head;
  const { major, argument } = head.value;
  switch (major) {
    case 0:
      return ok(narrow(argument));
    case 1:
      return ok(narrow(-1n - argument));
    case 2:
    case 3: {
      const bytes = from.bytes.subarray(from.at, from.at + Number(argument));
      if (BigInt(bytes.length) < argument) return cut(start);
      from.at += bytes.length;
      return major === 2 ? ok(bytes.slice()) : text(bytes, start);
    }
    case 4:
    case 5:
      // Each item takes a byte at least: a count beyond them ends here and not in the memory it asks for.
      if (argument > BigInt(from.bytes.length - from.at)) return cut(start);
      return major === 4 ? array(from, Number(argument), depth) : map(from, Number(argument), depth);
    case 6:
      return fail('unsupported', `byte ${start}`, 'a tag');
    default:
      if (argument === 20n || argument === 21n) return ok(argument === 21n);
      return argument === 22n ? ok(null) : fail('unsupported', `byte ${start}`, 'a simple value other than true, false and null');
  }
}

// Compared among BigInts: QuickJS 2025-04-26 takes -1n for less than the Number -4294967296.
const least = BigInt(Number.MIN_SAFE_INTEGER);
const most = BigInt(Number.MAX_SAFE_INTEGER);
const narrow = (n: bigint): number | bigint => (n >= least && n <= most ? Number(n) : n);

function text(bytes: Uint8Array, start: number): Result<string> {
  try {
    return ok(decoder.decode(bytes));
  } catch {
    return fail('malformed', `byte ${start}`, 'text that is not UTF-8');
  }
}

function array(from: Source, count: number, depth: number): Result<Value> {
  const values: Value[] = [];
  for (let i = 0; i < count; i++) {
    const value = read(from, depth + 1);
    if (!value.ok) return value;
    values.push(value.value);
  }
  return ok(values);
}

function map(from: Source, count: number, depth: number): Result<Value> {
  const values = new Map<number, Value>();
  let last = new Uint8Array();
  for (let i = 0; i < count; i++) {
    const start = from.at;
    const key = read(from, depth + 1);
    if (!key.ok) return key;
    const encoded = from.bytes.slice(start, from.at);
    if (typeof key.value !== 'number') return fail('unsupported', `byte ${start}`, 'a key that is no small whole number');
    if (i > 0 && compare(last, encoded) >= 0) return fail('malformed', `byte ${start}`, 'a key twice or out of order');
    last = encoded;
    const value = read(from, depth + 1);
    if (!value.ok) return value;
    values.set(key.value, value.value);
  }
  return ok(values);
}
