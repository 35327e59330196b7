// What a node says about itself when it comes, and again whenever one of these changes.

import type { PublicKey, Seconds } from './brand.ts';
import { type Fault, fault } from './result.ts';
import type { PeerKey } from './seat.ts';
import type { BootId, Nonce, Wall } from './signed.ts';

export type Birth = Readonly<{
  key: PublicKey;
  version: string;
  host: 'quickjs' | 'wasm' | 'node';
  epoch: Nonce;
  /** Starts of the agent, counted on flash. Two births with one count and two epochs: a copy, or a restored backup. null: it could not be
   *  written down, and the next start may have the same. */
  starts: number | null;
  /** Of the births of this epoch, from 1 on; the will names it, so that a stale will is known. */
  sequence: number;
  boot: BootId;
  /** Powered on. */
  up: Seconds;
  wall: Wall;
  /** Where sessions come in; null: no tunnel yet. */
  tunnel: Readonly<{ key: PeerKey; port: number; addresses: readonly string[] }> | null;
}>;

/** What two births of one node have against each other. */
export const faultsBetween = (one: Birth, other: Birth): readonly Fault[] =>
  one.starts === null || other.starts === null || (one.epoch === other.epoch) === (one.starts === other.starts)
    ? []
    : [fault('forged', 'starts', 'two epochs under one count, or two counts under one epoch: a copy, or a backup that was restored')];
