// Packages without an SDK: what is written is read back whole, whatever is changed on the way is refused, and the real package managers,
// when they are on PATH, take the same files.

import { execFileSync, spawnSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as apk from '../../build/package/apk.ts';
import * as ipk from '../../build/package/ipk.ts';
import { fullVersion, type Payload } from '../../build/package/payload.ts';
import { weir } from '../../build/package/weir.ts';

const time = 1_790_000_000;
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const stranger = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey;

/** As `usign -G` writes them. */
function usignKeys(): Readonly<{ secret: string; known: string }> {
  const pair = generateKeyPairSync('ed25519');
  const { x = '', d = '' } = pair.privateKey.export({ format: 'jwk' });
  const [seed, open] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')];
  const number = Buffer.from('0123456789abcdef', 'hex');
  const lines = (bytes: Buffer): string => `untrusted comment: a key\n${bytes.toString('base64')}\n`;
  const secret = Buffer.concat([Buffer.from('EdBK'), Buffer.alloc(4 + 16 + 8), number, seed, open]);
  return { secret: lines(secret), known: lines(Buffer.concat([Buffer.from('Ed'), number, open])) };
}
const usign = usignKeys();

const binary = Buffer.from('\x7fELF, and more\n'.repeat(50));
const small = (version = '0.1.0'): Payload => ({
  ...weir('apk', 'mipsel_24kc', binary, version, time),
  depends: [],
  entries: [
    { path: '/etc/config/weir', mode: 0o600, bytes: Buffer.from('config node\n') },
    { path: '/etc/empty', mode: 0o644, bytes: Buffer.alloc(0) },
    { path: '/usr/sbin/weir', mode: 0o755, bytes: binary },
  ],
});

const packages = suite('packages');

packages('apk: every file, script and field comes back', () => {
  const p = weir('apk', 'mipsel_24kc', binary, '0.1.0', time);
  const found = apk.read(apk.write(p, privateKey), publicKey);
  const paths = (entries: Payload['entries']): string[] =>
    entries.map(({ path, mode, bytes }) => `${path} ${mode} ${bytes.length}`).toSorted();
  assert.equal(paths(found.entries), paths(apk.listed(p)));
  assert.equal(found.scripts, p.scripts);
  assert.equal(found.info.depends, p.depends.toSorted());
  assert.is(found.info.version, fullVersion(p));
  assert.is(found.info.arch, 'mipsel_24kc');
  const list = found.entries.find(({ path }) => path === '/lib/apk/packages/weir.list');
  assert.ok(list !== undefined && Buffer.from(list.bytes).toString().split('\n').includes('/etc/init.d/weir'));
});

packages('every file for a router is in the package', () => {
  const folder = 'openwrt/weir/files';
  const { entries } = weir('ipk', 'x86_64', binary, '0.1.0', time);
  const packed = entries.map(({ bytes }) => Buffer.from(bytes).toString());
  for (const name of readdirSync(folder)) assert.ok(packed.includes(readFileSync(join(folder, name), 'utf8')), `${name} is not in it`);
});

packages('apk: the index tells of the package', () => {
  const bytes = apk.write(small(), privateKey);
  const { packages: found } = apk.readIndex(apk.writeIndex('weir', [bytes], privateKey), publicKey);
  assert.equal(
    found.map(({ name, fileSize, hashes }) => [name, fileSize, hashes]),
    [['weir', bytes.length, apk.read(bytes, publicKey).hash]],
  );
});

packages('apk: not one byte can be changed', () => {
  const inner = inflateRawSync(apk.write(small(), privateKey).subarray(4));
  const taken: number[] = [];
  for (let at = 0; at < inner.length; at++) {
    const changed = Buffer.from(inner);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    try {
      apk.read(Buffer.concat([Buffer.from('ADBd'), deflateRawSync(changed)]), publicKey);
      taken.push(at);
    } catch (error) {
      assert.instance(error, Error);
    }
  }
  assert.equal(taken, []);
});

const refused = (why: string, read: () => unknown): void => packages(`apk: refuses ${why}`, () => assert.throws(read));
refused('a package that nobody signed', () => apk.read(apk.write(small(), null), publicKey));
refused("a stranger's signature", () => apk.read(apk.write(small(), privateKey), stranger));
refused('an index in place of a package', () => apk.read(apk.writeIndex('weir', [apk.write(small(), privateKey)], privateKey), publicKey));
refused('a package in place of an index', () => apk.readIndex(apk.write(small(), privateKey), publicKey));
refused('something behind its end', () =>
  apk.read(
    Buffer.concat([
      Buffer.from('ADBd'),
      deflateRawSync(Buffer.concat([inflateRawSync(apk.write(small(), privateKey).subarray(4)), Buffer.alloc(8)])),
    ]),
    publicKey,
  ),
);

packages('ipk: every file, script and field comes back', () => {
  const p = weir('ipk', 'mipsel_24kc', binary, '0.1.0', time);
  const found = ipk.read(ipk.write(p));
  assert.equal(
    found.entries.map(({ path, mode, bytes }) => [path, mode, Buffer.from(bytes).toString('hex')]).toSorted(),
    p.entries.map(({ path, mode, bytes }) => [path, mode, Buffer.from(bytes).toString('hex')]).toSorted(),
  );
  assert.equal(found.scripts, p.scripts);
  assert.equal(found.conffiles, p.conffiles);
  assert.match(found.control, `\nDepends: ${p.depends.join(', ')}\n`);
});

packages('ipk: what the signed index does not tell of is refused', () => {
  const bytes = ipk.write(small());
  const index = ipk.writeIndex([{ file: 'weir.ipk', bytes }]);
  const signature = ipk.signIndex(index, ipk.secretKey(usign.secret));
  const key = ipk.publicKey(usign.known);
  assert.ok(ipk.isSigned(index, signature, key));
  assert.ok(ipk.isListed(ipk.readIndex(index), { file: 'weir.ipk', bytes }));
  assert.not(ipk.isSigned(index.replace('0.1.0', '0.1.1'), signature, key));
  assert.not(ipk.isSigned(index, signature, ipk.publicKey(usignKeys().known)));
  for (let at = 0; at < bytes.length; at++) {
    const changed = Buffer.from(bytes);
    changed.writeUInt8(changed.readUInt8(at) ^ 1, at);
    assert.not(ipk.isListed(ipk.readIndex(index), { file: 'weir.ipk', bytes: changed }), `byte ${at}`);
  }
});

packages('two builds are one', () => {
  // ECDSA draws a number for each signature.
  assert.ok(apk.write(small(), null).equals(apk.write(small(), null)));
  assert.ok(ipk.write(small()).equals(ipk.write(small())));
});

for (const kind of ['apk', 'ipk'] as const)
  packages(`${kind}: its scripts parse`, () => {
    for (const [name, text] of Object.entries(weir(kind, 'x86_64', binary, '0.1.0', time).scripts)) {
      const { status, stderr } = spawnSync('sh', ['-n'], { input: text, encoding: 'utf8' });
      assert.is(`${name} ${status} ${stderr}`, `${name} 0 `);
    }
  });

// ── The real ones ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const isHere = (program: string): boolean => spawnSync('which', [program]).status === 0;
const within = (body: (folder: string) => void): void => {
  const folder = mkdtempSync(join(tmpdir(), 'weir-package-'));
  try {
    body(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
};

if (isHere('apk'))
  packages('the real apk installs, upgrades and removes, and refuses what was changed', () =>
    within((folder) => {
      const root = join(folder, 'root');
      mkdirSync(join(root, 'etc/apk/keys'), { recursive: true });
      writeFileSync(join(root, 'etc/apk/keys/weir.pem'), publicKey.export({ type: 'spki', format: 'pem' }));
      const feed = join(folder, 'packages.adb');
      const publish = (version: string): void => {
        const bytes = apk.write(small(version), privateKey);
        writeFileSync(join(folder, `weir-${version}-r1.apk`), bytes);
        writeFileSync(feed, apk.writeIndex('weir', [bytes], privateKey));
      };
      const run = (...args: string[]): ReturnType<typeof spawnSync> =>
        spawnSync('apk', [
          '--root',
          root,
          '--no-scripts',
          '--arch',
          'mipsel_24kc',
          '--repositories-file',
          '/dev/null',
          '-X',
          feed,
          ...args,
        ]);
      publish('0.1.0');
      assert.is(run('--initdb', 'add', 'weir').status, 0);
      assert.ok(readFileSync(join(root, 'usr/sbin/weir')).equals(binary));
      publish('0.2.0');
      assert.is(run('upgrade').status, 0);
      assert.match(
        execFileSync('apk', ['--root', root, 'list', '--installed', '--repositories-file', '/dev/null'], { encoding: 'utf8' }),
        'weir-0.2.0-r1',
      );
      assert.is(run('del', 'weir').status, 0);
      assert.not(existsSync(join(root, 'usr/sbin/weir')));
      writeFileSync(join(root, 'etc/apk/keys/weir.pem'), stranger.export({ type: 'spki', format: 'pem' }));
      assert.is.not(run('add', 'weir').status, 0);
    }),
  );

if (isHere('opkg-cl'))
  packages('the real opkg installs, upgrades and removes', () =>
    within((folder) => {
      const root = join(folder, 'root');
      for (const path of ['etc/opkg', 'var/lock', 'tmp', 'usr/lib/opkg']) mkdirSync(join(root, path), { recursive: true });
      const conf = join(folder, 'opkg.conf');
      writeFileSync(conf, 'dest root /\narch all 1\narch mipsel_24kc 10\n');
      const run = (...args: string[]): number | null => spawnSync('opkg-cl', ['-f', conf, '-o', root, ...args]).status;
      for (const version of ['0.1.0', '0.2.0']) {
        const file = join(folder, `weir_${version}-r1_mipsel_24kc.ipk`);
        writeFileSync(file, ipk.write(small(version)));
        assert.is(run('install', file), 0);
      }
      assert.match(readFileSync(join(root, 'usr/lib/opkg/status'), 'utf8'), 'Version: 0.2.0-r1');
      assert.ok(readFileSync(join(root, 'usr/sbin/weir')).equals(binary));
      assert.is(run('remove', 'weir'), 0);
      assert.not(existsSync(join(root, 'usr/sbin/weir')));
    }),
  );

if (isHere('usign'))
  packages('the real usign made the key, and holds our signature to be good', () =>
    within((folder) => {
      const at = (name: string): string => join(folder, name);
      execFileSync('usign', ['-G', '-s', at('secret'), '-p', at('public')]);
      const index = ipk.writeIndex([{ file: 'weir.ipk', bytes: ipk.write(small()) }]);
      writeFileSync(at('Packages'), index);
      writeFileSync(at('Packages.sig'), ipk.signIndex(index, ipk.secretKey(readFileSync(at('secret'), 'utf8'))));
      assert.is(spawnSync('usign', ['-V', '-m', at('Packages'), '-p', at('public'), '-x', at('Packages.sig')]).status, 0);
    }),
  );

packages('a key of another kind is refused with the mend', () => {
  const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 });
  assert.throws(() => apk.write(small(), rsa.privateKey), /openssl ecparam/);
  assert.throws(() => ipk.secretKey('nothing'), /usign/);
});

packages.run();
