import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { State, Step } from '../../agent/core/contact.ts';
import * as contact from '../../agent/core/contact.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Contacting as Event } from '../../agent/core/event.ts';
import type { Trail } from '../../agent/core/link.ts';
import * as link from '../../agent/core/link.ts';
import { fault } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Ceilings, Settings } from '../../agent/core/settings.ts';
import type { KeyId, Nonce } from '../../agent/core/signed.ts';
import { brokerAt } from './broker.ts';

const self = { boot: 'b00t', epoch: 'e'.repeat(32) as Nonce };
/** Of a node that has been born twice before, now for the connection that it has. */
const births = { last: 3, first: 2, tunnel: null };
const at = (ms: number, luck = 0.5) => ({ at: millis(ms), luck, births, isOrdered: false });
const now = at(1_000_000);
const [b, c, d] = [brokerAt('b.example'), brokerAt('c.example'), brokerAt('d.example')];
const settings: Settings = { node: { id: null, prefix: 'p' }, brokers: [b, c], coordinators: [] };
const why = fault('ECONNREFUSED', 'b.example', 'refused');

const trail: Trail = new Map([['b.example:8883', { failures: 1, until: millis(0) }]]);
const way = { node: 'roof', prefix: 'p', brokers: [b, c], broker: b, trail } as const;
const since = millis(900_000);
const asking: State = { kind: 'asking', failures: 2, trail };
const resolving: State = { ...way, kind: 'resolving', trial: false };
const connecting: State = { ...way, kind: 'connecting', trial: false, others: ['10.0.0.9'] };
const connected: State = { ...way, kind: 'connected', since, back: null };
const backup: State = { ...way, broker: c, kind: 'connected', since, back: { to: b, at: millis(1_900_000) } };
const moving: State = { ...way, broker: c, kind: 'moving', to: b };
const resting: State = { kind: 'resting', failures: 3, trail, until: millis(1_020_000), why: 'refused' };
const leaving: State = { kind: 'leaving' };
const spent = fault('denied', 'link', 'quota exceeded');
const parting: State = { ...way, broker: c, kind: 'parting', why: spent };
const states = { asking, resolving, connecting, connected, backup, moving, parting, resting, leaving };
type Name = keyof typeof states;
const names = Object.keys(states) as Name[];

const own = {
  node: 'roof',
  id: 'a'.repeat(16) as KeyId,
  ceilings: { rate: { up: 1n, down: 1n }, quota: 1n, lifetime: seconds(1) } as Ceilings,
  pinned: [],
  tunnel: null,
};
const configured: Extract<Event, { kind: 'configured' }> = { kind: 'configured', ...own, settings };
const unconfigured: Event = { kind: 'unconfigured', faults: [fault('missing', 'weir.node.id', 'set it')] };
const resolved: Event = { kind: 'resolved', addresses: ['10.0.0.1', '10.0.0.2', '10.0.0.3'] };
const joined: Event = { kind: 'connected' };
const publication = { topic: 'birth', word: { kind: 'birth', sequence: 3, tunnel: null } } as const;
const published: Event = { kind: 'published', publication };
const unpublished: Event = { kind: 'unpublished', publication, fault: why };
const tunnel = { key: 'k' as PeerKey, port: 51_820, addresses: ['192.0.2.1'] };
const surveyed: Event = { kind: 'surveyed', tunnel };
const moved: Event = { kind: 'moved', brokers: [d], instead: [] };
const refused: Event = { kind: 'unpublished', publication, fault: spent };
const disconnected: Event = { kind: 'disconnected', fault: why };
const rested: Event = { kind: 'rested' };
const stopped: Event = { kind: 'stopped', signal: 'SIGTERM' };
const orphaned: Event = { kind: 'orphaned', fault: why };
const events = [
  configured,
  unconfigured,
  resolved,
  joined,
  published,
  unpublished,
  disconnected,
  rested,
  stopped,
  orphaned,
  surveyed,
  moved,
];

/** Effects without log lines, in short. */
const acts = ({ effects }: Step): readonly string[] =>
  effects.flatMap((e: Effect): string[] => {
    switch (e.kind) {
      case 'log':
        return [];
      case 'resolve':
        return [`resolve ${e.name}`];
      case 'connect':
        return [`connect ${e.address}, ${e.base}, will ${e.will.topic} ${JSON.stringify(e.will.word)}`];
      case 'publish':
        return [`publish ${e.publication.topic} ${JSON.stringify(e.publication.word)}`];
      case 'subscribe':
        return [`subscribe ${e.topics.join()}`];
      case 'rest':
        return [`rest ${e.pause}`];
      case 'tell':
        return [`tell ${e.body['link']} ${e.body['broker']}`];
      case 'exit':
        return [`exit ${e.status}`];
      default:
        return [e.kind];
    }
  });
const state = (isHere: boolean, birth: number) => `state ${JSON.stringify({ kind: 'state', isHere, birth })}`;
const gone = `p/roof/, will ${state(false, 4)}`;

const birth = 'publish birth {"kind":"birth","sequence":2,"tunnel":null}';
const failed = (failures: number): Trail => new Map([['b.example:8883', { failures, until: millis(0) }]]);
const text = 'b.example: refused (ECONNREFUSED)';
const rest = (ms: number, trail: Trail | null, why = text, failures = 0): State => ({
  kind: 'resting',
  failures,
  trail,
  until: millis(now.at + ms),
  why,
});
const goodbye = [`publish ${state(false, 2)}`, 'disconnect'];

const table: readonly (readonly [from: Name, event: Event, to: State, acts: readonly string[]])[] = [
  ['asking', configured, resolving, ['resolve b.example']],
  ['asking', unconfigured, rest(2000, trail, 'weir.node.id: set it (missing)', 3), ['rest 2000']],
  ['resolving', resolved, { ...connecting, others: ['10.0.0.3', '10.0.0.1'] }, [`connect 10.0.0.2, ${gone}`]],
  // The second failure: now it is the other one's turn.
  ['resolving', disconnected, rest(50_000, failed(2)), ['rest 50000']],
  ['connecting', joined, { ...connected, since: now.at }, ['tell up b.example:8883', birth, `publish ${state(true, 2)}`]],
  ['connecting', disconnected, rest(50_000, failed(2)), ['rest 50000']],
  ['connected', disconnected, rest(50_000, failed(0)), ['tell down b.example:8883', 'rest 50000']],
  [
    'backup',
    disconnected,
    rest(100_000, new Map([...trail, ['c.example:8883', { failures: 0, until: millis(0) }]])),
    ['tell down c.example:8883', 'rest 100000'],
  ],
  ['backup', rested, moving, goodbye],
  ['moving', disconnected, { ...resolving, trial: true }, ['resolve b.example']],
  [
    'connected',
    surveyed,
    connected,
    ['publish birth {"kind":"birth","sequence":4,"tunnel":{"key":"k","port":51820,"addresses":["192.0.2.1"]}}', 'survey'],
  ],
  ['backup', { kind: 'surveyed', tunnel: null }, backup, ['survey']],
  ['connected', moved, { ...way, brokers: [d, b, c], kind: 'moving', to: d }, goodbye],
  ['backup', moved, { ...way, broker: c, brokers: [d, b, c], kind: 'moving', to: d }, goodbye],
  ['moving', stopped, leaving, []],
  ['backup', refused, parting, goodbye],
  // It is left alone for 11 minutes and a quarter, and the other one's turn comes.
  [
    'parting',
    disconnected,
    rest(
      100_000,
      new Map([...trail, ['c.example:8883', { failures: 1, until: millis(now.at + 675_000) }]]),
      'link: quota exceeded (denied)',
    ),
    ['tell down c.example:8883', 'rest 100000'],
  ],
  ['parting', stopped, leaving, []],
  ['resting', rested, { kind: 'asking', failures: 3, trail }, ['ask']],
  ['connected', stopped, leaving, goodbye],
  ['backup', stopped, leaving, goodbye],
  ['leaving', disconnected, leaving, ['exit 0']],
  ...(['asking', 'resolving', 'connecting', 'resting'] as const).map((from) => [from, stopped, leaving, ['exit 0']] as const),
  ...names.map((from) => [from, orphaned, leaving, ['exit 1']] as const),
];

const update = suite('contact');
update('begins by asking', () =>
  assert.equal(contact.begin(), { state: { kind: 'asking', failures: 0, trail: null }, effects: [{ kind: 'ask' }] }),
);
for (const [from, event, to, want] of table)
  update(`${from}, ${event.kind}`, () => {
    const step = contact.update(self, states[from], event, now);
    assert.equal(step.state, to);
    assert.equal(acts(step), want);
  });
for (const from of names)
  for (const event of events.filter((e) => !table.some(([f, t]) => f === from && t.kind === e.kind)))
    update(`${from}, ${event.kind}: nothing`, () => {
      const step = contact.update(self, states[from], event, now);
      assert.is(step.state, states[from]);
      assert.equal(acts(step), []);
    });
update('where it is sent after that stands in the place of where it was sent before', () => {
  const there: State = { ...connected, brokers: [d, b, c], broker: d };
  const e = brokerAt('e.example');
  const { state } = contact.update(self, there, { kind: 'moved', brokers: [e], instead: [d] }, now);
  assert.equal(state, { ...way, brokers: [e, b, c], broker: d, kind: 'moving', to: e });
});
update('a state that a broker does not take is no reason to leave', () => {
  const state = { topic: 'state', word: { kind: 'state', isHere: true, birth: 2 } } as const;
  const step = contact.update(self, connected, { kind: 'unpublished', publication: state, fault: spent }, now);
  assert.equal([step.state, acts(step)], [connected, []]);
});
update('waits for its turn, once, however lucky', () => {
  const step = contact.update(self, { ...asking, trail: null }, configured, at(5, 0.999));
  const turn = link.first('roof', 'b00t', seconds(100));
  assert.equal(step.state, { kind: 'resting', failures: 0, trail: new Map(), until: millis(5 + turn), why: 'link: waits for its turn' });
  assert.equal(acts(step), [`rest ${turn}`]);
  const next = contact.update(self, contact.update(self, step.state, rested, now).state, configured, now);
  assert.equal(acts(next), ['resolve b.example']);
});
update('stays alone where no broker is set, until it is stopped', () => {
  const none: Event = { ...configured, settings: { ...settings, brokers: [] } };
  const step = contact.update(self, { ...asking, trail: null }, none, now);
  assert.equal([step.state, acts(step)], [{ kind: 'alone', node: 'roof' }, []]);
  assert.equal(contact.status(step.state, now.at), { link: 'alone', node: 'roof' });
  assert.equal(acts(contact.update(self, step.state, stopped, now)), ['exit 0']);
});
update('has no turn to wait for where there is one node', () => {
  const alone: Settings = { ...settings, brokers: [{ ...b, spread: seconds(0) }] };
  assert.equal(acts(contact.update(self, { ...asking, trail: null }, { ...configured, settings: alone }, now)), ['resolve b.example']);
});
update('where nobody answers, tries the other addresses at once', () => {
  const silent: Event = { kind: 'disconnected', fault: fault('ENETUNREACH', '', 'no way') };
  const step = contact.update(self, connecting, silent, now);
  assert.equal(step.state, { ...connecting, others: [] });
  assert.equal(acts(step), [`connect 10.0.0.9, ${gone}`]);
  assert.equal(acts(contact.update(self, step.state, silent, now)), ['rest 50000']);
});
update('a better broker that is not there costs nothing but a moment', () => {
  const trial = { ...connecting, trial: true, others: [] };
  const step = contact.update(self, trial, disconnected, now);
  assert.equal([step.state, acts(step)], [{ kind: 'asking', failures: 0, trail: failed(2) }, ['ask']]);
  assert.equal(acts(contact.update(self, step.state, configured, now)), ['resolve c.example']);
});
update('at a broker that is not the best it waits for the better one', () => {
  const { state, effects } = contact.update(self, { ...connecting, broker: c }, joined, now);
  assert.equal(state.kind === 'connected' && state.back, { to: b, at: millis(now.at + 1_350_000) });
  assert.equal(effects.at(-1), { kind: 'rest', pause: 1_350_000 });
});
update('a connection that lived for a moment came to nothing', () => {
  const step = contact.update(self, { ...connected, since: millis(now.at - 59_999) }, disconnected, now);
  assert.equal(step.state, rest(50_000, failed(2)));
});
update('says why, once, and no secret', () => {
  const { effects } = contact.update(self, connecting, disconnected, now);
  assert.equal(
    effects.filter((e) => e.kind === 'log').map((e) => e.line),
    [text, 'agent: goes on in 50 s'],
  );
});
const shown: readonly (readonly [state: State, want: Readonly<Record<string, string>>])[] = [
  [asking, { link: 'asking' }],
  [resolving, { link: 'resolving', node: 'roof', broker: 'b.example:8883' }],
  [connected, { link: 'connected', node: 'roof', broker: 'b.example:8883', for: '100 s' }],
  [backup, { link: 'connected', node: 'roof', broker: 'c.example:8883', for: '100 s', next: 'b.example:8883 in 900 s' }],
  [resting, { link: 'resting', next: 'in 20 s', why: 'refused' }],
];
for (const [state, want] of shown) update(`shows itself ${state.kind}`, () => assert.equal(contact.status(state, now.at), want));
update.run();

const pause = suite('pause');
const pauses: readonly (readonly [failures: number, luck: number, want: number])[] = [
  [0, 0, 0],
  [0, 0.999, 999],
  [1, 0.999, 1998],
  [5, 0.999, 31_968],
  [6, 0.999, 59_940],
  [16, 0.999, 59_940],
  [5000, 0.999, 59_940],
];
for (const [failures, luck, want] of pauses)
  pause(`${failures} failures, luck ${luck}`, () => assert.is(contact.pause(failures, luck), want));
pause.run();
