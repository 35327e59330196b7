// Keys, addresses and ids as messages write them: their bytes.

import type { PublicKey } from '../core/brand.ts';
import * as ip from '../core/ip.ts';
import { ok } from '../core/result.ts';
import type { PeerKey } from '../core/seat.ts';
import type { BootId, Digest, GrantId, KeyId, Nonce, Wall } from '../core/signed.ts';
import { trusts } from '../core/signed.ts';
import * as base64 from './base64.ts';
import { bytesOfKeyId, renderKeyId } from './cose.ts';
import * as form from './form.ts';

export const publicKey = form.bytes<PublicKey>(32);
export const keyId = form.mapped<Uint8Array, KeyId>(form.bytes(10), bytesOfKeyId, (bytes) => ok(renderKeyId(bytes)));
export const digest = form.hex<Digest>(32);
export const grantId = form.hex<GrantId>(16);
export const nonce = form.hex<Nonce>(16);
export const bootId = form.hex<BootId>(8);
export const wall: form.Form<Wall> = form.tuple({ at: form.seconds, trust: form.choice(trusts) });

/** Text elsewhere in the house: 4 or 16 bytes here. */
export const address = form.mapped<Uint8Array, string>(form.bytes(4, 16), bytesOfAddress, (bytes) => {
  const parsed = ip.addressOf(bytes);
  return parsed.ok ? ok(ip.renderAddress(parsed.value)) : parsed;
});

function bytesOfAddress(text: string): Uint8Array {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(`no address: ${text}`);
  return parsed.value;
}

export const peerKey = form.mapped<Uint8Array, PeerKey>(form.bytes(32), bytesOfPeerKey, (bytes) => ok(base64.encode(bytes) as PeerKey));

function bytesOfPeerKey(key: PeerKey): Uint8Array {
  const bytes = base64.decode(key);
  if (!bytes.ok) throw new Error(`no peer key: ${key}`);
  return bytes.value;
}
