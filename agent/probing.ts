// How good the line is: measured on the owner's list, again and again, and once when a coordinator orders it. Of the loop's kind: it acts
// through ports alone.

import { type Millis, millis } from './core/brand.ts';
import type { Order, Outcome } from './core/command.ts';
import * as ip from './core/ip.ts';
import type { Goal, Trips } from './core/probe.ts';
import * as probe from './core/probe.ts';
import { fail, ok, type Result } from './core/result.ts';
import type { Probe } from './core/settings.ts';
import type { Sample } from './core/telemetry.ts';
import type { Clock } from './ports/host.ts';

export type World = Readonly<{
  clock: Pick<Clock, 'after'>;
  /** From 0 to 1, so that a fleet does not ask all at once. */
  luck(): number;
  resolve(name: string): Promise<Result<readonly string[]>>;
  measure(goal: Goal): Promise<Trips>;
}>;
export type Probing = Readonly<{
  /** From now on these. */
  watch(probes: readonly Probe[]): void;
  ordered(order: Extract<Order, { kind: 'probe' }>): Promise<Result<Extract<Outcome, { kind: 'probed' }>>>;
  found(): Sample;
}>;

const times = 5;
const size = 64;

export function open({ clock, luck, resolve, measure }: World): Probing {
  let sent = 0;
  let lost = 0;
  /** Of each on the list, the last time; null: nothing came back. */
  const medians = new Map<Probe, Millis | null>();
  let isOrdered = false;
  let watched: readonly Probe[] = [];

  async function look(one: Probe): Promise<void> {
    if (!watched.includes(one)) return;
    const found = await resolve(one.host);
    const address = found.ok ? found.value.map(ip.parseAddress).find((a) => a.ok) : undefined;
    // Who cannot be found cannot be reached.
    const trips = address?.ok
      ? await measure({
          protocol: one.kind === 'udp_echo' ? 'udp' : 'tcp',
          address: ip.renderAddress(address.value),
          port: one.port,
          times,
          size,
        })
      : Array<null>(times).fill(null);
    sent += trips.length;
    lost += probe.lostOf(trips);
    medians.set(one, probe.medianOf(trips));
    clock.after(millis(1000 * one.period), () => void look(one));
  }

  return {
    watch(probes) {
      watched = probes;
      medians.clear();
      for (const one of probes) clock.after(millis(Math.floor(1000 * one.period * luck())), () => void look(one));
    },
    async ordered(order) {
      const goal = probe.admit(order);
      if (!goal.ok) return goal;
      if (isOrdered) return fail('limit', 'order', 'one at a time');
      isOrdered = true;
      const trips = await measure(goal.value);
      isOrdered = false;
      return ok(probe.outcomeOf(trips));
    },
    found() {
      if (watched.length === 0) return {};
      const known = [...medians.values()].filter((median) => median !== null);
      return { probes: sent, lost, ...(known.length > 0 && { latency: Math.max(...known) }) };
    },
  };
}
