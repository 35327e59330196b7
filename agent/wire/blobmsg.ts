// blobmsg, ubus's typed JSON-like tables: bytes ↔ values that keep their wire type, so that what was decoded encodes to the same bytes.
// One value has one encoding; any other is a Fault. Knows nothing of ubus messages (ubus.ts) nor of what a field means (fields.ts).

import { fail, ok, type Result, under } from '../core/result.ts';
import * as blob from './blob.ts';
import type { Reader } from './reader.ts';
import * as reader from './reader.ts';
import type { Writer } from './writer.ts';
import * as writer from './writer.ts';

/** In the order of their numbers on the wire. */
export const kinds = ['null', 'array', 'table', 'string', 'int64', 'int32', 'int16', 'int8', 'double'] as const;
export type Kind = (typeof kinds)[number];

export type Value =
  | Readonly<{ kind: 'null' }>
  // C programs now and then name the elements of an array; nobody reads those names, but they are bytes.
  | Readonly<{ kind: 'array'; fields: Table }>
  | Readonly<{ kind: 'table'; fields: Table }>
  /** Bytes when they are no UTF-8. */
  | Readonly<{ kind: 'string'; value: string | Uint8Array }>
  | Readonly<{ kind: 'int64'; value: bigint }>
  /** All signed, as libubox shows them; an int8 is ubus's boolean. */
  | Readonly<{ kind: 'int32'; value: number }>
  | Readonly<{ kind: 'int16'; value: number }>
  | Readonly<{ kind: 'int8'; value: number }>
  | Readonly<{ kind: 'double'; value: number }>;
export type Field = Readonly<{ name: string; value: Value }>;
export type Table = readonly Field[];

export const nothing: Value = { kind: 'null' };
export const array = (values: readonly Value[]): Value => ({ kind: 'array', fields: values.map((value) => ({ name: '', value })) });
export const table = (values: Readonly<Record<string, Value>>): Table => Object.entries(values).map(([name, value]) => ({ name, value }));
export const nested = (fields: Table): Value => ({ kind: 'table', fields });
export const string = (value: string): Value => ({ kind: 'string', value });
export const int64 = (value: bigint): Value => ({ kind: 'int64', value });
export const int32 = (value: number): Value => ({ kind: 'int32', value });
export const int16 = (value: number): Value => ({ kind: 'int16', value });
export const boolean = (value: boolean): Value => ({ kind: 'int8', value: value ? 1 : 0 });
export const double = (value: number): Value => ({ kind: 'double', value });

// A message of 1 MiB has room for 131,072 values, some 25 MB of engine heap; the deepest OpenWrt tables are below ten levels.
const mostValues = 8192;
const mostDepth = 32;
const mostBytes = 1 << 20;

type Budget = { values: number };

export const decode = (bytes: Uint8Array): Result<Table> => decodeFields(reader.open(bytes), 0, { values: mostValues });

function decodeFields(r: Reader, depth: number, budget: Budget): Result<Table> {
  if (depth > mostDepth) return fail('limit', `byte ${r.at}`, `nested deeper than ${mostDepth} levels`);
  const fields: Field[] = [];
  while (reader.left(r) > 0) {
    budget.values -= 1;
    if (budget.values < 0) return fail('limit', `byte ${r.at}`, `more than ${mostValues} values`);
    const field = decodeField(r, depth, budget);
    if (!field.ok) return field;
    fields.push(field.value);
  }
  return ok(fields);
}

function decodeField(r: Reader, depth: number, budget: Budget): Result<Field> {
  const start = r.at;
  const attr = blob.next(r);
  if (!attr.ok) return attr;
  const { id, extended, body } = attr.value;
  if (!extended) return fail('malformed', `byte ${start}`, 'not a blobmsg attribute');
  const name = decodeName(body);
  if (!name.ok) return name;
  const value = decodeValue(kinds[id], body, depth, budget);
  if (!value.ok) return value;
  if (reader.left(body) > 0) return fail('malformed', `byte ${body.at}`, `${reader.left(body)} bytes behind a ${value.value.kind}`);
  return ok({ name: name.value, value: value.value });
}

function decodeName(body: Reader): Result<string> {
  const length = reader.u16be(body);
  if (!length.ok) return length;
  const start = body.at;
  const text = reader.part(body, length.value + 1);
  if (!text.ok) return text;
  const name = blob.string(text.value);
  if (!name.ok) return name;
  const padding = reader.zeros(body, -(2 + length.value + 1) & 3);
  if (!padding.ok) return padding;
  return typeof name.value === 'string' ? ok(name.value) : fail('malformed', `byte ${start}`, 'a name is no UTF-8');
}

function decodeValue(kind: Kind | undefined, body: Reader, depth: number, budget: Budget): Result<Value> {
  switch (kind) {
    case undefined:
      return fail('malformed', `byte ${body.at}`, 'a type that blobmsg does not have');
    case 'null':
      return ok(nothing);
    case 'array':
    case 'table': {
      const fields = decodeFields(body, depth + 1, budget);
      return fields.ok ? ok({ kind, fields: fields.value }) : fields;
    }
    case 'string': {
      const text = blob.string(body);
      return text.ok ? ok({ kind, value: text.value }) : text;
    }
    case 'int64': {
      const eight = reader.part(body, 8);
      return eight.ok ? ok({ kind, value: body.view.getBigInt64(body.at - 8) }) : eight;
    }
    case 'double': {
      const eight = reader.part(body, 8);
      if (!eight.ok) return eight;
      const value = body.view.getFloat64(body.at - 8);
      // Not a number has 2^53 encodings, and engines do not keep them apart.
      return Number.isNaN(value) ? fail('malformed', `byte ${body.at - 8}`, 'not a number') : ok({ kind, value });
    }
    case 'int32': {
      const bits = reader.u32be(body);
      return bits.ok ? ok({ kind, value: bits.value | 0 }) : bits;
    }
    case 'int16': {
      const bits = reader.u16be(body);
      return bits.ok ? ok({ kind, value: (bits.value << 16) >> 16 }) : bits;
    }
    case 'int8': {
      const bits = reader.u8(body);
      return bits.ok ? ok({ kind, value: (bits.value << 24) >> 24 }) : bits;
    }
  }
}

export function encode(fields: Table): Result<Uint8Array<ArrayBuffer>> {
  const w = writer.open();
  const done = encodeFields(w, fields, 0);
  if (!done.ok) return done;
  return w.at > mostBytes ? fail('limit', '', `a message of ${w.at} bytes`) : ok(writer.done(w));
}

function encodeFields(w: Writer, fields: Table, depth: number): Result<void> {
  if (depth > mostDepth) return fail('limit', '', `nested deeper than ${mostDepth} levels`);
  for (const field of fields) {
    const done = encodeField(w, field, depth);
    if (!done.ok) return { ok: false, fault: under(field.name, done.fault) };
    if (w.at > mostBytes) return fail('limit', field.name, `more than ${mostBytes} bytes`);
  }
  return ok(undefined);
}

function encodeField(w: Writer, { name, value }: Field, depth: number): Result<void> {
  const start = blob.begin(w);
  const header = w.at;
  writer.u16be(w, 0);
  const text = blob.putString(w, name);
  if (!text.ok) return text;
  const length = w.at - header - 3;
  if (length > 0xffff) return fail('limit', '', `a name of ${length} bytes`);
  w.view.setUint16(header, length);
  writer.room(w, -(2 + length + 1) & 3);
  const done = encodeValue(w, value, depth);
  if (!done.ok) return done;
  blob.end(w, start, kinds.indexOf(value.kind), true);
  return ok(undefined);
}

function encodeValue(w: Writer, value: Value, depth: number): Result<void> {
  switch (value.kind) {
    case 'null':
      return ok(undefined);
    case 'array':
    case 'table':
      return encodeFields(w, value.fields, depth + 1);
    case 'string':
      return blob.putString(w, value.value);
    case 'int64':
      if (BigInt.asIntN(64, value.value) !== value.value) return outOfRange(value.kind);
      writer.i64be(w, value.value);
      return ok(undefined);
    case 'double':
      if (Number.isNaN(value.value)) return fail('malformed', '', 'not a number');
      writer.f64be(w, value.value);
      return ok(undefined);
    case 'int32':
      if ((value.value | 0) !== value.value) return outOfRange(value.kind);
      writer.u32be(w, value.value);
      return ok(undefined);
    case 'int16':
      if ((value.value << 16) >> 16 !== value.value) return outOfRange(value.kind);
      writer.u16be(w, value.value);
      return ok(undefined);
    case 'int8':
      if ((value.value << 24) >> 24 !== value.value) return outOfRange(value.kind);
      writer.u8(w, value.value);
      return ok(undefined);
  }
}

const outOfRange = (kind: Kind): Result<never> => fail('malformed', '', `does not fit an ${kind}`);
