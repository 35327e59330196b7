// The journal's file: frames of marks, one for each write. A frame says its length twice, carries a digest, and ends in a byte that is not
// zero; so what a power cut leaves of the last write (a part of it, or zeros where it was to be) is told apart from damage.
//
// frame = length: uint32, its complement: uint32, marks in CBOR: length bytes, the first 16 bytes of their SHA-256, 0x0a

import type { Hash } from '../core/hash.ts';
import type { Mark } from '../core/journal.ts';
import { endings, reasons } from '../core/receipt.ts';
import { type Fault, fault, type Result, under } from '../core/result.ts';
import type { Slot } from '../core/seat.ts';
import type { KeyId } from '../core/signed.ts';
import * as cbor from './cbor.ts';
import * as form from './form.ts';
import * as names from './names.ts';
import * as writer from './writer.ts';

const least = form.whole(0, Number.MAX_SAFE_INTEGER);
const session = names.grantId;
const message = form.bytes(1, 4096);
const head = { session: [1, session], sequence: [2, least], digest: [3, names.digest] } as const;

const pair = form.pair(form.byteCount);
const dispute = form.record({ sequence: [1, least], reason: [2, form.choice(reasons)], counted: [3, form.maybe(pair)], billed: [4, pair] });

const mark: form.Form<Mark> = form.oneOf({
  started: [0, form.record({ starts: [1, least] })],
  timed: [1, form.record({ time: [1, form.seconds] })],
  voided: [2, form.record({ root: [1, names.keyId as form.Form<KeyId>], least: [2, form.whole(0, 2 ** 32 - 1)] })],
  rooted: [3, form.record({ number: [1, least], digest: [2, names.digest], bytes: [3, message] })],
  opened: [
    4,
    form.record({
      session: [1, session],
      anchor: [2, names.digest],
      grant: [3, message],
      name: [4, form.maybe(form.text(/^[A-Za-z0-9_.-]{1,32}$/, 'a name'))],
      root: [5, form.maybe(names.keyId)],
      until: [6, form.maybe(form.seconds)],
    }),
  ],
  changed: [5, form.record({ session: [1, session], grant: [2, message] })],
  seated: [6, form.record({ session: [1, session], slot: [2, form.whole<Slot>(0, 2 ** 32 - 1)] })],
  lived: [7, form.record({ session: [1, session], time: [2, form.seconds], boot: [3, names.bootId], up: [4, form.seconds] })],
  shortened: [8, form.record({ ...head, acknowledged: [4, least] })],
  sealed: [9, form.record({ ...head, receipt: [4, message], isLast: [5, form.truth] })],
  witnessed: [10, form.record({ session: [1, session], sequence: [2, least], signature: [3, form.bytes(64)] })],
  acknowledged: [11, form.record(head)],
  ended: [12, form.record({ session: [1, session] })],
  vouched: [13, form.record({ session: [1, session], voucher: [2, message] })],
  disputed: [14, form.record({ session: [1, session], dispute: [2, dispute] })],
  ending: [15, form.record({ session: [1, session], why: [2, form.choice(endings)] })],
  past: [16, form.record({ session: [1, session], root: [2, form.maybe(names.keyId)], until: [3, form.maybe(form.seconds)] })],
  outlived: [17, form.record({ root: [1, names.keyId], until: [2, form.seconds] })],
});
const marks = form.list(mark, 0, 1024);

const checkSize = 16;
const end = 0x0a;

/** What is written at once is found again whole, or not at all. */
export function encode(batch: readonly Mark[], sha256: Hash): Uint8Array {
  const payload = cbor.encode(marks.write(batch));
  const w = writer.open(8 + payload.length + checkSize + 1);
  writer.u32be(w, payload.length);
  writer.u32be(w, ~payload.length >>> 0);
  writer.bytes(w, payload);
  writer.bytes(w, sha256(payload).subarray(0, checkSize));
  writer.u8(w, end);
  return writer.done(w);
}

export type Found = Readonly<{
  batches: readonly (readonly Mark[])[];
  /** Of the bytes that are good. */
  size: number;
  /** What follows them: nothing, the rest of a write that was cut, or damage, behind which more may have been. */
  rest: 'none' | 'cut' | Fault;
}>;

export function decode(bytes: Uint8Array, sha256: Hash): Found {
  const batches: (readonly Mark[])[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  for (let at = 0; ; ) {
    const stop = (rest: Found['rest']): Found => ({ batches, size: at, rest });
    const damaged = (reason: string): Found => stop(fault('malformed', `byte ${at}`, reason));
    if (at === bytes.length) return stop('none');
    const isZeroFrom = (offset: number): boolean => bytes.subarray(offset).every((byte) => byte === 0);
    if (isZeroFrom(at + 8)) return stop('cut');
    const length = view.getUint32(at);
    if (view.getUint32(at + 4) !== ~length >>> 0) return damaged('no frame begins here');
    const next = at + 8 + length + checkSize + 1;
    if (isZeroFrom(next - 1)) return stop('cut');
    const payload = bytes.subarray(at + 8, at + 8 + length);
    const check = sha256(payload);
    const isWhole = bytes[next - 1] === end && bytes.subarray(at + 8 + length, next - 1).every((byte, i) => byte === check[i]);
    if (!isWhole) return damaged('a frame has changed');
    const read = batchOf(payload);
    if (!read.ok) return stop(under(`byte ${at}`, read.fault));
    batches.push(read.value);
    at = next;
  }
}

function batchOf(payload: Uint8Array): Result<readonly Mark[]> {
  const value = cbor.decode(payload);
  return value.ok ? marks.read(value.value) : value;
}
