// What the scripts of both packages do when a package comes, is replaced and goes: in a root of its own, in the shell of routers, over OpenWrt's
// functions as test/fakes/openwrt tells them. Where OPENWRT_FUNCTIONS names the real /lib/functions.sh, it is told to that, too; and to the
// real apk, where it is on PATH.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as apk from '../../build/package/apk.ts';
import type { Payload } from '../../build/package/payload.ts';
import { weir } from '../../build/package/weir.ts';

const scripts = suite('scripts');

const busybox = spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim();
const applets = ['sh', 'grep', 'sed', 'cat', 'cut', 'ls', 'ln', 'rm', 'mkdir', 'basename', 'dirname', 'readlink', 'find'];
/** Everything that acts on a router says so here instead. */
const told = (name: string): string => `#!/bin/sh\necho "${name} $*" >>/log\n`;

type Kind = 'apk' | 'ipk';
type Put = (path: string, bytes: string | Uint8Array, mode?: number) => void;

/** A router's own; `heard` is what happened there since it was last asked. */
function withRoot(functions: string, work: (root: string, put: Put, heard: () => string[]) => void): void {
  const root = mkdtempSync(join(tmpdir(), 'weir-scripts-'));
  const put: Put = (path, bytes, mode = 0o644) => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
    chmodSync(join(root, path), mode);
  };
  try {
    for (const path of ['/etc/passwd', '/etc/group', '/etc/shadow', '/dev/null', '/log']) put(path, '');
    // Some builds of busybox would rather take their own than what is on PATH.
    put('/lib/functions.sh', `killall() { echo "killall $*" >>/log; }\n${readFileSync(functions, 'utf8')}`);
    put('/etc/rc.common', '#!/bin/sh\necho "service $(basename $1) $2" >>/log\n', 0o755);
    for (const name of ['ubus', 'uci', 'lock']) put(`/bin/${name}`, told(name), 0o755);
    copyFileSync(busybox, join(root, 'bin/busybox'));
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    work(root, put, () => {
      const lines = readFileSync(join(root, 'log'), 'utf8').trim().split('\n');
      put('/log', '');
      // What OpenWrt does for itself is not told.
      return lines.filter((line) => !/^(lock|uci) /.test(line));
    });
  } finally {
    rmSync(root, { recursive: true });
  }
}

const payloadOf = (kind: Kind, version = '0.1.0'): Payload => weir(kind, 'x86_64', Buffer.from(told('weir')), version, 0);

/** The package's files are there, and its scripts run as a package manager runs them. */
function withFiles(
  kind: Kind,
  functions: string,
  work: (run: (script: 'postinst' | 'prerm' | 'postupgrade', env?: string) => string[], root: string) => void,
): void {
  const payload = payloadOf(kind);
  withRoot(functions, (root, put, heard) => {
    for (const { path, mode, bytes } of kind === 'apk' ? apk.listed(payload) : payload.entries) put(path, bytes, mode);
    if (kind === 'ipk') {
      put('/usr/lib/opkg/info/weir.list', payload.entries.map(({ path }) => `${path}\n`).join(''));
      put('/usr/lib/opkg/info/weir.control', 'Package: weir\nRequire-User: weir:weir\n');
    }
    work((name, env = '') => {
      put(`/usr/lib/opkg/info/weir.${name}`, payload.scripts[name] ?? '', 0o755);
      const command = `export PATH=/bin:/usr/sbin ${env}; cd /; /usr/lib/opkg/info/weir.${name}`;
      const { status, stderr } = spawnSync('unshare', ['--user', '--map-root-user', '--root', root, '/bin/sh', '-c', command], {
        encoding: 'utf8',
      });
      assert.is(`${status} ${stderr}`, '0 ');
      return heard();
    }, root);
  });
}

const service = (verb: string): string => `service weir ${verb}`;
const removal = [service('start'), 'ubus -t 20 wait_for weir.enforcer', 'weir teardown', service('disable'), service('stop')];
const real = process.env['OPENWRT_FUNCTIONS'];

for (const [whose, functions] of [
  ['', 'test/fakes/openwrt/functions.sh'],
  ...(real === undefined ? [] : [[', really', real] as const]),
] as const)
  for (const kind of ['apk', 'ipk'] as const) {
    scripts(`${kind} comes${whose}: the user, then the bus hears of his rights, then it runs`, () =>
      withFiles(kind, functions, (run, root) => {
        assert.equal(run('postinst'), ['killall -HUP ubusd', service('enable'), service('start')]);
        for (const name of ['passwd', 'group', 'shadow']) assert.match(readFileSync(join(root, 'etc', name), 'utf8'), /^weir:/m);
      }),
    );

    scripts(`${kind} is replaced${whose}: nothing is torn down, and the new program runs`, () =>
      withFiles(kind, functions, (run) => {
        const upgrade = kind === 'apk' ? run('postupgrade') : [...run('prerm', 'PKG_UPGRADE=1'), ...run('postinst', 'PKG_UPGRADE=1')];
        const services = kind === 'apk' ? ['start', 'restart'] : ['stop', 'start'];
        assert.equal(
          upgrade.filter((line) => line !== 'killall -HUP ubusd'),
          services.map((verb) => service(verb)),
        );
      }),
    );

    scripts(`${kind} goes${whose}: who gives the router back is there first, and no newer settings stay beside the owner's`, () =>
      withFiles(kind, functions, (run, root) => {
        const beside = join(root, 'etc/config/weir-opkg');
        writeFileSync(beside, '');
        assert.equal(run('prerm'), removal);
        assert.not(existsSync(beside));
      }),
    );

    scripts(`${kind} comes into an image${whose}, and goes from it: nothing runs`, () =>
      withFiles(kind, functions, (run, root) => {
        assert.equal(run('postinst', 'IPKG_INSTROOT=/'), [service('enable')]);
        assert.match(readFileSync(join(root, 'etc/passwd'), 'utf8'), /^weir:/m);
        assert.ok(existsSync(join(root, 'etc/uci-defaults/95-weir')), 'it is for the first start');
        assert.equal(run('prerm', 'IPKG_INSTROOT=/'), [service('disable')]);
      }),
    );
  }

// It runs scripts in their root, so it has to be root's.
if (spawnSync('which', ['apk']).status === 0 && process.getuid?.() === 0)
  scripts('the real apk runs them so, and leaves what the owner has written', () =>
    withRoot('test/fakes/openwrt/functions.sh', (root, put, heard) => {
      const run = (...args: string[]): string[] => {
        const { status, stderr } = spawnSync('apk', ['--root', root, '--arch', 'x86_64', '--allow-untrusted', ...args], {
          encoding: 'utf8',
        });
        assert.is(`${status} ${stderr}`, '0 ');
        return heard();
      };
      const add = (version: string, ...options: string[]): string[] => {
        put(`/${version}.apk`, apk.write({ ...payloadOf('apk', version), depends: [] }, null));
        return run(...options, 'add', join(root, `${version}.apk`));
      };
      assert.equal(add('0.1.0', '--initdb'), ['killall -HUP ubusd', service('enable'), service('start')]);
      put('/etc/config/weir', 'mine', 0o600);
      assert.equal(add('0.2.0'), ['killall -HUP ubusd', service('start'), service('restart')]);
      assert.equal(run('del', 'weir'), removal);
      assert.is(readFileSync(join(root, 'etc/config/weir'), 'utf8'), 'mine');
    }),
  );

scripts.run();
