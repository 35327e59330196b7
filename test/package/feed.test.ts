// The feed against the tree: its Makefile installs what our own packages hold, asks for the same, and says the same when it comes and goes;
// its source tarball holds what the Makefile names.

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { gunzipSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { version } from '../../agent/core/version.ts';
import { bundle } from '../../build/bundle.ts';
import { bytecode } from '../../build/bytecode.ts';
import * as dist from '../../build/dist.ts';
import { luci } from '../../build/luci.ts';
import * as native from '../../build/native.ts';
import { luciApp } from '../../build/package/luci.ts';
import * as tar from '../../build/package/tar.ts';
import { own, weir } from '../../build/package/weir.ts';
import * as sbom from '../../build/sbom.ts';
import { sources } from '../../build/sources.ts';

const text = readFileSync('openwrt/weir/Makefile', 'utf8');
const payload = weir('apk', 'x86_64', Buffer.alloc(0), version, 0);
const variable = (name: string): string =>
  new RegExp(`^\\s*${name}:=((?:.*\\\\\\n)*.*)$`, 'm').exec(text)?.[1]?.replace(/\\\n\s*/g, '') ?? '';
const block = (name: string): string => new RegExp(`^define ${name}\\n([\\s\\S]*?)\\nendef$`, 'm').exec(text)?.[1] ?? '';
const pages = await luci();
const app = luciApp('ipk', pages.files, version, 0);
const made = await dist.tarball(1_790_000_000);
const members = tar.read(gunzipSync(made));

const feed = suite('feed');

feed('name, version, release, licence and maintainer are those of our packages', () => {
  const of = ['PKG_NAME', 'PKG_VERSION', 'PKG_RELEASE', 'PKG_LICENSE', 'PKG_MAINTAINER', 'SECTION', 'USERID'].map(variable);
  const { name, release, license, maintainer, section, user } = payload;
  assert.equal(of, [name, version, String(release), license, maintainer, section, `${user}:${user}`]);
  assert.is(block('Package/weir/description').trim(), payload.description);
  assert.is(block('Package/weir/conffiles'), payload.conffiles.join('\n'));
});

feed('it depends on the same, and on the mbedTLS that our binaries carry inside', () => {
  const asked = variable('DEPENDS')
    .split(/\s+/)
    .map((name) => name.replace(/^\+(USE_SECCOMP:)?/, ''));
  assert.equal(asked.sort(), ['libmbedtls', ...payload.depends.filter((name) => name !== 'libc')].sort());
  // OpenWrt's USE_SECCOMP depends on a list of machines, and riscv64 is not in it.
  const elsewhere = weir('apk', 'riscv64', Buffer.alloc(0), version, 0).depends;
  assert.equal(
    payload.depends.filter((name) => !elsewhere.includes(name)),
    [/\+USE_SECCOMP:(\S+)/.exec(text)?.[1]],
  );
});

feed('it installs the same files, with the same modes', () => {
  const modes: Readonly<Record<string, number>> = { BIN: 0o755, DATA: 0o644, CONF: 0o600 };
  const lines = [...block('Package/weir/install').matchAll(/\$\(INSTALL_(BIN|DATA|CONF)\) \$\(PKG_BUILD_DIR\)\/(\S+) \$\(1\)(\S+)/g)];
  assert.equal(
    lines.map(([, kind = '', , path]) => `${path} ${modes[kind]}`).sort(),
    payload.entries.map(({ path, mode }) => `${path} ${mode}`).sort(),
  );
  for (const [, , from = '', path] of lines.slice(1)) {
    const packed = payload.entries.find((entry) => entry.path === path);
    assert.is(readFileSync(join('openwrt/weir', from), 'utf8'), Buffer.from(packed?.bytes ?? []).toString());
  }
  const folders: readonly string[] = block('Package/weir/install').match(/(?<=\$\(1\))\/\S+(?=[ \n])/g) ?? [];
  for (const [, , , path = ''] of lines) assert.ok(folders.includes(path.slice(0, path.lastIndexOf('/'))), `${path}: no folder`);
});

for (const name of ['postinst', 'prerm'] as const)
  feed(`its ${name} is that of our packages`, () =>
    assert.is(block(`Package/weir/${name}`).replaceAll('$$', '$'), ['#!/bin/sh', ...own[name]].join('\n')),
  );

feed('the pages of LuCI are those of our package', () => {
  const of = block('Package/luci-app-weir');
  assert.match(of, `SECTION:=${app.section}\n`);
  assert.match(of, `DEPENDS:=${app.depends.flatMap((name) => (name === 'libc' ? [] : `+${name}`)).join(' ')}\n`);
  assert.is(block('Package/luci-app-weir/description').trim(), app.description);
  const body = block('Package/luci-app-weir/postinst').replaceAll('$$', '$').replace('#!/bin/sh\n', '');
  assert.ok(app.scripts.postinst?.endsWith(`${body}\n`) && app.scripts.postrm?.endsWith(`${body}\n`));
  assert.match(text, '\nPackage/luci-app-weir/postrm=$(Package/luci-app-weir/postinst)\n');
});

feed('the engine is the one that our binaries hold', () => {
  const [file, hash] = [variable('FILE'), variable('HASH')];
  assert.ok(block('Build/Prepare').includes(`$(DL_DIR)/${file} `));
  assert.match(hash, /^[0-9a-f]{64}$/);
  // What the build has fetched, where it has.
  const note = 'build/out/sources/quickjs/.debian.json';
  if (existsSync(note)) assert.is((JSON.parse(readFileSync(note, 'utf8')) as { archives: Record<string, string> }).archives[file], hash);
  assert.match(variable('URL'), /^https:/);
});

feed("the packages feed's rules: procd alone, and names written out", () => {
  assert.match(text, /\$\(eval \$\(call BuildPackage,weir\)\)\n/);
  assert.not.match(text, /(define|call|eval)[^\n]*\$\(PKG_NAME\)/);
  assert.match(readFileSync('openwrt/weir/files/weir.init', 'utf8'), /^USE_PROCD=1$/m);
});

feed('the tarball holds all that is compiled and installed, and nothing else', async () => {
  const names = (folder: string): string[] => readdirSync(`openwrt/weir/${folder}`).map((file) => `${folder}/${file}`);
  const modules = (await bundle()).modules.map(({ name }) => `modules/${name}`);
  assert.equal(
    members.map(({ name }) => name.slice(`weir-${version}/`.length)).sort(),
    [
      ...names('src'),
      ...names('single'),
      ...names('files'),
      ...modules,
      ...app.entries.map(({ path }) => `luci${path}`),
      'LICENSE',
      'LICENSE.bundled',
    ].sort(),
  );
});

feed('the licence of each part goes along', async () => {
  const text = members.find(({ name }) => name.endsWith('/LICENSE.bundled'))?.bytes?.toString() ?? '';
  const texts = text.split(`\n${'-'.repeat(72)}\n\n`);
  const parts = [(await bundle()).metafile, pages.metafile].flatMap(sbom.bundled).map(({ part }) => `${part.name} ${part.version}`);
  assert.equal(
    texts.map((each) => each.slice(0, each.indexOf('\n'))),
    [...new Set(parts)].sort(),
  );
  for (const each of texts) assert.match(each, /Permission is hereby granted|Apache License/);
});

feed('its Makefile puts the same bytecode in as we do, in the same order', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-feed-'));
  try {
    for (const { name, bytes } of members) {
      if (bytes === null) continue;
      mkdirSync(join(folder, dirname(name)), { recursive: true });
      writeFileSync(join(folder, name), bytes);
    }
    const [compiler, src] = [await native.compiler(sources()), join(folder, `weir-${version}/src`)];
    copyFileSync(compiler, join(src, 'compile'));
    execFileSync('make', ['-s', '-C', src, '-o', 'compile', 'modules.c']);
    const tableOf = (table: string): Readonly<{ code: readonly string[]; rows: readonly string[] }> => {
      const placed = table.replace(/\+ NAMES \+ (\d+)/g, (_, at: string) => `+ ${Number(at) + Number(/NAMES = (\d+)/.exec(table)?.[1])}`);
      return { code: /bytecode\[\] = \{([^}]*)\}/.exec(table)?.[1]?.match(/\d+/g) ?? [], rows: placed.match(/\{"[^}]+\}/g) ?? [] };
    };
    const [made, want] = [readFileSync(join(src, 'modules.c'), 'utf8'), bytecode(compiler, await native.roles())].map(tableOf);
    assert.ok(want !== undefined && want.rows.length > 10 && want.code.length > 100_000);
    assert.equal(made, want);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

feed('two of them are one, and the Makefile beside it names its hash', async () => {
  assert.ok(made.equals(await dist.tarball(1_790_000_000)));
  const hash = createHash('sha256').update(made).digest('hex');
  assert.match(dist.makefile(made), `\nPKG_HASH:=${hash}\n`);
});

feed('test.sh tells one version from another', () => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-feed-'));
  try {
    writeFileSync(join(folder, 'weir'), `#!/bin/sh\n[ "$1" = version ] && echo ${version}\n`);
    chmodSync(join(folder, 'weir'), 0o755);
    const run = (...args: string[]): number | null =>
      spawnSync('sh', ['openwrt/weir/test.sh', ...args], { env: { PATH: `${folder}:${process.env['PATH']}` } }).status;
    assert.equal([run('weir', version), run('weir', '0.0.9'), run('another', '7')], [0, 1, 0]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

feed.run();
