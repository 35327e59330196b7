// Where no session may ever go: reserved ranges, the router's surroundings, the owner's deny list, less what the owner's allow list opens.
// Knows no rule and no session.

import type { Prefix } from './ip.ts';
import * as ip from './ip.ts';

export type Range = Readonly<{ first: bigint; last: bigint }>;
/** In order, none touching another. */
export type Blocked = Readonly<{ v4: readonly Range[]; v6: readonly Range[] }>;

const rangesFor = (...prefixes: readonly string[]): readonly Range[] =>
  prefixes.map((text) => {
    const prefix = ip.parsePrefix(text);
    if (!prefix.ok) throw new Error(`not a prefix: ${text}`);
    return ip.bounds(prefix.value);
  });

// Where no Internet host is (IANA's special-purpose registries). Private ranges may be somebody's mesh, so the owner can open them.
const reserved = {
  4: rangesFor(
    ...['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.0.0.0/24', '192.0.2.0/24', '192.88.99.0/24', '192.168.0.0/16'],
    ...['198.18.0.0/15', '198.51.100.0/24', '203.0.113.0/24'],
  ),
  // Teredo and 6to4 carry IPv4 addresses that nobody would look at; 64:ff9b::/96 (NAT64) is in the lowest eighth.
  16: rangesFor('::/3', '2001::/32', '2001:db8::/32', '2002::/16', '4000::/2', '8000::/1'),
} as const;
// The router itself, its links, and everybody at once.
const never = {
  4: rangesFor('0.0.0.0/8', '127.0.0.0/8', '169.254.0.0/16', '224.0.0.0/3'),
  16: rangesFor('::/8', 'fe80::/10', 'ff00::/8'),
} as const;

function unite(ranges: readonly Range[]): readonly Range[] {
  const united: Range[] = [];
  for (const range of ranges.toSorted((a, b) => (a.first < b.first ? -1 : 1))) {
    const last = united.at(-1);
    if (last === undefined || range.first > last.last + 1n) united.push(range);
    else if (range.last > last.last) united[united.length - 1] = { first: last.first, last: range.last };
  }
  return united;
}

function without(ranges: readonly Range[], holes: readonly Range[]): readonly Range[] {
  return holes.reduce<readonly Range[]>(
    (left, hole) =>
      left.flatMap(({ first, last }) =>
        [
          { first, last: hole.first - 1n < last ? hole.first - 1n : last },
          { first: hole.last + 1n > first ? hole.last + 1n : first, last },
        ].filter((r) => r.first <= r.last),
      ),
    ranges,
  );
}

/** `allow` opens reserved ranges, though not the router's, and never one of `deny`. */
export function blocked(deny: readonly Prefix[], allow: readonly Prefix[]): Blocked {
  const of = (size: 4 | 16): readonly Range[] => {
    const rangesOf = (prefixes: readonly Prefix[]): readonly Range[] =>
      prefixes.filter((p) => p.address.length === size).map((p) => ip.bounds(p));
    return unite([...without(reserved[size], rangesOf(allow)), ...never[size], ...rangesOf(deny)]);
  };
  return { v4: of(4), v6: of(16) };
}

/** The blocked range that a prefix touches, as text; null: it touches none. */
export function wallOf(b: Blocked, prefix: Prefix): string | null {
  const { first, last } = ip.bounds(prefix);
  const size = ip.isV4(prefix.address) ? 4 : 16;
  const wall = (size === 4 ? b.v4 : b.v6).find((range) => range.first <= last && first <= range.last);
  return wall === undefined ? null : [wall.first, wall.last].map((n) => ip.renderAddress(ip.addressAt(n, size))).join('-');
}
