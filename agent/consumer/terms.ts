// What this consumer was granted, out of a text of signed messages as scripts/verify reads it: its grants, and what vouches for them (the
// node's birth, a coordinator's certificate). Knows no file, and not what the terms are worth.

import type { PublicKey } from '../core/brand.ts';
import type { Grant } from '../core/grant.ts';
import * as grants from '../core/grant.ts';
import type { Hashes } from '../core/hash.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { GrantId, KeyId } from '../core/signed.ts';
import { grantId } from '../core/signed.ts';
import type { Agreement } from '../core/witness.ts';
import * as command from '../wire/command.ts';
import * as cose from '../wire/cose.ts';
import * as evidence from '../wire/evidence.ts';
import { certificate, grant as grantForm } from '../wire/grant.ts';

/** `node`: the key that the receipts are signed with. */
export type Terms = Agreement & Readonly<{ node: PublicKey }>;

type Keys = Map<KeyId, PublicKey>;
type Granted = Readonly<{ signer: KeyId; anchor: Agreement['anchor']; grant: Grant }>;

/** `trusted`: keys known from elsewhere, of the node or of a root. */
export function parse(text: string, trusted: readonly PublicKey[], consumer: PublicKey, hashes: Hashes): Result<Terms> {
  const lines = evidence.parse(text);
  if (!lines.ok) return lines;
  const messages: cose.Signed[] = [];
  for (const [i, bytes] of lines.value.entries()) {
    const signed = cose.decode(bytes);
    if (!signed.ok) return { ok: false, fault: under(`message ${i + 1}`, signed.fault) };
    messages.push(signed.value);
  }
  const known = new Map(trusted.map((key) => [cose.keyIdOf(key, hashes), key]));
  // A birth vouches for nothing but that its key is the one the node is named after.
  const nodes: Keys = new Map(known);
  const grantors: Keys = new Map(known);
  for (const signed of messages) {
    const key = keyIn(signed, known, hashes);
    if (!key.ok) return key;
    if (key.value !== null) (signed.kind === 'birth' ? nodes : grantors).set(cose.keyIdOf(key.value, hashes), key.value);
  }
  const granted: Granted[] = [];
  for (const signed of messages.filter(({ kind }) => kind === 'grant')) {
    const read = grantIn(signed, nodes, grantors, hashes);
    if (!read.ok) return read;
    if (isSame(read.value.grant.consumer, consumer)) granted.push(read.value);
  }
  return chosen(granted, nodes);
}

/** The key that a birth or a certificate brings. */
function keyIn(signed: cose.Signed, roots: Keys, hashes: Hashes): Result<PublicKey | null> {
  if (signed.kind === 'birth') {
    const birth = command.readBirth(signed, hashes);
    return birth.ok ? ok(birth.value.key) : birth;
  }
  if (signed.kind !== 'certificate') return ok(null);
  const root = roots.get(signed.signer);
  if (root === undefined) return fail('stranger', 'certificate', `signed by ${signed.signer}, whose key is not given`);
  const verified = cose.verify(signed, root, hashes);
  const read = verified.ok ? cose.read(verified.value, 'certificate', certificate) : verified;
  if (!read.ok) return read;
  return ok(read.value.may.includes('grant') ? read.value.key : null);
}

function grantIn(signed: cose.Signed, nodes: Keys, grantors: Keys, hashes: Hashes): Result<Granted> {
  const { signer } = signed;
  const key = grantors.get(signer) ?? nodes.get(signer);
  if (key === undefined) return fail('stranger', 'grant', `signed by ${signer}, whose key is neither given nor certified`);
  const verified = cose.verify(signed, key, hashes);
  const read = verified.ok ? cose.read(verified.value, 'grant', grantForm) : verified;
  if (!read.ok) return read;
  // Of all that is no grantor, only the node's own owner may grant.
  if (!grantors.has(signer) && read.value.node !== signer)
    return fail('denied', 'grant', `${signer} may grant nothing of ${read.value.node}`);
  const digest = cose.digestOf(signed, hashes);
  return ok({ signer, anchor: { session: read.value.session ?? grantId(digest), sequence: 0, digest }, grant: read.value });
}

function chosen(granted: readonly Granted[], nodes: Keys): Result<Terms> {
  const [first, another] = granted.filter(({ grant }) => grant.session === null);
  if (first === undefined) return fail('missing', 'grant', 'none here begins a session of this consumer');
  if (another !== undefined) return fail('exists', 'grant', 'two sessions of this consumer: take one of them out');
  const { anchor, grant } = first;
  const node = nodes.get(grant.node);
  if (node === undefined) return fail('stranger', 'node', `the key of ${grant.node} is not given, and no birth of it is here`);
  const later = new Set<GrantId>();
  for (const one of granted.filter((g) => g.grant.session === anchor.session)) {
    const [wrong] = grants.faultsBetween(anchor.session, grant, one.grant);
    if (wrong !== undefined) return { ok: false, fault: under('grant', wrong) };
    later.add(grantId(one.anchor.digest));
  }
  return ok({ node, anchor, grant, later });
}

const isSame = (a: Uint8Array | null, b: Uint8Array): boolean => a !== null && a.length === b.length && a.every((byte, i) => byte === b[i]);
