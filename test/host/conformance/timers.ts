import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../../agent/core/brand.ts';
import type { Host } from '../../../agent/ports/host.ts';
import { later, within } from './line.ts';

export function timers(host: Host): void {
  const test = suite('timers');
  const { clock } = host;

  test('fire in the order of their time, not of their making', async () => {
    const seen: string[] = [];
    await within(
      host,
      'timers',
      new Promise<void>((resolve) => {
        clock.after(millis(60), () => {
          seen.push('c');
          resolve();
        });
        clock.after(millis(30), () => seen.push('b'));
        clock.after(millis(0), () => seen.push('a'));
      }),
    );
    assert.equal(seen, ['a', 'b', 'c']);
  });

  test('of the same time fire in the order of their making', async () => {
    const seen: number[] = [];
    for (let i = 0; i < 50; i++) clock.after(millis(5), () => seen.push(i));
    await later(host, 40);
    assert.equal(
      seen,
      Array.from({ length: 50 }, (_, i) => i),
    );
  });

  test('zero is later than now', async () => {
    let fired = false;
    clock.after(millis(0), () => {
      fired = true;
    });
    assert.is(fired, false);
    await later(host, 20);
    assert.is(fired, true);
  });

  test('never fires early', async () => {
    const before = clock.monotonic();
    await later(host, 50);
    // The monotonic clock may be cut to whole milliseconds at both ends, and Node's to a hundredth of a second.
    assert.ok(clock.monotonic() - before >= 48, `after ${clock.monotonic() - before} ms`);
  });

  test('cancelled: never fires, twice is harmless, so is afterwards', async () => {
    let fired = 0;
    // So far apart that the order holds where this is held up between the two.
    const never = clock.after(millis(100), () => fired++);
    const other = clock.after(millis(1), () => never.cancel());
    await later(host, 150);
    never.cancel();
    other.cancel();
    assert.is(fired, 0);
  });

  test('cancelled by a timer of the same time', async () => {
    let fired = 0;
    const timers = [0, 1].map(() =>
      clock.after(millis(5), () => {
        fired++;
        for (const timer of timers) timer.cancel();
      }),
    );
    await later(host, 30);
    assert.is(fired, 1);
  });

  test('longer than a 32-bit count of milliseconds waits', async () => {
    let fired = 0;
    const long = [2 ** 31, 2 ** 32 + 5, 2 ** 40].map((delay) => clock.after(millis(delay), () => fired++));
    await later(host, 30);
    assert.is(fired, 0);
    for (const timer of long) timer.cancel();
  });

  test('one timer may start the next', async () => {
    let left = 100;
    await within(
      host,
      'chain',
      new Promise<void>((resolve) => {
        const next = (): void => {
          if (--left === 0) resolve();
          else clock.after(millis(0), next);
        };
        next();
      }),
    );
    assert.is(left, 0);
  });

  test('promises settle before the next event', async () => {
    const seen: string[] = [];
    clock.after(millis(0), () => {
      seen.push('timer');
      void Promise.resolve()
        .then(() => seen.push('one'))
        .then(() => seen.push('two'));
    });
    clock.after(millis(0), () => seen.push('next'));
    await later(host, 20);
    assert.equal(seen, ['timer', 'one', 'two', 'next']);
  });

  test('clocks: wall, monotonic, boot id', () => {
    // A machine without a battery begins in 1970.
    assert.ok(Number.isSafeInteger(clock.wall()) && clock.wall() > 0);
    const first = clock.monotonic();
    assert.ok(first > 0);
    assert.ok(clock.monotonic() >= first);
    assert.match(clock.bootId(), /^[0-9a-f-]{36}$/);
    assert.is(clock.bootId(), clock.bootId());
  });

  test('monotonic is the time since boot', () => {
    const uptime = host.files.read('/proc/uptime', 100);
    if (!uptime.ok) throw new Error(uptime.fault.reason);
    const seconds = Number.parseFloat(new TextDecoder().decode(uptime.value));
    assert.ok(Math.abs(clock.monotonic() / 1000 - seconds) < 2, `${clock.monotonic()} ms against ${seconds} s`);
  });

  test.run();
}
