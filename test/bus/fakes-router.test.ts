// What the fake router can do that no real daemon is asked for here: leases of other protocols, and a bus-less router at hand.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { manual } from '../fakes/clock.ts';
import * as network from '../fakes/network.ts';
import { call, type Outlet } from '../fakes/object.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as router from '../fakes/router.ts';

const fake = suite('fake router');

function open(files?: Readonly<Record<string, string>>) {
  const clock = manual();
  const told: string[] = [];
  const outlet: Outlet = {
    notify: (path, event) => void told.push(`${path} ${event}`),
    send: (event, body) => void told.push(`${event} ${plain.fields(body)['action']}`),
    add: () => undefined,
    remove: (path) => void told.push(`${path} removed`),
  };
  const made = router.router(clock, outlet, files);
  told.length = 0;
  const ask = (path: string, method: string, args: Fields = {}): Fields | number => {
    const object = made.objects.get(path);
    if (object === undefined) return 4;
    const { status, data } = call(object, method, plain.table(args));
    return status === 0 ? plain.fields(data[0] ?? []) : status;
  };
  return { ...made, clock, told, ask };
}

const pppoe = "\nconfig interface 'wan'\n\toption device 'eth1'\n\toption proto 'pppoe'\n\toption metric '10'\n\n";
const lease: network.Lease = {
  device: 'pppoe-wan',
  ipv4: [{ address: '100.64.7.7', mask: 32 }],
  ipv6: [],
  routes: [{ target: '0.0.0.0', mask: 0, nexthop: '10.64.0.1', source: '0.0.0.0/0' }],
  dns: ['10.64.0.1'],
};
const waiting = { up: false, pending: true, available: true, autostart: true, dynamic: false, proto: 'pppoe', device: 'eth1', data: {} };

fake('a lease is an interface of another device, its end an interface that waits', () => {
  const { ask, lease: give, told, clock } = open({ network: pppoe });
  assert.equal(ask('network.interface.wan', 'status'), waiting);
  give('wan', lease);
  clock.advance(millis(2500));
  const empty = { 'ipv4-address': [], 'ipv6-address': [], route: [], 'dns-server': [], 'dns-search': [], neighbors: [] };
  assert.equal(ask('network.interface.wan', 'status'), {
    up: true,
    pending: false,
    available: true,
    autostart: true,
    dynamic: false,
    uptime: 2,
    l3_device: 'pppoe-wan',
    proto: 'pppoe',
    device: 'eth1',
    updated: ['addresses', 'routes'],
    metric: 10,
    dns_metric: 0,
    delegation: true,
    ...empty,
    'ipv4-address': lease.ipv4,
    'ipv6-prefix': [],
    'ipv6-prefix-assignment': [],
    route: lease.routes,
    'dns-server': lease.dns,
    inactive: empty,
    data: {},
  });
  give('wan', null);
  assert.equal(ask('network.interface.wan', 'status'), waiting);
  const both = (event: string): string[] => [`network.interface ${event}`, `network.interface.wan ${event}`];
  const down = ['network.interface ifdown', ...both('interface.down')];
  assert.equal(told, ['network.interface ifup', ...both('interface.update'), ...down, ...down]);
});

fake('a device known to be there has counters', () => {
  const { ask, link } = open();
  link('weir0', { ...network.ethernet, mtu: 1420, statistics: { rx_bytes: 1n << 60n } });
  const status = ask('network.device', 'status', { name: 'weir0' });
  assert.equal(typeof status === 'number' ? status : [status['mtu'], status['statistics']], [1420, { rx_bytes: 1n << 60n }]);
});

fake('two commits within a second are one reload, a second after the last', () => {
  const { ask, clock, started } = open();
  ask('uci', 'commit', { config: 'network' });
  clock.advance(millis(600));
  ask('uci', 'commit', { config: 'network' });
  clock.advance(millis(999));
  assert.equal(started, []);
  clock.advance(millis(1));
  assert.equal(started, ['/etc/init.d/network reload']);
});

fake.run();
