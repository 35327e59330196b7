// scripts/test itself: what it counts as passed, and what it leaves behind.

import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

const folder = `build/out/runner-${process.pid}`;
mkdirSync(folder, { recursive: true });
let files = 0;

function start(source: string): { ended: Promise<{ status: number | null; last: string }>; interrupt(): void } {
  files += 1;
  // By a way that leads through a suite without needs.
  const file = `test/fuzz/../../${folder}/${files}.test.ts`;
  writeFileSync(file, source);
  const child = spawn(process.execPath, ['scripts/run.mjs', 'scripts/test.ts', file], {
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  return {
    ended: new Promise((resolve) => child.on('close', (status) => resolve({ status, last: said.trimEnd().split('\n').at(-1) ?? '' }))),
    interrupt: () => void child.kill('SIGINT'),
  };
}

const runner = suite('runner');
const totals = (total: number, passed: number): string => `console.log('  Total:     ${total}\\n  Passed:    ${passed}\\n  Skipped:   0');`;
const cases = [
  { name: 'all passed', source: totals(2, 2), status: 0, last: '2 passed, 0 failed' },
  { name: 'one failed, though it ended in peace', source: totals(2, 1), status: 1, last: '1 passed, 1 failed' },
  { name: 'no totals', source: 'export {};', status: 1, last: '0 passed, 1 failed' },
  { name: 'dead after all passed', source: `${totals(2, 2)} process.exitCode = 3;`, status: 1, last: '2 passed, 1 failed' },
];
for (const { name, source, ...want } of cases) runner(name, async () => assert.equal(await start(source).ended, want));

runner('Ctrl-C stops what runs', async () => {
  let arrived = (): void => undefined;
  let left = (): void => undefined;
  const arrival = new Promise<void>((resolve) => {
    arrived = resolve;
  });
  const departure = new Promise<void>((resolve) => {
    left = resolve;
  });
  const server = createServer((socket) => {
    socket
      .on('close', left)
      .on('error', () => undefined)
      .resume();
    arrived();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const { ended, interrupt } = start(`import { connect } from 'node:net'; connect(${port}, '127.0.0.1');`);
  await arrival;
  interrupt();
  assert.is((await ended).status, 130);
  await departure;
  server.close();
});

runner.after(() => rmSync(folder, { recursive: true }));
runner.run();
