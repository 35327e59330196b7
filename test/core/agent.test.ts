import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { State, Step } from '../../agent/core/agent.ts';
import * as agent from '../../agent/core/agent.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Event } from '../../agent/core/event.ts';
import { fault } from '../../agent/core/result.ts';
import type { Settings } from '../../agent/core/settings.ts';

const self = { version: '1.2.3', host: 'quickjs', boot: 'b00t' };
const settings: Settings = {
  node: { id: 'roof', prefix: 'p' },
  broker: { host: 'b.example', port: 8883, version: '5', user: null, password: null, tls: null, keepAlive: seconds(60) },
};
const why = fault('ECONNREFUSED', 'b.example', 'refused');

const asking: State = { kind: 'asking', failures: 2 };
const resolving: State = { kind: 'resolving', settings, failures: 2 };
const connecting: State = { kind: 'connecting', settings, failures: 2 };
const connected: State = { kind: 'connected', settings, failures: 0 };
const resting: State = { kind: 'resting', failures: 3 };
const leaving: State = { kind: 'leaving' };
const states = { asking, resolving, connecting, connected, resting, leaving };

const configured: Event = { kind: 'configured', settings };
const unconfigured: Event = { kind: 'unconfigured', faults: [fault('missing', 'weir.node.id', 'set it')], luck: 0.5 };
const resolved: Event = { kind: 'resolved', addresses: ['10.0.0.1', '10.0.0.2'] };
const joined: Event = { kind: 'connected', up: millis(12_999) };
const published: Event = { kind: 'published', topic: 'p/roof/birth' };
const unpublished: Event = { kind: 'unpublished', topic: 'p/roof/birth', fault: why };
const disconnected: Event = { kind: 'disconnected', fault: why, luck: 0.5 };
const rested: Event = { kind: 'rested' };
const stopped: Event = { kind: 'stopped', signal: 'SIGTERM' };
const orphaned: Event = { kind: 'orphaned', fault: why };
const events = [configured, unconfigured, resolved, joined, published, unpublished, disconnected, rested, stopped, orphaned];

/** Effects without log lines, in short. */
const acts = ({ effects }: Step): readonly string[] =>
  effects.flatMap((e: Effect): string[] => {
    switch (e.kind) {
      case 'log':
        return [];
      case 'resolve':
        return [`resolve ${e.name}`];
      case 'connect':
        return [`connect ${e.address}, will ${e.will.topic} ${JSON.stringify([...e.will.fields])}`];
      case 'publish':
        return [`publish ${e.publication.topic} ${JSON.stringify([...e.publication.fields])}`];
      case 'rest':
        return [`rest ${e.pause}`];
      case 'exit':
        return [`exit ${e.status}`];
      default:
        return [e.kind];
    }
  });
const gone = 'p/roof/state [[1,0]]';

const table: readonly (readonly [from: keyof typeof states, event: Event, to: State, acts: readonly string[]])[] = [
  ['asking', configured, resolving, ['resolve b.example']],
  ['asking', unconfigured, resting, ['rest 2000']],
  ['resolving', resolved, connecting, [`connect 10.0.0.1, will ${gone}`]],
  ['resolving', disconnected, resting, ['rest 2000']],
  [
    'connecting',
    joined,
    connected,
    ['publish p/roof/birth [[1,1],[2,"roof"],[3,"1.2.3"],[4,"quickjs"],[5,"b00t"],[6,12]]', 'publish p/roof/state [[1,1]]'],
  ],
  ['connecting', disconnected, resting, ['rest 2000']],
  ['connected', disconnected, { kind: 'resting', failures: 1 }, ['rest 500']],
  ['resting', rested, { kind: 'asking', failures: 3 }, ['ask']],
  ['connected', stopped, leaving, [`publish ${gone}`, 'disconnect']],
  ['leaving', disconnected, leaving, ['exit 0']],
  ...(['asking', 'resolving', 'connecting', 'resting'] as const).map((from) => [from, stopped, leaving, ['exit 0']] as const),
  ...(['asking', 'resolving', 'connecting', 'connected', 'resting', 'leaving'] as const).map(
    (from) => [from, orphaned, leaving, ['exit 1']] as const,
  ),
];

const update = suite('agent');
update('begins by asking', () => assert.equal(agent.begin(), { state: { kind: 'asking', failures: 0 }, effects: [{ kind: 'ask' }] }));
for (const [from, event, to, want] of table)
  update(`${from}, ${event.kind}`, () => {
    const step = agent.update(self, states[from], event);
    assert.equal(step.state, to);
    assert.equal(acts(step), want);
  });
for (const from of Object.keys(states) as (keyof typeof states)[])
  for (const event of events.filter((e) => !table.some(([f, t]) => f === from && t.kind === e.kind)))
    update(`${from}, ${event.kind}: nothing`, () => {
      const step = agent.update(self, states[from], event);
      assert.is(step.state, states[from]);
      assert.equal(acts(step), []);
    });
update('tries the next address after each failure', () => {
  const addressAfter = (failures: number): readonly string[] => acts(agent.update(self, { ...resolving, failures } as State, resolved));
  assert.match(String(addressAfter(3)), 'connect 10.0.0.2');
  assert.match(String(addressAfter(4)), 'connect 10.0.0.1');
});
update('says why, once, and no secret', () => {
  const { effects } = agent.update(self, connecting, disconnected);
  assert.equal(
    effects.filter((e) => e.kind === 'log').map((e) => e.line),
    ['b.example: refused (ECONNREFUSED)', 'agent: tries again in 2000 ms'],
  );
});
update('shows itself', () => {
  assert.equal(agent.status(asking), { link: 'asking' });
  assert.equal(agent.status(connected), { link: 'connected', node: 'roof', broker: 'b.example:8883' });
});
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
  pause(`${failures} failures, luck ${luck}`, () => assert.is(agent.pause(failures, luck), want));
pause.run();
