// Home first, carried out: each second of the guests' traffic it reads what has crossed the line, lets core/home decide, and tells the kernel the guests' rate. What
// it cannot read or tell makes the rate lower. Of the loop's kind: it acts through ports alone.

import { type Millis, millis } from './core/brand.ts';
import type { Line, Reading, State } from './core/home.ts';
import * as home from './core/home.ts';
import { type Fault, fail, ok, type Result, text } from './core/result.ts';
import type { Home, Sharing } from './ports/home.ts';
import type { Host } from './ports/host.ts';
import type { Routes, Rules } from './ports/router.ts';

export type World = Readonly<{
  host: Pick<Host, 'clock' | 'log'>;
  rules: Pick<Rules, 'passed' | 'pace'>;
  routes: Pick<Routes, 'traffic'>;
}>;

const period = millis(1000);
/** While guests use hardly anything: a look takes milliseconds on a small router. */
const pause = millis(4000);
/** How often a delay may be told, and for how long it counts. */
const least = millis(400);
const fresh = millis(2500);
const done = ok(undefined);

export function open({ host, rules, routes }: World): Home {
  const { clock, log } = host;
  let sharing: Sharing | null = null;
  let state: State | null = null;
  /** What the kernel has been told; null: nothing, or nobody knows. */
  let told: number | null = null;
  let heard: Readonly<{ delay: Millis | null; at: Millis }> | null = null;
  let trouble = '';
  let isTicking = false;
  let turn: Promise<unknown> = Promise.resolve();

  function inTurn<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine;
    return mine;
  }

  async function tell(level: number): Promise<Result<void>> {
    if (told === level) return done;
    told = null;
    const paced = await rules.pace(level);
    if (paced.ok) told = level;
    return paced;
  }

  async function read({ devices }: Sharing): Promise<Result<Reading>> {
    const crossed = await routes.traffic(devices);
    if (!crossed.ok) return crossed;
    const guests = await rules.passed();
    if (!guests.ok) return guests;
    const { source, up, down } = crossed.value;
    return ok({ at: clock.monotonic(), source, line: { up, down }, guests: guests.value });
  }

  const delayNow = (): Millis | null => (heard === null || clock.monotonic() - heard.at > fresh ? null : heard.delay);

  async function look(): Promise<Result<void>> {
    if (sharing === null || state === null) return done;
    const { line, isAnybodyIn } = sharing;
    if (!isAnybodyIn()) {
      // The next one to come begins with little, however much the last one had.
      state = home.begin(line);
      return tell(home.levelOf(line, state.rate));
    }
    const reading = await read(sharing);
    state = home.step(line, state, reading.ok ? reading.value : null, delayNow());
    const paced = await tell(home.levelOf(line, state.rate));
    return reading.ok ? paced : reading;
  }

  /** Once for each reason. */
  function complain(why: Fault | null): void {
    const said = why === null ? '' : text(why);
    if (said !== trouble && said !== '') log(`home: ${said}`);
    trouble = said;
  }

  function tick(): void {
    isTicking = sharing !== null;
    if (!isTicking) return;
    void inTurn(async () => {
      const looked = await look();
      complain(looked.ok ? null : looked.fault);
      clock.after(state?.isBusy === true ? period : pause, tick);
    });
  }

  return {
    keep: (wanted) =>
      inTurn(async () => {
        const before = sharing;
        sharing = wanted;
        if (wanted === null) {
          state = null;
          return done;
        }
        if (state === null || before === null || !isSame(before.line, wanted.line)) state = home.begin(wanted.line);
        // The sets may be new ones, with nothing in them.
        told = null;
        const paced = await tell(home.levelOf(wanted.line, state.rate));
        if (!isTicking) {
          isTicking = true;
          clock.after(period, tick);
        }
        return paced;
      }),
    strain(delay) {
      const now = clock.monotonic();
      if (heard !== null && now - heard.at < least) return fail('limit', '', `at most once in ${least} ms`);
      heard = { delay, at: now };
      return ok(sharing?.isAnybodyIn() === true && state?.isBusy === true);
    },
    rate: () => (sharing === null || told === null ? null : (home.ladder(sharing.line)[told - 1] ?? null)),
  };
}

const isSame = (a: Line, b: Line): boolean => a.link.up === b.link.up && a.link.down === b.link.down && a.headroom === b.headroom;
