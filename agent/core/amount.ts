// Amounts as an owner types and reads them: bytes in powers of 1024 (as /etc/config/weir counts MiB), rates in powers of 1000 (as a provider
// sells them), spans of time, dates. Knows no command.

import type { BitRate, ByteCount, Seconds } from './brand.ts';
import { seconds } from './brand.ts';
import { fail, ok, type Result } from './result.ts';
import type { Pair } from './seat.ts';

const malformed = (want: string): Result<never> => fail('malformed', '', `expected ${want}`);

const sizes = ['K', 'M', 'G', 'T'];
/** Up to the pebibyte that no session passes. */
export function parseSize(text: string): Result<ByteCount> {
  const [, digits, unit] = /^([1-9]\d{0,3})([KMGT])(?:iB)?$/.exec(text) ?? [];
  if (digits === undefined || unit === undefined) return malformed('a size such as 500M, 20G or 1T, of which 1G is 1024M');
  return ok((BigInt(digits) << BigInt(10 * (sizes.indexOf(unit) + 1))) as ByteCount);
}

const rates = ['k', 'M', 'G'];
/** DOWN/UP, or one for both: lines are sold in this order. */
export function parseRate(text: string): Result<Pair<BitRate>> {
  const [down, up = down, ...more] = text.split('/').map((part) => {
    const [, digits, unit] = /^([1-9]\d{0,3})([kMG])$/.exec(part) ?? [];
    return digits === undefined || unit === undefined ? null : ((BigInt(digits) * 1000n ** BigInt(rates.indexOf(unit) + 1)) as BitRate);
  });
  if (down === undefined || down === null || up === undefined || up === null || more.length > 0)
    return malformed('bits per second such as 800k, 10M or, down and up, 50M/10M');
  return ok({ up, down });
}

export function parseDays(text: string): Result<Seconds> {
  const days = /^[1-9]\d{0,3}$/.test(text) ? Number(text) : null;
  return days === null ? malformed('days, 1 to 9999') : ok(seconds(days * 86_400));
}

/** The last second of that day, in UTC. */
export function parseDate(text: string): Result<Seconds> {
  const [, year, month, day] = (/^(20\d\d)-(\d\d)-(\d\d)$/.exec(text) ?? []).map(Number);
  if (year === undefined || month === undefined || day === undefined) return malformed('a date such as 2027-12-31');
  const start = new Date(Date.UTC(year, month - 1, day));
  if (start.getUTCDate() !== day || start.getUTCMonth() !== month - 1) return malformed('a day that there is');
  return ok(seconds(start.getTime() / 1000 + 86_399));
}

export function renderSize(bytes: bigint): string {
  const units = ['B', ...sizes.map((unit) => `${unit}iB`)];
  let [n, i] = [Number(bytes), 0];
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(1)} ${units[i]}`;
}

export function renderRate(bits: bigint): string {
  const units = ['bit/s', 'kbit/s', 'Mbit/s', 'Gbit/s'];
  let [n, i] = [Number(bits), 0];
  for (; n >= 1000 && i < units.length - 1; i++) n /= 1000;
  return `${Number(n.toFixed(1))} ${units[i]}`;
}

export function renderSpan(span: Seconds): string {
  const [days, hours, minutes] = [Math.floor(span / 86_400), Math.floor(span / 3600) % 24, Math.floor(span / 60) % 60];
  const two = (n: number): string => `${n}`.padStart(2, '0');
  if (span < 1) return 'over';
  if (days > 0) return `${days}d${two(hours)}h`;
  return hours > 0 ? `${hours}h${two(minutes)}` : `${minutes}m${two(Math.floor(span) % 60)}`;
}

/** To the minute, in UTC: a router's owner may sit in another zone than its clock. */
export const renderTime = (at: Seconds): string => new Date(at * 1000).toISOString().slice(0, 16).replace('T', ' ');
