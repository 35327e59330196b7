// IPv4 and IPv6 addresses and prefixes: text ↔ bytes. One address has one text (RFC 5952); what a prefix holds beyond its length is refused,
// because who wrote it meant something else than the kernel would take it for. Knows no meaning of any range.

import type { Brand } from './brand.ts';
import { fail, ok, type Result } from './result.ts';

/** 4 or 16 bytes. */
export type Address = Brand<Uint8Array, 'Address'>;
export type Prefix = Readonly<{ address: Address; length: number }>;

export const isV4 = (a: Address): boolean => a.length === 4;

export function addressOf(bytes: Uint8Array): Result<Address> {
  return bytes.length === 4 || bytes.length === 16
    ? ok(bytes as Address)
    : fail('malformed', '', `an address has 4 or 16 bytes, not ${bytes.length}`);
}

const malformed = (): Result<never> => fail('malformed', '', 'expected an IPv4 or IPv6 address');

function bytesOfV4(text: string): number[] | null {
  const parts = text.split('.');
  // A leading zero means octal to some and decimal to others.
  if (parts.length !== 4 || !parts.every((p) => /^(0|[1-9]\d{0,2})$/.test(p) && Number(p) < 256)) return null;
  return parts.map(Number);
}

function bytesOfGroups(text: string): number[] | null {
  if (text === '') return [];
  const groups = text.split(':');
  const bytes: number[] = [];
  for (const [i, group] of groups.entries()) {
    const v4 = i === groups.length - 1 && group.includes('.') ? bytesOfV4(group) : null;
    if (v4 === null && !/^[0-9a-fA-F]{1,4}$/.test(group)) return null;
    const value = Number.parseInt(group, 16);
    bytes.push(...(v4 ?? [value >> 8, value & 0xff]));
  }
  return bytes;
}

export function parseAddress(text: string): Result<Address> {
  if (!text.includes(':')) {
    const v4 = bytesOfV4(text);
    return v4 === null ? malformed() : ok(Uint8Array.from(v4) as Address);
  }
  const halves = text.split('::');
  const [head, tail] = halves.map(bytesOfGroups);
  if (head === undefined || head === null || tail === null || halves.length > 2) return malformed();
  if (tail === undefined) return head.length === 16 ? ok(Uint8Array.from(head) as Address) : malformed();
  const gap = 16 - head.length - tail.length;
  // A dotted tail belongs to the end of the whole address.
  if (gap < 2 || halves[0]?.includes('.')) return malformed();
  return ok(Uint8Array.from([...head, ...Array<number>(gap).fill(0), ...tail]) as Address);
}

export function renderAddress(a: Address): string {
  if (isV4(a)) return a.join('.');
  const groups: string[] = [];
  for (const [i, byte] of a.entries()) if (i % 2 === 1) groups.push((((a[i - 1] ?? 0) << 8) | byte).toString(16));
  // The first of the longest runs of two zero groups or more (RFC 5952 §4.2).
  let best = { at: 0, length: 1 };
  for (let at = 0; at < 8; at++) {
    let length = 0;
    while (groups[at + length] === '0') length++;
    if (length > best.length) best = { at, length };
  }
  if (best.length < 2) return groups.join(':');
  return `${groups.slice(0, best.at).join(':')}::${groups.slice(best.at + best.length).join(':')}`;
}

export function parsePrefix(text: string): Result<Prefix> {
  const [head, bits, ...more] = text.split('/');
  const address = parseAddress(head ?? '');
  if (!address.ok) return address;
  if (bits === undefined) return ok({ address: address.value, length: address.value.length * 8 });
  if (more.length > 0 || !/^(0|[1-9]\d{0,2})$/.test(bits)) return fail('malformed', '', 'expected address/length');
  return prefixOf(address.value, Number(bits));
}

export function prefixOf(address: Address, length: number): Result<Prefix> {
  if (length < 0 || length > address.length * 8) return fail('malformed', '', `expected a prefix length up to ${address.length * 8}`);
  const isClean = numberOf(address) === bounds({ address, length }).first;
  return isClean ? ok({ address, length }) : fail('malformed', '', `has bits beyond its prefix length ${length}`);
}

export const renderPrefix = (p: Prefix): string =>
  p.length === p.address.length * 8 ? renderAddress(p.address) : `${renderAddress(p.address)}/${p.length}`;

export const numberOf = (a: Address): bigint => a.reduce((n, byte) => (n << 8n) | BigInt(byte), 0n);

export function addressAt(n: bigint, size: 4 | 16): Address {
  const bytes = new Uint8Array(size);
  for (let i = size - 1, rest = n; i >= 0; i--, rest >>= 8n) bytes[i] = Number(rest & 0xffn);
  return bytes as Address;
}

/** The first and last address of a prefix, as numbers. */
export function bounds(p: Prefix): Readonly<{ first: bigint; last: bigint }> {
  const host = (1n << BigInt(p.address.length * 8 - p.length)) - 1n;
  const first = numberOf(p.address) & ~host;
  return { first, last: first | host };
}
