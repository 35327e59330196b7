// The root of a node: one signed statement of how far every chain of it has come. Whoever holds it can prove a receipt that was left out, or
// a chain that was told in two ways. The tree is over [session, sequence, digest] of each chain's head, so a proof shows one session alone.

import type { Millis } from './brand.ts';
import type { Hash } from './hash.ts';
import * as merkle from './merkle.ts';
import type { Link, Receipt } from './receipt.ts';
import { type Fault, fault } from './result.ts';
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

/** A receipt, as far as a root says something about it. */
export type Sealed = Link & Pick<Receipt, 'boot' | 'up' | 'final'>;
/** `shown`: these chains make the root. `open`: nothing can be said, since others have chains there, or some receipts are not here.
 *  `heads`: what it has to cover; `ends`: those of them that nothing follows here. */
export type Verdict =
  | Readonly<{ kind: 'shown' | 'open' }>
  | Readonly<{ kind: 'wrong'; fault: Fault; heads: readonly Link[]; ends: readonly Link[] }>;

/** `before`: the root before this one; null: it is not here. `chains`: of the node, each in its order. Only what a node that keeps to the
 *  protocol cannot have signed is wrong. `treeOf`: `headsOf`, as text. */
export function judge(
  { size, heads, ...root }: Root,
  before: Pick<Root, 'boot' | 'up'> | null,
  chains: readonly (readonly Sealed[])[],
  treeOf: (heads: readonly Link[]) => string,
): Verdict {
  const sure: Link[] = [];
  const ends: Link[] = [];
  const perhaps: Link[] = [];
  for (const chain of chains) {
    const first = chain.findIndex(({ boot }) => boot === root.boot);
    const last = chain.findLastIndex(({ boot, up }) => boot === root.boot && up <= root.up);
    // Of an earlier boot, where the chain goes on in this one: it was open in between.
    const at = last >= 0 ? last : first - 1;
    const [head, next] = [chain[at], chain[at + 1]];
    if (head === undefined) continue;
    if (next !== undefined) {
      if (next.sequence === head.sequence + 1) sure.push(head);
    } else if (head.final === null) {
      sure.push(head);
      ends.push(head);
    } else if (before === null) perhaps.push(head);
    else if (before.boot !== root.boot || head.up > before.up) sure.push(head);
  }
  const makes = (links: readonly Link[]): boolean => links.length === size && treeOf(links) === heads;
  if (makes(sure) || makes([...sure, ...perhaps])) return { kind: 'shown' };
  if (size > sure.length) return { kind: 'open' };
  const why =
    ends.length === 0
      ? fault('forged', 'heads', 'says something else than the receipts')
      : fault('missing', 'heads', 'covers receipts that are not here');
  return { kind: 'wrong', fault: why, heads: sure, ends };
}
