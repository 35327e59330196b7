import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { startFixture } from './fixture.ts';

const wasm = suite('wasm');

wasm('converses', async () => {
  const { fixture, close } = await startFixture();
  try {
    const running = await runWasm({
      host,
      ...(await bundleProgram('test/link/conversation/program.ts')),
      args: [JSON.stringify(fixture)],
      memoryLimit: 24 << 20,
      deadline: millis(20_000),
    });
    assert.equal(await running.ended, { ok: true, value: 0 });
  } finally {
    await close();
  }
});

wasm.run();
