// Makes the packages without an SDK: `npm run package -- [--out FOLDER] [--key FILE] [--usign FILE] [ARCH…]`. For each architecture a folder
// with an .apk and an .ipk and an index for each, so that one line of a feed installs and upgrades. Beside each package (.cdx.json) stands what
// it is made of.

import { execFileSync } from 'node:child_process';
import { createPrivateKey, createPublicKey } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { version } from '../agent/core/version.ts';
import { bundle } from './bundle.ts';
import { luci } from './luci.ts';
import { native, type Target, targets } from './native.ts';
import * as apk from './package/apk.ts';
import * as ipk from './package/ipk.ts';
import { luciApp } from './package/luci.ts';
import { fullVersion, type Payload } from './package/payload.ts';
import { weir } from './package/weir.ts';
import * as sbom from './sbom.ts';
import { sources } from './sources.ts';

const archs = targets.filter((target) => target !== 'host' && target !== 'asan');
const help = `npm run package -- [--out FOLDER] [--key FILE] [--usign FILE] [ARCH…]

Without an ARCH, all of them: ${archs.join(' ')}
  --out FOLDER  default build/out/package
  --key FILE    signs .apk and its index: openssl ecparam -name prime256v1 -genkey -noout -out FILE
  --usign FILE  signs the index of the .ipk: usign -G -s FILE -p FILE.pub
Beside the folders come weir.pem and weir.pub, the public halves of these keys, for routers to know.
The time inside is SOURCE_DATE_EPOCH, or that of the last commit.
`;

const { values, positionals } = parseArgs({
  options: {
    out: { type: 'string', default: 'build/out/package' },
    key: { type: 'string' },
    usign: { type: 'string' },
    help: { type: 'boolean', short: 'h' },
  },
  allowPositionals: true,
});

const wrong = positionals.find((name) => !archs.some((arch) => arch === name));
if (values.help || wrong !== undefined) {
  if (wrong !== undefined) process.stderr.write(`package: no architecture ${wrong}\n\n`);
  process.stderr.write(help);
  process.exit(wrong === undefined ? 0 : 2);
}

const time = Number(process.env['SOURCE_DATE_EPOCH'] ?? execFileSync('git', ['log', '-1', '--format=%ct'], { encoding: 'utf8' }).trim());
const key = values.key === undefined ? null : createPrivateKey(readFileSync(values.key));
const usign = values.usign === undefined ? null : ipk.secretKey(readFileSync(values.usign, 'utf8'));

mkdirSync(values.out, { recursive: true });
if (key !== null) writeFileSync(join(values.out, 'weir.pem'), createPublicKey(key).export({ type: 'spki', format: 'pem' }));
if (usign !== null) writeFileSync(join(values.out, 'weir.pub'), ipk.renderKey(usign));

const found = [...sbom.linked(sources()), ...sbom.bundled((await bundle()).metafile)];
const app = await luci();
const inApp = sbom.bundled(app.metafile);

for (const arch of positionals.length === 0 ? archs : (positionals as Target[])) {
  const binary = readFileSync(await native(arch));
  const folder = join(values.out, arch);
  mkdirSync(folder, { recursive: true });
  const put = (name: string, bytes: string | Buffer): void => {
    writeFileSync(join(folder, name), bytes);
    process.stdout.write(`${join(folder, name)}  ${Math.ceil(bytes.length / 1024)} KB\n`);
  };

  const putPackage = (payload: Payload, file: string, bytes: Buffer): Readonly<{ file: string; bytes: Buffer }> => {
    put(file, bytes);
    put(`${file}.cdx.json`, sbom.render(payload, file, bytes, payload.arch === null ? inApp : found));
    return { file, bytes };
  };

  const apks = [weir('apk', arch, binary, version, time), luciApp('apk', app.files, version, time)].map((payload) =>
    putPackage(payload, `${payload.name}-${fullVersion(payload)}.apk`, apk.write(payload, key)),
  );
  put(
    'packages.adb',
    apk.writeIndex(
      'weir',
      apks.map(({ bytes }) => bytes),
      key,
    ),
  );

  const ipks = [weir('ipk', arch, binary, version, time), luciApp('ipk', app.files, version, time)].map((payload) =>
    putPackage(payload, `${payload.name}_${fullVersion(payload)}_${payload.arch ?? 'all'}.ipk`, ipk.write(payload)),
  );
  const index = ipk.writeIndex(ipks);
  put('Packages', index);
  put('Packages.gz', ipk.zipIndex(index));
  if (usign !== null) put('Packages.sig', ipk.signIndex(index, usign));
}
