// Runs the conformance program on our own binary where this machine's processor is another one. Knows nothing of what it checks.

import { readFileSync } from 'node:fs';
import * as assert from 'uvu/assert';
import { demand } from '../../../build/apt.ts';
import { asCommand, type Program } from '../../../build/bytecode.ts';
import { native, type Target } from '../../../build/native.ts';
import type { Fixture } from '../../host/conformance/fixture.ts';
import { assertPassed, bundleConformance, startFixture } from '../../host/fixture.ts';
import { runBounded } from './bounded.ts';
import type { Machine } from './machines.ts';
import { host, type Outcome, runRouter } from './router.ts';

const limitMs = 300_000;

/** On a router of its own, with the other ends here, behind the virtual network. */
export const conformInRouter = (machine: Machine, target: Target): Promise<void> =>
  conform(async (program, fixture) => {
    const seen = JSON.stringify({ ...fixture, temp: '/tmp', unix: null, tcp6: null, udp6: null });
    return runRouter({
      machine,
      binary: readFileSync(await native(target, [program])),
      files: { '/fixture.json': { bytes: seen.replaceAll('"127.0.0.1"', `"${host}"`) } },
      script: 'weir "$(cat /fixture.json)"',
      timeoutMs: limitMs,
    });
  });

/** By QEMU's user mode: another processor, this machine's kernel. */
export const conformUnderQemu = (qemu: string, target: Target): Promise<void> =>
  conform(async (program, fixture) => {
    demand({ [qemu]: 'qemu-user-static' });
    const argv = [qemu, await native(target, [program]), JSON.stringify(fixture)];
    const { stdout, stderr, status, inTime } = await runBounded(argv, limitMs);
    if (status === null) throw new Error(`${qemu} ${inTime ? 'was killed' : 'ran out of time'}\n${stdout}${stderr}`);
    return { output: `${stdout}${stderr}`, status };
  });

async function conform(run: (program: Program, fixture: Fixture) => Promise<Outcome>): Promise<void> {
  const { fixture, close } = await startFixture();
  try {
    const { output, status } = await run(asCommand(await bundleConformance()), fixture);
    // The runner counts what it reads there.
    process.stdout.write(output);
    assert.is(status, 0);
    assertPassed(output);
  } finally {
    close();
  }
}
