// What holds for the binary of every router: the right machine, byte order and float ABI, static, and right in its arithmetic.

import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundleProgram } from '../../build/bundle.ts';
import { asCommand, type Program } from '../../build/bytecode.ts';
import { native, type Target } from '../../build/native.ts';
import { INTERPRETER, MIPS_ABI_FLAGS, readElf } from './elf.ts';

type Expected = Readonly<{ bits: number; order: 'little' | 'big'; machine: number; emulator: string }>;

const expected: Readonly<Partial<Record<Target, Expected>>> = {
  mipsel_24kc: { bits: 32, order: 'little', machine: 8, emulator: 'qemu-mipsel-static' },
  mips_24kc: { bits: 32, order: 'big', machine: 8, emulator: 'qemu-mips-static' },
  'arm_cortex-a7': { bits: 32, order: 'little', machine: 40, emulator: 'qemu-arm-static' },
  'aarch64_cortex-a53': { bits: 64, order: 'little', machine: 183, emulator: 'qemu-aarch64-static' },
  x86_64: { bits: 64, order: 'little', machine: 62, emulator: 'qemu-x86_64-static' },
  riscv64: { bits: 64, order: 'little', machine: 243, emulator: 'qemu-riscv64-static' },
};

/** Bytecode made here and run there, so a wrong byte order shows as well. */
async function program(): Promise<Program[]> {
  const { entry, modules } = await bundleProgram('test/host/arithmetic.ts');
  return [asCommand(String(modules.get(entry)))];
}

function run(command: string, ...args: string[]): string {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', timeout: 120_000 });
  assert.equal({ status, stderr }, { status: 0, stderr: '' });
  return stdout;
}

export function checkTargets(...names: readonly Target[]): void {
  const targets = suite('targets');
  for (const name of names) {
    const want = expected[name];
    if (want === undefined) throw new Error(`${name} is for no router`);
    targets(`${name}: machine`, async () => {
      const { segments, flags, ...elf } = readElf(readFileSync(await native(name, [])));
      assert.equal(elf, { bits: want.bits, order: want.order, machine: want.machine });
      assert.not.ok(segments.some((s) => s.type === INTERPRETER));
      // Value 3 of fp_abi: soft float (MIPS ABI flags, version 0).
      if (want.machine === 8) assert.is(segments.find((s) => s.type === MIPS_ABI_FLAGS)?.bytes[7], 3);
      // EF_ARM_ABI_FLOAT_HARD
      if (want.machine === 40) assert.is(flags & 0x400, 0);
    });
    targets(`${name}: arithmetic`, async () => {
      const programs = await program();
      assert.is(run(want.emulator, await native(name, programs)), run(await native('host', programs)));
    });
  }
  targets.run();
}
