// Makes the source tarball that the feed's Makefile fetches, and the feed's folder with its hash: `npm run dist`. What is in it needs neither
// Node nor this tree: the C host with a Makefile, the JavaScript bundled, the files for a router, LuCI's pages. Beside it (.cdx.json) stands
// whose code was bundled.

import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync } from 'node:zlib';
import { version } from '../agent/core/version.ts';
import { bundle } from './bundle.ts';
import { luci } from './luci.ts';
import { inOrder } from './package/payload.ts';
import * as tar from './package/tar.ts';
import { weir } from './package/weir.ts';
import * as sbom from './sbom.ts';

const feed = 'openwrt/weir';

const parts = async (): Promise<sbom.Found[]> =>
  sbom.bundled({ inputs: {}, outputs: { ...(await bundle()).metafile.outputs, ...(await luci()).metafile.outputs } });

/** The licences of what others wrote and the bundler put in: they ask to go along. */
const licences = async (): Promise<string> =>
  (await parts())
    .map(({ part: { name, version } }) => {
      const folder = join('node_modules', name);
      const [file] = readdirSync(folder).filter((entry) => /^licen[cs]e(\.md)?$/i.test(entry));
      if (file === undefined) throw new Error(`dist: ${name} comes without its licence`);
      return `${name} ${version}\n\n${readFileSync(join(folder, file), 'utf8').trim()}\n`;
    })
    .join(`\n${'-'.repeat(72)}\n\n`);

/** `time`: of everything inside, in seconds. */
export async function tarball(time: number): Promise<Buffer> {
  const folder = (name: string): (readonly [path: string, bytes: Buffer])[] =>
    readdirSync(join(feed, name)).map((file) => [`${name}/${file}`, readFileSync(join(feed, name, file))]);
  const files = [
    ...folder('src'),
    ...folder('single'),
    ...folder('files'),
    ...(await bundle()).modules.map(({ name, source }) => [`modules/${name}`, Buffer.from(source)] as const),
    ...[...(await luci()).files].map(([path, bytes]) => [`luci${path}`, bytes] as const),
    ['LICENSE', readFileSync('LICENSE')] as const,
    ['LICENSE.bundled', Buffer.from(await licences())] as const,
  ];
  const members = files.map(([path, bytes]) => ({ name: `weir-${version}/${path}`, mode: 0o644, time, bytes }));
  return gzipSync(tar.write(inOrder(members, ({ name }) => name)), { level: 9 });
}

/** The feed's Makefile, for this very tarball. */
export const makefile = (bytes: Uint8Array): string =>
  readFileSync(join(feed, 'Makefile'), 'utf8')
    .replace(/^# `npm run dist` writes .*\n/m, '')
    .replace(/^PKG_HASH:=.*$/m, `PKG_HASH:=${createHash('sha256').update(bytes).digest('hex')}`);

if (process.argv[1] === resolve('build/dist.ts')) {
  const time = Number(process.env['SOURCE_DATE_EPOCH'] ?? execFileSync('git', ['log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim());
  const bytes = await tarball(time);
  const out = 'build/out/dist';
  mkdirSync(join(out, 'weir'), { recursive: true });
  const name = `weir-${version}.tar.gz`;
  const file = join(out, name);
  writeFileSync(file, bytes);
  writeFileSync(`${file}.cdx.json`, sbom.render(weir('ipk', 'source', Buffer.alloc(0), version, time), name, bytes, await parts()));
  writeFileSync(join(out, 'weir/Makefile'), makefile(bytes));
  copyFileSync(join(feed, 'test.sh'), join(out, 'weir/test.sh'));
  process.stdout.write(`${file}  ${Math.ceil(bytes.length / 1024)} KB\n${join(out, 'weir')}  for a feed\n`);
}
