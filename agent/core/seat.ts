// A seat is what one session is to the kernel: a slot of the address pool, a peer, a quota, rates, a place to go, an end. Wanted (Seat) and
// found (Held) are told apart, because a wish is never recorded as a fact. Knows no netlink and no addresses; the slot stands for both.

import type { Brand, ByteCount, Millis } from './brand.ts';

/** A WireGuard public key in base64: one per session, and its name. */
export type PeerKey = Brand<string, 'PeerKey'>;
/** 1 and up; the pool makes addresses of it. */
export type Slot = Brand<number, 'Slot'>;
/** Drawn anew whenever counters begin anew: a counter of another generation says nothing about growth. */
export type Generation = Brand<number, 'Generation'>;
/** The kernel's unit; a grant's bits become it at the edge. */
export type ByteRate = Brand<bigint, 'ByteRate'>;

export type Pair<T> = Readonly<{ up: T; down: T }>;

/** shared: one amount that both directions draw on. */
export type Quota = Readonly<{ kind: 'shared'; bytes: ByteCount }> | Readonly<{ kind: 'split' } & Pair<ByteCount>>;

export type Flow = Readonly<{ address: string; length: number; protocol: 'tcp' | 'udp'; ports: Readonly<{ first: number; last: number }> }>;
export type Egress =
  | Readonly<{ kind: 'internet' }>
  /** One service elsewhere, for sessions over several hops. */
  | Readonly<{ kind: 'hop'; address: string; protocol: 'tcp' | 'udp'; port: number }>
  | Readonly<{ kind: 'list'; flows: readonly Flow[] }>;

/** What holds a session, without its end and its history. */
export type Terms = Readonly<{
  quota: Quota;
  rate: Pair<ByteRate>;
  /** The rates once the quota is spent; null: nothing passes then. */
  spent: Pair<ByteRate> | null;
  egress: Egress;
}>;

export type Seat = Readonly<{
  key: PeerKey;
  slot: Slot;
  terms: Terms;
  /** Bytes billed before these counters began: after a reboot, say. They count towards the quota. */
  used: Pair<ByteCount>;
  /** In which `used` came; none where nothing is said. */
  packets?: Pair<bigint>;
  /** What passed while rules of ours were gone: counts towards the quota, and is billed to nobody. */
  gap?: Pair<ByteCount>;
  /** Powered-on time at which the kernel lets it expire. */
  ends: Millis;
}>;

/** Read from the kernel, never remembered. */
export type Held = Readonly<{
  /** null: rules without a peer; nobody can use them. */
  key: PeerKey | null;
  slot: Slot;
  generation: Generation;
  terms: Terms;
  /** Billed in all, `used` of the seat included. */
  counted: Pair<ByteCount>;
  /** By the same counters, `packets` of the seat included. */
  packets: Pair<bigint>;
  /** 0: expired, all is refused. */
  left: Millis;
}>;

/** A peer whose slot has no rules: it must go before anything else happens. */
export type Kernel = Readonly<{ held: ReadonlyMap<Slot, Held>; strays: readonly PeerKey[] }>;

export const sumOf = (p: Pair<ByteCount>): bigint => p.up + p.down;

/** In both directions together. */
export const sizeOf = (quota: Readonly<{ kind: 'shared'; bytes: bigint } | { kind: 'split'; up: bigint; down: bigint }>): bigint =>
  quota.kind === 'shared' ? quota.bytes : quota.up + quota.down;

export function isSpent(quota: Quota, counted: Pair<ByteCount>): boolean {
  return quota.kind === 'shared' ? sumOf(counted) >= quota.bytes : counted.up >= quota.up || counted.down >= quota.down;
}
