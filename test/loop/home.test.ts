// Home first over a model of its ports: when it reads, what it tells the kernel, and what it does when it cannot.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Line } from '../../agent/core/home.ts';
import * as core from '../../agent/core/home.ts';
import { type Fault, fail, ok, type Result } from '../../agent/core/result.ts';
import type { ByteRate } from '../../agent/core/seat.ts';
import * as homes from '../../agent/home.ts';
import type { Home } from '../../agent/ports/home.ts';
import { manual } from '../fakes/clock.ts';

const line = (rate: bigint): Line => ({ link: { up: rate as ByteRate, down: rate as ByteRate }, headroom: 10 });
const slow = line(1_000_000n);

type Model = Readonly<{
  it: Home;
  /** What the kernel was told, and when it was read. */
  calls: string[];
  lines: readonly string[];
  now: { used: bigint; isIdle: boolean; isAnybodyIn: boolean; broken: string | null };
  keep(wanted?: Line | null): Promise<Result<void>>;
  passing(ms: number): Promise<void>;
}>;

function begin(): Model {
  const clock = manual();
  const calls: string[] = [];
  const lines: string[] = [];
  const now: Model['now'] = { used: 0n, isIdle: false, isAnybodyIn: true, broken: null };
  const asked = async <T>(name: string, said: string, value: T): Promise<Result<T>> => {
    await Promise.resolve();
    if (now.broken === name) return fail('EIO', name, 'broken');
    calls.push(said);
    return ok(value);
  };
  const it = homes.open({
    host: { clock, log: (text) => void lines.push(text) },
    rules: {
      passed: () => asked('passed', 'read', (now.isIdle ? 0n : BigInt(clock.monotonic()) * 20n) as ByteCount),
      pace: (level) => asked('pace', `pace ${level}`, undefined),
    },
    routes: {
      traffic: () => asked('traffic', 'look', { source: '1', up: now.used as ByteCount, down: 0n as ByteCount, framing: 0n as ByteCount }),
    },
  });
  return {
    it,
    calls,
    lines,
    now,
    keep: (wanted = slow) => it.keep(wanted === null ? null : { line: wanted, devices: ['wan'], isAnybodyIn: () => now.isAnybodyIn }),
    async passing(ms) {
      for (let left = ms; left > 0; left -= 1000) {
        clock.advance(millis(Math.min(left, 1000)));
        for (let n = 0; n < 50; n++) await Promise.resolve();
      }
    },
  };
}
const told = (m: Model): readonly string[] => m.calls.splice(0).filter((c) => c.startsWith('pace'));
const codeOf = (r: Result<unknown>): Fault['code'] | 'ok' => (r.ok ? 'ok' : r.fault.code);

const test = suite('home: the loop');
test('begins with a little, before anybody is told that it has begun', async () => {
  const m = begin();
  assert.is(m.it.rate(), null);
  assert.ok((await m.keep()).ok);
  assert.equal([m.calls, m.it.rate()], [['pace 1'], core.ladder(slow)[0]]);
});
test('once more over the same rules: the kernel is told again, the rate stays', async () => {
  const m = begin();
  await m.keep();
  await m.passing(6000);
  const rate = m.it.rate();
  told(m);
  await m.keep();
  assert.equal([told(m).length, m.it.rate()], [1, rate]);
  await m.keep(line(500_000n));
  assert.equal([told(m), m.it.rate()], [['pace 1'], core.ladder(line(500_000n))[0]]);
});
test('follows what the household leaves over', async () => {
  const m = begin();
  await m.keep();
  await m.passing(20_000);
  assert.is(told(m).at(-1), 'pace 16');
  m.now.used += 800_000n;
  await m.passing(1000);
  assert.equal(told(m), ['pace 7']);
});
test('looks each second while guests use the line, and seldom while they do not', async () => {
  const m = begin();
  await m.keep();
  const looks = async (seconds: number): Promise<number> => {
    m.calls.splice(0);
    await m.passing(1000 * seconds);
    return m.calls.filter((c) => c === 'look').length;
  };
  await m.passing(5000);
  assert.is(await looks(12), 12);
  m.now.isIdle = true;
  await m.passing(8000);
  assert.is(await looks(12), 3);
});
test('reads nothing while nobody is in; the next one begins with a little', async () => {
  const m = begin();
  await m.keep();
  await m.passing(5000);
  m.now.isAnybodyIn = false;
  m.calls.splice(0);
  await m.passing(5000);
  assert.equal(m.calls, ['pace 1']);
});
for (const broken of ['passed', 'traffic'] as const)
  test(`${broken} fails: told once, and down; then up again`, async () => {
    const m = begin();
    await m.keep();
    await m.passing(20_000);
    m.now.broken = broken;
    await m.passing(10_000);
    assert.equal([told(m).at(-1), m.lines], ['pace 1', [`home: ${broken}: broken (EIO)`]]);
    m.now.broken = null;
    await m.passing(20_000);
    assert.is(told(m).at(-1), 'pace 16');
  });
test('what the kernel did not take is told again', async () => {
  const m = begin();
  m.now.broken = 'pace';
  assert.is(codeOf(await m.keep()), 'EIO');
  assert.is(m.it.rate(), null);
  m.now.broken = null;
  await m.passing(1000);
  assert.equal(told(m), ['pace 1']);
});
test('not any more: tells and reads nothing', async () => {
  const m = begin();
  await m.keep();
  await m.keep(null);
  m.calls.splice(0);
  await m.passing(5000);
  assert.equal([m.calls, m.it.rate()], [[], null]);
  await m.keep();
  await m.passing(3000);
  assert.equal(told(m)[0], 'pace 1');
});
test('a delay lowers for as long as it is fresh, and no longer', async () => {
  const m = begin();
  await m.keep();
  await m.passing(20_000);
  told(m);
  assert.equal(m.it.strain(millis(100)), ok(true));
  await m.passing(3000);
  assert.equal(told(m), ['pace 13', 'pace 10', 'pace 11']);
});
test('who tells it too often is refused', async () => {
  const m = begin();
  await m.keep();
  assert.equal(
    [1, 2].map(() => codeOf(m.it.strain(null))),
    ['ok', 'limit'],
  );
  await m.passing(400);
  assert.is(codeOf(m.it.strain(null)), 'ok');
});
test.run();
