// A PostgreSQL server, by its URL.

import pg from 'pg';
import type { Database, Row } from '../ports/database.ts';

const whole: readonly number[] = [pg.types.builtins.INT8, pg.types.builtins.INT4, pg.types.builtins.NUMERIC];
const parserOf = (id: number, format?: 'text' | 'binary'): unknown => (whole.includes(id) ? BigInt : pg.types.getTypeParser(id, format));

/** `lost`: told of connections that break while nobody uses them; the next transaction makes a new one. */
export function open(url: string, lost: (why: Error) => void): Database {
  const pool = new pg.Pool({ connectionString: url, max: 8, types: { getTypeParser: parserOf as typeof pg.types.getTypeParser } });
  pool.on('error', lost);
  return {
    async transaction(work) {
      const client = await pool.connect();
      let broken: Error | boolean = true;
      try {
        await client.query('begin');
        const value = await work(async <T extends Row>(sql: string, fields?: readonly unknown[]) => {
          const { rows } = await client.query<T>(sql, fields?.map(bound));
          return rows;
        });
        await client.query('commit');
        broken = false;
        return value;
      } finally {
        // A connection on which something failed is closed, and the server rolls back what was under way on it.
        client.release(broken);
      }
    },
    end: () => pool.end(),
  };
}

const bound = (field: unknown): unknown => (field instanceof Uint8Array ? Buffer.from(field) : field);
