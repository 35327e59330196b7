// Files in memory that remember what each write left, and what a power cut in the middle of it would have.

import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Files } from '../../agent/ports/host.ts';

export type Write = Readonly<{ path: string; before: Uint8Array; after: Uint8Array; kind: 'append' | 'replace' }>;
export type Flash = Files &
  Readonly<{ writes: readonly Write[]; hold(path: string, bytes: Uint8Array): void; set(trouble: Trouble): void }>;
/** cut: half of what is appended stays there. dead: nothing is written any more. */
export type Trouble = 'none' | 'read-only' | 'full' | 'cut' | 'dead';

export function flash(): Flash {
  const contents = new Map<string, Uint8Array>();
  const writes: Write[] = [];
  let trouble: Trouble = 'none';
  const unused = (): never => {
    throw new Error('flash: not expected');
  };
  function put(kind: Write['kind'], path: string, after: Uint8Array): Result<void> {
    if (trouble === 'read-only') return fail('EROFS', path, 'read-only');
    if (trouble === 'dead') return fail('EIO', path, 'dead');
    if (trouble === 'full') return fail('ENOSPC', path, 'no space left');
    const before = contents.get(path) ?? new Uint8Array();
    if (trouble === 'cut' && kind === 'append') {
      contents.set(path, after.slice(0, (before.length + after.length) >> 1));
      return fail('EIO', path, 'cut');
    }
    contents.set(path, after);
    writes.push({ path, before, after, kind });
    return ok(undefined);
  }
  return {
    writes,
    hold: (path, bytes) => void contents.set(path, bytes),
    set(t) {
      trouble = t;
    },
    read(path, most) {
      const bytes = contents.get(path);
      if (bytes === undefined) return fail('ENOENT', path, 'no such file');
      return bytes.length > most ? fail('limit', path, 'too long') : ok(bytes.slice());
    },
    replace: (path, bytes) => put('replace', path, bytes.slice()),
    append(path, bytes) {
      const before = contents.get(path) ?? new Uint8Array();
      const after = new Uint8Array(before.length + bytes.length);
      after.set(before);
      after.set(bytes, before.length);
      return put('append', path, after);
    },
    create: (path, bytes) => (contents.has(path) ? fail('EEXIST', path, 'there already') : put('append', path, bytes.slice())),
    list: () => ok([...contents.keys()].sort()),
    remove: (path) => (contents.delete(path) ? ok(undefined) : fail('ENOENT', path, 'no such file')),
    makeDirectory: unused,
    stat: unused,
  };
}
