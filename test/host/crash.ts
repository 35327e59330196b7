// Kills a process that replaces a file (conformance/writer.ts) and looks at what it left.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { size } from './conformance/writer.ts';

const rounds = 8;
const patienceMs = 60_000;

/** `command` runs the writer on the file given as its last argument. */
export async function survivesKilling(command: string, ...args: readonly string[]): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-crash-'));
  const file = join(folder, 'state');
  const inode = (): number => (existsSync(file) ? statSync(file).ino : 0);
  try {
    for (let round = 0; round < rounds; round++) {
      const child = spawn(command, [...args, file], { stdio: ['ignore', 'inherit', 'inherit'] });
      const ended = once(child, 'exit');
      const until = Date.now() + patienceMs;
      // In the middle of the work: after it has begun to replace what the last one left.
      for (const before = inode(); inode() === before; ) {
        if (child.exitCode !== null || Date.now() > until) throw new Error('the writer does not write');
        await pause(1);
      }
      await pause(Math.random() * 15);
      child.kill('SIGKILL');
      await ended;
      const left = readFileSync(file);
      assert.is(left.length, size);
      assert.ok(
        left.every((byte) => byte === left[0]),
        'neither the old file nor the new one',
      );
    }
    assert.ok(readdirSync(folder).length <= 2, 'what was not finished is used again, and does not pile up');
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
