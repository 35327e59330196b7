// PBKDF2 (RFC 8018) with HMAC-SHA-512, over whatever SHA-512 the host has. Knows no file.

import type { Hash } from '../core/hash.ts';

const block = 128;

/** HMAC (RFC 2104) keyed once: two hashes for each message. */
function hmacOf(key: Uint8Array, sha512: Hash): Hash {
  const short = key.length > block ? sha512(key) : key;
  const [inner, outer] = [new Uint8Array(block).fill(0x36), new Uint8Array(block).fill(0x5c)];
  for (const [i, byte] of short.entries()) {
    inner[i] = byte ^ 0x36;
    outer[i] = byte ^ 0x5c;
  }
  return (message) => sha512(joined(outer, sha512(joined(inner, message))));
}

export const hmac = (key: Uint8Array, message: Uint8Array, sha512: Hash): Uint8Array => hmacOf(key, sha512)(message);

/** 64 bytes: one block of the function's output is all that is ever asked for. */
export function derive(passphrase: Uint8Array, salt: Uint8Array, rounds: number, sha512: Hash): Uint8Array {
  const prf = hmacOf(passphrase, sha512);
  let u = prf(joined(salt, Uint8Array.of(0, 0, 0, 1)));
  const sum = u.slice();
  for (let round = 1; round < rounds; round++) {
    u = prf(u);
    for (let i = 0; i < sum.length; i++) sum[i] = Number(sum[i]) ^ Number(u[i]);
  }
  return sum;
}

function joined(a: Uint8Array, b: Uint8Array): Uint8Array {
  const all = new Uint8Array(a.length + b.length);
  all.set(a);
  all.set(b, a.length);
  return all;
}
