// What passed while rules were gone is charged to the quota and billed to nobody.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Generation, Pair, PeerKey, Quota, Seat, Slot, Terms } from '../../agent/core/seat.ts';
import * as seating from '../../agent/wire/seating.ts';

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const pool = { four: prefix('10.213.0.0/24'), six: prefix('fd00::/64'), slots: 253 };
const pair = (up: bigint, down: bigint): Pair<ByteCount> => ({ up: up as ByteCount, down: down as ByteCount });

const gaps = suite('a seat with a gap');
const cases: readonly { name: string; quota: Quota; want: readonly (readonly [string, bigint])[] }[] = [
  {
    name: 'shared',
    quota: { kind: 'shared', bytes: 1000n as ByteCount },
    want: [
      ['s1_00000007_cd', 20n],
      ['s1_00000007_cu', 10n],
      ['s1_00000007_q', 33n],
    ],
  },
  {
    name: 'split',
    quota: { kind: 'split', ...pair(500n, 500n) },
    want: [
      ['s1_00000007_cd', 20n],
      ['s1_00000007_cu', 10n],
      ['s1_00000007_qd', 22n],
      ['s1_00000007_qu', 11n],
    ],
  },
];
for (const { name, quota, want } of cases)
  gaps(name, () => {
    const terms = { quota, rate: { up: 1n, down: 1n }, spent: null, egress: { kind: 'internet' } } as unknown as Terms;
    const used = pair(10n, 20n);
    const seat: Seat = { key: 'K' as PeerKey, slot: 1 as Slot, terms, used, gap: pair(1n, 2n), ends: millis(0) };
    const objects = seating
      .changesFor({ kind: 'seat', seat, left: millis(1000) }, pool, 7 as Generation)
      .flatMap((c) => (c.kind === 'add-object' ? [[c.name, c.content] as const] : []));
    const amounts = objects.flatMap(([object, c]): [string, bigint][] =>
      c.kind === 'counter' ? [[object, c.bytes]] : c.kind === 'quota' ? [[object, c.used]] : [],
    );
    assert.equal(
      amounts.toSorted(([a], [b]) => (a < b ? -1 : 1)),
      want,
    );
  });
gaps.run();
