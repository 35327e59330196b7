// Whoever follows README.md's section on the installation, word for word, as a new user, until the first quota is enforced; and the feed's table
// in docs/OPERATIONS.md. The commands are taken from there. apk, opkg and usign are the real ones where they are on PATH; otherwise
// test/fakes/openwrt has the same indexes and signatures checked by build/package's readers.

import { execFileSync } from 'node:child_process';
import { createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as uci from '../../agent/adapters/uci.ts';
import { native } from '../../build/native.ts';
import * as apk from '../../build/package/apk.ts';
import * as ipk from '../../build/package/ipk.ts';
import type { Payload } from '../../build/package/payload.ts';
import * as tar from '../../build/package/tar.ts';
import { depends, weir } from '../../build/package/weir.ts';
import * as at from '../net/ground/addresses.ts';
import { must } from '../net/post.ts';
import { createGround, type Ground, input, ip, plain } from './ground/enforce.ts';
import * as acts from './ground/enforce-acts.ts';
import { type BusOfRouter, startBus } from './ground/enforce-post.ts';
import { type Feed, serve } from './ground/feed.ts';
import { fromHere, standIns } from './ground/openwrt.ts';
import { relay } from './ground/relay.ts';
import { host } from './ground/router.ts';

const machine = 'x86_64-6.12';
const managers = ['apk', 'opkg'] as const;
type Manager = (typeof managers)[number];
const release: Readonly<Record<Manager, string>> = { apk: 'OpenWrt 25.12', opkg: 'OpenWrt 24.10' };

// ── What the documents say ───────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The indented lines, block by block. */
function told(page: string, heading: string): readonly (readonly string[])[] {
  const [, section = ''] = readFileSync(page, 'utf8').split(`\n## ${heading}\n`);
  const [own = ''] = section.split('\n## ');
  return own.split(/\n(?! {4})/).flatMap((part) => {
    const lines = [...part.matchAll(/^ {4}(\S.*)$/gm)].map(([, line = '']) => line);
    return lines.length === 0 ? [] : [lines];
  });
}

/** Of the lines for one release and those for all. */
const forRelease = (lines: readonly string[], manager: Manager): readonly string[] =>
  lines.flatMap((line) => {
    const [command = '', note] = line.split(/\s+# /);
    return note === undefined || note === release[manager] ? [command] : [];
  });

/** A row of the feed's table, by its first cell. */
function row(name: string, manager: Manager): string {
  const found = readFileSync('docs/OPERATIONS.md', 'utf8')
    .split('\n')
    .find((line) => line.startsWith(`| ${name} |`));
  const command = /^`(.*)`$/.exec(found?.split(/ *\| */)[2 + managers.indexOf(manager)] ?? '')?.[1];
  assert.ok(command, name);
  return command;
}

// ── The router ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What OpenWrt's own feed has for us, and nothing in it. */
const stub = (kind: 'apk' | 'ipk', name: string): Payload => ({
  ...weir(kind, 'x86_64', Buffer.alloc(0), '1', 0),
  ...{ name, entries: [], scripts: {}, depends: [], conffiles: [], user: null },
});
const official = [...new Set([...depends, 'luci-base'])];

type Keys = Readonly<{ apk: KeyObject; usign: string }>;

/** As OpenSSL and `usign -G` make them; usign's has a number of eight bytes. */
function makeKeys(number: string): Keys {
  const { x = '', d = '' } = generateKeyPairSync('ed25519').privateKey.export({ format: 'jwk' });
  const bytes = [
    Buffer.from('EdBK'),
    Buffer.alloc(4 + 16 + 8),
    Buffer.from(number),
    ...[d, x].map((part) => Buffer.from(part, 'base64url')),
  ];
  return {
    apk: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey,
    usign: `untrusted comment: a key\n${Buffer.concat(bytes).toString('base64')}\n`,
  };
}
const [openwrt, own] = [makeKeys('openwrt!'), makeKeys('weirweir')];

/** The files of a feed, all of one version. */
function feedOf(payloads: (kind: 'apk' | 'ipk') => readonly Payload[], keys: Keys): ReadonlyMap<string, Buffer> {
  const apks = payloads('apk').map((p) => ({ file: `${p.name}-${p.version}-r1.apk`, bytes: apk.write(p, keys.apk) }));
  const ipks = payloads('ipk').map((p) => ({ file: `${p.name}_${p.version}-r1_${p.arch}.ipk`, bytes: ipk.write(p) }));
  const index = ipk.writeIndex(ipks);
  return new Map([
    ...[...apks, ...ipks].map(({ file, bytes }) => [file, bytes] as const),
    ['packages.adb', apk.writeIndex('weir', [...apks.map(({ bytes }) => bytes)], keys.apk)],
    ['Packages.gz', ipk.zipIndex(index)],
    ['Packages.sig', Buffer.from(ipk.signIndex(index, ipk.secretKey(keys.usign)))],
  ]);
}

const feedUrl = `http://${at.internet.v4}`;

/** Puts files below `folder` on the router, as a download, a copy or somebody's upload would. */
async function bring(ground: Ground, web: Feed, folder: string, files: ReadonlyMap<string, Uint8Array>): Promise<void> {
  const members = [...files].map(([name, bytes]): tar.Member => ({ name, mode: 0o644, time: 0, bytes }));
  web.files.set('files', tar.write(members));
  await ground.root.run(`mkdir -p ${folder} && wget -q -O - ${web.url}/files | tar -xf - -C ${folder}`);
}

async function boot(bus: BusOfRouter, web: Feed): Promise<Ground> {
  const ground = await createGround(machine, {
    binary: new Uint8Array(),
    timeoutMs: 1_200_000,
    files: {
      ...standIns(['functions', 'procd', 'rc.common', 'opkg', 'opkg-key', 'apk', 'usign']),
      ...fromHere(['apk', 'opkg-cl', 'usign']),
      '/bin/relay': { bytes: relay(machine), mode: 0o755 },
      // Where a router's own says what it waits for, here it is there.
      '/bin/ubus': { bytes: '#!/bin/sh\n', mode: 0o755 },
      '/etc/init.d/rpcd': { bytes: '#!/bin/sh\n', mode: 0o755 },
      '/etc/passwd': { bytes: 'root:x:0:0:root:/root:/bin/sh\n' },
      '/etc/group': { bytes: 'root:x:0:\n' },
      '/etc/shadow': { bytes: 'root:*:0:0:99999:7:::\n', mode: 0o600 },
      '/etc/resolv.conf': { bytes: '' },
      '/etc/openwrt_release': { bytes: "DISTRIB_ARCH='x86_64'\n" },
      '/etc/apk/keys/openwrt.pem': { bytes: createPublicKey(openwrt.apk).export({ type: 'spki', format: 'pem' }) },
      [`/etc/opkg/keys/${Buffer.from('openwrt!').toString('hex')}`]: { bytes: ipk.renderKey(ipk.secretKey(openwrt.usign)) },
      '/etc/apk/arch': { bytes: 'x86_64\n' },
      '/etc/apk/repositories.d/distfeeds.list': { bytes: `${feedUrl}/official/packages.adb\n` },
      '/etc/opkg.conf': {
        bytes: 'dest root /\nlists_dir ext /var/opkg-lists\noption check_signature\narch all 1\narch x86_64 10\n',
      },
      '/etc/opkg/distfeeds.conf': { bytes: `src/gz official ${feedUrl}/official\n` },
    },
  });
  await ground.root.run(`
    rm /usr/sbin/weir
    mkdir -p /usr/lib/opkg/info /etc/rc.d /var/run/ubus /var/run/ubus.weir /var/lock /www
    [ ! -e /here/apk ] || apk --initdb --repositories-file /dev/null add
    echo ${web.url} >/run/reader
    relay /var/run/ubus/ubus.sock ${host} ${bus.port}
    relay /var/run/ubus.weir/ubus.sock ${host} ${bus.agentPort}
    chmod 666 /var/run/ubus.weir/ubus.sock`);
  await ground.in('internet').run('httpd -p 80 -h /www');
  await acts.load(ground, plain);
  return ground;
}

// ── Its user ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Until `script` is true, in the router. */
const until = async (ground: Ground, script: string): Promise<void> => {
  await ground.in('router').run(`
    for try in $(seq 600); do { ${script}; } >/tmp/until 2>&1 && exit 0; usleep 200000; done
    cat /tmp/until /run/*.log; exit 1`);
};

/** netifd's part: what setup has claimed of it. */
async function address(ground: Ground, bus: BusOfRouter): Promise<void> {
  const sections = must(await uci.read(bus.root.call, 'network'));
  const own = sections.find(({ name }) => name === 'weir0');
  const addresses = ['ipaddr', 'ip6addr'].flatMap((option) => own?.options.get(option) ?? []);
  assert.is(addresses.length, 2);
  const lines = [...addresses, `${at.tunnel.local}/64`].map(
    (each) => `address replace ${each} dev weir0${each.includes(':') ? ' nodad' : ''}`,
  );
  await ground.in('router').run(`${ip} -batch - ${input(lines.join('\n'))}`);
  await acts.plug(ground);
}

/** What a WireGuard app does with it. */
async function take(ground: Ground, shown: string): Promise<void> {
  const config = shown.slice(shown.indexOf('[Interface]'), shown.indexOf('\n\n\x1b'));
  const its = (name: string): string => new RegExp(`^${name} = (.*)$`, 'm').exec(config)?.[1] ?? '';
  assert.is(its('Endpoint'), `${at.wan.v4}:${at.tunnel.port}`);
  const stripped = config.replace(/^(Address|DNS|MTU) = .*\n/gm, '');
  const mark = 51_820;
  const routes = ['default', '::/0'].map((to) => `route add ${to} dev wg0 table ${mark}`);
  const addresses = its('Address')
    .split(', ')
    .map((each) => `address add ${each} dev wg0${each.includes(':') ? ' nodad' : ''}`);
  await ground.in('c').run(`
    set -e
    for family in -4 -6; do ${ip} $family route flush table ${mark}; done
    cat >/run/c.conf ${input(stripped)}
    wg setconf wg0 /run/c.conf
    wg set wg0 fwmark ${mark}
    ${ip} address flush dev wg0 scope global
    ${ip} -batch - ${input([`link set wg0 mtu ${its('MTU')}`, ...addresses, ...routes].join('\n'))}`);
}

const readme = suite<{ folder: string; bus: BusOfRouter; web: Feed; ground: Ground }>('whoever follows the README');

readme.before(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'weir-readme-'));
  context.web = await serve();
  context.bus = await startBus(readFileSync('openwrt/weir/files/weir.config', 'utf8'));
  context.ground = await boot(context.bus, context.web);
  await bring(
    context.ground,
    context.web,
    '/www/official',
    feedOf((kind) => official.map((name) => stub(kind, name)), openwrt),
  );
});
readme.after(async ({ folder, bus, web, ground }) => {
  await ground.close();
  await bus.stop();
  web.close();
  rmSync(folder, { recursive: true });
});

const section = 'Install it on a router';
/** A byte of these is not as it was signed. */
const changed: Readonly<Record<Manager, readonly string[]>> = {
  apk: ['weir-0.3.0-r1.apk', 'packages.adb'],
  opkg: ['weir_0.3.0-r1_x86_64.ipk', 'Packages.sig'],
};
const removal: Readonly<Record<Manager, string>> = { apk: 'apk del', opkg: 'opkg remove' };

readme('the packages are made, and copied to the router', async ({ folder, ground, web }) => {
  const page = readFileSync('README.md', 'utf8');
  const ask = /`(\. \/etc\/openwrt_release; [^`]+)`/.exec(page)?.[1] ?? '';
  const arch = (await ground.in('router').run(ask)).trim();
  const copied = join(folder, 'copied');
  mkdirSync(join(folder, 'bin'));
  mkdirSync(copied);
  writeFileSync(
    join(folder, 'bin/scp'),
    `#!/bin/sh\n[ "$1" = -O ] && shift\nfor to; do :; done\necho "$to" >${folder}/to\nwhile [ $# -gt 1 ]; do cp "$1" ${copied}; shift; done\n`,
    {
      mode: 0o755,
    },
  );
  const [commands = []] = told('README.md', section);
  for (const command of commands)
    execFileSync('sh', ['-c', command.replace('ARCH', arch)], {
      stdio: ['ignore', 'ignore', 'inherit'],
      env: { ...process.env, PATH: `${join(folder, 'bin')}:${process.env['PATH']}` },
    });
  const [, to = ''] = readFileSync(join(folder, 'to'), 'utf8').trim().split(':');
  await bring(ground, web, to, new Map(readdirSync(copied).map((name) => [name, readFileSync(join(copied, name))])));
});

for (const manager of managers.toReversed())
  readme(`${release[manager]}: from a feed of its owner's, by the table of the operations`, async ({ folder, ground, web }) => {
    const router = ground.in('router');
    const packages = join(folder, 'packages');
    writeFileSync(join(folder, 'ec'), own.apk.export({ type: 'sec1', format: 'pem' }));
    writeFileSync(join(folder, 'usign'), own.usign);
    const [, made = ''] = /\*\*From a feed\.\*\* `([^`]+)`/.exec(readFileSync('docs/OPERATIONS.md', 'utf8')) ?? [];
    const command = `${made} x86_64`.replace('--key FILE', `--key ${folder}/ec`).replace('--usign FILE', `--usign ${folder}/usign`);
    execFileSync('sh', ['-c', `${command} --out ${packages}`], { stdio: ['ignore', 'ignore', 'inherit'] });
    const read = (...path: string[]): Map<string, Buffer> =>
      new Map(path.map((each) => [basename(each), readFileSync(join(packages, each))]));
    await bring(ground, web, '/www/packages', read('weir.pem', 'weir.pub'));
    await bring(ground, web, '/www/packages/x86_64', read(...readdirSync(join(packages, 'x86_64')).map((name) => `x86_64/${name}`)));

    const follow = (name: string): Promise<string> =>
      router.run(row(name, manager).replaceAll('FEED', `${feedUrl}/packages`).replaceAll('ARCH', 'x86_64'));
    // opkg ends well when it trusts no list; what counts is what is installed.
    const attempt = (name: string): Promise<string> => follow(name).catch(String);
    const versions = 'cat /lib/apk/db/installed /lib/apk/packages/weir.version /usr/lib/opkg/info/weir.control 2>/dev/null || true';
    await follow('the feed, once');
    await attempt('install');
    assert.not.match(await router.run(versions), 'weir');
    await follow('the key, once');
    await follow('install');
    await until(ground, 'weir status');
    assert.match(await router.run('weir status'), 'shares nothing');

    const binary = readFileSync(await native('x86_64'));
    const next = (version: string) => feedOf((kind) => [weir(kind, 'x86_64', binary, version, 1_790_000_000)], own);
    await bring(ground, web, '/www/packages/x86_64', next('0.2.0'));
    await follow('upgrade');
    assert.match(await router.run(versions), '0.2.0-r1');
    for (const part of changed[manager]) {
      const files = next('0.3.0');
      const bytes = files.get(part);
      const middle = (bytes?.length ?? 0) >> 1;
      bytes?.writeUInt8(bytes.readUInt8(middle) ^ 1, middle);
      await bring(ground, web, '/www/packages/x86_64', files);
      await attempt('upgrade');
      assert.not.match(await router.run(versions), '0.3.0');
    }
    await until(ground, 'weir status');
    assert.match(await router.run(`${removal[manager]} weir`), '/etc/weir stays');
    assert.not.match(await router.run(versions), 'weir');
  });

for (const manager of managers.toReversed())
  readme(`${release[manager]}: step by step until the first quota holds, and out again`, async ({ ground, bus }) => {
    const router = ground.in('router');
    const [, install = [], consent = [], friend = [], after = []] = told('README.md', section);
    const follow = async (lines: readonly string[]): Promise<string> => {
      let said = '';
      for (const command of forRelease(lines, manager)) said += await router.run(command);
      return said;
    };
    await follow(install);
    await until(ground, 'weir status');
    if (manager === 'apk') {
      const asked = consent.filter((line) => line !== 'weir status');
      await follow(asked);
      await until(ground, "grep -q 'shares on weir0' /run/enforcer.log");
      await address(ground, bus);
      assert.match(await router.run('weir status'), 'shares on UDP port');
      await take(ground, await follow(friend));
      await until(ground, 'wg show weir0 peers | grep -q .');
      const { bytes, end } = await acts.transfer(ground, 'pull', at.internet.v4, 40 << 20);
      assert.is(end, 'idle');
      assert.ok(bytes < 20 << 20 && bytes > 18 << 20, `${bytes} bytes passed`);
      const [sessions = '', topUp = '', remove = ''] = after;
      await until(ground, `${sessions} | grep -q spent`);
      await follow([topUp]);
      assert.is((await acts.transfer(ground, 'pull', at.internet.v4, 1 << 20)).end, 'complete');
      await follow([remove]);
      await until(ground, '! wg show weir0 peers | grep -q .');
    }
    assert.match(await router.run(`${removal[manager]} luci-app-weir && ${removal[manager]} weir`), '/etc/weir stays');
    assert.not.match(await router.run(`nft list tables; ${ip} -oneline link`), 'weir');
  });

readme.run();
