import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis, type Seconds, seconds } from '../../agent/core/brand.ts';
import type { Account, Journal, Mark } from '../../agent/core/journal.ts';
import * as journal from '../../agent/core/journal.ts';
import type { Pair, Slot } from '../../agent/core/seat.ts';
import type { BootId, Digest, KeyId, SessionId } from '../../agent/core/signed.ts';

const [one, two] = ['1'.repeat(32), '2'.repeat(32)] as [SessionId, SessionId];
const digest = (n: number): Digest => n.toString(16).padStart(64, '0') as Digest;
const bytes = (size: number, of = 7): Uint8Array => new Uint8Array(size).fill(of);

type Opened = Extract<Mark, { kind: 'opened' }>;
const opened = (session = one, more: Partial<Opened> = {}): Opened => ({
  kind: 'opened',
  session,
  anchor: digest(0),
  grant: bytes(9),
  name: 'ann',
  root: null,
  until: null,
  ...more,
});
const boot = '0123456789abcdef' as BootId;
const lived = (time: number, up = time): Mark => ({ kind: 'lived', session: one, time: seconds(time), boot, up: seconds(up) });
const sealed = (sequence: number, more: Partial<Extract<Mark, { kind: 'sealed' }>> = {}): Mark => ({
  kind: 'sealed',
  session: one,
  sequence,
  digest: digest(sequence),
  receipt: bytes(300),
  isLast: false,
  ...more,
});
const acknowledged = (sequence: number, of = sequence, session = one): Mark => ({
  kind: 'acknowledged',
  session,
  sequence,
  digest: digest(of),
});

function takeAll(marks: readonly Mark[], from: Journal = journal.empty): Journal {
  return marks.reduce((j, mark) => {
    const taken = journal.take(j, mark);
    if (!taken.ok) throw new Error(JSON.stringify(taken.fault));
    return taken.value;
  }, from);
}
function accountOf(j: Journal, session = one): Account {
  const account = j.accounts.get(session);
  if (account === undefined) throw new Error('no account');
  return account;
}
const kept = (j: Journal, session = one): string =>
  accountOf(j, session)
    .kept.map(({ sequence }) => sequence)
    .join(' ');

const taken = suite('journal: takes');
const begun = [opened(), sealed(1), sealed(2), sealed(3)];
const cases: readonly Readonly<{ name: string; marks: readonly Mark[]; want: string }>[] = [
  { name: 'what was not acknowledged', marks: begun, want: '1 2 3' },
  { name: 'less of what was', marks: [...begun, acknowledged(2)], want: '3' },
  { name: 'the last one always', marks: [...begun, acknowledged(3)], want: '3' },
  { name: 'an older acknowledgement afterwards', marks: [...begun, acknowledged(2), acknowledged(1)], want: '3' },
  { name: 'the one that follows', marks: [...begun, acknowledged(3), sealed(4), sealed(5)], want: '4 5' },
  { name: 'the same again', marks: [...begun, sealed(3)], want: '1 2 3' },
  { name: 'a last one', marks: [...begun, sealed(4, { isLast: true })], want: '1 2 3 4' },
];
for (const c of cases) taken(c.name, () => assert.is(kept(takeAll(c.marks)), c.want));
taken('a countersignature, where it belongs', () => {
  const j = takeAll([...begun, { kind: 'witnessed', session: one, sequence: 2, signature: bytes(64, 1) }]);
  assert.equal(
    accountOf(j).kept.map(({ witness }) => witness?.[0] ?? null),
    [null, 1, null],
  );
});
taken('a voucher, until a countersignature says as much', () => {
  const vouched = takeAll([...begun, { kind: 'vouched', session: one, voucher: bytes(150) }]);
  assert.is(accountOf(vouched).voucher?.length, 150);
  assert.is(accountOf(takeAll([{ kind: 'witnessed', session: one, sequence: 3, signature: bytes(64) }], vouched)).voucher, null);
});
taken('no account of what is over and acknowledged, but its name', () => {
  const j = takeAll([...begun, sealed(4, { isLast: true }), acknowledged(4)]);
  assert.is(j.accounts.size, 0);
  assert.equal(takeAll([acknowledged(4)], j), j, 'an acknowledgement that comes again');
  assert.equal(j.past, [{ session: one, root: null, until: null }]);
});
taken('numbers that only grow', () => {
  const root: Mark = { kind: 'voided', root: 'a'.repeat(16) as KeyId, least: 7 };
  const j = takeAll([
    { kind: 'started', starts: 5 },
    { kind: 'started', starts: 4 },
    { kind: 'timed', time: seconds(90) },
    { kind: 'timed', time: seconds(80) },
    root,
    { ...root, least: 6 },
    opened(),
    lived(60, 70),
    lived(50),
  ]);
  assert.equal([j.starts, j.time, [...j.least.values()], accountOf(j).lived], [5, 90, [7], { time: 60, boot, up: 70 }]);
});
taken.run();

const refused = suite('journal: refuses');
const over = [...begun, sealed(4, { isLast: true })];
const rooted = (number: number, of: number): Mark => ({ kind: 'rooted', number, digest: digest(of), bytes: bytes(5) });
const bad: readonly Readonly<{ name: string; marks: readonly Mark[]; mark: Mark; code: string; path: string }>[] = [
  { name: 'a session that was never opened', marks: [], mark: sealed(1), code: 'missing', path: one },
  { name: 'a session that is over, again', marks: [...over, acknowledged(4)], mark: opened(), code: 'closed', path: one },
  { name: 'a session that is over, and not acknowledged', marks: over, mark: opened(), code: 'closed', path: one },
  { name: 'more of what is over', marks: [...over, acknowledged(4)], mark: sealed(5), code: 'closed', path: one },
  { name: 'a gap', marks: begun, mark: sealed(5), code: 'stale', path: one },
  { name: 'another under the same number', marks: begun, mark: sealed(3, { digest: digest(9) }), code: 'stale', path: one },
  { name: 'an older one', marks: begun, mark: sealed(2), code: 'stale', path: one },
  { name: 'one after the last', marks: over, mark: sealed(5), code: 'closed', path: one },
  { name: 'an acknowledgement of more than is known', marks: begun, mark: acknowledged(4), code: 'missing', path: one },
  { name: 'an acknowledgement of something else', marks: begun, mark: acknowledged(3, 9), code: 'forged', path: one },
  {
    name: 'likewise, of one no longer kept but linked to',
    marks: [...begun, acknowledged(2)],
    mark: acknowledged(2, 9),
    code: 'forged',
    path: one,
  },
  { name: 'a root told before in other words', marks: [rooted(3, 3)], mark: rooted(3, 4), code: 'exists', path: 'root' },
  { name: 'an older root', marks: [rooted(3, 3)], mark: rooted(2, 2), code: 'exists', path: 'root' },
];
for (const c of bad)
  refused(c.name, () => {
    const got = journal.take(takeAll(c.marks), c.mark);
    assert.is(!got.ok && `${got.fault.code} ${got.fault.path}`, `${c.code} ${c.path}`);
  });
refused.run();

const used = suite('journal: was something signed?');
for (const [name, marks, want] of [
  ['a start', [{ kind: 'started', starts: 3 }], true],
  ['a grant', [opened()], false],
  ['a root', [rooted(1, 1)], false],
  ['a session that is over', [...over, acknowledged(4)], false],
] as const)
  used(name, () => assert.is(journal.isUnused(takeAll(marks)), want));
used.run();

const bounded = suite('journal: bounded');
const sizeOf = (j: Journal): number =>
  [...j.accounts.values()].flatMap((a) => a.kept).reduce((sum, { receipt }) => sum + receipt.length, 0);
bounded('nobody acknowledges: the oldest of the longest chain goes first', () => {
  let j = takeAll([opened(), opened(two), sealed(1, { session: two })]);
  for (let n = 1; n <= 1000; n++) j = takeAll([sealed(n)], j);
  assert.ok(sizeOf(j) <= journal.mostKept);
  assert.is(kept(j, two), '1');
  assert.is(journal.headOf(accountOf(j)).sequence, 1000);
  assert.is(journal.missingOf(accountOf(j)), accountOf(j).base.sequence);
  assert.ok(accountOf(j).kept.every(({ sequence }, i, all) => i === 0 || sequence === Number(all[i - 1]?.sequence) + 1));
});
bounded('what came after the last receipt counts, too: the marks of what is kept make the same again', () => {
  const sessions = Array.from({ length: 300 }, (_, n) => (n + 16).toString(16).padStart(32, '0') as SessionId);
  let j = journal.empty;
  for (const session of sessions) j = takeAll([opened(session), sealed(1, { session, isLast: true })], j);
  for (const session of j.accounts.keys())
    if (j.accounts.has(session)) j = takeAll([{ kind: 'witnessed', session, sequence: 1, signature: bytes(64) }], j);
  assert.equal(takeAll(journal.marksOf(j)), j);
  assert.ok(j.accounts.size > 100 && j.accounts.size < 300);
});
bounded('a thousand sessions that nobody acknowledges', () => {
  let j = takeAll([opened(), sealed(1)]);
  for (let n = 0; n < 1000; n++) {
    const session = (n + 16).toString(16).padStart(32, '0') as SessionId;
    j = takeAll([opened(session), sealed(1, { session, isLast: true })], j);
  }
  assert.ok(sizeOf(j) <= journal.mostKept);
  assert.is(j.past.length, journal.mostPast);
  assert.ok(j.accounts.has(one), 'what is open stays');
});
for (const [name, flood] of [
  ['another coordinator', 'b'.repeat(16) as KeyId],
  ['friends, of whom nobody acknowledges any', null],
] as const)
  bounded(`what ${name} opened and closed takes no room from whoever keeps less`, () => {
    let j = takeAll([opened(one, { root: 'a'.repeat(16) as KeyId }), sealed(1), sealed(2, { isLast: true })]);
    for (let n = 0; n < 300; n++) {
      const session = (n + 16).toString(16).padStart(32, '0') as SessionId;
      const until = seconds(1000 + n);
      j = takeAll([opened(session, { root: flood, until }), sealed(1, { session }), sealed(2, { session, isLast: true })], j);
    }
    assert.is(kept(j), '1 2');
    assert.ok(sizeOf(j) <= journal.mostKept);
  });
bounded.run();

const [theirs, others] = ['b'.repeat(16), 'c'.repeat(16)] as [KeyId, KeyId];
const nth = (n: number): SessionId => (n + 4096).toString(16).padStart(32, '0') as SessionId;
/** So many sessions of a root, that begin and end. */
const lives = (root: KeyId, count: number, until: (n: number) => Seconds | null, from = journal.empty): Journal =>
  takeAll(
    Array.from({ length: count }, (_, n) => n).flatMap((n): readonly Mark[] => [
      opened(nth(n), { root, until: until(n) }),
      { kind: 'ended', session: nth(n) },
    ]),
    from,
  );
const verdict = (j: Journal, mark: Mark): string => {
  const got = journal.take(j, mark);
  return got.ok ? 'taken' : `${got.fault.code} ${got.fault.path}`;
};
const once = suite('journal: a grant begins one session');
const many = journal.mostPast;
const afresh: readonly Readonly<{ name: string; j: Journal; mark: Mark; want: string }>[] = [
  {
    name: 'that is known',
    j: lives(theirs, many, seconds),
    mark: opened(nth(0), { root: theirs, until: seconds(0) }),
    want: `closed ${nth(0)}`,
  },
  {
    name: 'that is forgotten',
    j: lives(theirs, many + 1, seconds),
    mark: opened(nth(0), { root: theirs, until: seconds(0) }),
    want: 'stale grant.until',
  },
  {
    name: 'that would end with one that is',
    j: lives(theirs, many + 9, seconds),
    mark: opened(one, { root: theirs, until: seconds(8) }),
    want: 'stale grant.until',
  },
  { name: 'that ends later', j: lives(theirs, many + 9, seconds), mark: opened(one, { root: theirs, until: seconds(9) }), want: 'taken' },
  { name: 'of another root', j: lives(theirs, many + 9, seconds), mark: opened(one, { root: others, until: seconds(1) }), want: 'taken' },
  { name: 'of the owner', j: lives(theirs, many + 9, seconds), mark: opened(one, { until: seconds(1) }), want: 'taken' },
  { name: 'the last without an end', j: lives(theirs, many - 1, () => null), mark: opened(one, { root: theirs }), want: 'taken' },
  {
    name: 'without an end, and one too many',
    j: lives(theirs, many, () => null),
    mark: opened(one, { root: theirs }),
    want: 'limit grant.until',
  },
  {
    name: 'with an end, beside all those',
    j: lives(theirs, many, () => null),
    mark: opened(one, { root: theirs, until: seconds(5) }),
    want: 'taken',
  },
  { name: 'without an end, of another root', j: lives(theirs, many, () => null), mark: opened(one, { root: others }), want: 'taken' },
];
for (const { name, j, mark, want } of afresh) once(name, () => assert.is(verdict(j, mark), want));
once('whoever has none of its own is not crowded out', () => {
  const j = takeAll([opened(two, { root: others, until: seconds(7) }), { kind: 'ended', session: two }]);
  assert.ok(lives(theirs, 2 * many, (n) => seconds(100 + n), j).past.some(({ root }) => root === others));
});
once.run();

const compact = suite('journal: marks of a state');
compact('make the same state', () => {
  const full = takeAll([
    { kind: 'started', starts: 12 },
    { kind: 'timed', time: seconds(1_795_176_000) },
    { kind: 'voided', root: 'b'.repeat(16) as KeyId, least: 3 },
    rooted(1, 1),
    rooted(2, 2),
    ...begun,
    { kind: 'changed', session: one, grant: bytes(10) },
    { kind: 'seated', session: one, slot: 4 as Slot },
    lived(9),
    { kind: 'witnessed', session: one, sequence: 3, signature: bytes(64) },
    { kind: 'vouched', session: one, voucher: bytes(150) },
    {
      kind: 'disputed',
      session: one,
      dispute: { sequence: 2, reason: 'chain', counted: null, billed: { up: 0n, down: 0n } as Pair<ByteCount> },
    },
    acknowledged(1),
    opened(two),
    sealed(1, { session: two, isLast: true }),
    opened('3'.repeat(32) as SessionId, { root: theirs, until: seconds(8) }),
    { kind: 'ended', session: '3'.repeat(32) as SessionId },
  ]);
  // One that is open ends before those of whom nothing is known any more.
  const [early] = [opened('4'.repeat(32) as SessionId, { root: theirs, until: seconds(1) })];
  const long = lives(theirs, journal.mostPast + 9, (n) => seconds(100 + n), takeAll([early], full));
  assert.is(long.outlived.get(theirs), 108);
  for (const j of [long, journal.empty, full, takeAll([acknowledged(3)], full), takeAll([acknowledged(1, 1, two)], full)]) {
    const again = takeAll(journal.marksOf(j));
    assert.equal(again, j);
  }
});
compact.run();

const budget = suite('journal: the budget of writes');
budget('a day takes 288 and the burst, whatever is asked', () => {
  let [b, writes] = [journal.full(millis(0)), 0];
  for (let now = 0; now < 86_400_000; now += 10_000) {
    b = journal.earn(b, millis(now));
    if (b.left <= 0) continue;
    b = journal.spend(b);
    writes++;
  }
  assert.ok(writes <= 288 + journal.burst, `${writes}`);
  assert.ok(writes >= 288);
});
const times = [
  { name: 'by time', left: 0, since: 300_000, sessions: 4, isStep: false, want: true },
  { name: 'not yet, with twenty sessions', left: 0, since: 1_499_999, sessions: 20, isStep: false, want: false },
  { name: 'by time, with twenty sessions', left: 0, since: 1_500_000, sessions: 20, isStep: false, want: true },
  { name: 'not yet', left: 60, since: 299_999, sessions: 6, isStep: false, want: false },
  { name: 'by bytes', left: 60, since: 10_000, sessions: 6, isStep: true, want: true },
  { name: 'half of the burst is for turns', left: 30, since: 10_000, sessions: 6, isStep: true, want: false },
];
for (const c of times)
  budget(c.name, () => assert.is(journal.isTime({ left: c.left, at: millis(0) }, millis(c.since), c.sessions, c.isStep), c.want));
budget.run();
