// What a command of the command line loads: what it needs, and what of the heavy parts it does without.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle, closure } from '../../build/bundle.ts';

const demand = suite('cli: loads on demand');

const curves = 'node_modules/@noble/ed25519/index.js';
const code = 'node_modules/qr/index.js';
const kernel = 'agent/wire/rtnetlink.ts';
const heavy = [curves, code, kernel];
const cases: readonly (readonly [module: string, loads: readonly string[]])[] = [
  ['cli', []],
  ['cli-status', []],
  ['cli-owner', []],
  ['cli-sessions', [curves]],
  ['cli-verify', [curves]],
  ['cli-key', [curves]],
  ['cli-friend', [curves, code]],
  ['cli-tidings', []],
  ['cli-alone', [kernel]],
];
const made = await bundle();
for (const [module, loads] of cases)
  demand(module, () => {
    const [output] = Object.entries(made.metafile.outputs).filter(([, { entryPoint }]) => entryPoint === `agent/${module}.ts`);
    const names = closure(made, `${output?.[0].split('/').at(-1)}`).map(({ name }) => name);
    const outputs = Object.entries(made.metafile.outputs).filter(([path]) => names.some((name) => path.endsWith(`/${name}`)));
    const inputs = outputs.flatMap(([, { inputs }]) => Object.keys(inputs));
    assert.ok(inputs.includes(`agent/${module}.ts`));
    assert.equal(
      heavy.filter((file) => inputs.includes(file)),
      loads,
    );
  });
demand.run();
