// Claiming the router's configs and leaving them, on the fakes and on the real daemons alike.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import * as uci from '../../agent/adapters/uci.ts';
import { millis } from '../../agent/core/brand.ts';
import type { Plan, State } from '../../agent/core/claim.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Result } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import type { BareUbus } from '../fakes/bare-ubus.ts';
import * as bareUbus from '../fakes/bare-ubus.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import { configs } from '../fakes/router.ts';
import { type Ground, grounds, until } from './router-ground.ts';

const value = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
const prefix = (text: string) => value(ip.parsePrefix(text));

const plan: Plan = {
  pool: { four: prefix('10.213.0.0/22'), six: prefix('fd12:3456:789a:ffff::/64'), slots: 1021 },
  listenPort: 51820,
  countersignPort: 4720,
  uplinks: ['wan'],
};

const claimed = {
  network: `
config interface 'weir0'
	option proto 'static'
	option device 'weir0'
	list ipaddr '10.213.3.254/22'
	list ip6addr 'fd12:3456:789a:ffff::3fe/64'
	option defaultroute '0'
	option peerdns '0'
	option delegate '0'

`,
  firewall: `
config zone 'weir_zone'
	option name 'weir'
	list network 'weir0'
	option input 'REJECT'
	option output 'ACCEPT'
	option forward 'REJECT'
	option auto_helper '0'

config rule 'weir_sign'
	option name 'Weir: countersignatures'
	option src 'weir'
	option proto 'udp'
	option dest_port '4720'
	option target 'ACCEPT'

config forwarding 'weir_fwd_wan'
	option src 'weir'
	option dest 'wan'

config rule 'weir_listen_wan'
	option name 'Weir: tunnel from wan'
	option src 'wan'
	option proto 'udp'
	option dest_port '51820'
	option target 'ACCEPT'

config nat 'weir_nat4_wan'
	option name 'Weir: guests to wan, IPv4'
	option family 'ipv4'
	option src 'wan'
	option src_ip '10.213.0.0/22'
	option proto 'all'
	option target 'MASQUERADE'

config nat 'weir_nat6_wan'
	option name 'Weir: guests to wan, IPv6'
	option family 'ipv6'
	option src 'wan'
	option src_ip 'fd12:3456:789a:ffff::/64'
	option proto 'all'
	option target 'MASQUERADE'

`,
} as const;

const withClaim = (config: keyof typeof claimed): string => `${configs[config]}${claimed[config].slice(1)}`;

function tell(ground: Ground, bus: Bus, bare: BareUbus): void {
  const test = suite(ground.title);
  const rpcd: uci.Rpcd = { call: bus.call, clock: ground.clock };
  const ask = (path: string, method: string, args: Fields = {}) => bus.call(path, method, plain.table(args), millis(10_000));
  const asked = async (path: string, method: string, args: Fields = {}): Promise<Fields> =>
    plain.fields(value(await ask(path, method, args)));
  /** To its end, while time passes. */
  async function passing<T>(doing: Promise<T>): Promise<T> {
    let done: Readonly<{ result: T }> | null = null;
    void doing.then((result) => {
      done = { result };
    });
    assert.ok(await until(ground, () => done !== null, millis(200_000)));
    return doing;
  }
  const setup = (of = plan) => passing(uci.setup(rpcd, of));
  const state = async (): Promise<State> => value(await passing(uci.state(rpcd, plan)));
  const status = () => asked('network.interface', 'status', { interface: 'weir0' });
  const isUp = async (): Promise<boolean> => {
    const answer = await ask('network.interface', 'status', { interface: 'weir0' });
    return answer.ok && plain.fields(answer.value)['up'] === true;
  };
  // Each is a message of its own.
  const sessions = async (): Promise<number> => (await bare.call('session', 'list', [])).data.length;
  const assertAsBefore = (): void => {
    for (const name of ['network', 'firewall']) assert.is(ground.read(name), configs[name]);
  };
  const told: string[] = [];

  test.before(async () => {
    assert.ok(await until(ground, async () => (await ask('network.interface.wan', 'status')).ok));
    value(
      await bus.subscribe('service', {
        notified: (event, body) => void (event === 'config.change' && told.push(`${plain.fields(body)['config']}`)),
        gone: () => undefined,
      }),
    );
  });
  test.before.each(async () => {
    value(await passing(uci.teardown(rpcd)));
    assertAsBefore();
    assert.equal(await state(), {
      kind: 'removed',
      paths: [...['zone', 'sign', 'fwd_wan', 'listen_wan', 'nat4_wan', 'nat6_wan'].map((name) => `firewall.weir_${name}`), 'network.weir0'],
    });
    told.length = 0;
  });
  test.after(async () => {
    bus.close();
    bare.close();
    await ground.stop();
  });

  test('setup writes what is ours and nothing else; twice changes nothing, and nobody is told', async () => {
    const before = await sessions();
    assert.is(value(await setup()), true);
    for (const name of ['network', 'firewall'] as const) assert.is(ground.read(name), withClaim(name));
    assert.equal(await state(), { kind: 'present' });
    // The notification travels on another connection than the answer.
    assert.ok(await until(ground, () => told.length === 2));
    assert.equal(told, ['firewall', 'network']);
    assert.is(value(await setup()), false);
    assert.equal(told, ['firewall', 'network']);
    assert.is(await sessions(), before);
    assert.is(value(await passing(uci.teardown(rpcd))), true);
    assertAsBefore();
    assert.is(value(await passing(uci.teardown(rpcd))), false);
    assert.is(await sessions(), before);
  });

  test('what others have staged stays staged, also in the same config', async () => {
    await asked('uci', 'set', { config: 'network', section: 'lan', values: { metric: '7' } });
    await asked('uci', 'delete', { config: 'firewall', section: '@zone[0]' });
    const pending = await asked('uci', 'changes');
    assert.is(value(await setup()), true);
    assert.is(ground.read('network'), withClaim('network'));
    assert.is(ground.read('firewall'), withClaim('firewall'));
    assert.equal(await asked('uci', 'changes'), pending);
    assert.equal(await state(), { kind: 'present' });
    value(await passing(uci.teardown(rpcd)));
    assertAsBefore();
    assert.equal(await asked('uci', 'changes'), pending);
    for (const config of ['network', 'firewall']) await asked('uci', 'revert', { config });
  });

  const applying = async (): Promise<Fields> => {
    const { ubus_rpc_session } = await asked('session', 'create', { timeout: 600 });
    const session = { ubus_rpc_session: ubus_rpc_session ?? null };
    await asked('session', 'grant', {
      ...session,
      scope: 'uci',
      objects: [
        ['*', 'read'],
        ['*', 'write'],
      ],
    });
    await asked('uci', 'set', { config: 'network', section: 'lan', values: { metric: '7' }, ...session });
    await asked('uci', 'apply', { rollback: true, timeout: 500, ...session });
    return session;
  };

  test('while changes wait to be confirmed in LuCI, setup waits, too', async () => {
    const before = await sessions();
    const session = await applying();
    assert.is(await sessions(), before + 1);
    let done = false;
    const doing = uci.setup(rpcd, plan).then((result) => {
      done = true;
      return result;
    });
    const begun = ground.clock.monotonic();
    await until(ground, () => done || ground.clock.monotonic() > begun + 1500);
    assert.is(done, false);
    await asked('uci', 'rollback', session);
    assert.is(value(await passing(doing)), true);
    for (const name of ['network', 'firewall'] as const) assert.is(ground.read(name), withClaim(name));
    await asked('session', 'destroy', session);
  });

  // Two minutes of patience: only where time is ours.
  if (ground.clock !== host.clock)
    test('and gives up in the end, with nothing written and no session left', async () => {
      const session = await applying();
      const [before, open] = [ground.read('firewall'), await sessions()];
      const refused = await setup();
      assert.is(refused.ok, false);
      if (!refused.ok) {
        assert.is(refused.fault.code, 'denied');
        assert.is(refused.fault.path, 'uci.firewall');
        assert.match(refused.fault.reason, 'LuCI');
      }
      assert.is(ground.read('firewall'), before);
      assert.is(await sessions(), open);
      await asked('uci', 'rollback', session);
      await asked('session', 'destroy', session);
      assertAsBefore();
    });

  test('the tunnel comes up with its device, and stays through reload, down and up', async () => {
    value(await setup());
    ground.device('weir0', true);
    assert.ok(await until(ground, isUp), 'up');
    const addresses = async () => {
      const { 'ipv4-address': v4, 'ipv6-address': v6, route } = await status();
      return { v4, v6, route };
    };
    const want = {
      v4: [{ address: '10.213.3.254', mask: 22 }],
      v6: [{ address: 'fd12:3456:789a:ffff::3fe', mask: 64 }],
      route: [],
    };
    assert.equal(await addresses(), want);
    await asked('network', 'reload');
    assert.is(await isUp(), true);
    await asked('network.interface', 'down', { interface: 'weir0' });
    assert.ok(await until(ground, async () => !(await isUp())), 'down');
    assert.equal(await state(), { kind: 'present' });
    await asked('network.interface', 'up', { interface: 'weir0' });
    assert.ok(await until(ground, isUp), 'up again');
    assert.equal(await addresses(), want);
    assert.is(value(await setup()), false);
    value(await passing(uci.teardown(rpcd)));
    const isGone = async (): Promise<boolean> => !(await ask('network.interface', 'status', { interface: 'weir0' })).ok;
    assert.ok(await until(ground, isGone), 'gone');
    ground.device('weir0', false);
  });

  test('other addresses, another port: only what differs is written anew, and nothing stays behind', async () => {
    value(await setup());
    const other: Plan = { ...plan, listenPort: 51821, uplinks: ['lan'] };
    assert.is(value(await setup(other)), true);
    assert.is(ground.read('network'), withClaim('network'));
    const firewall = ground.read('firewall');
    assert.not.match(firewall, '_wan');
    for (const name of ['fwd', 'listen', 'nat4', 'nat6']) assert.match(firewall, `'weir_${name}_lan'`);
    assert.match(firewall, "option dest_port '51821'");
    assert.equal(await state(), {
      kind: 'removed',
      paths: ['fwd_wan', 'listen_wan', 'nat4_wan', 'nat6_wan'].map((name) => `firewall.weir_${name}`),
    });
  });

  test('the owner takes something away, or changes it', async () => {
    const commit = async (config: string, method: string, args: Fields): Promise<void> => {
      await asked('uci', method, { config, ...args });
      await asked('uci', 'commit', { config });
    };
    value(await setup());
    await commit('firewall', 'set', { section: 'weir_zone', values: { forward: 'ACCEPT', log: '1' } });
    assert.equal(await state(), { kind: 'altered', paths: ['firewall.weir_zone.forward', 'firewall.weir_zone.log'] });
    await commit('network', 'set', { section: 'weir0', values: { ipaddr: '10.213.3.254/22' } });
    await commit('network', 'delete', { section: 'weir0' });
    await commit('firewall', 'delete', { section: 'weir_sign' });
    assert.equal(await state(), { kind: 'removed', paths: ['firewall.weir_sign', 'network.weir0'] });
    assert.is(value(await setup()), true);
    assert.equal(await state(), { kind: 'present' });
    // A section of another type under our name would be merged.
    await commit('firewall', 'add', { name: 'weir_sign', type: 'zone' });
    assert.equal(await state(), { kind: 'removed', paths: ['firewall.weir_sign'] });
    assert.is(value(await setup()), true);
    assert.equal(await state(), { kind: 'present' });
  });

  test('options of one section are set, and what others have staged stays staged', async () => {
    await asked('uci', 'set', { config: 'weir', section: 'tunnel', values: { port: '1' } });
    const pending = await asked('uci', 'changes');
    const before = await sessions();
    value(await passing(uci.set(rpcd, 'weir', 'tunnel', new Map([['pool6', 'fd00::/64']]))));
    assert.is(ground.read('weir'), "\nconfig tunnel 'tunnel'\n\toption pool6 'fd00::/64'\n\n");
    assert.equal(await asked('uci', 'changes'), pending);
    const read = value(await passing(uci.read(bus.call, 'weir')));
    assert.equal(read, [{ name: 'tunnel', type: 'tunnel', options: new Map([['pool6', 'fd00::/64']]) }]);
    assert.is(await sessions(), before);
    await asked('uci', 'revert', { config: 'weir' });
  });

  test('uplinks that nobody knows are refused with the mend, and nothing is written', async () => {
    const cases = [
      { uplinks: ['nope'], path: 'uplink.nope', reason: 'there are lan, wan' },
      { uplinks: ['wan', 'loopback'], path: 'uplink.loopback', reason: 'uci add_list firewall.ZONE.network=loopback' },
    ];
    for (const { uplinks, path, reason } of cases) {
      const refused = await setup({ ...plan, uplinks });
      assert.is(refused.ok, false);
      if (refused.ok) continue;
      assert.is(refused.fault.code, 'missing');
      assert.is(refused.fault.path, path);
      assert.match(refused.fault.reason, reason);
    }
    assertAsBefore();
  });

  test.run();
}

const ready = await Promise.all(
  (await grounds({ ...configs, weir: "\nconfig tunnel 'tunnel'\n\toption pool6 'auto'\n\n" })).map(async (ground) => {
    const options = { path: ground.socket, deadline: millis(10_000), whenLost: 'end', lost: () => undefined } as const;
    return { ground, bus: value(await ubus.open(host, options)), bare: await bareUbus.open(ground.socket) };
  }),
);
// All at once: uvu runs one after the other only what is there when it begins.
for (const { ground, bus, bare } of ready) tell(ground, bus, bare);
