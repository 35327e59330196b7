// Links, addresses and routes by rtnetlink: the tunnel's device is made here, and the guard (wire/guard) is kept, following each change of
// what is around it. Knows no rule of nf_tables.

import type { ByteCount } from '../core/brand.ts';
import * as canary from '../core/canary.ts';
import * as ip from '../core/ip.ts';
import { type Fault, fail, ok, type Result, under } from '../core/result.ts';
import type { GuardWanted, RouteEvents, Routes } from '../ports/router.ts';
import * as guard from '../wire/guard.ts';
import type { Message, Socket } from '../wire/netlink.ts';
import type { Event, Link, LinkAddress, Request, Route, Rule } from '../wire/rtnetlink.ts';
import * as rtnetlink from '../wire/rtnetlink.ts';

export type Wiring = Readonly<{
  socket: Socket;
  listen(heard: Readonly<{ told(m: Message): void; overrun(): void; deaf(why: Fault): void }>): Result<unknown>;
}>;

const done = ok(undefined);
const families = [4, 6] as const;
const ethernetHeader = 14n;
/** These count what they receive without it. */
const behindHeader: ReadonlySet<string> = new Set(['bridge', 'vlan']);
const at = <T>(outer: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(outer, r.fault) });

type Around = Readonly<{ links: readonly Link[]; routes: readonly Route[]; rules: readonly Rule[] }>;

export function open({ socket, listen }: Wiring): Routes {
  let wanted: GuardWanted | null = null;
  let events: RouteEvents | null = null;
  let turn: Promise<unknown> = Promise.resolve();
  let isWaiting = false;
  /** The index of the canary's device. */
  let fleeting: number | null = null;

  const ask = async (r: Request): Promise<Result<void>> => {
    const asked = await socket.ask((d, seq) => rtnetlink.encode(d, seq, r));
    return asked.ok ? done : asked;
  };
  const dump = <T>(r: Request, decode: (m: Message) => Result<T>): Promise<Result<readonly T[]>> =>
    socket.dump((d, seq) => rtnetlink.encode(d, seq, r), decode);
  const links = (): Promise<Result<readonly Link[]>> => dump({ kind: 'links' }, rtnetlink.decodeLink);

  /** A kernel without IPv6 has none of it. */
  async function ofBoth<T>(kind: 'addresses' | 'routes' | 'rules', decode: (m: Message) => Result<T>): Promise<Result<readonly T[]>> {
    const all: T[] = [];
    for (const family of families) {
      const found = await dump({ kind, family }, decode);
      if (found.ok) all.push(...found.value);
      else if (family === 4 || !isAbsent(found.fault)) return at(`${kind}${family}`, found);
    }
    return ok(all);
  }

  async function look(): Promise<Result<Around>> {
    const found = await links();
    if (!found.ok) return found;
    const routes = await ofBoth('routes', decodeRoutes);
    if (!routes.ok) return routes;
    const rules = await ofBoth('rules', rtnetlink.decodeRule);
    return rules.ok ? ok({ links: found.value, routes: routes.value.flat(), rules: rules.value }) : rules;
  }

  /** In the order asked for: two that change the same table at once would undo each other's. */
  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine;
    return mine;
  }

  async function follow(): Promise<Result<void>> {
    const around = await look();
    if (!around.ok) return at('guard', around);
    const has6 = around.value.rules.some((r) => r.family === 6);
    const want =
      wanted === null
        ? { rules: [], routes: [] }
        : {
            rules: families.flatMap((f) => (f === 6 && !has6 ? [] : guard.rules(f, wanted as GuardWanted))),
            routes: families.flatMap((f) => (f === 6 && !has6 ? [] : guard.routes(f, wanted as GuardWanted, around.value))),
          };
    let first: Result<void> = done;
    // All that can be done is done: one route that the kernel refuses must not keep the others away.
    for (const change of guard.changes(want, around.value)) {
      const made = await ask(change);
      const isThere = !made.ok && (change.kind.startsWith('add') ? made.fault.code === 'EEXIST' : goneCodes.has(made.fault.code));
      if (first.ok && !made.ok && !isThere)
        first = at(`guard.${change.kind}${'route' in change ? `.${ip.renderPrefix(change.route.destination)}` : ''}`, made);
    }
    return first;
  }

  /** Once for all that was announced while we were busy. */
  function changed(): void {
    if (isWaiting) return;
    isWaiting = true;
    void inTurn(async () => {
      isWaiting = false;
      const followed = wanted === null ? done : await follow();
      if (!followed.ok) events?.failed(followed.fault);
      events?.changed();
    });
  }

  return {
    async makeDevice(name, mtu) {
      const made = await ask({ kind: 'add-link', name, of: 'wireguard', mtu });
      // Where wireguard-go serves it, the kernel may not know the kind.
      const isKnown = made.ok || made.fault.code !== 'EOPNOTSUPP';
      if (!made.ok && isKnown && made.fault.code !== 'EEXIST') return at(name, made);
      const found = await links();
      if (!found.ok) return found;
      const link = found.value.find((l) => l.name === name);
      if (link === undefined)
        return isKnown
          ? fail('missing', name, 'the device went as soon as it was made')
          : fail('unsupported', name, 'the kernel has no WireGuard: install kmod-wireguard');
      const up = link.isUp && link.mtu === mtu ? done : await ask({ kind: 'set-link', index: link.index, up: true, mtu });
      return up.ok ? ok(link.index) : at(name, up);
    },
    async removeDevice(name) {
      const found = await links();
      if (!found.ok) return found;
      const link = found.value.find((l) => l.name === name);
      const removed = link === undefined ? done : await ask({ kind: 'delete-link', index: link.index });
      return removed.ok || removed.fault.code === 'ENODEV' ? done : at(name, removed);
    },
    async address(index, { address, length }) {
      return ask({ kind: 'add-address', index, address, length });
    },
    async stow(name) {
      const found = await links();
      if (!found.ok) return found;
      const link = found.value.find((l) => l.name === name);
      if (link === undefined) return done;
      const { index, kind } = link;
      // A wireguard-go ends with its device, and nobody here can start it anew.
      return at(name, await ask(kind === 'wireguard' ? { kind: 'delete-link', index } : { kind: 'set-link', index, up: false }));
    },
    async traffic(devices) {
      let [source, up, down, framing] = ['', 0n, 0n, 0n];
      for (const name of devices) {
        const found = await dump({ kind: 'link', name }, rtnetlink.decodeLink);
        if (!found.ok) return at(name, found);
        for (const { index, stats, isEthernet, kind = '' } of found.value) {
          if (stats === undefined) return fail('unsupported', name, 'the kernel tells no counters of it');
          [source, up, down] = [`${source} ${index}`, up + stats.txBytes, down + stats.rxBytes];
          if (isEthernet) framing += ethernetHeader * (stats.txPackets + (behindHeader.has(kind) ? 0n : stats.rxPackets));
        }
      }
      if (source === '') return fail('missing', 'uplink', 'there is none');
      return ok({ source, up: up as ByteCount, down: down as ByteCount, framing: framing as ByteCount });
    },
    async read() {
      const around = await look();
      if (!around.ok) return around;
      const addresses = await ofBoth('addresses', rtnetlink.decodeAddress);
      if (!addresses.ok) return addresses;
      const names = new Map(around.value.links.map((l) => [l.index, l.name]));
      return ok({
        links: around.value.links.map(({ index, name, isUp, hasCarrier, kind, mtu }) => ({
          index,
          name,
          isUp,
          hasCarrier,
          ...(kind === undefined ? {} : { kind }),
          ...(mtu === undefined ? {} : { mtu }),
        })),
        addresses: addresses.value.flatMap((a) => addressOn(a, names)),
        routes: around.value.routes
          .filter((r) => !guard.isOurs(r))
          .map(({ destination, table, hops: [hop] }) => ({
            destination,
            table,
            device: (hop && names.get(hop.index)) ?? null,
            gateway: hop?.gateway === undefined ? null : ip.renderAddress(hop.gateway),
          })),
      });
    },
    keep: (want) =>
      inTurn(() => {
        wanted = want;
        return follow();
      }),
    release: () =>
      inTurn(() => {
        wanted = null;
        return follow();
      }),
    watch(told) {
      events = told;
      const listening = listen({
        told(m) {
          const event = rtnetlink.decodeEvent(m);
          // What is none of ours to know: a bridge's ports, multicast routes.
          if (!event.ok) return;
          const e = event.value;
          // Its coming and going is our own doing; a retry for each event of a flight that failed would have no end.
          if (e.kind === 'link' && e.link.name === canary.device) fleeting = e.link.index;
          if (placeOf(e) === fleeting) return;
          if ((e.kind === 'route' && guard.isOurs(e.route) && !e.gone) || (e.kind === 'rule' && guard.isOurs(e.rule) && !e.gone)) return;
          if (e.kind === 'link' && e.gone && e.link.name === wanted?.device) told.gone();
          changed();
        },
        overrun: changed,
        deaf: told.deaf,
      });
      return listening.ok ? done : listening;
    },
  };
}

/** The index of the device that it is about; undefined: of none. */
function placeOf(e: Event): number | undefined {
  if (e.kind === 'link') return e.link.index;
  if (e.kind === 'address') return e.address.index;
  return e.kind === 'route' ? e.route.hops[0]?.index : undefined;
}

/** Multicast groups of all that the guard depends on. */
export const groups = Object.values(rtnetlink.groups);

const isAbsent = ({ code }: Fault): boolean => code === 'EOPNOTSUPP' || code === 'EAFNOSUPPORT';
// What was there when we looked may have gone by itself.
const goneCodes: ReadonlySet<Fault['code']> = new Set(['ENOENT', 'ESRCH', 'ENODEV']);

/** Of a type we do not speak: none. */
function decodeRoutes(m: Message): Result<readonly Route[]> {
  const route = rtnetlink.decodeRoute(m);
  if (route.ok) return ok([route.value]);
  return route.fault.code === 'unsupported' ? ok([]) : route;
}

function addressOn({ index, address, length }: LinkAddress, names: ReadonlyMap<number, string>): { device: string; prefix: string }[] {
  const device = names.get(index);
  return device === undefined ? [] : [{ device, prefix: `${ip.renderAddress(address)}/${length}` }];
}
