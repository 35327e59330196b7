// A receipt as a busy session has it, for what is measured of receipts. Runs on every host.

import type { ByteCount, SecretKey } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Micro, Price } from '../../agent/core/grant.ts';
import type { Hashes } from '../../agent/core/hash.ts';
import type { Link, Reading } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import type { Generation, Pair } from '../../agent/core/seat.ts';
import type { BootId, GrantId } from '../../agent/core/signed.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as wire from '../../agent/wire/receipt.ts';

export const signerOf = (name: string, { sha256, sha512 }: Hashes): ed25519.Signer =>
  ed25519.signer(sha256(new TextEncoder().encode(name)) as SecretKey, sha512);

export const price: Price = { micro: 1200n as Micro, currency: 'EUR' };
const both = (up: bigint, down: bigint): Pair<ByteCount> => ({ up: up as ByteCount, down: down as ByteCount });

/** `up`: milliseconds, and so how much has passed: 2 Mbit/s and an eighth of it up. */
export function readingAt(up: number): Reading {
  const bytes = BigInt(Math.floor(up)) * 250n;
  return {
    boot: '0123456789abcdef' as BootId,
    up: millis(Math.floor(up)),
    wall: { at: seconds(1_795_176_000), trust: 'network' },
    counted: both(bytes / 8n, bytes),
    packets: both(bytes / 9000n, bytes / 1300n),
    generation: 0x8123_4567 as Generation,
    tunnel: both(bytes / 7n, bytes),
    gap: null,
    left: { kind: 'shared', bytes: (1n << 40n) as ByteCount },
  };
}

export type Sealed = Readonly<{ link: Link; signed: cose.Verified; bytes: Uint8Array }>;

export function seal(link: Link, up: number, terms: GrantId, node: ed25519.Signer, hashes: Hashes): Sealed {
  const standing = { terms, witnessed: link.sequence === 0 ? null : link.sequence, final: null };
  const receipt = receipts.next(link, readingAt(up), price, standing);
  const signed = cose.sign('receipt', wire.receipt.write(receipt), node, hashes);
  return { link: { ...link, sequence: receipt.sequence, digest: cose.digestOf(signed, hashes) }, signed, bytes: cose.encode(signed) };
}
