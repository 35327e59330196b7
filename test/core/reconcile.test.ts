import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount, Millis } from '../../agent/core/brand.ts';
import { millis } from '../../agent/core/brand.ts';
import { type Change, plan, type Step } from '../../agent/core/reconcile.ts';
import type { ByteRate, Egress, Generation, Held, Kernel, PeerKey, Seat, Slot, Terms } from '../../agent/core/seat.ts';
import { isSpent } from '../../agent/core/seat.ts';

const key = (name: string): PeerKey => name as PeerKey;
const slot = (n: number): Slot => n as Slot;
const bytes = (n: number): ByteCount => BigInt(n) as ByteCount;
const rate = (up: number, down: number): Terms['rate'] => ({ up: BigInt(up) as ByteRate, down: BigInt(down) as ByteRate });
const now = millis(50_000);

const terms: Terms = { quota: { kind: 'shared', bytes: bytes(1000) }, rate: rate(10, 20), spent: null, egress: { kind: 'internet' } };
const seatOf = (name: string, at: number, more: Partial<Seat> = {}): Seat => ({
  key: key(name),
  slot: slot(at),
  terms,
  used: { up: bytes(0), down: bytes(0) },
  ends: millis(now + 60_000),
  ...more,
});
const heldOf = (s: Seat, more: Partial<Held> = {}): Held => ({
  key: s.key,
  slot: s.slot,
  generation: 1 as Generation,
  terms: s.terms,
  counted: s.used,
  packets: { up: 0n, down: 0n },
  left: millis(s.ends - now),
  ...more,
});
const kernelOf = (...held: Held[]): Kernel => ({ held: new Map(held.map((h) => [h.slot, h])), strays: [] });
const wantOf = (...seats: Seat[]): Map<PeerKey, Seat> => new Map(seats.map((s) => [s.key, s]));
const kinds = (steps: readonly Step[]): string[] =>
  steps.map((s) => (s.kind === 'alter' ? s.changes.map((c) => c.kind).join('+') : s.kind));

const planning = suite('plan');
const a = seatOf('a', 1);
const with_ = (change: Partial<Terms>): Seat => ({ ...a, terms: { ...terms, ...change } });
const spent = { counted: { up: bytes(600), down: bytes(400) } };

const cases: readonly { name: string; want: Map<PeerKey, Seat>; have: Kernel; steps: string[] }[] = [
  { name: 'nothing to nothing', want: wantOf(), have: kernelOf(), steps: [] },
  { name: 'same to same', want: wantOf(a), have: kernelOf(heldOf(a)), steps: [] },
  { name: 'rules before the peer', want: wantOf(a), have: kernelOf(), steps: ['seat', 'welcome'] },
  { name: 'the peer before its rules', want: wantOf(), have: kernelOf(heldOf(a)), steps: ['expel', 'clear'] },
  { name: 'a stray goes first', want: wantOf(a), have: { ...kernelOf(), strays: [key('x')] }, steps: ['expel', 'seat', 'welcome'] },
  { name: 'a lost peer comes back', want: wantOf(a), have: kernelOf(heldOf(a, { key: null })), steps: ['welcome'] },
  { name: 'a slot changes hands', want: wantOf(a), have: kernelOf(heldOf(seatOf('b', 1))), steps: ['expel', 'clear', 'seat', 'welcome'] },
  { name: 'what is over is not begun', want: wantOf(seatOf('a', 1, { ends: now })), have: kernelOf(), steps: [] },
  {
    name: 'more quota',
    want: wantOf(with_({ quota: { kind: 'shared', bytes: bytes(2000) } })),
    have: kernelOf(heldOf(a)),
    steps: ['resize-quota'],
  },
  {
    name: 'more quota when it is spent',
    want: wantOf(with_({ quota: { kind: 'shared', bytes: bytes(2000) } })),
    have: kernelOf(heldOf(a, spent)),
    steps: ['replace-quota'],
  },
  {
    name: 'less quota than was used',
    want: wantOf(with_({ quota: { kind: 'shared', bytes: bytes(10) } })),
    have: kernelOf(heldOf(a, { counted: { up: bytes(11), down: bytes(0) } })),
    steps: ['replace-quota'],
  },
  {
    name: 'another kind of quota',
    want: wantOf(with_({ quota: { kind: 'split', up: bytes(500), down: bytes(500) } })),
    have: kernelOf(heldOf(a)),
    steps: ['replace-quota'],
  },
  { name: 'rate up', want: wantOf(with_({ rate: rate(11, 20) })), have: kernelOf(heldOf(a)), steps: ['set-rate'] },
  { name: 'rate down', want: wantOf(with_({ rate: rate(10, 21) })), have: kernelOf(heldOf(a)), steps: ['set-rate'] },
  { name: 'throttle', want: wantOf(with_({ spent: rate(1, 1) })), have: kernelOf(heldOf(a)), steps: ['set-spent'] },
  {
    name: 'egress',
    want: wantOf(with_({ egress: { kind: 'hop', address: '192.0.2.1', protocol: 'udp', port: 51820 } })),
    have: kernelOf(heldOf(a)),
    steps: ['set-egress'],
  },
  { name: 'end', want: wantOf(seatOf('a', 1, { ends: millis(now + 90_000) })), have: kernelOf(heldOf(a)), steps: ['set-end'] },
  { name: 'a reading takes its time', want: wantOf(a), have: kernelOf(heldOf(a, { left: millis(59_000) })), steps: [] },
  {
    name: 'an end at once, however near',
    want: wantOf(seatOf('a', 1, { ends: now })),
    have: kernelOf(heldOf(a, { left: millis(1) })),
    steps: ['set-end'],
  },
];
for (const c of cases) planning(c.name, () => assert.equal(kinds(plan(c.want, c.have, now)), c.steps));

planning.run();

// ── A kernel of values, to walk through and to crash in ──────────────────────────────────────────────────────────────────────────────

type Model = { held: Map<Slot, Held>; peers: Map<PeerKey, Slot> };

function read(m: Model): Kernel {
  const owner = new Map([...m.peers].map(([k, s]) => [s, k]));
  return {
    held: new Map([...m.held].map(([s, h]) => [s, { ...h, key: owner.get(s) ?? null }])),
    strays: [...m.peers].filter(([, s]) => !m.held.has(s)).map(([k]) => k),
  };
}

function change(h: Held, c: Change): Held {
  switch (c.kind) {
    case 'resize-quota':
      assert.not(isSpent(h.terms.quota, h.counted), 'a spent quota is never resized in place');
      return { ...h, terms: { ...h.terms, quota: c.quota } };
    case 'replace-quota':
      return { ...h, terms: { ...h.terms, quota: c.quota } };
    case 'set-rate':
      return { ...h, terms: { ...h.terms, rate: c.rate } };
    case 'set-spent':
      return { ...h, terms: { ...h.terms, spent: c.spent } };
    case 'set-egress':
      return { ...h, terms: { ...h.terms, egress: c.egress } };
    case 'set-end':
      return { ...h, left: c.left };
  }
}

function take(m: Model, s: Step): void {
  switch (s.kind) {
    case 'expel':
      assert.ok(m.peers.delete(s.key), 'expels who is there');
      break;
    case 'clear':
      assert.ok(m.held.delete(s.held.slot), 'clears what is there');
      break;
    case 'alter': {
      const held = m.held.get(s.held.slot);
      if (held === undefined) throw new Error('alters what is there');
      m.held.set(held.slot, s.changes.reduce(change, held));
      break;
    }
    case 'seat':
      assert.not(m.held.has(s.seat.slot), 'seats where nobody sits');
      m.held.set(s.seat.slot, heldOf(s.seat, { left: s.left }));
      break;
    case 'welcome':
      assert.ok(m.held.has(s.slot), 'no peer without rules');
      m.peers.set(s.key, s.slot);
      break;
  }
}

/** What a peer may do now, as a line that two states can be compared by. */
function allowed(m: Model): Map<PeerKey, Held> {
  const out = new Map<PeerKey, Held>();
  for (const [k, s] of m.peers) {
    const held = m.held.get(s);
    if (held !== undefined && held.left > 0) out.set(k, held);
  }
  return out;
}

const walking = suite('random walk');

function randomOf(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    // xorshift32
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % below;
  };
}

function randomWant(random: (below: number) => number): Map<PeerKey, Seat> {
  const egresses: readonly Egress[] = [
    { kind: 'internet' },
    { kind: 'hop', address: '192.0.2.1', protocol: 'udp', port: 51820 },
    { kind: 'list', flows: [{ address: '192.0.2.0', length: 24, protocol: 'tcp', ports: { first: 443, last: 443 } }] },
  ];
  const slots = [1, 2, 3, 4, 5].toSorted(() => random(3) - 1);
  return wantOf(
    ...['a', 'b', 'c', 'd', 'e'].slice(0, random(6)).map((name, i) =>
      seatOf(name, slots[i] ?? 9, {
        ends: millis(now + random(3) * 60_000) as Millis,
        terms: {
          quota:
            random(2) === 0
              ? { kind: 'shared', bytes: bytes(500 * (1 + random(4))) }
              : { kind: 'split', up: bytes(500), down: bytes(500 * (1 + random(2))) },
          rate: rate(10 + random(2), 20),
          spent: random(2) === 0 ? null : rate(1, 1),
          egress: egresses[random(3)] ?? { kind: 'internet' },
        },
      }),
    ),
  );
}

walking('500 states, a crash after any step: never more than before or after, and always there in the end', () => {
  const random = randomOf(20_261_120);
  const model: Model = { held: new Map(), peers: new Map() };
  let before = new Map<PeerKey, Seat>();
  for (let i = 0; i < 500; i++) {
    const want = randomWant(random);
    for (const [s, held] of model.held) model.held.set(s, { ...held, counted: { up: bytes(random(400)), down: bytes(random(400)) } });
    const steps = plan(want, read(model), now);
    const crash = random(steps.length + 1);
    for (const step of steps.slice(0, crash)) {
      take(model, step);
      for (const [who, held] of allowed(model)) {
        const wishes = [before.get(who), want.get(who)].filter((s) => s !== undefined);
        const fits = wishes.some((w) =>
          plan(new Map([[who, w]]), kernelOf({ ...held, key: who }), now).every(
            (s) => s.kind === 'alter' && s.changes.every((c) => c.kind === 'set-end'),
          ),
        );
        assert.ok(fits, `${who} may do what nobody wanted, in state ${i}`);
      }
    }
    for (const step of plan(want, read(model), now)) take(model, step);
    assert.equal(plan(want, read(model), now), [], 'it converges');
    assert.equal(
      [...allowed(model).keys()].toSorted(),
      [...want.values()]
        .filter((w) => w.ends > now)
        .map((w) => w.key)
        .toSorted(),
    );
    before = want;
  }
});

walking.run();
