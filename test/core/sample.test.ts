import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Counted } from '../../agent/core/sample.ts';
import * as sample from '../../agent/core/sample.ts';
import type { Pair } from '../../agent/core/seat.ts';
import * as serving from '../../agent/core/serving.ts';
import type { GrantId, SessionId } from '../../agent/core/signed.ts';
import * as story from '../wire/story.ts';

const both = (up: number, down: number): Pair<ByteCount> => ({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount });
const of = (name: string, up: number, down: number, gap: number | null = null): Counted => ({
  session: name as SessionId,
  counted: both(up, down),
  gap: gap === null ? null : both(gap, 0),
});

const sums = suite('sums');
const rows: readonly (readonly [what: string, looks: readonly (readonly Counted[])[], up: bigint, down: bigint, gap: bigint])[] = [
  ['what passed before the first look is not told', [[of('a', 100, 1000, 5)]], 0n, 0n, 0n],
  ['what has grown is', [[of('a', 100, 1000)], [of('a', 130, 1900, 7)]], 30n, 900n, 7n],
  ['of a newcomer all is', [[], [of('a', 30, 900)]], 30n, 900n, 0n],
  ['who goes takes nothing along', [[of('a', 5, 5)], [of('a', 30, 900), of('b', 1, 1)], [of('b', 2, 2)]], 27n, 897n, 0n],
  ['a smaller figure adds nothing', [[of('a', 100, 100, 9)], [of('a', 50, 100, 3)], [of('a', 60, 100, 3)]], 10n, 0n, 0n],
];
for (const [what, looks, up, down, gap] of rows)
  sums(what, () => {
    const passed = looks.reduce<sample.Passed | null>((before, now) => sample.pass(before, now), null);
    assert.equal(passed?.sums, { up, down, gap });
  });
sums.run();

const looks = suite('looks');
const begun = serving.begin(
  's' as GrantId,
  { name: null, root: null },
  story.first,
  { session: story.session, sequence: 0, digest: story.anchor },
  millis(0),
);
const passed = sample.pass(sample.pass(null, []), [of('a', 3, 4, 5)]);
looks('nobody is there', () =>
  assert.equal(sample.sampleOf([], passed), { waiting: 0, open: 0, throttled: 0, draining: 0, paused: 0, up: 3, down: 4, gap: 5, left: 0 }),
);
looks('sessions by their state, and what those that are open may still use', () => {
  const place = { slot: 2, generation: 1, left: 0 } as unknown as serving.Place;
  const used = { ...begun, seen: { ...begun.seen, counted: both(1 << 20, 2 << 20) } };
  const sessions: serving.Session[] = [
    begun,
    { ...used, kind: 'open', place },
    { ...used, kind: 'throttled', place, grant: { ...story.first, quota: { kind: 'split', ...both(9 << 20, 3 << 20) } } },
    { ...used, kind: 'paused', why: 'spent', place: null },
    { ...used, kind: 'draining', why: 'owner', stage: 'stopped', place: null },
    { ...used, kind: 'closed', why: 'owner' },
  ];
  const { waiting, open, throttled, draining, paused, left } = sample.sampleOf(sessions, passed);
  assert.equal([waiting, open, throttled, draining, paused], [1, 1, 1, 1, 1]);
  assert.is(left, Number((1_000_000_000n - BigInt(3 << 20) + BigInt((12 - 3) << 20)) >> 20n));
});
looks.run();
