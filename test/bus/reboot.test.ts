// Whether the router starts anew because the agent says so is the owner's to say, and the enforcer reads it where he wrote it.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as enforcer from '../../agent/adapters/enforcer-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import * as coordinators from '../fakes/coordinator.ts';
import * as house from '../fakes/house.ts';

async function ordered(config: string, up: number): Promise<string> {
  const ground = { ...host, clock: { ...host.clock, monotonic: () => millis(host.clock.monotonic() + up - start) } };
  const start = host.clock.monotonic();
  const h = await house.open(undefined, { config, ground });
  try {
    await (await h.run('enforcer')).says(/weir\.enforcer is there/);
    const bus = await ubus.open(host, { path: h.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
    if (!bus.ok) throw new Error(bus.fault.reason);
    const answer = await enforcer.ask(bus.value.call, 'reboot', []);
    bus.value.close();
    return answer.ok ? 'done' : `${answer.fault.code} ${answer.fault.path}`;
  } finally {
    await h.close();
  }
}

const [minute, hour] = [60_000, 3_600_000];
const rows: readonly (readonly [name: string, config: string, up: number, want: string])[] = [
  ['nobody may', '', hour, 'denied weir.coordinator.may'],
  ['a coordinator that may all else', coordinators.section('one', 'sessions', 'move'), hour, 'denied weir.coordinator.may'],
  [
    'settings that nobody understands',
    `${coordinators.section('one', 'reboot')}\nconfig node 'node'\n\toption id 'a/b'\n`,
    hour,
    'denied weir.coordinator.may',
  ],
  ['one that may, too soon', coordinators.section('one', 'reboot'), minute, 'denied uptime'],
  ['one that may', coordinators.section('one', 'reboot'), hour, 'done'],
];
const reboot = suite('reboot');
for (const [name, config, up, want] of rows) reboot(name, async () => assert.is(await ordered(config, up), want));
reboot.run();
