// A router's bus: rpcd, netifd and procd over one set of configs and devices, wired as on OpenWrt: a commit is told to procd, whose trigger
// reloads netifd a second later. `start` puts it on a bus, `router` is for whoever wants it without one.

import type { Clock } from '../../agent/ports/host.ts';
import * as bareUbus from './bare-ubus.ts';
import * as network from './network.ts';
import type { FakeObject, Outlet } from './object.ts';
import { call } from './object.ts';
import * as plain from './plain.ts';
import * as rpcdSession from './rpcd-session.ts';
import * as service from './service.ts';
import * as uci from './uci.ts';

export type Router = Readonly<{
  /** Those on the bus by now. */
  objects: ReadonlyMap<string, FakeObject>;
  /** /etc/config */
  files: Map<string, string>;
  link: network.Network['link'];
  lease: network.Network['lease'];
  /** What procd's triggers started, oldest first. */
  started: readonly string[];
}>;

/** What a router has after its first boot, as little of it as one can route with. */
export const configs: Readonly<Record<string, string>> = {
  network: `
config interface 'loopback'
	option device 'lo'
	option proto 'static'
	list ipaddr '127.0.0.1/8'

config globals 'globals'
	option ula_prefix 'fd12:3456:789a::/48'

config interface 'lan'
	option device 'eth0'
	option proto 'static'
	list ipaddr '192.168.1.1/24'

config interface 'wan'
	option device 'eth1'
	option proto 'static'
	option ipaddr '203.0.113.2'
	option netmask '255.255.255.0'
	option gateway '203.0.113.1'
	list dns '203.0.113.1'

`,
  firewall: `
config defaults
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'

config zone
	option name 'lan'
	list network 'lan'
	option input 'ACCEPT'
	option output 'ACCEPT'
	option forward 'ACCEPT'

config zone
	option name 'wan'
	list network 'wan'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'
	option masq '1'

config forwarding
	option src 'lan'
	option dest 'wan'

`,
};

export const board: service.Board = {
  kernel: '6.12.63',
  hostname: 'OpenWrt',
  system: 'MediaTek MT7621 ver:1 eco:3',
  model: 'Test router',
  board_name: 'test,router',
  release: {
    distribution: 'OpenWrt',
    version: '25.12.5',
    revision: 'r33032-0000000000',
    target: 'ramips/mt7621',
    description: 'OpenWrt 25.12.5',
  },
};

export function router(clock: Clock, outlet: Outlet, files: Readonly<Record<string, string>> = configs): Router {
  const objects = new Map<string, FakeObject>();
  const started: string[] = [];
  const add = (object: FakeObject): void => {
    objects.set(object.path, object);
    outlet.add(object);
  };

  const procd = service.services(clock, outlet, (argv) => {
    started.push(argv.join(' '));
    if (argv[0] === '/etc/init.d/network') netifd.reload();
  });
  const sessions = rpcdSession.sessions(clock);
  const rpcd = uci.uci(new Map(Object.entries(files)), sessions, clock, (config) =>
    procd.event('config.change', plain.table({ package: config })),
  );
  const netifd = network.network(() => rpcd.read('network'), clock, {
    ...outlet,
    add,
    remove(path) {
      objects.delete(path);
      outlet.remove(path);
    },
  });

  for (const object of [procd.object, service.system(board, clock), sessions.object, rpcd.object, ...netifd.objects]) add(object);
  for (const name of ['network', 'firewall']) {
    const run = ['run_script', `/etc/init.d/${name}`, 'reload'];
    const triggers = [['config.change', ['if', ['eq', 'package', name], run], 1000]];
    call(procd.object, 'set', plain.table({ name, triggers }));
  }
  for (const name of ['lo', 'eth0', 'eth1']) netifd.link(name, network.ethernet);
  netifd.reload();
  return { objects, files: rpcd.files, link: netifd.link, lease: netifd.lease, started };
}

export async function start(socket: string, clock: Clock, files?: Readonly<Record<string, string>>): Promise<Router & { stop(): void }> {
  const bus = await bareUbus.open(socket);
  const made = router(clock, bus, files);
  await bus.settled();
  return { ...made, stop: bus.close };
}
