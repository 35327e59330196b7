// apk's packages and indexes of version 3, as OpenWrt 25.12 installs them. Writes and reads; what is read was checked: every field, every
// hash, the signature where a key is given.

import { createHash, createPublicKey, type KeyObject, sign as signBytes, verify } from 'node:crypto';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import * as adb from './adb.ts';
import { type Entry, fullVersion, inOrder, type Payload, type Script } from './payload.ts';

const schemas = { package: 0x676b6370, index: 0x78646e69 };
const compressed = Buffer.from('ADBd');
const sha512 = 4;

const info = {
  name: 1,
  version: 2,
  hashes: 3,
  description: 4,
  arch: 5,
  license: 6,
  origin: 7,
  maintainer: 8,
  url: 9,
  buildTime: 11,
  installedSize: 12,
  fileSize: 13,
  depends: 15,
  provides: 16,
  replaces: 17,
} as const;
type Info = keyof typeof info;
const scripts: Readonly<Record<Script, number>> = { postinst: 3, prerm: 4, postrm: 5, preupgrade: 6, postupgrade: 7 };

const object = (fields: readonly (readonly [number, adb.Item | null])[]): adb.Item => ({
  fields: new Map(fields.flatMap(([at, value]): [number, adb.Item][] => (value === null ? [] : [[at, value]]))),
});
const digest = (algorithm: 'sha256' | 'sha512', ...parts: Uint8Array[]): Buffer => {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  return hash.digest();
};

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const dependency = (name: string): adb.Item => object([[1, name]]);
const rootsOwn = (mode: number): adb.Item =>
  object([
    [1, mode],
    [2, 'root'],
    [3, 'root'],
  ]);

function infoOf(p: Payload, size: number, hashes: Uint8Array): adb.Item {
  return object([
    [info.name, p.name],
    [info.version, fullVersion(p)],
    [info.hashes, hashes],
    [info.description, p.description],
    [info.arch, p.arch ?? 'noarch'],
    [info.license, p.license],
    [info.origin, p.name],
    [info.maintainer, p.maintainer],
    [info.url, p.url],
    [info.buildTime, p.time],
    [info.installedSize, size],
    [info.depends, inOrder(p.depends, (name) => name).map(dependency)],
  ]);
}

/** OpenWrt's own scripts read these lists: who is made, what is started, what an upgrade keeps. */
export function listed(p: Payload): readonly Entry[] {
  const at = (kind: string): string => `/lib/apk/packages/${p.name}.${kind}`;
  const text = (kind: string, content: string): Entry => ({ path: at(kind), mode: 0o644, bytes: Buffer.from(content) });
  const sums = p.conffiles.map((path) => {
    const entry = p.entries.find((each) => each.path === path);
    if (entry === undefined) throw new Error(`${p.name}: ${path} is no file of the package`);
    return `${path} ${digest('sha256', entry.bytes).toString('hex')}\n`;
  });
  const extra = [
    ...(p.conffiles.length === 0 ? [] : [text('conffiles', `${p.conffiles.join('\n')}\n`), text('conffiles_static', sums.join(''))]),
    ...(p.user === null ? [] : [text('rusers', `${p.user}:${p.user}\n`)]),
  ];
  const all = [...p.entries, ...extra];
  const list = inOrder([...all.map(({ path }) => path), at('list')], (path) => path);
  return [...all, text('list', `${list.join('\n')}\n`)];
}

type Folder = Readonly<{ name: string; files: readonly Entry[] }>;

function foldersOf(entries: readonly Entry[]): readonly Folder[] {
  const folders = new Map<string, Entry[]>();
  for (const entry of entries) {
    const name = entry.path.slice(1, entry.path.lastIndexOf('/'));
    folders.set(name, [...(folders.get(name) ?? []), entry]);
  }
  const named = [...folders].map(([name, files]) => ({ name, files: inOrder(files, ({ path }) => path) }));
  return inOrder(named, ({ name }) => name);
}

const baseOf = ({ path }: Entry): string => path.slice(path.lastIndexOf('/') + 1);

/** `key`: an EC key on P-256, as `openssl ecparam -name prime256v1 -genkey` makes it. */
export function write(p: Payload, key: KeyObject | null): Buffer {
  const folders = foldersOf(listed(p));
  const fileOf = (entry: Entry): adb.Item =>
    object([
      [1, baseOf(entry)],
      [2, rootsOwn(entry.mode)],
      [3, entry.bytes.length],
      [4, p.time],
      [5, digest('sha256', entry.bytes)],
    ]);
  const paths = folders.map(({ name, files }) =>
    object([
      [1, name],
      [2, rootsOwn(0o755)],
      [3, files.map(fileOf)],
    ]),
  );
  const given = Object.entries(p.scripts).map(([name, text]) => [scripts[name as Script], text] as const);
  const size = folders.flatMap(({ files }) => files).reduce((sum, { bytes }) => sum + bytes.length, 0);
  const blank = Buffer.alloc(20);
  const root = object([
    [1, infoOf(p, Math.max(1, size), blank)],
    [2, paths],
    [3, given.length === 0 ? null : object(given)],
  ]);
  const { bytes, at } = adb.encode(root, blank);
  // The package's id: of its description with nothing in this place.
  digest('sha256', bytes).copy(bytes, at, 0, blank.length);
  const data = folders.flatMap(({ files }, i) =>
    files.flatMap((entry, j): adb.Block[] => {
      const head = Buffer.alloc(8);
      head.writeUInt32LE(i + 1, 0);
      head.writeUInt32LE(j + 1, 4);
      return entry.bytes.length === 0 ? [] : [{ kind: 'data', bytes: Buffer.concat([head, entry.bytes]) }];
    }),
  );
  return compress(adb.file(schemas.package, [{ kind: 'adb', bytes }, ...signed(schemas.package, bytes, key), ...data]));
}

/** `packages`: as they were written. */
export function writeIndex(description: string, packages: readonly Buffer[], key: KeyObject | null): Buffer {
  const infos = packages.map((bytes) => {
    const [head] = adb.blocksOf(decompress(bytes), schemas.package);
    if (head === undefined) throw new Error('apk: no block');
    const fields = new Map(fieldsOf(fieldsOf(adb.decode(Buffer.from(head.bytes))).get(1)));
    fields.set(info.hashes, digest('sha256', head.bytes)).set(info.fileSize, bytes.length);
    return { fields };
  });
  const { bytes } = adb.encode(
    object([
      [1, description],
      [2, inOrder(infos, ({ fields }) => `${fields.get(info.name)}`)],
    ]),
  );
  return compress(adb.file(schemas.index, [{ kind: 'adb', bytes }, ...signed(schemas.index, bytes, key)]));
}

const compress = (bytes: Buffer): Buffer => Buffer.concat([compressed, deflateRawSync(bytes, { level: 9 })]);

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** apk knows a key by the first half of the SHA-512 of its point. */
function idOf(key: KeyObject): Buffer {
  const { kty, crv, x = '', y = '' } = key.export({ format: 'jwk' });
  if (kty !== 'EC' || crv !== 'P-256') throw new Error('apk: the key is not on P-256: openssl ecparam -name prime256v1 -genkey');
  return digest('sha512', Buffer.from([4]), Buffer.from(x, 'base64url'), Buffer.from(y, 'base64url')).subarray(0, 16);
}

function covered(schema: number, head: Uint8Array, described: Uint8Array): Buffer {
  const magic = Buffer.alloc(4);
  magic.writeUInt32LE(schema);
  return Buffer.concat([magic, head, digest('sha512', described)]);
}

function signed(schema: number, described: Uint8Array, key: KeyObject | null): adb.Block[] {
  if (key === null) return [];
  const head = Buffer.concat([Buffer.from([0, sha512]), idOf(createPublicKey(key))]);
  return [{ kind: 'signature', bytes: Buffer.concat([head, signBytes('sha512', covered(schema, head, described), key)]) }];
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const must = (isSo: boolean, why: string): void => {
  if (!isSo) throw new Error(`apk: ${why}`);
};
const fieldsOf = (item: adb.Item | undefined): ReadonlyMap<number, adb.Item> => {
  if (!adb.isObject(item)) throw new Error('apk: expected an object');
  return item.fields;
};
const bytesOf = (item: adb.Item | undefined): Buffer => {
  if (!(item instanceof Uint8Array)) throw new Error('apk: expected a blob');
  return Buffer.from(item);
};
const textOf = (item: adb.Item | undefined): string => bytesOf(item).toString();
const numberOf = (item: adb.Item | undefined): number => {
  if (typeof item !== 'number') throw new Error('apk: expected a number');
  return item;
};
const itemsOf = (item: adb.Item | undefined): readonly adb.Item[] => {
  if (!Array.isArray(item)) throw new Error('apk: expected an array');
  return item as readonly adb.Item[];
};

const mostInside = 64 << 20;
function decompress(bytes: Buffer): Buffer {
  must(bytes.subarray(0, 4).equals(compressed), 'is not a compressed package of version 3');
  return inflateRawSync(bytes.subarray(4), { maxOutputLength: mostInside });
}

type Described = Readonly<Partial<Record<Exclude<Info, 'hashes' | 'depends'>, string | number>>> &
  Readonly<{ hashes: string; depends: readonly string[] }>;

function describedIn(item: adb.Item | undefined): Described {
  const fields = fieldsOf(item);
  const names = new Map(Object.entries(info).map(([name, at]) => [at as number, name as Info]));
  const rest = [...fields].flatMap(([at, value]): [Info, string | number][] => {
    const name = names.get(at);
    if (name === undefined) throw new Error(`apk: field ${at} of a package`);
    if (name === 'depends' || name === 'hashes') return [];
    return [[name, typeof value === 'number' ? value : textOf(value)]];
  });
  const depends = fields.has(info.depends) ? itemsOf(fields.get(info.depends)).map((each) => textOf(fieldsOf(each).get(1))) : [];
  return { ...Object.fromEntries(rest), hashes: bytesOf(fields.get(info.hashes)).toString('hex'), depends };
}

function opened(bytes: Buffer, schema: number, key: KeyObject | null): Readonly<{ root: adb.Item; head: Buffer; data: readonly Buffer[] }> {
  const blocks = adb.blocksOf(decompress(bytes), schema);
  const [head, ...rest] = blocks.map((block) => ({ ...block, bytes: Buffer.from(block.bytes) }));
  if (head === undefined) throw new Error('apk: no block');
  const signatures = rest.filter(({ kind }) => kind === 'signature').map((block) => block.bytes);
  if (key !== null)
    must(
      signatures.some((signature) => isSignedBy(schema, head.bytes, signature, key)),
      'not signed by this key',
    );
  return { root: adb.decode(head.bytes), head: head.bytes, data: rest.filter(({ kind }) => kind === 'data').map((block) => block.bytes) };
}

function isSignedBy(schema: number, described: Buffer, signature: Buffer, key: KeyObject): boolean {
  const head = signature.subarray(0, 18);
  if (head[0] !== 0 || head[1] !== sha512 || !head.subarray(2).equals(idOf(key))) return false;
  return verify('sha512', covered(schema, head, described), key, signature.subarray(18));
}

/** `hash`: what an index knows it by; it covers all but the files' contents, whose own hashes are in it. */
export type Read = Readonly<{ info: Described; hash: string; scripts: Readonly<Record<string, string>>; entries: readonly Entry[] }>;

/** `key`: whose signature it must have. */
export function read(bytes: Buffer, key: KeyObject | null): Read {
  const { root, head, data } = opened(bytes, schemas.package, key);
  const fields = fieldsOf(root);
  const described = describedIn(fields.get(1));
  const at = head.indexOf(Buffer.from(described.hashes, 'hex'));
  const blank = Buffer.from(head);
  blank.fill(0, at, at + 20);
  must(digest('sha256', blank).subarray(0, 20).toString('hex') === described.hashes, 'its id is not that of its description');

  const contents = [...data];
  const entries = itemsOf(fields.get(2)).flatMap((folder, i) => {
    const named = fieldsOf(folder);
    const parent = named.has(1) ? `/${textOf(named.get(1))}` : '';
    return itemsOf(named.get(3)).map((one, j): Entry => {
      const file = fieldsOf(one);
      const path = `${parent}/${textOf(file.get(1))}`;
      const owner = fieldsOf(file.get(2));
      must(textOf(owner.get(2)) === 'root' && textOf(owner.get(3)) === 'root', `${path} is not root's`);
      const size = file.has(3) ? numberOf(file.get(3)) : 0;
      const block = size === 0 ? null : contents.shift();
      if (block === undefined) throw new Error(`apk: ${path} has no content`);
      if (block !== null) must(block.readUInt32LE(0) === i + 1 && block.readUInt32LE(4) === j + 1, `${path} is not where it is said to be`);
      const content = block === null ? Buffer.alloc(0) : block.subarray(8);
      must(content.length === size && digest('sha256', content).equals(bytesOf(file.get(5))), `${path} is not what it is said to be`);
      return { path, mode: numberOf(owner.get(1)), bytes: content };
    });
  });
  must(contents.length === 0, 'content of no file');
  const given = fields.has(3) ? fieldsOf(fields.get(3)) : new Map<number, adb.Item>();
  const texts = Object.entries(scripts).flatMap(([name, slot]) => (given.has(slot) ? [[name, textOf(given.get(slot))]] : []));
  return { info: described, hash: digest('sha256', head).toString('hex'), scripts: Object.fromEntries(texts), entries };
}

export function readIndex(bytes: Buffer, key: KeyObject | null): Readonly<{ description: string; packages: readonly Described[] }> {
  const { root } = opened(bytes, schemas.index, key);
  const fields = fieldsOf(root);
  return { description: textOf(fields.get(1)), packages: itemsOf(fields.get(2)).map(describedIn) };
}
