// What a node tells of itself, small: what holds is told when it changes, what goes up and down as the most of a span, what is counted as
// what came to it. Reports that cannot be sent are merged, never dropped: the span grows, and nothing that was counted is lost. Knows no
// clock and no bytes.

import type { Millis, Seconds } from './brand.ts';
import type { Group } from './settings.ts';

/** state: told when it changes. level: the most within the span. sum: counted; told is what came to it. */
export type Kind = 'state' | 'level' | 'sum';

type Field = Readonly<{ id: number; kind: Kind; group: Group; unit: string }>;
const field = (id: number, kind: Kind, group: Group, unit: string): Field => ({ id, kind, group, unit });

/** What each means is in docs/PROTOCOL.md. Numbers are for good: a field that goes leaves its number behind. */
export const fields = {
  version: field(1, 'state', 'system', 'text'),
  release: field(2, 'state', 'system', 'text'),
  kernel: field(3, 'state', 'system', 'text'),
  load: field(4, 'level', 'system', 'hundredths'),
  memory: field(5, 'level', 'system', 'thousandths'),
  temperature: field(6, 'level', 'system', '°C'),
  flash: field(7, 'level', 'system', 'thousandths'),
  boot: field(8, 'state', 'system', '0 to 2'),
  uplink: field(10, 'state', 'network', '0 or 1'),
  speed: field(11, 'state', 'network', 'Mbit/s'),
  latency: field(12, 'level', 'network', 'ms'),
  probes: field(13, 'sum', 'network', 'packets or connections'),
  lost: field(14, 'sum', 'network', 'packets or connections'),
  waiting: field(20, 'level', 'sharing', 'sessions'),
  open: field(21, 'level', 'sharing', 'sessions'),
  throttled: field(22, 'level', 'sharing', 'sessions'),
  draining: field(23, 'level', 'sharing', 'sessions'),
  paused: field(24, 'level', 'sharing', 'sessions'),
  up: field(25, 'sum', 'sharing', 'bytes'),
  down: field(26, 'sum', 'sharing', 'bytes'),
  left: field(27, 'state', 'sharing', 'MiB'),
  month: field(28, 'state', 'sharing', 'MiB'),
  refused: field(29, 'sum', 'sharing', 'packets'),
  spent: field(30, 'sum', 'sharing', 'packets'),
  clock: field(40, 'state', 'health', '0 to 2'),
  writes: field(41, 'sum', 'health', 'writes'),
  written: field(42, 'sum', 'health', 'bytes'),
  gap: field(43, 'sum', 'health', 'bytes'),
  troubles: field(44, 'state', 'health', 'faults'),
  ledger: field(45, 'sum', 'health', 'writes'),
} as const satisfies Record<string, Field>;
export type Name = keyof typeof fields;
const names = Object.keys(fields) as readonly Name[];

export type Value = number | string;
/** What was found; what is not known is not in it. */
export type Sample = Readonly<Partial<Record<Name, Value>>>;

export type Report = Readonly<{
  /** Powered-on time at its end. */
  at: Seconds;
  span: Seconds;
  /** Nothing before it has to be known. */
  isWhole: boolean;
  values: Sample;
}>;

/** `last`: the sample before, for what has changed and what came to it. */
export type Teller = Readonly<{ last: Sample; at: Seconds; isNew: boolean }>;
/** What the agent counts begins with it. What others count was told by the one before, as far as it had come. */
const own: Sample = { probes: 0, lost: 0, up: 0, down: 0, writes: 0, written: 0, gap: 0 };
export const begin = (at: Seconds): Teller => ({ last: own, at, isNew: true });

type Told = readonly (readonly [Name, Value])[];

/** What is told of a value, by its kind: null when nothing is. */
const news: Readonly<Record<Kind, (value: Value, before: Value | undefined, isNew: boolean) => Value | null>> = {
  state: (value, before, isNew) => (isNew || value !== before ? value : null),
  level: (value) => value,
  sum(value, before) {
    const [is, was] = [Number(value), Number(before ?? value)];
    // A smaller count has begun anew.
    const came = is >= was ? is - was : is;
    return came === 0 ? null : came;
  },
};

/** `without`: groups that the owner keeps to himself. */
export function tell(t: Teller, sample: Sample, at: Seconds, without: readonly Group[]): Readonly<{ teller: Teller; report: Report }> {
  const told = names.flatMap((name): Told => {
    const { kind, group } = fields[name];
    const value = sample[name];
    if (value === undefined || without.includes(group)) return [];
    const its = news[kind](value, t.last[name], t.isNew);
    return its === null ? [] : [[name, its]];
  });
  const report = { at, span: (at - t.at) as Seconds, isWhole: t.isNew, values: Object.fromEntries(told) };
  return { teller: { last: { ...t.last, ...sample }, at, isNew: false }, report };
}

const together: Readonly<Record<Kind, (first: Value, second: Value) => Value>> = {
  state: (_, second) => second,
  level: (first, second) => Math.max(Number(first), Number(second)),
  sum: (first, second) => Number(first) + Number(second),
};

/** Two reports that follow one another as the one that both would have been. */
export function merge(first: Report, second: Report): Report {
  const values = names.flatMap((name): Told => {
    const [a, b] = [first.values[name], second.values[name]];
    if (a === undefined) return b === undefined ? [] : [[name, b]];
    return [[name, b === undefined ? a : together[fields[name].kind](a, b)]];
  });
  const span = (first.span + second.span) as Seconds;
  return { at: second.at, span, isWhole: first.isWhole, values: Object.fromEntries(values) };
}

// ── What waits for a broker ──────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Oldest first. */
export type Backlog = readonly Report[];
/** An hour by the minute is fine; two weeks take hours each. */
export const most = 60;

/** Of the older half, the two neighbours that together span the least become one: the past fades, and its sums stay. */
export function add(backlog: Backlog, report: Report): Backlog {
  let all: Backlog = [...backlog, report];
  // One that could not be sent has come back.
  while (all.length > most) all = fade(all);
  return all;
}

function fade(all: Backlog): Backlog {
  let [least, at] = [Number.POSITIVE_INFINITY, 0];
  for (let i = 0; i < most / 2; i++) {
    const span = (all[i]?.span ?? 0) + (all[i + 1]?.span ?? 0);
    if (span < least) [least, at] = [span, i];
  }
  const [one, other] = [all[at], all[at + 1]];
  if (one === undefined || other === undefined) throw new Error('telemetry: a backlog without neighbours');
  return [...all.slice(0, at), merge(one, other), ...all.slice(at + 2)];
}

/** For the owner. `last`: the very bytes, and when they left. `waiting`: reports, that together span so long. */
export type Shown = Readonly<{ last: Readonly<{ bytes: Uint8Array; at: Millis }> | null; waiting: number; span: Seconds }>;
