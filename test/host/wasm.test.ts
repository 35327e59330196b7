import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import { bundleConformance, startFixture } from './fixture.ts';

const wasm = suite('wasm');

wasm('conforms', async () => {
  const { fixture, close } = await startFixture();
  try {
    const running = await runWasm({
      host,
      modules: new Map([['program.js', await bundleConformance()]]),
      entry: 'program.js',
      args: [JSON.stringify(fixture)],
      memoryLimit: 96 << 20,
      deadline: millis(20_000),
    });
    assert.equal(await running.ended, { ok: true, value: 0 });
  } finally {
    close();
  }
});

wasm.run();
