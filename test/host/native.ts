// Runs programs on the C host built for this machine, plain or under sanitizers.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../build/bundle.ts';
import { asCommand } from '../../build/bytecode.ts';
import { interpreter, native } from '../../build/native.ts';
import { survivesKilling } from './crash.ts';
import { assertPassed, bundleConformance, startFixture } from './fixture.ts';

const limitMs = 200_000;

function run(command: string, args: readonly string[], timeout = limitMs): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'], timeout, killSignal: 'SIGKILL' });
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
    try {
      const binary = await native(target, [asCommand(await bundleConformance())]);
      const { status, output } = await run(binary, [JSON.stringify(fixture)]);
      assert.is(status, 0);
      assertPassed(output);
    } finally {
      close();
    }
  });
  test('a killed writer leaves the old file or the new one', async () => {
    const { entry, modules } = await bundleProgram('test/host/conformance/writer-program.ts');
    await survivesKilling(await native(target, [asCommand(String(modules.get(entry)))]));
  });
  test('a connection that was reset before it was looked at is closed', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-native-'));
    const [program, over] = [join(folder, 'program.js'), join(folder, 'over')];
    const server = createServer((socket) => {
      socket.on('error', () => undefined).on('close', () => writeFileSync(over, ''));
      // An end and then a reset: reading says "end" for ever, and the descriptor is ready for ever.
      socket.end(() => socket.resetAndDestroy());
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    writeFileSync(
      program,
      `import { connectTcp, onEvent, print, stat } from 'weir-host';
      const isOver = () => { try { return stat(${JSON.stringify(over)}) !== ''; } catch { return false; } };
      onEvent((handle, ...event) => print(event.slice(0, 2).join(' ')));
      connectTcp('127.0.0.1', ${(server.address() as AddressInfo).port});
      while (!isOver());`,
    );
    try {
      const { status, output } = await run(await interpreter(target), ['--script', program], 20_000);
      assert.is(output, 'closed ECONNRESET');
      assert.is(status, 0);
    } finally {
      server.close();
      rmSync(folder, { recursive: true });
    }
  });
  test('a child that ended in time was in time, however late we look', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-native-'));
    const [program, pid] = [join(folder, 'program.js'), join(folder, 'pid')];
    writeFileSync(
      program,
      `import { monotonic, onEvent, print, read, spawn } from 'weir-host';
      const text = (path) => String.fromCharCode(...new Uint8Array(read(path, 4096)));
      const isOver = () => { try { return text('/proc/' + text(${JSON.stringify(pid)}).trim() + '/stat').includes(') Z'); } catch { return false; } };
      onEvent((handle, ...event) => print(event.slice(0, 3).join(' ')));
      const deadline = 50, begun = monotonic();
      spawn(JSON.stringify(['/bin/sh', '-c', 'echo $$ > ${pid}']), '[]', new ArrayBuffer(0), deadline, 100);
      while (!isOver() || monotonic() < begun + 2 * deadline);`,
    );
    try {
      const { status, output } = await run(await interpreter(target), ['--script', program], 20_000);
      assert.is(output, 'exited exited 0');
      assert.is(status, 0);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
  test.run();
}
