// Runs a pure test file on QuickJS, the engine of the router: bundles it and hands it to the native host. A file that imports Node's own
// modules cannot run there; it is reported as such and counts nothing.
// node scripts/run.mjs scripts/on-quickjs.ts FILE.test.ts

import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { build } from 'esbuild';
import { interpreter } from '../build/native.ts';

const file = process.argv[2];
if (file === undefined) throw new Error('usage: on-quickjs FILE.test.ts');

const bundled = await build({
  stdin: { contents: `import './agent/host/globals.ts';\nimport './${file}';\n`, resolveDir: '.', loader: 'ts' },
  bundle: true,
  format: 'esm',
  target: 'es2023',
  platform: 'neutral',
  mainFields: ['module', 'main'],
  external: ['weir-host', 'node:*'],
  metafile: true,
  write: false,
  logLevel: 'warning',
});
const imported = Object.values(bundled.metafile.outputs).flatMap((o) => o.imports.map((i) => i.path));
const node = imported.filter((p) => p.startsWith('node:'));
if (node.length > 0) {
  console.log(`Node only: it imports ${[...new Set(node)].join(', ')}\n  Total:     0\n  Passed:    0\n  Skipped:   0`);
} else {
  const dir = join('build/out/on-quickjs');
  mkdirSync(dir, { recursive: true });
  const program = join(dir, `${basename(file, '.ts')}-${process.pid}.js`);
  const [output] = bundled.outputFiles;
  if (output === undefined) throw new Error(`${file}: esbuild wrote nothing`);
  writeFileSync(program, output.contents);
  const run = spawnSync(await interpreter('host'), ['--script', program], { encoding: 'utf8', maxBuffer: 1 << 26 });
  process.stdout.write(run.stdout);
  process.stderr.write(run.stderr);
  process.exitCode = run.status ?? 1;
}
