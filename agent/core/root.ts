// The root of a node: one signed statement of how far every chain of it has come. Whoever holds it can prove a receipt that was left out, or
// a chain that was told in two ways. The tree is over [session, sequence, digest] of each chain's head, so a proof shows one session alone.

import type { Millis } from './brand.ts';
import type { Hash } from './hash.ts';
import * as merkle from './merkle.ts';
import type { Link } from './receipt.ts';
import type { BootId, Digest, Nonce, Wall } from './signed.ts';

export type Root = Readonly<{
  /** From 1 on, over the node's life. */
  number: number;
  /** Of the root before; null in the first. */
  previous: Digest | null;
  epoch: Nonce;
  boot: BootId;
  up: Millis;
  wall: Wall;
  /** Chains: all that are open, and those closed since the root before. */
  size: number;
  heads: Digest;
}>;

export type Proof = Readonly<{ index: number; size: number; path: readonly Uint8Array[] }>;

/** In the order of their sessions, whoever counts them. */
export const ordered = (heads: readonly Link[]): readonly Link[] => heads.toSorted((a, b) => (a.session < b.session ? -1 : 1));

/** `encode`: the entry's bytes as docs/PROTOCOL.md has them. */
export type Entry = (head: Link) => Uint8Array;

export const headsOf = (heads: readonly Link[], encode: Entry, hash: Hash): Uint8Array =>
  merkle.rootOf(
    ordered(heads).map((head) => merkle.leafOf(encode(head), hash)),
    hash,
  );

export function proofOf(heads: readonly Link[], head: Link, encode: Entry, hash: Hash): Proof {
  const inOrder = ordered(heads);
  const index = inOrder.findIndex(({ session }) => session === head.session);
  const leaves = inOrder.map((one) => merkle.leafOf(encode(one), hash));
  return { index, size: leaves.length, path: merkle.proofOf(leaves, index, hash) };
}
