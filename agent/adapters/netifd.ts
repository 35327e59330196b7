// netifd's ubus objects: the owner's uplinks as they are now, devices with their speed and counters, and word when an uplink changed.
// Notifications are hints and nothing more: they come twice, late, or not at all, so each makes us read again.

import { type Millis, millis } from '../core/brand.ts';
import type { Address } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Own, Uplink } from '../core/uplink.ts';
import type { Clock, Timer } from '../ports/host.ts';
import type { Table, Value } from '../wire/blobmsg.ts';
import * as blobmsg from '../wire/blobmsg.ts';
import * as fields from '../wire/fields.ts';

type Call = (path: string, method: string, args: Table, deadline: Millis) => Promise<Result<Table>>;
type Kept = Promise<Result<Readonly<{ remove(): Promise<Result<void>> }>>>;
export type Bus = Readonly<{
  call: Call;
  subscribe(path: string, subscriber: Readonly<{ notified(event: string, body: Table): void; gone(): void }>): Kept;
  listen(pattern: string, heard: (event: string, body: Table) => void): Kept;
}>;

const patience = millis(5000);
const interfaces = 'network.interface';

// Reading

export async function read(call: Call, names: readonly string[]): Promise<Result<readonly Uplink[]>> {
  const answer = await call(interfaces, 'dump', [], patience);
  if (!answer.ok) return answer;
  const all = each(answer.value, 'interface', parseInterface);
  return all.ok ? ok(names.map((name) => join(name, all.value))) : { ok: false, fault: under(`${interfaces}.dump`, all.fault) };
}

type Interface = Omit<Uplink, 'protocols'> & Readonly<{ protocol: string }>;

// IPv6 is often a network of its own (wan6, or wan_6 that PPP makes) on the same device: what leaves there is the same uplink's.
function join(name: string, all: readonly Interface[]): Uplink {
  const own = all.find((i) => i.name === name);
  const device = own?.device ?? null;
  const parts = device === null ? all.filter((i) => i.name === name) : all.filter((i) => i.device === device);
  return {
    name,
    up: own?.up ?? false,
    device,
    protocols: [...new Set(parts.map((i) => i.protocol))],
    addresses: parts.flatMap((i) => i.addresses),
    gateways: parts.flatMap((i) => i.gateways),
    hasDefault: { v4: parts.some((i) => i.hasDefault.v4), v6: parts.some((i) => i.hasDefault.v6) },
    dns: parts.flatMap((i) => i.dns),
  };
}

function parseInterface(value: Value): Result<Interface> {
  if (value.kind !== 'table') return fail('malformed', '', `expected table, got ${value.kind}`);
  const { fields: table } = value;
  const name = fields.string(table, 'interface');
  if (!name.ok) return name;
  const parsed = parseState(name.value, table);
  return parsed.ok ? parsed : { ok: false, fault: under(name.value, parsed.fault) };
}

function parseState(name: string, table: Table): Result<Interface> {
  const [up, protocol] = [fields.boolean(table, 'up'), fields.string(table, 'proto')];
  if (!up.ok) return up;
  if (!protocol.ok) return protocol;
  const down = { device: null, addresses: [], gateways: [], hasDefault: { v4: false, v6: false }, dns: [] };
  if (!up.value) return ok({ name, up: false, protocol: protocol.value, ...down });
  const device = fields.string(table, 'l3_device');
  if (!device.ok) return device;
  const [four, six] = [each(table, 'ipv4-address', parseOwn), each(table, 'ipv6-address', parseOwn)];
  if (!four.ok) return four;
  if (!six.ok) return six;
  const routes = each(table, 'route', parseRoute);
  if (!routes.ok) return routes;
  const dns = each(table, 'dns-server', parseAddress);
  if (!dns.ok) return dns;
  const defaults = routes.value.filter((r) => r.mask === 0).map((r) => r.nexthop);
  return ok({
    name,
    up: true,
    device: device.value,
    protocol: protocol.value,
    addresses: [...four.value, ...six.value],
    // On a link between two there is no next hop to name: netifd says 0.0.0.0 or ::.
    gateways: defaults.filter((hop) => hop.some((byte) => byte !== 0)),
    hasDefault: { v4: defaults.some(ip.isV4), v6: defaults.some((hop) => !ip.isV4(hop)) },
    dns: dns.value,
  });
}

function each<T>(table: Table, name: string, parse: (value: Value) => Result<T>): Result<readonly T[]> {
  const list = fields.array(table, name);
  if (!list.ok) return list;
  const out: T[] = [];
  for (const [i, value] of list.value.entries()) {
    const parsed = parse(value);
    if (!parsed.ok) return { ok: false, fault: under(`${name}.${i}`, parsed.fault) };
    out.push(parsed.value);
  }
  return ok(out);
}

const parseAddress = (value: Value): Result<Address> =>
  value.kind === 'string' && typeof value.value === 'string'
    ? ip.parseAddress(value.value)
    : fail('malformed', '', `expected an address, got ${value.kind}`);

const inner = (value: Value): Table => (value.kind === 'table' ? value.fields : []);

function parseOwn(value: Value): Result<Own> {
  const [address, mask] = [addressIn(inner(value), 'address'), fields.number(inner(value), 'mask')];
  if (!address.ok) return address;
  if (!mask.ok) return mask;
  return ok({ address: address.value, length: mask.value });
}

function parseRoute(value: Value): Result<Readonly<{ mask: number; nexthop: Address }>> {
  const [nexthop, mask] = [addressIn(inner(value), 'nexthop'), fields.number(inner(value), 'mask')];
  if (!nexthop.ok) return nexthop;
  if (!mask.ok) return mask;
  return ok({ mask: mask.value, nexthop: nexthop.value });
}

function addressIn(table: Table, name: string): Result<Address> {
  const given = fields.value(table, name);
  const parsed = given.ok ? parseAddress(given.value) : given;
  return parsed.ok || parsed.fault.path !== '' ? parsed : { ok: false, fault: under(name, parsed.fault) };
}

export type Device = Readonly<{
  up: boolean;
  carrier: boolean;
  mtu: number;
  /** Mbit/s of the link; null: it has none, as a tunnel, or netifd cannot tell. */
  speed: number | null;
  /** Since the device is there. null: netifd cannot tell. */
  traffic: Readonly<{ received: bigint; sent: bigint }> | null;
}>;

/** null: it is not there now. One that no network has is unknown to netifd, and a Fault. */
export async function device(call: Call, name: string): Promise<Result<Device | null>> {
  const answer = await call('network.device', 'status', blobmsg.table({ name: blobmsg.string(name) }), patience);
  if (!answer.ok) return answer;
  const parsed = parseDevice(answer.value);
  return parsed.ok ? parsed : { ok: false, fault: under(`network.device.${name}`, parsed.fault) };
}

function parseDevice(table: Table): Result<Device | null> {
  const present = fields.boolean(table, 'present');
  if (!present.ok) return present;
  if (!present.value) return ok(null);
  const [up, carrier, mtu] = [fields.boolean(table, 'up'), fields.boolean(table, 'carrier'), fields.number(table, 'mtu')];
  if (!up.ok) return up;
  if (!carrier.ok) return carrier;
  if (!mtu.ok) return mtu;
  const speed = fields.has(table, 'speed') ? fields.string(table, 'speed') : ok('');
  if (!speed.ok) return speed;
  // 1000F, 100H; -1F and nothing at all are a link that does not know.
  const [, megabits] = /^(\d{1,6})[FH]$/.exec(speed.value) ?? [];
  const traffic = fields.has(table, 'statistics') ? parseTraffic(table) : ok(null);
  if (!traffic.ok) return traffic;
  const value = { up: up.value, carrier: carrier.value, mtu: mtu.value, traffic: traffic.value };
  return ok({ ...value, speed: megabits === undefined ? null : Number(megabits) });
}

function parseTraffic(device: Table): Result<Device['traffic']> {
  const table = fields.table(device, 'statistics');
  if (!table.ok) return table;
  // Empty without /sys.
  if (table.value.length === 0) return ok(null);
  const [received, sent] = [fields.integer(table.value, 'rx_bytes'), fields.integer(table.value, 'tx_bytes')];
  if (!received.ok) return { ok: false, fault: under('statistics', received.fault) };
  if (!sent.ok) return { ok: false, fault: under('statistics', sent.fault) };
  return ok({ received: received.value, sent: sent.value });
}

// Watching

export type Watch = Readonly<{ stop(): Promise<void> }>;

/** netifd tells a change in several pieces, all within this. */
const settling = millis(200);

/** Tells what `read` gives now, and then each time it gives something else. */
export async function watch(
  bus: Bus,
  clock: Pick<Clock, 'after'>,
  names: readonly string[],
  told: (uplinks: Result<readonly Uplink[]>) => void,
): Promise<Result<Watch>> {
  let last: string | null = null;
  let waiting: Timer | null = null;
  let isStopped = false;
  let interfaceObject: Kept | null = null;

  const hint = (): void => {
    if (isStopped || waiting !== null) return;
    waiting = clock.after(settling, () => {
      // What is hinted at while we read may be missing in what we read.
      waiting = null;
      void tell();
    });
  };

  async function tell(): Promise<void> {
    const uplinks = await read(bus.call, names);
    if (isStopped) return;
    const text = JSON.stringify(uplinks);
    if (text === last) return;
    last = text;
    told(uplinks);
  }

  // A new address on a link that stays up is notified to subscribers alone; a subscription ends with its object, an event's does not.
  const subscribe = (): Kept => bus.subscribe(interfaces, { notified: hint, gone: hint });
  const events = await bus.listen(interfaces, hint);
  if (!events.ok) return events;
  const objects = await bus.listen('ubus.object.add', (_event, body) => {
    const path = fields.string(body, 'path');
    if (!path.ok || path.value !== interfaces || isStopped) return;
    interfaceObject = subscribe();
    void interfaceObject.then(hint);
  });
  if (!objects.ok) return objects;
  // Without netifd there is no object yet; its coming is an event.
  interfaceObject = subscribe();
  await interfaceObject;
  await tell();
  return ok({
    async stop() {
      isStopped = true;
      waiting?.cancel();
      const subscribed = await interfaceObject;
      for (const kept of [events, objects, subscribed]) if (kept?.ok) await kept.value.remove();
    },
  });
}
