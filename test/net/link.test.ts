// Runs the stories of test/net/link in a network of their own, which ends with this process.

import { spawn } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const link = suite('link');
link('in trouble', async () => {
  const argv = ['--pdeathsig', 'KILL', 'unshare', '--net', process.execPath, 'scripts/run.mjs', 'test/net/link/program.ts'];
  const child = spawn('setpriv', argv, { stdio: 'inherit', timeout: 500_000 });
  const status = await new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
  assert.is(status, 0);
});
link.run();
