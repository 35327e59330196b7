// Receipts, roots and disputes, and the datagrams in which router and consumer speak about them (UDP 4720, inside the tunnel), as
// docs/PROTOCOL.md writes them.

import type { ByteCount, Millis } from '../core/brand.ts';
import { type Dispute, endings, type Link, type Receipt, reasons, type Voucher } from '../core/receipt.ts';
import { fail, type Result } from '../core/result.ts';
import type { Proof, Root } from '../core/root.ts';
import type { Generation, Pair } from '../core/seat.ts';
import type { SessionId } from '../core/signed.ts';
import * as cbor from './cbor.ts';
import * as form from './form.ts';
import { micro, price, quota } from './grant.ts';
import * as names from './names.ts';

const sequence = form.whole(1, Number.MAX_SAFE_INTEGER);
const bytes = form.pair(form.byteCount);
const up: form.Form<Millis> = form.whole(0, 2 ** 48);

export const receipt: form.Form<Receipt> = form.record({
  session: [1, names.grantId],
  sequence: [2, sequence],
  previous: [3, names.digest],
  terms: [4, form.maybe(names.grantId)],
  boot: [5, names.bootId],
  up: [6, up],
  wall: [7, names.wall],
  counted: [8, bytes],
  packets: [9, form.pair(form.count)],
  generation: [10, form.whole<Generation>(0, 2 ** 32 - 1)],
  tunnel: [11, bytes],
  gap: [12, form.maybe(bytes)],
  left: [13, quota],
  due: [14, form.maybe(form.tuple({ amount: micro, price }))],
  witnessed: [15, form.maybe(sequence)],
  final: [16, form.maybe(form.choice(endings))],
});

export const root: form.Form<Root> = form.record({
  number: [1, sequence],
  previous: [2, form.maybe(names.digest)],
  epoch: [3, names.nonce],
  boot: [4, names.bootId],
  up: [5, up],
  wall: [6, names.wall],
  size: [7, form.whole(0, 65_535)],
  heads: [8, names.digest],
});

const link = form.tuple({ session: names.grantId, sequence, digest: names.digest });
/** A head as the tree of a root hashes it. */
export const encodeHead = (head: Link): Uint8Array => cbor.encode(link.write(head));

export const proof: form.Form<Proof> = form.record({
  index: [1, form.whole(0, 65_534)],
  size: [2, form.whole(1, 65_535)],
  path: [3, form.list(form.bytes(32), 0, 16)],
});

export const dispute: form.Form<Dispute> = form.record({
  session: [1, names.grantId],
  sequence: [2, sequence],
  digest: [3, names.digest],
  reason: [4, form.choice(reasons)],
  counted: [5, form.maybe(bytes)],
});

export const voucher: form.Form<Voucher> = form.record({ session: [1, names.grantId], counted: [2, bytes] });

// ── Datagrams ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Datagram =
  /** Router to consumer, until one of the next two comes: a receipt's bytes. */
  | Readonly<{ kind: 'sealed'; receipt: Uint8Array }>
  /** Consumer to router: the countersignature. */
  | Readonly<{ kind: 'witnessed'; session: SessionId; sequence: number; signature: Uint8Array }>
  /** Consumer to router: a dispute's bytes. */
  | Readonly<{ kind: 'disputed'; dispute: Uint8Array }>
  /** Consumer to router: the receipts from `from` on, or, without it, the last one. */
  | Readonly<{ kind: 'wanted'; from: number | null }>
  /** Router to consumer: what has passed by now, to be vouched for. */
  | Readonly<{ kind: 'tally'; session: SessionId; counted: Pair<ByteCount> }>
  /** Consumer to router: the voucher of the last tally. */
  | Readonly<{ kind: 'vouched'; voucher: Uint8Array }>
  /** Router to consumer, before receipts that were wanted: the grant in force, where it is not the first. */
  | Readonly<{ kind: 'granted'; grant: Uint8Array }>;

/** The smallest packet that every IPv6 link takes whole, without the headers of IPv6 and UDP. */
const mostDatagram = 1280 - 48;

const message = form.bytes(1, 1024);
const datagram: form.Form<Datagram> = form.oneOf({
  sealed: [1, form.record({ receipt: [1, message] })],
  witnessed: [2, form.record({ session: [1, names.grantId], sequence: [2, sequence], signature: [3, form.bytes(64)] })],
  disputed: [3, form.record({ dispute: [1, message] })],
  wanted: [4, form.record({ from: [1, form.maybe(sequence)] })],
  tally: [5, voucher],
  vouched: [6, form.record({ voucher: [1, message] })],
  granted: [7, form.record({ grant: [1, message] })],
});

export const encodeDatagram = (d: Datagram): Uint8Array => cbor.encode(datagram.write(d));

export function decodeDatagram(bytes: Uint8Array): Result<Datagram> {
  if (bytes.length > mostDatagram) return fail('limit', '', `at most ${mostDatagram} bytes`);
  const value = cbor.decode(bytes);
  return value.ok ? datagram.read(value.value) : value;
}
