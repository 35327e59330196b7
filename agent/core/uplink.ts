// A way to the Internet as netifd tells it, and what its addresses and protocols say about being reached from there. Knows no bus.

import type { Address } from './ip.ts';
import * as ip from './ip.ts';

/** An address, with the length of its network. */
export type Own = Readonly<{ address: Address; length: number }>;

export type Uplink = Readonly<{
  /** The owner's word for it: a network of UCI. */
  name: string;
  up: boolean;
  /** Where its packets go: pppoe-wan, not the device below it. null: down. */
  device: string | null;
  protocols: readonly string[];
  addresses: readonly Own[];
  /** Next hops of default routes; empty and `up`: the device leads everywhere by itself, or nowhere. */
  gateways: readonly Address[];
  hasDefault: Readonly<{ v4: boolean; v6: boolean }>;
  dns: readonly Address[];
}>;

/** Why a consumer may be unable to reach this router, though it reaches everybody. */
export type Hint =
  /** 100.64.0.0/10: the provider translates addresses (RFC 6598). */
  | 'carrier-nat'
  /** Another router translates before us. */
  | 'private-address'
  /** IPv4 inside IPv6, shared among the provider's customers: DS-Lite, MAP, lw4o6, 464XLAT. */
  | 'shared-ipv4';

const within = (text: string): ((a: Address) => boolean) => {
  const prefix = ip.parsePrefix(text);
  if (!prefix.ok) throw new Error(`not a prefix: ${text}`);
  const { first, last } = ip.bounds(prefix.value);
  return (a) => a.length === prefix.value.address.length && ip.numberOf(a) >= first && ip.numberOf(a) <= last;
};

const isCarriers = within('100.64.0.0/10');
const privates = ['10.0.0.0/8', '172.16.0.0/12', '192.168.0.0/16'].map(within);
// The router's end of a DS-Lite tunnel and of 464XLAT (RFC 6333 §5.7, RFC 7335).
const isShared = within('192.0.0.0/29');
const sharing = ['dslite', 'map', '464xlat', 'ipip6h'];

export function hints({ addresses, protocols }: Uplink): readonly Hint[] {
  const has = (is: (a: Address) => boolean): boolean => addresses.some(({ address }) => is(address));
  const all: readonly (readonly [Hint, boolean])[] = [
    ['carrier-nat', has(isCarriers)],
    ['private-address', privates.some(has)],
    ['shared-ipv4', has(isShared) || protocols.some((p) => sharing.includes(p))],
  ];
  return all.filter(([, holds]) => holds).map(([hint]) => hint);
}
