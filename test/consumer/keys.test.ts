import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as keys from '../../agent/consumer/keys.ts';
import { host } from '../../agent/host/node.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-keys-'));
const path = join(folder, 'keys');
const test = suite('consumer: keys');
test('made once, for their owner’s eyes, and never written over', () => {
  assert.ok(keys.create(host, path).ok);
  assert.is(statSync(path).mode & 0o777, 0o600);
  const before = readFileSync(path, 'utf8');
  const again = keys.create(host, path);
  assert.is(!again.ok && again.fault.code, 'EEXIST');
  assert.is(readFileSync(path, 'utf8'), before);
});
test('are what was made', () => {
  const [first, second] = [keys.read(host, path), keys.read(host, path)];
  assert.ok(first.ok && second.ok);
  assert.equal(first.value.public, second.value.public);
  assert.is.not(first.value.public.tunnel.join(), first.value.public.signer.join());
});
const text = readFileSync.bind(null, path, 'utf8');
const refused: readonly Readonly<{ name: string; change(): void; want: string }>[] = [
  { name: 'that others may read', change: () => chmodSync(path, 0o640), want: 'denied keys' },
  {
    name: 'with a digit less',
    change: () => writeFileSync(path, String(text()).replace(/.\n$/, '\n'), { mode: 0o600 }),
    want: 'malformed keys',
  },
  { name: 'that are not there', change: () => rmSync(path), want: 'ENOENT keys.*' },
];
for (const { name, change, want } of refused)
  test(`not those ${name}`, () => {
    chmodSync(path, 0o600);
    change();
    const got = keys.read(host, path);
    assert.ok(!got.ok);
    assert.match(`${got.fault.code} ${got.fault.path}`, new RegExp(`^${want}$`));
    assert.not.match(JSON.stringify(got.fault), /[0-9a-f]{32}/, 'no secret in it');
  });
test.after(() => rmSync(folder, { recursive: true }));
test.run();
