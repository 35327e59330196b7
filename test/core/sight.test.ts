import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Generation, Held, Kernel, Pair, PeerKey, Seat, Slot, Terms } from '../../agent/core/seat.ts';
import type { Seen, Sight, Tunnelled } from '../../agent/core/sight.ts';
import * as sights from '../../agent/core/sight.ts';

const pair = (up: number, down = up): Pair<ByteCount> => ({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount });
const none = pair(0);
const [a, b] = ['A' as PeerKey, 'B' as PeerKey];
const terms = {
  quota: { kind: 'shared', bytes: 1000n },
  rate: { up: 1n, down: 1n },
  spent: null,
  egress: { kind: 'internet' },
} as unknown as Terms;
const held = (slot: number, key: PeerKey | null, more: Partial<Held> = {}): Held => ({
  key,
  slot: slot as Slot,
  generation: 7 as Generation,
  terms,
  counted: pair(100),
  packets: pair(3),
  left: millis(5000),
  ...more,
});
const kernel = (...all: readonly Held[]): Kernel => ({ held: new Map(all.map((h) => [h.slot, h])), strays: [] });
const seen = (slot: number, key: PeerKey, more: Partial<Seen> = {}): Seen => ({
  key,
  slot: slot as Slot,
  generation: 7 as Generation,
  terms,
  used: pair(100),
  packets: pair(3),
  ends: millis(6000),
  gap: none,
  settled: none,
  tunnel: pair(200),
  ...more,
});
const sight = (...all: readonly Seen[]): Sight => new Map(all.map((s) => [s.key, s]));
const carried = (...all: readonly (readonly [PeerKey, number])[]): Tunnelled => new Map(all.map(([key, n]) => [key, pair(n)]));
const now = millis(1000);

const look = suite('look');
const looks: readonly { name: string; before: Sight; kernel: Kernel; tunnel: Tunnelled; want: Sight }[] = [
  { name: 'what is held is seen', before: sight(), kernel: kernel(held(1, a)), tunnel: carried([a, 200]), want: sight(seen(1, a)) },
  { name: 'rules of nobody known are not', before: sight(), kernel: kernel(held(1, null)), tunnel: carried(), want: sight() },
  {
    name: 'rules whose peer went with its device have their owner in sight',
    before: sight(seen(1, a)),
    kernel: kernel(held(1, null)),
    tunnel: carried(),
    want: sight(seen(1, a, { tunnel: none })),
  },
  {
    name: 'of another generation they have not: the lost seat stays in sight',
    before: sight(seen(1, a)),
    kernel: kernel(held(1, null, { generation: 8 as Generation })),
    tunnel: carried([a, 200]),
    want: sight(seen(1, a)),
  },
  {
    name: 'what passed meanwhile is a gap',
    before: sight(seen(1, a)),
    kernel: kernel(),
    tunnel: carried([a, 250]),
    want: sight(seen(1, a, { gap: pair(50), tunnel: pair(250) })),
  },
  {
    name: 'a peer made anew began at nothing',
    before: sight(seen(1, a, { gap: pair(50) })),
    kernel: kernel(),
    tunnel: carried([a, 30]),
    want: sight(seen(1, a, { gap: pair(80), tunnel: pair(30) })),
  },
  { name: 'a peer that went adds nothing', before: sight(seen(1, a)), kernel: kernel(), tunnel: carried(), want: sight(seen(1, a)) },
  {
    name: 'what is there again, by the same counters, was never away',
    before: sight(seen(1, a, { gap: pair(50), settled: pair(20) })),
    kernel: kernel(held(1, a)),
    tunnel: carried([a, 200]),
    want: sight(seen(1, a, { gap: pair(20), settled: pair(20) })),
  },
  {
    name: 'what is there again, by new counters, keeps its gap',
    before: sight(seen(1, a, { gap: pair(50), settled: pair(20) })),
    kernel: kernel(held(1, a, { generation: 8 as Generation })),
    tunnel: carried([a, 200]),
    want: sight(seen(1, a, { generation: 8 as Generation, gap: pair(50), settled: pair(50) })),
  },
  {
    name: 'one gap after the other',
    before: sight(seen(1, a, { gap: pair(50), settled: pair(50) })),
    kernel: kernel(),
    tunnel: carried([a, 230]),
    want: sight(seen(1, a, { gap: pair(80), settled: pair(50), tunnel: pair(230) })),
  },
  {
    name: 'an end that was seen stays where it was',
    before: sight(seen(1, a, { ends: millis(400) }), seen(2, b, { ends: millis(2000) })),
    kernel: kernel(held(1, a, { left: millis(0) }), held(2, b, { left: millis(0) })),
    tunnel: carried([a, 200], [b, 200]),
    want: sight(seen(1, a, { ends: millis(400) }), seen(2, b, { ends: now })),
  },
];
for (const c of looks) look(c.name, () => assert.equal(sights.look(c.before, c.kernel, c.tunnel, now), c.want));
look.run();

const whole = suite('whole');
const wholes: readonly { name: string; kernel: Kernel; sight: Sight; want: readonly Held[] }[] = [
  { name: 'nothing lost', kernel: kernel(held(1, a)), sight: sight(seen(1, a)), want: [held(1, a)] },
  {
    name: 'a lost peer',
    kernel: kernel(held(1, null, { left: millis(4321) })),
    sight: sight(seen(1, a)),
    want: [held(1, a, { left: millis(4321) })],
  },
  { name: 'lost rules', kernel: kernel(), sight: sight(seen(1, a)), want: [held(1, a)] },
  {
    name: 'lost rules of one who has expired',
    kernel: kernel(),
    sight: sight(seen(1, a, { ends: millis(1) })),
    want: [held(1, a, { left: millis(0) })],
  },
  { name: 'a slot that is somebody else’s now', kernel: kernel(held(1, b)), sight: sight(seen(1, a)), want: [held(1, b)] },
  {
    name: 'rules of another generation',
    kernel: kernel(held(1, null, { generation: 8 as Generation })),
    sight: sight(seen(1, a)),
    want: [held(1, null, { generation: 8 as Generation })],
  },
];
for (const c of wholes) whole(c.name, () => assert.equal([...sights.whole(c.kernel, c.sight, now).held.values()], c.want));
whole.run();

const rest = suite('sight');
rest('gaps reach the quota of whom they are', () => {
  const seat = (key: PeerKey): Seat => ({ key, slot: 1 as Slot, terms, used: pair(100), ends: millis(6000) });
  const want = new Map([a, b].map((key) => [key, seat(key)]));
  const got = sights.withGaps(want, sight(seen(1, a, { gap: pair(5) })));
  assert.equal([got.get(a)?.gap, got.get(b)?.gap], [pair(5), undefined]);
});
rest('who is gone is out of sight', () => assert.equal([...sights.without(sight(seen(1, a), seen(2, b)), [a]).keys()], [b]));
rest('who has expired, and when', () =>
  assert.equal(sights.ended(sight(seen(1, a, { ends: millis(900) }), seen(2, b)), now), new Map([[a, millis(900)]])),
);
rest('rules that count more than WireGuard carried', () => {
  const far = 3 << 20;
  const odd = (used: number, tunnel: number, generation = 7): readonly number[] =>
    sights.disagreeing(
      sight(seen(1, a)),
      sight(seen(1, a, { used: pair(used), tunnel: pair(tunnel), generation: generation as Generation })),
    );
  assert.equal([odd(far, 200), odd(far, far), odd(100, far), odd(far, 200, 8)], [[1], [], [], []]);
});
rest.run();
