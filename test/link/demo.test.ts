import { spawn } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

type Run = Readonly<{ status: number | null; output: string }>;

/** `at`: once the output has this, `then` is sent. */
function demo(args: readonly string[], at?: RegExp, then: NodeJS.Signals = 'SIGINT'): Promise<Run> {
  const child = spawn(process.execPath, ['scripts/run.mjs', 'scripts/demo.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: 60_000,
  });
  let output = '';
  let sent = false;
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (at?.test(output) && !sent) sent = child.kill(then);
    });
  return new Promise((resolve) => child.on('close', (status) => resolve({ status, output })));
}

const traces = (): readonly string[] => readdirSync(tmpdir()).filter((name) => /^weir-(house|mosquitto)-/.test(name));

const shows = suite('demo');

for (const [name, args, at] of [
  ['once', ['--once'], undefined],
  ['until Ctrl-C', [], /Ctrl-C ends it/],
] as const)
  shows(`shows a birth, ${name}`, async () => {
    const { status, output } = await demo(args, at);
    assert.is(status, 0, output);
    assert.match(output, /The broker has weir\/roof-1\/birth, \d+ bytes/);
    assert.match(output, /2 {2}node +roof-1/);
    assert.match(output, 'weir/roof-1/state: the node is here');
    // A folder of the house names it in the config it shows.
    const [, own] = /(weir-house-[^/]+)/.exec(output) ?? [];
    assert.type(own, 'string');
    assert.not.ok(traces().includes(String(own)));
  });

shows('helps', async () => {
  const { status, output } = await demo(['--help']);
  assert.is(status, 0);
  assert.match(output, /^scripts\/demo \[--once\]/);
});

shows('takes no other option', async () => {
  const { status, output } = await demo(['--forever']);
  assert.is(status, 2);
  assert.match(output, 'no such option: --forever');
});

shows.run();
