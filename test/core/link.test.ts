import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Mark, Trail } from '../../agent/core/link.ts';
import * as link from '../../agent/core/link.ts';
import type { Code } from '../../agent/core/result.ts';
import type { Broker } from '../../agent/core/settings.ts';
import { brokerAt } from './broker.ts';

const [a, b, c] = [brokerAt('a'), brokerAt('b'), brokerAt('c')];
const all = [a, b, c] as const;
const mark = (failures: number, until = 0): Mark => ({ failures, until: millis(until) });
const trail = (marks: Readonly<Record<string, Mark>>): Trail => new Map(Object.entries(marks).map(([host, m]) => [`${host}:8883`, m]));
const now = 1_000_000;
const at = (luck: number, ms = now) => ({ at: millis(ms), luck });

const choose = suite('choose');
const choices: readonly (readonly [name: string, marks: Readonly<Record<string, Mark>>, want: Broker])[] = [
  ['the preferred one', {}, a],
  ['again after a failure', { a: mark(1) }, a],
  ['the next after two', { a: mark(2) }, b],
  ['the one after it', { a: mark(2), b: mark(2) }, c],
  ['and all over again', { a: mark(2), b: mark(2), c: mark(2) }, a],
  ['not one that would not have us', { a: mark(1, now + 1) }, b],
  ['one whose time is over', { a: mark(1, now) }, a],
  ['of those that would not have us, who may be asked first', { a: mark(1, now + 3), b: mark(1, now + 2), c: mark(1, now + 9) }, b],
  ['a stranger in the trail is nobody', { z: mark(0) }, a],
];
for (const [name, marks, want] of choices) choose(name, () => assert.is(link.choose(trail(marks), all, millis(now)).host, want.host));
choose.run();

const pause = suite('pause');
const pauses: readonly (readonly [name: string, spread: number, mark: Mark | null, luck: number, want: number])[] = [
  ['a lost connection: over the spread', 100, mark(0), 0.999, 99_900],
  ['a broker that nothing is held against, too', 100, null, 0.5, 50_000],
  ['luck may be that it is at once', 100, mark(3), 0, 0],
  ['a failure doubles', 100, mark(1), 0.5, 100_000],
  ['and another', 100, mark(2), 0.5, 200_000],
  ['never over a quarter of an hour', 100, mark(4), 0.5, 450_000],
  ['whatever the number', 100, mark(5000), 0.999, 899_100],
  ['nor with the widest spread', 3600, mark(1), 0.999, 899_100],
  ['without a spread at once', 0, null, 0.999, 0],
  ['and then from a second on', 0, mark(1), 0.999, 1998],
  ['not before it would have us', 100, mark(1, now + 500_000), 0.5, 500_000],
];
for (const [name, spread, m, luck, want] of pauses)
  pause(name, () => assert.is(link.pause(trail(m === null ? {} : { a: m }), brokerAt('a', spread), at(luck)), want));
pause.run();

const ended = suite('ended');
const ends: readonly (readonly [name: string, before: Mark, why: Code | null, lived: number | null, luck: number, want: Mark])[] = [
  ['no connection', mark(2), 'ECONNREFUSED', null, 0.5, mark(3)],
  ['accepted, then kicked', mark(2), 'closed', 59_999, 0.5, mark(3)],
  ['one that held', mark(2), 'closed', 60_000, 0.5, mark(0)],
  ['one that ended in order, at once', mark(0), null, 1, 0.5, mark(1)],
  ['a wrong password', mark(0), 'denied', null, 0, mark(1, now + 450_000)],
  ['and with more luck', mark(0), 'denied', null, 0.999, mark(1, now + 899_550)],
  ['somebody else with our name, after days', mark(0), 'denied', 1e9, 0.5, mark(0, now + 675_000)],
  ['what kept us away is forgotten', mark(1, now - 1), 'timeout', null, 0.5, mark(2)],
];
for (const [name, before, why, lived, luck, want] of ends)
  ended(name, () => {
    const after = link.ended(trail({ a: before, b: mark(7) }), a, why, lived === null ? null : millis(lived), at(luck));
    assert.equal([...after], [...trail({ a: want, b: mark(7) })]);
  });
ended.run();

const back = suite('back');
const ways: readonly (readonly [
  name: string,
  marks: Readonly<Record<string, Mark>>,
  from: Broker,
  luck: number,
  want: readonly [string, number] | null,
])[] = [
  ['from the best there is no way', { b: mark(0) }, a, 0.5, null],
  ['to the best', {}, b, 0.5, ['a', 675_000]],
  ['later where it failed', { a: mark(2) }, b, 0, ['a', 1_800_000]],
  ['at the latest after eight hours', { a: mark(50) }, b, 0.999, ['a', 28_785_600]],
  ['to the one that failed least', { a: mark(3), b: mark(2) }, c, 0, ['b', 1_800_000]],
  ['not before it would have us', { a: mark(0, now + 899_000) }, b, 0, ['a', 899_000]],
  ['from one that the owner took away', {}, brokerAt('z'), 0.5, null],
];
for (const [name, marks, from, luck, want] of ways)
  back(name, () => {
    const found = link.back(trail(marks), all, from, at(luck));
    assert.equal(found === null ? null : [found.to.host, found.pause], want);
  });
back.run();

const trust = suite('trust');
const pin = new Uint8Array(32);
const both = { authority: '/a', pin };
trust('with a clock all that was set', () => assert.equal(link.trust(both, true), both));
trust('without a clock the pinned key alone', () => assert.equal(link.trust(both, false), { authority: null, pin }));
trust('without clock and pin never a stranger', () => {
  const authority = { authority: '/a', pin: null };
  assert.equal(link.trust(authority, false), authority);
});
trust.run();

const name = suite('nameOf');
name('IPv6 in brackets', () => assert.equal([link.nameOf(a), link.nameOf(brokerAt('::1'))], ['a:8883', '[::1]:8883']));
name.run();

const unheard = suite('isUnheard');
for (const [code, want] of [
  ['ENETUNREACH', true],
  ['timeout', true],
  ['ECONNREFUSED', false],
  ['denied', false],
  ['tls-certificate', false],
] as const)
  unheard(code, () => assert.is(link.isUnheard(code), want));
unheard.run();

const first = suite('first');
first('is the same again, and another after the next boot', () => {
  const [one, again, other] = [
    link.first('roof', 'x', seconds(120)),
    link.first('roof', 'x', seconds(120)),
    link.first('roof', 'y', seconds(120)),
  ];
  assert.is(one, again);
  assert.not.equal(one, other);
});
first('without a spread at once', () => assert.is(link.first('roof', 'x', seconds(0)), 0));
for (const [fleet, id, boot] of [
  ['numbered nodes that boot', (i: number) => `roof-${i}`, (i: number) => `0d9c5a1e-${i.toString(16)}`],
  ['numbered nodes whose boots are all alike', (i: number) => `roof-${i}`, () => 'b00t'],
  ['hardware addresses', (i: number) => `c4e984${i.toString(16).padStart(6, '0')}`, () => 'b00t'],
] as const)
  first(`${fleet} are spread evenly`, () => {
    const nodes = 10_000;
    const counts = Array<number>(100).fill(0);
    for (let i = 0; i < nodes; i++) {
      const slot = Math.floor(link.first(id(i), boot(i), seconds(100)) / 1000);
      counts[slot] = Number(counts[slot]) + 1;
    }
    const expected = nodes / counts.length;
    const chi = counts.reduce((sum, n) => sum + (n - expected) ** 2 / expected, 0);
    // 99 degrees of freedom: chance passes 149 once in a thousand times.
    assert.ok(chi < 149, `chi-square ${chi}`);
  });
first.run();
