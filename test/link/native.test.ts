import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../build/bundle.ts';
import { interpreter } from '../../build/native.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as nats from '../fakes/nats.ts';
import type { Version } from './conversation/fixture.ts';
import { startFixture } from './fixture.ts';

const test = suite('native');

async function converse(start: typeof mosquitto.start, versions: readonly Version[]): Promise<void> {
  const { entry, modules } = await bundleProgram('test/link/conversation/program.ts');
  const dir = join('build/out/run', `link-${process.pid}`);
  mkdirSync(dir, { recursive: true });
  for (const [name, source] of modules) writeFileSync(join(dir, name), source);
  const binary = await interpreter('host');
  const { fixture, close } = await startFixture(start, versions);
  try {
    const child = spawn(binary, ['--script', join(dir, entry), JSON.stringify(fixture)], { stdio: 'inherit', timeout: 200_000 });
    const status = await new Promise((resolve) => child.on('exit', (code, signal) => resolve(code ?? signal)));
    assert.is(status, 0);
  } finally {
    await close();
    rmSync(dir, { recursive: true });
  }
}
test('converses with Mosquitto', () => converse(mosquitto.start, ['5', '3.1.1']));
test('converses with NATS', () => converse(nats.start, ['3.1.1']));

test.run();
