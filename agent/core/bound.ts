// What a coordinator keeps its own sessions to, below what the owner allows. Forgotten with the epoch, in which it was said.

import type { Grant } from './grant.ts';
import type { Pair } from './seat.ts';

/** `rate`: of each session. `sessions`: how many may be open. null: what the owner allows. */
export type Bound = Readonly<{ rate: Pair<bigint> | null; sessions: number | null; isPaused: boolean; isQuarantined: boolean }>;

export const free: Bound = { rate: null, sessions: null, isPaused: false, isQuarantined: false };

const lesser = (a: bigint, b: bigint): bigint => (a < b ? a : b);
const within = (rate: Pair<bigint>, most: Pair<bigint>): Pair<bigint> => ({
  up: lesser(rate.up, most.up),
  down: lesser(rate.down, most.down),
});

export const slowed = <G extends Pick<Grant, 'rate' | 'throttle'>>(wish: G, { rate }: Bound): G =>
  rate === null ? wish : { ...wish, rate: within(wish.rate, rate), throttle: wish.throttle === null ? null : within(wish.throttle, rate) };

/** For the owner. */
export const render = ({ rate, sessions, isPaused, isQuarantined }: Bound): string =>
  [
    ...(isQuarantined ? ['quarantined'] : []),
    ...(isPaused ? ['paused'] : []),
    ...(sessions === null ? [] : [`${sessions} sessions`]),
    ...(rate === null ? [] : [`${rate.up}/${rate.down} bit/s`]),
  ].join(', ');
