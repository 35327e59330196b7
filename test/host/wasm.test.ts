import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import { assertPassed, bundleConformance, startFixture } from './fixture.ts';

const wasm = suite('wasm');

wasm('conforms', async () => {
  const { fixture, close } = await startFixture();
  let output = '';
  const print = (text: string): void => {
    output += text;
    host.print(text);
  };
  try {
    const running = await runWasm({
      host: { ...host, print },
      modules: new Map([['program.js', await bundleConformance()]]),
      entry: 'program.js',
      args: [JSON.stringify(fixture)],
      memoryLimit: 96 << 20,
      deadline: millis(20_000),
    });
    assert.equal(await running.ended, { ok: true, value: 0 });
    assertPassed(output);
  } finally {
    close();
  }
});

wasm.run();
