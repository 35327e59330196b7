// Sounds the line while guests use it, and tells the enforcer how long its queue is. Whom to ask, and whether it is worth the while, is the
// enforcer's word. Of the loop's kind: it acts through ports alone.

import { type Millis, millis } from './core/brand.ts';
import * as delays from './core/delay.ts';
import type { Address } from './core/ip.ts';
import * as ip from './core/ip.ts';
import type { Result } from './core/result.ts';
import type { Clock } from './ports/host.ts';

export type World = Readonly<{
  clock: Pick<Clock, 'monotonic' | 'after'>;
  /** Servers behind the line, while it is worth the while. */
  strain(delay: Millis | null): Promise<Result<readonly Address[]>>;
  /** There and back. */
  trip(server: string): Promise<Result<Millis>>;
}>;

const period = millis(1000);
/** While nobody wants to know. */
const pause = millis(10_000);

export function start({ clock, strain, trip }: World): void {
  let trips = delays.none;
  let asked = '';

  async function turn(): Promise<void> {
    const told = await strain(delays.of(trips));
    const [server] = told.ok ? told.value : [];
    if (server === undefined) {
      trips = { ...trips, late: [] };
      clock.after(pause, () => void turn());
      return;
    }
    const name = ip.renderAddress(server);
    // Another may be further away.
    if (name !== asked) trips = delays.none;
    asked = name;
    const taken = await trip(name);
    trips = delays.take(trips, clock.monotonic(), taken.ok ? taken.value : null);
    clock.after(period, () => void turn());
  }
  void turn();
}
