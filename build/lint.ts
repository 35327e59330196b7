// Formats and lints with Biome, by the binary package of this machine alone: the umbrella package asks for those of every platform.
// `npm run format` mends what it can; with --ci nothing is changed and every finding is an error.

import { spawnSync } from 'node:child_process';
import { arch } from 'node:process';

const biome = `node_modules/@biomejs/cli-linux-${arch}/biome`;
const args = process.argv.includes('--ci')
  ? ['ci', '--colors=off', '--diagnostic-level=warn', '--error-on-warnings']
  : ['check', '--write'];
const run = spawnSync(biome, args, { stdio: 'inherit' });
if (run.error !== undefined) throw run.error;
process.exitCode = run.status ?? 1;
