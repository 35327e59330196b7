// What the enforcer sees around it that is not its own work: board, load, links, temperatures, offload. Part of the
// enforcer's root: asks one adapter after the other, and leaves out what cannot be had.

import * as board from './adapters/board.ts';
import * as netifd from './adapters/netifd.ts';
import type { Bus } from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import type { Symptoms } from './core/doctor.ts';
import type { Uplink } from './core/uplink.ts';
import type { Host } from './ports/host.ts';
import { isClockTold } from './role.ts';
import type { Facts, Link } from './wire/report.ts';

type Around = Pick<Facts, 'links' | 'board' | 'load' | 'temperatures' | 'offload' | 'isClockTold'>;

export async function around(host: Host, bus: Bus, uplinks: readonly Uplink[]): Promise<Around> {
  const [own, load] = [await board.read(bus.call), await board.load(bus.call)];
  const links = new Map<string, Link>();
  for (const { device } of uplinks) {
    const link = device === null ? null : await netifd.device(bus.call, device);
    if (device !== null && link?.ok && link.value !== null) links.set(device, link.value);
  }
  return {
    links,
    board: own.ok ? own.value : null,
    load: load.ok ? load.value : null,
    temperatures: temperatures(host),
    offload: await offload(bus),
    isClockTold: isClockTold(host),
  };
}

export async function offload(bus: Bus): Promise<Symptoms['offload']> {
  const firewall = await uci.read(bus.call, 'firewall');
  if (!firewall.ok) return null;
  const defaults = firewall.value.find(({ type }) => type === 'defaults');
  if (defaults?.options.get('flow_offloading') !== '1') return 'none';
  return defaults.options.get('flow_offloading_hw') === '1' ? 'hardware' : 'software';
}

export async function flash(bus: Bus): Promise<bigint | null> {
  const load = await board.load(bus.call);
  return load.ok ? load.value.flash.available : null;
}

const zones = '/sys/class/thermal';

function temperatures({ files }: Host): readonly number[] {
  const listed = files.list(zones);
  if (!listed.ok) return [];
  return listed.value.flatMap((name) => {
    const read = name.startsWith('thermal_zone') ? files.read(`${zones}/${name}/temp`, 64) : null;
    // Thousandths; some sensors are there and cannot be read.
    const degrees = read?.ok ? Number(new TextDecoder().decode(read.value)) / 1000 : Number.NaN;
    return Number.isFinite(degrees) ? [degrees] : [];
  });
}
