// The static rules as nft text. What changes while sessions come and go are elements of the sets and maps named here, and the objects they
// point to (nftables.ts); nothing of a session is in this text. Knows no session, no kernel and no UCI; `parse` is the only way to a Config,
// so no word reaches the text that is not an address, a number or the name of a device.
//
// Two tables, which have to be there before (made by netlink: nft 1.0.6 cannot name a table that persists):
//
//   netdev weir_m   on the tunnel device itself, where flow offload hides nothing. A packet passes when *every* key is found:
//     live4 live6     address → may pass at all; the elements time out by themselves
//     lu ld           address → limit, up and down                          (each map once for IPv4, once for IPv6: lu4, lu6)
//     qu qd           address → quota; the same object in both when up and down share one
//     su sd           address → limit once the quota is spent; a session without one is then refused
//     cu cd           address → counter of what passed: what is billed
//     drain4 drain6   address → may speak to the countersign port, unbilled: until 60 s after the session
//   inet weir_p     where a session may go. `blocked` goes before everything; then the address has to be in one of
//     internet4/6     anywhere
//     hop4/6          sender . receiver . protocol . port, exactly
//     list4/6         the same, with ranges
//
// Limits and quotas are without "over": a missing key, a spent quota and an exceeded rate all end the rule, and behind it is only a drop.

import type { Brand } from '../core/brand.ts';
import type { Address, Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import type { Blocked, Range } from '../core/reach.ts';
import * as reach from '../core/reach.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Table } from './nftables.ts';
import * as nftables from './nftables.ts';

export const meter: Table = { family: 'netdev', name: 'weir_m' };
export const policy: Table = { family: 'inet', name: 'weir_p' };
export const countersignPort = 4720;

export type Input = Readonly<{
  /** The tunnel; the layer 3 devices that lead to the Internet. */
  device: string;
  uplinks: readonly string[];
  /** The router's own addresses in the tunnel. */
  address4: string;
  address6: string;
  /** WireGuard's own port. */
  listenPort: number;
  /** The most sessions at a time: the size of every set. */
  sessions: number;
  /** Beyond what is never reachable; `allow` opens private and reserved ranges, though not the router's, and never one of `deny`. */
  deny: readonly string[];
  allow: readonly string[];
  blockSmtp: boolean;
  /** New flows in a second. */
  flows: Readonly<{ session: number; all: number }>;
  /** Flows at a time; null where the kernel has no nft_connlimit. */
  connections: Readonly<{ session: number; all: number }> | null;
  /** Our own process with the network: where alone it may go, besides the tunnel. */
  agent: Readonly<{ uid: number; dns: readonly string[]; brokers: readonly Readonly<{ prefix: string; port: number }>[] }>;
  /** Marks session traffic lower effort (RFC 8622). */
  lowerEffort: boolean;
  line: Readonly<{
    /** Line bytes: of a guest's byte both crossings, with the tunnel's overhead. */
    quota: Readonly<{ bytes: bigint; used: bigint }> | null;
    /** Guests' bytes in a second, both directions together: each of them crosses the line once either way. */
    guests: bigint | null;
    /** The same, where it has to change while guests are in: limits of which the first so many hold together, as is told later (pace.ts). */
    pace: readonly bigint[];
    /** What the tunnel itself may use of the line, in line bytes a second; binds where packets are small and overhead is large. */
    tunnel: Readonly<{ up: bigint; down: bigint }> | null;
    /** Everything on the uplinks counts. Guests' outer crossing is then charged twice; who keeps the ledger gives it back. */
    household: boolean;
  }>;
}>;

type Device = Brand<string, 'Device'>;

type Values = Omit<Input, 'device' | 'uplinks' | 'address4' | 'address6' | 'deny' | 'allow' | 'agent'> &
  Readonly<{
    device: Device;
    uplinks: readonly Device[];
    address4: Address;
    address6: Address;
    blocked: Blocked;
    agent: Readonly<{ uid: number; dns: readonly Address[]; brokers: readonly Readonly<{ prefix: Prefix; port: number }>[] }>;
  }>;
export type Config = Brand<Values, 'Ruleset'>;

// ── Parsing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** The kernel takes nearly any byte in a device's name; a rule takes these. */
export function parseDevice(name: string): Result<Device> {
  return /^[A-Za-z0-9][A-Za-z0-9_.-]{0,14}$/.test(name) ? ok(name as Device) : fail('malformed', '', 'expected the name of a device');
}

function parseAll<I, T>(path: string, items: readonly I[], parse: (item: I) => Result<T>): Result<readonly T[]> {
  const values: T[] = [];
  for (const [i, item] of items.entries()) {
    const value = parse(item);
    if (!value.ok) return { ok: false, fault: under(`${path}.${i}`, value.fault) };
    values.push(value.value);
  }
  return ok(values);
}

function parseAt<T>(path: string, value: Result<T>): Result<T> {
  return value.ok ? value : { ok: false, fault: under(path, value.fault) };
}

function parseAddressOf(size: 4 | 16, text: string): Result<Address> {
  const address = ip.parseAddress(text);
  return !address.ok || address.value.length === size ? address : fail('malformed', '', `expected an IPv${size === 4 ? 4 : 6} address`);
}

const most32 = 2 ** 32 - 1;
// The kernel counts quotas in signed 64 bits. A burst has 32, so a rate has a bound too: 100 Gbit/s.
const mostQuota = 2n ** 63n - 1n;
const mostRate = 12_500_000_000n;

function checkNumbers(i: Input): Result<void> {
  const { line, connections } = i;
  const numbers: readonly (readonly [path: string, value: number, least: number, most: number])[] = [
    ['listenPort', i.listenPort, 1, 65535],
    ['sessions', i.sessions, 1, 65536],
    ['flows.session', i.flows.session, 1, most32],
    ['flows.all', i.flows.all, 1, most32],
    ['connections.session', connections === null ? 1 : connections.session, 1, most32],
    ['connections.all', connections === null ? 1 : connections.all, 1, most32],
    // User 0 has everything else on the router running.
    ['agent.uid', i.agent.uid, 1, most32 - 1],
    ...i.agent.brokers.map((b, n) => [`agent.brokers.${n}.port`, b.port, 1, 65535] as const),
  ];
  for (const [path, value, least, most] of numbers)
    if (!Number.isInteger(value) || value < least || value > most)
      return fail('malformed', path, `expected an integer from ${least} to ${most}`);
  const amounts: readonly (readonly [path: string, value: bigint, least: bigint, most: bigint])[] = [
    ['line.quota.bytes', line.quota === null ? 0n : line.quota.bytes, 0n, mostQuota],
    ['line.quota.used', line.quota === null ? 0n : line.quota.used, 0n, mostQuota],
    ['line.guests', line.guests ?? 1n, 1n, mostRate],
    ...line.pace.map((rate, n) => [`line.pace.${n}`, rate, 1n, mostRate] as const),
    ['line.tunnel.up', line.tunnel === null ? 1n : line.tunnel.up, 1n, mostRate],
    ['line.tunnel.down', line.tunnel === null ? 1n : line.tunnel.down, 1n, mostRate],
  ];
  for (const [path, value, least, most] of amounts)
    if (value < least || value > most) return fail('malformed', path, `expected an integer from ${least} to ${most}`);
  return ok(undefined);
}

export function parse(i: Input): Result<Config> {
  const numbers = checkNumbers(i);
  if (!numbers.ok) return numbers;
  const device = parseAt('device', parseDevice(i.device));
  if (!device.ok) return device;
  const uplinks = parseAll('uplinks', i.uplinks, parseDevice);
  if (!uplinks.ok) return uplinks;
  // Sessions would reach each other, and a packet would be charged as its own way out.
  if (uplinks.value.includes(device.value)) return fail('denied', 'uplinks', 'the tunnel cannot be its own uplink');
  if (new Set(uplinks.value).size < uplinks.value.length) return fail('malformed', 'uplinks', 'the same device twice');
  const address4 = parseAt('address4', parseAddressOf(4, i.address4));
  if (!address4.ok) return address4;
  const address6 = parseAt('address6', parseAddressOf(16, i.address6));
  if (!address6.ok) return address6;
  const deny = parseAll('deny', i.deny, ip.parsePrefix);
  if (!deny.ok) return deny;
  const allow = parseAll('allow', i.allow, ip.parsePrefix);
  if (!allow.ok) return allow;
  const dns = parseAll('agent.dns', i.agent.dns, ip.parseAddress);
  if (!dns.ok) return dns;
  const brokers = parseAll('agent.brokers', i.agent.brokers, (b) => {
    const prefix = ip.parsePrefix(b.prefix);
    return prefix.ok ? ok({ prefix: prefix.value, port: b.port }) : prefix;
  });
  if (!brokers.ok) return brokers;
  const values: Values = {
    ...i,
    device: device.value,
    uplinks: uplinks.value,
    address4: address4.value,
    address6: address6.value,
    blocked: reach.blocked(deny.value, allow.value),
    agent: { uid: i.agent.uid, dns: dns.value, brokers: brokers.value },
  };
  return ok(values as Config);
}

// ── Rendering ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `hook` makes a base chain. `anew`: its devices may differ from those of the last time, which older kernels cannot change. */
type Chain = Readonly<{ rules: readonly string[]; hook?: string; anew?: true }>;
type Chains = Readonly<Record<string, Chain>>;

const versions = [4, 6] as const;
type Version = (typeof versions)[number];
const directions = [
  { name: 'up', letter: 'u', guest: 'saddr', router: 'daddr', port: 'dport' },
  { name: 'dn', letter: 'd', guest: 'daddr', router: 'saddr', port: 'sport' },
] as const;
type Direction = (typeof directions)[number];

const word = (v: Version): string => (v === 4 ? 'ip' : 'ip6');
const typeName = (v: Version): string => `ipv${v}_addr`;
const quote = (device: Device): string => `"${device}"`;
const braces = (items: readonly string[]): string => `{ ${items.join(', ')} }`;
const routerAddress = (c: Config, v: Version): string => ip.renderAddress(v === 4 ? c.address4 : c.address6);
const icmpErrors = (v: Version): string => (v === 4 ? 'icmp type { 3, 11, 12 }' : 'icmpv6 type { 1, 2, 3, 4 }');
// Sets that fill by themselves, one element for each guest seen of late. Full means refused.
const dynamicSize = 65536;

/** 50 ms of the rate, and room for two of the largest packets that segmentation offload makes. */
export const burstOf = (rate: bigint): bigint => (rate / 20n > 131072n ? rate / 20n : 131072n);

/** Beyond the second that the kernel has in store for every limit. More would make the household wait. */
const paceBurst = 16_384;
export const paceSet = (n: number): string => `pace${n}`;

// The kernel ignores a second limit of the same name, so the rate is in the name.
const limitName = (of: string, rate: bigint): string => `${of}_${rate}`;

function renderRange(r: Range, v: Version): string {
  const [first, last] = [r.first, r.last].map((n) => ip.renderAddress(ip.addressAt(n, v === 4 ? 4 : 16)));
  return first === last ? `${first}` : `${first}-${last}`;
}

/** One transaction: `nft -f`. Loaded again it changes nothing but what the Config changed; sets, objects and their values stay. */
export const render = (c: Config): string =>
  [
    ...renderTable('netdev weir_m', meterDeclarations(c), meterChains(c)),
    ...renderTable('inet weir_p', policyDeclarations(c), policyChains(c)),
    '',
  ].join('\n');

type Declaration = readonly [what: string, name: string, body?: string];

function renderTable(table: string, declarations: readonly Declaration[], chains: Chains): string[] {
  const all = Object.entries(chains);
  const add = (what: string, name: string, body: string | undefined): string =>
    `add ${what} ${table} ${name}${body === undefined ? '' : ` { ${body} }`}`;
  const anew = all.filter(([, chain]) => chain.anew);
  return [
    ...declarations.map(([what, name, body]) => add(what, name, body)),
    ...all.map(([name, chain]) => add('chain', name, chain.anew ? undefined : chain.hook)),
    `flush table ${table}`,
    ...anew.flatMap(([name, chain]) => [`delete chain ${table} ${name}`, add('chain', name, chain.hook)]),
    ...all.flatMap(([name, chain]) => chain.rules.map((rule) => `add rule ${table} ${name} ${rule}`)),
  ];
}

function meterDeclarations(c: Config): readonly Declaration[] {
  const { quota, guests, tunnel } = c.line;
  // And the canary.
  const most = c.sessions + 1;
  const size = `size ${most};`;
  const limit = (of: string, rate: bigint, over: string): Declaration => [
    'limit',
    limitName(of, rate),
    `rate ${over}${rate} bytes/second burst ${burstOf(rate)} bytes;`,
  ];
  return [
    ...['refused', 'spent', 'inside', 'line_in', 'line_out'].map((name): Declaration => ['counter', name]),
    ...(quota === null
      ? []
      : [['quota', 'node_q', `${quota.bytes} bytes used ${nftables.isSpent(quota) ? quota.bytes : quota.used} bytes;`] as const]),
    ...(guests === null ? [] : [limit('node_l', guests, '')]),
    ...c.line.pace.flatMap((rate, n): readonly Declaration[] => [
      ['limit', limitName(paceSet(n), rate), `rate ${rate} bytes/second burst ${paceBurst} bytes;`],
      ['set', paceSet(n), 'type ether_type; size 2;'],
    ]),
    ...(tunnel === null ? [] : [limit('line_u', tunnel.up, 'over '), limit('line_d', tunnel.down, 'over ')]),
    ...versions.flatMap((v): readonly Declaration[] => [
      // What has timed out counts until the kernel collects it, a second later.
      ['set', `live${v}`, `type ${typeName(v)}; size ${2 * most}; flags timeout;`],
      ['set', `drain${v}`, `type ${typeName(v)}; size ${2 * most}; flags timeout;`],
      ['set', `sign${v}`, `type ${typeName(v)}; size ${dynamicSize}; flags dynamic,timeout; timeout 1m;`],
      ...directions.flatMap(({ letter }) =>
        objectMaps.map(([map, of]): Declaration => ['map', `${map}${letter}${v}`, `type ${typeName(v)} : ${of}; ${size}`]),
      ),
    ]),
  ];
}

const objectMaps = [
  ['l', 'limit'],
  ['q', 'quota'],
  ['s', 'limit'],
  ['c', 'counter'],
] as const;

function meterChains(c: Config): Chains {
  const hook = (of: string): string => `type filter hook ${of} device ${quote(c.device)} priority -500; policy drop;`;
  return {
    ...Object.assign({}, ...versions.flatMap((v) => directions.map((d) => guestChains(c, v, d)))),
    guest_up: { hook: hook('ingress'), rules: guestRules(c, directions[0]) },
    guest_dn: { hook: hook('egress'), rules: guestRules(c, directions[1]) },
    ...lineChains(c),
  };
}

const refuse = 'counter name "refused" drop';
const lowerEffort = '0x01';

const lookUp = (kind: string, map: string, v: Version, d: Direction): string =>
  `${kind} name ${word(v)} ${d.guest} map @${map}${d.letter}${v}`;

// One rule for most packets: a chain of its own, or a map of protocols, costs as much as a limit.
function guestRules(c: Config, d: Direction): readonly string[] {
  const nodeLimit = c.line.guests === null ? '' : ` limit name "${limitName('node_l', c.line.guests)}"`;
  const next = c.line.pace.length === 0 ? 'pay' : 'pace';
  const router = (v: Version, is: string): string => `${word(v)} ${d.router} ${is}${routerAddress(c, v)}`;
  return [
    ...versions.map(
      (v) => `${router(v, '!= ')} ${word(v)} ${d.guest} @live${v} ${lookUp('limit', 'l', v, d)}${nodeLimit} goto ${next}_${d.name}${v}`,
    ),
    ...versions.map((v) => `${router(v, '')} goto sign_${d.name}${v}`),
    refuse,
  ];
}

function guestChains(c: Config, v: Version, d: Direction): Chains {
  const guest = `${word(v)} ${d.guest}`;
  // How many packets this has been, for those that are merged: outside of the tunnel each is counted.
  const nodeQuota = c.line.quota === null ? '' : ' quota name "node_q" counter name "inside"';
  // What goes down is marked where it crosses the line: on the tunnel's own packets.
  const mark = c.lowerEffort && d.name === 'up' ? ` ${word(v)} dscp set ${lowerEffort}` : '';
  const pay = `${nodeQuota}${mark} ${lookUp('counter', 'c', v, d)} accept`;
  const sparingly = `update @sign${v} { ${guest} limit rate 10/second burst 20 packets } accept`;
  const chain = `${d.name}${v}`;
  const paces = c.line.pace.map((rate, n) => `meta protocol @${paceSet(n)} limit name "${limitName(paceSet(n), rate)}" goto pay_${chain}`);
  return {
    // The largest first: it has the most in store.
    ...(paces.length === 0 ? {} : { [`pace_${chain}`]: { rules: [...paces.toReversed(), refuse] } }),
    // Within the rate. The second rule is reached when the quota, the session's or the node's, is spent.
    [`pay_${chain}`]: {
      rules: [`${lookUp('quota', 'q', v, d)}${pay}`, `${lookUp('limit', 's', v, d)}${pay}`, 'counter name "spent" drop'],
    },
    // The quota must not cut off its own cure: countersignatures pass without it, few and unbilled.
    [`sign_${chain}`]: {
      rules: [
        `udp ${d.port} ${countersignPort} ${guest} @drain${v} ${sparingly}`,
        ...(d.name === 'up' ? [] : [`${icmpErrors(v)} ${guest} @live${v} ${sparingly}`]),
        refuse,
      ],
    },
  };
}

// What crosses the uplinks. A guest's byte is charged once here, inside the tunnel, and once on the tunnel device.
function lineChains(c: Config): Chains {
  const { household, quota, tunnel } = c.line;
  const hooked = (of: string): Pick<Chain, 'hook' | 'anew'> =>
    c.uplinks.length === 0
      ? { anew: true }
      : { anew: true, hook: `type filter hook ${of} devices = ${braces(c.uplinks.map(quote))} priority -500; policy accept;` };
  const charge = quota === null ? '' : ' quota name "node_q"';
  const whole = (side: string): string[] => (household ? [`counter name "line_${side}"${charge}`] : []);
  const limit = (name: string, rate: bigint | undefined): string[] =>
    rate === undefined ? [] : [`limit name "${limitName(name, rate)}" drop`];
  const mark = c.lowerEffort ? [`ip dscp set ${lowerEffort} accept`, `ip6 dscp set ${lowerEffort}`] : [];
  // The port before the protocol: most packets that are none of the tunnel's are found out by it alone.
  const tunnelled = (port: string): string => `th ${port} ${c.listenPort} meta l4proto udp`;
  return {
    // What came in has used the line whether we like it or not; what goes out only if it goes.
    tunnel_in: { rules: [`counter name "line_in"${charge}`, ...limit('line_d', tunnel?.down)] },
    tunnel_out: { rules: [...limit('line_u', tunnel?.up), `counter name "line_out"${charge}`, ...mark] },
    line_in: { ...hooked('ingress'), rules: [`${tunnelled('dport')} goto tunnel_in`, ...whole('in')] },
    line_out: { ...hooked('egress'), rules: [`${tunnelled('sport')} goto tunnel_out`, ...whole('out')] },
  };
}

function policyDeclarations(c: Config): readonly Declaration[] {
  const { flows, connections } = c;
  return [
    ['counter', 'refused'],
    ['limit', `flows_${flows.all}`, `rate ${flows.all}/second burst ${flows.all} packets;`],
    ...versions.flatMap((v): readonly Declaration[] => [
      ['set', `internet${v}`, `type ${typeName(v)}; size ${c.sessions};`],
      ['set', `hop${v}`, `${flowType(v)} size ${c.sessions};`],
      ['set', `list${v}`, `${flowType(v)} flags interval;`],
      ['set', `flows${v}`, `type ${typeName(v)}; size ${dynamicSize}; flags dynamic,timeout; timeout 1m;`],
      ...(connections === null ? [] : [['set', `conns${v}`, `type ${typeName(v)}; size ${dynamicSize}; flags dynamic;`] as const]),
    ]),
  ];
}

const flowType = (v: Version): string => `type ${typeName(v)} . ${typeName(v)} . inet_proto . inet_service;`;

// The base chains let pass what is none of ours, so every chain behind a goto ends in a drop of its own.
function policyChains(c: Config): Chains {
  const device = quote(c.device);
  const base = (of: string, ...rules: readonly string[]): Chain => ({ hook: `type filter hook ${of} priority -10; policy accept;`, rules });
  return {
    forward_: base('forward', `iifname ${device} goto from_tun`, `oifname ${device} goto to_tun`),
    input_: base('input', `iifname ${device} goto in_tun`),
    output_: base('output', `oifname ${device} goto out_tun`, `meta skuid ${c.agent.uid} goto out_agent`),
    ...forwardChains(c),
    in_tun: { rules: [...versions.map((v) => `${word(v)} daddr ${routerAddress(c, v)} udp dport ${countersignPort} accept`), refuse] },
    out_tun: {
      rules: [
        ...versions.map((v) => `${word(v)} saddr ${routerAddress(c, v)} udp sport ${countersignPort} accept`),
        ...versions.map((v) => `${icmpErrors(v)} accept`),
        refuse,
      ],
    },
    out_agent: {
      rules: [
        ...c.agent.dns.map((a) => `${word(ip.isV4(a) ? 4 : 6)} daddr ${ip.renderAddress(a)} meta l4proto { tcp, udp } th dport 53 accept`),
        ...c.agent.brokers.map(
          ({ prefix, port }) => `${word(ip.isV4(prefix.address) ? 4 : 6)} daddr ${ip.renderPrefix(prefix)} tcp dport ${port} accept`,
        ),
        refuse,
      ],
    },
  };
}

function forwardChains(c: Config): Chains {
  const uplinks = braces(c.uplinks.map(quote));
  // Without an uplink nothing leads anywhere. nft has no word for an empty set.
  const unless = (side: string): string => (c.uplinks.length === 0 ? refuse : `${side} != ${uplinks} ${refuse}`);
  const clamp = 'tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu';
  const { flows, connections } = c;
  const fromGuests = (v: Version): readonly string[] => {
    const flow = `${word(v)} saddr . ${word(v)} daddr . meta l4proto . th dport`;
    const blocked = v === 4 ? c.blocked.v4 : c.blocked.v6;
    return [
      `${word(v)} daddr ${braces(blocked.map((r) => renderRange(r, v)))} ${refuse}`,
      `${word(v)} saddr @internet${v} goto any_flow`,
      `${flow} @hop${v} goto any_flow`,
      `${flow} @list${v} goto any_flow`,
      refuse,
    ];
  };
  const counted = (v: Version): string =>
    connections === null ? '' : ` add @conns${v} { ${word(v)} saddr ct count ${connections.session} }`;
  const firstOf = (v: Version): string =>
    `update @flows${v} { ${word(v)} saddr limit rate ${flows.session}/second burst ${flows.session} packets }${counted(v)} goto new_flow`;
  return {
    from_tun: {
      rules: [
        unless('oifname'),
        `ct state invalid ${refuse}`,
        clamp,
        'meta nfproto ipv4 goto from4',
        'meta nfproto ipv6 goto from6',
        refuse,
      ],
    },
    from4: { rules: fromGuests(4) },
    from6: { rules: fromGuests(6) },
    any_flow: {
      rules: [
        // Only a flow's first packet is not confirmed; "new" would be every packet of a flow that nobody answers.
        'ct status confirmed accept',
        `fib daddr type != unicast ${refuse}`,
        ...(c.blockSmtp ? [`tcp dport { 25, 465, 587 } ${refuse}`] : []),
        ...versions.map(firstOf),
        refuse,
      ],
    },
    new_flow: { rules: [`limit name "flows_${flows.all}"${connections === null ? '' : ` ct count ${connections.all}`} accept`, refuse] },
    to_tun: { rules: [unless('iifname'), clamp, 'ct state established,related accept', refuse] },
  };
}
