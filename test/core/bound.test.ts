import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bound } from '../../agent/core/bound.ts';
import * as bounds from '../../agent/core/bound.ts';
import type { Pair } from '../../agent/core/seat.ts';

const both = (up: bigint, down: bigint): Pair<bigint> => ({ up, down });
const rows: readonly Readonly<{
  name: string;
  rate: Pair<bigint>;
  throttle?: Pair<bigint>;
  by: Bound['rate'];
  want: Readonly<{ rate: Pair<bigint>; throttle: Pair<bigint> | null }>;
}>[] = [
  { name: 'nothing is said', rate: both(9n, 9n), by: null, want: { rate: both(9n, 9n), throttle: null } },
  { name: 'less, each way by itself', rate: both(9n, 4n), by: both(5n, 5n), want: { rate: both(5n, 4n), throttle: null } },
  { name: 'never more', rate: both(3n, 4n), by: both(5n, 5n), want: { rate: both(3n, 4n), throttle: null } },
  {
    name: 'what follows the quota, too',
    rate: both(9n, 9n),
    throttle: both(8n, 2n),
    by: both(5n, 5n),
    want: { rate: both(5n, 5n), throttle: both(5n, 2n) },
  },
];
const slowed = suite('bound: slowed');
for (const { name, rate, throttle = null, by, want } of rows)
  slowed(name, () => assert.equal(bounds.slowed({ rate, throttle }, { ...bounds.free, rate: by }), want));
slowed.run();
