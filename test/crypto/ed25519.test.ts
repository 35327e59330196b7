import * as noble from '@noble/ed25519';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PublicKey, SecretKey } from '../../agent/core/brand.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { portable } from '../../agent/crypto/sha.ts';
import rfc8032 from '../vectors/rfc8032.json';

const { sha512 } = portable;
noble.hashes.sha512 = (message) => Uint8Array.from(sha512(message as Uint8Array));

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
const bytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const numbered = (n: number): SecretKey => sha512(Uint8Array.of(n)).slice(0, 32) as SecretKey;
const verify = (signature: Uint8Array, message: Uint8Array, key: Uint8Array): boolean =>
  ed25519.verify(signature, message, key as PublicKey, sha512);

const rfc = suite('ed25519: RFC 8032');
for (const v of rfc8032.vectors)
  rfc(v.name, () => {
    const signer = ed25519.signer(bytes(v.secret) as SecretKey, sha512);
    assert.is(hex(signer.key), v.key);
    assert.is(hex(signer.sign(bytes(v.message))), v.signature);
    assert.ok(verify(bytes(v.signature), bytes(v.message), bytes(v.key)));
  });
rfc('as noble signs', () => {
  for (let n = 0; n < 16; n++) {
    const message = sha512(Uint8Array.of(n, 1)).slice(0, n * 4);
    const signer = ed25519.signer(numbered(n), sha512);
    assert.is(hex(signer.key), hex(noble.getPublicKey(numbered(n))));
    const signature = signer.sign(message);
    assert.is(hex(signature), hex(noble.sign(message, numbered(n))));
    assert.ok(verify(signature, message, signer.key));
  }
});
rfc.run();

const { p, n: order } = noble.Point.CURVE();
const little = (n: bigint): Uint8Array => bytes(n.toString(16).padStart(64, '0')).reverse();
const numberOf = (b: Uint8Array): bigint => BigInt(`0x${hex(b.slice().reverse())}`);
const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const signed = (b: Uint8Array): Uint8Array => b.map((byte, i) => (i === 31 ? byte | 0x80 : byte));

/** A point of order 8: what is left of any point of the curve when the prime order is taken out of it. */
function torsion(): noble.Point {
  for (let y = 2n; ; y++) {
    let point: noble.Point;
    try {
      point = noble.Point.fromBytes(little(y), false);
    } catch {
      // Not every y is on the curve.
      continue;
    }
    const left = point.multiplyUnsafe(order - 1n).add(point);
    if (!left.double().double().is0()) return left;
  }
}
const eighth = torsion();
const smallPoints = Array.from({ length: 8 }, (_, i) => (i === 0 ? noble.Point.ZERO : eighth.multiplyUnsafe(BigInt(i))));

/** Signs as the owner of a secret could who wants verifiers to disagree: with the key and R of his choice. */
function craft(secretScalar: bigint, A: noble.Point, message: Uint8Array, more: noble.Point): Uint8Array {
  const r = 12_345n;
  const R = noble.Point.BASE.multiply(r).add(more).toBytes();
  const k = numberOf(sha512(joined(R, A.toBytes(), message))) % order;
  return joined(R, little((r + k * secretScalar) % order));
}

const message = Uint8Array.of(1, 2, 3);
const honest = ed25519.signer(numbered(1), sha512);
const good = honest.sign(message);
const [R, S] = [good.slice(0, 32), good.slice(32)];
const scalar = 987_654_321n;
const clean = noble.Point.BASE.multiply(scalar);
const mixed = clean.add(eighth);

const refused: readonly Readonly<{ name: string; signature: Uint8Array; key: Uint8Array; nobleToo: boolean }>[] = [
  { name: 'another message', signature: honest.sign(Uint8Array.of(9)), key: honest.key, nobleToo: true },
  { name: "another's key", signature: good, key: ed25519.signer(numbered(2), sha512).key, nobleToo: true },
  { name: 'S plus the order', signature: joined(R, little(numberOf(S) + order)), key: honest.key, nobleToo: true },
  { name: 'S is the order', signature: joined(R, little(order)), key: honest.key, nobleToo: true },
  { name: 'S is all ones', signature: joined(R, new Uint8Array(32).fill(255)), key: honest.key, nobleToo: true },
  { name: 'S is the opposite', signature: joined(R, little(order - numberOf(S))), key: honest.key, nobleToo: true },
  {
    name: 'R with the other sign',
    signature: joined(
      R.map((b, i) => (i === 31 ? b ^ 0x80 : b)),
      S,
    ),
    key: honest.key,
    nobleToo: true,
  },
  { name: 'a key beyond p', signature: good, key: little(p + 1n), nobleToo: true },
  { name: 'a key of all ones', signature: good, key: new Uint8Array(32).fill(255), nobleToo: true },
  { name: 'a key off the curve', signature: good, key: little(2n), nobleToo: true },
  { name: 'a neutral key with a sign', signature: good, key: signed(little(1n)), nobleToo: true },
  ...smallPoints.map((point, i) => ({
    name: `a key of small order, ${i}`,
    signature: craft(0n, point, message, noble.Point.ZERO),
    key: point.toBytes(),
    nobleToo: true,
  })),
  { name: 'R with a part of small order', signature: craft(scalar, clean, message, eighth), key: clean.toBytes(), nobleToo: false },
];

const strict = suite('ed25519: refuses');
for (const c of refused)
  strict(c.name, () => {
    assert.is(verify(c.signature, message, c.key), false);
    assert.is(noble.verify(c.signature, message, c.key, { zip215: false }), !c.nobleToo);
  });
strict('R not reduced', () => {
  // r = 0 gives the neutral point, whose y is 1 or, not reduced, p + 1: the one R that can be written twice by who knows a secret.
  const by = (R: Uint8Array): Uint8Array => {
    const k = numberOf(sha512(joined(R, clean.toBytes(), message))) % order;
    return joined(R, little((k * scalar) % order));
  };
  assert.ok(verify(by(little(1n)), message, clean.toBytes()));
  assert.not.ok(verify(by(little(p + 1n)), message, clean.toBytes()));
});
strict('a key with a part of small order, as OpenSSL does: by the equation without the cofactor', () => {
  const outcomes = Array.from({ length: 32 }, (_, n) => {
    const signature = craft(scalar, mixed, Uint8Array.of(n), noble.Point.ZERO);
    const ours = verify(signature, Uint8Array.of(n), mixed.toBytes());
    assert.ok(noble.verify(signature, Uint8Array.of(n), mixed.toBytes(), { zip215: false }));
    const k = numberOf(sha512(joined(signature.slice(0, 32), mixed.toBytes(), Uint8Array.of(n)))) % order;
    assert.is(ours, k % 8n === 0n);
    return ours;
  });
  assert.ok(outcomes.includes(true) && outcomes.includes(false));
});
strict('every length but one', () => {
  for (let length = 0; length < 64; length++) assert.not.ok(verify(good.slice(0, length), message, honest.key));
  assert.not.ok(verify(joined(good, Uint8Array.of(0)), message, honest.key));
  for (let length = 0; length < 32; length++) assert.not.ok(verify(good, message, honest.key.slice(0, length)));
});
strict('every bit', () => {
  for (let bit = 0; bit < 512; bit += 7)
    assert.not.ok(
      verify(
        good.map((b, i) => (i === bit >> 3 ? b ^ (1 << (bit & 7)) : b)),
        message,
        honest.key,
      ),
      `bit ${bit}`,
    );
});
strict('isKey', () => {
  assert.ok(ed25519.isKey(honest.key));
  for (const point of smallPoints) assert.not.ok(ed25519.isKey(point.toBytes()));
  assert.not.ok(ed25519.isKey(little(2n)));
  assert.not.ok(ed25519.isKey(new Uint8Array(31)));
});
strict.run();
