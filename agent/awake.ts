// What it takes to share: the warden over all that it asks of a router. Part of the enforcer's root, loaded when the owner has said yes.

import './host/globals.ts';
import * as netifd from './adapters/netifd.ts';
import * as netlink from './adapters/netlink.ts';
import * as nftables from './adapters/nftables.ts';
import * as route from './adapters/route.ts';
import type { Bus } from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import * as wireguard from './adapters/wireguard.ts';
import { host } from './host/quickjs.ts';
import * as warden from './warden.ts';
import { capabilities } from './wire/capabilities.ts';
import * as nftWire from './wire/nftables.ts';
import * as rtnetlink from './wire/rtnetlink.ts';
import { countersignPort } from './wire/ruleset.ts';
import * as statics from './wire/statics.ts';
import * as wireguardWire from './wire/wireguard.ts';

/** Loaded when it is needed, by enforcer.ts, which alone can. */
type Later = Readonly<{
  canary(): Promise<typeof import('./canary.ts')>;
  home(): Promise<typeof import('./home.ts')>;
  x25519(): Promise<typeof import('./crypto/x25519.ts')>;
}>;

export function start(bus: Bus, later: Later): warden.Warden {
  const links = netlink.open(host, rtnetlink.protocol);
  const rpcd = { call: bus.call, clock: host.clock };
  const rules = nftables.open(host, {
    nft: '/usr/sbin/nft',
    connect: () => netlink.open(host, nftWire.protocol),
    listen: (heard) => netlink.listen(host, nftWire.protocol, [nftWire.group], heard),
  });
  const peers: wireguard.Wiring = {
    connect: () => netlink.open(host, wireguardWire.protocol),
    publicOf: async (secret) => (await later.x25519()).publicKey(secret),
  };
  const tunnel = wireguard.open(host, peers);
  const routes = route.open({
    socket: links.ok ? links.value : netlink.absent(links.fault),
    listen: (heard) => netlink.listen(host, rtnetlink.protocol, route.groups, heard),
  });
  return warden.start({
    host,
    rules,
    tunnel,
    routes,
    canary: async (flight) => (await later.canary()).fly({ host, rules, tunnel, routes, peers }, flight),
    home: async () => (await later.home()).open({ host, rules, routes }),
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
}
