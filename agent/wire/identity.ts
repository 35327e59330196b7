// The node's key as it is kept: the file on the router, bound to its board, and the backup, sealed by a passphrase. Both are text of a few
// lines, so that a person can see what they are. Knows no file.

import type { SecretKey } from '../core/brand.ts';
import type { Hashes } from '../core/hash.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { KeyId } from '../core/signed.ts';
import type { Signer } from '../crypto/ed25519.ts';
import * as ed25519 from '../crypto/ed25519.ts';
import { derive, hmac } from '../crypto/pbkdf2.ts';
import { keyIdOf } from './cose.ts';
import { bytesOf, hexOf } from './form.ts';

export type Identity = Readonly<{ id: KeyId; signer: Signer }>;
/** Of what tells one board from another, in hex. */
export type Fingerprint = string;

export const secretSize = 32;
export const saltSize = 16;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const fingerprintOf = (facts: string, { sha256 }: Hashes): Fingerprint => hexOf(sha256(encoder.encode(facts)));

export function identityOf(secret: SecretKey, hashes: Hashes): Identity {
  const signer = ed25519.signer(secret, hashes.sha512);
  return { id: keyIdOf(signer.key, hashes), signer };
}

// ── On the router ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const head = 'weir key 1';
const checkOf = (text: string, { sha256 }: Hashes): string => hexOf(sha256(encoder.encode(text))).slice(0, 32);

export function encode(secret: SecretKey, board: Fingerprint, hashes: Hashes): Uint8Array {
  const text = `${head}\nboard ${board}\nsecret ${hexOf(secret)}\n`;
  return encoder.encode(`${text}check ${checkOf(text, hashes)}\n`);
}

const lines = /^(weir key 1\nboard ([0-9a-f]{64})\nsecret ([0-9a-f]{64})\n)check ([0-9a-f]{32})\n$/;

export const size = head.length + 1 + 'board \n'.length + 64 + 'secret \n'.length + 64 + 'check \n'.length + 32;

export function decode(bytes: Uint8Array, hashes: Hashes): Result<Readonly<{ secret: SecretKey; board: Fingerprint }>> {
  const [, text, board, secret, check] = lines.exec(decoder.decode(bytes)) ?? [];
  if (text === undefined || board === undefined || secret === undefined || check !== checkOf(text, hashes))
    return fail('malformed', 'key', 'damaged: restore it from a backup, or remove it and the node becomes another');
  return ok({ secret: bytesOf(secret) as SecretKey, board });
}

// ── The backup ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** About 10 s on a MIPS router. Memory-hard functions do not fit there: scrypt as it is usual takes 16 MB, and minutes in this engine. */
export const rounds = 10_000;
const mostRounds = 10_000_000;
const leastPassphrase = 12;

/** 100 bits in five groups of four: no function has to make up for what it lacks. */
export function passphraseOf(random: (size: number) => Uint8Array): string {
  const digits = 'abcdefghijklmnopqrstuvwxyz234567';
  const letters = [...random(20)].map((byte) => digits[byte & 31]).join('');
  return (letters.match(/.{4}/g) ?? []).join('-');
}

/** What is typed on one keyboard is found again from another. */
const keyOf = (passphrase: string, salt: Uint8Array, count: number, { sha512 }: Hashes): Uint8Array =>
  derive(encoder.encode(passphrase.normalize('NFKC')), salt, count, sha512);

const tagOf = (key: Uint8Array, text: string, { sha512 }: Hashes): string =>
  hexOf(hmac(key.subarray(secretSize), encoder.encode(text), sha512).subarray(0, 32));

/** The key is as long as the secret and serves once, by a salt of its own: its first half hides, its second half proves. */
const hide = (key: Uint8Array, bytes: Uint8Array): Uint8Array => bytes.map((byte, i) => byte ^ Number(key[i]));

/** `salt`: of `saltSize` bytes from the kernel's generator, never used before. */
export function seal(secret: SecretKey, passphrase: string, salt: Uint8Array, hashes: Hashes): Result<Uint8Array> {
  if (passphrase.length < leastPassphrase) return fail('denied', 'passphrase', `at least ${leastPassphrase} characters`);
  const key = keyOf(passphrase, salt, rounds, hashes);
  const { id } = identityOf(secret, hashes);
  const text = `weir backup 1\nnode ${id}\nrounds ${rounds}\nsalt ${hexOf(salt)}\nsealed ${hexOf(hide(key, secret))}\n`;
  return ok(encoder.encode(`${text}tag ${tagOf(key, text, hashes)}\n`));
}

const backup = /^(weir backup 1\nnode ([a-z2-7]{16})\nrounds (\d{1,8})\nsalt ([0-9a-f]{32})\nsealed ([0-9a-f]{64})\n)tag ([0-9a-f]{64})\n$/;

export const mostBackup = 1024;

export function unseal(bytes: Uint8Array, passphrase: string, hashes: Hashes): Result<SecretKey> {
  const [, text, , count, salt, sealed, tag] = backup.exec(decoder.decode(bytes)) ?? [];
  if (text === undefined || count === undefined || salt === undefined || sealed === undefined || tag === undefined)
    return fail('malformed', 'backup', 'is no backup of a key, or damaged');
  // Whoever wrote the file would otherwise say how long this takes.
  if (Number(count) < 1 || Number(count) > mostRounds) return fail('limit', 'backup.rounds', `1 to ${mostRounds}`);
  const key = keyOf(passphrase, bytesOf(salt), Number(count), hashes);
  if (tagOf(key, text, hashes) !== tag) return fail('denied', 'passphrase', 'another passphrase, or a damaged backup');
  return ok(hide(key, bytesOf(sealed)) as SecretKey);
}
