import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, seconds } from '../../agent/core/brand.ts';
import type { Ledger, Missed, Reading } from '../../agent/core/ledger.ts';
import * as ledger from '../../agent/core/ledger.ts';
import type { Generation } from '../../agent/core/seat.ts';

const bytes = (n: number | bigint): ByteCount => BigInt(n) as ByteCount;
const at = (generation: number, line: number, node: number, missed: Missed | null = null): Reading => ({
  generation: generation as Generation,
  line: bytes(line),
  node: bytes(node),
  missed,
});
const open: Ledger = { month: 24_311, used: bytes(1000), reserved: bytes(5000), today: null, last: at(1, 100, 190) };

const charge = suite('charge');
const charges: readonly { name: string; now: Reading; household: boolean; used: number; reserved: number }[] = [
  { name: 'nothing', now: at(1, 100, 190), household: false, used: 1000, reserved: 5000 },
  { name: 'both crossings', now: at(1, 160, 300), household: false, used: 1110, reserved: 5000 },
  { name: 'the household counts by the line alone', now: at(1, 160, 300), household: true, used: 1060, reserved: 5000 },
  { name: 'more than was reserved', now: at(1, 9000, 9190), household: false, used: 10_000, reserved: 10_000 },
  { name: 'a new generation', now: at(2, 200, 300), household: false, used: 5400, reserved: 5400 },
  { name: 'a new generation of a household', now: at(2, 200, 300), household: true, used: 5200, reserved: 5200 },
  { name: 'a counter that went back', now: at(1, 99, 400), household: false, used: 5198, reserved: 5198 },
  { name: 'the other counter that went back', now: at(1, 100, 189), household: true, used: 5100, reserved: 5100 },
  { name: 'after a power cut', now: at(7, 0, 0), household: false, used: 5000, reserved: 5000 },
];
for (const c of charges)
  charge(c.name, () => {
    const l = ledger.charge(open, c.now, c.household);
    assert.equal(l, { ...open, used: bytes(c.used), reserved: bytes(c.reserved), last: c.now });
  });
charge('in pieces or at once is the same', () => {
  const steps = [at(1, 150, 200), at(1, 150, 210), at(1, 400, 800)];
  assert.equal(
    steps.reduce((l, r) => ledger.charge(l, r, false), open),
    ledger.charge(open, at(1, 400, 800), false),
  );
});
const by = (who: string, n: bigint): Missed => ({ by: who, bytes: n });
const misses: readonly { name: string; before: Reading; now: Reading; household?: true; want: number; missed: Missed | null }[] = [
  { name: 'is charged', before: at(1, 100, 190, by('a', 50n)), now: at(1, 100, 190, by('a', 80n)), want: 1030, missed: by('a', 80n) },
  { name: 'seems to be less', before: at(1, 100, 190, by('a', 50n)), now: at(1, 100, 190, by('a', 30n)), want: 1000, missed: by('a', 50n) },
  {
    name: 'is so much less that a counter has wrapped',
    before: at(1, 100, 190, by('a', 1n << 32n)),
    now: at(1, 100, 190, by('a', 7n)),
    want: 1000,
    missed: by('a', 7n),
  },
  {
    name: 'was less than nothing',
    before: at(1, 100, 190, by('a', -9n)),
    now: at(1, 100, 190, by('a', 1n)),
    want: 1010,
    missed: by('a', 1n),
  },
  { name: 'nobody had seen', before: at(1, 100, 190), now: at(1, 100, 190, by('a', 80n)), want: 1000, missed: by('a', 80n) },
  { name: 'nobody sees any more', before: at(1, 100, 190, by('a', 80n)), now: at(1, 100, 190), want: 1000, missed: null },
  { name: 'another says', before: at(1, 100, 190, by('a', 50n)), now: at(1, 100, 190, by('b', 80n)), want: 1000, missed: by('b', 80n) },
  { name: 'began anew', before: at(1, 100, 190, by('a', 50n)), now: at(2, 0, 0, by('a', 80n)), want: 5000, missed: by('a', 80n) },
  {
    name: 'comes to what the line has counted',
    before: at(1, 100, 190, by('a', 50n)),
    now: at(1, 160, 300, by('a', 80n)),
    household: true,
    want: 1090,
    missed: by('a', 80n),
  },
];
for (const c of misses)
  charge(`what was missed ${c.name}`, () => {
    const { used, last } = ledger.charge({ ...open, last: c.before }, c.now, c.household ?? false);
    assert.equal({ used, missed: last.missed }, { used: bytes(c.want), missed: c.missed });
  });
charge('forty bytes for each packet that was merged', () => assert.is(ledger.missedHeaders(3n).bytes, 120n));
charge('what was before the ledger is none of its business', () => {
  const l = ledger.charge(ledger.begin(at(1, 5000, 9000)), at(1, 5010, 9015), false);
  assert.is(l.used, 15n);
});
charge.run();

const turn = suite('turn');
const day = (text: string): ReturnType<typeof seconds> => seconds(Date.parse(`${text}Z`) / 1000);
const monthOf = (year: number, month: number): number => year * 12 + month - 1;
const turns: readonly { name: string; month: number | null; today: string | null; resetDay: number; want: number | null; used: number }[] =
  [
    { name: 'no clock', month: monthOf(2026, 11), today: null, resetDay: 1, want: monthOf(2026, 11), used: 1000 },
    { name: 'the first clock', month: null, today: '2026-11-20T00:00:00', resetDay: 1, want: monthOf(2026, 11), used: 1000 },
    { name: 'no clock yet', month: null, today: null, resetDay: 1, want: null, used: 1000 },
    { name: 'the last second', month: monthOf(2026, 11), today: '2026-11-30T23:59:59', resetDay: 1, want: monthOf(2026, 11), used: 1000 },
    { name: 'the first second', month: monthOf(2026, 11), today: '2026-12-01T00:00:00', resetDay: 1, want: monthOf(2026, 12), used: 0 },
    { name: 'the year', month: monthOf(2026, 12), today: '2027-01-01T00:00:00', resetDay: 1, want: monthOf(2027, 1), used: 0 },
    { name: 'before day 15', month: monthOf(2026, 11), today: '2026-12-14T23:59:59', resetDay: 15, want: monthOf(2026, 11), used: 1000 },
    { name: 'day 15', month: monthOf(2026, 11), today: '2026-12-15T00:00:00', resetDay: 15, want: monthOf(2026, 12), used: 0 },
    {
      name: 'day 28 over the year',
      month: monthOf(2026, 11),
      today: '2027-01-27T00:00:00',
      resetDay: 28,
      want: monthOf(2026, 12),
      used: 0,
    },
    { name: 'February has a day 28', month: monthOf(2027, 1), today: '2027-02-28T00:00:00', resetDay: 28, want: monthOf(2027, 2), used: 0 },
    {
      name: 'a clock that went back',
      month: monthOf(2026, 11),
      today: '2026-10-31T00:00:00',
      resetDay: 1,
      want: monthOf(2026, 11),
      used: 1000,
    },
    { name: 'months asleep', month: monthOf(2026, 11), today: '2027-06-05T00:00:00', resetDay: 1, want: monthOf(2027, 6), used: 0 },
  ];
for (const c of turns)
  turn(c.name, () => {
    const l = ledger.turn({ ...open, month: c.month }, c.today === null ? null : day(c.today), c.resetDay);
    assert.equal({ ...l, today: null }, { ...open, month: c.want, used: bytes(c.used), reserved: bytes(c.used === 0 ? 0 : 5000) });
  });
turn('the owner begins anew at once', () => assert.equal(ledger.reset(open), { ...open, used: 0n, reserved: 0n }));
turn.run();

const today = suite('today');
const noon = 20_777 * 86_400 + 43_200;
const counted: Ledger = { ...open, month: monthOf(2026, 11), today: { day: 20_777, from: bytes(400) } };
const days: readonly { name: string; of: Ledger; act: (l: Ledger) => Ledger; want: bigint | null }[] = [
  { name: 'nobody knows the day', of: open, act: (l) => ledger.turn(l, null, 1), want: null },
  { name: 'a day begins with nothing', of: open, act: (l) => ledger.turn(l, seconds(noon), 1), want: 0n },
  {
    name: 'the same day goes on',
    of: counted,
    act: (l) => ledger.turn(ledger.charge(l, at(1, 160, 300), false), seconds(noon), 1),
    want: 710n,
  },
  { name: 'its last second', of: counted, act: (l) => ledger.turn(l, seconds(noon + 43_199), 1), want: 600n },
  { name: 'the next day', of: counted, act: (l) => ledger.turn(l, seconds(noon + 43_200), 1), want: 0n },
  { name: 'a new month', of: counted, act: (l) => ledger.turn(l, seconds(noon + 86_400 * 40), 1), want: 0n },
  { name: 'reset by the owner', of: counted, act: ledger.reset, want: 0n },
  {
    name: 'what a power cut may have hidden is not of the day',
    of: counted,
    act: (l) => ledger.charge(l, at(7, 0, 0), false),
    want: 600n,
  },
  { name: 'what was counted after it is', of: counted, act: (l) => ledger.charge(l, at(7, 20, 30), false), want: 640n },
];
for (const c of days) today(c.name, () => assert.is(ledger.usedToday(c.act(c.of)), c.want));
today('is in no hurry to be written', () =>
  assert.ok(ledger.isWritten(counted, { ...counted, today: { day: 20_778, from: bytes(1000) } })),
);
today.run();

const MiB = 1n << 20n;
const GiB = 1n << 30n;
const reserve = suite('reserve');
const steps: readonly (readonly [cap: bigint | null, step: bigint])[] = [
  [null, 512n * GiB],
  // A power cut does not take all of a small month.
  [MiB, MiB / 8n],
  [128n * MiB - 8n, 16n * MiB - 1n],
  [128n * MiB + 8n, 16n * MiB],
  [GiB, 16n * MiB],
  [GiB + 64n, 16n * MiB + 1n],
  [50n * GiB, 800n * MiB],
];
for (const [cap, step] of steps) reserve(`a step of ${cap}`, () => assert.is(ledger.stepOf(cap === null ? null : bytes(cap)), step));

const cap = bytes(64n * 16n * MiB);
const step = 16n * MiB;
const edges: readonly (readonly [name: string, ahead: bigint, reserved: bigint])[] = [
  ['nothing ahead', 0n, step],
  ['less than half a step', step / 2n - 1n, step],
  ['half a step', step / 2n, step / 2n],
  ['a whole step', step, step],
  ['more than a step: the cap was lowered', step + 1n, step],
];
for (const [name, ahead, want] of edges)
  reserve(name, () => {
    const l = { ...open, reserved: bytes(open.used + ahead) };
    assert.is(ledger.reserve(l, cap).reserved - open.used, want);
    assert.is(ledger.isWritten(l, ledger.reserve(l, cap)), ahead === want);
  });
reserve('a new month is written, too', () => assert.not(ledger.isWritten(open, { ...open, month: 24_312 })));
reserve('a clean stop leaves the exact figure', () => assert.equal(ledger.settle(open), { ...open, reserved: open.used }));

const allowed: readonly { name: string; used: number; reserved: number; cap: number | null; want: number; spent: boolean }[] = [
  { name: 'up to what is reserved', used: 10, reserved: 15, cap: 100, want: 5, spent: false },
  { name: 'up to the cap', used: 10, reserved: 150, cap: 100, want: 90, spent: false },
  { name: 'the last byte', used: 99, reserved: 150, cap: 100, want: 1, spent: false },
  { name: 'the cap itself', used: 100, reserved: 150, cap: 100, want: 0, spent: true },
  { name: 'beyond the cap', used: 120, reserved: 150, cap: 100, want: 0, spent: true },
  { name: 'no cap', used: 10, reserved: 15, cap: null, want: 5, spent: false },
];
for (const c of allowed)
  reserve(`allows ${c.name}`, () => {
    const l = { ...open, used: bytes(c.used), reserved: bytes(c.reserved) };
    const most = c.cap === null ? null : bytes(c.cap);
    assert.is(ledger.allowance(l, most), bytes(c.want));
    assert.is(ledger.isSpent(l, most), c.spent);
  });

/** A warden in small: reads, reserves, writes; the kernel lets pass what it was told. Power goes at any time. */
reserve('a whole month with power cuts: never less than the truth, a step more for each cut, few writes', () => {
  let state = 1;
  const random = (): number => {
    state = (state * 48_271) % 0x7fff_ffff;
    return state / 0x7fff_ffff;
  };
  let [truth, writes, cuts] = [0n, 0, 0];
  let file = ledger.render(ledger.reserve(ledger.begin(at(1, 0, 0)), cap));
  const fromFile = (): Ledger => {
    const parsed = ledger.parse(file);
    if (!parsed.ok) throw new Error(parsed.fault.reason);
    return parsed.value;
  };
  let l = fromFile();
  let counters = { generation: 1, line: 0n, node: 0n };
  const reading = (): Reading => ({
    generation: counters.generation as Generation,
    line: bytes(counters.line),
    node: bytes(counters.node),
    missed: null,
  });
  while (!ledger.isSpent(l, cap)) {
    const wanted = BigInt(Math.floor(random() * 3_000_000));
    const room = ledger.allowance(l, cap);
    const passed = wanted < room ? wanted : room;
    truth += passed;
    counters = { ...counters, node: counters.node + passed, line: counters.line + passed / 2n };
    const luck = random();
    if (luck < 0.005) {
      cuts += 1;
      counters = { generation: counters.generation + 1, line: 0n, node: 0n };
      l = fromFile();
    } else if (luck < 0.03) l = fromFile();
    const next = ledger.reserve(ledger.charge(l, reading(), false), cap);
    if (!ledger.isWritten(fromFile(), next)) {
      file = ledger.render(next);
      writes += 1;
    }
    l = next;
    assert.ok(l.used >= truth && fromFile().reserved >= truth, `${l.used} used, ${truth} in truth`);
    assert.ok(l.used - truth <= step * BigInt(cuts), `${l.used - truth} bytes too many after ${cuts} cuts`);
  }
  assert.ok(cuts > 3 && writes > 64 && writes <= 128, `${cuts} cuts, ${writes} writes`);
});
reserve.run();

const file = suite('the file');
const text = 'weir ledger 1\nmonth 24311\nused 1000\nreserved 5000\ngeneration 1\nline 100\nnode 190\n';
file('is text', () => assert.is(ledger.render(open), text));
for (const l of [
  open,
  counted,
  ledger.begin(at(4_294_967_295, 0, 0)),
  { ...open, used: bytes(2n ** 63n - 1n), reserved: bytes(2n ** 63n - 1n) },
])
  file(`there and back: ${l.month}, ${l.used}`, () => assert.equal(ledger.parse(ledger.render(l)), { ok: true, value: l }));
file('every truncation is a Fault', () => {
  for (let n = 0; n < text.length; n++) assert.not(ledger.parse(text.slice(0, n)).ok, `${n} characters`);
});
const damaged: readonly (readonly [name: string, text: string, code: string])[] = [
  ['another version', text.replace('ledger 1', 'ledger 2'), 'unsupported'],
  ['zeros', '\0'.repeat(80), 'unsupported'],
  ['a line more', `${text}x\n`, 'malformed'],
  ['no number', text.replace('used 1000', 'used 1e3'), 'malformed'],
  ['less than nothing', text.replace('used 1000', 'used -1'), 'malformed'],
  ['a leading zero', text.replace('used 1000', 'used 01000'), 'malformed'],
  ['more used than reserved', text.replace('used 1000', 'used 5001'), 'malformed'],
  ['a day that began with more', text.replace('month', 'day 20777\nfrom 1001\nmonth'), 'malformed'],
  ['half a day', text.replace('month', 'day 20777\nmonth'), 'malformed'],
  ['a line missing', text.replace('line 100\n', ''), 'malformed'],
  ['lines of another order', text.replace('line 100\nnode 190\n', 'node 190\nline 100\n'), 'malformed'],
];
for (const [name, bad, code] of damaged)
  file(`refuses ${name}`, () => {
    const parsed = ledger.parse(bad);
    assert.equal(parsed.ok ? [] : [parsed.fault.code, parsed.fault.path], [code, 'ledger']);
  });
file.run();
