// Makes the C table of modules that the host carries: each module of a bundle compiled to bytecode. Knows no target: bytecode is the same
// on all of them.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export type Program = Readonly<{ name: string; source: string; isEntry: boolean }>;

/** What the binary runs when it is given no role. */
export const asCommand = (source: string): Program => ({ name: 'cli.js', source, isEntry: true });

/** `compiler` is the program that openwrt/weir/src/compile.c becomes; `hasCompiler` puts the engine's own beside the modules. */
export function bytecode(compiler: string, programs: readonly Program[], { hasCompiler = false } = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-bytecode-'));
  try {
    const modules = [...programs]
      .sort((a, b) => (a.name < b.name ? -1 : 1))
      .map(({ name, source, isEntry }) => {
        const [from, to] = [join(folder, 'source.js'), join(folder, 'bytes')];
        writeFileSync(from, source);
        execFileSync(compiler, [name, from, to], { stdio: ['ignore', 'inherit', 'inherit'] });
        return { name, isEntry, bytes: readFileSync(to) };
      });
    return `${table(modules)}compile_t *const script_compiler = ${hasCompiler ? 'compile_file' : 'NULL'};\n`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** All bytecode in one piece, so that the host can let go of it. */
function table(modules: readonly Readonly<{ name: string; isEntry: boolean; bytes: Buffer }>[]): string {
  let at = 0;
  const rows = modules.map(({ name, bytes, isEntry }) => {
    const row = `  {"${name}", bytecode + ${at}, ${bytes.length}, ${isEntry}},\n`;
    at += bytes.length;
    return row;
  });
  const all = Buffer.concat(modules.map(({ bytes }) => bytes));
  return [
    `#include "modules.h"\nconst uint8_t bytecode[] = {${all.join(',')}};\nconst size_t bytecode_length = sizeof bytecode;\n`,
    `const struct module modules[] = {\n${rows.join('')}  {NULL, NULL, 0, false}};\n`,
  ].join('');
}
