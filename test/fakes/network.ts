// netifd on the bus: interfaces from the UCI config `network`, as far as static ones go; other protocols are up when a test gives them a
// lease. Devices are what a test says they are (`link`). What is hot-changed, torn down and told follows netifd, doubled events included.

import type { Clock } from '../../agent/ports/host.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import type { Answer, Args, FakeObject, Method, Outlet } from './object.ts';
import { answer, done, reply, status, text } from './object.ts';
import type { Fields } from './plain.ts';
import * as plain from './plain.ts';
import type { Package, Section } from './uci-file.ts';

export type Link = Readonly<{ up: boolean; carrier: boolean; mtu: number; macaddr: string; statistics: Readonly<Record<string, bigint>> }>;
export type Address = Readonly<{ address: string; mask: number }>;
export type Route = Readonly<{ target: string; mask: number; nexthop: string; source: string }>;
/** What a protocol sets up. */
export type Lease = Readonly<{
  device: string;
  ipv4: readonly Address[];
  ipv6: readonly Address[];
  routes: readonly Route[];
  dns: readonly string[];
}>;

type Options = Section['options'];
type Interface = {
  name: string;
  config: Options;
  autostart: boolean;
  up: { since: number; lease: Lease; updated: string[] } | null;
  data: Fields;
};

export type Network = Readonly<{
  objects: readonly FakeObject[];
  reload(): void;
  /** A device appears, changes, or (null) disappears. */
  link(name: string, link: Link | null): void;
  /** A protocol other than static got its addresses, or lost them. */
  lease(name: string, lease: Lease | null): void;
}>;

export const ethernet: Link = { up: true, carrier: true, mtu: 1500, macaddr: '02:00:00:00:00:01', statistics: {} };

const prefix = 'network.interface';
/** A change of these tears the interface down and sets it up; of all others, netifd takes over the new value. */
const cold = ['proto', 'device', 'auto', 'zone', 'ipaddr', 'netmask', 'broadcast', 'gateway', 'ip6addr', 'ip6gw', 'ip6prefix'];

export function network(read: () => Package | null, clock: Pick<Clock, 'monotonic'>, outlet: Outlet): Network {
  const links = new Map<string, Link>();
  const leases = new Map<string, Lease>();
  const all = new Map<string, Interface>();

  const isStatic = (i: Interface): boolean => i.config.get('proto') === 'static';
  const device = (i: Interface): string | null => one(i.config, 'device');
  const available = (i: Interface): boolean => {
    const name = device(i);
    return name === null || links.has(name);
  };

  const setUp = (i: Interface): void => {
    const lease = isStatic(i) ? staticLease(i.config) : (leases.get(i.name) ?? null);
    if (i.up !== null || !i.autostart || !available(i) || lease === null) return;
    i.up = { since: clock.monotonic(), lease, updated: ['addresses', ...(lease.routes.length > 0 ? ['routes'] : [])] };
    outlet.send(prefix, plain.table({ action: 'ifup', interface: i.name }));
    tell(i, 'interface.update');
  };
  const tearDown = (i: Interface): void => {
    if (i.up === null) return;
    i.up = null;
    // netifd tells twice, of the teardown and of its end.
    for (let n = 0; n < 2; n += 1) {
      outlet.send(prefix, plain.table({ action: 'ifdown', interface: i.name }));
      tell(i, 'interface.down');
    }
  };
  const tell = (i: Interface, event: string): void => {
    const body = plain.table({ interface: i.name, ...dump(i) });
    outlet.notify(prefix, event, body);
    outlet.notify(`${prefix}.${i.name}`, event, body);
  };

  const dump = (i: Interface): Fields => {
    const isDown = i.up === null && i.autostart && !available(i);
    return {
      up: i.up !== null,
      pending: i.up === null && i.autostart && available(i),
      available: available(i),
      autostart: i.autostart,
      dynamic: false,
      ...(i.up && { uptime: Math.floor((clock.monotonic() - i.up.since) / 1000), l3_device: i.up.lease.device }),
      proto: one(i.config, 'proto') ?? 'none',
      ...some('device', device(i)),
      ...(i.up && dumpUp(i.config, i.up)),
      data: { ...some('zone', one(i.config, 'zone')), ...i.data },
      ...(isDown ? { errors: [{ subsystem: 'interface', code: 'NO_DEVICE' }] } : {}),
    };
  };

  const acts: Readonly<Record<string, (i: Interface, message: Table) => Answer>> = {
    up(i) {
      i.autostart = true;
      setUp(i);
      return done;
    },
    down(i) {
      i.autostart = false;
      tearDown(i);
      return done;
    },
    // Of a static interface there is nothing to renew.
    renew: () => done,
    restart(i) {
      if (i.up === null) return answer(status.unknown);
      tearDown(i);
      setUp(i);
      return done;
    },
    status: (i) => reply(dump(i)),
    notify_proto: () => answer(status.unsupported),
    set_data(i, message) {
      const { zone, ...rest } = plain.fields(message);
      i.data = { ...i.data, ...rest, ...(zone === undefined ? {} : { zone }) };
      if (i.up !== null) {
        i.up.updated = ['data'];
        tell(i, 'interface.update');
      }
      return done;
    },
  };
  const methods = (takes: Method['takes'], of: (args: Args) => Interface | number): FakeObject['methods'] =>
    Object.fromEntries(
      Object.entries(acts).map(([name, act]): [string, Method] => {
        const run: Method['run'] = (args, message) => {
          const i = of(args);
          return typeof i === 'number'
            ? answer(i)
            : act(
                i,
                message.filter((f) => !(f.name in takes)),
              );
        };
        return [name, { takes, run }];
      }),
    );

  function add(name: string, config: Options): void {
    const i: Interface = { name, config, autostart: one(config, 'auto') !== '0', up: null, data: {} };
    all.set(name, i);
    outlet.add({ path: `${prefix}.${name}`, methods: methods({}, () => i) });
  }

  function reload(): void {
    const sections = read()?.sections.filter((s) => s.type === 'interface' && s.options.get('disabled') !== '1') ?? [];
    for (const i of [...all.values()].filter((i) => !sections.some((s) => s.name === i.name))) {
      tearDown(i);
      all.delete(i.name);
      outlet.remove(`${prefix}.${i.name}`);
    }
    for (const s of sections) {
      const i = all.get(s.name);
      if (i === undefined) add(s.name, s.options);
      else {
        const changed = cold.some((name) => `${i.config.get(name)}` !== `${s.options.get(name)}`);
        i.config = s.options;
        if (changed) tearDown(i);
      }
    }
    for (const i of all.values()) setUp(i);
  }

  const sorted = (): Interface[] => [...all.values()].sort((a, b) => (a.name < b.name ? -1 : 1));
  const named = (args: Args): Interface | number => {
    const name = text(args['interface']);
    return name === undefined ? status.invalid : (all.get(name) ?? status.notFound);
  };
  const dumpLink = (link: Link | undefined): Fields => ({
    external: false,
    present: link !== undefined,
    type: 'Network device',
    ...(link && { up: link.up, carrier: link.carrier, auth_status: false, devtype: 'ethernet' }),
    ...(link && { mtu: link.mtu, mtu6: link.mtu, macaddr: link.macaddr, statistics: link.statistics }),
  });
  const known = (name: string): boolean => links.has(name) || [...all.values()].some((i) => device(i) === name);

  const objects: FakeObject[] = [
    {
      path: 'network',
      methods: {
        reload: {
          takes: {},
          run: () => {
            reload();
            return done;
          },
        },
      },
    },
    {
      path: prefix,
      methods: {
        dump: { takes: {}, run: () => reply({ interface: sorted().map((i) => ({ interface: i.name, ...dump(i) })) }) },
        ...methods({ interface: 'string' }, named),
      },
    },
    {
      path: 'network.device',
      methods: {
        status: {
          takes: { name: 'string' },
          run: (args) => {
            const name = text(args['name']);
            if (name === undefined) return reply(Object.fromEntries([...links].map(([n, l]) => [n, dumpLink(l)])));
            return known(name) ? reply(dumpLink(links.get(name))) : answer(status.invalid);
          },
        },
      },
    },
  ];

  return {
    objects,
    reload,
    link(name, link) {
      if (link === null) links.delete(name);
      else links.set(name, link);
      for (const i of [...all.values()].filter((i) => device(i) === name)) link === null ? tearDown(i) : setUp(i);
    },
    lease(name, lease) {
      if (lease === null) leases.delete(name);
      else leases.set(name, lease);
      const i = all.get(name);
      if (i === undefined) return;
      tearDown(i);
      setUp(i);
    },
  };
}

const one = (config: Options, name: string): string | null => list(config, name)[0] ?? null;
const list = (config: Options, name: string): readonly string[] => {
  const value = config.get(name) ?? [];
  return typeof value === 'string' ? value.split(' ') : value;
};
const some = (name: string, value: string | null): Fields => (value === null ? {} : { [name]: value });

function staticLease(config: Options): Lease {
  const netmask = one(config, 'netmask');
  const address =
    (whole: number) =>
    (cidr: string): Address => {
      const [host = '', mask] = cidr.split('/');
      return { address: host, mask: mask === undefined ? (netmask === null ? whole : bits(netmask)) : Number(mask) };
    };
  const route = (any: string, nexthop: string): Route => ({ target: any, mask: 0, nexthop, source: `${any}/0` });
  return {
    device: one(config, 'device') ?? '',
    ipv4: list(config, 'ipaddr').map(address(32)),
    ipv6: list(config, 'ip6addr').map(address(128)),
    routes: [...list(config, 'gateway').map((g) => route('0.0.0.0', g)), ...list(config, 'ip6gw').map((g) => route('::', g))],
    dns: list(config, 'dns'),
  };
}

const bits = (netmask: string): number =>
  netmask.split('.').reduce((n, byte) => n + Number(byte).toString(2).replaceAll('0', '').length, 0);

const dumpUp = (config: Options, { lease, updated }: NonNullable<Interface['up']>): Fields => ({
  updated,
  metric: Number(one(config, 'metric') ?? 0),
  dns_metric: Number(one(config, 'dns_metric') ?? 0),
  delegation: one(config, 'delegation') !== '0',
  'ipv4-address': lease.ipv4,
  'ipv6-address': lease.ipv6,
  'ipv6-prefix': [],
  'ipv6-prefix-assignment': [],
  route: lease.routes,
  'dns-server': lease.dns,
  'dns-search': [],
  neighbors: [],
  inactive: { 'ipv4-address': [], 'ipv6-address': [], route: [], 'dns-server': [], 'dns-search': [], neighbors: [] },
});
