// The rules that the packet path is measured with, as nft text: what every router has, ours, a design of the same promises taken from the
// first experiments, and what one would write first. Knows the addresses of the bench's sessions and no netlink: sessions come into ours
// through enforce-seats.ts.

import { text } from '../../agent/core/result.ts';
import * as ruleset from '../../agent/wire/ruleset.ts';

export const most = 10_000;
export const first = '10.213.0.1';
export const network = '10.213.0.0/16';
export const network6 = 'fd00:213::/112';

/** Slot n of both pools; the router has the last address. */
export const addresses = (slot: number): Readonly<{ v4: string; v6: string }> => ({
  v4: `10.213.${slot >> 8}.${slot & 0xff}`,
  v6: `fd00:213::${slot.toString(16)}`,
});
const slots = (count: number): readonly number[] => Array.from({ length: count }, (_, i) => i + 1);

/** Limits that the bench never reaches: a packet pays for being measured, none is dropped. */
export const plenty = { bytes: 2n ** 50n, rate: 2n ** 31n, burst: 2 ** 27 };

/** Conntrack sees every packet on a router, and a firewall asks it about each. */
export const household =
  'table inet household { chain forward { type filter hook forward priority 0; ct state established,related accept; }; }';

/** With everything on that an owner can turn on: caps and rates of the line, marks, limits of flows. */
export function ours(changed: Partial<ruleset.Input> = {}): string {
  const config = ruleset.parse({
    device: 'weir0',
    uplinks: ['wan'],
    address4: '10.213.255.254',
    address6: 'fd00:213::fffe',
    listenPort: 51820,
    sessions: most,
    deny: [],
    allow: [],
    blockSmtp: true,
    flows: { session: 1000, all: 1_000_000 },
    connections: { session: 1000, all: 100_000 },
    agent: { uid: 453, dns: [], brokers: [] },
    lowerEffort: true,
    line: {
      quota: { bytes: plenty.bytes, used: 0n },
      guests: plenty.rate,
      pace: [],
      tunnel: { up: plenty.rate, down: plenty.rate },
      household: false,
    },
    ...changed,
  });
  if (!config.ok) throw new Error(text(config.fault));
  return ruleset.render(config.value);
}

const objects = [
  ['counter', 'cu', ''],
  ['counter', 'cd', ''],
  ['quota', 'q', `{ ${plenty.bytes} bytes; }`],
  ['limit', 'lu', `{ rate ${plenty.rate} bytes/second burst ${plenty.burst} bytes; }`],
  ['limit', 'ld', `{ rate ${plenty.rate} bytes/second burst ${plenty.burst} bytes; }`],
] as const;

/** A session of ours as nft would have it, for the comparison: the same objects and elements that netlink makes. */
export function seat(verb: 'add' | 'delete', slot: number): string {
  const isAdd = verb === 'add';
  const things = objects.map(([what, name, body]) => `${verb} ${what} netdev weir_m n${slot}_${name} ${isAdd ? body : ''}`);
  const elements = (['v4', 'v6'] as const).flatMap((v) => {
    const address = addresses(slot)[v];
    const element = (table: string, set: string, more: string): string =>
      `${verb} element ${table} ${set}${v[1]} { ${address}${isAdd ? more : ''} }`;
    return [
      ...['cu', 'cd', 'lu', 'ld'].map((map) => element('netdev weir_m', map, ` : "n${slot}_${map}"`)),
      ...['qu', 'qd'].map((map) => element('netdev weir_m', map, ` : "n${slot}_q"`)),
      ...['live', 'drain'].map((set) => element('netdev weir_m', set, ' timeout 1h')),
      element('inet weir_p', 'internet', ''),
    ];
  });
  return `${(isAdd ? [...things, ...elements] : [...elements, ...things]).join('\n')}\n`;
}

const block = (head: string, lines: readonly string[]): string => `${head} {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`;
const over = `over ${plenty.bytes} bytes`;
const rate = `rate over ${plenty.rate} bytes/second burst ${plenty.burst} bytes`;

/** Two tables, maps of objects; neither marks, nor limits of flows, nor line bytes, nor throttles, nor a way for countersignatures. */
export function facts(count: number): string {
  const all = slots(count);
  const elements = (of: (address: string, slot: number) => string, v: 'v4' | 'v6'): string =>
    count === 0 ? '' : ` elements = { ${all.map((slot) => of(addresses(slot)[v], slot)).join(', ')} };`;
  const families = [
    { v: 'v4', n: 4, ip: 'ip' },
    { v: 'v6', n: 6, ip: 'ip6' },
  ] as const;
  const maps = [
    ['lu', 'limit', 'lu'],
    ['ld', 'limit', 'ld'],
    ['q', 'quota', 'q'],
    ['cu', 'counter', 'u'],
    ['cd', 'counter', 'd'],
  ] as const;
  const guest = (side: string, way: 'u' | 'd', n: 4 | 6): string =>
    `${side} != @live${n} counter name "gate_drop" drop; limit name ${side} map @l${way}${n} drop; limit name "node_l${way}" drop; ` +
    `quota name ${side} map @q${n} drop; quota name "node_q" drop; counter name ${side} map @c${way}${n} accept; drop;`;
  const meter = block('table netdev weir_m', [
    ...families.map(({ v, n }) => `set live${n} { type ip${v}_addr; flags timeout;${elements((a) => `${a} timeout 1h`, v)} }`),
    'counter gate_drop { }',
    `quota node_q { ${over} used 1234 bytes }`,
    `limit node_lu { ${rate} }`,
    `limit node_ld { ${rate} }`,
    ...all.flatMap((s) => [
      `counter s${s}_u { packets 0 bytes 0 }`,
      `counter s${s}_d { packets 0 bytes 0 }`,
      `quota s${s}_q { ${over} used 0 bytes }`,
      `limit s${s}_lu { ${rate} }`,
      `limit s${s}_ld { ${rate} }`,
    ]),
    ...families.flatMap(({ v, n }) =>
      maps.map(([map, of, object]) => `map ${map}${n} { type ip${v}_addr : ${of};${elements((a, s) => `${a} : "s${s}_${object}"`, v)} }`),
    ),
    ...families.flatMap(({ n, ip }) => [
      `chain up${n} { ${guest(`${ip} saddr`, 'u', n)} }`,
      `chain dn${n} { ${guest(`${ip} daddr`, 'd', n)} }`,
    ]),
    'chain up { type filter hook ingress device "weir0" priority -500; policy drop; meta protocol vmap { ip : goto up4, ip6 : goto up6 }; }',
    'chain dn { type filter hook egress device "weir0" priority -500; policy drop; meta protocol vmap { ip : goto dn4, ip6 : goto dn6 }; }',
  ]);
  const clamp = 'tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu;';
  const refuse = 'counter name "d_policy" drop;';
  const hop = (n: 4 | 6, ip: string): string =>
    `${ip} saddr @hop_only${n} ${ip} saddr . ${ip} daddr . meta l4proto . th dport @hop${n} accept; ${ip} saddr @hop_only${n} ${refuse}`;
  const policy = block('table inet weir_p', [
    'set blocked4 { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16, ' +
      '172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.168.0.0/16, 198.18.0.0/15, 203.0.113.0/24, 224.0.0.0/3 }; }',
    'set blocked6 { type ipv6_addr; flags interval; elements = { ::-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, 2001::/32, 2002::/16, ' +
      '4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff }; }',
    'set wan_if { type ifname; elements = { "wan" }; }',
    ...families.flatMap(({ v, n }) => [
      `set hop_only${n} { type ip${v}_addr; }`,
      `set hop${n} { type ip${v}_addr . ip${v}_addr . inet_proto . inet_service; }`,
    ]),
    'set in_tcp { type inet_service; elements = { 7777 }; }',
    'counter d_policy { }',
    `chain from_tun { oifname != @wan_if ${refuse} ct state invalid drop; ${clamp} ${families.map(({ n, ip }) => hop(n, ip)).join(' ')} ` +
      `ip daddr @blocked4 ${refuse} ip6 daddr @blocked6 ${refuse} fib daddr type != unicast drop; tcp dport { 25, 465, 587 } ${refuse} accept; }`,
    `chain to_tun { iifname != @wan_if ${refuse} ${clamp} ct state established,related accept; ${refuse} }`,
    'chain fwd_ { type filter hook forward priority -10; policy accept; iifname "weir0" goto from_tun; oifname "weir0" goto to_tun; }',
    'chain in_ { type filter hook input priority -10; policy accept; iifname != "weir0" accept; fib daddr . iif type != local drop; ' +
      'ip daddr 10.213.255.254 tcp dport @in_tcp accept; drop; }',
  ]);
  return meter + policy;
}

/** Four rules for each session, one behind the other. */
export const naive = (count: number): string =>
  block('table inet naive', [
    `chain forward { type filter hook forward priority -10; ${slots(count)
      .map((slot) => addresses(slot).v4)
      .map((a) => `ip saddr ${a} limit ${rate} drop; ip saddr ${a} quota ${over} drop; ip saddr ${a} counter; ip daddr ${a} counter;`)
      .join('\n')} }`,
  ]);
