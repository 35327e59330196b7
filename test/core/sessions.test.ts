// The round, event by event: who is refused what, what is asked of the enforcer, and what becomes of its answers.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis, type PublicKey, seconds } from '../../agent/core/brand.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Answer, Serving } from '../../agent/core/event.ts';
import type { Draft, Granted } from '../../agent/core/friend.ts';
import * as friend from '../../agent/core/friend.ts';
import type { Grant } from '../../agent/core/grant.ts';
import { fail, fault, ok } from '../../agent/core/result.ts';
import type { Generation, PeerKey, Slot } from '../../agent/core/seat.ts';
import type { Asked, Clock } from '../../agent/core/serving.ts';
import type { Departed, Row, Seated } from '../../agent/core/session.ts';
import type { State } from '../../agent/core/sessions.ts';
import * as sessions from '../../agent/core/sessions.ts';
import type { Ceilings } from '../../agent/core/settings.ts';
import type { BootId, Digest, KeyId, SessionId } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';

const id = 'n'.repeat(16) as KeyId;
const boot = 'b'.repeat(16) as BootId;
const moment: Clock = { at: millis(1000), wall: { at: seconds(1), trust: 'unknown' } };
const ceilings = { rate: { up: 1000n, down: 1000n }, quota: 1n << 30n, lifetime: seconds(7200) } as Ceilings;
const settings = { node: { id: null, prefix: 'weir' }, brokers: [], coordinators: [] } as const;
const configured: Extract<Serving, { kind: 'configured' }> = {
  kind: 'configured',
  node: id,
  id,
  settings,
  ceilings,
  pinned: [],
  tunnel: null,
};
const key = (letter: string): PeerKey => `${letter.repeat(42)}A=` as PeerKey;
const draft = (letter: string): Draft => ({
  peer: key(letter),
  consumer: new Uint8Array(32) as PublicKey,
  witness: 'optional',
  credit: null,
  quota: 1000n as ByteCount,
  rate: { up: 800n, down: 800n },
  lifetime: seconds(3600),
  until: null,
  idle: null,
});
const grant = (letter: string): Grant => friend.invite(id, '0'.repeat(32), draft(letter));
const root = 'r'.repeat(16) as KeyId;
const digest = (letter: string): Digest => letter.repeat(64) as Digest;
const session = (letter: string): SessionId => grantId(digest(letter));
const granted = (letter: string, more: Partial<Grant> = {}, kind: Granted['kind'] = 'open'): Granted => ({
  ...{ grant: { ...grant(letter), ...more }, id: session(letter), digest: digest(letter), bytes: new Uint8Array(1) },
  ...{ name: letter, root, kind, ticket: 7 },
});
const none = { up: 0n as ByteCount, down: 0n as ByteCount };
const place = { slot: 2 as Slot, generation: 1 as Generation, counted: { ...none, up: 50n as ByteCount }, packets: none, gap: none };
const row = (letter: string): Row => ({
  ...place,
  key: key(letter),
  quota: grant(letter).quota,
  left: millis(3_600_000),
  handshake: null,
  endpoint: null,
  tunnel: none,
});
const departed = (letter: string): Departed => ({ ...place, key: key(letter), why: 'owner' });
const read = (rows: readonly Row[], gone: readonly Departed[] = []): Serving => ({
  kind: 'read',
  rows,
  gone,
  budget: { round: false, step: false },
});
const seated = (letter: string): Seated => ({ ...place, key: key(letter), address4: '10.213.0.2', address6: 'fd00::2' });
const refusal = fail('denied', 'weir.limits.monthly_cap', 'the month is spent');

type Step = Readonly<{ state: State; effects: readonly Effect[] }>;
const begin = (): Step => ({ state: sessions.begin([], boot, moment.at), effects: [] });
/** What an event causes, and nothing of what was caused before. */
const happen = ({ state }: Step, ...events: readonly Serving[]): Step =>
  events.reduce<Step>((was, event) => sessions.update(boot, was.state, event, moment), { state, effects: [] });
const orders = ({ effects }: Step): readonly Asked[] => effects.flatMap((e) => (e.kind === 'order' ? e.asked : []));
const told = (asked: readonly Asked[]): readonly string[] => asked.map(({ method, item }) => `${method} ${item.key.slice(0, 1)}`);
const answers = ({ effects }: Step): readonly string[] =>
  effects.flatMap((e) =>
    e.kind !== 'answer' ? [] : [e.outcome.ok ? e.outcome.value.kind : `${e.outcome.fault.code} ${e.outcome.fault.path}`],
  );
/** The enforcer's, to what was ordered last. */
const answered = (step: Step, result: Answer['result']): Serving => ({
  kind: 'answered',
  answers: orders(step).map((asked) => ({ asked, result }) as unknown as Answer),
});

const idle = happen(begin(), configured, read([]));
const admitting = happen(happen(idle, { kind: 'agreed', granted: granted('a') }), read([]));
const opened = happen(admitting, answered(admitting, ok(seated('a'))));

const trusted = suite('whose session it is');
trusted('a coordinator that the owner has taken out loses its sessions', () => {
  const still = happen(opened, { ...configured, pinned: [{ id: root, root: new Uint8Array(32) as PublicKey, may: [], least: 1 }] });
  assert.is(still.state.table.get(session('a'))?.kind, 'open');
  const gone = happen(opened, configured);
  const s = gone.state.table.get(session('a'));
  assert.equal([s?.kind, s?.kind === 'draining' && s.why], ['draining', 'owner']);
});
trusted.run();

const early = suite('before the enforcer is known');
const asking: readonly Serving[] = [
  { kind: 'invited', ticket: 1, nonce: '', name: 'a', draft: draft('a') },
  { kind: 'topped', ticket: 1, nonce: '', name: 'a', quota: 1n, seconds: 1 },
  { kind: 'dismissed', ticket: 1, name: 'a' },
  { kind: 'granted', granted: granted('a') },
  { kind: 'revoked', ticket: 1, session: session('a'), root },
];
for (const event of asking) early(`${event.kind} is refused`, () => assert.equal(answers(happen(begin(), event)), ['missing agent']));
for (const event of [read([row('a')]), { kind: 'ticked' }, { kind: 'stopped', signal: '' }] as const)
  early(`${event.kind} changes nothing`, () => assert.equal(happen(begin(), event), begin()));
early.run();

const quota = suite('the owner hears of a quota');
const using = (...used: readonly number[]): readonly string[] => {
  const heard: string[] = [];
  used.reduce<Step>((was, bytes) => {
    const step = happen(was, { kind: 'ticked' }, read([{ ...row('a'), counted: { ...none, up: BigInt(bytes) as ByteCount } }]));
    for (const e of step.effects) if (e.kind === 'tell' && e.event === 'quota') heard.push(`${e.body['name']} ${e.body['percent']}`);
    return step;
  }, opened);
  return heard;
};
for (const [name, used, want] of [
  ['not below 80 percent', [700, 799], []],
  ['once at each step', [800, 801, 949, 950, 999], ['a 80', 'a 95']],
  ['of the last one that was passed', [100, 990], ['a 95']],
] as const)
  quota(name, () => assert.equal(using(...used), want));
quota.run();

const refusing = suite('a grant is refused');
const of = (which: Granted): Serving => ({ kind: 'granted', granted: which });
const change = { session: session('a'), revision: 1 };
for (const { name, from = opened, event, want } of [
  { name: 'of another node', event: of(granted('c', { node: 'x' as KeyId })), want: 'denied grant.node' },
  { name: 'that is wrong in itself', event: of(granted('c', { revision: 3 })), want: 'malformed grant.revision' },
  { name: 'beyond the ceilings', event: of(granted('c', { rate: { up: 1001n, down: 8n } })), want: 'denied grant.rate_up' },
  { name: 'that opens what it changes', event: of(granted('c', change)), want: 'malformed grant.session' },
  { name: 'to a key that has a session', event: of(granted('c', { peer: key('a') })), want: 'exists grant.peer' },
  { name: 'under a name that has one', event: of({ ...granted('c'), name: 'a' }), want: 'exists name' },
  { name: 'that changes nothing that is open', from: idle, event: of(granted('a', change, 'change')), want: 'missing grant.session' },
  { name: 'of another consumer', event: of(granted('c', change, 'change')), want: 'denied grant.peer' },
  {
    name: 'that takes away as a top-up',
    event: of(granted('a', { ...change, lifetime: seconds(1) }, 'topUp')),
    want: 'denied grant.lifetime',
  },
  {
    name: 'to who ends',
    from: happen(opened, { kind: 'dismissed', ticket: 1, name: 'a' }),
    event: of(granted('a', change, 'change')),
    want: 'missing grant.session',
  },
] as const)
  refusing(name, () => {
    const got = happen(from, event);
    assert.equal(answers(got), [want]);
    assert.is(got.effects.length, 1, 'nothing is written down');
  });
refusing.run();

const round = suite('a round');
round('reads, admits, answers', () => {
  assert.equal(told(orders(admitting)), ['admit a']);
  assert.equal(answers(opened), ['opened']);
  assert.equal(
    opened.effects.flatMap((e) => (e.kind === 'note' ? e.marks : [])),
    [{ kind: 'seated', session: session('a'), slot: 2 }],
  );
});
round('evicts whoever nobody agreed to, and says that it has heard of who is gone', () => {
  const next = happen(opened, { kind: 'ticked' });
  assert.equal(told(orders(happen(next, read([row('a'), row('z')], [departed('y')])))), ['evict y', 'evict z']);
  assert.equal(
    told(orders(happen(next, read([row('a'), { ...row('z'), key: null }])))),
    [],
    'rules without a peer are the enforcer’s matter',
  );
});
round('takes the seat of a session before for no other: out first, and in with nothing used', () => {
  const agreed = happen(idle, { kind: 'agreed', granted: granted('a') });
  const found = happen(agreed, read([row('a')]));
  assert.equal(told(orders(found)), ['evict a']);
  const evicted = happen(found, answered(found, ok(departed('a'))));
  assert.equal(
    evicted.effects.map(({ kind }) => kind),
    ['read'],
    'at once',
  );
  const [admit] = orders(happen(evicted, read([])));
  assert.ok(admit?.method === 'admit' && admit.item.slot === undefined);
  assert.equal(admit.item.used, none);
});
round('evicts whom the enforcer will not even stop', () => {
  const leaving = happen(opened, { kind: 'dismissed', ticket: 1, name: 'a' });
  const stopping = happen(leaving, read([row('a')]));
  assert.equal(told(orders(stopping)), ['change a']);
  const refused = happen(stopping, answered(stopping, refusal));
  assert.equal(answers(refused), [], 'who asked waits on');
  const evicting = happen(refused, read([row('a')]));
  assert.equal(told(orders(evicting)), ['evict a']);
  const last = happen(evicting, answered(evicting, ok(departed('a'))));
  assert.equal(
    last.effects.flatMap((e) => (e.kind === 'seal' ? e.receipts.map(({ final, counted }) => [final, counted.up]) : [])),
    [['revoked', 50n]],
  );
});
round('who only waits for the last countersignature is closed: no later root is over it', () => {
  const asking = happen(opened, { kind: 'agreed', granted: granted('b') });
  const admitted = happen(asking, read([row('a')]));
  const both = happen(admitted, answered(admitted, ok(seated('b'))));
  const stopping = happen(happen(both, { kind: 'dismissed', ticket: 1, name: 'a' }), read([row('a'), row('b')]));
  const last = happen(happen(stopping, answered(stopping, ok(seated('a')))), { kind: 'ticked' }, read([row('a'), row('b')]));
  const link = { session: session('a'), sequence: 1, digest: digest('c') };
  const sealed = happen(last, { kind: 'sealed', links: [link], took: millis(1) });
  assert.is(sealed.state.table.get(session('a'))?.kind, 'draining');
  assert.equal(
    happen(sealed, { kind: 'stopped', signal: 'SIGTERM' }).effects.flatMap((e) =>
      e.kind === 'seal' ? [[e.receipts.length, e.others]] : [],
    ),
    [[1, []]],
  );
});
round('an answer that comes twice is heard once', () => {
  const again = happen(opened, answered(admitting, ok(seated('a'))));
  assert.equal(again, { state: opened.state, effects: [] });
});
for (const [name, kept, answer, want] of [
  ['who was to get a first place is forgotten', admitting, 'denied weir.limits.monthly_cap', 0],
  ['who had one is not, and what was agreed is in force', opened, 'opened', 1],
] as const)
  round(`refused: ${name}`, () => {
    const change = { kind: 'agreed', granted: granted('a', { session: session('a'), revision: 1, rate: { up: 8n, down: 8n } }) } as const;
    const asked = kept === admitting ? admitting : happen(happen(opened, change), read([row('a')]));
    const got = happen(asked, answered(asked, refusal));
    assert.equal([answers(got), got.state.table.size], [[answer], want]);
  });
round('an enforcer that says nothing is told of once, and nobody waits for it', () => {
  const silent: Serving = { kind: 'unread', fault: fault('timeout', 'weir.enforcer', 'says nothing') };
  const logs = ({ effects }: Step): number => effects.filter(({ kind }) => kind === 'log').length;
  const first = happen(happen(opened, { kind: 'ticked' }), silent);
  assert.equal([logs(first), logs(happen(first, { kind: 'ticked' }, silent))], [1, 0]);
  const top = happen(first, {
    kind: 'agreed',
    granted: granted('a', { session: session('a'), revision: 1, rate: { up: 8n, down: 8n } }, 'topUp'),
  });
  assert.equal(answers(happen(top, silent)), ['opened'], 'it is written down: asked again it would be given twice');
});
round.run();
