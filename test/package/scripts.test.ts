// What the scripts of both packages do when a package comes, is replaced and goes: in a root of its own, in the shell of routers, over OpenWrt's
// functions as test/fakes/openwrt tells them. Where OPENWRT_FUNCTIONS names the real /lib/functions.sh, it is told to that, too.

import { spawnSync } from 'node:child_process';
import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as apk from '../../build/package/apk.ts';
import { weir } from '../../build/package/weir.ts';

const scripts = suite('scripts');

const busybox = spawnSync('which', ['busybox'], { encoding: 'utf8' }).stdout.trim();
const applets = ['sh', 'grep', 'sed', 'cat', 'cut', 'ls', 'ln', 'rm', 'mkdir', 'basename', 'dirname', 'readlink', 'find'];
/** Everything that acts on a router says so here instead. */
const told = (name: string): string => `#!/bin/sh\necho "${name} $*" >>/log\n`;

type Kind = 'apk' | 'ipk';
function withRoot(
  kind: Kind,
  functions: string,
  work: (run: (script: 'postinst' | 'prerm' | 'postupgrade', env?: string) => string[], root: string) => void,
): void {
  const root = mkdtempSync(join(tmpdir(), 'weir-scripts-'));
  const put = (path: string, bytes: string | Uint8Array, mode = 0o644): void => {
    mkdirSync(join(root, dirname(path)), { recursive: true });
    writeFileSync(join(root, path), bytes);
    chmodSync(join(root, path), mode);
  };
  try {
    const payload = weir(kind, 'x86_64', Buffer.from(told('weir')), '0.1.0', 0);
    for (const { path, mode, bytes } of kind === 'apk' ? apk.listed(payload) : payload.entries) put(path, bytes, mode);
    if (kind === 'ipk') {
      put('/usr/lib/opkg/info/weir.list', payload.entries.map(({ path }) => `${path}\n`).join(''));
      put('/usr/lib/opkg/info/weir.control', 'Package: weir\nRequire-User: weir:weir\n');
    }
    for (const name of ['passwd', 'group', 'shadow']) put(`/etc/${name}`, '');
    put('/dev/null', '');
    // Some builds of busybox would rather take their own than what is on PATH.
    put('/lib/functions.sh', `killall() { echo "killall $*" >>/log; }\n${readFileSync(functions, 'utf8')}`);
    put('/etc/rc.common', '#!/bin/sh\necho "service $(basename $1) $2" >>/log\n', 0o755);
    for (const name of ['ubus', 'uci', 'lock']) put(`/bin/${name}`, told(name), 0o755);
    copyFileSync(busybox, join(root, 'bin/busybox'));
    for (const applet of applets) symlinkSync('busybox', join(root, 'bin', applet));
    work((name, env = '') => {
      put('/log', '');
      put(`/usr/lib/opkg/info/weir.${name}`, payload.scripts[name] ?? '', 0o755);
      const command = `export PATH=/bin:/usr/sbin ${env}; cd /; /usr/lib/opkg/info/weir.${name}`;
      const { status, stderr } = spawnSync('unshare', ['--user', '--map-root-user', '--root', root, '/bin/sh', '-c', command], {
        encoding: 'utf8',
      });
      assert.is(`${status} ${stderr}`, '0 ');
      // What OpenWrt does for itself is not told.
      return readFileSync(join(root, 'log'), 'utf8')
        .trim()
        .split('\n')
        .filter((line) => !/^(lock|uci) /.test(line));
    }, root);
  } finally {
    rmSync(root, { recursive: true });
  }
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
      withRoot(kind, functions, (run, root) => {
        assert.equal(run('postinst'), ['killall -HUP ubusd', service('enable'), service('start')]);
        for (const name of ['passwd', 'group', 'shadow']) assert.match(readFileSync(join(root, 'etc', name), 'utf8'), /^weir:/m);
      }),
    );

    scripts(`${kind} is replaced${whose}: nothing is torn down, and the new program runs`, () =>
      withRoot(kind, functions, (run) => {
        const upgrade = kind === 'apk' ? run('postupgrade') : [...run('prerm', 'PKG_UPGRADE=1'), ...run('postinst', 'PKG_UPGRADE=1')];
        const services = kind === 'apk' ? ['start', 'restart'] : ['stop', 'start'];
        assert.equal(
          upgrade.filter((line) => line !== 'killall -HUP ubusd'),
          services.map((verb) => service(verb)),
        );
      }),
    );

    scripts(`${kind} goes${whose}: who gives the router back is there first`, () =>
      withRoot(kind, functions, (run) => {
        assert.equal(run('prerm'), removal);
      }),
    );
  }

scripts.run();
