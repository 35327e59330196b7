// opkg's packages and indexes, as OpenWrt 24.10 installs them: a gzipped archive of two gzipped archives, and a text that lists packages with
// their hashes, which usign signs. Writes and reads; what is read was checked.

import { createHash, createPrivateKey, createPublicKey, type KeyObject, sign, verify } from 'node:crypto';
import { gunzipSync, gzipSync } from 'node:zlib';
import { type Entry, fullVersion, inOrder, type Payload, type Script } from './payload.ts';
import * as tar from './tar.ts';

const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');
/** Says nothing of when and where it was made. */
const zip = (bytes: Buffer): Buffer => gzipSync(bytes, { level: 9 });
const mostInside = 64 << 20;
const unzip = (bytes: Uint8Array): Buffer => gunzipSync(bytes, { maxOutputLength: mostInside });

/** opkg knows no upgrade scripts: it calls these with PKG_UPGRADE=1. */
const scripts: readonly Script[] = ['postinst', 'prerm', 'postrm'];

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

function controlOf(p: Payload): string {
  const size = p.entries.reduce((sum, { bytes }) => sum + bytes.length, 0);
  return [
    `Package: ${p.name}`,
    `Version: ${fullVersion(p)}`,
    ...(p.depends.length === 0 ? [] : [`Depends: ${p.depends.join(', ')}`]),
    `Source: ${p.url}`,
    `SourceName: ${p.name}`,
    `License: ${p.license}`,
    `Section: ${p.section}`,
    ...(p.user === null ? [] : [`Require-User: ${p.user}:${p.user}`]),
    `SourceDateEpoch: ${p.time}`,
    `URL: ${p.url}`,
    `Maintainer: ${p.maintainer}`,
    `Architecture: ${p.arch ?? 'all'}`,
    `Installed-Size: ${size}`,
    `Description:  ${p.description}`,
    '',
  ].join('\n');
}

/** With the folders above them. */
function archive(entries: readonly Entry[], time: number): Buffer {
  const folders = new Set(['.']);
  for (const { path } of entries)
    for (let at = path.lastIndexOf('/'); at > 0; at = path.lastIndexOf('/', at - 1)) folders.add(`.${path.slice(0, at)}`);
  const members: readonly tar.Member[] = [
    ...[...folders].map((name) => ({ name: `${name}/`, mode: 0o755, time, bytes: null })),
    ...entries.map(({ path, mode, bytes }) => ({ name: `.${path}`, mode, time, bytes })),
  ];
  return zip(tar.write(inOrder(members, ({ name }) => name)));
}

export function write(p: Payload): Buffer {
  const text = (name: string, mode: number, content: string): Entry => ({ path: `/${name}`, mode, bytes: Buffer.from(content) });
  const control = [
    text('control', 0o644, controlOf(p)),
    ...(p.conffiles.length === 0 ? [] : [text('conffiles', 0o644, `${p.conffiles.join('\n')}\n`)]),
    ...scripts.flatMap((name) => {
      const script = p.scripts[name];
      return script === undefined ? [] : [text(name, 0o755, script)];
    }),
  ];
  const member = (name: string, bytes: Uint8Array): tar.Member => ({ name: `./${name}`, mode: 0o644, time: p.time, bytes });
  return zip(
    tar.write([
      member('debian-binary', Buffer.from('2.0\n')),
      member('data.tar.gz', archive(p.entries, p.time)),
      member('control.tar.gz', archive(control, p.time)),
    ]),
  );
}

export type Named = Readonly<{ file: string; bytes: Buffer }>;

/** The text of `Packages`; `Packages.gz` is the same, gzipped. */
export const writeIndex = (packages: readonly Named[]): string =>
  inOrder(packages, ({ file }) => file)
    .map(({ file, bytes }) => {
      const lines = read(bytes).control.trimEnd().split('\n');
      const told = [`Filename: ${file}`, `Size: ${bytes.length}`, `SHA256sum: ${sha256(bytes)}`];
      return `${[...lines.slice(0, -1), ...told, ...lines.slice(-1)].join('\n')}\n\n`;
    })
    .join('');

export const zipIndex = (text: string): Buffer => zip(Buffer.from(text));

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** usign's public key: opkg looks for it by its number under /etc/opkg/keys. */
export type Key = Readonly<{ number: Buffer; key: KeyObject }>;

const spki = Buffer.from('302a300506032b6570032100', 'hex');
const pkcs8 = Buffer.from('302e020100300506032b657004220420', 'hex');

const lineOf = (file: string): Buffer => Buffer.from(file.trimEnd().split('\n')[1] ?? '', 'base64');
const must = (isSo: boolean, why: string): void => {
  if (!isSo) throw new Error(`ipk: ${why}`);
};

/** Of a file made by `usign -G -s FILE`. */
export function secretKey(file: string): Key {
  const bytes = lineOf(file);
  must(bytes.length === 104 && bytes.toString('latin1', 0, 4) === 'EdBK', 'no secret key of usign');
  const key = createPrivateKey({ key: Buffer.concat([pkcs8, bytes.subarray(40, 72)]), format: 'der', type: 'pkcs8' });
  return { number: bytes.subarray(32, 40), key };
}

export function publicKey(file: string): Key {
  const bytes = lineOf(file);
  must(bytes.length === 42 && bytes.toString('latin1', 0, 2) === 'Ed', 'no public key of usign');
  return {
    number: bytes.subarray(2, 10),
    key: createPublicKey({ key: Buffer.concat([spki, bytes.subarray(10)]), format: 'der', type: 'spki' }),
  };
}

/** As `usign -G -p FILE` writes it. */
export function renderKey({ number, key }: Key): string {
  const { x = '' } = createPublicKey(key).export({ format: 'jwk' });
  const bytes = Buffer.concat([Buffer.from('Ed'), number, Buffer.from(x, 'base64url')]);
  return `untrusted comment: public key ${number.toString('hex')}\n${bytes.toString('base64')}\n`;
}

export function signIndex(text: string, { number, key }: Key): string {
  const signature = Buffer.concat([Buffer.from('Ed'), number, sign(null, Buffer.from(text), key)]);
  return `untrusted comment: signed by key ${number.toString('hex')}\n${signature.toString('base64')}\n`;
}

export function isSigned(text: string, signature: string, { number, key }: Key): boolean {
  const bytes = lineOf(signature);
  if (bytes.length !== 74 || bytes.toString('latin1', 0, 2) !== 'Ed' || !bytes.subarray(2, 10).equals(number)) return false;
  return verify(null, Buffer.from(text), key, bytes.subarray(10));
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Read = Readonly<{
  control: string;
  conffiles: readonly string[];
  scripts: Readonly<Record<string, string>>;
  entries: readonly Entry[];
}>;

export function read(bytes: Uint8Array): Read {
  const members = tar.read(unzip(bytes));
  const [version, data, control] = members.map((member) => Buffer.from(member.bytes ?? ''));
  must(members.map(({ name }) => name).join() === './debian-binary,./data.tar.gz,./control.tar.gz', 'other members than expected');
  if (version === undefined || data === undefined || control === undefined) throw new Error('ipk: three members were expected');
  must(version.toString() === '2.0\n', 'another version');
  const about = new Map(entriesIn(control).map(({ path, bytes: content }) => [path.slice(1), Buffer.from(content).toString()]));
  const text = about.get('control');
  if (text === undefined) throw new Error('ipk: no control');
  return {
    control: text,
    conffiles: (about.get('conffiles') ?? '').split('\n').filter((line) => line !== ''),
    scripts: Object.fromEntries([...about].filter(([name]) => scripts.includes(name as Script))),
    entries: entriesIn(data),
  };
}

const entriesIn = (zipped: Buffer): Entry[] =>
  tar.read(unzip(zipped)).flatMap(({ name, mode, bytes }): Entry[] => {
    must(name === './' || (/^\.\/[^/]/.test(name) && !name.split('/').includes('..')), `${name} is no path inside`);
    return bytes === null ? [] : [{ path: name.slice(1), mode, bytes }];
  });

export type Indexed = ReadonlyMap<string, string>;

export const readIndex = (text: string): readonly Indexed[] =>
  text
    .split('\n\n')
    .filter((paragraph) => paragraph !== '')
    .map(
      (paragraph) =>
        new Map(
          paragraph
            .split('\n')
            .map((line): [string, string] => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]),
        ),
    );

/** Whether the index tells of this very file. */
export const isListed = (index: readonly Indexed[], { file, bytes }: Named): boolean =>
  index.some((one) => one.get('Filename') === file && one.get('Size') === `${bytes.length}` && one.get('SHA256sum') === sha256(bytes));
