// The enforcer: the process with power and without a network. Here it begins: on the bus, with what may be asked of it. Until the owner says
// yes, what it takes to share (awake.ts) and to answer (service.ts) stays out of memory, which routers have little of.

import './host/globals.ts';
import type { Method } from './adapters/ubus-client.ts';
import * as ubus from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import { asleep } from './asleep.ts';
import { millis } from './core/brand.ts';
import { device } from './core/claim.ts';
import { type Fault, fail, fault, ok, text } from './core/result.ts';
import * as standing from './core/standing.ts';
import { host } from './host/quickjs.ts';
import { busOf, die, note } from './role.ts';
import * as fields from './wire/fields.ts';
import * as sections from './wire/sections.ts';

type Service = typeof import('./service.ts');
type Args = Method['args'];

const opened = await ubus.open(host, {
  ...busOf(host),
  whenLost: 'reconnect',
  lost: (why) => note(host, `bus: lost: ${text(why)}`),
  restored: () => note(host, 'bus: back'),
});
if (!opened.ok) die(host, opened.fault);
const bus = opened.value;
const settings = () => uci.read(bus.call, 'weir');

/** As often as the warden tries again. */
const period = millis(10_000);
let why: Fault = fault('missing', '', 'has only begun');
let isAsleep = true;
let warden = asleep({ why: () => why, wake, changed: () => void look() });

async function wake(): Promise<typeof warden> {
  const { start } = await import('./awake.ts');
  // Two may have waited for it.
  if (isAsleep)
    warden = start(bus, {
      canary: () => import('./canary.ts'),
      home: () => import('./home.ts'),
      x25519: () => import('./crypto/x25519.ts'),
    });
  isAsleep = false;
  return warden;
}

/** Only a plain no lets it sleep, and only when nobody was left in: who is in goes by the device. */
async function look(): Promise<void> {
  const read = await settings();
  const no = read.ok ? standing.refusal(read.value) : read.fault;
  if (no === null || host.files.stat(`/proc/sys/net/ipv4/conf/${device}`).ok) await wake();
  if (no === null || !isAsleep) return;
  if (text(no) !== text(why)) note(host, `warden: shares nothing: ${text(no)}`);
  why = no;
}

async function tick(): Promise<void> {
  await look();
  if (isAsleep) host.clock.after(period, () => void tick());
}

// ubusd's ACL has let them through already; another user's mistake in it must not be ours.
const allow = (users: readonly string[], args: Args, run: Method['run']): Method => ({
  args,
  run: (call) => (users.includes(call.user) ? run(call) : fail('denied', '', `not for ${call.user}`)),
});
const served = (users: readonly string[], name: keyof Service, args: Args): Method =>
  allow(users, args, async (call) => (await import('./service.ts'))[name]({ host, bus, warden }, call.args));
const guests = (name: keyof Service, args: Args): Method => served(['root', 'weir'], name, args);
const owners = (name: keyof Service): Method => served(['root'], name, {});

await tick();

const named: Args = { sessions: 'array', key: 'string' };
const wish: Args = { rate_up: 'int64', rate_down: 'int64', throttle_up: 'int64', throttle_down: 'int64' };
const used: Args = { used_up: 'int64', used_down: 'int64', used_packets_up: 'int64', used_packets_down: 'int64' };
const published = await bus.publish('weir.enforcer', {
  admit: guests('admit', { ...named, ...wish, seconds: 'int64', ...used }),
  renew: guests('renew', { ...named, seconds: 'int64' }),
  change: guests('change', { ...named, ...wish }),
  evict: guests('evict', named),
  read: guests('read', { from: 'int32', most: 'int32' }),
  facts: guests('facts', {}),
  strain: guests('strain', { delay: 'int32' }),
  reboot: guests('reboot', {}),
  settings: allow(['root', 'weir'], {}, async () => ok(sections.answer(await settings()))),
  nameplate: allow(['root', 'weir'], {}, async () => (await import('./nameplate.ts')).answer(host, bus)),
  doctor: allow(['root'], {}, async () => (await import('./diagnosis.ts')).answer({ host, bus, warden })),
  setup: owners('setup'),
  teardown: owners('teardown'),
  share: owners('share'),
  pause: owners('pause'),
  resume: owners('resume'),
});
if (!published.ok) die(host, published.fault);
note(host, 'bus: weir.enforcer is there');

const watched = ['weir', 'network', 'firewall', 'system'];
// procd tells of every commit; of ours, too.
const told = await bus.subscribe('service', {
  notified(event, body) {
    const config = fields.string(body, 'config');
    if (event === 'config.change' && config.ok && watched.includes(config.value)) warden.changed();
  },
  gone: () => note(host, 'bus: procd is gone'),
});
if (!told.ok) note(host, text(told.fault));
host.process.onSignal('SIGHUP', () => warden.changed());
host.process.onSignal('SIGTERM', () => host.process.exit(0));
