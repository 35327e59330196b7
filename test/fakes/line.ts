// A line in virtual time: a queue in either direction that loses what does not fit, and flows that are steady or, like TCP, take what they
// get. Guests' flows cross it both ways and meet a limit between. Coarse: bytes, not packets; it shows who yields to whom, and how fast.

import { millis } from '../../agent/core/brand.ts';
import type { Line, Reading, State } from '../../agent/core/home.ts';
import * as home from '../../agent/core/home.ts';

type Way = 'up' | 'down';
/** Bytes in a second; null: elastic. `from`, `to`: seconds. */
export type Flow = Readonly<{ of: 'household' | 'guests'; rate: number | null; from: number; to: number }>;
export type Options = Readonly<{
  /** What it really carries, in bytes a second. */
  link: number;
  line: Line;
  flows: readonly Flow[];
  seconds: number;
  /** No limit for guests but the owner's: as it is without. */
  isOff?: boolean;
  /** Whether somebody tells the delay. */
  isTold?: boolean;
  /** Changes what the node reads at that second; null: it cannot read. */
  reading?: (r: Reading, second: number) => Reading | null;
}>;
/** Each second's. */
export type Second = Readonly<{ household: number; guests: number; delay: number; rate: number }>;

const tick = 0.005;
const segment = 1400;
const idle = 0.01;
const buffer = 0.3;
/** Of each limit, beyond the second that the kernel gives it. */
const burst = 16_384;

export function run({ link, line, flows, seconds, isOff = false, isTold = false, reading = (r) => r }: Options): readonly Second[] {
  const sums = home.ladder(line).map(Number);
  // As the kernel has them: the store of each is full when it was not used for a while.
  const units = sums.map((sum, i) => sum - (i === 0 ? 0 : Number(sums[i - 1])));
  const stores = units.map((unit) => unit + burst);
  const queue: Record<Way, number> = { up: 0, down: 0 };
  const crossed: Record<Way, number> = { up: 0, down: 0 };
  const windows = flows.map(() => ({ bytes: 10 * segment, calm: 0, isStarting: true }));
  let inner = 0;
  let state: State = home.begin(line);
  let level = home.levelOf(line, state.rate);
  const log: Second[] = [];
  for (let second = 0; second < seconds; second++) {
    const all = { household: 0, guests: 0, delay: 0 };
    for (let n = 0; n < 1 / tick; n++) {
      const now = second + n * tick;
      for (const [i, unit] of units.entries()) stores[i] = Math.min(unit + burst, Number(stores[i]) + unit * tick);
      for (const [i, { of, rate, from, to }] of flows.entries()) {
        const w = windows[i];
        if (w === undefined || now < from || now >= to) continue;
        const way = of === 'guests' ? queue.up + queue.down : queue.down;
        const trip = idle + way / link;
        const offered = rate === null ? (w.bytes / trip) * tick : rate * tick;
        const through = (side: Way, size: number): number => {
          const taken = Math.min(size, buffer * link - queue[side]);
          queue[side] += taken;
          return taken;
        };
        let passed = through('down', offered);
        if (of === 'guests') {
          if (!isOff) {
            let left = passed;
            for (let i = level - 1; i >= 0; i--) {
              const taken = Math.min(left, Number(stores[i]));
              stores[i] = Number(stores[i]) - taken;
              left -= taken;
            }
            passed -= left;
          }
          inner += passed;
          passed = through('up', passed * 1.05) / 1.05;
        }
        all[of] += passed;
        if (passed < offered * 0.999 && now > w.calm) {
          w.bytes = Math.max(2 * segment, w.bytes / 2);
          w.calm = now + trip;
          w.isStarting = false;
        } else w.bytes += w.isStarting ? passed : (segment * passed) / w.bytes;
      }
      for (const side of ['up', 'down'] as const) {
        const carried = Math.min(queue[side], link * tick);
        queue[side] -= carried;
        crossed[side] += carried;
      }
      all.delay += ((queue.up + queue.down) / link) * tick * 1000;
    }
    log.push({ ...all, rate: Number(sums[level - 1]) });
    const counted = (n: number) => BigInt(Math.floor(n)) as Reading['guests'];
    const read: Reading = {
      at: millis((second + 1) * 1000),
      source: 'wan',
      line: { up: counted(crossed.up), down: counted(crossed.down) },
      guests: counted(inner),
    };
    const delay = isTold ? millis(((queue.up + queue.down) / link) * 1000) : null;
    state = home.step(line, state, reading(read, second), delay);
    level = home.levelOf(line, state.rate);
  }
  return log;
}
