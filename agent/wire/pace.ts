// The rate of all guests together where it has to change while they are in. The static rules (ruleset.ts) try a row of limits one after the
// other, each behind a set that says whether it counts; here the sets are filled up to some place in the row, in one transaction. Sessions,
// quotas and counters are not touched, nor what the limits have in store. Knows no household.

import { rungs } from '../core/home.ts';
import type { Change } from './nftables.ts';
import { meter, paceSet } from './ruleset.ts';

/** A set has to hold something that a packet shows: what follows the Ethernet header, IPv4 or IPv6. */
const keys = [Uint8Array.of(0x08, 0x00), Uint8Array.of(0x86, 0xdd)] as const;

/** The first `level` of them. */
export const changes = (level: number): readonly Change[] =>
  Array.from({ length: rungs }, (_, n) => paceSet(n)).flatMap((set, n): Change[] => [
    { kind: 'flush-set', table: meter, set },
    ...(n < level ? [{ kind: 'add-elements', table: meter, set, elements: keys.map((key) => ({ key })) } as const] : []),
  ]);
