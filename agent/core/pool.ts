// The tunnel's address pool: an IPv4 and an IPv6 prefix that count together. Slot n has address n of both; address 0 names the network, and
// behind the last slot comes the router itself. Knows no route and no device; `overlaps` is told what there is.

import type { Address, Prefix } from './ip.ts';
import * as ip from './ip.ts';
import { type Fault, fail, fault, ok, type Result } from './result.ts';
import type { Slot } from './seat.ts';

export type Pool = Readonly<{ four: Prefix; six: Prefix; slots: number }>;
export type Addresses = Readonly<{ four: Address; six: Address }>;

// Ranges that nobody else routes to us.
const own = ['10.0.0.0/8', '100.64.0.0/10', '172.16.0.0/12', '192.168.0.0/16', 'fc00::/7', '2000::/3'];

/** Of the network's two ends and the router's address. */
const notSlots = 3;

export function parse(four: Prefix, six: Prefix, sessions: number): Result<Pool> {
  for (const [option, prefix] of Object.entries({ pool4: four, pool6: six })) {
    if (!own.some((text) => isInside(prefix, text))) return fail('denied', `weir.tunnel.${option}`, `take it out of ${own.join(', ')}`);
    const slots = sizeOf(prefix) - notSlots;
    if (slots < sessions) return fail('limit', `weir.tunnel.${option}`, `too small for ${sessions} sessions: it has ${Math.max(0, slots)}`);
  }
  return ok({ four, six, slots: Math.min(sizeOf(four), sizeOf(six)) - notSlots });
}

const sizeOf = ({ address, length }: Prefix): number => 2 ** (address.length * 8 - length);

function isInside(inner: Prefix, text: string): boolean {
  const outer = ip.parsePrefix(text);
  if (!outer.ok) throw new Error(`not a prefix: ${text}`);
  return inner.length >= outer.value.length && meets(inner, outer.value);
}

function meets(a: Prefix, b: Prefix): boolean {
  const [one, other] = [ip.bounds(a), ip.bounds(b)];
  return a.address.length === b.address.length && one.first <= other.last && other.first <= one.last;
}

const at = ({ address }: Prefix, n: number): Address => ip.addressAt(ip.numberOf(address) + BigInt(n), ip.isV4(address) ? 4 : 16);
const both = (p: Pool, n: number): Addresses => ({ four: at(p.four, n), six: at(p.six, n) });

export const addresses = (p: Pool, slot: Slot): Addresses => both(p, slot);

/** The last usable one. */
export const router = (p: Pool): Addresses => both(p, p.slots + 1);

/** null: the address belongs to no session of this pool. */
export function slotOf(p: Pool, address: Address): Slot | null {
  const n = ip.numberOf(address) - ip.numberOf(ip.isV4(address) ? p.four.address : p.six.address);
  return n >= 1n && n <= BigInt(p.slots) ? (Number(n) as Slot) : null;
}

/** `prefixes`: where this router reaches others. A default route overlaps everything and means nothing. */
export function overlaps(p: Pool, prefixes: readonly Prefix[]): Fault | null {
  for (const [option, prefix] of Object.entries({ pool4: p.four, pool6: p.six })) {
    const other = prefixes.find((o) => o.length > 0 && meets(prefix, o));
    if (other !== undefined)
      return fault('exists', `weir.tunnel.${option}`, `overlaps ${ip.renderPrefix(other)}, which is routed elsewhere`);
  }
  return null;
}

/** A unique local /64 (RFC 4193 §3.2.1) of five random bytes: two routers' pools then never meet. */
export const localPrefix = (random: Uint8Array): Prefix => {
  const address = new Uint8Array(16);
  address.set([0xfd, ...random.subarray(0, 5)]);
  return { address: address as Address, length: 64 };
};
