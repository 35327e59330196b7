// The month's line bytes. What stands in the file is written ahead: more than is used, by at most a step. Whoever comes back after a power
// cut takes it all for used, and has never used more than that; whoever finds the same counters still running knows the exact figure.
// Knows no file and no clock; a month ends only by a clock that the caller trusts.

import type { ByteCount, Seconds } from './brand.ts';
import { fail, ok, type Result } from './result.ts';
import type { Generation } from './seat.ts';

/** Counters that only grow while their generation lasts, and begin with nothing. */
export type Reading = Readonly<{
  generation: Generation;
  /** What crossed the uplinks: the tunnel's packets, or everything where the household counts. */
  line: ByteCount;
  /** What the node's quota was charged: `line`, and what passed inside the tunnel, which crosses the line a second time. */
  node: ByteCount;
  /** Null: nobody has looked, as in a file. */
  missed: Missed | null;
}>;

/** What has crossed the line and is in neither figure, since the kernel counts merged packets as one. By how much it has grown is said only
 *  by the same witness. */
export type Missed = Readonly<{ by: string; bytes: bigint }>;

export type Ledger = Readonly<{
  /** The month as a number; null: no trusted clock was seen yet. */
  month: number | null;
  used: ByteCount;
  /** What the file says: never below `used`. */
  reserved: ByteCount;
  /** The day as a number, in UTC like the month, and where `used` stood when it began; null: no trusted clock was seen yet. In the file it
   *  is as old as the file. */
  today: Readonly<{ day: number; from: ByteCount }> | null;
  /** Up to where `used` counts. */
  last: Reading;
}>;

/** What was counted before there was a ledger is none of its business. */
export const begin = (last: Reading): Ledger => ({ month: null, used: none, reserved: none, today: null, last });

export function charge(l: Ledger, now: Reading, household: boolean): Ledger {
  const { last } = l;
  const isSame = now.generation === last.generation && now.line >= last.line && now.node >= last.node;
  // Where everything on the line counts, the second crossing is there already, and the quota was charged twice.
  const grown = isSame ? (household ? now.line - last.line : now.node - last.node) : now.line * (household ? 1n : 2n);
  // Nobody saw what counters that are no more counted at last.
  const before = isSame ? l.used : l.reserved;
  const seen = isSame ? last.missed : null;
  const missed = latest(seen, now.missed);
  const used = (before + grown + growth(seen, missed)) as ByteCount;
  // What may have been used weighs on the month; of a day it would be a tale.
  const today = l.today && { ...l.today, from: (l.today.from + before - l.used) as ByteCount };
  return { ...l, today, used, reserved: used > l.reserved ? used : l.reserved, last: { ...now, missed } };
}

/** Read one after the other while packets pass, it may seem to have become a little less. Much less is a counter that began anew. */
function latest(last: Missed | null, now: Missed | null): Missed | null {
  if (last === null || now === null || last.by !== now.by) return now;
  return now.bytes < last.bytes && last.bytes - now.bytes < much ? last : now;
}
const much = 1n << 28n;

const growth = (last: Missed | null, now: Missed | null): bigint =>
  last !== null && now?.by === last.by && now.bytes > last.bytes ? now.bytes - last.bytes : 0n;

/** IPv4 and TCP without options: the least that one of several packets had for itself, and was not counted. */
const header = 40n;
export const missedHeaders = (packets: bigint): Missed => ({ by: 'tunnel', bytes: header * packets });

const none = 0n as ByteCount;

/** `today`: by the wall clock, in UTC; null while it is not trusted. A month that seems to lie behind us begins nothing anew. */
export function turn(l: Ledger, today: Seconds | null, resetDay: number): Ledger {
  if (today === null) return l;
  const month = monthOf(today, resetDay);
  // What was used before the clock was right belongs to the month that it then says.
  return turnDay(l.month !== null && month > l.month ? reset({ ...l, month }) : { ...l, month: l.month ?? month }, today);
}

function turnDay(l: Ledger, today: Seconds): Ledger {
  const day = Math.floor(today / 86_400);
  return l.today?.day === day ? l : { ...l, today: { day, from: l.used } };
}

/** What was used of today, as far as anybody has seen it; null: nobody knows the day. */
export const usedToday = ({ used, today }: Ledger): ByteCount | null => (today === null ? null : ((used - today.from) as ByteCount));

/** A month is named after the one in which it began. */
function monthOf(today: Seconds, resetDay: number): number {
  const date = new Date(today * 1000);
  return date.getUTCFullYear() * 12 + date.getUTCMonth() - (date.getUTCDate() < resetDay ? 1 : 0);
}

/** By the owner, too. */
export const reset = (l: Ledger): Ledger => ({ ...l, used: none, reserved: none, today: l.today && { ...l.today, from: none } });

const uncapped = 1n << 39n;

/** Lasts until it is looked again: an eighth of a second at a gigabit, both crossings. */
const little = 16n << 20n;

/** A month of writing takes at most 128 of them, a day without a cap at a gigabit in both directions 80. */
export function stepOf(cap: ByteCount | null): bigint {
  if (cap === null) return uncapped;
  const least = cap / 8n < little ? cap / 8n : little;
  return cap / 64n > least ? cap / 64n : least;
}

/** Reserves anew when half a step is used. More: the file is written before the kernel hears of it. Less (the cap was lowered): after. */
export function reserve(l: Ledger, cap: ByteCount | null): Ledger {
  const step = stepOf(cap);
  const ahead = l.reserved - l.used;
  return ahead < step / 2n || ahead > step ? { ...l, reserved: (l.used + step) as ByteCount } : l;
}

/** Nothing will be used until `reserve`: the exact figure. */
export const settle = (l: Ledger): Ledger => ({ ...l, reserved: l.used });

export const isWritten = (file: Ledger, l: Ledger): boolean => file.reserved === l.reserved && file.month === l.month;

export const isSpent = ({ used }: Ledger, cap: ByteCount | null): boolean => cap !== null && used >= cap;

/** How much may pass until the file must be written again, or the month is spent. The kernel is told this: a quota of `last.node` and as
 *  much more, so that even with us dead it lets nothing pass that is not in the file. */
export function allowance({ used, reserved }: Ledger, cap: ByteCount | null): ByteCount {
  const end = cap !== null && cap < reserved ? cap : reserved;
  return (end > used ? end - used : 0n) as ByteCount;
}

/** Nothing will be given out behind it. */
export const isLast = ({ reserved }: Ledger, cap: ByteCount | null): boolean => cap !== null && reserved >= cap;

const head = 'weir ledger 1\n';

export const render = ({ month, used, reserved, today, last }: Ledger): string =>
  `${head}${today === null ? '' : `day ${today.day}\nfrom ${today.from}\n`}month ${month ?? '-'}\nused ${used}\nreserved ${reserved}\ngeneration ${last.generation}\nline ${last.line}\nnode ${last.node}\n`;

const lines =
  /^(?:day (\d{1,6})\nfrom (\d{1,19})\n)?month (-|\d{1,6})\nused (\d{1,19})\nreserved (\d{1,19})\ngeneration (\d{1,10})\nline (\d{1,19})\nnode (\d{1,19})\n$/;

/** Strict: a damaged ledger has to be the owner's matter, not a guess. */
export function parse(text: string): Result<Ledger> {
  if (!text.startsWith(head)) return fail('unsupported', 'ledger', 'not a ledger of version 1');
  const [, day, from, month, used, reserved, generation, line, node] = lines.exec(text.slice(head.length)) ?? [];
  if (month === undefined || used === undefined || reserved === undefined) return damaged();
  if (generation === undefined || line === undefined || node === undefined) return damaged();
  const bytes = (digits: string): ByteCount => BigInt(digits) as ByteCount;
  const ledger: Ledger = {
    month: month === '-' ? null : Number(month),
    used: bytes(used),
    reserved: bytes(reserved),
    today: day === undefined || from === undefined ? null : { day: Number(day), from: bytes(from) },
    last: { generation: Number(generation) as Generation, line: bytes(line), node: bytes(node), missed: null },
  };
  const isPossible = ledger.used <= ledger.reserved && (ledger.today?.from ?? none) <= ledger.used;
  return isPossible && render(ledger) === text ? ok(ledger) : damaged();
}

const damaged = (): Result<never> => fail('malformed', 'ledger', 'damaged');
