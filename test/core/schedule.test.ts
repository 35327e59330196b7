import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import * as schedule from '../../agent/core/schedule.ts';

const day = 1440;
const at = (d: number, h: number, m = 0): number => d * day + h * 60 + m;

const opens: readonly Readonly<{ text: string; open: readonly number[]; closed: readonly number[] }>[] = [
  { text: 'mon 08:00-09:00', open: [at(0, 8), at(0, 8, 59)], closed: [at(0, 7, 59), at(0, 9), at(1, 8)] },
  { text: 'mon-fri 22:00-06:00', open: [at(0, 22), at(1, 5, 59), at(5, 5, 59)], closed: [at(0, 5), at(1, 6), at(5, 22)] },
  { text: 'sun 22:00-06:00', open: [at(6, 22), at(0, 5, 59), at(6, 23, 59), at(0, 0)], closed: [at(0, 6), at(6, 21, 59)] },
  { text: 'sat-mon 10:00-11:00', open: [at(5, 10), at(6, 10), at(0, 10)], closed: [at(1, 10), at(4, 10)] },
  { text: 'mon-sun 00:00-24:00', open: [0, at(3, 12), at(6, 23, 59)], closed: [] },
  { text: 'sun 00:00-24:00', open: [at(6, 0), at(6, 23, 59)], closed: [at(0, 0), at(5, 23, 59)] },
  { text: 'wed 06:00-06:00', open: [at(2, 6), at(3, 5, 59)], closed: [at(2, 5, 59), at(3, 6)] },
];
const spans = suite('schedule: spans');
for (const { text, open, closed } of opens)
  spans(text, () => {
    const parsed = schedule.parse(text);
    if (!parsed.ok) throw new Error(parsed.fault.reason);
    for (const minute of open) assert.ok(schedule.isOpen(parsed.value, minute, false), `open at ${minute}`);
    for (const minute of closed) assert.not.ok(schedule.isOpen(parsed.value, minute, true), `closed at ${minute}`);
  });
for (const text of [
  '',
  'mon',
  'monday 08:00-09:00',
  'mo 08:00-09:00',
  'xyz 08:00-09:00',
  'mon 8:00-9:00',
  'mon 08:60-09:00',
  'mon 24:00-01:00',
  'mon 08:00-24:01',
  'mon 08:00-25:00',
  'mon-fri,sun 08:00-09:00',
  ' mon 08:00-09:00',
])
  spans(`refuses "${text}"`, () => {
    const parsed = schedule.parse(text);
    assert.is(!parsed.ok && parsed.fault.code, 'malformed');
  });
spans('no clock: closed, unless the owner says otherwise', () => {
  const always = schedule.parse('mon-sun 00:00-24:00');
  assert.is(always.ok && schedule.isOpen(always.value, null, false), false);
  assert.is(always.ok && schedule.isOpen(always.value, null, true), true);
});
spans('no span: always open, clock or not', () => assert.ok(schedule.isOpen([], null, false)));
spans.run();

const minutes = suite('schedule: minutes of the week');
const cases: readonly Readonly<{ name: string; wall: number; offset: number; want: number }>[] = [
  { name: '1970 began on a Thursday', wall: 0, offset: 0, want: at(3, 0) },
  { name: 'the first Monday', wall: 4 * 86_400, offset: 0, want: 0 },
  { name: 'a minute before', wall: 4 * 86_400 - 1, offset: 0, want: at(6, 23, 59) },
  { name: 'Friday noon, 2026-11-20', wall: 1_795_176_000, offset: 0, want: at(4, 12) },
  { name: 'in New York', wall: 1_795_176_000, offset: -5 * 3600, want: at(4, 7) },
  { name: 'in Auckland', wall: 1_795_176_000, offset: 13 * 3600, want: at(5, 1) },
  { name: 'before 1970, in the west', wall: 0, offset: -4 * 86_400, want: at(6, 0) },
];
for (const c of cases) minutes(c.name, () => assert.is(schedule.minuteOf(seconds(c.wall), seconds(c.offset)), c.want));
minutes.run();
