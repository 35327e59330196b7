import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Known } from '../../agent/core/known.ts';
import * as knowns from '../../agent/core/known.ts';
import * as pools from '../../agent/core/pool.ts';
import * as reconcile from '../../agent/core/reconcile.ts';
import type { ByteRate, Generation, Held, Kernel, Pair, PeerKey, Seat, Slot, Terms } from '../../agent/core/seat.ts';

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const pool = { four: prefix('10.213.0.0/24'), six: prefix('fd00::/64'), slots: 253 };
const pair = <T>(n: bigint): Pair<T> => ({ up: n as T, down: n as T });
const terms: Terms = {
  quota: { kind: 'shared', bytes: 1000n as ByteCount },
  rate: pair<ByteRate>(5n),
  spent: null,
  egress: { kind: 'internet' },
};
const [a, b] = ['A' as PeerKey, 'B' as PeerKey];
const now = millis(1000);
const held = (slot: number, key: PeerKey | null, more: Partial<Held> = {}): Held => ({
  key,
  slot: slot as Slot,
  generation: slot as Generation,
  terms,
  counted: pair<ByteCount>(7n),
  packets: pair<bigint>(3n),
  left: millis(5000),
  ...more,
});
const kernel = (...all: readonly Held[]): Kernel => ({ held: new Map(all.map((h) => [h.slot, h])), strays: [] });
const metered = (...all: readonly Held[]) =>
  new Map(all.map(({ slot, generation, counted, packets }) => [slot, { generation, counted, packets }]));
const peer = (slot: number, key: PeerKey) => {
  const { four, six } = pools.addresses(pool, slot as Slot);
  return { key, allowed: [four, six].map((address): ip.Prefix => ({ address, length: 8 * address.length })) };
};

const meet = suite('meet');
const one: Known = knowns.begin(kernel(held(1, a)), now);
const cases: readonly { name: string; metered: readonly Held[]; peers: readonly ReturnType<typeof peer>[]; want: Kernel | null }[] = [
  { name: 'as it was', metered: [held(1, a)], peers: [peer(1, a)], want: kernel(held(1, a)) },
  {
    name: 'new counters',
    metered: [held(1, a, { counted: pair<ByteCount>(9n), packets: pair<bigint>(5n) })],
    peers: [peer(1, a)],
    want: kernel(held(1, a, { counted: pair<ByteCount>(9n), packets: pair<bigint>(5n) })),
  },
  { name: 'rules are missing', metered: [], peers: [peer(1, a)], want: null },
  { name: 'rules of another generation', metered: [held(1, a, { generation: 9 as Generation })], peers: [peer(1, a)], want: null },
  { name: 'rules that nobody made', metered: [held(1, a), held(2, null)], peers: [peer(1, a)], want: null },
  { name: 'a peer is missing', metered: [held(1, a)], peers: [], want: null },
  { name: 'another peer', metered: [held(1, a)], peers: [peer(1, b)], want: null },
  { name: 'one peer too many', metered: [held(1, a)], peers: [peer(1, a), peer(2, b)], want: null },
  { name: 'a peer of another slot', metered: [held(1, a)], peers: [peer(2, a)], want: null },
  {
    name: 'a peer with an address more',
    metered: [held(1, a)],
    peers: [{ key: a, allowed: [...peer(1, a).allowed, prefix('192.168.1.0/24')] }],
    want: null,
  },
  { name: 'a peer with an address less', metered: [held(1, a)], peers: [{ key: a, allowed: peer(1, a).allowed.slice(1) }], want: null },
];
for (const c of cases) meet(c.name, () => assert.equal(knowns.meet(one, metered(...c.metered), c.peers, pool, now), c.want));
meet('time passes', () => {
  const left = (at: number) => knowns.meet(one, metered(held(1, a)), [peer(1, a)], pool, millis(at))?.held.get(1 as Slot)?.left;
  assert.equal([left(1000), left(4000), left(9000)], [5000, 2000, 0]);
});
meet.run();

const after = suite('after');
after('any plan leads to what was wanted', () => {
  const seat = (slot: number, key: PeerKey, more: Partial<Terms> = {}): Seat => ({
    key,
    slot: slot as Slot,
    terms: { ...terms, ...more },
    used: pair<ByteCount>(0n),
    ends: millis(61_000),
  });
  const wants: readonly (readonly Seat[])[] = [
    [],
    [seat(1, a)],
    [seat(2, a), seat(1, b)],
    [seat(1, a, { rate: pair<ByteRate>(9n), quota: { kind: 'split', ...pair<ByteCount>(3n) } })],
    [seat(1, a, { spent: pair<ByteRate>(1n), egress: { kind: 'hop', address: '1.1.1.1', protocol: 'udp', port: 5 } }), seat(3, b)],
  ];
  const starts = [
    kernel(),
    kernel(held(1, a)),
    kernel(held(1, null)),
    kernel(held(1, b), held(2, a)),
    kernel(held(3, a, { left: millis(0) })),
  ];
  for (const have of starts)
    for (const list of wants) {
      const want = new Map(list.map((s) => [s.key, s]));
      const known = knowns.after(knowns.begin(have, now), reconcile.plan(want, have, now), now);
      const kept = [...known].map(([slot, { key, terms, ends }]) => ({ slot, key, terms, ends }));
      assert.equal(
        kept.toSorted((x, y) => x.slot - y.slot),
        list.map(({ slot, key, terms, ends }) => ({ slot, key, terms, ends })).toSorted((x, y) => x.slot - y.slot),
      );
      // Whose generation nobody has told yet takes the one that is metered.
      const made = list.map((s) => held(s.slot, s.key));
      const found = knowns.meet(
        known,
        metered(...made.map((h) => ({ ...h, generation: known.get(h.slot)?.generation ?? h.generation }))),
        list.map((s) => peer(s.slot, s.key)),
        pool,
        now,
      );
      assert.equal(found === null ? null : reconcile.plan(want, found, now), []);
    }
});
after('who is expelled leaves the rules', () => assert.is(knowns.after(one, [{ kind: 'expel', key: a }], now).get(1 as Slot)?.key, null));
after.run();
