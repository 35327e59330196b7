// A folder of small files, mode 0600.

import { closeSync, fsyncSync, mkdirSync, openSync, readdirSync, readFileSync, statSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { type Errno, fail, ok, type Result } from '../../agent/core/result.ts';
import type { Folder } from '../ports/folder.ts';

function attempt<T>(name: string, work: () => T): Result<T> {
  try {
    return ok(work());
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    return fail(code as Errno, name, message);
  }
}

const isPublic = /\.(pub|certificate)$/;

/** One that is there. */
export function open(path: string): Result<Folder> {
  const stat = attempt('', () => statSync(path));
  if (!stat.ok) return stat;
  return stat.value.isDirectory() ? ok(folder(path)) : fail('malformed', '', 'is no folder');
}

export function make(path: string): Result<Folder> {
  const made = attempt('', () => mkdirSync(path, { mode: 0o700 }));
  return made.ok || made.fault.code === 'EEXIST' ? open(path) : made;
}

/** Anybody's: a certificate, say. */
export const readFile = (path: string): Result<Uint8Array> => attempt('', () => new Uint8Array(readFileSync(path)));

function folder(path: string): Folder {
  return {
    read: (name) => {
      const stat = attempt(name, () => statSync(join(path, name)));
      if (!stat.ok) return stat;
      if (!isPublic.test(name) && (stat.value.mode & 0o077) !== 0) return fail('denied', name, 'others may read the file: chmod 600');
      return attempt(name, () => new Uint8Array(readFileSync(join(path, name))));
    },
    create: (name, bytes) =>
      attempt(name, () => {
        const file = openSync(join(path, name), 'wx', 0o600);
        try {
          writeSync(file, bytes);
          fsyncSync(file);
        } finally {
          closeSync(file);
        }
      }),
    list: (pattern) =>
      readdirSync(path)
        .filter((name) => pattern.test(name))
        .sort(),
  };
}
