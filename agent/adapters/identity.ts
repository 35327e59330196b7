// Who this node is: a key that is made once, from the kernel's generator, and never written over. What is wrong with its file is told and
// never mended by another key, because a node with another key is another node. Knows no ubus: what the board is comes from outside.

import type { SecretKey } from '../core/brand.ts';
import type { Bonds } from '../core/nameplate.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Host } from '../ports/host.ts';
import type { Identity } from '../wire/identity.ts';
import * as identity from '../wire/identity.ts';

type Ground = Pick<Host, 'files' | 'random' | 'sha256' | 'sha512' | 'process'>;

const mode = 0o600;
const pathOf = (folder: string): string => `${folder}/key`;

/** `isUnused`: nothing that anybody kept was signed here yet. */
export function open(ground: Ground, folder: string, bonds: Bonds, isUnused: boolean): Result<Identity> {
  const { files, random } = ground;
  const read = readKey(ground, folder);
  if (read.ok) return known(ground, read.value, bonds);
  if (read.fault.code !== 'ENOENT' && !(isUnused && isBegun(ground, folder))) return read;
  if (read.fault.code !== 'ENOENT') {
    const removed = files.remove(pathOf(folder));
    if (!removed.ok) return { ok: false, fault: under('key', removed.fault) };
  }
  const secret = random(identity.secretSize) as SecretKey;
  const created = files.create(pathOf(folder), identity.encode(secret, identity.fingerprintOf(bonds[0], ground), ground), mode);
  return created.ok ? ok(identity.identityOf(secret, ground)) : { ok: false, fault: under('key', created.fault) };
}

/** Whoever's board it was made on. Makes nothing. */
export function look(ground: Ground, folder: string): Result<Identity> {
  const kept = readKey(ground, folder);
  return kept.ok ? ok(identity.identityOf(kept.value.secret, ground)) : kept;
}

type Kept = Readonly<{ secret: SecretKey; board: identity.Fingerprint }>;

function known(ground: Ground, { secret, board }: Kept, bonds: Bonds): Result<Identity> {
  if (!bonds.some((bond) => identity.fingerprintOf(bond, ground) === board))
    return fail('denied', 'key.board', 'made on another router: a copied image? Remove the key, or restore it from its backup here');
  return ok(identity.identityOf(secret, ground));
}

function readKey(ground: Ground, folder: string): Result<Kept> {
  const { files, process } = ground;
  const path = pathOf(folder);
  const stat = files.stat(path);
  if (!stat.ok) return { ok: false, fault: under('key', stat.fault) };
  const { kind, uid } = stat.value;
  if (kind !== 'file') return fail('denied', 'key', 'is no plain file');
  // The command line is root's, the file the agent's.
  if (process.uid !== 0 && uid !== process.uid) return fail('denied', 'key', `belongs to user ${uid}`);
  if (stat.value.mode !== mode) return fail('denied', 'key', `has mode ${stat.value.mode.toString(8)}, not 600: who else knows it?`);
  const bytes = files.read(path, identity.size);
  return bytes.ok ? identity.decode(bytes.value, ground) : { ok: false, fault: under('key', bytes.fault) };
}

/** Power was cut while the very first key was written: it is a part of one, and nothing else was written here but that we started. */
function isBegun({ files }: Ground, folder: string): boolean {
  const [stat, list] = [files.stat(pathOf(folder)), files.list(folder)];
  if (!stat.ok || !list.ok || stat.value.kind !== 'file') return false;
  return stat.value.size < identity.size && list.value.every((name) => name === 'key' || name === 'journal');
}

// ── Backup ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The file's bytes. `saved` says afterwards that they are in somebody's hands. */
export function backup(ground: Ground, folder: string, passphrase: string): Result<Uint8Array> {
  const kept = readKey(ground, folder);
  return kept.ok ? identity.seal(kept.value.secret, passphrase, ground.random(identity.saltSize), ground) : kept;
}

export const save = ({ files }: Ground, folder: string): Result<void> => files.replace(`${folder}/saved`, new Uint8Array(), mode);
/** Until then status reminds of it. */
export const isSaved = ({ files }: Ground, folder: string): boolean => files.stat(`${folder}/saved`).ok;

/** On this board from now on. Never over a key that is there. */
export function restore(ground: Ground, folder: string, [best]: Bonds, bytes: Uint8Array, passphrase: string): Result<Identity> {
  const secret = identity.unseal(bytes, passphrase, ground);
  if (!secret.ok) return secret;
  const key = identity.encode(secret.value, identity.fingerprintOf(best, ground), ground);
  const created = ground.files.create(pathOf(folder), key, mode);
  return created.ok ? ok(identity.identityOf(secret.value, ground)) : { ok: false, fault: under('key', created.fault) };
}
