// X25519 (RFC 7748), as far as a WireGuard key pair needs it: the public key of a secret. The multiple of the base point is taken on Edwards'
// curve, whose table ed25519.ts has already, and carried over. Agrees on no key with anybody.

import { etc, Point } from '@noble/ed25519';
import type { PublicKey, SecretKey } from '../core/brand.ts';
import { bytesOf, scalarOf, timesBase } from './ed25519.ts';

const { p } = Point.CURVE();

export function publicKey(secret: SecretKey): PublicKey {
  const { Y, Z } = timesBase(scalarOf(secret));
  // RFC 7748 §4.1: u = (1 + y) / (1 - y). No clamped scalar gives the neutral point, whose y is 1.
  return bytesOf(etc.mod((Z + Y) * etc.invert(Z - Y, p), p)) as PublicKey;
}
