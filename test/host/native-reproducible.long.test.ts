// The same sources in another folder make the same binaries, byte for byte.

import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { native, type Target } from '../../build/native.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-elsewhere-'));
const targets: readonly Target[] = ['mipsel_24kc', 'x86_64'];

const sha256 = (file: string): string => createHash('sha256').update(readFileSync(file)).digest('hex');

test('two folders, one binary', async () => {
  const here = [];
  for (const target of targets) here.push(sha256(await native(target)));
  for (const part of ['agent', 'openwrt', 'scripts', 'build/out/sources', 'package.json', 'tsconfig.json'])
    cpSync(part, join(folder, part), { recursive: true });
  cpSync('build', join(folder, 'build'), { recursive: true, filter: (source) => !resolve(source).startsWith(resolve('build/out')) });
  symlinkSync(resolve('node_modules'), join(folder, 'node_modules'));
  const { status, stderr } = spawnSync('node', ['scripts/run.mjs', 'build/native.ts', ...targets], {
    cwd: folder,
    encoding: 'utf8',
    timeout: 900_000,
  });
  assert.is(status, 0, stderr);
  assert.equal(
    targets.map((target) => sha256(join(folder, 'build/out/native', target, 'weir'))),
    here,
  );
});
test.after(() => rmSync(folder, { recursive: true }));
test.run();
