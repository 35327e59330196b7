// A command line whose reader has gone (`weir status | head -1`) ends without a word, as the kernel ends those who do not ask.

import { execFileSync, spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../build/native.ts';

const print = suite('print');

print('nobody reads: it ends, and says nothing', async () => {
  const binary = await native('host');
  const folder = mkdtempSync(join(tmpdir(), 'weir-print-'));
  try {
    const pipe = join(folder, 'pipe');
    execFileSync('mkfifo', [pipe]);
    const reader = openSync(pipe, constants.O_RDONLY | constants.O_NONBLOCK);
    const writer = openSync(pipe, constants.O_WRONLY);
    closeSync(reader);
    const { status, stderr } = spawnSync(binary, ['--help'], { stdio: ['ignore', writer, 'pipe'], encoding: 'utf8', timeout: 60_000 });
    closeSync(writer);
    assert.is(`${status} ${stderr}`, '141 ');
  } finally {
    rmSync(folder, { recursive: true });
  }
});
print.run();
