// What a session may reach and what it may not, as a table of real packets. Every probe that has to be blocked must be seen to get through
// when no rules are loaded, or the table says what else stops it: a probe that cannot fail proves nothing.

import * as at from './ground/addresses.ts';
import type { Ground } from './ground/ground.ts';
import { advertisement, udp as rawUdp, udpVia } from './ground/raw.ts';

export type Act =
  | Readonly<{ kind: 'tcp'; to: string; port: number }>
  | Readonly<{ kind: 'udp'; to: string; port: number; size?: number; from?: string }>
  | Readonly<{ kind: 'ping'; to: string; from?: string }>
  /** A packet whose time runs out at the router; its error message has to come back. */
  | Readonly<{ kind: 'exceed'; to: string }>
  /** A datagram to a closed port; the host's error message has to come back. */
  | Readonly<{ kind: 'refuse'; to: string }>
  | Readonly<{ kind: 'raw'; to: string; packet(token: string): string }>
  /** A router advertisement; it got through when the router has a new default route. */
  | Readonly<{ kind: 'advertise' }>;

export type Probe = Readonly<{
  name: string;
  from: string;
  /** Who answers, or at whom the packet arrives. */
  to: string;
  act: Act;
  want: 'blocked' | 'allowed';
  /** Why the packet does not arrive even without rules. */
  otherwise?: string;
}>;

export type Row = Readonly<{ probe: Probe; reached: boolean; ok: boolean; said: string }>;

const tcp = (to: string, port = 443): Act => ({ kind: 'tcp', to, port });
const udp = (to: string, port = 443): Act => ({ kind: 'udp', to, port });
const ping = (to: string): Act => ({ kind: 'ping', to });
const fragments = (to: string, port = 443): Act => ({ kind: 'udp', to, port, size: 4000 });
/** Fits the WAN but not the tunnel: the answer arrives only when the router's "too big" reaches the sender. */
const tooBig = (to: string): Act => ({ kind: 'udp', to, port: 443, size: 1450 });

const [c, d, e] = [at.consumer(0), at.consumer(1), at.consumer(2)];
const stranger = 'fe80::bad';

/** Groups that a router's own daemons listen to. */
const groups = { mDNS: '224.0.0.251', UPnP: '239.255.255.250', 'UPnP v6': 'ff02::c', DHCPv6: 'ff02::1:2' } as const;

/** Sources that WireGuard has to let pass so that the rules are seen to stop them. */
const forgeable = { 'nobody v4': at.nobody.v4, 'nobody v6': at.nobody.v6, 'LAN host v4': at.lan.v4, 'LAN host v6': at.lan.global } as const;

const forge = (from: string): Act => {
  const to = from.includes(':') ? at.internet.v6 : at.internet.v4;
  return { kind: 'raw', to, packet: (token) => rawUdp({ from, to, port: 443, token }) };
};
const sourceRoute = (from: string, via: string, to: string): Act => ({
  kind: 'raw',
  to: via,
  packet: (token) => udpVia({ from, via, to, port: 443, token }),
});

type Line = readonly [name: string, act: Act, otherwise?: string];
const lines = (from: string, to: string, want: Probe['want'], rows: readonly Line[]): Probe[] =>
  rows.map(([name, act, otherwise]) => ({ name, from, to, act, want, ...(otherwise === undefined ? {} : { otherwise }) }));

export const probes: readonly Probe[] = [
  ...lines('c', 'router', 'blocked', [
    ['router LAN v4: web', tcp(at.home.v4, 80)],
    ['router LAN v4: ssh', tcp(at.home.v4, 22)],
    ['router LAN v4: DNS', udp(at.home.v4, 53)],
    ['router LAN v4: ping', ping(at.home.v4)],
    ['router LAN ULA: web', tcp(at.home.ula, 80)],
    ['router LAN ULA: ping', ping(at.home.ula)],
    ['router LAN global: web', tcp(at.home.global, 80)],
    ['router LAN global: ping', ping(at.home.global)],
    ['router WAN v4: web', tcp(at.wan.v4, 80)],
    ['router WAN v4: DNS', udp(at.wan.v4, 53)],
    ['router WAN v4: ping', ping(at.wan.v4)],
    ['router WAN v6: web', tcp(at.wan.v6, 80)],
    ['router WAN v6: DNS', udp(at.wan.v6, 53)],
    ['router WAN v6: ping', ping(at.wan.v6)],
    ['router tunnel v4: web', tcp(at.tunnel.v4, 80)],
    ['router tunnel v4: DNS', udp(at.tunnel.v4, 53)],
    ['router tunnel v4: ping', ping(at.tunnel.v4)],
    ['router tunnel v6: ssh', tcp(at.tunnel.v6, 22)],
    ['router tunnel v6: DNS', udp(at.tunnel.v6, 53)],
    ['router tunnel v6: ping', ping(at.tunnel.v6)],
    ['router link-local: DNS', { kind: 'udp', to: `${at.tunnel.local}%wg0`, port: 53, from: c.v6 }],
    ['router link-local: ping', { kind: 'ping', to: `${at.tunnel.local}%wg0`, from: c.v6 }],
    ['router fragments', fragments(at.tunnel.v4, 53)],
    ['countersign port by TCP', tcp(at.tunnel.v4, at.countersignPort)],
    ['countersign port on the LAN address', udp(at.home.v4, at.countersignPort)],
    ['countersign port on the WAN address', udp(at.wan.v4, at.countersignPort)],
    ['countersign port on the WAN address, v6', udp(at.wan.v6, at.countersignPort)],
    ['the port beside it', udp(at.tunnel.v4, at.countersignPort + 1)],
    ['all hosts, v4', { kind: 'udp', to: '224.0.0.1', port: 53, from: c.v4 }],
    ['all hosts, v6', { kind: 'udp', to: 'ff02::1%wg0', port: 53, from: c.v6 }],
    ['all routers, v6', { kind: 'udp', to: 'ff02::2%wg0', port: 53, from: c.v6 }],
    ['mDNS', { kind: 'udp', to: groups.mDNS, port: 5353, from: c.v4 }],
    ['UPnP', { kind: 'udp', to: groups.UPnP, port: 1900, from: c.v4 }],
    ['UPnP, v6', { kind: 'udp', to: `${groups['UPnP v6']}%wg0`, port: 1900, from: c.v6 }],
    ['DHCPv6', { kind: 'udp', to: `${groups.DHCPv6}%wg0`, port: 547, from: c.v6 }],
    ['DHCP broadcast', { kind: 'udp', to: '255.255.255.255', port: 67, from: c.v4 }],
    ["the LAN's broadcast address", { kind: 'udp', to: at.home.broadcast, port: 67, from: c.v4 }],
    ['router advertisement', { kind: 'advertise' }],
  ]),
  ...lines('c', 'router', 'allowed', [
    ['countersign port, v4', udp(at.tunnel.v4, at.countersignPort)],
    ['countersign port, v6', udp(at.tunnel.v6, at.countersignPort)],
  ]),
  ...lines('c', 'lan', 'blocked', [
    ['LAN host v4: tcp', tcp(at.lan.v4)],
    ['LAN host v4: udp', udp(at.lan.v4)],
    ['LAN host v4: ping', ping(at.lan.v4)],
    ['LAN host v4: fragments', fragments(at.lan.v4)],
    ['LAN host ULA: tcp', tcp(at.lan.ula)],
    ['LAN host ULA: udp', udp(at.lan.ula)],
    ['LAN host ULA: ping', ping(at.lan.ula)],
    ['LAN host global v6: tcp', tcp(at.lan.global)],
    ['LAN host global v6: udp', udp(at.lan.global)],
    ['LAN host global v6: ping', ping(at.lan.global)],
    ['LAN host global v6: fragments', fragments(at.lan.global)],
    ['port forward on the WAN address: tcp', tcp(at.wan.v4, 8443)],
    ['port forward on the WAN address: udp', udp(at.wan.v4, 8443)],
    ['port forward on the WAN address: v6', tcp(at.wan.v6, 8443)],
    ['source route by the router', sourceRoute(c.v4, at.tunnel.v4, at.lan.v4)],
    ['routing header by the router', sourceRoute(c.v6, at.tunnel.v6, at.lan.global), 'the kernel ignores routing header type 0'],
  ]),
  ...lines('c', 'd', 'blocked', [
    ['other session v4: tcp', tcp(d.v4)],
    ['other session v4: udp', udp(d.v4)],
    ['other session v4: ping', ping(d.v4)],
    ['other session v6: tcp', tcp(d.v6)],
    ['other session v6: udp', udp(d.v6)],
    ['other session v6: ping', ping(d.v6)],
  ]),
  ...lines('c', 'internet', 'blocked', [
    ...Object.entries({ ...at.special4, ...at.special6 }).map(([name, address]): Line => [`range: ${name}`, udp(address)]),
    ["range: the modem's own network, web", tcp(at.special4["the modem's own network"], 80)],
    ['range: cloud metadata, web', tcp(at.special4['cloud metadata'], 80)],
    ['range: cloud metadata, ping', ping(at.special4['cloud metadata'])],
    ['range: unique local, ping', ping(at.special6['unique local'])],
    ["owner's deny list, v4", tcp(at.denied.v4)],
    ["owner's deny list, v6", tcp(at.denied.v6)],
    ['SMTP', tcp(at.internet.v4, 25)],
    ['SMTP over TLS', tcp(at.internet.v4, 465)],
    ['mail submission', tcp(at.internet.v4, 587)],
    ['SMTP, v6', tcp(at.internet.v6, 25)],
    ['mail submission, v6', tcp(at.internet.v6, 587)],
    ...Object.entries(forgeable).map(([name, from]): Line => [`forged source: ${name}`, forge(from)]),
    ['forged source: other session v4', forge(d.v4), "WireGuard's allowed addresses"],
    ['forged source: other session v6', forge(d.v6), "WireGuard's allowed addresses"],
    ['forged source: router WAN', forge(at.wan.v4), "WireGuard's allowed addresses"],
    ['forged source: an Internet host', forge(at.hop.v4), "WireGuard's allowed addresses"],
  ]),
  ...lines('c', 'internet', 'allowed', [
    ['Internet v4: tcp', tcp(at.internet.v4)],
    ['Internet v4: udp', udp(at.internet.v4)],
    ['Internet v4: ping', ping(at.internet.v4)],
    ['Internet v4: DNS', udp(at.internet.v4, 53)],
    ['Internet v4: fragments', fragments(at.internet.v4)],
    ['Internet v4: path MTU', tooBig(at.internet.v4)],
    ['Internet v4: port unreachable', { kind: 'refuse', to: at.internet.v4 }],
    ['Internet v4: time exceeded', { kind: 'exceed', to: at.internet.v4 }],
    ['Internet v6: tcp', tcp(at.internet.v6)],
    ['Internet v6: udp', udp(at.internet.v6)],
    ['Internet v6: ping', ping(at.internet.v6)],
    ['Internet v6: DNS', udp(at.internet.v6, 53)],
    ['Internet v6: fragments', fragments(at.internet.v6)],
    ['Internet v6: path MTU', tooBig(at.internet.v6)],
    ['Internet v6: port unreachable', { kind: 'refuse', to: at.internet.v6 }],
    ['Internet v6: time exceeded', { kind: 'exceed', to: at.internet.v6 }],
  ]),
  ...lines('d', 'internet', 'allowed', [['second session: tcp', tcp(at.internet.v4)]]),
  ...lines('e', 'internet', 'allowed', [
    ['hop session: its hop', udp(at.hop.v4, 51820)],
    ['hop session: its hop, fragments', fragments(at.hop.v4, 51820)],
  ]),
  ...lines('e', 'router', 'allowed', [['hop session: countersign port', udp(at.tunnel.v4, at.countersignPort)]]),
  ...lines('e', 'internet', 'blocked', [
    ['hop session: another port', udp(at.hop.v4, 443)],
    ['hop session: the port by TCP', tcp(at.hop.v4, 51820)],
    ['hop session: another port, fragments', fragments(at.hop.v4, 443)],
    ['hop session: ping to its hop', ping(at.hop.v4)],
    ['hop session: Internet v4', tcp(at.internet.v4)],
    ['hop session: Internet v6', tcp(at.internet.v6)],
    ['hop session: the port on another host', udp(at.internet.v4, 51820)],
  ]),
  ...lines('e', 'lan', 'blocked', [['hop session: LAN host', tcp(at.lan.v4)]]),
  ...['lan', 'internet'].flatMap((from) =>
    lines(from, 'c', 'blocked', [
      [`from ${from}: session v4, udp`, udp(c.v4)],
      [`from ${from}: session v4, tcp`, tcp(c.v4)],
      [`from ${from}: session v4, ping`, ping(c.v4)],
      [`from ${from}: session v6, udp`, udp(c.v6)],
      [`from ${from}: session v6, tcp`, tcp(c.v6)],
      [`from ${from}: session v6, ping`, ping(c.v6)],
    ]),
  ),
  ...lines('router', 'c', 'blocked', [
    ['from router: session v4, udp', udp(c.v4)],
    ['from router: session v4, tcp', tcp(c.v4)],
    ['from router: session v4, ping', ping(c.v4)],
    ['from router: session v6, udp', udp(c.v6)],
    ['from router: session v6, ping', ping(c.v6)],
  ]),
  ...['lan', 'router'].flatMap((from) =>
    lines(from, 'internet', 'allowed', [
      [`from ${from}: Internet v4, tcp`, tcp(at.internet.v4)],
      [`from ${from}: Internet v4, udp`, udp(at.internet.v4)],
      [`from ${from}: Internet v4, mail`, tcp(at.internet.v4, 587)],
      [`from ${from}: Internet v6, tcp`, tcp(at.internet.v6)],
      [`from ${from}: Internet v6, ping`, ping(at.internet.v6)],
    ]),
  ),
  ...lines('lan', 'internet', 'allowed', [["from lan: the modem's own network", tcp(at.special4["the modem's own network"], 80)]]),
  ...lines('lan', 'router', 'allowed', [
    ['from lan: router web', tcp(at.home.v4, 80)],
    ['from lan: router DNS', udp(at.home.v4, 53)],
    ['from lan: router v6 ping', ping(at.home.global)],
  ]),
];

/** What the rules under test have to be told: session e may reach one address and port, and the owner denies two addresses. */
export const setting = { hop: { session: e, address: at.hop.v4, port: 51820 }, denied: at.denied } as const;

const ports: Readonly<Record<string, readonly number[]>> = {
  router: [22, 53, 67, 80, 547, 1900, at.countersignPort, at.countersignPort + 1, 5353],
  lan: [443],
  internet: [25, 53, 80, 443, 465, 587, 51820],
  c: [443],
  d: [443],
  e: [443],
};

const patienceMs = 10_000;
const silenceMs = 1000;

/**
 * Sends them all, a little apart. `rules`: whether rules are loaded, so that a row is ok when the probe got what it wants; otherwise it is
 * ok when the probe got through, or the topology is known to stop it. `open`: which get through though they should not, and are waited for
 * as long. Needs a ground with IPv6, consumers c, d, e, and their sessions.
 */
export async function runProbes(
  ground: Ground,
  { rules, open = [] }: Readonly<{ rules: boolean; open?: readonly string[] }>,
): Promise<Row[]> {
  const router = ground.in('router');
  if (!rules) await ground.addPeer('c', [...Object.values(forgeable), stranger]);
  await Promise.all(Object.entries(ports).map(([place, served]) => ground.in(place).ask('serve', { name: place, ports: served })));
  for (const group of Object.values(groups)) await router.ask('join', { group, link: 'weir0' });

  const reaching = (p: Probe): boolean => (rules ? p.want === 'allowed' : p.otherwise === undefined);
  const others = probes.filter((p) => p.act.kind !== 'advertise');
  const run = String(Date.now());
  const outcomes = await Promise.all(
    others.map(async (probe, n) => {
      // Not all at once: a guard against floods of new flows is not what is tried here.
      await new Promise((resolve) => setTimeout(resolve, n * 15));
      return send(ground, probe, `${run}-${n}`, reaching(probe) || open.includes(probe.name) ? patienceMs : silenceMs);
    }),
  );
  // A packet that arrived is a breach, even when its answer got lost.
  const arrived = new Map<string, ReadonlySet<string>>();
  for (const place of Object.keys(ports)) arrived.set(place, new Set(await ground.in(place).ask('seen', null)));
  const rows = others.map((probe, n): Row => {
    const reached = outcomes[n]?.reached === true || arrived.get(probe.to)?.has(`${run}-${n}`) === true;
    return { probe, reached, ok: reached === reaching(probe), said: outcomes[n]?.said ?? '' };
  });
  // Last and alone: an advertisement that is believed takes the others' default route away.
  for (const probe of probes.filter((p) => p.act.kind === 'advertise')) {
    const { reached, said } = await advertise(ground, probe.from);
    rows.push({ probe, reached, ok: reached === reaching(probe), said });
  }
  return rows;
}

type Outcome = Readonly<{ reached: boolean; said: string }>;

async function send(ground: Ground, { from, to, act }: Probe, token: string, withinMs: number): Promise<Outcome> {
  const place = ground.in(from);
  switch (act.kind) {
    case 'tcp':
    case 'udp': {
      const reply =
        act.kind === 'tcp'
          ? await place.ask('tcpGreet', { to: act.to, port: act.port, withinMs })
          : await place.ask('udpEcho', { ...act, token, withinMs });
      return 'by' in reply ? { reached: reply.by === to, said: `answered by ${reply.by}` } : { reached: false, said: reply.why };
    }
    case 'ping': {
      const { replied, text } = await place.ask('ping', { ...act, withinMs });
      return { reached: replied, said: text };
    }
    case 'exceed': {
      const { exceeded, text } = await place.ask('ping', { to: act.to, hops: 1, withinMs });
      return { reached: exceeded, said: text };
    }
    case 'refuse':
      return { reached: await place.ask('udpRefused', { to: act.to, port: 9, withinMs }), said: '' };
    case 'raw': {
      const said = await place.ask('sendRaw', { link: 'wg0', to: act.to, packets: [act.packet(token)] });
      await ground.in(to).ask('counted', { token, datagrams: 1, withinMs });
      return { reached: false, said: said ?? 'sent' };
    }
    case 'advertise':
      throw new Error('an advertisement has a way of its own');
  }
}

async function advertise(ground: Ground, from: string): Promise<Outcome> {
  const router = ground.in('router');
  const accept = (text: string): Promise<null> => router.ask('write', { path: '/proc/sys/net/ipv6/conf/weir0/accept_ra', text });
  await accept('2');
  const to = 'ff02::1';
  const failure = await ground.in(from).ask('sendRaw', { link: 'wg0', to, packets: [advertisement({ from: stranger, to })] });
  // An echo that takes the same way tells when the advertisement is through or lost.
  await ground.in(from).ask('udpEcho', { to: at.tunnel.v4, port: at.countersignPort, token: 'after-advertisement', withinMs: patienceMs });
  const routes = await router.run(['ip', '-6', 'route', 'show', 'default', 'dev', 'weir0']);
  await accept('0');
  await router.attempt(['ip', '-6', 'route', 'del', 'default', 'dev', 'weir0']);
  return { reached: routes.includes(stranger), said: failure ?? routes };
}
