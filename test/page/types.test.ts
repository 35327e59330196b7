import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const types = suite('the types of the page');

// A browser's, which the rest of the project must not see.
types('they hold', () => {
  const run = spawnSync('node_modules/.bin/tsc', ['--noEmit', '-p', 'coordinator/web'], { encoding: 'utf8' });
  assert.is(run.status, 0, run.stdout);
});

types.run();
