// What test/vectors/signed.json holds: enough to write these formats anew without a line of ours. Made from test/wire/story.ts and
// test/wire/refused.ts; scripts/vectors.ts writes it, test/wire/vectors.test.ts holds the file to it.

import { leafOf } from '../../agent/core/merkle.ts';
import type { Link } from '../../agent/core/receipt.ts';
import * as roots from '../../agent/core/root.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Value } from '../../agent/wire/cbor.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as receipt from '../../agent/wire/receipt.ts';
import { refused } from './refused.ts';
import * as story from './story.ts';

/** CBOR's diagnostic notation (RFC 8949, 8). */
export function diagnose(v: Value): string {
  if (v instanceof Uint8Array) return `h'${hexOf(v)}'`;
  if (v instanceof Map) return `{${[...(v as ReadonlyMap<number, Value>)].map(([key, inner]) => `${key}: ${diagnose(inner)}`).join(', ')}}`;
  if (Array.isArray(v)) return `[${(v as readonly Value[]).map(diagnose).join(', ')}]`;
  return typeof v === 'string' ? JSON.stringify(v) : String(v);
}

const again = (bytes: Uint8Array): Value => {
  const value = cbor.decode(bytes);
  if (!value.ok) throw new Error(value.fault.reason);
  return value.value;
};

function messageOf({ name, kind, by, signed }: (typeof story.messages)[number]) {
  const bytes = cose.encode(signed);
  const [head = null] = again(bytes) as readonly Value[];
  return {
    name,
    kind,
    by,
    payload_diagnostic: diagnose(again(signed.payload)),
    payload: hexOf(signed.payload),
    protected: hexOf(head as Uint8Array),
    to_be_signed: hexOf(cbor.encode(['Signature1', head, new Uint8Array(), signed.payload])),
    signature: hexOf(signed.signature),
    ...(signed.witness === null
      ? {}
      : {
          to_be_countersigned: hexOf(cbor.encode(['CounterSignature0V2', head, new Uint8Array(), signed.payload, [signed.signature]])),
          countersigned_by: 'consumer',
          countersignature: hexOf(signed.witness),
        }),
    digest: cose.digestOf(signed, hashes),
    message: hexOf(bytes),
  };
}

function headOf(head: Link) {
  const entry = receipt.encodeHead(head);
  const proof = roots.proofOf(story.heads, head, receipt.encodeHead, hashes.sha256);
  return {
    session: head.session,
    sequence: head.sequence,
    digest: head.digest,
    entry: hexOf(entry),
    leaf: hexOf(leafOf(entry, hashes.sha256)),
    proof: hexOf(cbor.encode(receipt.proof.write(proof))),
  };
}

const [first] = story.chain;
if (first === undefined) throw new Error('story: no chain');
export const datagrams: readonly receipt.Datagram[] = [
  { kind: 'sealed', receipt: cose.encode(first.signed) },
  { kind: 'witnessed', session: story.session, sequence: 1, signature: first.witness },
  { kind: 'disputed', dispute: cose.encode(story.sign('dispute', story.dispute, 'consumer')) },
  { kind: 'wanted', from: 2 },
  { kind: 'wanted', from: null },
  { kind: 'tally', ...story.voucher },
  { kind: 'vouched', voucher: cose.encode(story.sign('voucher', story.voucher, 'consumer')) },
  { kind: 'granted', grant: cose.encode(story.signedSecond) },
];

export const vectors = () => ({
  about: 'Formats: docs/PROTOCOL.md. Bytes are in hex. Each secret is the SHA-256 of its name. Made by scripts/vectors.ts.',
  keys: Object.fromEntries(
    (Object.keys(story.signers) as story.Who[]).map((who) => [
      who,
      { secret: hexOf(story.secretOf(who)), public: hexOf(story.keyOf(who)), id: story.idOf(who) },
    ]),
  ),
  messages: story.messages.map(messageOf),
  heads: { root: story.root.heads, chains: roots.ordered(story.heads).map(headOf) },
  datagrams: datagrams.map((d) => ({ kind: d.kind, bytes: hexOf(receipt.encodeDatagram(d)) })),
  refused: refused.map(({ name, stage, by, bytes, code, path }) => ({ name, stage, by, code, path, bytes: hexOf(bytes) })),
});
