// The writer on the hosts that live in Node: node scripts/run.mjs test/host/writer.ts node|wasm FILE

import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import { leastMemory, runWasm } from '../../agent/host/wasm.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { writeForever } from './conformance/writer.ts';

const [kind, file = ''] = host.process.args;
if (kind === 'node') writeForever(host, file);
else {
  const bundled = await bundleProgram('test/host/conformance/writer-program.ts');
  const running = await runWasm({ host, ...bundled, args: [file], memoryLimit: leastMemory, deadline: millis(10_000) });
  const ended = await running.ended;
  if (!ended.ok) throw new Error(ended.fault.reason);
}
