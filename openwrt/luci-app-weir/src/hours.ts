// The owner's hours ↔ a week of whole hours, Monday first. Knows no page.

import * as schedule from '../../../agent/core/schedule.ts';

export const days = ['mon', 'tue', 'wed', 'thu', 'fri', 'sat', 'sun'] as const;
/** 168 hours. */
export type Week = readonly boolean[];

/** null: they do not begin and end with the hour. */
export function weekOf(texts: readonly string[]): Week | null {
  const week = Array.from({ length: 168 }, () => false);
  for (const text of texts) {
    const spans = schedule.parse(text);
    if (!spans.ok) return null;
    for (const { first, last } of spans.value) {
      if (first % 60 !== 0 || last % 60 !== 0) return null;
      const end = last > first ? last : last + 168 * 60;
      for (let at = first; at < end; at += 60) week[(at / 60) % 168] = true;
    }
  }
  return week;
}

const clock = (hour: number): string => `${hour}`.padStart(2, '0').concat(':00');

/** Days that have the same hours, one after the other, share a line. */
export function textsOf(week: Week): readonly string[] {
  const spansOf = (day: number): readonly string[] => {
    const spans: string[] = [];
    for (let hour = 0; hour < 24; hour++) {
      if (week[24 * day + hour] !== true || (hour > 0 && week[24 * day + hour - 1] === true)) continue;
      let end = hour;
      while (end < 24 && week[24 * day + end] === true) end++;
      spans.push(`${clock(hour)}-${clock(end)}`);
    }
    return spans;
  };
  const texts: string[] = [];
  for (let first = 0; first < 7; ) {
    const spans = spansOf(first);
    let last = first;
    while (last < 6 && spansOf(last + 1).join() === spans.join()) last++;
    const named = first === last ? days[first] : `${days[first]}-${days[last]}`;
    texts.push(...spans.map((span) => `${named} ${span}`));
    first = last + 1;
  }
  return texts;
}
