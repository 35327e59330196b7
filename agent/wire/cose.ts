// What is signed: COSE_Sign1 (RFC 9052) with Ed25519, and on receipts the consumer's abbreviated countersignature, version 2 (RFC 9338).
// Untagged, and in one form only, so that a message has one digest. Everything that can be refused without arithmetic is refused before any
// hash. Knows no message's fields and not which key may say what.

import type { Brand, PublicKey } from '../core/brand.ts';
import type { Hashes } from '../core/hash.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Digest, KeyId } from '../core/signed.ts';
import type { Signer } from '../crypto/ed25519.ts';
import * as ed25519 from '../crypto/ed25519.ts';
import * as cbor from './cbor.ts';
import { type Form, hexOf } from './form.ts';

export const kinds = [
  'certificate',
  'grant',
  'command',
  'reply',
  'birth',
  'receipt',
  'root',
  'dispute',
  'voucher',
  'enrol',
  'enrolled',
] as const;
export type Kind = (typeof kinds)[number];

export type Signed = Readonly<{
  kind: Kind;
  signer: KeyId;
  payload: Uint8Array;
  /** The payload, decoded. */
  body: cbor.Value;
  signature: Uint8Array;
  /** The countersignature; only a receipt has one. */
  witness: Uint8Array | null;
}>;
/** Made by `verify` and `sign` alone. */
export type Verified = Brand<Signed, 'Verified'>;

/** Of a message with everything around it that we ever send: MQTT and UDP carry far more. */
export const most = 4096;

const label = { algorithm: 1, critical: 2, contentType: 3, keyId: 4, countersignature0: 12 } as const;
const edDsa = -8;
const contentType = (kind: Kind): string => `application/x.weir.${kind}`;
const none: Uint8Array = new Uint8Array();

// ── Names of keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const keyIdSize = 10;
const digits = 'abcdefghijklmnopqrstuvwxyz234567';

/** 16 letters and digits: it is a node's name, too. */
export const keyIdOf = (key: PublicKey, { sha256 }: Pick<Hashes, 'sha256'>): KeyId => renderKeyId(sha256(key).subarray(0, keyIdSize));

/** Base32 (RFC 4648) in lower case; 10 bytes need no padding. */
export function renderKeyId(bytes: Uint8Array): KeyId {
  const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, '0')).join('');
  return (bits.match(/.{5}/g) ?? []).map((five) => digits[Number.parseInt(five, 2)]).join('') as KeyId;
}

export function bytesOfKeyId(id: KeyId): Uint8Array {
  const bits = [...id].map((digit) => digits.indexOf(digit).toString(2).padStart(5, '0')).join('');
  return Uint8Array.from(bits.match(/.{8}/g) ?? [], (eight) => Number.parseInt(eight, 2));
}

// ── Bytes ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const protectedOf = ({ kind, signer }: Pick<Signed, 'kind' | 'signer'>): Uint8Array =>
  cbor.encode(
    new Map<number, cbor.Value>([
      [label.algorithm, edDsa],
      [label.contentType, contentType(kind)],
      [label.keyId, bytesOfKeyId(signer)],
    ]),
  );

export function encode(signed: Signed): Uint8Array {
  const { payload, signature, witness } = signed;
  const open = new Map(witness === null ? [] : [[label.countersignature0, witness]]);
  return cbor.encode([protectedOf(signed), open, payload, signature]);
}

/** Shape only: nothing is hashed and no signature is looked at. */
export function decode(bytes: Uint8Array): Result<Signed> {
  if (bytes.length > most) return fail('limit', '', `at most ${most} bytes`);
  const whole = cbor.decode(bytes);
  if (!whole.ok) return whole;
  const parts = whole.value;
  if (!Array.isArray(parts) || parts.length !== 4) return fail('malformed', '', 'expected COSE_Sign1, an array of 4');
  const [head, open, payload, signature] = parts as readonly cbor.Value[];
  if (!(head instanceof Uint8Array)) return fail('malformed', 'protected', 'expected bytes');
  if (!(open instanceof Map)) return fail('malformed', 'unprotected', 'expected a map');
  if (!(payload instanceof Uint8Array)) return fail('malformed', 'payload', 'expected bytes');
  if (!(signature instanceof Uint8Array) || signature.length !== 64) return fail('malformed', 'signature', 'expected 64 bytes');
  const named = decodeProtected(head);
  if (!named.ok) return { ok: false, fault: under('protected', named.fault) };
  const witness = decodeUnprotected(open as ReadonlyMap<number, cbor.Value>, named.value.kind);
  if (!witness.ok) return { ok: false, fault: under('unprotected', witness.fault) };
  const body = cbor.decode(payload);
  if (!body.ok) return { ok: false, fault: under('payload', body.fault) };
  return ok({ ...named.value, payload, body: body.value, signature, witness: witness.value });
}

function decodeProtected(bytes: Uint8Array): Result<Pick<Signed, 'kind' | 'signer'>> {
  const map = cbor.decode(bytes);
  if (!map.ok) return map;
  if (!(map.value instanceof Map)) return fail('malformed', '', 'expected a map');
  const header = map.value as ReadonlyMap<number, cbor.Value>;
  // RFC 9052, 3.1: who does not know a critical header must not go on. We know none beyond our own three, and want no others.
  if (header.has(label.critical)) return fail('unsupported', `${label.critical}`, 'a critical header');
  const known: readonly number[] = [label.algorithm, label.contentType, label.keyId];
  for (const key of header.keys()) if (!known.includes(key)) return fail('unsupported', `${key}`, 'no header of ours');
  const algorithm = header.get(label.algorithm);
  if (algorithm === undefined) return fail('missing', `${label.algorithm}`, 'has to be there');
  if (algorithm !== edDsa) return fail('unsupported', `${label.algorithm}`, `an algorithm other than EdDSA (${edDsa})`);
  const type = header.get(label.contentType);
  const kind = kinds.find((k) => contentType(k) === type);
  if (kind === undefined)
    return type === undefined
      ? fail('missing', `${label.contentType}`, 'has to be there')
      : fail('unsupported', `${label.contentType}`, 'no content type of ours');
  const keyId = header.get(label.keyId);
  if (!(keyId instanceof Uint8Array) || keyId.length !== keyIdSize)
    return fail('malformed', `${label.keyId}`, `expected ${keyIdSize} bytes`);
  return ok({ kind, signer: renderKeyId(keyId) });
}

function decodeUnprotected(header: ReadonlyMap<number, cbor.Value>, kind: Kind): Result<Uint8Array | null> {
  for (const key of header.keys())
    if (key !== label.countersignature0 || kind !== 'receipt') return fail('unsupported', `${key}`, 'no header of ours');
  const witness = header.get(label.countersignature0);
  if (witness === undefined) return ok(null);
  return witness instanceof Uint8Array && witness.length === 64
    ? ok(witness)
    : fail('malformed', `${label.countersignature0}`, 'expected 64 bytes');
}

// ── Signatures ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** RFC 9052, 4.4. There is no external data: kind and signer are in the protected header. */
const toBeSigned = (signed: Pick<Signed, 'kind' | 'signer' | 'payload'>): Uint8Array =>
  cbor.encode(['Signature1', protectedOf(signed), none, signed.payload]);

/** RFC 9338, 3.3: the abbreviated form has no header of its own, and covers the signature below it. */
const toBeWitnessed = (signed: Signed): Uint8Array =>
  cbor.encode(['CounterSignature0V2', protectedOf(signed), none, signed.payload, [signed.signature]]);

export function sign(kind: Kind, body: cbor.Value, signer: Signer, hashes: Hashes): Verified {
  const unsigned = { kind, signer: keyIdOf(signer.key, hashes), payload: cbor.encode(body), body };
  const signed: Signed = { ...unsigned, signature: signer.sign(toBeSigned(unsigned)), witness: null };
  return signed as Verified;
}

/** Of the main signature; a countersignature is another's word and checked by `isWitnessed`. */
export function verify(signed: Signed, key: PublicKey, hashes: Hashes): Result<Verified> {
  if (signed.signer !== keyIdOf(key, hashes)) return fail('stranger', 'protected.4', 'signed by another key');
  if (!ed25519.verify(signed.signature, toBeSigned(signed), key, hashes.sha512))
    return fail('forged', 'signature', 'does not hold for this key');
  return ok(signed as Verified);
}

export const witness = (signed: Verified, consumer: Signer): Uint8Array => consumer.sign(toBeWitnessed(signed));

export function isWitnessed(signed: Signed, signature: Uint8Array, consumer: PublicKey, { sha512 }: Hashes): boolean {
  return ed25519.verify(signature, toBeWitnessed(signed), consumer, sha512);
}

/** The fields of a message, which has to be of the kind that was asked for. */
export function read<T>(signed: Verified, kind: Kind, form: Form<T>): Result<T> {
  if (signed.kind !== kind) return fail('unsupported', 'protected.3', `expected a ${kind}`);
  const value = form.read(signed.body);
  return value.ok ? value : { ok: false, fault: under(kind, value.fault) };
}

/** Of the message without its countersignature, so that a receipt has it before anyone has seen the receipt. */
export const digestOf = (signed: Signed, { sha256 }: Hashes): Digest => hexOf(sha256(encode({ ...signed, witness: null }))) as Digest;
