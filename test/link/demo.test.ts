// The demo from its own script: told to the end, and cut off by Ctrl-C wherever it is. Nothing is left of it: no file, no process.

import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';

type Run = Readonly<{ status: number | null; output: string }>;

/** All that it leaves would lie here. */
const folder = mkdtempSync(join(tmpdir(), 'weir-demo-test-'));
/** Whoever was started by it has that folder in the environment. */
const processes = (): readonly string[] =>
  readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid) || pid === String(process.pid)) return false;
    try {
      return readFileSync(`/proc/${pid}/environ`, 'latin1').includes(`TMPDIR=${folder}`);
    } catch {
      // Gone since the directory was read, or somebody else's.
      return false;
    }
  });
/** Who was killed at the very end is gone as soon as this machine has time for it. */
async function assertGone(): Promise<void> {
  assert.equal(readdirSync(folder), []);
  for (let tries = 0; tries < 100 && processes().length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 50));
  assert.equal(processes(), []);
}

/** `when`: a Ctrl-C of the terminal, which strikes every process of the demo. */
function demo(args: readonly string[], when: (output: string) => boolean = () => false): Promise<Run> {
  const child = spawn('scripts/demo', args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, TMPDIR: folder },
    timeout: 400_000,
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
  }, 5);
  return new Promise((resolve) =>
    child.on('close', (status) => {
      clearInterval(look);
      resolve({ status, output });
    }),
  );
}

const proven = [
  'three routers are enrolled',
  'a consumer uses the tunnel',
  'the quota holds in the kernel',
  'a top-up takes effect at once',
  'limits hold with the agent dead',
  'a lost uplink comes back',
  'a lying consumer is caught',
  'billed is what the kernel counted',
  'the ledger adds up',
  "ann's receipts are right",
  "bob's receipts are right",
  "carol's receipts are right",
];
const at = (step: number) => (output: string) => new RegExp(`^(simulated )?${step}\\. `, 'm').test(output);
const isReal = process.getuid?.() === 0 && spawnSync('unshare', ['--net', '--mount', 'true']).status === 0;
type Kind = 'simulated' | 'real';
/** Every moment once: where it is hardest to leave nothing, the real one. */
const moments: Readonly<Record<Kind, readonly (readonly [moment: string, when: (output: string) => boolean])[]>> = {
  simulated: [['while it is made ready', (output) => /made ready/.test(output)]],
  real: [['while a consumer uses the tunnel', at(4)]],
};
const kinds: readonly (readonly [name: Kind, args: readonly string[]])[] = [
  ['simulated', ['--simulated']],
  ...(isReal ? ([['real', []]] as const) : []),
];

const shows = suite('demo');
for (const [kind, args] of kinds) {
  const stays = kind === 'real';
  shows(`${kind}: proves all it says, and ${stays ? 'stays until Ctrl-C' : 'ends by itself'}`, async () => {
    const { status, output } = await demo(stays ? [...args, '--stay'] : args, (said) => /Ctrl-C ends it/.test(said));
    assert.is(status, 0, output);
    for (const what of proven) assert.match(output, `  yes  ${what}`);
    assert.match(output, `Everything was as promised. ${stays ? 'Everything stays up' : 'Nothing is left behind.'}`);
    const others = output.split('\n').filter((line) => line !== '' && line.startsWith('simulated') !== (kind === 'simulated'));
    assert.equal(others, [], 'every line of what is simulated says so, and no other');
    await assertGone();
  });
  for (const [moment, when] of moments[kind])
    shows(`${kind}: ends without a trace on Ctrl-C ${moment}`, async () => {
      const { status, output } = await demo(args, when);
      assert.is(status, 0, output);
      assert.match(output, /SIGINT: everything is stopped and removed\.\n$/);
      await assertGone();
    });
}

shows('helps', async () => {
  const { status, output } = await demo(['--simulated', '--help']);
  assert.is(status, 0);
  assert.match(output, /^scripts\/demo \[--simulated\] \[--stay\]/);
});

shows('takes no other option', async () => {
  const { status, output } = await demo(['--simulated', '--forever']);
  assert.is(status, 2);
  assert.match(output, '--forever');
});

shows.after(() => rmSync(folder, { recursive: true }));
shows.run();
