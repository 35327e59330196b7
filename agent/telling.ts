// Tells the broker how this node does: looks around once in a while, and keeps what cannot be sent, merged where it gets too much. Of the
// loop's kind: it acts through ports alone.

import { millis, type Seconds, seconds } from './core/brand.ts';
import type { Result } from './core/result.ts';
import type { Telling } from './core/settings.ts';
import { groups } from './core/settings.ts';
import type { Backlog, Report, Sample, Shown } from './core/telemetry.ts';
import * as telemetry from './core/telemetry.ts';
import type { Clock } from './ports/host.ts';

export type World = Readonly<{
  clock: Pick<Clock, 'monotonic' | 'after'>;
  /** From 0 to 1. */
  luck(): number;
  look(): Promise<Sample>;
  encode(report: Report): Uint8Array;
  /** Not done: nobody knows whether it arrived. */
  publish(bytes: Uint8Array): Promise<Result<void>>;
}>;
export type Teller = Readonly<{
  /** From now on so; without anything to tell, nothing is looked at. */
  tell(telling: Telling): void;
  told(): Shown;
}>;

/** Between two of a backlog: what else is sent goes first. */
const pace = millis(2000);

export function open({ clock, luck, look, encode, publish }: World): Teller {
  let telling: Telling | null = null;
  let state = telemetry.begin(now());
  let backlog: Backlog = [];
  let isSending = false;
  let last: Shown['last'] = null;
  let turns = 0;

  function now(): Seconds {
    return seconds(Math.floor(clock.monotonic() / 1000));
  }

  /** A tenth more or less, so that a fleet does not speak in chorus. */
  function later(mine: number, { period }: Telling): void {
    clock.after(millis(Math.floor(1000 * period * (0.9 + 0.2 * luck()))), () => void turn(mine));
  }

  async function turn(mine: number): Promise<void> {
    if (telling === null || mine !== turns) return;
    const sample = await look();
    const { teller, report } = telemetry.tell(state, sample, now(), telling.without);
    state = teller;
    backlog = telemetry.add(backlog, report);
    later(mine, telling);
    if (!isSending) await send();
  }

  /** The oldest first. While it is under way nothing is merged with it. */
  async function send(): Promise<void> {
    const [oldest, ...others] = backlog;
    isSending = oldest !== undefined;
    if (oldest === undefined) return;
    backlog = others;
    const bytes = encode(oldest);
    const sent = await publish(bytes);
    if (sent.ok) last = { bytes, at: clock.monotonic() };
    else backlog = [oldest, ...backlog];
    isSending = sent.ok && backlog.length > 0;
    if (isSending) clock.after(pace, () => void send());
  }

  return {
    tell(wanted) {
      turns += 1;
      const isSilent = groups.every((group) => wanted.without.includes(group));
      telling = isSilent ? null : wanted;
      if (!isSilent) later(turns, wanted);
    },
    told: () => ({ last, waiting: backlog.length, span: seconds(backlog.reduce((sum, { span }) => sum + span, 0)) }),
  };
}
