import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const about = suite('the types of the LuCI app');

// A browser's, which the rest of the project must not see.
about('they hold: each option of the agent has its words', () => {
  const run = spawnSync('node_modules/.bin/tsc', ['--noEmit', '-p', 'openwrt/luci-app-weir'], { encoding: 'utf8' });
  assert.is(run.status, 0, run.stdout);
});

about.run();
