// What has to be refused: bytes that are no message of ours, messages whose fields are wrong, signatures that do not hold. Each row is made
// from a good one by the one thing its name says.

import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Value } from '../../agent/wire/cbor.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import type { Kind } from '../../agent/wire/cose.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as story from './story.ts';

/** `stage`: decode looks at the bytes alone, verify at the signature of `by`, read at the fields. */
export type Refused = Readonly<{
  name: string;
  stage: 'decode' | 'verify' | 'read';
  by: story.Who;
  bytes: Uint8Array;
  code: string;
  path: string;
}>;

const none = new Uint8Array();
const joined = (...parts: readonly (Uint8Array | readonly number[])[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const headOf = (major: number, n: number): number[] =>
  n < 24 ? [(major << 5) | n] : n < 256 ? [(major << 5) | 24, n] : [(major << 5) | 25, n >> 8, n & 255];
const bstr = (b: Uint8Array | readonly number[]): Uint8Array => joined(headOf(2, b.length), b);
const map = (...entries: readonly (readonly [number, Value])[]): Map<number, Value> => new Map(entries);

const [receipt] = story.chain;
if (receipt === undefined) throw new Error('story: no receipt');
const good = cose.encode(receipt.signed);
const whole = cbor.decode(good);
if (!whole.ok || !Array.isArray(whole.value)) throw new Error('story: no array');
const [, , , signature] = whole.value as readonly Uint8Array[];
const { payload } = receipt.signed;
const id = cose.bytesOfKeyId(story.idOf('node'));
const type = 'application/x.weir.receipt';
const header = [
  [1, -8],
  [3, type],
  [4, id],
] as const;

/** An envelope, put together from encoded parts, so that each may be wrong. */
const envelope = (head: Uint8Array, open: Uint8Array, body: Uint8Array, last: Uint8Array): Uint8Array =>
  joined([0x84], bstr(head), open, bstr(body), bstr(last));
const withHead = (head: Uint8Array): Uint8Array => envelope(head, cbor.encode(map()), payload, signature ?? none);
const withHeader = (...entries: readonly (readonly [number, Value])[]): Uint8Array => withHead(cbor.encode(map(...entries)));
const withOpen = (open: Uint8Array): Uint8Array => envelope(cbor.encode(map(...header)), open, payload, signature ?? none);
const withPayload = (body: Uint8Array): Uint8Array => envelope(cbor.encode(map(...header)), cbor.encode(map()), body, signature ?? none);
const withSignature = (last: Uint8Array): Uint8Array => envelope(cbor.encode(map(...header)), cbor.encode(map()), payload, last);
const array = (...items: readonly Value[]): Uint8Array => cbor.encode(items);
const [h, p, s] = [cbor.encode(map(...header)), payload, signature ?? none];

const decoding: readonly (readonly [name: string, bytes: Uint8Array, code: string, path: string])[] = [
  ['nothing', none, 'malformed', 'byte 0'],
  ['a map', cbor.encode(map()), 'malformed', ''],
  ['a number', cbor.encode(1), 'malformed', ''],
  ['an empty array', array(), 'malformed', ''],
  ['three parts', array(h, map(), p), 'malformed', ''],
  ['five parts', array(h, map(), p, s, none), 'malformed', ''],
  ['one part cut off', good.slice(0, -1), 'malformed', `byte ${good.length - 66}`],
  ['a byte too many', joined(good, [0]), 'malformed', `byte ${good.length}`],
  ['the message twice', joined(good, good), 'malformed', `byte ${good.length}`],
  ['4,097 bytes', new Uint8Array(4097), 'limit', ''],
  ['tag 18', joined([0xd2], good), 'unsupported', 'byte 0'],
  ['tag 98', joined([0xd8, 98], good), 'unsupported', 'byte 0'],
  ['an array left open', joined([0x9f], good.slice(1), [0xff]), 'malformed', 'byte 0'],
  ['the array with a long count', joined([0x98, 4], good.slice(1)), 'malformed', 'byte 0'],
  ['protected is a map', array(map(...header), map(), p, s), 'malformed', 'protected'],
  ['protected is null', array(null, map(), p, s), 'malformed', 'protected'],
  ['protected is text', array('x', map(), p, s), 'malformed', 'protected'],
  ['protected is empty', withHead(none), 'malformed', 'protected.byte 0'],
  ['protected is an array', withHead(cbor.encode([])), 'malformed', 'protected'],
  ['protected says nothing', withHeader(), 'missing', 'protected.1'],
  ['protected and something more', withHead(joined(h, [0])), 'malformed', `protected.byte ${h.length}`],
  ['protected cut', withHead(h.slice(0, -1)), 'malformed', `protected.byte ${h.length - 11}`],
  ['protected with a long count', withHead(joined([0xb8, 3], h.slice(1))), 'malformed', 'protected.byte 0'],
  ['protected left open', withHead(joined([0xbf], h.slice(1), [0xff])), 'malformed', 'protected.byte 0'],
  ['protected out of order', withHead(joined([0xa2], [4], bstr(id), [1, 0x27])), 'malformed', 'protected.byte 13'],
  ['a protected header twice', withHead(joined([0xa2], [1, 0x27], [1, 0x27])), 'malformed', 'protected.byte 3'],
  ['a protected header with a text label', withHead(joined([0xa1], [0x61, 0x61, 1])), 'unsupported', 'protected.byte 1'],
  ['a protected header with a long label', withHead(joined([0xa1], [0x18, 1, 0x27])), 'malformed', 'protected.byte 1'],
  ['a float in protected', withHead(joined([0xa1], [1, 0xf9, 0, 0])), 'unsupported', 'protected.byte 2'],
  ['no algorithm', withHeader([3, type], [4, id]), 'missing', 'protected.1'],
  ['ES256', withHeader([1, -7], [3, type], [4, id]), 'unsupported', 'protected.1'],
  ['HMAC', withHeader([1, 5], [3, type], [4, id]), 'unsupported', 'protected.1'],
  ['the algorithm in words', withHeader([1, 'EdDSA'], [3, type], [4, id]), 'unsupported', 'protected.1'],
  ['algorithm 0', withHeader([1, 0], [3, type], [4, id]), 'unsupported', 'protected.1'],
  ['algorithm null', withHeader([1, null], [3, type], [4, id]), 'unsupported', 'protected.1'],
  ['a critical header', withHeader([1, -8], [2, [99]], [3, type], [4, id], [99, 1]), 'unsupported', 'protected.2'],
  ['a critical header that we know', withHeader([1, -8], [2, [1]], [3, type], [4, id]), 'unsupported', 'protected.2'],
  ['an empty list of critical headers', withHeader([1, -8], [2, []], [3, type], [4, id]), 'unsupported', 'protected.2'],
  ['a header more', withHeader([1, -8], [3, type], [4, id], [99, 1]), 'unsupported', 'protected.99'],
  ['an IV', withHeader([1, -8], [3, type], [4, id], [5, none]), 'unsupported', 'protected.5'],
  ['a header below zero', withHeader([1, -8], [3, type], [4, id], [-1, 1]), 'unsupported', 'protected.-1'],
  ['a protected countersignature', withHeader([1, -8], [3, type], [4, id], [12, s]), 'unsupported', 'protected.12'],
  ['no content type', withHeader([1, -8], [4, id]), 'missing', 'protected.3'],
  ['a content type by its number', withHeader([1, -8], [3, 60], [4, id]), 'unsupported', 'protected.3'],
  ["another's content type", withHeader([1, -8], [3, 'application/cbor'], [4, id]), 'unsupported', 'protected.3'],
  ['a content type of no kind', withHeader([1, -8], [3, 'application/x.weir.'], [4, id]), 'unsupported', 'protected.3'],
  ['a content type in capitals', withHeader([1, -8], [3, 'Application/x.weir.receipt'], [4, id]), 'unsupported', 'protected.3'],
  ['a content type with a parameter', withHeader([1, -8], [3, `${type};v=2`], [4, id]), 'unsupported', 'protected.3'],
  ['no key id', withHeader([1, -8], [3, type]), 'malformed', 'protected.4'],
  ['a short key id', withHeader([1, -8], [3, type], [4, id.slice(1)]), 'malformed', 'protected.4'],
  ['a long key id', withHeader([1, -8], [3, type], [4, joined(id, [0])]), 'malformed', 'protected.4'],
  ['a key id in text', withHeader([1, -8], [3, type], [4, story.idOf('node')]), 'malformed', 'protected.4'],
  ['unprotected is bytes', array(h, none, p, s), 'malformed', 'unprotected'],
  ['unprotected is null', array(h, null, p, s), 'malformed', 'unprotected'],
  ['unprotected left open', withOpen(Uint8Array.of(0xbf, 0xff)), 'malformed', `byte ${h.length + 3}`],
  ['unprotected with an algorithm', withOpen(cbor.encode(map([1, -8]))), 'unsupported', 'unprotected.1'],
  ['unprotected with a key id', withOpen(cbor.encode(map([4, id]))), 'unsupported', 'unprotected.4'],
  ['unprotected with a critical header', withOpen(cbor.encode(map([2, [4]]))), 'unsupported', 'unprotected.2'],
  ['a countersignature of version 1', withOpen(cbor.encode(map([9, s]))), 'unsupported', 'unprotected.9'],
  ['a full countersignature', withOpen(cbor.encode(map([11, [none, map(), s]]))), 'unsupported', 'unprotected.11'],
  ['a short countersignature', withOpen(cbor.encode(map([12, s.slice(1)]))), 'malformed', 'unprotected.12'],
  ['an empty countersignature', withOpen(cbor.encode(map([12, none]))), 'malformed', 'unprotected.12'],
  ['two countersignatures', withOpen(cbor.encode(map([12, [s, s]]))), 'malformed', 'unprotected.12'],
  ['the countersignature twice', withOpen(joined([0xa2], [12], bstr(s), [12], bstr(s))), 'malformed', `byte ${h.length + 71}`],
  ['a payload elsewhere', array(h, map(), null, s), 'malformed', 'payload'],
  ['a payload as a map', array(h, map(), map(), s), 'malformed', 'payload'],
  ['an empty payload', withPayload(none), 'malformed', 'payload.byte 0'],
  ['a payload cut', withPayload(p.slice(0, -1)), 'malformed', 'payload.byte *'],
  ['a payload and something more', withPayload(joined(p, [0])), 'malformed', `payload.byte ${p.length}`],
  ['a payload left open', withPayload(joined([0xbf], p.slice(1), [0xff])), 'malformed', 'payload.byte 0'],
  ['a field twice', withPayload(Uint8Array.of(0xa2, 1, 0, 1, 0)), 'malformed', 'payload.byte 3'],
  ['fields out of order', withPayload(Uint8Array.of(0xa2, 2, 0, 1, 0)), 'malformed', 'payload.byte 3'],
  ['a field with a text key', withPayload(Uint8Array.of(0xa1, 0x61, 0x61, 0)), 'unsupported', 'payload.byte 1'],
  ['a number longer than it needs', withPayload(Uint8Array.of(0xa1, 1, 0x18, 1)), 'malformed', 'payload.byte 2'],
  ['a number in nine bytes', withPayload(Uint8Array.of(0xa1, 1, 0x1b, 0, 0, 0, 0, 0, 0, 0, 1)), 'malformed', 'payload.byte 2'],
  ['a big number', withPayload(Uint8Array.of(0xa1, 1, 0xc2, 0x41, 1)), 'unsupported', 'payload.byte 2'],
  ['half a float', withPayload(Uint8Array.of(0xa1, 1, 0xf9, 0x3c, 0)), 'unsupported', 'payload.byte 2'],
  ['a float', withPayload(Uint8Array.of(0xa1, 1, 0xfa, 0x3f, 0x80, 0, 0)), 'unsupported', 'payload.byte 2'],
  ['a double', withPayload(Uint8Array.of(0xa1, 1, 0xfb, 0x3f, 0xf0, 0, 0, 0, 0, 0, 0)), 'unsupported', 'payload.byte 2'],
  ['undefined', withPayload(Uint8Array.of(0xa1, 1, 0xf7)), 'unsupported', 'payload.byte 2'],
  ['a simple value', withPayload(Uint8Array.of(0xa1, 1, 0xf0)), 'unsupported', 'payload.byte 2'],
  ['a date', withPayload(Uint8Array.of(0xa1, 1, 0xc1, 0)), 'unsupported', 'payload.byte 2'],
  ['text that is not UTF-8', withPayload(Uint8Array.of(0xa1, 1, 0x61, 0xff)), 'malformed', 'payload.byte 2'],
  ['bytes left open', withPayload(Uint8Array.of(0xa1, 1, 0x5f, 0x41, 0, 0xff)), 'malformed', 'payload.byte 2'],
  ['too deep', withPayload(joined(Array<number>(17).fill(0x81), [0])), 'limit', 'payload.byte 17'],
  ['no signature', withSignature(none), 'malformed', 'signature'],
  ['a short signature', withSignature(s.slice(1)), 'malformed', 'signature'],
  ['a long signature', withSignature(joined(s, [0])), 'malformed', 'signature'],
  ['the signature in an array', array(h, map(), p, [s]), 'malformed', 'signature'],
  ['the signature null', array(h, map(), p, null), 'malformed', 'signature'],
  ['a countersignature on a grant', cose.encode({ ...story.signedFirst, witness: s }), 'unsupported', 'unprotected.12'],
];

const order = 0x1000000000000000000000000000000014def9dea2f79cd65812631a5cf5d3edn;
function plusOrder(sig: Uint8Array): Uint8Array {
  const low = sig.slice(32).reverse();
  const sum = BigInt(`0x${[...low].map((b) => b.toString(16).padStart(2, '0')).join('')}`) + order;
  const text = sum.toString(16).padStart(64, '0');
  return joined(sig.slice(0, 32), Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16)).reverse());
}
const flipped = (b: Uint8Array, at: number): Uint8Array => b.map((byte, i) => (i === at ? byte ^ 1 : byte));
const asKind = (kind: Kind): Uint8Array => withHeader([1, -8], [3, `application/x.weir.${kind}`], [4, id]);

const verifying: readonly (readonly [name: string, by: story.Who, bytes: Uint8Array, code: string, path: string])[] = [
  ['another key', 'stranger', good, 'stranger', 'protected.4'],
  [
    "a stranger's message under the name of the node",
    'node',
    cose.encode({ ...story.sign('receipt', receipt.value, 'stranger'), signer: story.idOf('node') }),
    'forged',
    'signature',
  ],
  ['R changed', 'node', withSignature(flipped(s, 0)), 'forged', 'signature'],
  ['S changed', 'node', withSignature(flipped(s, 40)), 'forged', 'signature'],
  ['S plus the order', 'node', withSignature(plusOrder(s)), 'forged', 'signature'],
  ['all zero', 'node', withSignature(new Uint8Array(64)), 'forged', 'signature'],
  ['all ones', 'node', withSignature(new Uint8Array(64).fill(255)), 'forged', 'signature'],
  ['the countersignature in its place', 'node', withSignature(receipt.witness), 'forged', 'signature'],
  ['the signature of another receipt', 'node', withSignature(story.chain[1]?.signed.signature ?? none), 'forged', 'signature'],
  ['the payload of another receipt', 'node', withPayload(story.chain[1]?.signed.payload ?? none), 'forged', 'signature'],
  ...cose.kinds
    .filter((kind) => kind !== 'receipt')
    .map((kind) => [`a receipt called ${kind}`, 'node', asKind(kind), 'forged', 'signature'] as const),
];

// ── Fields ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const samples = cose.kinds.map((kind) => {
  // The one with the most fields of its kind.
  const all = story.messages.filter((m) => m.kind === kind && m.signed.body instanceof Map);
  const [most] = all.toSorted(
    (a, b) => (b.signed.body as ReadonlyMap<number, Value>).size - (a.signed.body as ReadonlyMap<number, Value>).size,
  );
  if (most === undefined) throw new Error(`story: no ${kind}`);
  return { kind, by: most.by, body: most.signed.body as ReadonlyMap<number, Value> };
});

const optional: Readonly<Record<Kind, readonly number[]>> = {
  certificate: [],
  grant: [4, 7, 10, 11, 13, 14, 15],
  command: [4],
  reply: [],
  birth: [5, 10],
  receipt: [4, 12, 14, 15, 16],
  root: [2],
  dispute: [5],
  voucher: [],
  enrol: [],
  enrolled: [],
};

const signedBy = (kind: Kind, by: story.Who, body: Value): Uint8Array => cose.encode(cose.sign(kind, body, story.signers[by], hashes));

const reading: readonly Refused[] = samples.flatMap(({ kind, by, body }) => {
  const row = (name: string, changed: Value, code: string, path: string): Refused => ({
    name: `${kind}: ${name}`,
    stage: 'read',
    by,
    bytes: signedBy(kind, by, changed),
    code,
    path,
  });
  const put = (key: number, value: Value): Value => new Map(body).set(key, value);
  return [
    row('is no map', [], 'malformed', kind),
    row('a field that is none', put(99, 0), 'unsupported', `${kind}.99`),
    ...[...body.keys()].flatMap((key) => [
      ...(optional[kind].includes(key)
        ? []
        : [row(`without ${key}`, new Map([...body].filter(([k]) => k !== key)), 'missing', `${kind}.*`)]),
      row(`${key} is an array of text`, put(key, ['x']), 'malformed', `${kind}.*`),
      row(`${key} is null`, put(key, null), 'malformed', `${kind}.*`),
      row(`${key} is below zero`, put(key, -1), 'malformed', `${kind}.*`),
    ]),
  ];
});

export const refused: readonly Refused[] = [
  ...decoding.map(([name, bytes, code, path]): Refused => ({ name, stage: 'decode', by: 'node', bytes, code, path })),
  ...verifying.map(([name, by, bytes, code, path]): Refused => ({ name, stage: 'verify', by, bytes, code, path })),
  ...reading,
];
