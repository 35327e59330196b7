// The router's time zone: the POSIX TZ string that OpenWrt keeps in system.@system[0].timezone ("CET-1CEST,M3.5.0,M10.5.0/3") → how far its
// clocks are east of UTC at a moment. Knows no clock and no list of zones; the rules are all in the text (POSIX.1 8.3, RFC 8536 3.3.1).

import { type Seconds, seconds } from './brand.ts';
import { fail, ok, type Result } from './result.ts';
import type { Section } from './settings.ts';

/** julian: 1 to 365, the 29th of February is not counted; plain: 0 to 365; weekly: the n-th such day of a month, 5 for the last. */
type Day = Readonly<{ kind: 'julian' | 'plain'; day: number }> | Readonly<{ kind: 'weekly'; month: number; week: number; weekday: number }>;
/** `at`: seconds from the midnight that begins the day, by the clocks as they went until then. */
type Change = Readonly<{ day: Day; at: number }>;
/** Offsets are east of UTC. `summer` null: the same all year. */
export type Zone = Readonly<{ standard: Seconds; summer: Readonly<{ offset: Seconds; begins: Change; ends: Change }> | null }>;

export const utc: Zone = { standard: seconds(0), summer: null };

const name = '(?:[A-Za-z]{3,}|<[A-Za-z0-9+-]{3,}>)';
const time = '[+-]?\\d{1,3}(?::\\d\\d){0,2}';
const day = 'J\\d{1,3}|\\d{1,3}|M\\d{1,2}\\.\\d\\.\\d';
const change = `(${day})(?:/(${time}))?`;
const format = new RegExp(`^${name}(${time})(?:${name}(${time})?,${change},${change})?$`);

/** Of the config `system`. OpenWrt without a zone runs on UTC. */
export function parseSystem(sections: readonly Section[]): Result<Zone> {
  const text = sections.find(({ type }) => type === 'system')?.options.get('timezone');
  if (text === undefined || text === 'UTC') return ok(utc);
  const zone = typeof text === 'string' ? parse(text) : null;
  return zone === null ? fail('malformed', 'system.timezone', 'expected such as CET-1CEST,M3.5.0,M10.5.0/3') : ok(zone);
}

/** null: not in the format, or a summer time without rules, which every system guesses differently. */
export function parse(text: string): Zone | null {
  const [, west, summerWest, beginDay, beginTime, endDay, endTime] = format.exec(text) ?? [];
  const standard = west === undefined ? null : parseTime(west, 24);
  if (standard === null) return null;
  if (beginDay === undefined || endDay === undefined) return { standard: east(standard), summer: null };
  const offset = summerWest === undefined ? standard - 3600 : parseTime(summerWest, 24);
  const [begins, ends] = [parseChange(beginDay, beginTime), parseChange(endDay, endTime)];
  if (offset === null || begins === null || ends === null) return null;
  return { standard: east(standard), summer: { offset: east(offset), begins, ends } };
}

// POSIX counts to the west. Not `-n`: that has two zeros.
const east = (west: number): Seconds => seconds(0 - west);

function parseTime(text: string, most: number): number | null {
  const [hours = 0, minutes = 0, secs = 0] = text.replace(/^[+-]/, '').split(':').map(Number);
  if (hours > most || minutes > 59 || secs > 59) return null;
  const all = 3600 * hours + 60 * minutes + secs;
  return text.startsWith('-') ? 0 - all : all;
}

function parseChange(text: string, clock = '2'): Change | null {
  // A week and a day at most, for rules such as "the Sunday after the fourth Thursday" (RFC 8536 3.3.1).
  const [at, on] = [parseTime(clock, 167), parseDay(text)];
  return at === null || on === null ? null : { day: on, at };
}

function parseDay(text: string): Day | null {
  const [first = 0, second = 0, third = 0] = text.replace(/^[JM]/, '').split('.').map(Number);
  if (text.startsWith('J')) return first >= 1 && first <= 365 ? { kind: 'julian', day: first } : null;
  if (!text.startsWith('M')) return first <= 365 ? { kind: 'plain', day: first } : null;
  const isDay = first >= 1 && first <= 12 && second >= 1 && second <= 5 && third <= 6;
  return isDay ? { kind: 'weekly', month: first, week: second, weekday: third } : null;
}

export function offsetAt({ standard, summer }: Zone, wall: Seconds): Seconds {
  if (summer === null) return standard;
  const year = new Date((wall + standard) * 1000).getUTCFullYear();
  const begins = momentOf(summer.begins, year) - standard;
  const ends = momentOf(summer.ends, year) - summer.offset;
  // South of the equator the year begins and ends in summer.
  const isSummer = begins < ends ? wall >= begins && wall < ends : wall >= begins || wall < ends;
  return isSummer ? summer.offset : standard;
}

/** Seconds since 1970, by the clocks of the place. */
const momentOf = ({ day: on, at }: Change, year: number): number => dateOf(on, year) / 1000 + at;

function dateOf(on: Day, year: number): number {
  if (on.kind === 'weekly') {
    const first = 1 + ((on.weekday - new Date(Date.UTC(year, on.month - 1, 1)).getUTCDay() + 7) % 7);
    const days = new Date(Date.UTC(year, on.month, 0)).getUTCDate();
    const nth = first + 7 * (on.week - 1);
    return Date.UTC(year, on.month - 1, nth > days ? nth - 7 : nth);
  }
  if (on.kind === 'plain') return Date.UTC(year, 0, 1 + on.day);
  const isLeap = new Date(Date.UTC(year, 1, 29)).getUTCMonth() === 1;
  return Date.UTC(year, 0, on.day + (isLeap && on.day > 59 ? 1 : 0));
}
