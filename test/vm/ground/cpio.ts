// Writes a cpio archive (newc), the form in which a kernel takes its first file system. Knows no compression and no links.

export type Entry = Readonly<{ path: string; mode: number; bytes: Uint8Array }>;

/** Paths are absolute; the directories on the way to each are made. */
export function encode(entries: readonly Entry[]): Buffer {
  const directories = [...new Set(entries.flatMap((entry) => ancestors(entry.path)))].sort();
  const all = [
    ...directories.map((path) => ({ path, mode: 0o040755, bytes: new Uint8Array() })),
    ...entries.map((entry) => ({ ...entry, mode: 0o100000 | entry.mode })),
    { path: '/TRAILER!!!', mode: 0, bytes: new Uint8Array() },
  ];
  return Buffer.concat(all.flatMap((entry, index) => [header(entry, index), padded(Buffer.from(entry.bytes))]));
}

const ancestors = (path: string): string[] =>
  path
    .split('/')
    .slice(1, -1)
    .map((_, index, names) => `/${names.slice(0, index + 1).join('/')}`);

function header(entry: Entry, index: number): Buffer {
  const name = `${entry.path.slice(1)}\0`;
  // ino mode uid gid nlink mtime filesize devmajor devminor rdevmajor rdevminor namesize check
  const fields = [index + 1, entry.mode, 0, 0, 1, 0, entry.bytes.length, 0, 0, 0, 0, Buffer.byteLength(name), 0];
  return padded(Buffer.from(`070701${fields.map((field) => field.toString(16).padStart(8, '0')).join('')}${name}`));
}

const padded = (bytes: Buffer): Buffer => Buffer.concat([bytes, Buffer.alloc(-bytes.length & 3)]);
