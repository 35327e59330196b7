// Makes build/layout.ld anew: the functions that an enforcer and an agent with twenty sessions have run, which the linker then puts side by
// side. Both do the work of `scripts/bench footprint` in an emulated router, which writes down what it translates; each is loaded where
// nobody else is.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { layout, nativeWithSymbols } from '../build/native.ts';
import { work } from './benches/footprint-work.ts';

const [first, second, end] = [0x1000000, 0x2000000, 0x3000000];
const folder = mkdtempSync(join(tmpdir(), 'weir-layout-'));
const path = join(folder, 'trace');
const [enforcer, agent] = [await nativeWithSymbols('mipsel_24kc', first), await nativeWithSymbols('mipsel_24kc', second)];

try {
  await work({
    binary: readFileSync(enforcer),
    agent: 'weir-agent',
    files: { '/usr/sbin/weir-agent': { bytes: readFileSync(agent), mode: 0o755 } },
    trace: { path, addresses: `${first}..${end - 1}` },
  });
  const seen = new Set([...readFileSync(path, 'latin1').matchAll(/^0x([0-9a-f]+):/gm)].map(([, hex = '']) => Number.parseInt(hex, 16)));
  const ran = (binary: string, from: number, to: number): string[] =>
    namesAt(
      binary,
      [...seen].filter((address) => address >= from && address < to),
    );
  const [one, other] = [ran(enforcer, first, second), ran(agent, second, end)];
  const groups = [one.filter((f) => other.includes(f)), one.filter((f) => !other.includes(f)), other.filter((f) => !one.includes(f))];
  writeFileSync(layout, render(groups.flat()));
} finally {
  rmSync(folder, { recursive: true });
}

function render(names: readonly string[]): string {
  const head =
    '/* Written by scripts/layout.ts: functions that an enforcer and an agent with twenty sessions have run, side by side. A kernel maps 16\n' +
    '   pages for each that is touched, so what is touched should be neighbours. */\n';
  // MIPS procedure descriptors are a debugger's; `-s` leaves them. A C library begins and ends in sections with other names.
  const first = '*crt1.o(.text)\nKEEP(*(.init))\nKEEP(*(.fini))\n';
  const near = names.map((name) => `*(.text.${name})\n`).join('');
  return `${head}SECTIONS { /DISCARD/ : { *(.pdr) } .text.near : {\n${first}${near}} } INSERT BEFORE .text;\n`;
}

/** Of several names of one function any may be its section's. */
function namesAt(binary: string, addresses: readonly number[]): string[] {
  const table = execFileSync('nm', ['-n', binary], { encoding: 'utf8', maxBuffer: 1 << 26 });
  const functions = [...table.matchAll(/^([0-9a-f]{8}) [tTW] ([\w.]+)$/gm)].map(([, hex = '', name = '']) => ({
    start: Number.parseInt(hex, 16),
    name,
  }));
  const starts = new Set(addresses.map((address) => functions.findLast(({ start }) => start <= address)?.start));
  return functions.filter(({ start }) => starts.has(start)).map(({ name }) => name);
}
