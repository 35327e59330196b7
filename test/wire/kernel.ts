// What the tests of the netlink codecs share: the kernel's own datagrams (test/vectors/netlink-*.json, captured on 6.18, little-endian),
// and values in the plain form in which those files say what they mean.

import type { Fault, Result } from '../../agent/core/result.ts';
import type { Dialect, Exchange, Message } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import { bytesOf, hexOf } from './hex.ts';

export const little = netlink.dialect(true);
export const big = netlink.dialect(false);
export const orders: readonly (readonly [name: string, dialect: Dialect])[] = [
  ['little', little],
  ['big', big],
];

/** `first`: the sequence number of the exchange that the datagrams answer, where there is one. */
export type Vector = Readonly<{ name: string; reads: string; first?: number; datagrams: readonly string[]; says: unknown }>;

/** BigInts as `5n`, bytes as hex. */
export function plain(v: unknown): unknown {
  if (typeof v === 'bigint') return `${v}n`;
  if (v instanceof Uint8Array) return hexOf(v);
  if (Array.isArray(v)) return v.map(plain);
  if (typeof v !== 'object' || v === null) return v;
  return Object.fromEntries(Object.entries(v).map(([key, value]) => [key, plain(value)]));
}

export function messagesOf(datagrams: readonly string[], d: Dialect): readonly Message[] {
  return datagrams.flatMap((hex) => {
    const messages = netlink.decode(bytesOf(hex), d);
    if (!messages.ok) throw new Error(messages.fault.reason);
    return messages.value;
  });
}

/** The payloads that answer an exchange, and how it ended. */
export function settle(first: number, last: number, messages: readonly Message[]): Readonly<{ data: readonly Message[]; end: Exchange }> {
  const data: Message[] = [];
  let end = netlink.expect(first, last);
  for (const m of messages) {
    if (!netlink.isAnswer(end, m)) throw new Error(`no answer of ${first}-${last}: ${m.seq}`);
    if (m.kind === 'data') data.push(m);
    end = netlink.answer(end, m);
  }
  return { data, end };
}

export const faultOf = <T>(r: Result<T>): Fault | null => (r.ok ? null : r.fault);

/** Cuts the message behind each of its bytes: only between two attributes may it still be read. */
export function checkTruncations<T>(m: Message, headerSize: number, read: (m: Message) => Result<T>): void {
  const whole = new Set<number>();
  const triples = m.frame.dialect.split(m.frame.bytes, m.start + headerSize, m.end) ?? [];
  for (let i = 0; i < triples.length; i += 3) {
    whole.add(Number(triples[i + 1]) - 4);
    const end = Number(triples[i + 2]);
    // Padding may be missing.
    for (let at = end; at <= ((end + 3) & ~3); at++) whole.add(at);
  }
  for (let end = m.start; end < m.end; end++)
    if (read({ ...m, end }).ok && !whole.has(end)) throw new Error(`read a message cut at byte ${end}`);
}
