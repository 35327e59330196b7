// The line is measured on the owner's list and when it is ordered: over servers of numbers.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Millis, millis, type Seconds } from '../../agent/core/brand.ts';
import type { Goal, Trips } from '../../agent/core/probe.ts';
import { fail, ok } from '../../agent/core/result.ts';
import type { Probe } from '../../agent/core/settings.ts';
import * as probing from '../../agent/probing.ts';
import { manual } from '../fakes/clock.ts';

const far: Probe = { kind: 'udp_echo', host: 'echo.example', port: 7, period: 60 as Seconds };
const near: Probe = { kind: 'tcp_connect', host: '192.168.1.1', port: 443, period: 30 as Seconds };
const trips = (...spans: readonly (number | null)[]): Trips => spans.map((span) => (span === null ? null : millis(span)));

function begin() {
  const clock = manual();
  const m = {
    goals: [] as [string, Millis][],
    answers: { udp: trips(10, 30, null, 20, 20), tcp: trips(5, 5, 5, 5, 5) },
    held: null as null | (() => void),
  };
  const it = probing.open({
    clock,
    luck: () => 0.5,
    resolve: async (name) => {
      if (name === 'echo.example') return ok(['198.51.100.7']);
      return name === near.host ? ok([name]) : fail('missing', name, 'there is no such name');
    },
    async measure({ protocol, address, port, times, size }: Goal) {
      m.goals.push([`${protocol} ${address} ${port} ${times} ${size}`, clock.monotonic()]);
      if (m.held !== null) await new Promise<void>((resolve) => (m.held = resolve));
      return m.answers[protocol];
    },
  });
  return {
    m,
    it,
    async passing(seconds: number): Promise<void> {
      for (let n = 0; n < seconds; n++) {
        clock.advance(millis(1000));
        for (let i = 0; i < 20; i++) await Promise.resolve();
      }
    },
  };
}

const list = suite('the list');
list('nothing is known without one', () => assert.equal(begin().it.found(), {}));
list('each at its period, the first time somewhere within it', async () => {
  const { m, it, passing } = begin();
  it.watch([far, near]);
  assert.equal(it.found(), { probes: 0, lost: 0 });
  await passing(100);
  assert.equal(m.goals, [
    ['tcp 192.168.1.1 443 5 64', 15_000],
    ['udp 198.51.100.7 7 5 64', 30_000],
    ['tcp 192.168.1.1 443 5 64', 45_000],
    ['tcp 192.168.1.1 443 5 64', 75_000],
    ['udp 198.51.100.7 7 5 64', 90_000],
  ]);
  assert.equal(it.found(), { probes: 25, lost: 2, latency: 20 });
});
list('whoever does not answer, or is not found, is lost', async () => {
  const { m, it, passing } = begin();
  m.answers.tcp = trips(null, null, null, null, null);
  it.watch([near, { ...far, host: 'nowhere.example' }]);
  await passing(31);
  assert.equal(it.found(), { probes: 10, lost: 10 });
  assert.is(m.goals.length, 1);
});
list('another list takes the place of the first', async () => {
  const { m, it, passing } = begin();
  it.watch([far]);
  it.watch([near]);
  await passing(100);
  assert.ok(m.goals.every(([goal]) => goal.startsWith('tcp')));
});
list.run();

const order = { kind: 'probe', protocol: 'udp', address: '8.8.8.8', port: 7, times: 5, size: 100 } as const;
const orders = suite('an order');
orders('is measured once', async () => {
  const { m, it } = begin();
  const outcome = { kind: 'probed', sent: 5, received: 4, times: { least: 10_000, median: 20_000, most: 30_000 } };
  assert.equal(await it.ordered(order), { ok: true, value: outcome });
  assert.equal(m.goals, [['udp 8.8.8.8 7 5 100', 0]]);
});
orders('does not lead into the household', async () => {
  const { m, it } = begin();
  const refused = await it.ordered({ ...order, address: '192.168.1.1' });
  assert.equal([refused.ok ? null : refused.fault.code, m.goals], ['denied', []]);
});
orders('one at a time', async () => {
  const { m, it } = begin();
  m.held = () => undefined;
  const first = it.ordered(order);
  const second = await it.ordered(order);
  assert.is(second.ok ? null : second.fault.code, 'limit');
  m.held();
  assert.ok((await first).ok);
  m.held = null;
  assert.ok((await it.ordered(order)).ok);
});
orders.run();
