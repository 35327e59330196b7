// Runs programs on the C host built for this machine, plain or under sanitizers.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { native } from '../../build/native.ts';
import { assertPassed, bundleConformance, startFixture } from './fixture.ts';

const limitMs = 200_000;

function run(command: string, args: readonly string[]): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout: limitMs, killSignal: 'SIGKILL' });
    const chunks: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => {
      process.stdout.write(chunk);
      chunks.push(chunk);
    });
    child.on('close', (status) => resolve({ status, output: Buffer.concat(chunks).toString() }));
  });
}

export function conformNatively(target: 'host' | 'asan'): void {
  const test = suite(target);
  test('conforms', async () => {
    const { fixture, close } = await startFixture();
    const folder = mkdtempSync(join(tmpdir(), 'weir-native-'));
    try {
      const program = join(folder, 'conformance.js');
      writeFileSync(program, await bundleConformance());
      const { status, output } = await run(await native(target), ['--script', program, JSON.stringify(fixture)]);
      assert.is(status, 0);
      assertPassed(output);
    } finally {
      close();
      rmSync(folder, { recursive: true });
    }
  });
  test.run();
}
