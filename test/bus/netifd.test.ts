// Uplinks, devices and the board, on the fakes and on the real daemons alike; and what a daemon could answer wrongly.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as board from '../../agent/adapters/board.ts';
import * as netifd from '../../agent/adapters/netifd.ts';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { type Millis, millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Uplink } from '../../agent/core/uplink.ts';
import { host } from '../../agent/host/node.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import { manual } from '../fakes/clock.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import { configs } from '../fakes/router.ts';
import { type Ground, grounds, until } from './router-ground.ts';

const value = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
/** Addresses as text, so that a row can be read. */
const show = ({ addresses, gateways, dns, ...rest }: Uplink) => ({
  ...rest,
  addresses: addresses.map((a) => `${ip.renderAddress(a.address)}/${a.length}`),
  gateways: gateways.map(ip.renderAddress),
  dns: dns.map(ip.renderAddress),
});

const wan = {
  name: 'wan',
  up: true,
  device: 'eth1',
  protocols: ['static'],
  addresses: ['203.0.113.2/24'],
  gateways: ['203.0.113.1'],
  hasDefault: { v4: true, v6: false },
  dns: ['203.0.113.1'],
};
const down = (name: string, protocols: readonly string[]) => ({
  name,
  up: false,
  device: null,
  protocols,
  addresses: [],
  gateways: [],
  hasDefault: { v4: false, v6: false },
  dns: [],
});

function tell(ground: Ground, bus: Bus): void {
  const test = suite(ground.title);
  const ask = async (path: string, method: string, args: Fields = {}): Promise<void> =>
    void value(await bus.call(path, method, plain.table(args), millis(10_000)));
  const read = async (...names: string[]) => value(await netifd.read(bus.call, names)).map(show);

  test.before(async () => {
    assert.ok(await until(ground, async () => (await netifd.read(bus.call, ['lan', 'wan'])).ok));
    assert.ok(await until(ground, async () => (await read('lan', 'wan')).every((u) => u.up)));
  });
  test.after(async () => {
    bus.close();
    await ground.stop();
  });

  test('the uplinks asked for, in that order; one that is not there is down', async () => {
    const lan = { ...wan, name: 'lan', device: 'eth0', addresses: ['192.168.1.1/24'], gateways: [], dns: [] };
    assert.equal(await read('wan', 'nope', 'lan'), [wan, down('nope', []), { ...lan, hasDefault: { v4: false, v6: false } }]);
  });

  test('another network on the same device is the same uplink', async () => {
    const wan6 = { proto: 'static', device: '@wan', ip6addr: ['2001:db8:1::2/64'], ip6gw: '2001:db8:1::1' };
    await ask('uci', 'add', { config: 'network', type: 'interface', name: 'wan6', values: { ...wan6, device: 'eth1' } });
    await ask('uci', 'commit', { config: 'network' });
    const want = {
      ...wan,
      addresses: ['203.0.113.2/24', '2001:db8:1::2/64'],
      gateways: ['203.0.113.1', '2001:db8:1::1'],
      hasDefault: { v4: true, v6: true },
    };
    assert.ok(await until(ground, async () => (await read('wan'))[0]?.addresses.length === 2));
    assert.equal(await read('wan', 'wan6'), [want, { ...want, name: 'wan6' }]);
    await ask('uci', 'delete', { config: 'network', section: 'wan6' });
    await ask('uci', 'commit', { config: 'network' });
    assert.ok(await until(ground, async () => (await read('wan'))[0]?.addresses.length === 1));
  });

  test('a change is told once, and what changed nothing is not told', async () => {
    const told: string[] = [];
    const watch = value(
      await netifd.watch(bus, ground.clock, ['wan'], (uplinks) => {
        const [first] = value(uplinks);
        told.push(`${first?.up ? 'up' : 'down'} ${first?.addresses.map((a) => ip.renderAddress(a.address)).join()}`);
      }),
    );
    assert.equal(told, ['up 203.0.113.2']);
    await ask('network', 'reload');
    await ask('network.interface.wan', 'down');
    assert.ok(await until(ground, () => told.length === 2));
    await ask('network.interface.lan', 'down');
    await ask('network.interface.lan', 'up');
    await ask('network.interface.wan', 'up');
    assert.ok(await until(ground, () => told.length === 3));
    await ask('uci', 'set', { config: 'network', section: 'wan', values: { ipaddr: '203.0.113.3' } });
    await ask('uci', 'commit', { config: 'network' });
    assert.ok(await until(ground, () => told.at(-1) === 'up 203.0.113.3'));
    await watch.stop();
    await ask('uci', 'set', { config: 'network', section: 'wan', values: { ipaddr: '203.0.113.2' } });
    await ask('uci', 'commit', { config: 'network' });
    assert.ok(await until(ground, async () => (await read('wan'))[0]?.addresses[0] === '203.0.113.2/24'));
    for (let n = 0; n < 10; n += 1) await ground.pass();
    // It may be seen down on the way to its new address, or not.
    assert.equal(
      told.filter((t, i) => i < 3 || t !== 'down '),
      ['up 203.0.113.2', 'down ', 'up 203.0.113.2', 'up 203.0.113.3'],
    );
  });

  test('a device, and none', async () => {
    const eth1 = value(await netifd.device(bus.call, 'eth1'));
    assert.equal([eth1?.up, eth1?.carrier, eth1?.mtu], [true, true, 1500]);
    // netifd knows no device that no network has.
    const nope = await netifd.device(bus.call, 'nope');
    assert.equal(nope.ok ? null : [nope.fault.code, nope.fault.path], ['malformed', 'network.device.status']);
  });

  test('the board and its load', async () => {
    const read = value(await board.read(bus.call));
    for (const text of Object.values(read)) assert.type(text, 'string');
    const load = value(await board.load(bus.call));
    assert.is(load.load.length, 3);
    for (const room of [load.memory, load.flash]) assert.ok(room.available > 0n && room.available <= room.total);
  });

  test.run();
}

const answers = suite('netifd and procd: what they answer');
const answering =
  (answer: Fields | null) =>
  async (path: string, method: string, _args: Table, _patience: Millis): Promise<Result<Table>> =>
    answer === null ? fail('timeout', `${path}.${method}`, 'no answer') : ok(plain.table(answer));
const up: Fields = {
  interface: 'wan',
  up: true,
  proto: 'pppoe',
  l3_device: 'pppoe-wan',
  'ipv4-address': [{ address: '100.64.7.7', mask: 32 }],
  'ipv6-address': [],
  route: [{ target: '0.0.0.0', mask: 0, nexthop: '0.0.0.0', source: '0.0.0.0/0' }],
  'dns-server': ['10.64.0.1', '2001:db8::53'],
};
const dump = (...interfaces: readonly Fields[]): Fields => ({ interface: interfaces });

answers('a link between two has a default route and no next hop; its network of IPv6 is made by itself', async () => {
  const v6: Fields = {
    ...up,
    interface: 'wan_6',
    proto: 'dhcpv6',
    'ipv4-address': [],
    'ipv6-address': [{ address: '2001:db8::2', mask: 128 }],
    route: [
      { target: '::', mask: 0, nexthop: 'fe80::1', source: '2001:db8::/56' },
      { target: '2001:db8::', mask: 56, nexthop: '::', source: '::/0' },
    ],
    'dns-server': [],
  };
  assert.equal(value(await netifd.read(answering(dump(up, v6)), ['wan'])).map(show), [
    {
      name: 'wan',
      up: true,
      device: 'pppoe-wan',
      protocols: ['pppoe', 'dhcpv6'],
      addresses: ['100.64.7.7/32', '2001:db8::2/128'],
      gateways: ['fe80::1'],
      hasDefault: { v4: true, v6: true },
      dns: ['10.64.0.1', '2001:db8::53'],
    },
  ]);
});

answers('one that is down has a protocol and nothing else', async () => {
  const read = value(await netifd.read(answering(dump({ interface: 'wan', up: false, proto: 'pppoe', device: 'eth1' })), ['wan']));
  assert.equal(read.map(show), [down('wan', ['pppoe'])]);
});

const { l3_device: _device, ...noDevice } = up;
const { route: _route, ...noRoute } = up;
const malformed = [
  { name: 'no list', answer: {}, code: 'missing', path: 'network.interface.dump.interface' },
  { name: 'no table in it', answer: { interface: ['wan'] }, code: 'malformed', path: 'network.interface.dump.interface.0' },
  { name: 'no name', answer: dump({ up: false, proto: 'static' }), code: 'missing', path: 'network.interface.dump.interface.0.interface' },
  {
    name: 'no state',
    answer: dump({ interface: 'lan', proto: 'static' }),
    code: 'missing',
    path: 'network.interface.dump.interface.0.lan.up',
  },
  {
    name: 'no protocol',
    answer: dump({ interface: 'lan', up: false }),
    code: 'missing',
    path: 'network.interface.dump.interface.0.lan.proto',
  },
  { name: 'up without a device', answer: dump(noDevice), code: 'missing', path: 'network.interface.dump.interface.0.wan.l3_device' },
  { name: 'up without routes', answer: dump(noRoute), code: 'missing', path: 'network.interface.dump.interface.0.wan.route' },
  {
    name: 'an address that is none',
    answer: dump({
      ...up,
      'ipv4-address': [
        { address: '1.2.3.4', mask: 32 },
        { address: '1.2.3', mask: 32 },
      ],
    }),
    code: 'malformed',
    path: 'network.interface.dump.interface.0.wan.ipv4-address.1.address',
  },
  {
    name: 'an address without a mask',
    answer: dump({ ...up, 'ipv6-address': [{ address: '::1' }] }),
    code: 'missing',
    path: 'network.interface.dump.interface.0.wan.ipv6-address.0.mask',
  },
  {
    name: 'a route to nowhere',
    answer: dump({ ...up, route: [{ target: '0.0.0.0', mask: 0 }] }),
    code: 'missing',
    path: 'network.interface.dump.interface.0.wan.route.0.nexthop',
  },
  {
    name: 'a name server by name',
    answer: dump({ ...up, 'dns-server': ['dns.test'] }),
    code: 'malformed',
    path: 'network.interface.dump.interface.0.wan.dns-server.0',
  },
  {
    name: 'a name server that is no text',
    answer: dump({ ...up, 'dns-server': [7] }),
    code: 'malformed',
    path: 'network.interface.dump.interface.0.wan.dns-server.0',
  },
  { name: 'nothing', answer: null, code: 'timeout', path: 'network.interface.dump' },
] as const;
for (const { name, answer, code, path } of malformed)
  answers(`uplinks: ${name}`, async () => {
    const read = await netifd.read(answering(answer), ['wan']);
    assert.equal(read.ok ? null : [read.fault.code, read.fault.path], [code, path]);
  });

const eth: Fields = { present: true, up: true, carrier: true, mtu: 1500 };
const devices = [
  { name: 'a cable', answer: { ...eth, speed: '1000F' }, want: { speed: 1000, traffic: null } },
  { name: 'half a cable', answer: { ...eth, speed: '10H' }, want: { speed: 10, traffic: null } },
  { name: 'no cable', answer: { ...eth, speed: '-1F' }, want: { speed: null, traffic: null } },
  {
    name: 'with counters',
    answer: { ...eth, statistics: { rx_bytes: 1n << 60n, tx_bytes: 7 } },
    want: { speed: null, traffic: { received: 1n << 60n, sent: 7n } },
  },
  { name: 'without /sys', answer: { ...eth, statistics: {} }, want: { speed: null, traffic: null } },
];
for (const { name, answer, want } of devices)
  answers(`device: ${name}`, async () =>
    assert.equal(value(await netifd.device(answering(answer), 'eth1')), { up: true, carrier: true, mtu: 1500, ...want }),
  );
answers('device: known and not there', async () => assert.is(value(await netifd.device(answering({ present: false }), 'weir0')), null));

const wrongDevices = [
  { name: 'no answer', answer: null, code: 'timeout', path: 'network.device.status' },
  { name: 'present by word', answer: { present: 'yes' }, code: 'malformed', path: 'network.device.eth1.present' },
  { name: 'no mtu', answer: { present: true, up: true, carrier: true }, code: 'missing', path: 'network.device.eth1.mtu' },
  { name: 'speed by number', answer: { ...eth, speed: 1000 }, code: 'malformed', path: 'network.device.eth1.speed' },
  {
    name: 'half of the counters',
    answer: { ...eth, statistics: { rx_bytes: 7 } },
    code: 'missing',
    path: 'network.device.eth1.statistics.tx_bytes',
  },
] as const;
for (const { name, answer, code, path } of wrongDevices)
  answers(`device: ${name}`, async () => {
    const read = await netifd.device(answering(answer), 'eth1');
    assert.equal(read.ok ? null : [read.fault.code, read.fault.path], [code, path]);
  });

answers('board: one that nobody has given a name, as a container', async () => {
  const answer = { system: 's', kernel: 'k', release: { description: 'd', target: 't' } };
  const want = { model: '', name: '', system: 's', kernel: 'k', release: 'd', target: 't' };
  assert.equal(value(await board.read(answering(answer))), want);
});
const wrongBoards = [
  { name: 'no kernel', answer: { system: 's' }, code: 'missing', path: 'system.board.kernel' },
  {
    name: 'a model by number',
    answer: { model: 7, system: 's', kernel: 'k', release: { description: 'd', target: 't' } },
    code: 'malformed',
    path: 'system.board.model',
  },
  { name: 'no release', answer: { model: 'm', board_name: 'b', system: 's', kernel: 'k' }, code: 'missing', path: 'system.board.release' },
  {
    name: 'half a release',
    answer: { model: 'm', board_name: 'b', system: 's', kernel: 'k', release: { description: 'd' } },
    code: 'missing',
    path: 'system.board.release.target',
  },
] as const;
for (const { name, answer, code, path } of wrongBoards)
  answers(`board: ${name}`, async () => {
    const read = await board.read(answering(answer));
    assert.equal(read.ok ? null : [read.fault.code, read.fault.path], [code, path]);
  });

const memory = { total: 1n << 30n, available: 7 };
const loads = [
  { name: 'no load', answer: { uptime: 1 }, code: 'missing', path: 'system.info.load' },
  { name: 'load by word', answer: { uptime: 1, load: ['1'] }, code: 'malformed', path: 'system.info.load' },
  { name: 'no memory', answer: { uptime: 1, load: [], memory: {} }, code: 'missing', path: 'system.info.memory.total' },
  { name: 'no flash', answer: { uptime: 1, load: [], memory, root: { total: 7 } }, code: 'missing', path: 'system.info.root.avail' },
] as const;
for (const { name, answer, code, path } of loads)
  answers(`load: ${name}`, async () => {
    const read = await board.load(answering(answer));
    assert.equal(read.ok ? null : [read.fault.code, read.fault.path], [code, path]);
  });
answers('load: units', async () => {
  const answer = { uptime: 61, load: [65_536, 32_768, 0], memory, root: { total: 8192, avail: 4096 } };
  assert.equal(value(await board.load(answering(answer))), {
    uptime: 61,
    load: [1, 0.5, 0],
    memory: { total: 1n << 30n, available: 7n },
    flash: { total: 8_388_608n, available: 4_194_304n },
  });
});

/** A bus whose netifd comes and goes. */
function scripted() {
  const clock = manual();
  let answer: Result<Table> = ok(plain.table(dump(up)));
  let reads = 0;
  let subscriber: Parameters<netifd.Bus['subscribe']>[1] | null = null;
  const heard = new Map<string, (event: string, body: Table) => void>();
  const bus: netifd.Bus = {
    async call() {
      reads += 1;
      return answer;
    },
    async subscribe(_path, s) {
      if (!answer.ok) return answer;
      subscriber = s;
      return ok({
        async remove() {
          subscriber = null;
          return ok(undefined);
        },
      });
    },
    async listen(pattern, h) {
      heard.set(pattern, h);
      return ok({
        async remove() {
          heard.delete(pattern);
          return ok(undefined);
        },
      });
    },
  };
  return {
    clock,
    bus,
    reads: () => reads,
    subscriber: () => subscriber,
    heard,
    answer(given: Result<Table>) {
      answer = given;
    },
    leave() {
      answer = fail('missing', 'network.interface', 'not found');
      const left = subscriber;
      subscriber = null;
      left?.gone();
    },
    async pass(ms: number) {
      clock.advance(millis(ms));
      await new Promise((resolve) => setImmediate(resolve));
    },
  };
}

answers('many hints are one reading, and the same reading is not told', async () => {
  const s = scripted();
  const told: Result<readonly Uplink[]>[] = [];
  value(await netifd.watch(s.bus, s.clock, ['wan'], (u) => void told.push(u)));
  assert.equal([s.reads(), told.length], [1, 1]);
  for (let n = 0; n < 5; n += 1) s.subscriber()?.notified('interface.update', []);
  s.heard.get('network.interface')?.('network.interface', []);
  await s.pass(199);
  assert.is(s.reads(), 1);
  await s.pass(1);
  assert.equal([s.reads(), told.length], [2, 1]);
  s.answer(ok(plain.table(dump({ interface: 'wan', up: false, proto: 'pppoe' }))));
  s.subscriber()?.notified('interface.down', []);
  await s.pass(200);
  assert.equal([s.reads(), told.length], [3, 2]);
});

answers('netifd leaves and comes again: both are told, and it is listened to as before', async () => {
  const s = scripted();
  const told: string[] = [];
  const watch = value(await netifd.watch(s.bus, s.clock, ['wan'], (u) => void told.push(u.ok ? 'read' : u.fault.code)));
  s.leave();
  await s.pass(200);
  assert.equal(told, ['read', 'missing']);
  s.answer(ok(plain.table(dump(up))));
  const added = s.heard.get('ubus.object.add');
  added?.('ubus.object.add', plain.table({ id: 7, path: 'network.interface.wan' }));
  assert.is(s.subscriber(), null);
  added?.('ubus.object.add', plain.table({ id: 8, path: 'network.interface' }));
  await s.pass(0);
  await s.pass(200);
  assert.equal(told, ['read', 'missing', 'read']);
  assert.not.equal(s.subscriber(), null);
  s.subscriber()?.notified('interface.update', []);
  await watch.stop();
  assert.equal([s.subscriber(), s.heard.size], [null, 0]);
  await s.pass(1000);
  assert.is(s.reads(), 3);
});

const ready = await Promise.all(
  (await grounds(configs)).map(async (ground) => {
    const options = { path: ground.socket, deadline: millis(10_000), whenLost: 'end', lost: () => undefined } as const;
    return { ground, bus: value(await ubus.open(host, options)) };
  }),
);
// All at once: uvu runs one after the other only what is there when it begins.
for (const { ground, bus } of ready) tell(ground, bus);
answers.run();
