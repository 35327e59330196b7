// What a consumer was granted, and what may follow it: a change or a top-up is a new grant, whole, for the same session, so that at any time
// one signed message says everything that is agreed. Knows no signature and no limit of the owner.

import type { Brand, ByteCount, PublicKey, Seconds } from './brand.ts';
import type { Wish } from './limits.ts';
import { type Fault, fault } from './result.ts';
import type { PeerKey } from './seat.ts';
import { sizeOf } from './seat.ts';
import type { KeyId, SessionId } from './signed.ts';

/** Millionths of a unit of the currency, for a MiB. */
export type Price = Readonly<{ micro: Micro; currency: string }>;
export type Micro = Brand<bigint, 'Micro'>;

export const witnessings = ['none', 'optional', 'required'] as const;

export type Grant = Wish &
  Readonly<{
    node: KeyId;
    /** 16 bytes that make two grants for the same two. */
    nonce: string;
    /** The consumer's WireGuard key. */
    peer: PeerKey;
    /** The key the consumer countersigns with; null: a stock WireGuard app, which cannot. */
    consumer: PublicKey | null;
    /** Powered-on time of the router, over all its boots. */
    lifetime: Seconds;
    /** By the wall clock, where one is trusted. */
    until: Seconds | null;
    /** Without a byte for so long, it ends. */
    idle: Seconds | null;
    witness: (typeof witnessings)[number];
    /** What may pass without a countersignature. */
    credit: ByteCount | null;
    price: Price | null;
    /** null: this grant begins a session. */
    session: SessionId | null;
    /** 0 in the first; the higher one holds. */
    revision: number;
  }>;

/** What is wrong with a grant in itself. */
export function faultsOf(g: Grant): readonly Fault[] {
  const faults: Fault[] = [];
  if ((g.session === null) !== (g.revision === 0)) faults.push(fault('malformed', 'revision', 'the first grant has 0, and no other'));
  if (g.witness !== 'none' && g.consumer === null) faults.push(fault('missing', 'consumer', 'nobody could countersign'));
  if (g.witness === 'required' && g.credit === null) faults.push(fault('missing', 'credit', 'without it nothing could pass'));
  return faults;
}

/** May `next` replace `now` in its session? Who is served and what it costs cannot change: that is another session. */
export function faultsBetween(session: SessionId, now: Grant, next: Grant): readonly Fault[] {
  const faults: Fault[] = [];
  if (next.session !== session) faults.push(fault('denied', 'session', 'of another session'));
  if (next.revision <= now.revision) faults.push(fault('stale', 'revision', `at least ${now.revision + 1}`));
  for (const field of ['node', 'peer', 'consumer', 'price', 'witness'] as const)
    if (!isSame(now[field], next[field])) faults.push(fault('denied', field, 'cannot change within a session'));
  return faults;
}

/** A top-up takes nothing away and changes nothing else. */
export function faultsOfTopUp(session: SessionId, now: Grant, next: Grant): readonly Fault[] {
  const faults = [...faultsBetween(session, now, next)];
  const quotas = [now.quota, next.quota] as const;
  const isLess =
    (quotas[0].kind === 'shared' && quotas[1].kind === 'shared' && quotas[1].bytes < quotas[0].bytes) ||
    (quotas[0].kind === 'split' && quotas[1].kind === 'split' && (quotas[1].up < quotas[0].up || quotas[1].down < quotas[0].down));
  if (isLess || quotas[0].kind !== quotas[1].kind) faults.push(fault('denied', 'quota', 'a top-up takes nothing away'));
  if (next.lifetime < now.lifetime) faults.push(fault('denied', 'lifetime', 'a top-up takes nothing away'));
  if (isEarlier(next.until, now.until)) faults.push(fault('denied', 'until', 'a top-up takes nothing away'));
  for (const field of ['rate', 'throttle', 'egress', 'idle', 'credit'] as const)
    if (!isSame(now[field], next[field])) faults.push(fault('denied', field, 'is changed by a change, not by a top-up'));
  return faults;
}

/** The bytes that may pass in all under these grants of a session; null: more passes, only slower. */
export function mostOf(grants: readonly Grant[]): bigint | null {
  if (grants.some(({ throttle }) => throttle !== null)) return null;
  let most = 0n;
  for (const { quota } of grants) {
    const all = sizeOf(quota);
    if (all > most) most = all;
  }
  return most;
}

const isEarlier = (next: Seconds | null, now: Seconds | null): boolean => next !== null && (now === null || next < now);

type Plain = string | number | bigint | boolean | null | Uint8Array | readonly Plain[] | { readonly [name: string]: Plain };

export function isSame(a: Plain, b: Plain): boolean {
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [one, other] = [Object.entries(a), new Map(Object.entries(b))];
  return one.length === other.size && one.every(([name, value]) => other.has(name) && isSame(value, other.get(name) ?? null));
}
