// Link of 1,000 bytes a second: a tenth stays empty, and a guest's byte counts 1.1 times.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Line, Reading, State } from '../../agent/core/home.ts';
import * as home from '../../agent/core/home.ts';
import type { ByteRate } from '../../agent/core/seat.ts';
import type { Options, Second } from '../fakes/line.ts';
import * as line from '../fakes/line.ts';

const bytes = (n: number): ByteCount => BigInt(n) as ByteCount;
const rate = (n: number): ByteRate => BigInt(n) as ByteRate;
const of = (up: number, down = up, headroom = 10): Line => ({ link: { up: rate(up), down: rate(down) }, headroom });
const reading = (at: number, up: number, down: number, guests: number, source = 'wan'): Reading => ({
  at: millis(at),
  source,
  line: { up: bytes(up), down: bytes(down) },
  guests: bytes(guests),
});
const first = reading(0, 10_000, 10_000, 10_000);
/** So much more than at first. */
const later = (up: number, down: number, guests: number, at = 1000): Reading => reading(at, 10_000 + up, 10_000 + down, 10_000 + guests);

type Case = Readonly<{ name: string; now: Reading | null; want: number; rate?: number; delay?: number; wasFull?: true; line?: Line }>;
const cases: readonly Case[] = [
  { name: 'nobody there: a sixteenth more in each second', now: later(0, 0, 0), want: 462 },
  { name: 'two seconds later: two sixteenths', now: later(0, 0, 0, 2000), want: 525 },
  { name: 'up to what stays empty', now: later(0, 0, 0), rate: 800, want: 818 },
  { name: 'the household takes from it at once', now: later(500, 0, 0), want: 363 },
  { name: 'in the other direction too', now: later(0, 500, 0), want: 363 },
  { name: 'the narrower direction decides', now: later(0, 0, 0), line: of(1000, 300), rate: 240, want: 245 },
  { name: 'what is guests’ is not the household’s', now: later(550, 550, 500), want: 462 },
  { name: 'small packets are: more outside of the tunnel than expected', now: later(700, 700, 500), rate: 700, want: 681 },
  { name: 'full, by both: no more', now: later(990, 990, 300), rate: 200, want: 200 },
  { name: 'and again: half', now: later(990, 990, 300), rate: 200, wasFull: true, want: 100 },
  { name: 'full, by guests alone: as much as fits', now: later(990, 990, 880), rate: 900, want: 798 },
  { name: 'full before, and no more', now: later(0, 0, 0), wasFull: true, want: 462 },
  { name: 'all the household’s: a little stays', now: later(1000, 0, 0), want: 25 },
  { name: 'more than the line should carry', now: later(3000, 0, 0), want: 25 },
  { name: 'a long queue: half', now: later(0, 0, 0), delay: 16, want: 200 },
  { name: 'a short queue', now: later(0, 0, 0), delay: 15, want: 462 },
  { name: 'no queue is no reason for more', now: later(500, 0, 0), delay: 0, want: 363 },
  { name: 'counters that begin anew', now: reading(1000, 0, 0, 0), want: 400 },
  { name: 'one of them', now: later(0, 0, -1), want: 400 },
  { name: 'counters of another device', now: reading(1000, 90_000, 90_000, 90_000, 'wan2'), want: 400 },
  { name: 'the same moment once more', now: later(500, 0, 0, 0), want: 400 },
  { name: 'counters that cannot be read: half', now: null, want: 200 },
  { name: 'down to a little', now: null, rate: 31, want: 25 },
  { name: 'a link that was faster before', now: later(0, 0, -1), rate: 5000, want: 818 },
];
const step = suite('home: step');
for (const { name, now, want, delay, wasFull: isFull = false, rate: before = 400, line: l = of(1000) } of cases)
  step(name, () => {
    const state: State = { rate: rate(before), last: first, isFull, isBusy: true };
    assert.is(Number(home.step(l, state, now, delay === undefined ? null : millis(delay)).rate), want);
  });
step('begins with a little, and with the first reading knows nothing yet', () => {
  const begun = home.begin(of(1000));
  assert.equal(begun, { rate: 25n, last: null, isFull: false, isBusy: true });
  assert.is(home.step(of(1000), begun, first, null).rate, 25n);
});
step('is busy while guests use more than hardly anything', () => {
  const state: State = { rate: rate(400), last: first, isFull: false, isBusy: false };
  const busy = (guests: number) => home.step(of(1000), state, later(900, 900, guests), null).isBusy;
  assert.equal([0, 12, 13].map(busy), [false, false, true]);
});
step('whatever is told of a delay only lowers', () => {
  let seed = 7;
  const draw = (below: number): number => {
    seed = (seed * 1_103_515_245 + 12_345) % 0x8000_0000;
    return seed % below;
  };
  for (let n = 0; n < 2000; n++) {
    const state: State = { rate: rate(1 + draw(1000)), last: first, isFull: draw(2) === 1, isBusy: true };
    const now = later(draw(1500), draw(1500), draw(1000), draw(3000));
    const [without, told] = [null, millis(draw(2000) - 1000)].map((delay) => home.step(of(1000), state, now, delay).rate);
    assert.ok(without !== undefined && told !== undefined && told <= without && told >= 25n, `${told} ${without}`);
  }
});
step('the ladder: from a 32th of what fits to all of it, in sixteen rungs', () => {
  const rungs = home.ladder(of(1000, 4000)).map(Number);
  assert.equal(rungs, [25, 32, 40, 51, 64, 81, 102, 128, 162, 204, 257, 324, 409, 515, 649, 818]);
  assert.equal(
    home.units(of(1000, 4000)).reduce((sum, unit) => sum + unit, 0n),
    818n,
  );
  assert.equal(
    [0, 25, 31, 32, 817, 818, 5000].map((n) => home.levelOf(of(1000), rate(n))),
    [1, 1, 1, 2, 15, 16, 16],
  );
});
step.run();

// ── In virtual time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const link = 2_500_000;
const guest: line.Flow = { of: 'guests', rate: null, from: 0, to: 99 };
const bulk: line.Flow = { of: 'household', rate: null, from: 30, to: 60 };
const steady: line.Flow = { ...bulk, rate: link / 2 };
const simulate = (flows: readonly line.Flow[], more: Partial<Options> = {}): readonly Second[] =>
  line.run({ link, line: of(link), flows, seconds: 90, ...more });
const mean = (seconds: readonly Second[], what: keyof Second, from: number, to: number): number =>
  seconds.slice(from, to).reduce((sum, s) => sum + s[what], 0) / (to - from);
/** Of the link. */
const share = (seconds: readonly Second[], what: 'household' | 'guests', from: number, to: number): number =>
  mean(seconds, what, from, to) / link;
const longest = (seconds: readonly Second[], from: number, to: number): number => Math.max(...seconds.slice(from, to).map((s) => s.delay));

const time = suite('home: a line in virtual time');
for (const [name, household] of [
  ['a bulk transfer', bulk],
  ['a stream', steady],
] as const) {
  const alone = share(simulate([household]), 'household', 30, 60);
  const both = simulate([guest, guest, household]);
  time(`${name} of the household has 0.9 of what it has alone, from its first second on`, () => {
    const got = share(both, 'household', 30, 60);
    assert.ok(got >= 0.9 * alone, `${got} of ${alone}`);
  });
  time(`${name}: without Home first it has not`, () => {
    const got = share(simulate([guest, guest, household], { isOff: true }), 'household', 30, 60);
    assert.ok(got < 0.7 * alone, `${got} of ${alone}`);
  });
  time(`${name} over: guests have the line again within 20 s`, () => assert.ok(share(both, 'guests', 80, 90) > 0.7));
}
time('a stream: guests use the rest, and nobody waits', () => {
  const seconds = simulate([guest, steady]);
  assert.ok(share(seconds, 'guests', 45, 60) > 0.3, `${share(seconds, 'guests', 45, 60)}`);
  // Once what the limits had in store is used up.
  assert.ok(longest(seconds, 35, 60) < 20, `${longest(seconds, 35, 60)}`);
  assert.ok(longest(simulate([guest, steady], { isOff: true }), 35, 60) > 100);
});
time('no oscillation once it is settled', () => {
  for (const [flows, from, to] of [
    [[guest], 20, 30],
    [[guest, steady], 45, 60],
    [[guest, bulk], 45, 60],
  ] as const) {
    const rates = simulate(flows)
      .slice(from, to)
      .map((s) => s.rate);
    assert.ok(Math.min(...rates) > 0.85 * Math.max(...rates), rates.join(' '));
  }
});
time('a link speed that is half too high: told of the delay it holds all the same', () => {
  const wrong = { line: of(1.5 * link) };
  const alone = share(simulate([steady]), 'household', 35, 60);
  const told = simulate([guest, guest, steady], { ...wrong, isTold: true });
  assert.ok(share(told, 'household', 35, 60) > 0.9 * alone);
  assert.ok(mean(told, 'delay', 35, 60) < 20, `${mean(told, 'delay', 35, 60)}`);
  assert.ok(share(told, 'guests', 35, 60) > 0.25);
  // Nobody tells: this is what the delay is for.
  const silent = simulate([guest, guest, steady], wrong);
  assert.ok(mean(silent, 'delay', 35, 60) > 100);
});
time('counters that are gone for a while: guests go down, and come back', () => {
  const seconds = simulate([guest], { reading: (r, second) => (second >= 30 && second < 40 ? null : r) });
  assert.ok(share(seconds, 'guests', 36, 40) < 0.06);
  assert.ok(share(seconds, 'guests', 70, 90) > 0.7);
});
time('another device, and counters that wrap: no second goes astray', () => {
  const wrap = (n: ByteCount): ByteCount => bytes(Number(n) % 2 ** 24);
  const seconds = simulate([guest, steady], {
    reading: (r, second) => ({ ...r, source: second < 45 ? 'wan' : 'wan2', line: { up: wrap(r.line.up), down: wrap(r.line.down) } }),
  });
  assert.ok(share(seconds, 'household', 32, 60) > 0.49);
  assert.ok(share(seconds, 'guests', 45, 60) > 0.3);
});
time.run();
