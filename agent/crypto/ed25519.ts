// Ed25519 (RFC 8032): sign and verify over noble's point arithmetic. SHA-512 and the secret come from outside. Knows no envelope.
//
// Not by noble's own sign and verify: their table of 4,224 points costs 1.7 MB of a MIPS heap and a second at the first use, signing
// multiplies the base point twice, and the cofactored equation accepts what OpenSSL and Go refuse. test/crypto holds this against noble's.

import { Point } from '@noble/ed25519';
import type { PublicKey, SecretKey } from '../core/brand.ts';
import type { Hash } from '../core/hash.ts';

export type Signer = Readonly<{ key: PublicKey; sign(message: Uint8Array): Uint8Array }>;

const order = Point.CURVE().n;

/** The secret: 32 bytes from the kernel's generator. It is expanded once, for as long as the signer lives. */
export function signer(secret: SecretKey, sha512: Hash): Signer {
  const expanded = sha512(secret);
  const scalar = scalarOf(expanded.subarray(0, 32));
  const prefix = expanded.slice(32);
  const key = timesBase(scalar).toBytes() as Uint8Array as PublicKey;
  return {
    key,
    sign(message) {
      const r = numberOf(sha512(joined(prefix, message))) % order;
      const R = timesBase(r).toBytes();
      const k = numberOf(sha512(joined(R, key, message)));
      return joined(R, bytesOf((r + k * scalar) % order));
    },
  };
}

/**
 * The strictest reading of RFC 8032, 5.1.7, so that no two verifiers disagree: canonical S and key, no key of small order, and R compared by
 * its bytes, without the cofactor.
 */
export function verify(signature: Uint8Array, message: Uint8Array, key: PublicKey, sha512: Hash): boolean {
  if (signature.length !== 64) return false;
  const R = signature.subarray(0, 32);
  const s = numberOf(signature.subarray(32));
  const A = s < order ? pointOf(key) : null;
  if (A === null) return false;
  const k = numberOf(sha512(joined(R, key, message))) % order;
  const found = sumOfProducts(s, k, A.negate()).toBytes();
  return found.every((byte, i) => byte === R[i]);
}

/** RFC 8032 §5.1.5 and RFC 7748 §5 clamp alike. Of the base point, multiples of the order are none. */
export const scalarOf = (bytes: Uint8Array): bigint =>
  numberOf(bytes.map((byte, i) => (i === 0 ? byte & 248 : i === 31 ? (byte & 127) | 64 : byte))) % order;

/** Could anything be verified by these bytes? */
export const isKey = (bytes: Uint8Array): boolean => pointOf(bytes) !== null;

function pointOf(key: Uint8Array): Point | null {
  try {
    const point = Point.fromBytes(key, false);
    return point.isSmallOrder() ? null : point;
  } catch {
    // noble throws for what are merely bytes of another's choice: a length, a y beyond p or off the curve.
    return null;
  }
}

// The base point: a comb of 6 teeth, 43 bits apart, as a table of 64 points. Each column costs one doubling and one addition whatever the
// scalar, because adding the neutral point takes as long as adding any other.
const teeth = 6;
const gap = 43;
let comb: readonly Point[] | null = null;

function makeComb(): readonly Point[] {
  let table = [Point.ZERO];
  for (let tooth = 0, point = Point.BASE; tooth < teeth; tooth++) {
    table = [...table, ...table.map((sum) => sum.add(point))];
    for (let i = 0; i < gap; i++) point = point.double();
  }
  return table;
}

export function timesBase(n: bigint): Point {
  comb ??= makeComb();
  const bits = n.toString(2).padStart(teeth * gap, '0');
  let sum = Point.ZERO;
  for (let column = 0; column < gap; column++) {
    let index = 0;
    for (let tooth = 0; tooth < teeth; tooth++) index |= Number(bits[tooth * gap + column]) << (teeth - 1 - tooth);
    sum = sum.double().add(comb[index] ?? Point.ZERO);
  }
  return sum;
}

let baseMultiples: readonly Point[] | null = null;

/** s·B + k·P in one run of doublings (Straus). Everything here is public, so its time may show it. */
function sumOfProducts(s: bigint, k: bigint, P: Point): Point {
  baseMultiples ??= oddMultiples(Point.BASE, 32);
  const terms = [
    { digits: digitsOf(s, 7), multiples: baseMultiples },
    { digits: digitsOf(k, 5), multiples: oddMultiples(P, 8) },
  ];
  let sum = Point.ZERO;
  for (let i = Math.max(...terms.map(({ digits }) => digits.length)) - 1; i >= 0; i--) {
    sum = sum.double();
    for (const { digits, multiples } of terms) {
      const digit = digits[i] ?? 0;
      const multiple = multiples[Math.abs(digit) >> 1];
      if (digit !== 0 && multiple !== undefined) sum = sum.add(digit > 0 ? multiple : multiple.negate());
    }
  }
  return sum;
}

/** P, 3P, 5P … */
function oddMultiples(P: Point, count: number): readonly Point[] {
  const twice = P.double();
  const multiples = [P];
  for (let last = P; multiples.length < count; multiples.push(last)) last = last.add(twice);
  return multiples;
}

/** The non-adjacent form: odd digits between -2^(width-1) and 2^(width-1), most of them zero, lowest first. */
function digitsOf(n: bigint, width: number): readonly number[] {
  const digits: number[] = [];
  for (let rest = n; rest > 0n; rest >>= 1n) {
    const low = (rest & 1n) === 0n ? 0 : Number(BigInt.asIntN(width, rest));
    digits.push(low);
    rest -= BigInt(low);
  }
  return digits;
}

const hex = (bytes: Uint8Array): string => [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
/** Both little-endian. */
const numberOf = (bytes: Uint8Array): bigint => BigInt(`0x${hex(bytes.toReversed())}`);
export function bytesOf(n: bigint): Uint8Array {
  const text = n.toString(16).padStart(64, '0');
  return Uint8Array.from({ length: 32 }, (_, i) => Number.parseInt(text.slice(62 - 2 * i, 64 - 2 * i), 16));
}

function joined(...parts: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
