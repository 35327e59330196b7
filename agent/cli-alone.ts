// The kill switch when the enforcer does not answer: the kernel and UCI are told by the command line itself.

import * as netlink from './adapters/netlink.ts';
import * as route from './adapters/route.ts';
import type { Bus } from './adapters/ubus-client.ts';
import * as uci from './adapters/uci.ts';
import { device } from './core/claim.ts';
import { fail, ok, text } from './core/result.ts';
import type { Host } from './ports/host.ts';
import * as rtnetlink from './wire/rtnetlink.ts';

/** The device first: its peers go with it, and nobody can come in again. */
export async function pause(host: Host, bus: Bus | null): Promise<number> {
  const socket = netlink.open(host, rtnetlink.protocol);
  const removed = socket.ok ? await route.open({ socket: socket.value, listen: () => ok(undefined) }).removeDevice(device) : socket;
  const written =
    bus === null
      ? fail('missing', 'ubus', 'is not running')
      : await uci.set({ call: bus.call, clock: host.clock }, 'weir', 'share', new Map([['paused', '1']]));
  for (const r of [removed, written]) if (!r.ok) host.log(`weir pause: ${text(r.fault)}`);
  if (removed.ok) host.print(`${device} is gone, and everybody in it\n`);
  if (!written.ok) host.log('weir pause: not written down; for good: uci set weir.share.paused=1; uci commit weir');
  return removed.ok && written.ok ? 0 : 1;
}
