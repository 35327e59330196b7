// What a coordinator may ask of a node, and what the node answers. A grant inside is still its signed bytes.

import type { ByteCount, Seconds } from './brand.ts';
import type { Code } from './result.ts';
import type { Pair } from './seat.ts';
import type { Digest, GrantId, KeyId, Nonce, SessionId } from './signed.ts';

type Granting = Readonly<{ grant: Uint8Array }>;
export type Place = Readonly<{ host: string; port: number; pin: Uint8Array | null }>;

export type Order =
  | (Readonly<{ kind: 'open' | 'change' | 'topUp' }> & Granting)
  | Readonly<{ kind: 'close'; session: SessionId }>
  /** In the order of their ids, after `after`. */
  | Readonly<{ kind: 'list'; after: SessionId | null }>
  /** Stronger than the owner's they cannot be; null leaves the owner's alone. */
  | Readonly<{ kind: 'limit'; rate: Pair<bigint> | null; sessions: number | null; isPaused: boolean }>
  | Readonly<{ kind: 'send'; session: SessionId; from: number }>
  | Readonly<{ kind: 'acknowledge'; receipts: readonly Acknowledged[]; root: Readonly<{ number: number; digest: Digest }> | null }>
  | Readonly<{ kind: 'probe'; protocol: 'udp' | 'tcp'; address: string; port: number; times: number; size: number }>
  | Readonly<{ kind: 'quarantine'; isOn: boolean }>
  | Readonly<{ kind: 'restart' }>
  | Readonly<{ kind: 'move'; brokers: readonly Place[] }>
  | Readonly<{ kind: 'reboot' }>;

/** Everything up to this receipt has arrived and holds. The digest tells a node with an old journal that there is more than it knows. */
export type Acknowledged = Readonly<{ session: SessionId; sequence: number; digest: Digest }>;

export type Command = Readonly<{ node: KeyId; epoch: Nonce; sequence: number; expires: Seconds | null; order: Order }>;

export const conditions = ['waiting', 'open', 'throttled', 'draining', 'paused', 'closed'] as const;
export type Listed = Readonly<{
  session: SessionId;
  terms: GrantId;
  condition: (typeof conditions)[number];
  counted: Pair<ByteCount>;
  sequence: number;
}>;

export type Outcome =
  | Readonly<{ kind: 'done' }>
  | Readonly<{ kind: 'refused'; code: Code; path: string; reason: string }>
  | Readonly<{ kind: 'opened'; session: SessionId; address4: string; address6: string }>
  /** `more`: ask again after the last. */
  | Readonly<{ kind: 'listed'; sessions: readonly Listed[]; more: boolean }>
  /** Round trips in microseconds; null: nothing came back. */
  | Readonly<{ kind: 'probed'; sent: number; received: number; times: Readonly<{ least: number; median: number; most: number }> | null }>;

/** Names the command by its epoch, its signer and its number. */
export type Reply = Readonly<{ epoch: Nonce; to: KeyId; sequence: number; outcome: Outcome }>;
