// The house's room rules: which room may import which, and why not. Reads TypeScript's own syntax tree, because esbuild's metafile no
// longer has the `import type` edges. `node scripts/run.mjs build/rooms.ts [ROOT]` lists the violations and exits 1 when there are any.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, normalize, relative } from 'node:path';
import ts from 'typescript';

type Room = 'core' | 'wire' | 'crypto' | 'ports' | 'adapters' | 'consumer' | 'host' | 'loop' | 'roots' | CoordinatorRoom;
type CoordinatorRoom = 'coordinator/core' | 'coordinator/ports' | 'coordinator/adapters' | 'coordinator/web' | 'coordinator';
type Rule = Readonly<{ rooms: readonly Room[]; packages: readonly string[]; why: string }>;

const rules: Readonly<Record<Exclude<Room, 'roots'>, Rule>> = {
  core: {
    rooms: ['core'],
    packages: [],
    why: 'core decides: values in, values out, no I/O, so that every decision can be tested and replayed',
  },
  crypto: {
    rooms: ['crypto', 'core'],
    packages: ['@noble/'],
    why: 'crypto is the only room that knows @noble, and knows nothing else',
  },
  wire: {
    rooms: ['wire', 'core', 'crypto'],
    packages: [],
    why: 'wire turns bytes into values and back; a codec that does I/O cannot be fuzzed',
  },
  ports: { rooms: ['core', 'ports'], packages: [], why: 'ports are interfaces; one that imports an implementation is no border' },
  adapters: {
    rooms: ['ports', 'wire', 'core'],
    packages: ['mqtt'],
    why: 'each adapter knows one foreign system; a composition root hands one adapter to another',
  },
  consumer: {
    rooms: ['consumer', 'ports', 'wire', 'crypto', 'core'],
    packages: [],
    why: "the other end of the tunnel: it runs beside no router, and shares nothing with one but the messages' formats",
  },
  host: {
    rooms: ['ports', 'core', 'host'],
    packages: ['weir-host', 'node:', 'quickjs-emscripten'],
    why: 'a host is replaceable only while nothing but the port is known to it',
  },
  loop: {
    rooms: ['core', 'ports'],
    packages: [],
    why: 'the loop carries effects out through ports; knowing an adapter would make it one of the roots',
  },
  'coordinator/core': {
    rooms: ['coordinator/core', 'core'],
    packages: [],
    why: 'what a coordinator decides is values in, values out, as on the router',
  },
  'coordinator/ports': {
    rooms: ['coordinator/ports', 'coordinator/core', 'core'],
    packages: [],
    why: 'ports are interfaces; one that imports an implementation is no border',
  },
  'coordinator/adapters': {
    rooms: ['coordinator/ports', 'coordinator/core', 'core'],
    packages: ['node:', 'aedes', 'mqtt', 'pg', '@electric-sql/pglite', 'esbuild'],
    why: 'each adapter knows one foreign system, and another database or broker changes nothing else',
  },
  'coordinator/web': {
    rooms: ['coordinator/web', 'coordinator/core', 'core', 'wire', 'crypto'],
    packages: [],
    why: 'the page runs in a browser, and knows of the coordinator what it answers over HTTP',
  },
  coordinator: {
    rooms: ['coordinator', 'coordinator/adapters', 'coordinator/ports', 'coordinator/core', 'core', 'wire', 'crypto'],
    packages: ['node:'],
    why: "the coordinator shares the messages' formats with a router, and neither its adapters nor its hosts",
  },
};

export type Violation = Readonly<{ file: string; line: number; imported: string; why: string }>;

function roomOf(path: string): Room | null {
  const parts = path.split('/');
  if (parts[0] === 'coordinator') {
    const room = parts.length === 2 ? 'coordinator' : `coordinator/${parts[1]}`;
    return room in rules ? (room as Room) : null;
  }
  if (parts[0] !== 'agent') return null;
  if (parts.length === 2) return ['loop.ts', 'warden.ts', 'home.ts', 'sounding.ts'].includes(`${parts[1]}`) ? 'loop' : 'roots';
  return parts[1] !== undefined && parts[1] in rules ? (parts[1] as Room) : null;
}

function importsOf(path: string, source: string): { name: string; line: number }[] {
  const tree = ts.createSourceFile(path, source, ts.ScriptTarget.Latest, true);
  const found: { name: string; line: number }[] = [];
  const visit = (node: ts.Node): void => {
    const literal =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? node.moduleSpecifier
        : ts.isImportTypeNode(node) && ts.isLiteralTypeNode(node.argument)
          ? node.argument.literal
          : ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword
            ? node.arguments[0]
            : undefined;
    if (literal !== undefined && ts.isStringLiteralLike(literal)) {
      found.push({ name: literal.text, line: tree.getLineAndCharacterOfPosition(literal.getStart()).line + 1 });
    }
    ts.forEachChild(node, visit);
  };
  visit(tree);
  return found;
}

/** Paths are relative to the project's root, with forward slashes. */
export function violations(files: ReadonlyMap<string, string>): Violation[] {
  const out: Violation[] = [];
  for (const [file, source] of files) {
    const room = roomOf(file);
    if (room === null) {
      out.push({ file, line: 1, imported: '', why: `there is no room for it; the rooms are ${Object.keys(rules).join(', ')}` });
      continue;
    }
    if (room === 'roots') continue;
    const rule = rules[room];
    for (const { name, line } of importsOf(file, source)) {
      const target = name.startsWith('.') ? normalize(join(dirname(file), name)) : null;
      const targetRoom = target === null ? null : roomOf(target);
      const sibling = room.endsWith('adapters') && targetRoom === room;
      const allowed =
        target === null
          ? rule.packages.some((p) => (/[:/]$/.test(p) ? name.startsWith(p) : name === p || name.startsWith(`${p}/`)))
          : targetRoom !== null && !sibling && rule.rooms.some((r) => r === targetRoom);
      if (!allowed) out.push({ file, line, imported: target ?? name, why: `${room} may not import it: ${rule.why}` });
    }
  }
  return out;
}

export function readRooms(root: string): Map<string, string> {
  const files = new Map<string, string>();
  for (const folder of ['agent', 'coordinator'].filter((name) => existsSync(join(root, name)))) {
    for (const entry of readdirSync(join(root, folder), { recursive: true, withFileTypes: true })) {
      if (!entry.isFile() || !entry.name.endsWith('.ts')) continue;
      const path = join(entry.parentPath, entry.name);
      files.set(relative(root, path).replaceAll('\\', '/'), readFileSync(path, 'utf8'));
    }
  }
  return files;
}

export const render = (v: Violation): string => `${v.file}:${v.line}: ${v.imported === '' ? '' : `imports ${v.imported}: `}${v.why}`;

if (process.argv[1]?.endsWith('build/rooms.ts')) {
  const found = violations(readRooms(process.argv[2] ?? '.'));
  for (const v of found) console.error(render(v));
  process.exit(found.length === 0 ? 0 : 1);
}
