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

/** `isBusy`: guests use the line, and it is worth the while to look how long its queue is. */
export type State = Readonly<{ rate: ByteRate; last: Reading | null; isBusy: boolean }>;

const ways = ['up', 'down'] as const;

/** Before anything is known. A little is always left to guests, or they could not even end what they began. */
export const begin = ({ link }: Line, most: ByteRate): State => ({ rate: bytes(floorOf(link, Number(most))), last: null, isBusy: false });

const narrow = ({ up, down }: Line['link']): number => Math.min(Number(up), Number(down));
const floorOf = (link: Line['link'], most: number): number => Math.max(1, Math.min(narrow(link) / 32, most));
const bytes = (rate: number): ByteRate => BigInt(Math.floor(rate)) as ByteRate;

// A guest's packet is larger outside of the tunnel by about this; where it is more, what is too much counts as the household's.
const crossing = 1.1;
/** More than what a queue of a few packets makes. */
const longDelay = 15;

/** `most`: the owner's limit. `now` null: the counters cannot be read. `delay`: by how much the line is slower than when it is idle. */
export function step({ link, headroom }: Line, most: ByteRate, before: State, now: Reading | null, delay: Millis | null): State {
  const { last } = before;
  const rate = Number(before.rate);
  const within = (wanted: number): ByteRate => bytes(Math.max(floorOf(link, Number(most)), Math.min(wanted, Number(most))));
  // Who cannot see does not stay.
  if (now === null) return { rate: within(rate / 2), last: null, isBusy: false };
  const seconds = last === null ? 0 : (now.at - last.at) / 1000;
  const grown = last === null || last.source !== now.source || seconds <= 0 ? null : growth(last, now);
  // The counters of another device, or of a new table, begin anew.
  if (grown === null) return { rate: within(rate), last: now, isBusy: before.isBusy };

  const guests = grown.guests / seconds;
  let room = Number(most);
  let isFull = delay !== null && delay > longDelay;
  for (const way of ways) {
    const [width, used] = [Number(link[way]), grown[way] / seconds];
    const household = Math.max(0, used - guests * crossing);
    room = Math.min(room, ((width * (100 - headroom)) / 100 - household) / crossing);
    // Elastic flows of the household fill whatever is left to them: then guests are what is in their way.
    if (used > (width * (200 - headroom)) / 200 && household > width / 16) isFull = true;
  }
  const wanted = isFull ? rate / 2 : rate + (narrow(link) / 16) * seconds;
  return { rate: within(Math.min(room, wanted)), last: now, isBusy: guests > floorOf(link, Number(most)) / 2 };
}

function growth(last: Reading, now: Reading): Readonly<Pair<number> & { guests: number }> | null {
  const [up, down] = [now.line.up - last.line.up, now.line.down - last.line.down];
  const guests = now.guests - last.guests;
  return up < 0n || down < 0n || guests < 0n ? null : { up: Number(up), down: Number(down), guests: Number(guests) };
}

/** The kernel is told what makes a difference: less than a twentieth is not worth a new limit, which begins with a full burst. */
export const isWorth = (told: ByteRate, rate: ByteRate): boolean => {
  const difference = rate > told ? rate - told : told - rate;
  return difference * 20n > told;
};
