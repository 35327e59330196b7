// PostgreSQL in this process (PGlite): in a folder, or in memory and gone with it. One transaction at a time.

import { PGlite, types } from '@electric-sql/pglite';
import type { Database, Row } from '../ports/database.ts';

const parsers = { [types.INT8]: BigInt, [types.INT4]: BigInt, [types.NUMERIC]: BigInt };

/** `folder` null: in memory. */
export async function open(folder: string | null): Promise<Database> {
  const lite = await PGlite.create(folder === null ? 'memory://' : folder, { parsers });
  return {
    transaction: (work) =>
      lite.transaction((tx) =>
        work(
          async <T extends Row>(sql: string, fields?: readonly unknown[]) =>
            (await tx.query<T>(sql, fields === undefined ? [] : [...fields])).rows,
        ),
      ),
    end: () => lite.close(),
  };
}
