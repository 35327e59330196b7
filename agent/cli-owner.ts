// The owner's orders: setup, share, pause, resume, teardown. Passes them on; acts by itself only to pause when nobody else is there to do it.

import type { Bus } from './adapters/ubus-client.ts';
import { ask, isAbsent, open } from './cli-bus.ts';
import { misread, refuse } from './cli-say.ts';
import * as argv from './core/argv.ts';
import { millis } from './core/brand.ts';
import type { Host } from './ports/host.ts';
import * as fields from './wire/fields.ts';

export const help = {
  setup: `weir setup

Writes network.weir0 and the zone weir to UCI and commits these alone; changes
of others stay pending. Twice is once. After somebody has deleted one of them,
Weir shares nothing until this is run again.
`,
  share: `weir share

The yes without which nothing is shared: sets weir.share.accepted. Look at the
limits first (weir limits), and at what your provider allows.
`,
  pause: `weir pause

Removes the tunnel's device, with everybody in it, and sets weir.share.paused.
Works when no process of Weir runs.
`,
  resume: `weir resume

Clears weir.share.paused. A ledger that cannot be read begins anew, with nothing
used this month.
`,
  teardown: `weir teardown

Everybody out, and network, zone, rules and routes of ours are gone.
/etc/config/weir stays.
`,
};

/** LuCI lets its user confirm for up to 90 s, and until then nobody may commit. */
const long = millis(150_000);

export async function run(host: Host, name: string, args: readonly string[]): Promise<number> {
  const parsed = argv.parse(args, { options: {} });
  if (!parsed.ok) return misread(host, name, parsed.fault);
  const bus = await open(host);
  if (bus !== null) return order(host, bus, name);
  return name === 'pause' ? pauseAlone(host, null) : 1;
}

async function order(host: Host, bus: Bus, name: string): Promise<number> {
  const answer = await ask(bus, 'weir.enforcer', name, [], long);
  if (answer.ok) {
    const changed = fields.boolean(answer.value, 'changed');
    host.print(changed.ok && !changed.value ? 'nothing to do\n' : 'done\n');
    return 0;
  }
  if (name === 'pause' && (isAbsent(answer.fault, 'weir.enforcer') || answer.fault.code === 'timeout')) return pauseAlone(host, bus);
  return refuse(host, name, answer.fault);
}

async function pauseAlone(host: Host, bus: Bus | null): Promise<number> {
  const alone = await import('./cli-alone.ts');
  return alone.pause(host, bus);
}
