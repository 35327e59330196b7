import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { host } from '../../agent/host/node.ts';
import { conform } from './conformance/suite.ts';
import { survivesKilling } from './crash.ts';
import { startFixture } from './fixture.ts';

const { fixture, close } = await startFixture();
conform(host, fixture);

const node = suite('node');
node('a killed writer leaves the old file or the new one', () =>
  survivesKilling(process.execPath, 'scripts/run.mjs', 'test/host/writer.ts', 'node'),
);
node('a fifo without a writer does not hold it', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-node-'));
  const fifo = join(folder, 'fifo');
  execFileSync('mkfifo', [fifo]);
  // Who waits for a writer meets this one.
  const writer = spawn('sh', ['-c', 'sleep 10; echo late > "$0"', fifo], { detached: true, stdio: 'ignore' });
  try {
    assert.equal(host.files.read(fifo, 100), { ok: true, value: new Uint8Array(0) });
  } finally {
    if (writer.pid !== undefined) process.kill(-writer.pid, 'SIGKILL');
    rmSync(folder, { recursive: true });
  }
});
node.after(close);
node.run();
