import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const checks = suite('static checks');

const cases = [
  { name: 'types', command: 'node_modules/.bin/tsc', args: ['--noEmit', '-p', '.'] },
  { name: 'format and lint', command: process.execPath, args: ['scripts/run.mjs', 'build/lint.ts', '--ci'] },
];
for (const c of cases) {
  checks(c.name, () => {
    const run = spawnSync(c.command, c.args, { encoding: 'utf8', maxBuffer: 1 << 26 });
    assert.is(run.status, 0, `${c.command} ${c.args.join(' ')}\n${run.stdout}${run.stderr}`);
  });
}

checks.run();
