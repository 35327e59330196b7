import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Prefix } from '../../agent/core/ip.ts';
import * as ip from '../../agent/core/ip.ts';
import * as pools from '../../agent/core/pool.ts';
import { type Change, plan, type Step } from '../../agent/core/reconcile.ts';
import type { ByteRate, Egress, Generation, Held, Kernel, PeerKey, Quota, Seat, Slot, Terms } from '../../agent/core/seat.ts';
import * as seating from '../../agent/wire/seating.ts';
import { orders } from './kernel.ts';
import * as tables from './tables.ts';

const prefix = (text: string): Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(parsed.fault.reason);
  return parsed.value;
};
const parsedPool = pools.parse(prefix('10.213.0.0/24'), prefix('fd00:64::/64'), 20);
if (!parsedPool.ok) throw new Error(parsedPool.fault.reason);
const pool = parsedPool.value;

const slot = (n: number): Slot => n as Slot;
const key = (name: string): PeerKey => name as PeerKey;
const bytes = (n: number | bigint): ByteCount => BigInt(n) as ByteCount;
const rate = (up: number, down: number): Terms['rate'] => ({ up: BigInt(up) as ByteRate, down: BigInt(down) as ByteRate });
const drawn = 0xbeef as Generation;

const quotas: readonly Quota[] = [
  { kind: 'shared', bytes: bytes(1_000_000) },
  { kind: 'shared', bytes: bytes(2_000_000) },
  { kind: 'split', up: bytes(100_000), down: bytes(900_000) },
  { kind: 'split', up: bytes(900_000), down: bytes(100_000) },
];
const list = (...lines: readonly string[]): Egress => ({
  kind: 'list',
  flows: lines.map((line) => {
    const [, text = '', protocol, first = '', last = first] = /^(\S+) (tcp|udp) (\d+)(?:-(\d+))?$/.exec(line) ?? [];
    const { address, length } = prefix(text);
    return {
      address: ip.renderAddress(address),
      length,
      protocol: protocol === 'tcp' ? 'tcp' : 'udp',
      ports: { first: Number(first), last: Number(last) },
    };
  }),
});
const egresses: readonly Egress[] = [
  { kind: 'internet' },
  { kind: 'hop', address: '198.51.100.2', protocol: 'udp', port: 51820 },
  { kind: 'hop', address: '2a11::3', protocol: 'tcp', port: 443 },
  list('11.0.0.0/24 tcp 443'),
  list('11.0.0.0/24 tcp 443', '11.0.1.7/32 udp 1000-2000', '0.0.0.0/0 udp 53', '2a11::/32 tcp 1-65535', '::/0 udp 53'),
];
const rates = [rate(1_000_000, 2_000_000), rate(1_000_000, 3_000_000), rate(1, 125_000_000)];

const terms: Terms = { quota: quotas[0] as Quota, rate: rate(1000, 2000), spent: null, egress: { kind: 'internet' } };
const left = millis(60_000);
const seatOf = (n: number, more: Partial<Terms> = {}, used = { up: bytes(0), down: bytes(0) }): Seat => ({
  key: key(`k${n}`),
  slot: slot(n),
  terms: { ...terms, ...more },
  used,
  ends: left,
});
type RuleStep = Exclude<Step, { kind: 'expel' | 'welcome' }>;
const carryOut = (t: tables.Tables, step: RuleStep): tables.Tables => tables.apply(t, seating.changesFor(step, pool, drawn));
const seat = (t: tables.Tables, s: Seat): tables.Tables => carryOut(t, { kind: 'seat', seat: s, left });
const peer = (n: number): seating.Peer => {
  const { four, six } = pools.addresses(pool, slot(n));
  return { key: key(`k${n}`), allowed: [prefix(ip.renderAddress(four)), prefix(ip.renderAddress(six))] };
};
const read = (t: tables.Tables, peers: readonly seating.Peer[] = [], isTorn = false): seating.Found => {
  const gathering = seating.gather(pool);
  tables.dump(t, gathering, isTorn);
  return gathering.found(peers);
};

const names = suite('parseName');
const good: readonly [string, unknown][] = [
  ['s1_0000beef_cu', { slot: 1, generation: 0xbeef, role: 'cu', rate: 0n }],
  ['s1022_ffffffff_q', { slot: 1022, generation: 0xffffffff, role: 'q', rate: 0n }],
  ['s7_00000000_qd', { slot: 7, generation: 0, role: 'qd', rate: 0n }],
  ['s7_00000000_lu_125000', { slot: 7, generation: 0, role: 'lu', rate: 125_000n }],
  ['s7_00000000_sd_1', { slot: 7, generation: 0, role: 'sd', rate: 1n }],
];
for (const [name, want] of good) names(name, () => assert.equal(seating.parseName(name), want));
const bad = [
  ...['', 'spent', 'refused', 'node_q', 's0_0000beef_cu', 's01_0000beef_cu', 's1_beef_cu', 's1_0000BEEF_cu', 's1_0000beef_c'],
  ...[
    's1_0000beef_cu_1',
    's1_0000beef_lu',
    's1_0000beef_lu_0',
    's1_0000beef_lu_01',
    's1_0000beef_q_1',
    'xs1_0000beef_cu',
    's1_0000beef_cu\n',
  ],
];
for (const name of bad) names(`not ${JSON.stringify(name)}`, () => assert.is(seating.parseName(name), null));
names.run();

const trips = suite('what is seated is held');
for (const quota of quotas)
  for (const egress of egresses)
    for (const spent of [null, rate(10, 20)])
      trips(`${quota.kind} ${'bytes' in quota ? quota.bytes : quota.up}, ${JSON.stringify(egress)}, ${spent === null}`, () => {
        const seated = {
          ...seatOf(3, { quota, egress, spent, rate: rate(125_000_000, 1) }, { up: bytes(70), down: bytes(7) }),
          packets: { up: 5n, down: 6n },
        };
        const found = read(seat(tables.empty(), seated), [peer(3)]);
        assert.equal(read(seat(tables.empty(), seated), [peer(3)], true), found, 'dumps that begin again');
        const want: Held = {
          key: key('k3'),
          slot: slot(3),
          generation: drawn,
          terms: seated.terms,
          counted: seated.used,
          packets: seated.packets,
          left,
        };
        assert.equal(found.debris, { words: [], changes: [] });
        assert.equal(found.strays, []);
        assert.equal([...found.held.values()], [want]);
        assert.equal(plan(new Map([[seated.key, seated]]), found, millis(0)), []);
        assert.equal(
          found.spare.get(slot(3)),
          quota.kind === 'shared' ? { ...quota, bytes: quota.bytes - 77n } : { kind: 'split', up: quota.up - 70n, down: quota.down - 7n },
        );
      });

trips('clearing leaves nothing, before and after its end', () => {
  for (const passed of [0, 60_000, 120_000]) {
    const full = seat(seat(tables.empty(), seatOf(1, { egress: egresses[4] as Egress, spent: rate(1, 1) })), seatOf(2));
    full.now = millis(passed);
    const held = read(full).held;
    const cleared = [...held.values()].reduce((t, h) => carryOut(t, { kind: 'clear', held: h }), full);
    assert.equal(read(cleared).held.size, 0);
    assert.equal(cleared.objects.size, 0);
    for (const [name, set] of cleared.sets) assert.is(set.size, 0, name);
  }
});

trips('what was used by more than there is', () => {
  const over = seatOf(1, { quota: quotas[0] as Quota }, { up: bytes(2_000_000), down: bytes(0) });
  const found = read(seat(tables.empty(), over));
  assert.equal(found.spare.get(slot(1)), { kind: 'shared', bytes: 0n });
  assert.equal(found.held.get(slot(1))?.counted, over.used);
});
trips.run();

const altering = suite('every change alone');
const heldAfter = (first: Seat, changes: readonly [Change, ...Change[]], at = millis(0)): seating.Found => {
  const t = seat(tables.empty(), first);
  t.now = at;
  const [held] = read(t).held.values();
  if (held === undefined) throw new Error('nobody is seated');
  return read(carryOut(t, { kind: 'alter', held, changes }));
};
const alterations: readonly { name: string; changes: readonly [Change, ...Change[]]; want: Partial<Terms> }[] = [
  ...quotas.flatMap((quota) => [
    {
      name: `replace ${JSON.stringify(quota, (_, v) => String(v))}`,
      changes: [{ kind: 'replace-quota', quota }] as const,
      want: { quota },
    },
  ]),
  { name: 'resize', changes: [{ kind: 'resize-quota', quota: quotas[1] as Quota }], want: { quota: quotas[1] as Quota } },
  ...rates.map((r) => ({ name: `rate ${r.up} ${r.down}`, changes: [{ kind: 'set-rate', rate: r }] as const, want: { rate: r } })),
  { name: 'throttle', changes: [{ kind: 'set-spent', spent: rate(1, 2) }], want: { spent: rate(1, 2) } },
  ...egresses.map((egress) => ({
    name: JSON.stringify(egress),
    changes: [{ kind: 'set-egress', egress }] as const,
    want: { egress },
  })),
  {
    name: 'all at once',
    changes: [
      { kind: 'set-egress', egress: egresses[2] as Egress },
      { kind: 'replace-quota', quota: quotas[2] as Quota },
      { kind: 'set-rate', rate: rate(5, 6) },
      { kind: 'set-spent', spent: rate(1, 2) },
      { kind: 'set-end', left: millis(5000) },
    ],
    want: { egress: egresses[2] as Egress, quota: quotas[2] as Quota, rate: rate(5, 6), spent: rate(1, 2) },
  },
];
for (const { name, changes, want } of alterations)
  altering(name, () => {
    const found = heldAfter(seatOf(1, {}, { up: bytes(11), down: bytes(22) }), changes);
    const [held] = found.held.values();
    assert.equal(held?.terms, { ...terms, ...want });
    assert.equal(held?.counted, { up: bytes(11), down: bytes(22) });
    assert.equal(found.debris.words, []);
  });

altering('resizing keeps what was used, replacing takes it from the counters', () => {
  const t = seat(tables.empty(), seatOf(1));
  t.objects.set('s1_0000beef_q', { kind: 'quota', bytes: 1_000_000n, used: 400n, over: false });
  t.objects.set('s1_0000beef_cu', { kind: 'counter', packets: 1n, bytes: 300n });
  const [held] = read(t).held.values();
  if (held === undefined) throw new Error('nobody is seated');
  const spare = (c: Change): unknown => read(carryOut(t, { kind: 'alter', held, changes: [c] })).spare.get(slot(1));
  assert.equal(spare({ kind: 'resize-quota', quota: quotas[1] as Quota }), { kind: 'shared', bytes: 1_999_600n });
  assert.equal(spare({ kind: 'replace-quota', quota: quotas[1] as Quota }), { kind: 'shared', bytes: 1_999_700n });
  assert.equal(spare({ kind: 'replace-quota', quota: quotas[0] as Quota }), { kind: 'shared', bytes: 999_700n });
});

for (const passed of [0, 59_999, 60_000, 120_000])
  for (const next of [0, 1, 90_000])
    altering(`an end in ${next} ms after ${passed} ms`, () => {
      const [held] = heldAfter(seatOf(1), [{ kind: 'set-end', left: millis(next) }], millis(passed)).held.values();
      // Never without an end: the kernel would take less than a tick for none.
      assert.is(held?.left, next === 1 ? 1 : next);
    });
altering.run();

const tampering = suite('what is not whole');
type Tamper = (t: tables.Tables) => void;
const isAt = (n: number, set: string, key: Uint8Array): boolean => {
  const { four, six } = pools.addresses(pool, slot(n));
  return (set.endsWith('4') ? four : six).every((byte, i) => byte === key[i]);
};
const each = (set: string, change: (e: tables.Entry) => tables.Entry | null): Tamper => {
  return (t) => {
    const elements = t.sets.get(set) ?? new Map<string, tables.Entry>();
    for (const [id, entry] of [...elements]) {
      if (!isAt(1, set, entry.element.key)) continue;
      elements.delete(id);
      const changed = change(entry);
      if (changed !== null) elements.set(tables.idOf(changed.element), changed);
    }
  };
};
const drop = (set: string): Tamper => each(set, () => null);
const put = (set: string, n: number, object?: string): Tamper => {
  return (t) => {
    const { four, six } = pools.addresses(pool, slot(n));
    const element = { key: set.endsWith('4') ? four : six, ...(object === undefined ? {} : { object }) };
    t.sets.get(set)?.set(tables.idOf(element), { element, until: null });
  };
};
const tampered: readonly { name: string; do: Tamper; egress?: Egress; says: RegExp }[] = [
  ...seating.sets
    .filter(({ set }) => /^(c|q|l)[ud]/.test(set))
    .map(({ set }) => ({ name: `${set} lacks it`, do: drop(set), says: /^slot 1: an element is missing$/ })),
  { name: 'internet6 lacks it', do: drop('internet6'), says: /^slot 1: an element is missing$/ },
  {
    name: 'nowhere to go',
    do: (t) => {
      drop('internet4')(t);
      drop('internet6')(t);
    },
    says: /^slot 1: not one kind of egress$/,
  },
  { name: 'two kinds of egress', do: put('hop4', 1), says: /^slot 1: no flow in hop4$/ },
  ...['cu', 'cd', 'q', 'lu_1000', 'ld_2000'].map((role) => ({
    name: `no ${role}`,
    do: ((t) => t.objects.delete(`s1_0000beef_${role}`)) as Tamper,
    says: /^slot 1: not the objects of a whole session$/,
  })),
  {
    name: 'objects of two generations',
    do: (t) => t.objects.set('s1_0000dead_cu', { kind: 'counter', packets: 0n, bytes: 0n }),
    says: /^slot 1: s1_0000dead_cu is one too many$/,
  },
  {
    name: 'a rate that its name does not say',
    do: (t) => t.objects.set('s1_0000beef_lu_1000', { kind: 'limit', of: 'bytes', rate: 9999n, seconds: 1n, burst: 131_072, over: false }),
    says: /^slot 1: s1_0000beef_lu_1000 is not what its name says$/,
  },
  {
    name: 'a burst beyond measure',
    do: (t) => t.objects.set('s1_0000beef_lu_1000', { kind: 'limit', of: 'bytes', rate: 1000n, seconds: 1n, burst: 131_073, over: false }),
    says: /is not what its name says$/,
  },
  {
    name: 'a quota turned round',
    do: (t) => t.objects.set('s1_0000beef_q', { kind: 'quota', bytes: 1_000_000n, used: 0n, over: true }),
    says: /^slot 1: s1_0000beef_q is not what its name says$/,
  },
  { name: "another session's quota", do: put('qu4', 1, 's2_0000beef_q'), says: /^slot 1: one too many in qu4$/ },
  { name: 'half a throttle', do: put('su4', 1, 's1_0000beef_lu_1000'), says: /^slot 1: one too many in su4$/ },
  { name: 'an element without a session', do: put('live4', 9), says: /^slot 9: not the objects of one generation$/ },
  { name: 'an address of the router', do: put('cu4', pool.slots + 1, 's1_0000beef_cu'), says: /^cu4: an address of no slot$/ },
  {
    name: 'a flow from the middle of nowhere',
    egress: egresses[3] as Egress,
    do: each('list4', (e) => ({ ...e, element: { ...e.element, key: e.element.key.map((byte, i) => (i === 7 ? 1 : byte)) } })),
    says: /^slot 1: one too many in list4$/,
  },
];
for (const { name, do: tamper, egress = terms.egress, says } of tampered)
  tampering(name, () => {
    const t = seat(seat(tables.empty(), seatOf(1, { egress })), seatOf(2, { egress }));
    tamper(t);
    const found = read(t, [peer(1), peer(2), peer(9)]);
    assert.equal(read(t, [peer(1), peer(2), peer(9)], true), found, 'dumps that begin again');
    assert.is(found.debris.words.length, 1);
    assert.match(found.debris.words[0] ?? '', says);
    const isNew = /^slot 9|of no slot/.test(found.debris.words[0] ?? '');
    assert.equal([...found.held.keys()], isNew ? [1, 2] : [2]);
    assert.equal(found.strays, isNew ? ['k9'] : ['k1', 'k9']);
    // Swept away, the slot is as good as new.
    const swept = read(tables.apply(t, found.debris.changes));
    assert.equal(swept.debris.words, []);
    assert.equal([...swept.held.keys()], isNew ? [1, 2] : [2]);
    if (!isNew)
      assert.equal([...read(carryOut(tables.apply(t, found.debris.changes), { kind: 'seat', seat: seatOf(1), left })).held.keys()], [2, 1]);
  });

const ends: readonly { name: string; do: Tamper }[] = [
  ...['live4', 'live6', 'drain4', 'drain6'].map((set) => ({ name: `${set} lacks it`, do: drop(set) })),
  ...['live4', 'live6', 'drain4'].map((set) => ({
    name: `${set} never ends`,
    do: each(set, (e) => ({ ...e, until: null })),
  })),
  {
    name: 'live6 ends late',
    do: each('live6', (e) => ({ ...e, until: millis(90_000) })),
  },
];
for (const { name, do: tamper } of ends)
  for (const wanted of [60_000, 0])
    tampering(`${name}: set right for an end in ${wanted} ms`, () => {
      const t = seat(tables.empty(), seatOf(1));
      tamper(t);
      const want = new Map([[key('k1'), { ...seatOf(1), ends: millis(wanted) }]]);
      const [step, ...more] = plan(want, read(t, [peer(1)]), millis(0));
      assert.equal(more, []);
      if (step?.kind !== 'alter') throw new Error('nothing is altered');
      assert.equal(plan(want, read(carryOut(t, step), [peer(1)]), millis(0)), []);
    });

const peers: readonly { name: string; allowed: readonly string[]; held?: true }[] = [
  { name: 'exactly the pair', allowed: ['10.213.0.1', 'fd00:64::1'], held: true },
  { name: 'the other way round', allowed: ['fd00:64::1', '10.213.0.1'], held: true },
  { name: 'none', allowed: [] },
  { name: 'v4 alone', allowed: ['10.213.0.1'] },
  { name: 'v6 alone', allowed: ['fd00:64::1'] },
  { name: 'v4 twice', allowed: ['10.213.0.1', '10.213.0.1'] },
  { name: 'of two slots', allowed: ['10.213.0.1', 'fd00:64::2'] },
  { name: 'one more', allowed: ['10.213.0.1', 'fd00:64::1', '10.213.0.7'] },
  { name: 'more than an address', allowed: ['10.213.0.0/31', 'fd00:64::1'] },
  { name: 'of no slot', allowed: ['10.213.1.1', 'fd00:65::1'] },
  { name: 'of a free slot', allowed: ['10.213.0.2', 'fd00:64::2'] },
];
for (const { name, allowed, held } of peers)
  tampering(`a peer with ${name}`, () => {
    const found = read(seat(tables.empty(), seatOf(1)), [{ key: key('x'), allowed: allowed.map(prefix) }]);
    assert.equal(found.strays, held ? [] : ['x']);
    assert.is(found.held.get(slot(1))?.key, held ? 'x' : null);
  });
tampering('a second peer for the same slot', () => {
  assert.equal(read(seat(tables.empty(), seatOf(1)), [peer(1), { ...peer(1), key: key('x') }]).strays, ['x']);
});
tampering.run();

const counting = suite('meters');
const counters: readonly { name: string; more: Readonly<Record<string, number>>; want: readonly number[]; others?: readonly string[] }[] = [
  { name: 'pairs of them, by slot', more: {}, want: [1, 2] },
  { name: 'the largest slot and generation', more: { s4294967295_ffffffff_cd: 1, s4294967295_ffffffff_cu: 1 }, want: [1, 2, 4294967295] },
  { name: 'half a session', more: { s7_00000001_cu: 9 }, want: [1, 2] },
  { name: 'halves of two generations', more: { s7_00000001_cu: 9, s7_00000002_cd: 9 }, want: [1, 2] },
  { name: 'one counter more', more: { s1_00000001_cu: 9 }, want: [2] },
  { name: 'two generations', more: { s1_00000001_cu: 9, s1_00000001_cd: 9 }, want: [2] },
  ...[
    'refused',
    's',
    's1_cu',
    's01_0000beef_cu',
    's0_0000beef_cu',
    's_0000beef_cu',
    's1_0000BEEF_cu',
    's1_beef_cu',
    's12345678901_0000beef_cu',
  ].map((name) => ({ name: `not ${name}`, more: { [name]: 9 }, want: [1, 2], others: [name] })),
  ...['x1_0000beef_cu', 's1_0000beef_c', 's1_0000beef_qu', 's1-0000beef_cu', 's1_0000beef_cux', 's1_0000beef-cu', 's1_0000beefcu'].map(
    (name) => ({
      name: `not ${name}`,
      more: { [name]: 9 },
      want: [1, 2],
      others: [name],
    }),
  ),
];
for (const [order, dialect] of orders)
  for (const { name, more, want, others = [] } of counters)
    counting(`${name}, ${order}-endian`, () => {
      const t = seat(seat(tables.empty(), seatOf(1, {}, { up: bytes(3), down: bytes(4) })), seatOf(2));
      for (const [object, n] of Object.entries(more)) t.objects.set(object, { kind: 'counter', packets: 1n, bytes: BigInt(n) });
      const found = tables.meter(t, dialect);
      assert.equal([...found.sessions().keys()], want);
      assert.equal(
        [...found.others],
        others.map((object) => [object, { bytes: 9n, packets: 1n }]),
      );
      assert.equal(found.sessions().get(slot(2)), { generation: drawn, counted: { up: 0n, down: 0n }, packets: { up: 0n, down: 0n } });
      if (want.includes(1)) assert.equal(found.sessions().get(slot(1))?.counted, { up: 3n, down: 4n });
    });
counting.run();

// Where it is known that the tables were written by us, every plan is carried out and reads as it was wanted.
const walk = suite('random walk');
function generator(seed: number): (below: number) => number {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}
walk('300 wanted states', () => {
  const draw = generator(3);
  const pick = <T>(of: readonly T[]): T => of[draw(of.length)] as T;
  let t = tables.empty();
  const seated = new Map<PeerKey, Slot>();
  const kernel = (): Kernel => {
    const found = read(
      t,
      [...seated].map(([k, s]) => ({ ...peer(s), key: k })),
    );
    assert.equal(found.debris.words, []);
    return found;
  };
  for (let round = 0; round < 300; round++) {
    const want = new Map<PeerKey, Seat>();
    const slots = new Set(Array.from({ length: draw(6) }, () => 1 + draw(6)));
    for (const n of slots) {
      const wanted = seatOf(n, { quota: pick(quotas), rate: pick(rates), spent: pick([null, ...rates]), egress: pick(egresses) });
      const name = key(`k${n}-${draw(2)}`);
      want.set(name, { ...wanted, key: name, ends: millis(t.now + pick([0, 3000, 60_000])) });
    }
    for (const step of plan(want, kernel(), t.now)) {
      if (step.kind === 'expel') seated.delete(step.key);
      else if (step.kind === 'welcome') seated.set(step.key, step.slot);
      else t = carryOut(t, step);
      kernel();
    }
    assert.equal(plan(want, kernel(), t.now), []);
    t.now = millis(t.now + pick([0, 1000, 70_000, 200_000]));
  }
});
walk.run();
