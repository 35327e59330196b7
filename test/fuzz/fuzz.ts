// A small mutational fuzzer: from a seed, the same inputs on every run. What decodes joins the pool, so that later inputs go deeper.
// Knows no format; a target throws when an input shows a bug, and corpus/NAME.txt (hex, one input a line) is where every run starts.

import { readFileSync } from 'node:fs';

export type Target = Readonly<{
  /** Its corpus is corpus/NAME.txt. */
  name: string;
  /** Throws on a bug; otherwise: is the input one that decodes? */
  check(input: Uint8Array): boolean;
}>;

export const corpusOf = (target: Target): readonly Uint8Array[] =>
  readFileSync(`test/fuzz/corpus/${target.name}.txt`, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => new Uint8Array(Buffer.from(line, 'hex')));

const mostPool = 512;
const mostInput = 4096;
/** Where lengths, signs and counts change their meaning. */
const edges = [
  0, 1, 2, 3, 4, 5, 7, 8, 9, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0xffff, 0xf_ffff, 0x10_0000, 0xff_ffff, 0x7fff_ffff, 0x8000_0000,
  0xffff_ffff,
];

export function run(target: Target, seed: number, rounds: number): Readonly<{ decoded: number; refused: number }> {
  const pool = [...corpusOf(target)];
  const random = generator(seed);
  let decoded = 0;
  for (let round = 0; round < rounds; round++) {
    const input = mutate(pick(pool, random), pool, random);
    if (!tried(target, input, `seed ${seed}, round ${round}`)) continue;
    decoded += 1;
    if (pool.length < mostPool) pool.push(input);
    else pool[Math.floor(random() * mostPool)] = input;
  }
  return { decoded, refused: rounds - decoded };
}

/** The input of a bug is what has to be kept: as a line of the corpus. */
export function tried(target: Target, input: Uint8Array, when: string): boolean {
  try {
    return target.check(input);
  } catch (bug) {
    throw new Error(`${target.name}: ${when}: ${Buffer.from(input).toString('hex')}`, { cause: bug });
  }
}

/** mulberry32: a number in [0, 1). */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000;
  };
}

function pick<T>(from: readonly T[], random: () => number): T {
  const one = from[Math.floor(random() * from.length)];
  if (one === undefined) throw new Error('an empty corpus');
  return one;
}

function mutate(input: Uint8Array, pool: readonly Uint8Array[], random: () => number): Uint8Array {
  let bytes = input;
  for (let times = Math.floor(random() * 4); times >= 0; times--) bytes = pick(mutations, random)(bytes, pool, random);
  return bytes.slice(0, mostInput);
}

type Mutation = (bytes: Uint8Array, pool: readonly Uint8Array[], random: () => number) => Uint8Array;

/** An integer from 0 to n. */
const upTo = (n: number, random: () => number): number => Math.floor(random() * (n + 1));
const joined = (...parts: readonly Uint8Array[]): Uint8Array => new Uint8Array(Buffer.concat(parts));

function piece(bytes: Uint8Array, random: () => number): Uint8Array {
  const from = upTo(bytes.length, random);
  return bytes.subarray(from, from + upTo(Math.min(64, bytes.length - from), random));
}

function written(bytes: Uint8Array, at: number, value: readonly number[]): Uint8Array {
  const changed = bytes.slice();
  changed.set(value.slice(0, changed.length - at), at);
  return changed;
}

const mutations: readonly Mutation[] = [
  function flipBit(bytes, _, random) {
    const at = upTo(bytes.length - 1, random);
    return bytes.map((byte, i) => (i === at ? byte ^ (1 << upTo(7, random)) : byte));
  },
  function nudge(bytes, _, random) {
    const at = upTo(bytes.length - 1, random);
    return bytes.map((byte, i) => (i === at ? byte + upTo(16, random) - 8 : byte));
  },
  function writeEdge(bytes, _, random) {
    const size = pick([1, 2, 4, 4], random);
    const value = pick(edges, random);
    const big = Array.from({ length: size }, (__, i) => (value >>> (8 * (size - 1 - i))) & 0xff);
    // Most formats align their lengths.
    const at = pick([1, 4], random) * upTo(Math.floor(bytes.length / 4), random);
    return written(bytes, Math.min(at, bytes.length), random() < 0.5 ? big : big.reverse());
  },
  function remove(bytes, _, random) {
    const from = upTo(bytes.length, random);
    return joined(bytes.subarray(0, from), bytes.subarray(from + upTo(16, random)));
  },
  function repeat(bytes, _, random) {
    const at = upTo(bytes.length, random);
    return joined(bytes.subarray(0, at), piece(bytes, random), bytes.subarray(at));
  },
  function insert(bytes, pool, random) {
    const at = upTo(bytes.length, random);
    return joined(bytes.subarray(0, at), piece(pick(pool, random), random), bytes.subarray(at));
  },
  function splice(bytes, pool, random) {
    const other = pick(pool, random);
    return joined(bytes.subarray(0, upTo(bytes.length, random)), other.subarray(upTo(other.length, random)));
  },
  function cut(bytes, _, random) {
    return bytes.subarray(0, upTo(bytes.length, random));
  },
];
