// Fleets in virtual time: each node is the agent's own decisions, the broker a function of time. What arrives is held against a bound that
// is computed, not measured.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { State } from '../../agent/core/contact.ts';
import * as contact from '../../agent/core/contact.ts';
import type { Contacting as Event } from '../../agent/core/event.ts';
import type { Code } from '../../agent/core/result.ts';
import { fault } from '../../agent/core/result.ts';
import type { Broker, Ceilings } from '../../agent/core/settings.ts';
import type { KeyId, Nonce } from '../../agent/core/signed.ts';
import { brokerAt } from './broker.ts';

const spread = 120;
const brokers = ['first.example', 'second.example'].map((host) => brokerAt(host, spread));
type Node = Readonly<{ id: string; brokers: readonly [Broker, ...Broker[]] }>;
const nodeOf = (id: string, count: 1 | 2): Node => {
  const [one, two] = brokers as [Broker, Broker];
  return { id, brokers: count === 1 ? [one] : [one, two] };
};

/** mulberry32: the same luck in every run. */
function luckOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What a broker does with who comes at a moment: nothing but hold the connection, or end it, with or without a welcome before. */
type Answer = Readonly<{ code: Code; after: number; welcome: boolean }> | 'holds';
type Broken = (host: string, ms: number) => Answer;

/** One node for so long; tells of each attempt. null: it starts; else it is connected and loses its broker at once. */
function live(
  node: Node,
  luck: () => number,
  until: number,
  isUp: boolean,
  broken: Broken,
  came: (host: string, ms: number) => void,
): State {
  const self = { boot: `boot of ${node.id}`, epoch: '' as Nonce };
  const births = { last: 0, first: 0, tunnel: null };
  let { state } = contact.begin();
  let ms = 0;
  let due: { at: number; event: Event } | null = null;
  const { id, brokers } = node;
  const ceilings = { rate: { up: 0n, down: 0n }, quota: 0n, lifetime: seconds(1) } as Ceilings;
  const configured: Event = {
    kind: 'configured',
    node: id,
    id: id as KeyId,
    settings: { node: { id, prefix: 'weir' }, coordinators: [], brokers },
    ceilings,
    pinned: [],
    tunnel: null,
  };
  const events: Event[] = [configured];
  if (isUp) {
    state = {
      kind: 'connected',
      node: id,
      prefix: 'weir',
      brokers,
      broker: brokers[0],
      trail: new Map(),
      since: millis(-3_600_000),
      back: null,
    };
    events[0] = { kind: 'disconnected', fault: fault('closed', 'link', 'gone') };
  }
  for (;;) {
    const event = events.shift();
    if (event === undefined) {
      if (due === null || due.at > until) return state;
      ms = due.at;
      events.push(due.event);
      due = null;
      continue;
    }
    const step = contact.update(self, state, event, { at: millis(ms), luck: luck(), births, isOrdered: false });
    state = step.state;
    for (const effect of step.effects) {
      if (effect.kind === 'ask') events.push(configured);
      else if (effect.kind === 'resolve') events.push({ kind: 'resolved', addresses: ['192.0.2.1'] });
      else if (effect.kind === 'rest') due = { at: ms + effect.pause, event: { kind: 'rested' } };
      else if (effect.kind === 'disconnect') events.push({ kind: 'disconnected', fault: null });
      else if (effect.kind === 'connect') {
        const { host } = effect.broker;
        came(host, ms);
        const answer = broken(host, ms);
        if (answer === 'holds' || answer.welcome) events.push({ kind: 'connected' });
        if (answer !== 'holds')
          due = { at: ms + answer.after, event: { kind: 'disconnected', fault: fault(answer.code, 'link', 'as the test wants') } };
      }
    }
  }
}

const peakOf = (perSecond: ReadonlyMap<number, number>): number => Math.max(...perSecond.values());
const counter = () => {
  const perSecond = new Map<number, number>();
  return {
    perSecond,
    came: (ms: number) => {
      const second = Math.floor(ms / 1000);
      perSecond.set(second, (perSecond.get(second) ?? 0) + 1);
    },
  };
};

/** Of nodes that lost their broker at once: in the first window the k-th attempt is the sum of k uniform waits, each over twice the window
 *  of the one before, so its density at the window's end is 1 / (w · (k-1)! · 2^(k(k-1)/2)); later the windows alone bound it lower. */
const densest = (window: number): number =>
  Array.from({ length: 8 }, (_, i) => 1 / (factorial(i) * 2 ** ((i * (i + 1)) / 2))).reduce((sum, term) => sum + term, 0) / window;
const factorial = (n: number): number => (n < 2 ? 1 : n * factorial(n - 1));
/** Five deviations: chance does not exceed it. */
const bound = (mean: number): number => mean + 5 * Math.sqrt(mean);

const fleet = suite('a fleet');
const nodes = 10_000;
const dead: Answer = { code: 'ECONNREFUSED', after: 1, welcome: false };

fleet('loses its broker for ten minutes: nobody comes in crowds, and all come back', () => {
  const luck = luckOf(1);
  const { perSecond, came } = counter();
  const outage = 600_000;
  const broken: Broken = (_, ms) => (ms < outage ? dead : 'holds');
  let back = 0;
  for (let i = 0; i < nodes; i++)
    // The longest wait after it is back.
    if (live(nodeOf(`n${i}`, 1), luck, outage + 900_000, true, broken, (_, ms) => came(ms)).kind === 'connected') back += 1;
  assert.is(back, nodes);
  assert.ok(
    peakOf(perSecond) <= bound(nodes * densest(spread)),
    `${peakOf(perSecond)} in a second, bound ${bound(nodes * densest(spread))}`,
  );
});

fleet('of 100,000 nodes never brings more than 2,000 in a second', () => assert.ok(bound(100_000 * densest(spread)) <= 2000));

fleet('loses one of two brokers: the other is not overrun', () => {
  const luck = luckOf(2);
  const { perSecond, came } = counter();
  let [there, other] = [0, 0];
  for (let i = 0; i < nodes; i++) {
    const state = live(
      nodeOf(`n${i}`, 2),
      luck,
      1_800_000,
      true,
      (host) => (host === 'first.example' ? dead : 'holds'),
      (host, ms) => {
        if (host === 'second.example') came(ms);
      },
    );
    if (state.kind !== 'connected') continue;
    there += 1;
    if (state.broker.host === 'second.example') other += 1;
  }
  assert.equal([there, other], [nodes, nodes]);
  assert.ok(peakOf(perSecond) <= bound(nodes / spread), `${peakOf(perSecond)} in a second`);
});

fleet('starts at once, as after a power failure: each at its moment, evenly', () => {
  const { perSecond, came } = counter();
  for (let i = 0; i < nodes; i++)
    live(
      nodeOf(`n${i}`, 1),
      () => 0,
      200_000,
      false,
      () => 'holds',
      (_, ms) => came(ms),
    );
  assert.is(
    [...perSecond.values()].reduce((sum, n) => sum + n, 0),
    nodes,
  );
  assert.ok(Math.max(...perSecond.keys()) < spread);
  assert.ok(peakOf(perSecond) <= bound(nodes / spread), `${peakOf(perSecond)} in a second`);
});

/** Lorden's bound on the renewals of uniform waits up to c in a time t: t/μ + E[X²]/μ². The first windows are below the longest one. */
const renewals = (t: number, c: number): number => t / (c / 2) + 4 / 3;
const hour = 3_600_000;
const few = 1000;

for (const [name, answer, most] of [
  ['accepts and then kicks', { code: 'closed', after: 500, welcome: true }, 4 + renewals(3600, 900)],
  ['accepts, and kicks a minute later, but for a second', { code: 'closed', after: 59_000, welcome: true }, 4 + renewals(3600, 900)],
  ['does not take our password', { code: 'denied', after: 100, welcome: false }, 1 + 3600 / 450],
  ['hears of another one with our name', { code: 'denied', after: 500, welcome: true }, 1 + 3600 / 450],
  ['shows another certificate', { code: 'tls-certificate', after: 100, welcome: false }, 4 + renewals(3600, 900)],
] as const)
  fleet(`an hour of a broker that ${name}`, () => {
    const luck = luckOf(3);
    let connects = 0;
    for (let i = 0; i < few; i++)
      live(
        nodeOf(`n${i}`, 1),
        luck,
        hour,
        true,
        () => answer,
        () => {
          connects += 1;
        },
      );
    // A thousand means lie close to their own mean: a tenth is a dozen deviations.
    assert.ok(connects > 0 && connects <= few * most * 1.1, `${connects / few} connects of a node, bound ${most}`);
  });

fleet('a better broker that is back gets its nodes back, at moments of their own', () => {
  const luck = luckOf(4);
  const { perSecond, came } = counter();
  const outage = 1_200_000;
  let home = 0;
  for (let i = 0; i < few; i++) {
    const state = live(
      nodeOf(`n${i}`, 2),
      luck,
      outage + 4 * hour,
      true,
      (host, ms) => (host === 'first.example' && ms < outage ? dead : 'holds'),
      (host, ms) => {
        if (host === 'first.example' && ms >= outage) came(ms);
      },
    );
    if (state.kind === 'connected' && state.broker.host === 'first.example') home += 1;
  }
  assert.is(home, few);
  // Two failures: an hour, and between half and the whole of it.
  assert.ok(peakOf(perSecond) <= bound(few / 1800), `${peakOf(perSecond)} in a second`);
});
fleet.run();
