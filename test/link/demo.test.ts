import { spawn } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

type Run = Readonly<{ status: number | null; output: string }>;

/** All that it leaves would lie here. */
const folder = mkdtempSync(join(tmpdir(), 'weir-demo-'));
const traces = (): readonly string[] => readdirSync(folder);

/** `when`: a Ctrl-C of the terminal, which strikes every process of the demo. */
function demo(args: readonly string[], when: (output: string) => boolean = () => false): Promise<Run> {
  const child = spawn(process.execPath, ['scripts/run.mjs', 'scripts/demo.ts', ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
    timeout: 60_000,
    detached: true,
  });
  let output = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => {
      output += text;
    });
  const look = setInterval(() => {
    if (!when(output)) return;
    clearInterval(look);
    process.kill(-Number(child.pid), 'SIGINT');
  }, 1);
  return new Promise((resolve) =>
    child.on('close', (status) => {
      clearInterval(look);
      resolve({ status, output });
    }),
  );
}

const shows = suite('demo');

for (const [name, args, when] of [
  ['once', ['--once'], undefined],
  ['until Ctrl-C', [], (output: string) => /Ctrl-C ends it/.test(output)],
] as const)
  shows(`shows a birth, ${name}`, async () => {
    const { status, output } = await demo(args, when);
    assert.is(status, 0, output);
    assert.match(output, /The broker has weir\/roof-1\/birth, \d+ bytes/);
    assert.match(output, /2 {2}node +roof-1/);
    assert.match(output, 'weir/roof-1/state: the node is here');
    assert.equal(traces(), []);
  });

for (const [name, when] of [
  ['the broker is being made', () => traces().some((trace) => trace.startsWith('weir-mosquitto-'))],
  ['the broker is up', (output: string) => /^1\. /m.test(output)],
  ['the enforcer starts', (output: string) => /^3\. /m.test(output)],
  ['the agent starts', (output: string) => /^4\. /m.test(output)],
] as const)
  shows(`ends without a trace on Ctrl-C while ${name}`, async () => {
    const { status, output } = await demo([], when);
    assert.is(status, 0, output);
    assert.match(output, /\nSIGINT: everything is stopped and removed\.\n$/);
    assert.equal(traces(), []);
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

shows.after(() => rmSync(folder, { recursive: true }));
shows.run();
