// Pages of a list: its rows in an order that names each of them once and for good, so that who goes on behind the last row of a page loses none
// and sees none twice, whatever has been added meanwhile. A cursor is that last row's place, and nothing is kept of who asks.

import { fail, ok, type Result } from '../agent/core/result.ts';
import type { Field, Query, Row } from './ports/database.ts';
import type { Fields, Values } from './shape.ts';
import * as shape from './shape.ts';

/** A select with its fields, and by which of its columns its rows are told apart: no row's may ever change. */
export type List = Readonly<{
  sql: string;
  fields?: readonly Field[];
  by: Readonly<Record<string, shape.Shape<string | number>>>;
  isNewestFirst?: boolean;
}>;
export type Page<T extends Row> = Readonly<{ rows: readonly T[]; next: string | null }>;

export const whole = shape.whole(0, Number.MAX_SAFE_INTEGER);
/** PostgreSQL has no text with a zero in it. */
export const words = shape.text(/^[^\0]*$/, 'text');

export const search = {
  after: shape.maybe(shape.text(/^[A-Za-z0-9_-]{1,1024}$/, '`next` of the page before')),
  limit: shape.maybe(shape.whole(1, 500)),
};
const perPage = 100;

export async function read<T extends Row>(query: Query, list: List, { after, limit }: Values<typeof search>): Promise<Result<Page<T>>> {
  const { sql, fields = [], by, isNewestFirst = false } = list;
  const place = after === null ? ok({}) : decode(by, after);
  if (!place.ok) return place;
  const names = Object.keys(by);
  const values: readonly Field[] = Object.values(place.value);
  const [way, beyond] = isNewestFirst ? ['desc', '<'] : ['asc', '>'];
  const behind =
    values.length === 0 ? '' : `where (${names.join()}) ${beyond} (${values.map((_, i) => `$${fields.length + i + 1}`).join()})`;
  const size = limit ?? perPage;
  const found = await query<T>(
    `select * from (${sql}) as list ${behind} order by ${names.map((name) => `${name} ${way}`).join()} limit ${size + 1}`,
    [...fields, ...values],
  );
  const rows = found.slice(0, size);
  const last = found.length > size ? rows.at(-1) : undefined;
  return ok({ rows, next: last === undefined ? null : encode(names, last) });
}

const encode = (names: readonly string[], row: Row): string =>
  Buffer.from(JSON.stringify(Object.fromEntries(names.map((name) => [name, `${row[name]}`])))).toString('base64url');

function decode(by: Fields, cursor: string): Result<Readonly<Record<string, string | number>>> {
  try {
    const place = shape.read(by, JSON.parse(Buffer.from(cursor, 'base64url').toString()));
    if (place.ok) return ok(place.value as Readonly<Record<string, string | number>>);
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  return fail('malformed', 'after', 'expected `next` of the page before');
}
