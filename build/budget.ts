// What Weir weighs, against the limits of the house and against the last weight that was accepted. Growth over a tenth needs a reason:
// node scripts/run.mjs build/budget.ts [--accept "REASON"]

import { readFileSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundle, closure, type Module } from './bundle.ts';
import { native, nativeBorrowing } from './native.ts';

export type Weights = Readonly<Record<string, number>>;
type Accepted = Readonly<{ why: string; bytes: Weights }>;

const file = 'build/budget.json';
/** Bytes that nothing talks away. The static binary carries its own mbedTLS and C library; the borrowing one is linked to the router's. */
const limits: Weights = { 'mipsel_24kc static, gzip': 850 * 1024, 'mipsel_24kc borrowing, gzip': 600 * 1024 };
const slack = 1.1;

export async function weigh(): Promise<Weights> {
  const made = await bundle();
  const sizeOf = (modules: readonly Module[]): number => modules.reduce((sum, { source }) => sum + source.length, 0);
  const roles = Object.entries(made.entries).flatMap(([role, entry]) => {
    const [begin, whole] = [sizeOf(closure(made, entry)), sizeOf(closure(made, entry, ['imports', 'demands']))];
    return [[`bundle ${role}`, begin] as const, ...(whole > begin ? [[`bundle ${role}, all of it`, whole] as const] : [])];
  });
  return {
    ...Object.fromEntries(roles),
    'bundle all': sizeOf(made.modules),
    'mipsel_24kc static, gzip': gzipped(await native('mipsel_24kc')),
    'mipsel_24kc borrowing, gzip': gzipped(await nativeBorrowing('mipsel_24kc')),
  };
}

const gzipped = (path: string): number => gzipSync(readFileSync(path), { level: 9 }).length;

export const accepted = (): Accepted => JSON.parse(readFileSync(file, 'utf8')) as Accepted;

export function complaints(now: Weights, last: Weights): string[] {
  const out: string[] = [];
  for (const [what, bytes] of Object.entries(now)) {
    const limit = limits[what];
    const before = last[what];
    if (limit !== undefined && bytes > limit) out.push(`${what}: ${bytes} bytes, over the limit of ${limit}`);
    if (before === undefined) out.push(`${what}: ${bytes} bytes, never accepted; run build/budget.ts --accept "REASON"`);
    else if (bytes > before * slack)
      out.push(`${what}: ${bytes} bytes, grown from ${before}; if it is worth it, run build/budget.ts --accept "REASON"`);
  }
  return out;
}

if (process.argv[1] === resolve('build/budget.ts')) {
  const [option, why] = process.argv.slice(2);
  const now = await weigh();
  if (option === '--accept' && why !== undefined)
    writeFileSync(file, `${JSON.stringify({ why, bytes: now } satisfies Accepted, null, 2)}\n`);
  else if (option !== undefined) throw new Error('usage: build/budget.ts [--accept "REASON"]');
  const last = accepted().bytes;
  for (const [what, bytes] of Object.entries(now)) console.log(`${what.padEnd(28)} ${bytes} bytes, last accepted ${last[what] ?? 'never'}`);
  for (const line of complaints(now, last)) console.error(line);
  process.exitCode = complaints(now, last).length === 0 ? 0 : 1;
}
