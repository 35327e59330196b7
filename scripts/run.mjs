#!/usr/bin/env node
// Runs a TypeScript program of this project: bundles it with esbuild (types are stripped, packages stay outside) and imports the result.
// node scripts/run.mjs FILE.ts [ARGUMENTS]

import { mkdirSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const [file, ...rest] = process.argv.slice(2);
if (file === undefined) {
  console.error('usage: node scripts/run.mjs FILE.ts [ARGUMENTS]');
  process.exit(2);
}
const name = `${basename(file, '.ts')}-${process.pid}.mjs`;
const outfile = join(root, 'build/out/run', name);
mkdirSync(dirname(outfile), { recursive: true });
await build({
  entryPoints: [resolve(root, file)],
  outfile,
  bundle: true,
  platform: 'node',
  target: 'node20',
  format: 'esm',
  packages: 'external',
  external: ['weir-host'],
  sourcemap: 'inline',
  logLevel: 'warning',
  define: { 'import.meta.main': 'true' },
});
process.argv = [process.argv[0], resolve(root, file), ...rest];
process.chdir(root);
const { unlinkSync } = await import('node:fs');
process.on('exit', () => unlinkSync(outfile));
await import(pathToFileURL(outfile).href);
