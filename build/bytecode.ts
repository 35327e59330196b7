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
        const [from, names, code] = [join(folder, 'source.js'), join(folder, 'names'), join(folder, 'code')];
        writeFileSync(from, source);
        execFileSync(compiler, [name, from, names, code], { stdio: ['ignore', 'inherit', 'inherit'] });
        return { name, isEntry, names: readFileSync(names), code: readFileSync(code) };
      });
    return `${table(modules)}compile_t *const script_compiler = ${hasCompiler ? 'compile_file' : 'NULL'};\n`;
  } finally {
    rmSync(folder, { recursive: true });
  }
}

type Compiled = Readonly<{ name: string; isEntry: boolean; names: Buffer; code: Buffer }>;

/** All bytecode in one piece, so that the host can let go of it: first the names of all modules, then their code. */
function table(modules: readonly Compiled[]): string {
  const [names, code] = [Buffer.concat(modules.map((m) => m.names)), Buffer.concat(modules.map((m) => m.code))];
  let [from, at] = [0, names.length];
  const rows = modules.map((m) => {
    const row = `  {"${m.name}", bytecode + ${from}, ${m.names.length}, bytecode + ${at}, ${m.code.length}, ${m.isEntry}},\n`;
    from += m.names.length;
    at += m.code.length;
    return row;
  });
  return [
    `#include "modules.h"\nconst uint8_t bytecode[] = {${Buffer.concat([names, code]).join(',')}};\nconst size_t bytecode_length = sizeof bytecode;\n`,
    `const struct module modules[] = {\n${rows.join('')}  {NULL, NULL, 0, NULL, 0, false}};\n`,
  ].join('');
}
