// Takes typed fields out of a blobmsg table: `fields.string(table, 'name')`. The path of a Fault is the field's name.
// Knows no table of anybody; defaults are the caller's to spell out.

import { fail, ok, type Result } from '../core/result.ts';
import type { Kind, Table, Value } from './blobmsg.ts';

export const has = (table: Table, name: string): boolean => table.some((f) => f.name === name);

export function value(table: Table, name: string): Result<Value> {
  const [field, second] = table.filter((f) => f.name === name);
  if (field === undefined) return fail('missing', name, 'not there');
  // libubox takes the first, JSON readers the last: two readers of one message must not see two things.
  return second === undefined ? ok(field.value) : fail('malformed', name, 'given twice');
}

const wrong = (name: string, want: string, got: Kind): Result<never> => fail('malformed', name, `expected ${want}, got ${got}`);

export function string(table: Table, name: string): Result<string> {
  const v = value(table, name);
  if (!v.ok) return v;
  if (v.value.kind !== 'string') return wrong(name, 'string', v.value.kind);
  return typeof v.value.value === 'string' ? ok(v.value.value) : fail('malformed', name, 'not UTF-8');
}

export function boolean(table: Table, name: string): Result<boolean> {
  const v = value(table, name);
  if (!v.ok) return v;
  return v.value.kind === 'int8' ? ok(v.value.value !== 0) : wrong(name, 'boolean', v.value.kind);
}

/** Of any width: who sends JSON to the bus (rpcd, the command line) lets the size of the number choose between int32 and int64. */
export function integer(table: Table, name: string): Result<bigint> {
  const v = value(table, name);
  if (!v.ok) return v;
  if (v.value.kind === 'int64') return ok(v.value.value);
  return v.value.kind === 'int32' || v.value.kind === 'int16' ? ok(BigInt(v.value.value)) : wrong(name, 'integer', v.value.kind);
}

/** An integer that a number holds exactly. */
export function number(table: Table, name: string): Result<number> {
  const v = integer(table, name);
  if (!v.ok) return v;
  const n = Number(v.value);
  return Number.isSafeInteger(n) ? ok(n) : fail('limit', name, 'more than 53 bits');
}

/** An id: 32 bits that the bus shows signed. */
export function id(table: Table, name: string): Result<number> {
  const v = value(table, name);
  if (!v.ok) return v;
  return v.value.kind === 'int32' ? ok(v.value.value >>> 0) : wrong(name, 'int32', v.value.kind);
}

export function table(outer: Table, name: string): Result<Table> {
  const v = value(outer, name);
  if (!v.ok) return v;
  return v.value.kind === 'table' ? ok(v.value.fields) : wrong(name, 'table', v.value.kind);
}

export function array(table: Table, name: string): Result<readonly Value[]> {
  const v = value(table, name);
  if (!v.ok) return v;
  return v.value.kind === 'array' ? ok(v.value.fields.map((f) => f.value)) : wrong(name, 'array', v.value.kind);
}
