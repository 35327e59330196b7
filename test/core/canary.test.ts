import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Reading, Way } from '../../agent/core/canary.ts';
import * as canary from '../../agent/core/canary.ts';
import * as ip from '../../agent/core/ip.ts';
import * as pools from '../../agent/core/pool.ts';
import type { Pair } from '../../agent/core/seat.ts';

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const pair = (up: number, down: number): Pair<ByteCount> => ({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount });
const reading = (counted: Pair<ByteCount>, carried: Pair<ByteCount>, node: number | null): Reading => ({
  counted,
  carried,
  node: node === null ? null : (BigInt(node) as ByteCount),
});
const before = reading(pair(36, 36), pair(216, 68), 1000);

const unmoved = suite('canary.unmoved');
const cases: readonly { name: string; way: Way; now: Reading; want: string | null }[] = [
  { name: 'up', way: 'up', now: reading(pair(92, 36), pair(312, 68), 1056), want: null },
  { name: 'down, among guests', way: 'down', now: reading(pair(36, 92), pair(216, 164), 9000), want: null },
  { name: 'a tunnel that takes nothing', way: 'up', now: before, want: 'canary.tunnel' },
  { name: 'taken before it is counted, up', way: 'up', now: reading(pair(36, 92), pair(312, 164), 1056), want: 'canary.up6' },
  { name: 'taken before it is counted, down', way: 'down', now: reading(pair(92, 36), pair(312, 68), 1056), want: 'canary.down6' },
  { name: 'counted without a tunnel', way: 'down', now: reading(pair(36, 92), pair(216, 100), 1056), want: 'canary.tunnel' },
  { name: 'not charged', way: 'up', now: reading(pair(92, 36), pair(312, 68), 1055), want: 'canary.node' },
  { name: 'nothing to charge', way: 'up', now: reading(pair(92, 36), pair(312, 68), null), want: 'canary.node' },
];
for (const c of cases) unmoved(c.name, () => assert.is(canary.unmoved(c.way, 6, before, c.now)?.path ?? null, c.want));
unmoved.run();

const quota = suite("the canary's quota");
const most = Number(canary.terms.quota.kind === 'shared' ? canary.terms.quota.bytes : 0n);
const at = (counted: Pair<ByteCount>, up: number): Reading => reading(counted, pair(up, 0), 0);
quota('is proven by more than it', () => {
  assert.is(canary.unheard(at(pair(0, 0), 7), at(pair(0, 0), 7 + most))?.path, 'canary.tunnel');
  assert.is(canary.unheard(at(pair(0, 0), 7), at(pair(0, 0), 8 + most)), null);
});
quota('holds to the byte', () => {
  assert.is(canary.overdrawn(at(pair(most - 36, 36), 0)), null);
  assert.is(canary.overdrawn(at(pair(most - 36, 37), 0))?.path, 'canary.quota');
});
quota.run();

const place = suite("the canary's address");
for (const [four, six] of [
  ['10.213.0.0/22', 'fd00:64::/64'],
  ['10.0.0.0/8', 'fd00:64::/120'],
] as const)
  place(`of ${four} and ${six} is in both, and nobody's`, () => {
    const pool = pools.parse(prefix(four), prefix(six), 20);
    assert.ok(pool.ok);
    const own = pools.addresses(pool.value, canary.slotOf(pool.value));
    const router = pools.router(pool.value);
    for (const [address, inside, other] of [
      [own.four, pool.value.four, router.four],
      [own.six, pool.value.six, router.six],
    ] as const) {
      assert.is(pools.slotOf(pool.value, address), null);
      assert.not.equal(address, other);
      const { first, last } = ip.bounds(inside);
      assert.ok(ip.numberOf(address) >= first && ip.numberOf(address) <= last);
    }
  });
place.run();
