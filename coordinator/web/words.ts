// Figures and names as they are read.

import { renderSize } from '../../agent/core/amount.ts';

/** A whole number as the API writes it: text, where a number would lose some of it. */
export type Whole = number | string;

export const size = (bytes: Whole | bigint): string => {
  const n = BigInt(bytes);
  return n < 0n ? `−${renderSize(-n)}` : renderSize(n);
};

/** Money is in millionths. */
export const amount = (value: Whole | bigint, unit: string): string => {
  const n = BigInt(value);
  if (unit === 'bytes') return size(n);
  const [sign, whole] = n < 0n ? ['−', -n] : ['', n];
  return `${sign}${whole / 1_000_000n}.${(whole % 1_000_000n).toString().padStart(6, '0')} ${unit}`;
};

export const count = (n: number, one: string, many = `${one}s`): string => `${n.toLocaleString('en')} ${n === 1 ? one : many}`;

/** The hour today, else the day too. */
export function time(at: number | null): string {
  if (at === null) return 'never';
  const date = new Date(at * 1000);
  const hour = date.toLocaleTimeString('en-GB');
  return date.toDateString() === new Date().toDateString() ? hour : `${date.toLocaleDateString('en-CA')} ${hour}`;
}

/** Enough of a long name to tell it from others. */
export const short = (name: string): string => (name.length > 16 ? `${name.slice(0, 8)}…` : name);
