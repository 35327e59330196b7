// libubox's blob attribute: an id, a length, a body, padding to four bytes; and the C string a body may be. Knows no attribute's meaning.

import { fail, ok, type Result } from '../core/result.ts';
import type { Reader } from './reader.ts';
import * as reader from './reader.ts';
import type { Writer } from './writer.ts';
import * as writer from './writer.ts';

/** `extended`: the body begins with a name (blobmsg). */
export type Attr = Readonly<{ id: number; extended: boolean; body: Reader }>;

export function next(r: Reader): Result<Attr> {
  const start = r.at;
  const word = reader.u32be(r);
  if (!word.ok) return word;
  // The length counts its own header and not the padding behind it.
  const length = word.value & 0xffffff;
  if (length < 4) return fail('malformed', `byte ${start}`, `length ${length} is less than its own header`);
  const body = reader.part(r, length - 4);
  if (!body.ok) return body;
  const padding = reader.zeros(r, -length & 3);
  if (!padding.ok) return padding;
  return ok({ id: (word.value >>> 24) & 0x7f, extended: word.value > 0x7fffffff, body: body.value });
}

/** Leaves room for the header; `end` wants the place it returned. */
export const begin = (w: Writer): number => writer.room(w, 4);

export function end(w: Writer, start: number, id: number, extended: boolean): void {
  w.view.setUint32(start, ((extended ? 0x80000000 : 0) | (id << 24) | (w.at - start)) >>> 0);
  writer.room(w, -w.at & 3);
}

// Nearly all text on a bus is short ASCII, and the text codecs of a small engine are slow: half of a call's time there.
const mostAscii = 64;

function decodeAscii(bytes: Uint8Array): string | null {
  if (bytes.length > mostAscii) return null;
  for (const byte of bytes) if (byte > 0x7f) return null;
  return String.fromCharCode(...bytes);
}

function encodeAscii(text: string): Uint8Array | null {
  if (text.length > mostAscii) return null;
  const bytes = new Uint8Array(text.length);
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i);
    if (code > 0x7f) return null;
    bytes[i] = code;
  }
  return bytes;
}

// ignoreBOM means: keep it. Without it three bytes would be lost.
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function decodeUtf8(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

/** A C string that fills the reader; its bytes when they are no UTF-8 (an SSID may be anything). */
export function string(r: Reader): Result<string | Uint8Array> {
  const start = r.at;
  const bytes = reader.rest(r);
  // Text behind a first NUL would be seen by us and by no program in C.
  if (bytes.indexOf(0) !== bytes.length - 1 || bytes.length === 0)
    return fail('malformed', `byte ${start}`, 'a string ends in its only NUL');
  const text = bytes.subarray(0, -1);
  return ok(decodeAscii(text) ?? decodeUtf8(text) ?? text);
}

export function putString(w: Writer, value: string | Uint8Array): Result<void> {
  // In a pattern with the flag u only half a pair is a surrogate; it has no UTF-8.
  if (typeof value === 'string' && /[\ud800-\udfff]/u.test(value)) return fail('malformed', '', 'a string holds half a surrogate pair');
  const bytes = typeof value === 'string' ? (encodeAscii(value) ?? new TextEncoder().encode(value)) : value;
  if (bytes.includes(0)) return fail('malformed', '', 'a string holds NUL');
  writer.bytes(w, bytes);
  writer.u8(w, 0);
  return ok(undefined);
}
