// rtnetlink: links, addresses, routes and rules of the kernel, asked for, changed, read and announced. Knows no uplink and no guard; which
// route is whose is the caller's to say (`protocol` marks the one who put a route or rule there).

import type { Address, Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Dialect, Exchange, Field, Frame, Message, Out } from './netlink.ts';
import * as netlink from './netlink.ts';
import * as writer from './writer.ts';

export const protocol = 0;
/** Multicast groups. */
export const groups = { link: 1, address4: 5, route4: 7, rule4: 8, address6: 9, route6: 11, rule6: 19 } as const;

export const mainTable = 254;

export type LinkStats = Readonly<{ rxPackets: bigint; txPackets: bigint; rxBytes: bigint; txBytes: bigint }>;
/** Some announcements (of a wireless driver, say) name the link and little else. */
export type Link = Readonly<{
  index: number;
  name: string;
  isEthernet: boolean;
  isUp: boolean;
  hasCarrier: boolean;
  kind?: string;
  mtu?: number;
  group?: number;
  master?: number;
  stats?: LinkStats;
}>;

export type LinkAddress = Readonly<{ index: number; address: Address; length: number; scope: number; flags: number }>;

const refusals = { blackhole: 6, unreachable: 7, prohibit: 8 } as const;
const routeTypes = { unicast: 1, local: 2, broadcast: 3, anycast: 4, multicast: 5, ...refusals } as const;
export type RouteType = keyof typeof routeTypes;
/** `onlink`: the gateway is in no network of the link's. */
export type Hop = Readonly<{ index: number; gateway?: Address; onlink?: true }>;
/** The default route is the prefix of length 0. `source`: a route for senders of that prefix alone, as OpenWrt has them for IPv6. */
export type Route = Readonly<{
  destination: Prefix;
  source?: Prefix;
  type: RouteType;
  table: number;
  /** IPv6 makes 1024 of 0. */
  metric: number;
  protocol: number;
  hops: readonly Hop[];
}>;

const actions = { lookup: 1, ...refusals } as const;
/** `suppressGroup`: routes over a link of that group do not count; `suppressLength`: nor do those with a prefix of that length or shorter. */
export type Rule = Readonly<{
  family: 4 | 6;
  priority: number;
  action: keyof typeof actions | 'other';
  table: number;
  protocol: number;
  iif?: string;
  oif?: string;
  source?: Prefix;
  destination?: Prefix;
  mark?: number;
  suppressGroup?: number;
  suppressLength?: number;
}>;

export type Request =
  | Readonly<{ kind: 'add-link'; name: string; of: string; mtu?: number; group?: number }>
  | Readonly<{ kind: 'set-link'; index: number; up?: boolean; mtu?: number; group?: number }>
  | Readonly<{ kind: 'delete-link'; index: number }>
  | Readonly<{ kind: 'add-address' | 'delete-address'; index: number; address: Address; length: number }>
  /** Takes the place of a route with the same prefix, table and metric. */
  | Readonly<{ kind: 'add-route' | 'delete-route'; route: Route }>
  | Readonly<{ kind: 'add-rule' | 'delete-rule'; rule: Rule }>
  | Readonly<{ kind: 'links' }>
  | Readonly<{ kind: 'link'; name: string }>
  | Readonly<{ kind: 'addresses' | 'routes' | 'rules'; family: 4 | 6 }>;

// A thing's three messages are neighbours: new, del, get.
const things = { link: 16, address: 20, route: 24, rule: 32 } as const;
const verbs = { add: 0, delete: 1, get: 2 } as const;
const flagsOf = {
  add: netlink.wantAck | netlink.create | netlink.exclusive,
  replace: netlink.wantAck | netlink.create | netlink.replace,
  plain: netlink.wantAck,
  dump: netlink.dump,
} as const;

const familyNumber = (size: number): number => (size === 4 ? 2 : 10);
const isUp = 1;
/** What `type` says of a link (ARPHRD_ETHER). */
const ethernet = 1;
const hasCarrier = 0x10000;

export function encode(d: Dialect, seq: number, r: Request): Readonly<{ bytes: Uint8Array; exchange: Exchange }> {
  const o = netlink.open(d);
  const write = (thing: keyof typeof things, verb: keyof typeof verbs, flags: keyof typeof flagsOf, fill: () => void): void =>
    netlink.message(o, things[thing] + verbs[verb], netlink.request | flagsOf[flags], seq, fill);
  switch (r.kind) {
    case 'add-link':
      write('link', 'add', 'add', () => {
        putLink(o, 0, 0, 0);
        netlink.text(o, 3, r.name);
        putLinkOptions(o, r);
        netlink.nest(o, 18, () => netlink.text(o, 1, r.of));
      });
      break;
    case 'set-link':
      write('link', 'add', 'plain', () => {
        putLink(o, r.index, r.up ? isUp : 0, r.up === undefined ? 0 : isUp);
        putLinkOptions(o, r);
      });
      break;
    case 'delete-link':
      write('link', 'delete', 'plain', () => putLink(o, r.index, 0, 0));
      break;
    case 'add-address':
      write('address', 'add', 'replace', () => putAddress(o, r.index, r.address, r.length));
      break;
    case 'delete-address':
      write('address', 'delete', 'plain', () => putAddress(o, r.index, r.address, r.length));
      break;
    case 'add-route':
      write('route', 'add', 'replace', () => putRoute(o, r.route));
      break;
    case 'delete-route':
      write('route', 'delete', 'plain', () => putRoute(o, r.route));
      break;
    case 'add-rule':
      // Without "exclusive" the kernel adds the same IPv4 rule a second time.
      write('rule', 'add', 'add', () => putRule(o, r.rule));
      break;
    case 'delete-rule':
      write('rule', 'delete', 'plain', () => putRule(o, r.rule));
      break;
    case 'links':
      write('link', 'get', 'dump', () => putLink(o, 0, 0, 0));
      break;
    case 'link':
      write('link', 'get', 'plain', () => {
        putLink(o, 0, 0, 0);
        netlink.text(o, 3, r.name);
      });
      break;
    case 'addresses':
      write('address', 'get', 'dump', () => putZeros(o, r.family, 8));
      break;
    case 'routes':
      write('route', 'get', 'dump', () => putZeros(o, r.family, 12));
      break;
    case 'rules':
      write('rule', 'get', 'dump', () => putZeros(o, r.family, 12));
      break;
  }
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

function putZeros(o: Out, family: 4 | 6, size: number): void {
  writer.u8(o.w, family === 4 ? 2 : 10);
  writer.room(o.w, size - 1);
}

function putLink(o: Out, index: number, flags: number, change: number): void {
  netlink.put32(o, 0);
  netlink.put32(o, index);
  netlink.put32(o, flags);
  netlink.put32(o, change);
}

function putLinkOptions(o: Out, options: Readonly<{ mtu?: number; group?: number }>): void {
  if (options.mtu !== undefined) netlink.u32(o, 4, options.mtu);
  if (options.group !== undefined) netlink.u32(o, 27, options.group);
}

function putAddress(o: Out, index: number, address: Address, length: number): void {
  for (const byte of [familyNumber(address.length), length, 0, 0]) writer.u8(o.w, byte);
  netlink.put32(o, index);
  netlink.bytes(o, 2, address);
  netlink.bytes(o, 1, address);
}

// A table number beyond a byte goes into an attribute; the header's byte then says nothing.
const tableByte = (table: number): number => (table < 256 ? table : 0);

function putRoute(o: Out, r: Route): void {
  const scope = r.type === 'unicast' && r.hops.length > 0 && r.hops.every((hop) => hop.gateway === undefined) ? scopeLink : 0;
  const { destination, source } = r;
  const lengths = [destination.length, source === undefined ? 0 : source.length];
  const family = familyNumber(destination.address.length);
  for (const byte of [family, ...lengths, 0, tableByte(r.table), r.protocol, scope, routeTypes[r.type]]) writer.u8(o.w, byte);
  netlink.put32(o, r.hops.length === 1 ? flagsOfHop(r.hops[0]) : 0);
  if (destination.length > 0) netlink.bytes(o, 1, destination.address);
  if (source !== undefined) netlink.bytes(o, 2, source.address);
  netlink.u32(o, 15, r.table);
  if (r.metric !== 0) netlink.u32(o, 6, r.metric);
  const [hop, ...more] = r.hops;
  if (hop === undefined) return;
  if (more.length === 0) putHop(o, family, hop, true);
  else
    netlink.nest(o, 9, () => {
      for (const each of r.hops) putNextHop(o, family, each);
    });
}

const scopeLink = 253;
const onlink = 4;
const flagsOfHop = (hop: Hop | undefined): number => (hop?.onlink ? onlink : 0);

function putHop(o: Out, family: number, hop: Hop, withIndex: boolean): void {
  if (withIndex) netlink.u32(o, 4, hop.index);
  const { gateway } = hop;
  if (gateway === undefined) return;
  const via = familyNumber(gateway.length);
  if (via === family) netlink.bytes(o, 5, gateway);
  else
    netlink.attribute(o, 18, () => {
      netlink.put16(o, via);
      writer.bytes(o.w, gateway);
    });
}

function putNextHop(o: Out, family: number, hop: Hop): void {
  const start = writer.room(o.w, 2);
  writer.u8(o.w, flagsOfHop(hop));
  writer.u8(o.w, 0);
  netlink.put32(o, hop.index);
  putHop(o, family, hop, false);
  o.w.view.setUint16(start, o.w.at - start, o.little);
}

function putRule(o: Out, r: Rule): void {
  const action = r.action === 'other' ? 0 : actions[r.action];
  const lengths = [r.destination, r.source].map((prefix) => (prefix === undefined ? 0 : prefix.length));
  for (const byte of [r.family === 4 ? 2 : 10, ...lengths, 0, tableByte(r.table), 0, 0, action]) writer.u8(o.w, byte);
  netlink.put32(o, 0);
  if (r.destination !== undefined) netlink.bytes(o, 1, r.destination.address);
  if (r.source !== undefined) netlink.bytes(o, 2, r.source.address);
  if (r.iif !== undefined) netlink.text(o, 3, r.iif);
  netlink.u32(o, 6, r.priority);
  if (r.mark !== undefined) netlink.u32(o, 10, r.mark);
  if (r.suppressGroup !== undefined) netlink.u32(o, 13, r.suppressGroup);
  if (r.suppressLength !== undefined) netlink.u32(o, 14, r.suppressLength);
  netlink.u32(o, 15, r.table);
  if (r.oif !== undefined) netlink.text(o, 17, r.oif);
  netlink.u8(o, 21, r.protocol);
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const u8At = (f: Frame, at: number): number => f.view.getUint8(at);
const u16At = (f: Frame, at: number): number => f.view.getUint16(at, f.dialect.little);
const u32At = (f: Frame, at: number): number => f.view.getUint32(at, f.dialect.little);
const asAddress: Field<Address> = (f, start, end) => ip.addressOf(f.bytes.slice(start, end));

function take<T>(m: Message, thing: keyof typeof things, field: Field<T>): Result<T> {
  const isIt = m.kind === 'data' && (m.type === things[thing] || m.type === things[thing] + verbs.delete);
  return isIt ? netlink.read(m, field) : fail('malformed', '', `expected a ${thing}, got type ${m.type}`);
}

// Kernels append counters to the end; these four have always been the first.
const asStats: Field<LinkStats> = (f, start, end) => {
  if (end - start < 32) return fail('malformed', `byte ${start}`, `need 32 bytes, ${end - start} left`);
  const at = (i: number): bigint => f.view.getBigUint64(start + 8 * i, f.dialect.little);
  return ok({ rxPackets: at(0), txPackets: at(1), rxBytes: at(2), txBytes: at(3) });
};

const linkField = netlink.after(
  16,
  (f, at) => ({ family: u8At(f, at), type: u16At(f, at + 2), index: u32At(f, at + 4), flags: u32At(f, at + 8) }),

  { name: [3, netlink.asText] },
  {
    mtu: [4, netlink.asU32],
    master: [10, netlink.asU32],
    of: [18, netlink.attributes({}, { kind: [1, netlink.asText] })],
    stats: [23, asStats],
    group: [27, netlink.asU32],
  },
);

export function decodeLink(m: Message): Result<Link> {
  const read = take(m, 'link', linkField);
  if (!read.ok) return read;
  const { family, type, flags, of, ...rest } = read.value;
  // A bridge tells with the same messages of ports that come and go: "del" then does not mean that the link is gone.
  if (family !== 0) return fail('unsupported', 'family', `a link of family ${family}`);
  return ok({ ...rest, ...of, isEthernet: type === ethernet, isUp: (flags & isUp) !== 0, hasCarrier: (flags & hasCarrier) !== 0 });
}

const addressField = netlink.after(
  8,
  (f, at) => ({ length: u8At(f, at + 1), headerFlags: u8At(f, at + 2), scope: u8At(f, at + 3), index: u32At(f, at + 4) }),
  {},
  { peer: [1, asAddress], local: [2, asAddress], allFlags: [8, netlink.asU32] },
);

export function decodeAddress(m: Message): Result<LinkAddress> {
  const read = take(m, 'address', addressField);
  if (!read.ok) return read;
  const { length, scope, index, headerFlags, peer, local, allFlags } = read.value;
  // On a point-to-point link the first is the other side's; IPv6 without a peer has only the first.
  const address = local ?? peer;
  if (address === undefined) return fail('missing', 'address', 'the attribute is not there');
  return ok({ index, address, length, scope, flags: allFlags ?? headerFlags });
}

const asVia: Field<Address> = (f, start, end) => asAddress(f, Math.min(start + 2, end), end);
const hopSpec = { gateway: [5, asAddress], via: [18, asVia] } as const;
const hopField = netlink.attributes({}, hopSpec);

const asHops: Field<readonly Hop[]> = (f, start, end) => {
  const hops: Hop[] = [];
  for (let at = start; at < end; ) {
    const length = at + 8 <= end ? f.view.getUint16(at, f.dialect.little) : 0;
    if (length < 8 || at + length > end) return fail('malformed', `byte ${at}`, 'the length of the hop does not fit');
    const read = hopField(f, at + 8, at + length);
    if (!read.ok) return read;
    hops.push(hopOf(u32At(f, at + 4), read.value.gateway ?? read.value.via, u8At(f, at + 2)));
    at += (length + 3) & ~3;
  }
  return ok(hops);
};

const hopOf = (index: number, gateway: Address | undefined, flags: number): Hop => ({
  index,
  ...(gateway === undefined ? {} : { gateway }),
  ...((flags & onlink) === 0 ? {} : { onlink: true }),
});

const routeField = netlink.after(
  12,
  (f, at) => ({
    family: u8At(f, at),
    length: u8At(f, at + 1),
    sourceLength: u8At(f, at + 2),
    tableByte: u8At(f, at + 4),
    protocol: u8At(f, at + 5),
    type: u8At(f, at + 7),
    flags: u32At(f, at + 8),
  }),

  {},
  {
    to: [1, asAddress],
    from: [2, asAddress],
    oif: [4, netlink.asU32],
    metric: [6, netlink.asU32],
    many: [9, asHops],
    table: [15, netlink.asU32],
    ...hopSpec,
  },
);

export function decodeRoute(m: Message): Result<Route> {
  const read = take(m, 'route', routeField);
  if (!read.ok) return read;
  const r = read.value;
  const family = familyOf(r.family);
  if (!family.ok) return family;
  const type = nameOf(routeTypes, r.type);
  if (type === null) return fail('unsupported', 'type', `route of type ${r.type}`);
  const destination = prefixAt(family.value, r.to, r.length);
  if (!destination.ok) return destination;
  const source = prefixAt(family.value, r.from, r.sourceLength);
  if (!source.ok) return source;
  // IPv6 shows a refusal as a route over the loopback link.
  const single = r.oif === undefined || type in refusals ? [] : [hopOf(r.oif, r.gateway ?? r.via, r.flags)];
  return ok({
    destination: destination.value,
    ...(r.sourceLength === 0 ? {} : { source: source.value }),
    type,
    table: r.table ?? r.tableByte,
    metric: r.metric ?? 0,
    protocol: r.protocol,
    hops: r.many ?? single,
  });
}

function familyOf(number: number): Result<4 | 6> {
  if (number === 2) return ok(4);
  return number === 10 ? ok(6) : fail('unsupported', 'family', `family ${number}`);
}

function nameOf<K extends string>(names: Readonly<Record<K, number>>, number: number): K | null {
  for (const name of Object.keys(names) as K[]) if (names[name] === number) return name;
  return null;
}

function prefixAt(family: 4 | 6, address: Address | undefined, length: number): Result<Prefix> {
  const size = family === 4 ? 4 : 16;
  if (address !== undefined && address.length !== size) return fail('malformed', 'address', 'of another family than the message');
  if (address === undefined && length !== 0) return fail('missing', 'address', 'the attribute is not there');
  return ip.prefixOf(address ?? ip.addressAt(0n, size), length);
}

const ruleField = netlink.after(
  12,
  (f, at) => ({
    familyNumber: u8At(f, at),
    toLength: u8At(f, at + 1),
    fromLength: u8At(f, at + 2),
    tableByte: u8At(f, at + 4),
    actionNumber: u8At(f, at + 7),
  }),

  {},
  {
    to: [1, asAddress],
    from: [2, asAddress],
    iif: [3, netlink.asText],
    priority: [6, netlink.asU32],
    mark: [10, netlink.asU32],
    suppressGroup: [13, netlink.asU32],
    suppressLength: [14, netlink.asU32],
    table: [15, netlink.asU32],
    oif: [17, netlink.asText],
    protocol: [21, netlink.asU8],
  },
);

export function decodeRule(m: Message): Result<Rule> {
  const read = take(m, 'rule', ruleField);
  if (!read.ok) return read;
  const {
    familyNumber: number,
    toLength,
    fromLength,
    tableByte: short,
    actionNumber,
    to,
    from,
    priority,
    table,
    protocol: by,
    ...rest
  } = read.value;
  const family = familyOf(number);
  if (!family.ok) return family;
  const destination = prefixAt(family.value, to, toLength);
  if (!destination.ok) return destination;
  const source = prefixAt(family.value, from, fromLength);
  if (!source.ok) return source;
  const { suppressGroup, suppressLength, ...match } = rest;
  return ok({
    ...match,
    family: family.value,
    // The kernel leaves out the number of its first rule, 0.
    priority: priority ?? 0,
    action: nameOf(actions, actionNumber) ?? 'other',
    table: table ?? short,
    protocol: by ?? 0,
    ...(toLength === 0 ? {} : { destination: destination.value }),
    ...(fromLength === 0 ? {} : { source: source.value }),
    // All ones stand for "not asked for".
    ...(suppressGroup === undefined || suppressGroup === unset ? {} : { suppressGroup }),
    ...(suppressLength === undefined || suppressLength === unset ? {} : { suppressLength }),
  });
}

const unset = 0xffffffff;

export type Event =
  | Readonly<{ kind: 'link'; gone: boolean; link: Link }>
  | Readonly<{ kind: 'address'; gone: boolean; address: LinkAddress }>
  | Readonly<{ kind: 'route'; gone: boolean; route: Route }>
  | Readonly<{ kind: 'rule'; gone: boolean; rule: Rule }>;

/** A notification. Fault `unsupported` is what is none of ours: a bridge's port, a multicast route. */
export function decodeEvent(m: Message): Result<Event> {
  const thing = nameOf(things, m.type & ~3);
  const gone = (m.type & 3) === verbs.delete;
  switch (thing) {
    case 'link': {
      const link = decodeLink(m);
      return link.ok ? ok({ kind: 'link', gone, link: link.value }) : link;
    }
    case 'address': {
      const address = decodeAddress(m);
      return address.ok ? ok({ kind: 'address', gone, address: address.value }) : address;
    }
    case 'route': {
      const route = decodeRoute(m);
      return route.ok ? ok({ kind: 'route', gone, route: route.value }) : route;
    }
    case 'rule': {
      const rule = decodeRule(m);
      return rule.ok ? ok({ kind: 'rule', gone, rule: rule.value }) : rule;
    }
    default:
      return fail('unsupported', '', `notification of type ${m.type}`);
  }
}
