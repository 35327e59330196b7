// What every role begins with: where the bus is, whether the clock can be believed, and how it says what it cannot do. Apart from loop.ts the only place that logs, because the
// enforcer and the command line should not carry the agent's loop.

import { millis } from './core/brand.ts';
import { type Fault, text } from './core/result.ts';
import type { Host } from './ports/host.ts';

/** Its socket, and how long ubusd may take to answer. */
export const busOf = ({ process }: Host) => ({ path: process.env('UBUS_SOCKET') ?? '/var/run/ubus/ubus.sock', deadline: millis(5000) });

/** Whether NTP has set the clock since the router was started: the package's hotplug script says so. */
export const isClockTold = ({ files }: Host): boolean => files.stat('/var/run/weir/clock').ok;

/** For a role that cannot begin. */
export function die(host: Host, why: Fault): never {
  host.log(text(why));
  return host.process.exit(1);
}

/** For the enforcer, whose bus comes and goes. */
export const note = (host: Host, line: string): void => host.log(line);
