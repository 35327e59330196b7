// Reads which router this is: procd knows model and name, the kernel the hardware addresses. Part of the roots of the enforcer, which tells the
// agent in its jail, and of the command line; loaded when somebody asks.

import './host/globals.ts';
import * as board from './adapters/board.ts';
import * as netlink from './adapters/netlink.ts';
import type { Bus } from './adapters/ubus-client.ts';
import type { Nameplate } from './core/nameplate.ts';
import { addressesOf } from './core/nameplate.ts';
import { ok, type Result, under } from './core/result.ts';
import type { Host } from './ports/host.ts';
import type { Table } from './wire/blobmsg.ts';
import * as wire from './wire/nameplate.ts';
import * as port from './wire/port.ts';

export async function read(host: Host, bus: Bus): Promise<Result<Nameplate>> {
  const here = await board.read(bus.call);
  if (!here.ok) return here;
  const addresses = await addressesAt(host);
  if (!addresses.ok) return { ok: false, fault: under('links', addresses.fault) };
  const { model, name } = here.value;
  return ok({ model, name, addresses: addresses.value });
}

export async function answer(host: Host, bus: Bus): Promise<Result<Table>> {
  const known = await read(host, bus);
  return known.ok ? ok(wire.encode(known.value)) : known;
}

/** None on a host without netlink. A kernel that does not answer is a Fault: for now it could be any router. */
async function addressesAt(host: Host): Promise<Result<readonly string[]>> {
  if (host.lacks.has('netlink')) return ok([]);
  const socket = netlink.open(host, port.protocol);
  if (!socket.ok) return socket;
  const ports = await socket.value.dump(port.encode, port.decode);
  socket.value.close();
  return ports.ok ? ok(addressesOf(ports.value)) : ports;
}
