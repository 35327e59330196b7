// The guard: which rules and routes keep whoever enters by the tunnel away from everything but the uplinks, without nf_tables. Decides from
// what rtnetlink says; knows no socket.
//
//   rule 472   from all iif DEVICE lookup 47200    the uplinks' default routes, and refusals for what is not the Internet
//   rule 473   from all iif DEVICE prohibit        whatever the table does not know: with the last default route, everything
//
// Both come before mwan3's and netifd's own rules (1000 and up), which could lead elsewhere, and behind the kernel's table "local": the
// router's own addresses are for rules and firewall to refuse. What we put there carries our protocol number, so that it is known as ours
// by who comes after us.

import type { Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import type { Link, Route, Rule } from './rtnetlink.ts';
import { mainTable } from './rtnetlink.ts';

export const table = 47_200;
export const protocol = 47;
const priorities = { lookup: 472, prohibit: 473 } as const;

export type Surroundings = Readonly<{ links: readonly Link[]; routes: readonly Route[] }>;
/** `open`: private ranges that guests may reach all the same. */
export type Wanted = Readonly<{ device: string; uplinks: readonly string[]; open: readonly Prefix[] }>;

const prefixes = (...texts: readonly string[]): readonly Prefix[] =>
  texts.map((text) => {
    const prefix = ip.parsePrefix(text);
    if (!prefix.ok) throw new Error(`not a prefix: ${text}`);
    return prefix.value;
  });

// What no provider routes, but a router further out may: the modem's network, another NAT's LAN.
const closed = {
  4: prefixes('10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'),
  6: prefixes('fc00::/7', 'fe80::/10', 'fec0::/10'),
} as const;

// A VPN of the owner's that takes everything does so in halves; that is not a network beside us, and guests do not go there anyway.
const isNetwork = ({ address, length }: Prefix): boolean => length >= (ip.isV4(address) ? 8 : 16);

export const isOurs = (r: Route | Rule): boolean => r.protocol === protocol;

export const rules = (family: 4 | 6, { device: iif }: Wanted): readonly Rule[] => [
  { family, priority: priorities.prohibit, action: 'prohibit', table: 0, protocol, iif },
  { family, priority: priorities.lookup, action: 'lookup', table, protocol, iif },
];

export function routes(family: 4 | 6, wanted: Wanted, { links, routes: there }: Surroundings): readonly Route[] {
  const uplinks = new Set(links.filter(({ name }) => wanted.uplinks.includes(name)).map(({ index }) => index));
  const isOfFamily = ({ address }: Prefix): boolean => ip.isV4(address) === (family === 4);
  const others = there.filter((r) => isOfFamily(r.destination) && !isOurs(r) && r.table !== localTable);
  const open = wanted.open.filter(isOfFamily);
  const made = new Map<string, Route>();
  // The first of the same place: IPv6 has a default route for each of the household's prefixes, and guests are behind NAT.
  const make = (r: Pick<Route, 'destination' | 'type' | 'metric' | 'hops'>): void => {
    const route: Route = { ...r, table, protocol };
    if (!made.has(placeOf(route))) made.set(placeOf(route), route);
  };

  const elsewhere = others
    .filter((r) => (r.type !== 'unicast' || r.hops.some(({ index }) => !uplinks.has(index))) && isNetwork(r.destination))
    .map((r) => r.destination);
  const refused = [...elsewhere, ...closed[family].filter((prefix) => !open.some((o) => isWithin(prefix, o)))];
  for (const destination of refused) make({ destination, type: 'prohibit', metric: refusalMetric, hops: [] });

  const shut = new Set(refused.map(ip.renderPrefix));
  // Policy routing of others may have taken the default routes out of the main table.
  const defaults = others.filter((r) => r.type === 'unicast' && r.destination.length === 0);
  for (const { destination, type, metric, hops } of defaults.toSorted(
    (a, b) => Number(b.table === mainTable) - Number(a.table === mainTable),
  )) {
    const out = hops.filter(({ index }) => uplinks.has(index));
    if (out.length === 0) continue;
    for (const to of [destination, ...open]) if (!shut.has(ip.renderPrefix(to))) make({ destination: to, type, metric, hops: out });
  }
  return [...made.values()];
}

const isWithin = (inner: Prefix, outer: Prefix): boolean =>
  inner.length >= outer.length && ip.bounds({ address: inner.address, length: outer.length }).first === ip.numberOf(outer.address);

const localTable = 255;
// What the kernel makes of none for IPv6.
const refusalMetric = 1024;

const placeOf = ({ destination, metric }: Route): string => `${ip.renderAddress(destination.address)}/${destination.length} ${metric}`;
const textOfRoute = (r: Route): string =>
  `${placeOf(r)} ${r.type} ${r.hops.map((h) => `${h.index} ${h.gateway === undefined ? '' : ip.renderAddress(h.gateway)} ${h.onlink}`).join()}`;
const textOfRule = (r: Rule): string => `${r.family} ${r.priority} ${r.action} ${r.table} ${r.iif}`;

export type Change =
  | Readonly<{ kind: 'add-route' | 'delete-route'; route: Route }>
  | Readonly<{ kind: 'add-rule' | 'delete-rule'; rule: Rule }>;

/** Strictest first, so that half-way nothing is more open than before or after: refusals, then what goes, then what opens. */
export function changes(
  want: Readonly<{ rules: readonly Rule[]; routes: readonly Route[] }>,
  have: Readonly<{ rules: readonly Rule[]; routes: readonly Route[] }>,
): readonly Change[] {
  const missing = <T>(all: readonly T[], from: readonly T[], text: (t: T) => string): readonly T[] => {
    const there = new Set(from.map(text));
    return all.filter((one) => !there.has(text(one)));
  };
  const ours = { rules: have.rules.filter(isOurs), routes: have.routes.filter(isOurs) };
  const routesToAdd = missing(want.routes, ours.routes, textOfRoute);
  const rulesToAdd = missing(want.rules, ours.rules, textOfRule);
  // A route in the place of one that goes replaces it.
  const places = new Set(routesToAdd.map(placeOf));
  const routesToDrop = missing(ours.routes, want.routes, textOfRoute).filter((r) => !places.has(placeOf(r)));
  const rulesToDrop = missing(ours.rules, want.rules, textOfRule);
  const refusal = (r: Route | Rule): boolean => ('action' in r ? r.action : r.type) === 'prohibit';
  const add = (isRefusal: boolean): Change[] => [
    ...rulesToAdd.filter((r) => refusal(r) === isRefusal).map((rule): Change => ({ kind: 'add-rule', rule })),
    ...routesToAdd.filter((r) => refusal(r) === isRefusal).map((route): Change => ({ kind: 'add-route', route })),
  ];
  const drop = (isRefusal: boolean): Change[] => [
    ...routesToDrop.filter((r) => refusal(r) === isRefusal).map((route): Change => ({ kind: 'delete-route', route })),
    ...rulesToDrop.filter((r) => refusal(r) === isRefusal).map((rule): Change => ({ kind: 'delete-rule', rule })),
  ];
  return [...add(true), ...drop(false), ...add(false).reverse(), ...drop(true)];
}
