// Base64 (RFC 4648 §4), with its padding: bytes ↔ text. One sequence of bytes has one text.

import { fail, ok, type Result } from '../core/result.ts';

const digits = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';

export function encode(bytes: Uint8Array): string {
  let text = '';
  for (let i = 0; i < bytes.length; i += 3) {
    const [a = 0, b = 0, c = 0] = bytes.subarray(i, i + 3);
    for (const shift of [18, 12, 6, 0]) text += digits[(((a << 16) | (b << 8) | c) >> shift) & 63];
  }
  return text.slice(0, Math.ceil((4 * bytes.length) / 3)).padEnd(text.length, '=');
}

export function decode(text: string): Result<Uint8Array> {
  const wrong = fail('malformed', '', 'expected base64');
  const plain = text.replace(/={1,2}$/, '');
  if (text.length % 4 !== 0 || plain.length % 4 === 1 || !/^[A-Za-z0-9+/]*$/.test(plain)) return wrong;
  const bytes = new Uint8Array(Math.floor((plain.length * 3) / 4));
  let [bits, at] = [0, 0];
  for (let i = 0; i < plain.length; i++) {
    bits = ((bits << 6) | digits.indexOf(plain.charAt(i))) & 0xffff;
    // Each digit brings six bits, each byte takes eight.
    const have = (6 * (i + 1)) % 8;
    if (have !== 6) bytes[at++] = bits >> have;
  }
  // Bits behind the last byte would be a second text for the same bytes.
  return (bits & ((1 << ((6 * plain.length) % 8)) - 1)) === 0 ? ok(bytes) : wrong;
}
