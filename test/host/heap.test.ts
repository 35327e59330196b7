// The engine's heap by itself (heap.c), with the compiler's eye on undefined behaviour.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const heap = suite('heap');
const folder = mkdtempSync(join(tmpdir(), 'weir-heap-'));
const program = join(folder, 'heap');
const source = 'openwrt/weir/src';

heap.before(() => {
  const checks = ['-O1', '-g', '-fsanitize=undefined', '-fno-sanitize-recover=all', '-Wall', '-Wextra', '-Werror'];
  execFileSync('cc', [...checks, `-I${source}`, join(source, 'heap.c'), 'test/host/heap.c', '-o', program]);
});
heap.after(() => rmSync(folder, { recursive: true }));

for (const seed of [1, 2, 3, 4])
  heap(`blocks stay whole, whatever is taken, resized and given back: ${seed}`, () => {
    const { status, stdout, stderr } = spawnSync(program, [String(seed)], { encoding: 'utf8', timeout: 300_000 });
    assert.equal({ status, stdout, stderr }, { status: 0, stdout: 'whole\n', stderr: '' });
  });
heap.run();
