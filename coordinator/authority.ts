// Whose word this coordinator gives: the root's public key, the certificates it has signed, and the command keys here. The root's secret is
// used by `coordinator certify` alone, on a machine of its own if need be; the running coordinator never opens it.

import type { PublicKey, SecretKey } from '../agent/core/brand.ts';
import type { Certificate, Role } from '../agent/core/keyring.ts';
import { fail, ok, type Result, under } from '../agent/core/result.ts';
import type { KeyId } from '../agent/core/signed.ts';
import type { Signer } from '../agent/crypto/ed25519.ts';
import * as ed25519 from '../agent/crypto/ed25519.ts';
import * as cose from '../agent/wire/cose.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import { certificate as form } from '../agent/wire/grant.ts';
import { hashes } from './hashes.ts';
import type { Folder } from './ports/folder.ts';

export type Held = Readonly<{ signer: Signer; certificate: Certificate; bytes: Uint8Array }>;
/** `held`: those that count, the newest first. `signed`: every certificate of the root, for what was signed under them. */
export type Authority = Readonly<{ root: KeyId; rootKey: PublicKey; held: readonly Held[]; signed: readonly Uint8Array[] }>;

const keyFile = /^weir (root|command) key 1\nsecret ([0-9a-f]{64})\n$/;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

export const renderKey = (kind: 'root' | 'command', secret: Uint8Array): Uint8Array =>
  encoder.encode(`weir ${kind} key 1\nsecret ${hexOf(secret)}\n`);

export function readKey(kind: 'root' | 'command', bytes: Uint8Array): Result<Signer> {
  const [, named, hex] = keyFile.exec(decoder.decode(bytes)) ?? [];
  if (named !== kind || hex === undefined) return fail('malformed', '', `no file of a ${kind} key`);
  return ok(ed25519.signer(bytesOf(hex) as SecretKey, hashes.sha512));
}

export const certify = (root: Signer, certificate: Certificate): Uint8Array =>
  cose.encode(cose.sign('certificate', form.write(certificate), root, hashes));

/** Of the folder: `root.pub`, and each `*.certificate` with the `command-*.key` that it is for. */
export function read(folder: Folder): Result<Authority> {
  const hex = folder.read('root.pub');
  if (!hex.ok) return hex;
  const text = decoder.decode(hex.value).trim();
  if (!/^[0-9a-f]{64}$/.test(text)) return fail('malformed', 'root.pub', 'expected 32 bytes in hex');
  const rootKey = bytesOf(text) as PublicKey;
  const signers = new Map<string, Signer>();
  for (const name of folder.list(/^command-\d+\.key$/)) {
    const bytes = folder.read(name);
    if (!bytes.ok) return bytes;
    const signer = readKey('command', bytes.value);
    if (!signer.ok) return { ok: false, fault: under(name, signer.fault) };
    signers.set(hexOf(signer.value.key), signer.value);
  }
  const signed: Readonly<{ certificate: Certificate; bytes: Uint8Array }>[] = [];
  for (const name of folder.list(/\.certificate$/)) {
    const bytes = folder.read(name);
    if (!bytes.ok) return bytes;
    const message = cose.decode(bytes.value);
    const verified = message.ok ? cose.verify(message.value, rootKey, hashes) : message;
    const certificate = verified.ok ? cose.read(verified.value, 'certificate', form) : verified;
    if (!certificate.ok) return { ok: false, fault: under(name, certificate.fault) };
    signed.push({ certificate: certificate.value, bytes: bytes.value });
  }
  const least = Math.max(0, ...signed.map(({ certificate }) => certificate.least));
  const held = signed
    .flatMap(({ certificate, bytes }): Held[] => {
      const signer = signers.get(hexOf(certificate.key));
      return signer === undefined || certificate.serial < least ? [] : [{ signer, certificate, bytes }];
    })
    .sort((a, b) => b.certificate.serial - a.certificate.serial);
  return ok({ root: cose.keyIdOf(rootKey, hashes), rootKey, held, signed: signed.map(({ bytes }) => bytes) });
}

/** The newest key that may do this, and is in time. */
export function pick({ held }: Authority, role: Role, now: number): Result<Held> {
  const found = held.find(({ certificate }) => certificate.may.includes(role) && certificate.until >= now);
  return found === undefined ? fail('expired', 'certificate', `none gives the right to ${role}: coordinator certify`) : ok(found);
}

/** For whoever keeps it, in words. */
export function standing({ held }: Authority, now: number): string {
  const until = Math.max(0, ...held.map(({ certificate }) => certificate.until));
  if (until < now) return 'no command key is certified: nothing can be granted or ordered until certify has signed one';
  return `command keys are certified for ${Math.floor((until - now) / 86_400)} days more`;
}

/** What a node has to know before it listens, the oldest first, so that the newest decides what is void. */
export const certificates = ({ held }: Authority, now: number): readonly Uint8Array[] =>
  held
    .filter(({ certificate }) => certificate.until >= now)
    .map(({ bytes }) => bytes)
    .reverse();
