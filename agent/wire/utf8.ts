// UTF-8 ↔ text, because QuickJS has no TextEncoder. Strict both ways (Unicode 15, table 3-7): overlong forms, surrogates and code
// points past U+10FFFF are Faults. Knows nothing of what the text means.

import { fail, ok, type Result } from '../core/result.ts';

/** A lone surrogate has no UTF-8; it becomes U+FFFD, as TextEncoder does. */
export function encode(text: string): Uint8Array {
  const out = new Uint8Array(length(text));
  let at = 0;
  for (const char of text) {
    const c = codePoint(char);
    if (c < 0x80) out[at++] = c;
    else if (c < 0x800) {
      out[at++] = 0xc0 | (c >> 6);
      out[at++] = 0x80 | (c & 63);
    } else {
      if (c < 0x10000) out[at++] = 0xe0 | (c >> 12);
      else {
        out[at++] = 0xf0 | (c >> 18);
        out[at++] = 0x80 | ((c >> 12) & 63);
      }
      out[at++] = 0x80 | ((c >> 6) & 63);
      out[at++] = 0x80 | (c & 63);
    }
  }
  return out;
}

/** How many bytes `encode` makes. */
export function length(text: string): number {
  let n = 0;
  for (const char of text) {
    const c = codePoint(char);
    n += c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
  }
  return n;
}

function codePoint(char: string): number {
  const c = char.codePointAt(0);
  return c === undefined || (c >= 0xd800 && c < 0xe000) ? 0xfffd : c;
}

export function decode(bytes: Uint8Array): Result<string> {
  const parts: string[] = [];
  let codes: number[] = [];
  for (let at = 0; at < bytes.length; ) {
    const first = bytes[at] ?? 0;
    const size = first < 0x80 ? 1 : first >> 5 === 6 ? 2 : first >> 4 === 14 ? 3 : first >> 3 === 30 ? 4 : 0;
    let c = size === 1 ? first : first & (0x7f >> size);
    for (let i = 1; i < size; i++) {
      const next = bytes[at + i];
      if (next === undefined || next >> 6 !== 2) return fail('malformed', `byte ${at}`, 'not UTF-8');
      c = (c << 6) | (next & 63);
    }
    const shortest = size === 1 || c >= (size === 2 ? 0x80 : size === 3 ? 0x800 : 0x10000);
    if (size === 0 || !shortest || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) return fail('malformed', `byte ${at}`, 'not UTF-8');
    codes.push(c);
    at += size;
    // An engine's stack bounds how many arguments a call may have.
    if (codes.length === 1024) {
      parts.push(String.fromCodePoint(...codes));
      codes = [];
    }
  }
  parts.push(String.fromCodePoint(...codes));
  return ok(parts.join(''));
}
