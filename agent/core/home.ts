// Home first: what all guests together may use of a line, so that it never fills up and the household finds room. From what crossed the
// uplinks and what of it was guests' comes what the household takes; what it leaves under the headroom is the guests' by and by, and less of
// it at once. A delay that somebody measured only ever lowers the rate: whoever tells it is not believed otherwise. Knows no kernel.

import type { ByteCount, Millis } from './brand.ts';
import type { ByteRate, Pair } from './seat.ts';

/** `headroom`: what of the link stays empty, in percent. A queue grows where there is none. */
export type Line = Readonly<{ link: Pair<ByteRate>; headroom: number }>;

/** Counters that only grow as long as their source is the same. */
export type Reading = Readonly<{
  at: Millis;
  source: string;
  line: Pair<ByteCount>;
  /** Inside the tunnel: each of these crosses the line once in either direction. */
  guests: ByteCount;
}>;

/** `isFull`: the line was, when it was last looked at. `isBusy`: guests use it, and it is worth the while to look often. */
export type State = Readonly<{ rate: ByteRate; last: Reading | null; isFull: boolean; isBusy: boolean }>;

const ways = ['up', 'down'] as const;

// A guest's packet is larger outside of the tunnel by about this; where it is more, what is too much counts as the household's.
const crossing = 1.1;
/** More than what a queue of a few packets makes. */
const longDelay = 15;

// A limit of the kernel has up to a second of its rate in store, and a new one has all of it: to make one for each new rate would let guests
// have twice of that. So there is a row of limits that stay, and the first so many of them together are the rate.
export const rungs = 16;
const ratio = 2 ** (1 / 3);

/** All that fits under the headroom when the household needs nothing; and the little that is always left to guests. */
const topOf = (line: Line): number => (narrow(line) * (100 - line.headroom)) / 100 / crossing;
const floorOf = (line: Line): number => Math.max(1, topOf(line) / ratio ** (rungs - 1));
const narrow = ({ link: { up, down } }: Line): number => Math.min(Number(up), Number(down));
const bytes = (rate: number): ByteRate => BigInt(Math.floor(rate)) as ByteRate;

/** The rates that can be told. */
export const ladder = (line: Line): readonly ByteRate[] => Array.from({ length: rungs }, (_, i) => bytes(floorOf(line) * ratio ** i));

/** What each rung adds to those below. */
export function units(line: Line): readonly ByteRate[] {
  let below = 0n;
  return ladder(line).map((rung) => {
    const added = rung - below;
    below = rung;
    return added as ByteRate;
  });
}

/** How many rungs up; the first is always there. */
export const levelOf = (line: Line, rate: ByteRate): number => Math.max(1, ladder(line).filter((rung) => rung <= rate).length);

/** Before anything is known. */
export const begin = (line: Line): State => ({ rate: bytes(floorOf(line)), last: null, isFull: false, isBusy: true });

/** `now` null: the counters cannot be read. `delay`: by how much the line is slower than when it is idle. */
export function step(line: Line, before: State, now: Reading | null, delay: Millis | null): State {
  const { last, isBusy } = before;
  const rate = Number(before.rate);
  const within = (wanted: number): ByteRate => bytes(Math.max(floorOf(line), Math.min(wanted, topOf(line))));
  // Who cannot see does not stay.
  if (now === null) return { rate: within(rate / 2), last: null, isFull: false, isBusy };
  const seconds = last === null ? 0 : (now.at - last.at) / 1000;
  const grown = last === null || last.source !== now.source || seconds <= 0 ? null : growth(last, now);
  // The counters of another device, or of a new table, begin anew.
  if (grown === null) return { ...before, rate: within(rate), last: now };

  const guests = grown.guests / seconds;
  let room = topOf(line);
  let isFull = false;
  for (const way of ways) {
    const [width, used] = [Number(line.link[way]), grown[way] / seconds];
    const household = Math.max(0, used - guests * crossing);
    room = Math.min(room, ((width * (100 - line.headroom)) / 100 - household) / crossing);
    // Elastic flows of the household fill whatever is left to them: then guests are what is in their way.
    if (used > (width * (200 - line.headroom)) / 200 && household > width / 16) isFull = true;
  }
  const isSlow = delay !== null && delay > longDelay;
  // Full once may be what the limits had in store.
  const wanted = isSlow || (isFull && before.isFull) ? rate / 2 : isFull ? rate : rate + (narrow(line) / 16) * seconds;
  return { rate: within(Math.min(room, wanted)), last: now, isFull, isBusy: guests > floorOf(line) / 2 };
}

function growth(last: Reading, now: Reading): Readonly<Pair<number> & { guests: number }> | null {
  const [up, down] = [now.line.up - last.line.up, now.line.down - last.line.down];
  const guests = now.guests - last.guests;
  return up < 0n || down < 0n || guests < 0n ? null : { up: Number(up), down: Number(down), guests: Number(guests) };
}
