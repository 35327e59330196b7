import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as amount from '../../agent/core/amount.ts';
import { seconds } from '../../agent/core/brand.ts';
import type { Result } from '../../agent/core/result.ts';

const codeOf = (r: Result<unknown>): string => (r.ok ? 'ok' : `${r.fault.code} ${r.fault.path}`);

const sizes = suite('amount.parseSize');
for (const [text, want] of [
  ['1K', 1024n],
  ['500M', 500n << 20n],
  ['20G', 20n << 30n],
  ['20GiB', 20n << 30n],
  ['9999T', 9999n << 40n],
] as const)
  sizes(text, () => assert.equal(amount.parseSize(text), { ok: true, value: want }));
for (const text of ['', '0G', '20', '1.5G', '20g', '20GB', '-1G', '+1G', ' 1G', '1G ', '1G\n', '01G', '10000G', 'G', '1GiBs', '20G/5G'])
  sizes(`${JSON.stringify(text)} is refused`, () => assert.is(codeOf(amount.parseSize(text)), 'malformed '));
sizes.run();

const rates = suite('amount.parseRate');
for (const [text, down, up] of [
  ['10M', 10_000_000n, 10_000_000n],
  ['50M/10M', 50_000_000n, 10_000_000n],
  ['1G/800k', 1_000_000_000n, 800_000n],
] as const)
  rates(text, () => assert.equal(amount.parseRate(text), { ok: true, value: { up, down } }));
for (const text of ['', '10', '10m', '10K', '0M', '10M/', '/10M', '10M/5M/1M', '10M/5', '10Mbit', '1.5M'])
  rates(`${JSON.stringify(text)} is refused`, () => assert.is(codeOf(amount.parseRate(text)), 'malformed '));
rates.run();

const times = suite('amount: days and dates');
times('30 days', () => assert.equal(amount.parseDays('30'), { ok: true, value: 2_592_000 }));
for (const text of ['', '0', '-1', '1.5', '10000', '30d', '1e3'])
  times(`${JSON.stringify(text)} is no number of days`, () => assert.is(codeOf(amount.parseDays(text)), 'malformed '));
for (const [text, want] of [
  ['2026-12-31', 1_798_761_599],
  ['2028-02-29', 1_835_481_599],
] as const)
  times(`${text}, to its end`, () => assert.equal(amount.parseDate(text), { ok: true, value: want }));
for (const text of ['', '2027-02-29', '2027-13-01', '2027-00-10', '2027-04-31', '31.12.2026', '2026-12-31T00:00', '1999-12-31'])
  times(`${JSON.stringify(text)} is no date`, () => assert.is(codeOf(amount.parseDate(text)), 'malformed '));
times.run();

const rendered = suite('amount: as it is read');
for (const [bytes, want] of [
  [0n, '0 B'],
  [999n, '999 B'],
  [1000n, '1.0 KiB'],
  [20n << 30n, '20.0 GiB'],
  [(1n << 63n) - 1n, '8388608.0 TiB'],
] as const)
  rendered(want, () => assert.is(amount.renderSize(bytes), want));
for (const [bits, want] of [
  [0n, '0 bit/s'],
  [64_000n, '64 kbit/s'],
  [10_000_000n, '10 Mbit/s'],
  [12_345_678n, '12.3 Mbit/s'],
  [2_000_000_000_000n, '2000 Gbit/s'],
] as const)
  rendered(want, () => assert.is(amount.renderRate(bits), want));
for (const [span, want] of [
  [0, 'over'],
  [59, '0m59'],
  [3600, '1h00'],
  [86_399, '23h59'],
  [2_592_000, '30d00h'],
  [90_000, '1d01h'],
] as const)
  rendered(want, () => assert.is(amount.renderSpan(seconds(span)), want));
rendered('a time', () => assert.is(amount.renderTime(seconds(1_798_761_599)), '2026-12-31 23:59'));
rendered.run();
