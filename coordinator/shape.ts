// What a request may hold, from one description: its check and its place in the OpenAPI document. A field that is not named is refused.

import type { PublicKey } from '../agent/core/brand.ts';
import { fail, ok, type Result, under } from '../agent/core/result.ts';
import type { PeerKey } from '../agent/core/seat.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import { bytesOf } from '../agent/wire/form.ts';

export type Shape<T> = Readonly<{ read(value: unknown): Result<T>; schema: object; optional?: true }>;
export type Of<S> = S extends Shape<infer T> ? T : never;
export type Fields = Readonly<Record<string, Shape<unknown>>>;
export type Values<F extends Fields> = { readonly [K in keyof F]: Of<F[K]> };

const malformed = (want: string): Result<never> => fail('malformed', '', `expected ${want}`);

export const text = <T extends string = string>(pattern: RegExp, want: string): Shape<T> => ({
  read: (v) => (typeof v === 'string' && pattern.test(v) ? ok(v as T) : malformed(want)),
  schema: { type: 'string', pattern: pattern.source, description: want },
});

/** Of a query string as well, where a number is text. */
export const whole = (least: number, most: number): Shape<number> => ({
  read(v) {
    const n = typeof v === 'string' && /^\d{1,16}$/.test(v) ? Number(v) : v;
    return typeof n === 'number' && Number.isSafeInteger(n) && n >= least && n <= most ? ok(n) : malformed(`${least} to ${most}`);
  },
  schema: { type: 'integer', minimum: least, maximum: most },
});

export const choice = <const W extends readonly string[]>(words: W): Shape<W[number]> => ({
  read: (v) => (typeof v === 'string' && words.includes(v) ? ok(v as W[number]) : malformed(words.join(', '))),
  schema: { type: 'string', enum: words },
});

export const truth: Shape<boolean> = {
  read: (v) => (typeof v === 'boolean' ? ok(v) : malformed('true or false')),
  schema: { type: 'boolean' },
};

export const maybe = <T>(shape: Shape<T>): Shape<T | null> => ({
  read: (v) => (v === undefined || v === null ? ok(null) : shape.read(v)),
  schema: shape.schema,
  optional: true,
});

export const key: Shape<PublicKey> = {
  read: (v) => (typeof v === 'string' && /^[0-9a-f]{64}$/.test(v) ? ok(bytesOf(v) as PublicKey) : malformed('32 bytes in hex')),
  schema: { type: 'string', pattern: '^[0-9a-f]{64}$', description: 'an ed25519 key in hex' },
};
export const peer = text<PeerKey>(/^[A-Za-z0-9+/]{42}[AEIMQUYcgkosw048]=$/, 'a WireGuard key in base64');
export const node = text<KeyId>(/^[a-z2-7]{16}$/, 'a node’s name');
export const session = text<SessionId>(/^[0-9a-f]{32}$/, 'a session’s id, 16 bytes in hex');
export const name = text(/^[A-Za-z0-9][A-Za-z0-9 ._-]{0,63}$/, 'up to 64 letters, digits, blanks and . _ -');
export const currency = text(/^[A-Z][A-Z0-9]{2,7}$/, '3 to 8 capitals and digits');

export function read<F extends Fields>(fields: F, value: unknown): Result<Values<F>> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return malformed('an object');
  const given = value as Readonly<Record<string, unknown>>;
  for (const one of Object.keys(given)) if (!Object.hasOwn(fields, one)) return fail('unsupported', one.slice(0, 32), 'no such field');
  const values: [string, unknown][] = [];
  for (const [field, shape] of Object.entries(fields)) {
    if (given[field] === undefined && shape.optional !== true) return fail('missing', field, 'has to be there');
    const one = shape.read(given[field]);
    if (!one.ok) return { ok: false, fault: under(field, one.fault) };
    values.push([field, one.value]);
  }
  return ok(Object.fromEntries(values) as Values<F>);
}

export const schemaOf = (fields: Fields): object => ({
  type: 'object',
  additionalProperties: false,
  required: Object.entries(fields).flatMap(([field, { optional }]) => (optional === true ? [] : [field])),
  properties: Object.fromEntries(Object.entries(fields).map(([field, { schema }]) => [field, schema])),
});
