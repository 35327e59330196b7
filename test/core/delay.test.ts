import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as delays from '../../agent/core/delay.ts';

/** A trip in each second; null: no answer. */
const cases: readonly Readonly<{ name: string; trips: readonly (number | null)[]; want: number | null }>[] = [
  { name: 'nothing yet', trips: [], want: null },
  { name: 'too few to tell', trips: [10, 10], want: null },
  { name: 'idle', trips: [10, 12, 11], want: 0 },
  { name: 'a queue', trips: [10, 12, 11, 40, 50, 60], want: 30 },
  { name: 'one that was late', trips: [10, 12, 11, 90, 12, 95], want: 2 },
  { name: 'one that was lost', trips: [10, 12, 11, 40, null, 50], want: 30 },
  { name: 'all lost: no line, no server, no queue', trips: [10, 12, null, null, null], want: null },
  { name: 'nobody ever answered', trips: [null, null, null], want: null },
];
const delay = suite('delay');
const after = (trips: readonly (number | null)[], begin = delays.none, from = 0): delays.Trips =>
  trips.reduce<delays.Trips>((all, trip, i) => delays.take(all, millis(from + 1000 * i), trip === null ? null : millis(trip)), begin);
for (const { name, trips, want } of cases) delay(name, () => assert.is(delays.of(after(trips)), want));
delay('the shortest is forgotten after ten minutes', () => {
  const begun = after([10, 10, 10]);
  assert.is(delays.of(after([30, 30, 30], begun, 599_000 - 2000)), 20);
  assert.is(delays.of(after([30, 30, 30], begun, 600_000)), 0);
  assert.is(delays.of(after([null], begun, 600_000)), null);
});
delay('no more is kept than a number for each of these minutes', () => {
  const long = after(Array.from({ length: 3600 }, (_, i) => 10 + (i % 7)));
  assert.equal([long.least.length, long.late.length], [10, 3]);
});
delay.run();
