// What is told of sessions to who asked for them, or asks how they are.

import type { ByteCount, Millis, Seconds } from './brand.ts';
import type { Wish } from './limits.ts';
import type { Generation, Pair, PeerKey, Slot } from './seat.ts';

export type Seated = Readonly<{ key: PeerKey; slot: Slot; address4: string; address6: string; generation: Generation }>;
/** Of the whole session. `gap`: passed while rules of ours were gone, as long as this enforcer has run; billed to nobody. */
export type Figures = Readonly<{ counted: Pair<ByteCount>; packets: Pair<bigint>; gap: Pair<ByteCount> }>;
/** With the last reading, to be billed. */
export type Gone = Figures & Readonly<{ key: PeerKey; slot: Slot; generation: Generation }>;

/** Why somebody was in and is no more: the owner's no, other limits or another pool of the owner's, a newcomer after the end, being asked. */
export const reasons = ['owner', 'limits', 'expired', 'asked'] as const;
export type Reason = (typeof reasons)[number];
/** Who went unasked, or whose eviction went wrong half-way; until an eviction asks for it. */
export type Departed = Gone & Readonly<{ why: Reason }>;

export type Row = Figures &
  Readonly<{
    slot: Slot;
    generation: Generation;
    /** null: rules without a peer. */
    key: PeerKey | null;
    quota: Wish['quota'];
    /** 0: expired. */
    left: Millis;
    /** Of the peer, by the wall clock; null: never. */
    handshake: Seconds | null;
    endpoint: string | null;
    /** By WireGuard's own count: the upper bound of `counted`. */
    tunnel: Pair<ByteCount>;
  }>;
