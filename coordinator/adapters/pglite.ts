// PostgreSQL in this process (PGlite): in a folder, or in memory and gone with it. One transaction at a time, and one process: PGlite itself
// would let two write into one folder, so a socket beside it, which ends with its process, says that somebody is there.

import { mkdirSync, rmSync } from 'node:fs';
import { connect, createServer, type Server } from 'node:net';
import { PGlite, types } from '@electric-sql/pglite';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Database, Row } from '../ports/database.ts';

const parsers = { [types.INT8]: BigInt, [types.INT4]: BigInt, [types.NUMERIC]: BigInt };

/** `folder` null: in memory. */
export async function open(folder: string | null): Promise<Result<Database>> {
  const lock = folder === null ? null : await hold(`${folder}.lock`);
  if (lock !== null && !lock.ok) return lock;
  if (folder !== null) mkdirSync(folder, { recursive: true, mode: 0o700 });
  const lite = await PGlite.create(folder === null ? 'memory://' : folder, { parsers });
  return ok({
    transaction: (work) =>
      lite.transaction((tx) =>
        work(
          async <T extends Row>(sql: string, fields?: readonly unknown[]) =>
            (await tx.query<T>(sql, fields === undefined ? [] : [...fields])).rows,
        ),
      ),
    async end() {
      await lite.close();
      lock?.value.close();
    },
  });
}

async function hold(path: string): Promise<Result<Server>> {
  if (await isAnswered(path)) return fail('exists', 'database', 'another process has it open');
  // Of a process that is gone.
  rmSync(path, { force: true });
  const server = createServer((socket) => socket.end());
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(path, resolve);
  });
  return ok(server.unref());
}

const isAnswered = (path: string): Promise<boolean> =>
  new Promise((resolve) => {
    const socket = connect(path, () => {
      socket.destroy();
      resolve(true);
    });
    socket.on('error', () => resolve(false));
  });
