// Runs a program of ours on the C host of this machine, and shows what it prints.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../../build/bundle.ts';
import { interpreter } from '../../../build/native.ts';
import { assertPassed } from '../fixture.ts';

const limitMs = 60_000;

/** `use` gets a folder of its own, and a way to start the program there. */
export async function withProgram<T>(
  entry: string,
  use: (folder: string, start: (...args: readonly string[]) => ChildProcess) => Promise<T>,
): Promise<T> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-kept-'));
  try {
    const bundled = await bundleProgram(entry);
    const program = join(folder, bundled.entry);
    writeFileSync(program, String(bundled.modules.get(bundled.entry)));
    const host = await interpreter('host');
    const start = (...args: readonly string[]): ChildProcess =>
      spawn(host, ['--script', program, ...args], { stdio: ['ignore', 'pipe', 'inherit'], timeout: limitMs, killSignal: 'SIGKILL' });
    return await use(folder, start);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All that it printed until it ended, by itself or by a signal. */
export function outputOf(child: ChildProcess, heard: (output: string) => void = () => undefined): Promise<string> {
  return new Promise((resolve) => {
    let output = '';
    child.stdout?.on('data', (chunk: Buffer) => {
      output += chunk.toString();
      heard(output);
    });
    child.on('close', () => resolve(output));
  });
}

/** A program of uvu suites; its argument is the folder. */
export const passesNatively = (entry: string): Promise<void> =>
  withProgram(entry, async (folder, start) => {
    const child = start(folder);
    const output = await outputOf(child);
    process.stdout.write(output);
    assert.is(child.exitCode, 0);
    assertPassed(output);
  });
