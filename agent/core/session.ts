// What is told of sessions to who asked for them, or asks how they are.

import type { ByteCount, Millis, Seconds } from './brand.ts';
import type { Wish } from './limits.ts';
import type { Generation, Pair, PeerKey, Slot } from './seat.ts';

export type Seated = Readonly<{ key: PeerKey; slot: Slot; address4: string; address6: string; generation: Generation }>;
/** `counted`: the last reading, to be billed. */
export type Gone = Readonly<{ key: PeerKey; slot: Slot; generation: Generation; counted: Pair<ByteCount> }>;

export type Row = Readonly<{
  slot: Slot;
  generation: Generation;
  /** null: rules without a peer. */
  key: PeerKey | null;
  counted: Pair<ByteCount>;
  quota: Wish['quota'];
  /** 0: expired. */
  left: Millis;
  /** Of the peer, by the wall clock; null: never. */
  handshake: Seconds | null;
  endpoint: string | null;
  /** By WireGuard's own count: the upper bound of `counted`. */
  tunnel: Pair<ByteCount>;
}>;
