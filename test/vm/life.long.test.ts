// A package's whole life on emulated routers: installed, shared from, upgraded in the midst of a session, removed. The package is the .ipk
// that is shipped, its scripts run in busybox's shell, and test/fakes/openwrt stands for opkg, base-files, procd and ujail.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as uci from '../../agent/adapters/uci.ts';
import { native } from '../../build/native.ts';
import * as ipk from '../../build/package/ipk.ts';
import { weir } from '../../build/package/weir.ts';
import * as at from '../net/ground/addresses.ts';
import { config, keys } from '../net/post.ts';
import { createGround, type Ground, input, ip, plain } from './ground/enforce.ts';
import * as acts from './ground/enforce-acts.ts';
import { type BusOfRouter, startBus } from './ground/enforce-post.ts';
import type { Machine } from './ground/machines.ts';
import { standIns } from './ground/openwrt.ts';
import { relay } from './ground/relay.ts';
import { type File, host } from './ground/router.ts';

const life = suite('the life of a package');

const addresses = [`${at.tunnel.v4}/16`, `${at.tunnel.v6}/64`, `${at.tunnel.local}/64`];

async function boot(machine: Machine, bus: BusOfRouter): Promise<Ground> {
  const target = machine === 'mipsel' ? 'mipsel_24kc' : 'x86_64';
  const binary = readFileSync(await native(target));
  const packed = (version: string): File => ({ bytes: ipk.write(weir('ipk', target, binary, version, 1_790_000_000)) });
  const ground = await createGround(machine, {
    binary: new Uint8Array(),
    timeoutMs: 1_200_000,
    files: {
      ...standIns(['functions', 'procd', 'rc.common', 'opkg']),
      '/bin/relay': { bytes: relay(machine), mode: 0o755 },
      // Where a router's own says what it waits for, here it is there.
      '/bin/ubus': { bytes: '#!/bin/sh\n', mode: 0o755 },
      '/etc/passwd': { bytes: 'root:x:0:0:root:/root:/bin/sh\n' },
      '/etc/group': { bytes: 'root:x:0:\n' },
      '/etc/shadow': { bytes: 'root:*:0:0:99999:7:::\n', mode: 0o600 },
      '/etc/resolv.conf': { bytes: '' },
      '/packages/old.ipk': packed('0.1.0'),
      '/packages/new.ipk': packed('0.2.0'),
    },
  });
  await ground.root.run(`
    rm /usr/sbin/weir
    mkdir -p /usr/lib/opkg/info /etc/rc.d /var/run/ubus /var/run/ubus.weir
    relay /var/run/ubus/ubus.sock ${host} ${bus.port}
    relay /var/run/ubus.weir/ubus.sock ${host} ${bus.agentPort}
    chmod 666 /var/run/ubus.weir/ubus.sock
    echo '${keys.c.secret}' >/run/c.key`);
  await acts.load(ground, plain);
  return ground;
}

type State = Readonly<{ files: readonly string[]; kernel: string; uci: unknown }>;

async function look(ground: Ground, bus: BusOfRouter): Promise<State> {
  const router = ground.in('router');
  const files = await router.run(`
    find / -xdev '(' -type f -o -type l ')' -exec stat -c '%n %a %u %g %s' {} +
    find /etc -type f -exec sha256sum {} +`);
  const kernel = await router.run(`
    nft list ruleset
    ${ip} -oneline link
    for family in -4 -6; do ${ip} $family rule; ${ip} $family route show table all; done`);
  const configs = ['network', 'firewall'].map((name) => uci.read(bus.root.call, name));
  return { files: files.split('\n').sort(), kernel, uci: await Promise.all(configs) };
}

/** Until `script` is true, in the router. */
const until = async (ground: Ground, script: string): Promise<void> => {
  await ground.in('router').run(`
    for try in $(seq 600); do { ${script}; } >/tmp/until 2>&1 && exit 0; usleep 200000; done
    cat /tmp/until /run/*.log; exit 1`);
};

/** What OpenWrt never takes back, and what the owner was told. */
const accounts = ['/etc/group', '/etc/passwd', '/etc/shadow'];
const kept = ['agent/journal', 'agent/key', 'enforcer/key', 'enforcer/ledger'].map((name) => `/etc/weir/${name}`);
const differing = (these: readonly string[], those: readonly string[]): string[] => {
  const paths = these.filter((line) => !those.includes(line)).flatMap((line) => /\/\S+/.exec(line) ?? []);
  return [...new Set(paths)].sort();
};

type Session = Readonly<{ up: number; down: number; quota: number }>;
const absent = (): never => {
  throw new Error('no session is left');
};

async function live(ground: Ground, bus: BusOfRouter): Promise<void> {
  const router = ground.in('router');
  const before = await look(ground, bus);

  await router.run('opkg install /packages/old.ipk');
  await until(ground, 'weir status');
  const asleep = await router.run('nft list tables; weir status');
  assert.not.match(asleep, 'weir_');
  assert.match(asleep, 'shares nothing');
  // rpcd knows no config without a file, and then nobody could say yes.
  await router.run('cd /etc/config && mv weir /tmp && /etc/init.d/weir restart && [ -e weir ] && mv /tmp/weir weir');
  await until(ground, 'weir status');

  await router.run('weir setup && weir share');
  // What the bus of this test keeps in a file of its own a router has here.
  await router.run(`echo "option accepted '1'" >>/etc/config/weir`);
  await until(ground, "grep -q 'shares on weir0' /run/enforcer.log");
  await router.run(`${ip} -batch - ${input(addresses.map((a) => `address replace ${a} dev weir0 nodad`).join('\n'))}`);

  const terms = '--quota 8M --rate 20M --days 1 --dns none';
  await router.run(`weir friend add ann ${terms} --key ${keys.c.public} --endpoint ${at.wan.v4} --out /run/ann.conf`);
  assert.match(await router.run('cat /run/ann.conf'), `Address = ${at.consumer(0).v4}/32`);
  await until(ground, `wg show weir0 peers | grep -q '${keys.c.public}'`);
  await ground.connect((await router.run('wg show weir0 public-key')).trim());
  assert.is((await acts.transfer(ground, 'pull', at.internet.v4, 1 << 20)).end, 'complete');

  const tunnel = `${ip} -oneline link show weir0 | cut -d: -f1; wg show weir0 listen-port; wg show weir0 peers`;
  const [processes, device] = [await router.run('cat /run/procd/weir/*.pid'), await router.run(tunnel)];
  const going = acts.transfer(ground, 'pull', at.internet.v4, 4 << 20);
  await router.run('opkg upgrade /packages/new.ipk');
  assert.is((await going).end, 'complete', 'who is in notices nothing');
  assert.is(await router.run(tunnel), device);
  assert.is.not(await router.run('cat /run/procd/weir/*.pid'), processes);
  assert.match(await router.run('cat /usr/lib/opkg/info/weir.control; ls /etc/rc.d'), /Version: 0\.2\.0[\s\S]*S95weir/);
  assert.match(await router.run('cat /etc/config/weir'), 'accepted', "the owner's settings are his");
  await until(ground, 'weir receipts ann --json >/dev/null');

  // The new agent goes on counting where the old one was, and the kernel never stopped.
  assert.is((await acts.transfer(ground, 'pull', at.internet.v4, 20 << 20)).end, 'idle');
  await until(ground, `weir sessions --json | grep -q '"reason":"spent"'`);
  const { sessions } = JSON.parse(await router.run('weir sessions --json')) as { sessions: Session[] };
  const [{ up, down, quota } = absent()] = sessions;
  assert.ok(up + down <= quota && up + down > quota - 65_536, `${up + down} of ${quota} bytes`);
  assert.match(await router.run('weir receipts ann --json'), '"sequence":1');

  const said = await router.run('opkg remove weir');
  assert.match(said, '/etc/weir stays');
  const after = await look(ground, bus);
  assert.equal(after.uci, before.uci);
  assert.is(after.kernel, before.kernel);
  assert.equal(differing(after.files, before.files), [...accounts, '/etc/config/weir', ...kept].sort());
  assert.equal(differing(before.files, after.files), accounts);
}

for (const machine of ['x86_64-6.12', 'mipsel'] satisfies Machine[])
  life(`${machine}: installed, shared, upgraded in mid-session, removed without a trace`, async () => {
    const bus = await startBus(config());
    try {
      const ground = await boot(machine, bus);
      try {
        await live(ground, bus);
      } finally {
        await ground.close();
      }
    } finally {
      await bus.stop();
    }
  });

life.run();
