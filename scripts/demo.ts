// The demo: opens a stage, has the story told on it, and sums up. Ends by itself, or by Ctrl-C at any moment; nothing is left behind.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import * as real from './demo-real.ts';
import * as simulated from './demo-simulated.ts';
import type { Stage } from './demo-stage.ts';
import * as story from './demo-story.ts';

const help = `scripts/demo [--simulated] [--stay]

A coordinator, three routers, three consumers: a quota, a top-up, an agent that is killed, an uplink that is lost, a consumer that lies; and the
books that have to add up. As root on this machine's kernel, in network namespaces of its own; else, and with --simulated, in WebAssembly over
kernels of numbers, and every line says so. Takes about two minutes, ends with 0 when all was as promised, and leaves nothing behind.
  --stay    keeps everything up at the end, until Ctrl-C, and says where the coordinator's page is
`;

function read(): Readonly<{ isSimulated: boolean; stays: boolean; isHelp: boolean }> {
  try {
    const options = { simulated: { type: 'boolean' }, stay: { type: 'boolean' }, help: { type: 'boolean' } } as const;
    const { values } = parseArgs({ options });
    return { isSimulated: values.simulated === true, stays: values.stay === true, isHelp: values.help === true };
  } catch (error) {
    process.stderr.write(`demo: ${(error as Error).message}\n\n${help}`);
    process.exit(2);
  }
}

const { isSimulated, stays, isHelp } = read();
if (isHelp) {
  process.stdout.write(help);
  process.exit(0);
}

// Whatever is made on the way lies in one folder, and goes with it.
const folder = mkdtempSync(join(tmpdir(), 'weir-demo-'));
process.env['TMPDIR'] = folder;
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

let isOver = false;
const label = isSimulated ? 'simulated ' : '';
const say = (text: string): void => {
  if (!isOver) for (const line of text.split('\n')) process.stdout.write(`${`${label}${line}`.trimEnd()}\n`);
};
let opening: Promise<Stage> | null = null;

async function end(status: number, words: string): Promise<never> {
  say(words);
  isOver = true;
  const stage = await opening?.catch(() => null);
  await stage?.close();
  process.exit(status);
}
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
  process.on(signal, () => {
    if (!isOver) void end(0, `\n${signal}: everything is stopped and removed.`);
  });

function sumUp(proofs: readonly story.Proof[]): void {
  say('\nWhat was shown:');
  for (const { what, holds } of proofs) say(`  ${holds ? 'yes' : 'NO '}  ${what}`);
}

try {
  say(`Weir, ${isSimulated ? 'simulated: no traffic, no kernel' : "on this machine's kernel"}. Everything is made ready …`);
  opening = isSimulated ? simulated.open(folder) : real.open(folder);
  const stage = await opening;
  const proofs = await story.tell(stage, folder, say);
  sumUp(proofs);
  const isKept = proofs.every(({ holds }) => holds);
  const verdict = isKept ? '\nEverything was as promised.' : '\nNot everything was as promised.';
  if (stays) {
    say(`${verdict} Everything stays up, and Ctrl-C ends it.`);
    say(`  the page:    ${stage.coordinator.url}/`);
    say(`  its token:   ${stage.coordinator.token}`);
    for (const hint of stage.hints) say(`  ${hint}`);
  } else await end(isKept ? 0 : 1, `${verdict} Nothing is left behind.`);
} catch (error) {
  // Ctrl-C strikes all that we started as it strikes us: what breaks by it is no failure of the demo. We hear of it in the next turn at the
  // latest.
  for (let turn = 0; turn < 2; turn++) await new Promise(setImmediate);
  if (!isOver) await end(1, `\nThe demo failed: ${error}`);
}
