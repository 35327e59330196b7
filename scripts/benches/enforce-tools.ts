// What the parts of the enforcement bench share: programs, compiled when it begins, and figures. Knows no part.

import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { build } from 'esbuild';
import { interpreter } from '../../build/native.ts';
import type { Namespace } from '../../test/net/ground/namespace.ts';
import type { Order } from './enforce-seats.ts';

/** Joins the others in one section, one object of figures. */
export type Part = Readonly<{ body: string; numbers: Readonly<Record<string, ByCount>>; broken: readonly string[] }>;
export type ByCount = Readonly<Record<number, number>>;

export type Tools = Readonly<{
  /** enforce-send.c */
  send: string;
  /** enforce-seats.ts, on the native host. */
  order(place: Namespace, orders: readonly Order[]): Promise<Readonly<{ ms: readonly number[]; rss_kb: number }>>;
}>;

export async function make(): Promise<Tools> {
  const folder = resolve('build/out/bench');
  mkdirSync(folder, { recursive: true });
  const [send, seats] = [`${folder}/enforce-send`, `${folder}/enforce-seats.js`];
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', send, 'scripts/benches/enforce-send.c'], { stdio: 'inherit' });
  await build({
    entryPoints: ['scripts/benches/enforce-seats.ts'],
    outfile: seats,
    bundle: true,
    format: 'esm',
    target: 'es2023',
    platform: 'neutral',
    external: ['weir-host'],
    logLevel: 'warning',
  });
  const weir = await interpreter('host');
  return {
    send,
    order: async (place, orders) => JSON.parse(await place.run([weir, '--script', seats, JSON.stringify(orders)], { withinMs: 120_000 })),
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const [low, high] = [sorted[(sorted.length - 1) >> 1], sorted[sorted.length >> 1]];
  if (low === undefined || high === undefined) throw new Error('no median of nothing');
  return (low + high) / 2;
}

export const progress = (line: string): void => void process.stderr.write(`  ${line}\n`);
