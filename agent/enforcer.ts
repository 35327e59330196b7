// The enforcer: the process with power and without a network. Here it is put together; for now it reads the owner's settings.

import './host/globals.ts';
import * as ubus from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import { ok, text } from './core/result.ts';
import { host } from './host/quickjs.ts';
import { busOf, die, note } from './role.ts';
import * as sections from './wire/sections.ts';

const opened = await ubus.open(host, {
  ...busOf(host),
  whenLost: 'reconnect',
  lost: (why) => note(host, `bus: lost: ${text(why)}`),
  restored: () => note(host, 'bus: back'),
});
if (!opened.ok) die(host, opened.fault);
const bus = opened.value;

const published = await bus.publish('weir.enforcer', {
  settings: { args: {}, run: async () => ok(sections.answer(await uci.read(bus.call, 'weir'))) },
});
if (!published.ok) die(host, published.fault);
note(host, 'bus: weir.enforcer is there');
host.process.onSignal('SIGTERM', () => host.process.exit(0));
