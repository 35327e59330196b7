// The consumer's keys: one file with the secret of its WireGuard tunnel and that of its countersignatures. Never written over, never logged.

import type { PublicKey, SecretKey } from '../core/brand.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import * as ed25519 from '../crypto/ed25519.ts';
import * as x25519 from '../crypto/x25519.ts';
import type { Files, Host } from '../ports/host.ts';
import { bytesOf, hexOf } from '../wire/form.ts';

export type Keys = Readonly<{ tunnel: SecretKey; signer: ed25519.Signer; public: Readonly<{ tunnel: PublicKey; signer: PublicKey }> }>;

const mode = 0o600;
const size = 32;
const pattern = /^weir consumer keys 1\ntunnel ([0-9a-f]{64})\nsigner ([0-9a-f]{64})\n$/;

export function create({ files, random }: Pick<Host, 'files' | 'random'>, path: string): Result<void> {
  const lines = ['weir consumer keys 1', `tunnel ${hexOf(random(size))}`, `signer ${hexOf(random(size))}`, ''];
  const created = files.create(path, new TextEncoder().encode(lines.join('\n')), mode);
  return created.ok ? created : { ok: false, fault: under('keys', created.fault) };
}

export function read({ files, sha512 }: { files: Files } & Pick<Host, 'sha512'>, path: string): Result<Keys> {
  const stat = files.stat(path);
  if (!stat.ok) return { ok: false, fault: under('keys', stat.fault) };
  if ((stat.value.mode & 0o077) !== 0) return fail('denied', 'keys', 'others may read the file: chmod 600');
  const bytes = files.read(path, 1024);
  if (!bytes.ok) return { ok: false, fault: under('keys', bytes.fault) };
  const [, tunnelHex, signerHex] = pattern.exec(new TextDecoder().decode(bytes.value)) ?? [];
  if (tunnelHex === undefined || signerHex === undefined) return fail('malformed', 'keys', 'no file of consumer keys');
  const tunnel = bytesOf(tunnelHex) as SecretKey;
  const signer = ed25519.signer(bytesOf(signerHex) as SecretKey, sha512);
  return ok({ tunnel, signer, public: { tunnel: x25519.publicKey(tunnel), signer: signer.key } });
}
