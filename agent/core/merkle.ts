// Merkle trees as RFC 9162, 2.1, has them: the root of a list, the proof that something is in it, and its check. Knows no hash of its own.

import type { Hash } from './hash.ts';

export const leafOf = (entry: Uint8Array, hash: Hash): Uint8Array => hash(Uint8Array.of(0, ...entry));
const nodeOf = (left: Uint8Array, right: Uint8Array, hash: Hash): Uint8Array => hash(Uint8Array.of(1, ...left, ...right));

/** The largest power of two below n: where a list of n is split. */
const splitOf = (n: number): number => 2 ** Math.floor(Math.log2(n - 1));

/** Of leaves' hashes. */
export function rootOf(leaves: readonly Uint8Array[], hash: Hash): Uint8Array {
  const [only] = leaves;
  if (only === undefined) return hash(new Uint8Array());
  if (leaves.length === 1) return only;
  const split = splitOf(leaves.length);
  return nodeOf(rootOf(leaves.slice(0, split), hash), rootOf(leaves.slice(split), hash), hash);
}

/** What is beside the way from a leaf up to the root, lowest first. */
export function proofOf(leaves: readonly Uint8Array[], index: number, hash: Hash): readonly Uint8Array[] {
  if (leaves.length <= 1) return [];
  const split = splitOf(leaves.length);
  const [left, right] = [leaves.slice(0, split), leaves.slice(split)];
  return index < split
    ? [...proofOf(left, index, hash), rootOf(right, hash)]
    : [...proofOf(right, index - split, hash), rootOf(left, hash)];
}

/** RFC 9162, 2.1.3.2: the root that this leaf and proof lead to; null: no tree of that size has such a proof. */
export function rootBy(leaf: Uint8Array, index: number, size: number, proof: readonly Uint8Array[], hash: Hash): Uint8Array | null {
  if (index >= size) return null;
  let [at, last, root] = [index, size - 1, leaf];
  for (const beside of proof) {
    if (last === 0) return null;
    if (at % 2 === 1 || at === last) {
      root = nodeOf(beside, root, hash);
      while (at % 2 === 0 && at !== 0) [at, last] = [at / 2, Math.floor(last / 2)];
    } else root = nodeOf(root, beside, hash);
    [at, last] = [Math.floor(at / 2), Math.floor(last / 2)];
  }
  return last === 0 ? root : null;
}
