// Round trips to a server: a datagram that it sends back (RFC 862), or a TCP connection that it takes. In bounded time, whatever it does.

import { type Millis, millis } from '../core/brand.ts';
import type { Goal, Trips } from '../core/probe.ts';
import * as probe from '../core/probe.ts';
import type { Host } from '../ports/host.ts';

type Ground = Pick<Host, 'net' | 'clock' | 'random'>;

/** One after the other; fewer than asked for where time is out. */
export async function measure(ground: Ground, goal: Goal): Promise<Trips> {
  const { clock } = ground;
  const end = clock.monotonic() + probe.mostTime;
  const trips: (Millis | null)[] = [];
  while (trips.length < goal.times && clock.monotonic() < end) {
    if (trips.length > 0) await new Promise<void>((resolve) => clock.after(probe.pause, resolve));
    trips.push(await (goal.protocol === 'udp' ? echo : knock)(ground, goal));
  }
  return trips;
}

/** Enough for whoever does not see it not to guess it. */
const leastSize = 8;

function echo({ net, clock, random }: Ground, { address, port, size }: Goal): Promise<Millis | null> {
  return new Promise((resolve) => {
    const begun = clock.monotonic();
    const sent = random(Math.max(leastSize, size));
    const finish = (trip: Millis | null): void => {
      timer.cancel();
      if (bound.ok) bound.value.close();
      resolve(trip);
    };
    const timer = clock.after(probe.patience, () => finish(null));
    const bound = net.bindUdp(
      { address: address.includes(':') ? '::' : '0.0.0.0', port: 0 },
      {
        received(bytes, from) {
          if (from.port === port && from.address === address && bytes.length === sent.length && bytes.every((byte, i) => byte === sent[i]))
            finish(millis(clock.monotonic() - begun));
        },
        closed: () => finish(null),
      },
    );
    const gone = bound.ok ? bound.value.send(sent, { address, port }) : bound;
    if (!gone.ok) finish(null);
  });
}

function knock({ net, clock }: Ground, { address, port }: Goal): Promise<Millis | null> {
  return new Promise((resolve) => {
    const begun = clock.monotonic();
    const finish = (trip: Millis | null): void => {
      timer.cancel();
      stream.close();
      resolve(trip);
    };
    const timer = clock.after(probe.patience, () => finish(null));
    const stream = net.connectTcp(
      { address, port },
      {
        opened: () => finish(millis(clock.monotonic() - begun)),
        received: () => undefined,
        ended: () => undefined,
        drained: () => undefined,
        closed: () => finish(null),
      },
    );
  });
}
