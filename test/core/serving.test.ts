// One session: each state it can be in, each thing that can happen to it, and what it then wants of the enforcer.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis, type PublicKey, seconds } from '../../agent/core/brand.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Wish } from '../../agent/core/limits.ts';
import type { Link, Receipt } from '../../agent/core/receipt.ts';
import { fault } from '../../agent/core/result.ts';
import type { Generation, Pair, PeerKey, Slot } from '../../agent/core/seat.ts';
import type { Happening, Now, Session } from '../../agent/core/serving.ts';
import * as serving from '../../agent/core/serving.ts';
import type { Row, Seated } from '../../agent/core/session.ts';
import type { BootId, Digest, GrantId, KeyId, SessionId } from '../../agent/core/signed.ts';

const both = (up: number, down: number): Pair<ByteCount> => ({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount });
const key = 'A'.repeat(43).concat('=') as PeerKey;
const grant: Grant = {
  node: 'n'.repeat(16) as KeyId,
  nonce: '0'.repeat(32),
  peer: key,
  consumer: new Uint8Array(32) as PublicKey,
  quota: { kind: 'shared', bytes: 10_000_000n },
  rate: { up: 8_000_000n, down: 8_000_000n },
  throttle: null,
  egress: { kind: 'internet' },
  lifetime: seconds(3600),
  until: null,
  idle: null,
  witness: 'optional',
  credit: null,
  price: null,
  session: null,
  revision: 0,
};
const wishOf = ({ quota, rate, throttle, egress }: Wish): Wish => ({ quota, rate, throttle, egress });
const now: Now = {
  at: millis(1_000_000),
  wall: { at: seconds(1000), trust: 'unknown' },
  boot: 'b'.repeat(16) as BootId,
  ceilings: { rate: grant.rate, quota: 1n << 40n, lifetime: seconds(7200) } as Now['ceilings'],
  bounds: new Map(),
};
const link = (sequence: number): Link => ({ session: 's' as SessionId, sequence, digest: 'd' as Digest });
const seated: Seated = { key, slot: 2 as Slot, address4: '10.213.0.2', address6: 'fd00::2', generation: 7 as Generation };
const figures = { counted: both(40, 60), packets: { up: 4n, down: 6n }, gap: both(0, 0) };
const row: Row = {
  ...figures,
  slot: seated.slot,
  generation: seated.generation,
  key,
  quota: grant.quota,
  left: millis(3_600_000),
  handshake: null,
  endpoint: null,
  tunnel: both(50, 70),
};
const denied = fault('denied', 'weir.limits.monthly_cap', 'the month is spent');

type Name = keyof typeof happenings;
const happenings = {
  metered: { kind: 'metered', row },
  placed: { kind: 'placed', seated, wish: wishOf(grant) },
  extended: { kind: 'placed', seated, wish: null },
  stopped: { kind: 'placed', seated, wish: { ...wishOf(grant), quota: { kind: 'shared', bytes: 100n } } },
  refused: { kind: 'refused', fault: denied },
  left: { kind: 'left', gone: null },
  evicted: { kind: 'left', gone: figures },
  changed: { kind: 'changed', grant: { ...grant, revision: 1 }, terms: 't' as GrantId },
  ended: { kind: 'ended', why: 'revoked' },
  sealed: { kind: 'sealed', link: link(2) },
  witnessed: { kind: 'witnessed', sequence: 1 },
  disputed: { kind: 'disputed', sequence: 1 },
  earlier: { kind: 'disputed', sequence: 0 },
  passed: { kind: 'passed' },
} as const satisfies Readonly<Record<string, Happening>>;

const run = (s: Session, ...names: readonly Name[]): Session => names.reduce((was, name) => serving.step(was, happenings[name], now), s);
const fresh = (more: Partial<Grant> = {}): Session =>
  serving.begin('s' as SessionId, { name: null, root: null }, { ...grant, ...more }, link(0), now.at);
const open = run(fresh(), 'placed', 'metered');
const waiting = run(open, 'left');
const stopping = run(open, 'sealed', 'ended');
/** Its last receipt has number 1. */
const asked = serving.step(run(open, 'ended', 'stopped', 'metered'), { kind: 'sealed', link: link(1) }, now);

/** Its kind, and what there is to it: the stage, the reason, a place. */
function told(s: Session): string {
  const place = serving.placeOf(s) === null ? '' : ' in';
  switch (s.kind) {
    case 'draining':
      return `${typeof s.stage === 'object' ? 'asked' : s.stage}${place}`;
    case 'paused':
      return `paused ${s.why === 'spent' ? s.why : s.why.path}${place}`;
    case 'closed':
      return `closed ${s.why}`;
    default:
      return `${s.kind}${place}`;
  }
}

const states: Readonly<Record<string, Session>> = {
  fresh: fresh(),
  waiting,
  open,
  throttled: run({ ...run(open, 'sealed'), grant: { ...grant, witness: 'required', credit: 60n as ByteCount } }, 'passed'),
  refused: run(waiting, 'refused'),
  spent: run({ ...open, name: 'ann', grant: { ...grant, quota: { kind: 'shared', bytes: 100n as ByteCount } } }, 'passed'),
  stopping,
  leaving: run(stopping, 'refused'),
  stopped: run(stopping, 'stopped'),
  measured: run(waiting, 'ended'),
  asked,
  closed: run(asked, 'disputed'),
};
const month = 'paused weir.limits.monthly_cap';
/** What is not named here leaves it as it is; a place comes with `metered` and goes with `left`. */
const becomes: Readonly<Record<string, Readonly<{ is: string } & Partial<Record<Name, string>>>>> = {
  fresh: { is: 'waiting', placed: 'open in', extended: 'open in', stopped: 'open in', refused: month, ended: 'measured' },
  waiting: {
    is: 'waiting',
    metered: 'open in',
    placed: 'open in',
    extended: 'open in',
    stopped: 'open in',
    refused: month,
    ended: 'measured',
  },
  open: { is: 'open in', left: 'waiting', evicted: 'waiting', ended: 'stopping in' },
  throttled: { is: 'throttled in', left: 'waiting', evicted: 'waiting', changed: 'open in', witnessed: 'open in', ended: 'stopping in' },
  refused: { is: month, metered: 'open in', placed: 'open in', extended: 'open in', stopped: 'open in', ended: 'measured' },
  spent: { is: 'paused spent in', refused: month, left: 'waiting', evicted: 'waiting', changed: 'open in', ended: 'stopping in' },
  stopping: { is: 'stopping in', stopped: 'stopped in', refused: 'leaving in', left: 'measured', evicted: 'measured' },
  leaving: { is: 'leaving in', left: 'measured', evicted: 'measured' },
  stopped: { is: 'stopped in', metered: 'measured in', left: 'measured', evicted: 'measured' },
  // It was let in while it was to end: first it has to be stopped.
  measured: {
    is: 'measured',
    metered: 'stopping in',
    placed: 'stopping in',
    extended: 'stopping in',
    stopped: 'stopping in',
    sealed: 'closed revoked',
  },
  asked: { is: 'asked in', left: 'closed revoked', evicted: 'closed revoked', witnessed: 'closed revoked', disputed: 'closed revoked' },
  closed: { is: 'closed revoked' },
};

const steps = suite('serving.step');
for (const [name, want] of Object.entries(becomes)) {
  const s = states[name];
  if (s === undefined) throw new Error(name);
  steps(`${name}, whatever happens`, () => {
    assert.is(told(s), want.is);
    for (const happens of Object.keys(happenings) as Name[]) assert.is(told(run(s, happens)), want[happens] ?? want.is, happens);
  });
  steps(`${name}: never billed less than before, and twice is once`, () => {
    for (const happens of ['metered', 'evicted', 'placed', 'left', 'changed', 'ended'] as const) {
      const once = run(s, happens);
      assert.ok(serving.billedSince(once) >= serving.billedSince(s), happens);
      assert.equal(once.seen.counted, run(once, happens).seen.counted, happens);
    }
  });
}
steps('who has had no place yet is billed for nobody, whatever is told of the key', () => {
  for (const happens of ['metered', 'evicted'] as const) assert.is(serving.billedSince(run(fresh(), happens)), 0n, happens);
});
steps.run();

// ── In time ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const later = (ms: number, wall: Now['wall'] = now.wall): Now => ({ ...now, at: millis(now.at + ms), wall });
const noon = { at: seconds(1_795_176_000), trust: 'network' } as const;
const unasked = { witness: 'required', credit: 40n as ByteCount } as const;
const times: readonly Readonly<{ name: string; s: Session; at: Now; want: string }>[] = [
  { name: 'a second before the end', s: open, at: later(3_599_999), want: 'open in' },
  { name: 'the end', s: open, at: later(3_600_000), want: 'stopping in' },
  { name: 'the end of who has no place', s: waiting, at: later(3_600_000), want: 'measured' },
  { name: 'the end of who is refused', s: run(waiting, 'refused'), at: later(3_600_000), want: 'measured' },
  { name: 'a date that nobody vouches for', s: { ...open, grant: { ...grant, until: seconds(5) } }, at: later(0), want: 'open in' },
  { name: 'a date in time', s: { ...open, grant: { ...grant, until: noon.at } }, at: later(0, noon), want: 'stopping in' },
  {
    name: 'the last second of a date',
    s: { ...open, grant: { ...grant, until: seconds(noon.at + 1) } },
    at: later(0, noon),
    want: 'open in',
  },
  { name: 'idle, nearly', s: { ...open, grant: { ...grant, idle: seconds(60) } }, at: later(59_999), want: 'open in' },
  { name: 'idle', s: { ...open, grant: { ...grant, idle: seconds(60) } }, at: later(60_000), want: 'stopping in' },
  {
    name: 'beyond its credit',
    s: { ...open, grant: { ...grant, ...unasked, credit: 60n as ByteCount } },
    at: later(0),
    want: 'throttled in',
  },
  { name: 'beyond twice of it, never asked', s: { ...open, grant: { ...grant, ...unasked } }, at: later(600_000), want: 'throttled in' },
  {
    name: 'asked for less than a minute',
    s: { ...open, asked: now.at, grant: { ...grant, ...unasked } },
    at: later(59_999),
    want: 'throttled in',
  },
  { name: 'asked for a minute', s: { ...open, asked: now.at, grant: { ...grant, ...unasked } }, at: later(60_000), want: 'stopping in' },
  { name: 'the last word, nearly', s: asked, at: later(59_999), want: 'asked in' },
  { name: 'the last word', s: asked, at: later(60_000), want: 'closed revoked' },
];
const clock = suite('a session in time');
for (const { name, s, at, want } of times) clock(name, () => assert.is(told(serving.step(s, { kind: 'passed' }, at)), want));
clock.run();

// ── Its quota ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const shared = (n: number): Grant['quota'] => ({ kind: 'shared', bytes: BigInt(n) });
const split = (up: number, down: number): Grant['quota'] => ({ kind: 'split', ...both(up, down) });
const using = (quota: Grant['quota'], more: Partial<Grant> = {}, gap = both(0, 0)): Session =>
  serving.step(run(fresh({ quota, ...more }), 'placed'), { kind: 'metered', row: { ...row, gap } }, now);
const quotas: readonly Readonly<{ name: string; s: Session; after?: number; want: string; left: Grant['quota'] }>[] = [
  { name: 'a byte left', s: using(shared(101)), want: 'open in', left: shared(1) },
  { name: 'none left', s: using(shared(100)), want: 'stopping in', left: shared(0) },
  { name: 'none left up', s: using(split(40, 1000)), want: 'stopping in', left: split(0, 940) },
  { name: 'less left than the next packet, still', s: using(shared(106)), after: 10_000, want: 'stopping in', left: shared(6) },
  { name: 'more than that', s: using(shared(108)), after: 10_000, want: 'open in', left: shared(8) },
  { name: 'what passed uncounted is charged', s: using(shared(110), {}, both(5, 5)), want: 'stopping in', left: shared(0) },
  { name: 'slow from then on', s: using(shared(100), { throttle: { up: 9000n, down: 9000n } }), want: 'throttled in', left: shared(0) },
];
const quota = suite('a quota');
for (const { name, s, after = 0, want, left } of quotas)
  quota(name, () => {
    const then = serving.step(s, { kind: 'passed' }, later(after));
    assert.equal([told(then), serving.quotaLeft(then)], [want, left]);
    assert.is(serving.billedSince(then), 100n, 'and the rest is billed to nobody');
  });
quota.run();

// ── What it wants ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const wants: readonly Readonly<{ name: string; s: Session; want: unknown }>[] = [
  {
    name: 'a place',
    s: fresh(),
    want: { method: 'admit', item: { key, ...wishOf(grant), seconds: 3600n, used: both(0, 0), packets: both(0, 0) } },
  },
  {
    name: 'its place again, with what was used',
    s: waiting,
    want: { method: 'admit', item: { key, ...wishOf(grant), seconds: 3600n, used: both(40, 60), packets: both(4, 6), slot: 2 } },
  },
  { name: 'nothing', s: open, want: null },
  { name: 'other terms', s: run(open, 'changed'), want: null },
  {
    name: 'more',
    s: { ...open, grant: { ...grant, quota: shared(20_000_000) } },
    want: { method: 'change', item: { key, ...wishOf(grant), quota: shared(20_000_000) } },
  },
  {
    name: 'a later end',
    s: { ...open, grant: { ...grant, lifetime: seconds(7200) } },
    want: { method: 'renew', item: { key, seconds: 7200n } },
  },
  {
    name: 'no end beyond the ceiling',
    s: { ...open, grant: { ...grant, lifetime: seconds(99_999) } },
    want: { method: 'renew', item: { key, seconds: 7200n } },
  },
  {
    name: 'an earlier end',
    s: { ...open, grant: { ...grant, lifetime: seconds(60) } },
    want: { method: 'renew', item: { key, seconds: 60n } },
  },
  {
    name: 'to be slow beyond its credit',
    s: { ...open, grant: { ...grant, ...unasked } },
    want: { method: 'change', item: { key, ...wishOf(grant), rate: { up: 500_000n, down: 500_000n } } },
  },
  {
    name: 'what passed before it had this place is charged, not billed',
    s: { ...open, seen: { ...open.seen, gap: both(3, 4) } },
    want: { method: 'change', item: { key, ...wishOf(grant), quota: shared(9_999_993) } },
  },
  {
    name: 'to be stopped at what it has used',
    s: stopping,
    want: { method: 'change', item: { key, ...wishOf(grant), quota: shared(100) } },
  },
  { name: 'to go, where it cannot be stopped', s: run(stopping, 'refused'), want: { method: 'evict', item: { key } } },
  {
    name: 'to go, where nobody countersigns',
    s: { ...stopping, grant: { ...grant, consumer: null } },
    want: { method: 'evict', item: { key } },
  },
  ...['stopped', 'measured', 'asked', 'closed'].map((name) => ({ name: `nothing, ${name}`, s: states[name] ?? open, want: null })),
];
const wanting = suite('serving.wantOf');
for (const { name, s, want } of wants) wanting(name, () => assert.equal(serving.wantOf(s, now), want));
wanting.run();

// ── Found again ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const last: Receipt = { ...serving.receiptOf(open, now), witnessed: null };
const kept = {
  session: open.session,
  name: null,
  root: null,
  grant,
  terms: null,
  head: link(1),
  slot: seated.slot,
  last,
  witnessed: null,
  ending: null,
};
const lives: readonly Readonly<{ name: string; lived: Parameters<typeof serving.recall>[0]['lived']; want: number }>[] = [
  { name: 'never noted', lived: null, want: 1000 },
  { name: 'noted in this boot', lived: { time: seconds(50), boot: now.boot, up: seconds(900) }, want: 150 },
  { name: 'noted in another: since the boot', lived: { time: seconds(50), boot: 'c' as BootId, up: seconds(99_999) }, want: 1050 },
  { name: 'noted in this boot, and time stands still', lived: { time: seconds(50), boot: now.boot, up: seconds(2000) }, want: 50 },
];
const recalling = suite('serving.recall');
for (const { name, lived, want } of lives)
  recalling(`a lifetime that was ${name}`, () =>
    assert.is(serving.livedBy(serving.recall({ ...kept, lived }, now.boot, now.at), now.at), want),
  );
recalling('it ends where it was to end, and not before it is known what it used', () => {
  const s = serving.recall({ ...kept, lived: null, ending: 'revoked' }, now.boot, now.at);
  assert.equal([told(s), told(run(s, 'metered')), told(run(s, 'left'))], ['stopping', 'stopping in', 'measured']);
});
recalling('nothing is due that was sealed, and nothing is freed', () => {
  const s = serving.recall({ ...kept, lived: null }, now.boot, now.at);
  assert.equal([told(s), serving.billedSince(s), s.asked], ['waiting', 0n, now.at]);
  assert.equal(serving.quotaLeft(s), shared(9_999_900));
  assert.is(serving.recall({ ...kept, witnessed: { sequence: 1, bytes: 100n }, lived: null }, now.boot, now.at).asked, null);
});
recalling.run();
