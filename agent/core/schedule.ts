// When the owner shares: spans of the week such as "mon-fri 22:00-06:00". A clock that is not trusted counts as closed, unless the owner
// says otherwise. Knows no clock and no time zone; the minute of the week is the caller's.

import type { Seconds } from './brand.ts';
import { fail, ok, type Result } from './result.ts';

/** Minutes from Monday 00:00; `last` is below `first` where a span crosses the end of the week. */
export type Span = Readonly<{ first: number; last: number }>;

const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'];
const day = 24 * 60;
const week = 7 * day;

/** "mon-fri 22:00-06:00", "sun 00:00-24:00": a span that ends at or before its beginning ends on the next day. */
export function parse(text: string): Result<readonly Span[]> {
  const want = 'expected such as mon-fri 22:00-06:00';
  const found = /^(\w{3})(?:-(\w{3}))? (\d\d):(\d\d)-(\d\d):(\d\d)$/.exec(text);
  if (found === null) return fail('malformed', '', want);
  const [, from = '', to = from, ...clock] = found;
  const [h1 = 0, m1 = 0, h2 = 0, m2 = 0] = clock.map(Number);
  const [start, end] = [days.indexOf(from), days.indexOf(to)];
  const [opens, closes] = [60 * h1 + m1, 60 * h2 + m2];
  if (start < 0 || end < 0 || m1 > 59 || m2 > 59 || opens >= day || closes > day) return fail('malformed', '', want);
  const count = ((end - start + 7) % 7) + 1;
  const length = closes > opens ? closes - opens : closes + day - opens;
  return ok(
    Array.from({ length: count }, (_, i) => {
      const first = ((start + i) % 7) * day + opens;
      return { first, last: (first + length) % week };
    }),
  );
}

/** `offset`: of the router's zone at that moment, east of UTC. */
export function minuteOf(wall: Seconds, offset: Seconds): number {
  // 1970 began on a Thursday.
  const minutes = Math.floor((wall + offset) / 60) + 3 * day;
  return ((minutes % week) + week) % week;
}

/** `minute` null: the clock is not trusted. No span at all: always open. */
export function isOpen(spans: readonly Span[], minute: number | null, whenUnknown: boolean): boolean {
  if (spans.length === 0) return true;
  if (minute === null) return whenUnknown;
  return spans.some(({ first, last }) => (first < last ? minute >= first && minute < last : minute >= first || minute < last));
}
