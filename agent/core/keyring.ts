// Whose word counts: pinned root keys, which are offline, and the command keys they certified. A root's later certificate may end earlier
// ones, so that a lost key can be taken back at a router that does not know the time. Knows no signature.

import type { PublicKey, Seconds } from './brand.ts';
import { fail, ok, type Result } from './result.ts';
import type { KeyId } from './signed.ts';

export const roles = ['grant', 'command'] as const;
export type Role = (typeof roles)[number];

export type Certificate = Readonly<{
  key: PublicKey;
  /** Grows with every certificate of a root. */
  serial: number;
  /** Certificates of the same root below it are void from now on. */
  least: number;
  until: Seconds;
  may: readonly Role[];
}>;
export type Certified = Certificate & Readonly<{ id: KeyId; root: KeyId }>;

/** `least`: kept even when no certificate is. `keys`: the newest first. */
export type Root = Readonly<{ key: PublicKey; least: number; keys: readonly Certified[] }>;
export type Keyring = ReadonlyMap<KeyId, Root>;

const mostKeys = 4;

/** `c` was verified to be signed by `c.root`. Taking it twice changes nothing. */
export function take(ring: Keyring, c: Certified): Result<Keyring> {
  const root = ring.get(c.root);
  if (root === undefined) return fail('stranger', 'root', 'is not pinned here');
  if (c.serial < root.least) return fail('stale', 'serial', `at least ${root.least}`);
  const least = Math.max(root.least, c.least);
  const others = root.keys.filter(({ serial }) => serial !== c.serial && serial >= least);
  // Whoever says old ones again keeps no newer one out.
  const keys = [...others, c].toSorted((a, b) => b.serial - a.serial).slice(0, mostKeys);
  if (!keys.includes(c)) return fail('limit', 'root', `has ${mostKeys} newer keys`);
  return ok(new Map(ring).set(c.root, { ...root, least, keys }));
}

/** `earliest`: what the time is at least, be the clock trusted or not. */
export function find(ring: Keyring, id: KeyId, role: Role, earliest: Seconds): Result<Certified> {
  // Of roots that have certified the same key, the first in the owner's settings: a later one could take over who works under an earlier one.
  const last = [...ring.values()].flatMap(({ keys }) => keys).find((key) => key.id === id);
  if (last === undefined) return fail('stranger', 'key', 'is certified by nobody known here');
  if (last.until < earliest) return fail('expired', 'certificate', 'its time is over');
  return last.may.includes(role) ? ok(last) : fail('denied', 'certificate', `gives no right to ${role}`);
}
