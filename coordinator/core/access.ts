// Who may ask the coordinator for what, and how often. Knows no token, no signature and no clock.

import * as ip from '../../agent/core/ip.ts';
import { type Fault, fault } from '../../agent/core/result.ts';

/** Each may what those before it may. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

export type Who =
  | Readonly<{ kind: 'nobody' }>
  | Readonly<{ kind: 'operator'; name: string; role: Role }>
  /** By its ed25519 key in hex. It sees what is its own. */
  | Readonly<{ kind: 'consumer'; id: string; name: string }>;

/** `operators`: from this role on; null: none of them. */
export type Rule = Readonly<{ operators: Role | null; consumers: boolean; everybody?: true }>;

export function faultsOf(rule: Rule, who: Who): readonly Fault[] {
  if (rule.everybody) return [];
  switch (who.kind) {
    case 'nobody':
      return [fault('stranger', 'authorization', 'says nobody who is known here')];
    case 'operator':
      return rule.operators !== null && roles.indexOf(who.role) >= roles.indexOf(rule.operators)
        ? []
        : [fault('denied', 'role', rule.operators === null ? 'is not for operators' : `has to be ${rule.operators}`)];
    case 'consumer':
      return rule.consumers ? [] : [fault('denied', 'role', 'is not for consumers')];
  }
}

/** May this one see what belongs to that consumer? */
export const owns = (who: Who, consumer: string): boolean => who.kind === 'operator' || (who.kind === 'consumer' && who.id === consumer);

export const nameOf = (who: Who): string => (who.kind === 'nobody' ? 'nobody' : who.kind === 'operator' ? who.name : `consumer/${who.id}`);

// ── How often ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `forwarded`: what a proxy says, `X-Forwarded-For`; each adds whom it has heard, and what stands before that is anybody's word. */
export type Connection = Readonly<{ from: string; forwarded: string | undefined }>;

/** Whom requests are counted for: an address of IPv4, or the /64 of IPv6 that one household has. `proxy`: one of ours, and no other is believed. */
export function callerOf({ from, forwarded }: Connection, proxy: ip.Address | null): string {
  const near = addressOf(from);
  if (near === null) return from;
  const said =
    proxy !== null && ip.renderAddress(near) === ip.renderAddress(plain(proxy)) ? forwarded?.split(',').at(-1)?.trim() : undefined;
  const address = (said === undefined ? null : addressOf(said)) ?? near;
  return ip.isV4(address)
    ? ip.renderAddress(address)
    : ip.renderPrefix({ address: ip.addressAt(ip.bounds({ address, length: 64 }).first, 16), length: 64 });
}

/** A socket of both families writes IPv4 as ::ffff:192.0.2.1. */
const plain = (address: ip.Address): ip.Address =>
  !ip.isV4(address) && ip.numberOf(address) >> 32n === 0xffffn ? ip.addressAt(ip.numberOf(address) & 0xffff_ffffn, 4) : address;

function addressOf(text: string): ip.Address | null {
  const address = ip.parseAddress(text);
  return address.ok ? plain(address.value) : null;
}

/** Requests that may still be made, at a moment in milliseconds. */
export type Bucket = Readonly<{ left: number; at: number }>;

const burst = 60;
const perSecond = 20;

export const begin = (at: number): Bucket => ({ left: burst, at });

const filled = ({ left, at }: Bucket, now: number): number => Math.min(burst, left + (Math.max(0, now - at) * perSecond) / 1000);

/** null: too many. */
export function take(bucket: Bucket, now: number): Bucket | null {
  const left = filled(bucket, now) - 1;
  return left < 0 ? null : { left, at: now };
}

/** As many as ten, or as there are. */
export const drain = (bucket: Bucket, now: number): Bucket => ({ left: Math.max(0, filled(bucket, now) - 10), at: now });
