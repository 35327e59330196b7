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

export function open(path: string): Folder {
  mkdirSync(path, { recursive: true, mode: 0o700 });
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
