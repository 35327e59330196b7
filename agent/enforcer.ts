// The enforcer: the process with power and without a network. Here it is put together.

import './host/globals.ts';
import * as netifd from './adapters/netifd.ts';
import * as netlink from './adapters/netlink.ts';
import * as nftables from './adapters/nftables.ts';
import * as route from './adapters/route.ts';
import type { Method } from './adapters/ubus-client.ts';
import * as ubus from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import * as wireguard from './adapters/wireguard.ts';
import * as doctor from './core/doctor.ts';
import { fail, ok, type Result, text } from './core/result.ts';
import * as settings from './core/settings.ts';
import * as standing from './core/standing.ts';
import { host } from './host/quickjs.ts';
import { busOf, die, note } from './role.ts';
import * as survey from './survey.ts';
import { start } from './warden.ts';
import type { Kind, Table } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import { capabilities } from './wire/capabilities.ts';
import * as wire from './wire/enforcer.ts';
import * as fields from './wire/fields.ts';
import * as nftWire from './wire/nftables.ts';
import * as report from './wire/report.ts';
import * as rtnetlink from './wire/rtnetlink.ts';
import { countersignPort } from './wire/ruleset.ts';
import * as sections from './wire/sections.ts';
import * as statics from './wire/statics.ts';
import * as wireguardWire from './wire/wireguard.ts';

const opened = await ubus.open(host, {
  ...busOf(host),
  whenLost: 'reconnect',
  lost: (why) => note(host, `bus: lost: ${text(why)}`),
  restored: () => note(host, 'bus: back'),
});
if (!opened.ok) die(host, opened.fault);
const bus = opened.value;
const links = netlink.open(host, rtnetlink.protocol);
const rpcd = { call: bus.call, clock: host.clock };

const warden = start({
  host,
  rules: nftables.open(host, {
    nft: '/usr/sbin/nft',
    connect: () => netlink.open(host, nftWire.protocol),
    listen: (heard) => netlink.listen(host, nftWire.protocol, [nftWire.group], heard),
  }),
  tunnel: wireguard.open(host, () => netlink.open(host, wireguardWire.protocol)),
  routes: route.open({
    socket: links.ok ? links.value : netlink.absent(links.fault),
    listen: (heard) => netlink.listen(host, rtnetlink.protocol, route.groups, heard),
  }),
  estate: {
    settings: () => uci.read(bus.call, 'weir'),
    system: () => uci.read(bus.call, 'system'),
    set: (section, options) => uci.set(rpcd, 'weir', section, new Map(Object.entries(options))),
    state: (plan) => uci.state(rpcd, plan),
    setup: (plan) => uci.setup(rpcd, plan),
    teardown: () => uci.teardown(rpcd),
  },
  uplinks: { watch: (names, told) => netifd.watch(bus, host.clock, names, told) },
  render: statics.render,
  countersignPort,
  capabilities,
  folder: host.process.env('WEIR_FOLDER') ?? '/etc/weir/enforcer',
});

// ubusd's ACL has let them through already; another user's mistake in it must not be ours.
const guests = ['root', 'weir'];
const owners = ['root'];
const watched = ['weir', 'network', 'firewall', 'system'];

const method = (users: readonly string[], args: Readonly<Record<string, Kind>>, run: (args: Table) => Promise<Result<Table>>): Method => ({
  args,
  run: async (call) => (users.includes(call.user) ? run(call.args) : fail('denied', '', `not for ${call.user}`)),
});

const asked = <M extends wire.Method>(
  name: M,
  args: Readonly<Record<string, Kind>>,
  run: (items: readonly Result<wire.Asked[M]>[]) => Promise<readonly Result<wire.Answers[M]>[]>,
): Method =>
  method(guests, { sessions: 'array', key: 'string', ...args }, async (t) => {
    const batch = wire.decodeAsked(name, t);
    if (!batch.ok) return ok(wire.encodeRefusal(batch.fault));
    const items = await run(batch.value.items);
    return ok(wire.encodeAnswers(name, { isBatch: batch.value.isBatch, items }));
  });

const command = <T>(run: () => Promise<Result<T>>): Method =>
  method(owners, {}, async (t) => {
    const result = t.length === 0 ? await run() : fail('malformed', '', 'takes nothing');
    return ok(result.ok ? blobmsg.table({ changed: blobmsg.boolean(result.value !== false) }) : wire.encodeRefusal(result.fault));
  });

async function symptoms(): Promise<doctor.Symptoms> {
  const { why, faults, hold, tunnel, uplinks } = warden.state();
  const sections = await uci.read(bus.call, 'weir');
  const parsed = sections.ok ? [settings.parse(sections.value), settings.parseOwner(sections.value)] : [];
  const owner = sections.ok ? settings.parseOwner(sections.value) : null;
  const port = owner?.ok ? owner.value.tunnel.port : null;
  return {
    settings: sections.ok ? parsed.flatMap((p) => (p.ok ? [] : p.faults)) : [sections.fault],
    why,
    troubles: faults,
    lacks: await warden.lacks(),
    hold,
    tunnel: tunnel === null ? null : tunnel.by,
    offload: await survey.offload(bus),
    takenPort: tunnel === null && port !== null && survey.isPortTaken(host, port) ? port : null,
    uplinks,
    isClockSet: standing.today(host.clock.wall()) !== null,
    flash: await survey.flash(bus),
  };
}

const wish: Readonly<Record<string, Kind>> = { rate_up: 'int64', rate_down: 'int64', throttle_up: 'int64', throttle_down: 'int64' };
const published = await bus.publish('weir.enforcer', {
  admit: asked('admit', { ...wish, seconds: 'int64', used_up: 'int64', used_down: 'int64' }, warden.admit),
  renew: asked('renew', { seconds: 'int64' }, warden.renew),
  change: asked('change', wish, warden.change),
  evict: asked('evict', {}, warden.evict),
  read: method(guests, { from: 'int32', most: 'int32' }, async (t) => {
    const span = wire.decodeSpan(t);
    if (!span.ok) return ok(wire.encodeRefusal(span.fault));
    const rows = await warden.rows();
    const { why, faults } = warden.state();
    const all = [...(why === null ? [] : [why]), ...faults];
    return rows.ok ? ok(wire.encodePage(wire.pageOf(rows.value, span.value, all))) : ok(wire.encodeRefusal(rows.fault));
  }),
  settings: method(guests, {}, async () => ok(sections.answer(await uci.read(bus.call, 'weir')))),
  facts: method(guests, {}, async () => {
    const state = warden.state();
    return ok(report.encodeFacts({ ...state, ...(await survey.around(host, bus, state.uplinks)) }));
  }),
  doctor: method(owners, {}, async () => ok(report.encodeFindings(doctor.examine(await symptoms())))),
  setup: command(warden.setup),
  teardown: command(warden.teardown),
  share: command(warden.share),
  pause: command(warden.pause),
  resume: command(warden.resume),
});
if (!published.ok) die(host, published.fault);
note(host, 'bus: weir.enforcer is there');

// procd tells of every commit; of ours, too.
const told = await bus.subscribe('service', {
  notified(event, body) {
    const config = fields.string(body, 'config');
    if (event === 'config.change' && config.ok && watched.includes(config.value)) warden.changed();
  },
  gone: () => note(host, 'bus: procd is gone'),
});
if (!told.ok) note(host, text(told.fault));
host.process.onSignal('SIGHUP', warden.changed);
host.process.onSignal('SIGTERM', () => host.process.exit(0));
