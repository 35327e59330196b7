// What the agent may ask on the bus, as user weir under the package's ACL: all that it ever does ask, and nothing beside. Its whole life is
// told here, with friends, a coordinator and a broker; each call of it is seen by the bus. What is refused, the real ubusd is asked, too, where
// it is on PATH and the tests are root's.

import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { ok } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import type { Host } from '../../agent/ports/host.ts';
import { real } from '../bus/ground.ts';
import * as coordinators from '../fakes/coordinator.ts';
import * as enforcer from '../fakes/enforcer.ts';
import * as house from '../fakes/house.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as router from '../fakes/router.ts';
import * as seats from '../fakes/seats.ts';

type Acl = Readonly<{
  user: string;
  access: Readonly<Record<string, Readonly<{ methods: readonly string[] }>>>;
  publish: readonly string[];
}>;
const acl = JSON.parse(readFileSync('openwrt/weir/files/weir.acl.json', 'utf8')) as Acl;
const allowed = Object.entries(acl.access)
  .flatMap(([path, { methods }]) => methods.map((method) => `${path} ${method}`))
  .sort();
const owners = ['doctor', 'setup', 'teardown', 'share', 'pause', 'resume'];
const patience = millis(10_000);
const nothing = (): void => undefined;
const silent = { args: {}, run: () => ok([]) };

const open = async (path: string, by: Pick<Host, 'net' | 'clock'> = host): Promise<Bus> => {
  const opened = await ubus.open(by, { path, deadline: patience, whenLost: 'end', lost: () => undefined });
  if (!opened.ok) throw new Error(opened.fault.reason);
  return opened.value;
};

/** Every method of a router's other objects and of the owner's, every event, every name but his own. */
async function refusals(weir: Bus): Promise<void> {
  const { objects } = router.router(host.clock, { notify: nothing, send: nothing, add: nothing, remove: nothing });
  const others = [...objects.values()].flatMap(({ path, methods }) => Object.keys(methods).map((method) => [path, method] as const));
  assert.ok(others.length > 30);
  for (const [path, method] of [...others, ...owners.map((m) => ['weir.enforcer', m] as const), ['weir', 'friend_add'] as const]) {
    const answer = await weir.call(path, method, [], patience);
    assert.is(answer.ok ? 'answered' : answer.fault.code, 'denied', `${path} ${method}`);
  }
  const more = {
    'a name': weir.publish('weir.enforcer.too', { read: silent }),
    'the name of the enforcer': weir.publish('weir.enforcer', { read: silent }),
    'another one’s notifications': weir.subscribe('network.interface', { notified: nothing, gone: nothing }),
    'the enforcer’s notifications': weir.subscribe('weir.enforcer', { notified: nothing, gone: nothing }),
    'an event': weir.listen('network.interface', nothing),
    'all events': weir.listen('*', nothing),
    'to tell of one': weir.send('network.interface', []),
  };
  for (const [name, asked] of Object.entries(more)) assert.not((await asked).ok, name);
}

const rights = suite('rights');
rights('what the agent asks is what it may, and no entry is for nothing; all else is refused', async () => {
  const broker = await mosquitto.start();
  const h = await house.open(undefined, {
    broker,
    config: (_, authority) =>
      `config node 'node'\n\toption id 'roof'\n${mosquitto.section(broker, broker.name, authority)}\n${coordinators.section('one', 'reboot')}`,
  });
  const root = await open(h.socket);
  const weir = await open(h.door);
  const { user, password, tlsPort: port, name, authority } = broker;
  const one = await coordinators.open('one', { port, user, password, tls: { name, authorities: authority } }, 'weir/roof', '5');
  try {
    const kernel = seats.seats(() => host.clock.monotonic());
    const facts = { key: `${'r'.repeat(42)}A=`, port: 51_820, uplinks: [] };
    const more = Object.fromEntries(['reboot', ...owners].map((method) => [method, silent]));
    await root.publish('weir.enforcer', { ...enforcer.methods(root, kernel, facts), ...more });
    kernel.refuse(null);
    const agent = await h.run('agent');
    await agent.says(/published .*state/);

    const ask = async (method: string, args: Fields): Promise<void> => {
      const answer = await root.call('weir', method, plain.table({ name: 'ann', ...args }), patience);
      assert.ok(answer.ok && !answer.value.some((f) => f.name === 'fault'), `${method}: ${JSON.stringify(answer.ok || answer.fault)}`);
    };
    const rate = 1_000_000n;
    await ask('friend_add', { key: `${'a'.repeat(42)}A=`, quota: rate, rate_up: rate, rate_down: rate, seconds: 600n });
    await ask('friend_top_up', { quota: rate });
    await ask('friend_top_up', { seconds: 86_400n });
    // It is answered before its end is told to the kernel.
    for (let tries = 0; tries < 200 && !kernel.orders.includes('renew a'); tries++) await new Promise((done) => setTimeout(done, 100));
    await ask('friend_remove', {});
    await one.born();
    await one.certify();
    assert.is((await one.order({ kind: 'reboot' })).kind, 'done');

    const asked = h.called.filter((c) => c.user === 'weir');
    assert.equal(
      asked.filter((c) => !c.isAllowed),
      [],
    );
    assert.equal([...new Set(asked.map((c) => `${c.path} ${c.method}`))].sort(), allowed);

    await refusals(weir);
  } finally {
    for (const each of [one, root, weir]) each.close();
    await h.close();
    await broker.stop();
  }
});

const ground = await real();
if (ground !== null)
  rights('so says the real ubusd', async () => {
    const root = await open(ground.paths.root, ground.as('root'));
    const weir = await open(ground.paths.guest, ground.as('guest'));
    const daemons = await router.start(ground.paths.root, host.clock);
    try {
      await root.publish(
        'weir.enforcer',
        Object.fromEntries([...(acl.access['weir.enforcer']?.methods ?? []), ...owners].map((m) => [m, silent])),
      );
      assert.not((await weir.call('weir.enforcer', 'read', [], patience)).ok, 'without the file');
      ground.allow('weir', { ...acl, user: ground.guest.user });
      for (let tries = 0; tries < 200 && !(await weir.find('weir.enforcer')).ok; tries++) await new Promise((done) => setTimeout(done, 50));
      for (const each of allowed) {
        const [path = '', method = ''] = each.split(' ');
        assert.ok((await weir.call(path, method, [], patience)).ok, each);
      }
      assert.ok((await weir.publish('weir', { friend_add: silent })).ok);
      assert.ok((await root.call('weir', 'friend_add', [], patience)).ok);
      await refusals(weir);
    } finally {
      daemons.stop();
      for (const each of [root, weir]) each.close();
      await ground.clear();
    }
  });
rights.run();
