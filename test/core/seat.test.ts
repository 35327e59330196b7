import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Pair, Quota } from '../../agent/core/seat.ts';
import * as seat from '../../agent/core/seat.ts';

const both = (up: bigint, down: bigint): Pair<ByteCount> => ({ up: up as ByteCount, down: down as ByteCount });
const shared = (bytes: bigint): Quota => ({ kind: 'shared', bytes: bytes as ByteCount });
const split = (up: bigint, down: bigint): Quota => ({ kind: 'split', ...both(up, down) });

const spent = suite('seat.isSpent');
for (const { name, quota, counted, want } of [
  { name: 'a byte left', quota: shared(100n), counted: both(40n, 59n), want: false },
  { name: 'none left', quota: shared(100n), counted: both(40n, 60n), want: true },
  { name: 'more than that', quota: shared(100n), counted: both(0n, 101n), want: true },
  { name: 'beyond what a number holds', quota: shared((1n << 60n) + 1n), counted: both(1n << 59n, 1n << 59n), want: false },
  { name: 'a byte left in each', quota: split(10n, 20n), counted: both(9n, 19n), want: false },
  { name: 'none left up', quota: split(10n, 20n), counted: both(10n, 0n), want: true },
  { name: 'none left down', quota: split(10n, 20n), counted: both(0n, 20n), want: true },
])
  spent(name, () => assert.is(seat.isSpent(quota, counted), want));
spent.run();
