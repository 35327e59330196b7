// What the coordinator's tests stand on: a database that is gone with the test, PGlite in memory or a PostgreSQL server of the test's own.

import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import { chownSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as pglite from '../../coordinator/adapters/pglite.ts';
import * as postgres from '../../coordinator/adapters/postgres.ts';
import type { Database } from '../../coordinator/ports/database.ts';
import * as schema from '../../coordinator/schema.ts';

export const kinds = ['PGlite', 'PostgreSQL'] as const;
export type Ground = Readonly<{ database: Database; stop(): Promise<void> }>;

export async function begin(kind: (typeof kinds)[number]): Promise<Ground> {
  if (kind === 'PGlite') {
    const opened = await pglite.open(null);
    if (!opened.ok) throw new Error(opened.fault.reason);
    const database = opened.value;
    await schema.migrate(database);
    return { database, stop: () => database.end() };
  }
  const server = await serve();
  const database = postgres.open(server.url, () => undefined);
  await schema.migrate(database);
  return {
    database,
    async stop() {
      await database.end();
      await server.stop();
    },
  };
}

export type Server = Readonly<{
  url: string;
  /** Its files. */
  folder: string;
  /** All there is in it, as text. */
  dump(): Buffer;

  kill(): Promise<void>;
  restart(): Promise<void>;
  stop(): Promise<void>;
}>;

/** On a unix socket in a folder of its own. PostgreSQL refuses to run as root: then it runs as Debian's user for it. */
export async function serve(): Promise<Server> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-postgres-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const [version] = readdirSync('/usr/lib/postgresql').sort().reverse();
  const bin = (name: string): string => `/usr/lib/postgresql/${version}/bin/${name}`;
  const who = process.getuid?.() === 0 ? idsOf('postgres') : null;
  if (who !== null) chownSync(dir, who.uid, who.gid);
  const options: SpawnOptions = { ...who, cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] };
  execFileSync(bin('initdb'), ['-D', join(dir, 'data'), '-U', 'weir', '-A', 'trust', '--no-sync', '-E', 'UTF8', '--no-locale'], {
    ...who,
    cwd: dir,
    stdio: 'ignore',
  });
  const start = async (): Promise<ChildProcess> => {
    const child = spawn(
      bin('postgres'),
      ['-D', join(dir, 'data'), '-k', dir, '-c', 'listen_addresses=', '-c', 'shared_buffers=16MB'],
      options,
    );
    const kill = (): unknown => child.kill('SIGKILL');
    process.once('exit', kill);
    child.on('exit', () => process.off('exit', kill));
    await new Promise<void>((resolve, reject) => {
      let said = '';
      child.stderr?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('ready to accept connections')) resolve();
      });
      child.on('error', reject);
      child.on('exit', (code) => reject(new Error(`postgres ended with ${code}:\n${said}`)));
    });
    return child;
  };
  const end = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
    child.exitCode !== null || child.signalCode !== null
      ? Promise.resolve()
      : new Promise((resolve) => {
          child.once('exit', () => resolve());
          child.kill(signal);
        });
  let child = await start();
  const url = `postgresql://weir@/postgres?host=${encodeURIComponent(dir)}`;
  return {
    url,
    folder: dir,
    dump: () => execFileSync(bin('pg_dump'), [url], { maxBuffer: 1 << 28 }),
    // All of it at once, as its own crash would: an immediate shutdown writes nothing.
    kill: () => end(child, 'SIGQUIT'),
    async restart() {
      child = await start();
    },
    async stop() {
      await end(child, 'SIGINT');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function idsOf(user: string): { uid: number; gid: number } {
  const id = (flag: string): number => Number(execFileSync('id', [flag, user], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}
