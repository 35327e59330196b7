// The agent tells how it does: over a broker that comes and goes.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Millis, millis, type Seconds } from '../../agent/core/brand.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Telling } from '../../agent/core/settings.ts';
import { groups } from '../../agent/core/settings.ts';
import type { Report } from '../../agent/core/telemetry.ts';
import { most } from '../../agent/core/telemetry.ts';
import * as telling from '../../agent/telling.ts';
import { manual } from '../fakes/clock.ts';

const minute: Telling = { period: 60 as Seconds, without: [], probes: [] };
const away = fail('closed', 'link', 'is not there');

type Model = { broker: Result<void> | null; sent: Report[]; at: Millis[]; looks: number; bytes: number };
function begin(luck = 0.5) {
  const clock = manual();
  const m: Model = { broker: ok(undefined), sent: [], at: [], looks: 0, bytes: 0 };
  let settle: ((sent: Result<void>) => void) | null = null;
  const teller = telling.open({
    clock,
    luck: () => luck,
    async look() {
      m.looks += 1;
      m.bytes += 10;
      return { up: m.bytes, load: m.looks % 5 };
    },
    encode: (report) => new TextEncoder().encode(JSON.stringify(report)),
    async publish(bytes) {
      const sent = m.broker ?? (await new Promise<Result<void>>((resolve) => (settle = resolve)));
      if (sent.ok) {
        m.sent.push(JSON.parse(new TextDecoder().decode(bytes)));
        m.at.push(clock.monotonic());
      }
      return sent;
    },
  });
  return {
    m,
    teller,
    settled: (sent: Result<void>) => settle?.(sent),
    async passing(seconds: number): Promise<void> {
      for (let n = 0; n < seconds; n++) {
        clock.advance(millis(1000));
        for (let i = 0; i < 20; i++) await Promise.resolve();
      }
    },
  };
}
const bytesOf = (reports: readonly Report[]): number => reports.reduce((sum, { values }) => sum + Number(values.up ?? 0), 0);

const test = suite('telling');
test('nothing before it is told to', async () => {
  const { m, passing } = begin();
  await passing(200);
  assert.is(m.looks, 0);
});
for (const [luck, each] of [
  [0, 54],
  [0.5, 60],
  [1, 66],
] as const)
  test(`every ${each} s with luck ${luck}`, async () => {
    const { m, teller, passing } = begin(luck);
    teller.tell(minute);
    await passing(3 * 66);
    assert.equal(
      m.sent.slice(0, 3).map(({ at }) => at),
      [each, 2 * each, 3 * each],
    );
    assert.equal(
      m.sent.slice(0, 2).map(({ isWhole }) => isWhole),
      [true, false],
    );
  });
test('shows the very bytes that were sent last', async () => {
  const { m, teller, passing } = begin();
  assert.is(teller.told().last, null);
  teller.tell(minute);
  await passing(121);
  const { last } = teller.told();
  assert.equal(last && JSON.parse(new TextDecoder().decode(last.bytes)), m.sent.at(-1));
});
test('looks at nothing when everything is left out', async () => {
  const { m, teller, passing } = begin();
  teller.tell({ ...minute, without: groups });
  await passing(200);
  assert.is(m.looks, 0);
});
test('other settings take the place of the first', async () => {
  const { m, teller, passing } = begin();
  teller.tell(minute);
  teller.tell({ ...minute, period: 20 as Seconds });
  await passing(121);
  assert.is(m.looks, 6);
});
test('a day without a broker: bounded, then drained at a limited rate behind the last, and no byte is lost', async () => {
  const { m, teller, passing } = begin();
  teller.tell(minute);
  m.broker = away;
  await passing(86_400);
  assert.is(teller.told().waiting, most);
  assert.is(teller.told().span, 86_400);
  m.broker = ok(undefined);
  await passing(60);
  assert.ok(m.sent.length < most / 2);
  await passing(3 * most);
  assert.is(teller.told().waiting, 0);
  assert.is(bytesOf(m.sent), m.bytes);
  for (const [i, at] of m.at.entries()) assert.ok(i === 0 || at - (m.at[i - 1] ?? 0) >= 2000);
  let end = 0;
  for (const { at, span } of m.sent) {
    assert.is(at - span, end);
    end = at;
  }
});
test('what is under way is merged with nothing, and goes again when it did not arrive', async () => {
  const { m, teller, passing, settled } = begin();
  teller.tell(minute);
  m.broker = null;
  await passing(60 * (most + 5));
  assert.is(m.sent.length, 0);
  assert.is(teller.told().waiting, most);
  settled(away);
  m.broker = ok(undefined);
  await passing(60 * 5);
  assert.equal([m.sent[0]?.at, m.sent[0]?.span], [60, 60]);
  assert.is(bytesOf(m.sent), m.bytes);
});
test.run();
