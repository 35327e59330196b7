// The client on the engines of the router: QuickJS native and in WebAssembly, against the fake ubusd.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { interpreter } from '../../build/native.ts';
import { assertPassed } from '../host/fixture.ts';
import { fake } from './ground.ts';

const hosts = suite('hosts');

async function source(): Promise<string> {
  const { entry, modules } = await bundleProgram('test/bus/program.ts');
  return String(modules.get(entry));
}

hosts('QuickJS, native', async () => {
  const ground = await fake();
  const folder = mkdtempSync(join(tmpdir(), 'weir-bus-'));
  try {
    const program = join(folder, 'bus.js');
    writeFileSync(program, await source());
    const place = JSON.stringify({ name: `${ground.name}, on QuickJS`, paths: ground.paths, guest: ground.guest });
    const child = spawn(await interpreter('host'), ['--script', program, place], { stdio: ['ignore', 'pipe', 'inherit'], timeout: 60_000 });
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => {
      output += chunk;
      process.stdout.write(chunk);
    });
    assert.is(await new Promise((resolve) => child.on('close', resolve)), 0);
    assertPassed(output);
  } finally {
    await ground.clear();
    rmSync(folder, { recursive: true });
  }
});

hosts('QuickJS in WebAssembly', async () => {
  const ground = await fake();
  let output = '';
  const print = (text: string): void => {
    output += text;
    host.print(text);
  };
  try {
    const running = await runWasm({
      host: { ...host, print },
      modules: new Map([['bus.js', await source()]]),
      entry: 'bus.js',
      args: [JSON.stringify({ name: `${ground.name}, in WebAssembly`, paths: ground.paths, guest: ground.guest })],
      memoryLimit: 96 << 20,
      deadline: millis(20_000),
    });
    assert.equal(await running.ended, { ok: true, value: 0 });
    assertPassed(output);
  } finally {
    await ground.clear();
  }
});

hosts.run();
