// Runs programs on the C host built for this machine, plain or under sanitizers.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../build/bundle.ts';
import { native } from '../../build/native.ts';
import { survivesKilling } from './crash.ts';
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
  test('a killed writer leaves the old file or the new one', async () => {
    const { entry, modules } = await bundleProgram('test/host/conformance/writer-program.ts');
    const folder = mkdtempSync(join(tmpdir(), 'weir-native-'));
    try {
      const program = join(folder, entry);
      writeFileSync(program, String(modules.get(entry)));
      await survivesKilling(await native(target), '--script', program);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test.run();
}
