// The claim: which sections of the owner's UCI configs are Weir's, what stands in them, and how far the router is from it. Every section
// has a name of ours, so that claiming twice changes nothing and leaving takes exactly ours away. Knows no bus.

import * as ip from './ip.ts';
import type { Pool } from './pool.ts';
import * as pool from './pool.ts';
import { fail, ok, type Result } from './result.ts';
import type { Section } from './settings.ts';

/** In the order in which they are written: a tunnel that comes up finds its zone there. */
export const configs = ['firewall', 'network'] as const;
export type Config = (typeof configs)[number];
export type Configs = Readonly<Record<Config, readonly Section[]>>;

export type Plan = Readonly<{
  pool: Pool;
  listenPort: number;
  countersignPort: number;
  /** Networks of the UCI config `network`: wan, say. */
  uplinks: readonly string[];
}>;

/** Paths of what differs: `network.weir0`, `firewall.weir_zone.input`. */
export type State =
  | Readonly<{ kind: 'present' }>
  /** At least one section is not there: never made, or the owner took it away. */
  | Readonly<{ kind: 'removed'; paths: readonly string[] }>
  | Readonly<{ kind: 'altered'; paths: readonly string[] }>;

/** The tunnel's device, and the network of the same name. */
export const device = 'weir0';
const zone = 'weir';

const section = (type: string, name: string, options: Readonly<Record<string, string | readonly string[]>>): Section => ({
  type,
  name,
  options: new Map(Object.entries(options)),
});

/** The type of a section of ours by its name; null: not ours. */
function typeOf(config: Config, name: string): string | null {
  if (config === 'network') return name === device ? 'interface' : null;
  const [, fixed, each] = /^weir_(?:(zone|sign)|(fwd|listen|nat4|nat6)_\w+)$/.exec(name) ?? [];
  const types = { zone: 'zone', sign: 'rule', fwd: 'forwarding', listen: 'rule', nat4: 'nat', nat6: 'nat' } as const;
  return types[(fixed ?? each) as keyof typeof types] ?? null;
}

export const isOurs = (config: Config, { name, type }: Pick<Section, 'name' | 'type'>): boolean => typeOf(config, name) === type;

// A zone's name may hold what a section's may not, and two zones must not become one.
const sectionPart = (name: string): string => name.replace(/[^A-Za-z0-9]/g, (c) => `_${c.charCodeAt(0).toString(16).padStart(2, '0')}`);

const words = (value: string | readonly string[] | undefined): readonly string[] =>
  value === undefined ? [] : typeof value === 'string' ? value.split(/\s+/) : value;

/** The zones that the uplinks are in, each once. */
function zonesOf(uplinks: readonly string[], have: Configs): Result<readonly string[]> {
  const zones = new Set<string>();
  for (const uplink of uplinks) {
    const path = `uplink.${uplink}`;
    if (!have.network.some((s) => s.type === 'interface' && s.name === uplink)) {
      const there = have.network.filter((s) => s.type === 'interface' && s.name !== 'loopback' && !isOurs('network', s)).map((s) => s.name);
      return fail('missing', path, `the config network has no such interface; there are ${there.join(', ')}`);
    }
    const [first] = have.firewall.filter(
      (s) => s.type === 'zone' && s.options.get('enabled') !== '0' && words(s.options.get('network')).includes(uplink),
    );
    const name = first?.options.get('name');
    if (typeof name !== 'string')
      return fail('missing', path, `no firewall zone has this network; add it to one: uci add_list firewall.ZONE.network=${uplink}`);
    zones.add(name);
  }
  return ok([...zones]);
}

export function plan(p: Plan, have: Configs): Result<Configs> {
  const zones = zonesOf(p.uplinks, have);
  if (!zones.ok) return zones;
  const { four, six } = p.pool;
  const router = pool.router(p.pool);
  // No gateway and no prefix of others: every route but the pool's own is the guard's business.
  const network = section('interface', device, {
    proto: 'static',
    device,
    ipaddr: [`${ip.renderAddress(router.four)}/${four.length}`],
    ip6addr: [`${ip.renderAddress(router.six)}/${six.length}`],
    defaultroute: '0',
    peerdns: '0',
    delegate: '0',
  });
  const accept = (name: string, title: string, src: string, port: number): Section =>
    section('rule', name, { name: title, src, proto: 'udp', dest_port: `${port}`, target: 'ACCEPT' });
  // fw4's masquerade of a zone leaves IPv6 alone, and a ULA leads nowhere without.
  const masquerade = (to: string, digit: 4 | 6): Section =>
    section('nat', `weir_nat${digit}_${sectionPart(to)}`, {
      name: `Weir: guests to ${to}, IPv${digit}`,
      family: `ipv${digit}`,
      src: to,
      src_ip: ip.renderPrefix(digit === 4 ? four : six),
      proto: 'all',
      target: 'MASQUERADE',
    });
  const firewall = [
    section('zone', 'weir_zone', {
      name: zone,
      network: [device],
      input: 'REJECT',
      output: 'ACCEPT',
      forward: 'REJECT',
      // A zone that is not masqueraded gets every conntrack helper there is, and a guest could have it open ports.
      auto_helper: '0',
    }),
    accept('weir_sign', 'Weir: countersignatures', zone, p.countersignPort),
    ...zones.value.flatMap((to) => [
      section('forwarding', `weir_fwd_${sectionPart(to)}`, { src: zone, dest: to }),
      accept(`weir_listen_${sectionPart(to)}`, `Weir: tunnel from ${to}`, to, p.listenPort),
      masquerade(to, 4),
      masquerade(to, 6),
    ]),
  ];
  return ok({ network: [network], firewall });
}

export function compare(want: Configs, have: Configs): State {
  const removed: string[] = [];
  const altered: string[] = [];
  for (const config of configs) {
    for (const wanted of want[config]) {
      const there = find(have[config], wanted);
      if (there === undefined) removed.push(`${config}.${wanted.name}`);
      else altered.push(...differences(wanted, there).map((option) => `${config}.${wanted.name}.${option}`));
    }
    for (const s of have[config]) if (isOurs(config, s) && find(want[config], s) === undefined) altered.push(`${config}.${s.name}`);
  }
  if (removed.length > 0) return { kind: 'removed', paths: removed };
  return altered.length > 0 ? { kind: 'altered', paths: altered } : { kind: 'present' };
}

const find = (all: readonly Section[], { name, type }: Section): Section | undefined => all.find((s) => s.name === name && s.type === type);

function differences(a: Section, b: Section): string[] {
  const names = new Set([...a.options.keys(), ...b.options.keys()]);
  // A list of one and an option are the same to who reads it, and LuCI makes one of the other.
  return [...names].filter((n) => words(a.options.get(n)).join(' ') !== words(b.options.get(n)).join(' '));
}

/** What has to go, and what to come, each whole. */
export type Step = Readonly<{ remove: readonly string[]; add: readonly Section[] }>;

/** `want` empty: everything of ours goes. */
export function steps(config: Config, want: readonly Section[], have: readonly Section[]): Step {
  const isKept = (s: Section): boolean => {
    const wanted = find(want, s);
    return wanted !== undefined && differences(wanted, s).length === 0;
  };
  const names = new Set(want.map((s) => s.name));
  // Somebody else's section under a name of ours would be merged with it.
  const remove = have.filter((s) => (isOurs(config, s) || names.has(s.name)) && !isKept(s)).map((s) => s.name);
  const add = want.filter((s) => !have.some((h) => h.name === s.name && isKept(h)));
  return { remove, add };
}
