// Makes the bundles that QuickJS runs: one entry per role, shared modules there once, `weir-host` left to the host.
// Knows which parts of the packages are never reached and puts the small modules of build/shims in their place; knows nothing of
// bytecode or C.

import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { basename, join, relative } from 'node:path';
import { gzipSync } from 'node:zlib';
import { type BuildOptions, build, type ImportKind, type Metafile, type OutputFile, type Plugin } from 'esbuild';

const root = process.cwd();
const outdir = join(root, 'build/out/bundle/quickjs');

export const roles = ['agent', 'enforcer', 'cli'] as const;
export type Role = (typeof roles)[number];

/** A module of the bundle: `name` is what the others import it by, './name' among themselves; `demands` are those it loads when it needs
 *  them, and not before. */
export type Module = Readonly<{ name: string; source: string; imports: readonly string[]; demands: readonly string[] }>;
export type Bundle = Readonly<{ entries: Readonly<Record<Role, string>>; modules: readonly Module[]; metafile: Metafile }>;

/** What a package asks for, and what it gets of build/shims (a name with a dot) or from among the installed packages. Measured on the
 *  mqtt client: 240 KB of bundle and 1.1 MB of heap without, 90 KB and 0.4 MB with. */
const instead: Readonly<Record<string, string>> = {
  mqtt: 'mqtt.cjs',
  buffer: 'buffer.ts',
  'readable-stream': 'streams.ts',
  bl: 'bl/BufferList.js',
  events: 'events.cjs',
  debug: 'debug.cjs',
  'worker-timers': 'worker-timers.ts',
  'lru-cache': 'lru-cache.ts',
  'rfdc/default': 'clone.cjs',
  'process-nextick-args': 'process.cjs',
  '../../package.json': 'package.cjs',
};

const shims: Plugin = {
  name: 'shims',
  setup({ onResolve, resolve }) {
    onResolve({ filter: /^[^.]|package\.json$/ }, ({ path, kind }) => {
      const given = instead[path];
      if (given === undefined) return undefined;
      if (given.includes('/')) return resolve(given, { kind, resolveDir: root });
      return { path: join(root, 'build/shims', given) };
    });
  },
};

const common = {
  absWorkingDir: root,
  bundle: true,
  format: 'esm',
  platform: 'browser',
  mainFields: ['module', 'main'],
  target: 'es2023',
  external: ['weir-host'],
  // The paths of modules go into names: they must not tell where node_modules really is.
  preserveSymlinks: true,
  plugins: [shims],
  metafile: true as const,
  write: false as const,
  logLevel: 'warning',
  legalComments: 'none',
} satisfies BuildOptions;

/** The roles as they go into the router's binary. */
export async function bundle(): Promise<Bundle> {
  const result = await build({
    ...common,
    // What is named here is a module of its own.
    entryPoints: [...roles, 'on-demand'].map((name) => `agent/${name}.ts`),
    outdir,
    splitting: true,
    chunkNames: '[name]-[hash]',
    minifySyntax: true,
    minifyWhitespace: true,
    // Names stay: a stack trace from a router names its functions, for 6 KB of gzip and 19 KB of the agent's heap. esbuild's `keepNames`
    // would make that 12 and 34.
  });
  const entries = { agent: 'agent.js', enforcer: 'enforcer.js', cli: 'cli.js' } as const;
  // esbuild keeps no order among modules of several files, and who begins with `new TextDecoder()` wants the globals to be there.
  const [globals = ''] = Object.entries(result.metafile.outputs).flatMap(([path, { inputs }]) =>
    'agent/host/globals.ts' in inputs ? [basename(path)] : [],
  );
  const modules = modulesOf(result).map((m) =>
    Object.values(entries).some((entry) => entry === m.name) ? { ...m, source: `import"./${globals}";${m.source}` } : m,
  );
  return { entries, modules, metafile: result.metafile };
}

/** Any program of ours (a test, say) as one module for a QuickJS host. */
export async function bundleProgram(entry: string): Promise<{ entry: string; modules: ReadonlyMap<string, string> }> {
  const result = await build({ ...common, entryPoints: [entry], outdir });
  return { entry: basename(entry).replace(/\.ts$/, '.js'), modules: new Map(modulesOf(result).map((m) => [m.name, m.source])) };
}

/** What is in memory when `name` runs; with `demands`, once all was asked for. */
export function closure(
  { modules }: Pick<Bundle, 'modules'>,
  name: string,
  edges: readonly ('imports' | 'demands')[] = ['imports'],
): Module[] {
  const seen = new Set([name]);
  for (const one of seen) {
    const module = modules.find((m) => m.name === one);
    for (const edge of edges) for (const next of module?.[edge] ?? []) seen.add(next);
  }
  return modules.filter((m) => seen.has(m.name));
}

function modulesOf(result: Readonly<{ outputFiles: readonly OutputFile[]; metafile: Metafile }>): Module[] {
  return result.outputFiles.map((file) => {
    const output = result.metafile.outputs[relative(root, file.path)];
    const named = (kind: ImportKind): string[] =>
      (output?.imports ?? []).filter((i) => i.external !== true && i.kind === kind).map((i) => basename(i.path));
    return { name: basename(file.path), source: file.text, imports: named('import-statement'), demands: named('dynamic-import') };
  });
}

function write({ modules }: Bundle): void {
  rmSync(outdir, { recursive: true, force: true });
  mkdirSync(outdir, { recursive: true });
  for (const { name, source } of modules) writeFileSync(join(outdir, name), source);
}

function report(made: Bundle): void {
  for (const m of made.modules) console.log(row(m.name, m.source.length, gzipSync(m.source).length));
  const all = made.modules.map((m) => m.source).join('');
  console.log(row('all', all.length, gzipSync(all, { level: 9 }).length));
  const packages = new Map<string, number>();
  for (const output of Object.values(made.metafile.outputs))
    for (const [path, input] of Object.entries(output.inputs)) {
      const name = /node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1] ?? path;
      packages.set(name, (packages.get(name) ?? 0) + input.bytesInOutput);
    }
  for (const [name, bytes] of [...packages].sort((a, b) => b[1] - a[1]).slice(0, 25)) console.log(row(`  ${name}`, bytes));
}

const row = (name: string, bytes: number, gzipped?: number): string =>
  `${name.padEnd(40)} ${String(bytes).padStart(8)} B${gzipped === undefined ? '' : ` ${String(gzipped).padStart(8)} B gzip`}`;

// Run as a program: also into build/out/bundle/quickjs, to be looked at.
if (process.argv[1] === join(root, 'build/bundle.ts')) {
  const made = await bundle();
  write(made);
  report(made);
}
