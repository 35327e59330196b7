// Reads numbers and bytes off a buffer, never past its end. Knows no format; every codec of wire/ stands on it.

import { fail, ok, type Result } from '../core/result.ts';

/** `at` moves on with every successful read; offsets in Faults count from the start of the whole buffer, also in a part of it. */
export type Reader = { readonly view: DataView; at: number; readonly end: number };

export const open = (bytes: Uint8Array): Reader => ({
  view: new DataView(bytes.buffer, bytes.byteOffset, bytes.length),
  at: 0,
  end: bytes.length,
});

export const left = (r: Reader): number => r.end - r.at;

const short = (r: Reader, need: number): Result<never> => fail('malformed', `byte ${r.at}`, `need ${need} bytes, ${left(r)} left`);

export function u8(r: Reader): Result<number> {
  if (left(r) < 1) return short(r, 1);
  r.at += 1;
  return ok(r.view.getUint8(r.at - 1));
}

export function u16be(r: Reader): Result<number> {
  if (left(r) < 2) return short(r, 2);
  r.at += 2;
  return ok(r.view.getUint16(r.at - 2));
}

export function u32be(r: Reader): Result<number> {
  if (left(r) < 4) return short(r, 4);
  r.at += 4;
  return ok(r.view.getUint32(r.at - 4));
}

/** The next `size` bytes as a reader of their own. */
export function part(r: Reader, size: number): Result<Reader> {
  if (left(r) < size) return short(r, size);
  r.at += size;
  return ok({ view: r.view, at: r.at - size, end: r.at });
}

/** All that is left: a view, not a copy. */
export function rest(r: Reader): Uint8Array {
  const start = r.at;
  r.at = r.end;
  return new Uint8Array(r.view.buffer, r.view.byteOffset + start, r.end - start);
}

/** Padding: bytes that have to be zero, so that one value has one encoding. */
export function zeros(r: Reader, size: number): Result<void> {
  for (let i = 0; i < size; i++) {
    const byte = u8(r);
    if (!byte.ok) return byte;
    if (byte.value !== 0) return fail('malformed', `byte ${r.at - 1}`, 'padding is not zero');
  }
  return ok(undefined);
}
