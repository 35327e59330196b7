import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Decision, Have, Request, Rules } from '../../agent/core/admission.ts';
import * as admission from '../../agent/core/admission.ts';
import type { BitRate, ByteCount, Millis } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Limits, Wish } from '../../agent/core/limits.ts';
import * as limits from '../../agent/core/limits.ts';
import * as pool from '../../agent/core/pool.ts';
import { plan } from '../../agent/core/reconcile.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { ByteRate, Generation, Held, PeerKey, Seat, Slot } from '../../agent/core/seat.ts';

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const poolOf = (four: string): pool.Pool => {
  const parsed = pool.parse(prefix(four), prefix('fd00::/64'), 1);
  if (!parsed.ok) throw new Error(four);
  return parsed.value;
};
/** 32 bytes that begin with a name. */
const key = (name: string): PeerKey => `${name.padEnd(42, '/')}A=` as PeerKey;
const own = key('own');
const now = millis(1_000_000);

const owner: Limits = {
  line: { up: 1n as ByteRate, down: 1n as ByteRate },
  session: { rate: { up: 8000n as BitRate, down: 8000n as BitRate }, quota: 1000n as ByteCount, lifetime: seconds(3600) },
  sessions: 3,
  month: { cap: 5000n as ByteCount, resetDay: 1, household: false },
  blockSmtp: true,
  deny: [],
  allow: [prefix('10.0.0.0/8')],
  flows: { session: 1, all: 1 },
  connections: { session: 1, all: 1 },
  lowerEffort: true,
  schedule: { spans: [], whenUnknown: false },
  home: null,
};
const rulesOf = (more: Partial<Limits> = {}, share = { accepted: true, paused: false }, four = '10.213.0.0/28'): Rules =>
  admission.rules(
    {
      share,
      tunnel: { port: 1, pool4: prefix(four), pool6: 'auto', uplinks: ['wan'], mtu: 1420, endpoint: null },
      limits: { ...owner, ...more },
    },
    poolOf(four),
    own,
  );
const rules = rulesOf();

const wish: Wish = {
  quota: { kind: 'shared', bytes: 1000n },
  rate: { up: 8000n, down: 8000n },
  throttle: null,
  egress: { kind: 'internet' },
};
const request = (name: string, more: Partial<Request> = {}): Request => ({
  ...wish,
  key: key(name),
  seconds: 60n,
  used: { up: 0n, down: 0n },
  ...more,
});
const termsOf = (w: Wish): Seat['terms'] => {
  const terms = limits.check(w, { ...owner, session: { ...owner.session, quota: (1n << 60n) as ByteCount } }, rules.blocked);
  if (!terms.ok) throw new Error(terms.fault.reason);
  return terms.value;
};
const held = (name: string | null, slot: number, left = 60_000, w: Partial<Wish> = {}): Held => ({
  key: name === null ? null : key(name),
  slot: slot as Slot,
  generation: slot as Generation,
  terms: termsOf({ ...wish, ...w }),
  counted: { up: 7n as ByteCount, down: 8n as ByteCount },
  packets: { up: 3n, down: 4n },
  left: millis(left),
});
const haveOf = (all: readonly Held[] = [], more: Partial<Have> = {}): Have => ({
  kernel: { held: new Map(all.map((h) => [h.slot, h])), strays: [] },
  ended: new Map<PeerKey, Millis>(),
  now,
  minute: 0,
  isMonthSpent: false,
  ...more,
});
const names = (d: Decision): string[] => [...d.want.keys()].map((k) => k.replace(/\/.*/, '')).toSorted();
const whys = (d: Decision): string[] => d.evicted.map((e) => e.why);
const evicted = (d: Decision): string[] => d.evicted.map((h) => `${h.key}`.replace(/\/.*/, ''));
const outcome = (d: Decision): (string | number)[] => d.answers.map((a) => (a.ok ? 'ok' : `${a.fault.code} ${a.fault.path}`));
const admitted = (have: Have, ...requests: Request[]): Decision => admission.admit(rules, have, requests.map(ok));

const admit = suite('admit');
admit('a seat with all that was asked', () => {
  const d = admitted(haveOf(), request('a', { used: { up: 3n, down: 4n }, packets: { up: 1n, down: 2n } }));
  const [answer] = d.answers;
  assert.ok(answer?.ok);
  if (!answer?.ok) return;
  const { slot, ...seat } = answer.value;
  assert.equal(seat, { key: key('a'), terms: termsOf(wish), used: { up: 3n, down: 4n }, packets: { up: 1n, down: 2n }, ends: 1_060_000 });
  assert.ok(slot >= 1 && slot <= 13);
  assert.equal([...d.want.values()], [answer.value]);
});
admit('the same again is the same seat', () => {
  const first = admitted(haveOf(), request('a'));
  const second = admitted(haveOf(), request('a'), request('a'));
  assert.is(second.want.size, 1);
  assert.equal(second.want, first.want);
});
admit('what the kernel holds keeps its slot and its counts, and gets a new end', () => {
  const have = haveOf([held('a', 5, 1000)]);
  const d = admitted(have, request('a', { used: { up: 900n, down: 0n } }));
  assert.equal(d.want.get(key('a')), {
    key: key('a'),
    slot: 5,
    terms: termsOf(wish),
    used: { up: 7n, down: 8n },
    packets: { up: 3n, down: 4n },
    ends: 1_060_000,
  });
  assert.equal(
    plan(d.want, have.kernel, now).map((s) => s.kind),
    ['alter'],
  );
});
admit('the same key with other terms is not', () =>
  assert.equal(outcome(admitted(haveOf([held('a', 5)]), request('a', { rate: { up: 8n, down: 8n } }))), ['exists key']),
);
admit('one bad of three', () => {
  const d = admission.admit(rules, haveOf(), [
    ok(request('a')),
    fail('malformed', 'quota', 'x'),
    ok(request('b', { seconds: 0n })),
    ok(request('c')),
  ]);
  assert.equal(outcome(d), ['ok', 'malformed quota', 'malformed seconds', 'ok']);
  assert.equal(names(d), ['a', 'c']);
});
admit('no more than the owner allows', () => {
  const d = admitted(haveOf([held('x', 1)]), request('a'), request('b'), request('c'));
  assert.equal(outcome(d), ['ok', 'ok', 'denied weir.limits.sessions']);
  assert.match(d.answers[2]?.ok === false ? d.answers[2].fault.reason : '', '3');
});
admit('never a slot that the kernel holds', () => {
  const all = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12].map((n) => held(n < 3 ? `x${n}` : null, n));
  const d = admitted(haveOf(all), request('a'));
  assert.is(d.want.get(key('a'))?.slot, 13);
});
admit('the longest expired makes room, and is told of', () => {
  const ended = new Map([
    [key('x'), millis(900)],
    [key('y'), millis(800)],
  ]);
  const have = haveOf([held('x', 1, 0), held('y', 2, 0), held('z', 3)], { ended });
  const d = admitted(have, request('a'));
  assert.equal([names(d), evicted(d), whys(d)], [['a', 'x', 'z'], ['y'], ['expired']]);
  const first = admitted({ ...have, ended: new Map([[key('y'), millis(800)]]) }, request('a'));
  assert.equal(evicted(first), ['x'], 'what expired before anybody looked is the oldest');
});
admit('an expired one that is asked for again makes no room', () => {
  const d = admitted(haveOf([held('x', 1, 0), held('y', 2), held('z', 3)]), request('x'), request('a'));
  assert.equal(outcome(d), ['ok', 'denied weir.limits.sessions']);
  assert.equal(d.want.get(key('x'))?.ends, 1_060_000);
});
admit('a full pool gives the slot of who goes, cleared before', () => {
  const small = rulesOf({ sessions: 1 }, undefined, '10.213.0.0/30');
  const have = haveOf([held('x', 1, 0)]);
  const d = admission.admit(small, have, [ok(request('a'))]);
  assert.is(d.want.get(key('a'))?.slot, 1);
  assert.equal(
    plan(d.want, have.kernel, now).map((s) => s.kind),
    ['expel', 'clear', 'seat', 'welcome'],
  );
});
admit('rules without a peer are not taken over: their counts are not this session’s', () => {
  const small = rulesOf({ sessions: 1 }, undefined, '10.213.0.0/30');
  const d = admission.admit(small, haveOf([held(null, 1)]), [ok(request('a'))]);
  assert.equal(outcome(d), ['limit weir.tunnel.pool4']);
  assert.equal(names(d), []);
});
admit('whoever was here before finds its slot again, and the next one where that is taken or not there', () => {
  const d = admitted(haveOf(), request('a', { slot: 7 }), request('b', { slot: 7 }), request('c', { slot: 20 }));
  const slots = d.answers.map((a) => a.ok && a.value.slot);
  // Of 13 slots, the 20th is the 7th.
  assert.equal(slots, [7, 8, 9]);
});
admit('keys are spread over the slots', () => {
  const many = rulesOf({ sessions: 200 }, undefined, '10.213.0.0/22');
  const d = admission.admit(
    many,
    haveOf(),
    Array.from({ length: 100 }, (_, i) => ok(request(`k${i}`))),
  );
  const slots = [...d.want.values()].map((s) => s.slot);
  assert.is(new Set(slots).size, 100);
  assert.ok(Math.max(...slots) > 500 && slots.every((s) => s >= 1 && s <= 1021));
});
admit('what the answer holds is what is wanted', () => {
  const d = admitted(haveOf(), request('a'), request('b'));
  for (const answer of d.answers) assert.ok(answer.ok && d.want.get(answer.value.key) === answer.value);
});
admit.run();

const refused = suite('admit refuses');
const most = 1n << 50n;
const bad: readonly (readonly [name: string, change: Partial<Request>, code: string, path: string])[] = [
  ['no base64', { key: 'a'.repeat(43) }, 'malformed', 'key'],
  ['31 bytes', { key: `${'a'.repeat(40)}AA==` }, 'malformed', 'key'],
  ['33 bytes', { key: 'A'.repeat(44) }, 'malformed', 'key'],
  ['bits that are none of the key', { key: `${'a'.repeat(42)}B=` }, 'malformed', 'key'],
  ['a line behind the key', { key: `${key('a')}\n` }, 'malformed', 'key'],
  ['base64 of URLs', { key: key('_') }, 'malformed', 'key'],
  ["the router's own key", { key: own }, 'denied', 'key'],
  ['a byte too many', { quota: { kind: 'shared', bytes: 1001n } }, 'denied', 'quota'],
  ['no time', { seconds: 0n }, 'malformed', 'seconds'],
  ['time gone by', { seconds: -1n }, 'malformed', 'seconds'],
  ['a second too long', { seconds: 3601n }, 'denied', 'seconds'],
  ['for ever', { seconds: (1n << 63n) - 1n }, 'denied', 'seconds'],
  ['less than nothing used', { used: { up: -1n, down: 0n } }, 'malformed', 'used_up'],
  ['more used than there is', { used: { up: 0n, down: most + 1n } }, 'denied', 'used_down'],
  ['fewer packets than none', { packets: { up: 0n, down: -1n } }, 'malformed', 'used_packets_down'],
  ['more packets than bytes there are', { packets: { up: most + 1n, down: 0n } }, 'denied', 'used_packets_up'],
  [
    'another session, though the owner allows 10/8',
    { egress: { kind: 'hop', address: '10.213.0.3', protocol: 'udp', port: 9 } },
    'denied',
    'egress.hop.address',
  ],
  [
    'the router in the tunnel',
    { egress: { kind: 'hop', address: 'fd00::e', protocol: 'udp', port: 4720 } },
    'denied',
    'egress.hop.address',
  ],
];
for (const [name, change, code, path] of bad)
  refused(name, () => {
    const d = admitted(haveOf(), request('a', change));
    assert.equal([outcome(d), names(d)], [[`${code} ${path}`], []]);
  });
for (const [name, change] of [
  ['the longest time', { seconds: 3600n }],
  ['as much used as there is', { used: { up: most, down: most } }],
] satisfies [string, Partial<Request>][])
  refused(`but takes ${name}`, () => assert.equal(outcome(admitted(haveOf(), request('a', change))), ['ok']));
refused.run();

const gate = suite('the owner');
const shares = [
  { name: 'shares nothing yet', share: { accepted: false, paused: false }, path: 'weir.share.accepted' },
  { name: 'has paused', share: { accepted: true, paused: true }, path: 'weir.share.paused' },
];
for (const { name, share, path } of shares)
  gate(name, () => {
    const have = haveOf([held('x', 1), held('y', 2, 0)]);
    const r = rulesOf({}, share);
    const all = [
      admission.admit(r, have, [ok(request('x'))]),
      admission.renew(r, have, [ok({ key: key('x'), seconds: 1n })]),
      admission.change(r, have, [ok({ ...wish, key: key('x') })]),
    ];
    for (const d of all)
      assert.equal([outcome(d), names(d), evicted(d), whys(d)], [[`denied ${path}`], [], ['x', 'y'], ['owner', 'owner']]);
    assert.equal(
      plan(admission.adopt(r, have).want, have.kernel, now).map((s) => s.kind),
      ['expel', 'expel', 'clear', 'clear'],
    );
  });
gate('has no month left: who is there stays, and gets nothing more', () => {
  const have = haveOf([held('x', 1)], { isMonthSpent: true });
  const all = [
    admission.admit(rules, have, [ok(request('a'))]),
    admission.renew(rules, have, [ok({ key: key('x'), seconds: 1n })]),
    admission.change(rules, have, [ok({ ...wish, key: key('x') })]),
  ];
  for (const d of all) assert.equal([outcome(d), names(d)], [['denied weir.limits.monthly_cap'], ['x']]);
  assert.equal(outcome(admission.evict(rules, have, [ok({ key: key('x') })])), ['ok']);
});
const mondays = { spans: [{ first: 0, last: 60 }], whenUnknown: false };
const hours: readonly Readonly<{ name: string; schedule: Limits['schedule']; minute: number | null; open: boolean }>[] = [
  { name: 'within them', schedule: mondays, minute: 59, open: true },
  { name: 'outside', schedule: mondays, minute: 60, open: false },
  { name: 'no clock', schedule: mondays, minute: null, open: false },
  { name: 'no clock, and the owner takes the risk', schedule: { ...mondays, whenUnknown: true }, minute: null, open: true },
  { name: 'none, and no clock', schedule: { spans: [], whenUnknown: false }, minute: null, open: true },
];
for (const { name, schedule, minute, open } of hours)
  gate(`has hours: ${name}`, () => {
    const have = haveOf([held('x', 1)], { minute });
    const r = rulesOf({ schedule });
    const all = [admission.admit(r, have, [ok(request('x'))]), admission.renew(r, have, [ok({ key: key('x'), seconds: 1n })])];
    const want = open ? [['ok'], ['x'], []] : [['denied weir.limits.schedule'], [], ['owner']];
    for (const d of all) assert.equal([outcome(d), names(d), whys(d)], want);
  });
gate('has changed nothing', () => {
  const have = haveOf([held('x', 1), held('y', 2, 0)]);
  assert.equal(plan(admission.adopt(rules, have).want, have.kernel, now), []);
});
const lowered: readonly { name: string; rules: Rules; stay: string[] }[] = [
  { name: 'less quota', rules: rulesOf({ session: { ...owner.session, quota: 999n as ByteCount } }), stay: ['z'] },
  { name: 'another pool', rules: rulesOf({}, undefined, '10.213.0.0/30'), stay: ['x'] },
  { name: 'fewer sessions: the expired one goes first', rules: rulesOf({ sessions: 2 }), stay: ['x', 'z'] },
  { name: 'one session: then who has the least time', rules: rulesOf({ sessions: 1 }), stay: ['x'] },
];
for (const c of lowered)
  gate(`allows ${c.name}`, () => {
    const have = haveOf([held('x', 1, 60_000), held('y', 2, 0), held('z', 3, 50_000, { quota: { kind: 'shared', bytes: 10n } })]);
    const d = admission.adopt(c.rules, have);
    assert.equal(names(d), c.stay);
    assert.equal(whys(d), Array(3 - c.stay.length).fill('limits'));
  });
gate.run();

const later = suite('renew, change, evict');
const have = haveOf([held('a', 4, 5000)]);
const table: readonly { name: string; d: Decision; outcome: string; want: Partial<Seat> | undefined }[] = [
  {
    name: 'a new end',
    d: admission.renew(rules, have, [ok({ key: key('a'), seconds: 3600n })]),
    outcome: 'ok',
    want: { ends: millis(4_600_000) },
  },
  { name: 'an end too far', d: admission.renew(rules, have, [ok({ key: key('a'), seconds: 3601n })]), outcome: 'denied seconds', want: {} },
  { name: 'the end of nobody', d: admission.renew(rules, have, [ok({ key: key('b'), seconds: 1n })]), outcome: 'missing key', want: {} },
  { name: 'the end of no key', d: admission.renew(rules, have, [ok({ key: 'b', seconds: 1n })]), outcome: 'malformed key', want: {} },
  {
    name: 'an expired one lives again',
    d: admission.renew(rules, haveOf([held('a', 4, 0)]), [ok({ key: key('a'), seconds: 1n })]),
    outcome: 'ok',
    want: { ends: millis(1_001_000) },
  },
  {
    name: 'new terms, the same counts and end',
    d: admission.change(rules, have, [ok({ ...wish, key: key('a'), quota: { kind: 'split', up: 1n, down: 2n } })]),
    outcome: 'ok',
    want: { terms: termsOf({ ...wish, quota: { kind: 'split', up: 1n, down: 2n } }) },
  },
  {
    name: 'new terms beyond the ceiling',
    d: admission.change(rules, have, [ok({ ...wish, key: key('a'), rate: { up: 8001n, down: 8n } })]),
    outcome: 'denied rate_up',
    want: {},
  },
  { name: 'new terms for nobody', d: admission.change(rules, have, [ok({ ...wish, key: key('b') })]), outcome: 'missing key', want: {} },
  { name: 'goes', d: admission.evict(rules, have, [ok({ key: key('a') })]), outcome: 'ok', want: undefined },
  { name: 'nobody goes', d: admission.evict(rules, have, [ok({ key: key('b') })]), outcome: 'missing key', want: {} },
];
const before: Seat = {
  key: key('a'),
  slot: 4 as Slot,
  terms: termsOf(wish),
  used: { up: 7n as ByteCount, down: 8n as ByteCount },
  packets: { up: 3n, down: 4n },
  ends: millis(1_005_000),
};
for (const c of table)
  later(c.name, () => {
    assert.equal(outcome(c.d), [c.outcome]);
    assert.equal(c.d.want.get(key('a')), c.want === undefined ? undefined : { ...before, ...c.want });
  });
later('all in one batch', () => {
  const both = haveOf([held('a', 1), held('b', 2)]);
  const d = admission.evict(
    rules,
    both,
    [key('a'), key('b'), key('a')].map((k): Result<{ key: string }> => ok({ key: k })),
  );
  assert.equal([outcome(d), names(d), evicted(d), whys(d)], [['ok', 'ok', 'missing key'], [], ['a', 'b'], ['asked', 'asked']]);
});
later.run();
