// The seats and rules that the kernel's tests want, on the ground's addresses.

import { type ByteCount, millis } from '../../../agent/core/brand.ts';
import * as ip from '../../../agent/core/ip.ts';
import type { Pool } from '../../../agent/core/pool.ts';
import { text } from '../../../agent/core/result.ts';
import type { ByteRate, Egress, Pair, PeerKey, Quota, Seat, Slot, Terms } from '../../../agent/core/seat.ts';
import type { Statics } from '../../../agent/ports/router.ts';
import * as ruleset from '../../../agent/wire/ruleset.ts';
import * as at from '../ground/addresses.ts';
import { input } from '../ground/rules.ts';

export const prefix = (of: string): ip.Prefix => {
  const parsed = ip.parsePrefix(of);
  if (!parsed.ok) throw new Error(`${of}: ${text(parsed.fault)}`);
  return parsed.value;
};
/** Of 14 bits, so that the router's address is the pool's last. */
export const pool: Pool = { four: prefix(at.pool.v4), six: prefix(at.pool.v6), slots: 2 ** 16 - 3 };
/** Consumer n's: their addresses begin at 2. */
export const slotOf = (n: number): Slot => (n + 2) as Slot;

export function statics(changed: Partial<ruleset.Input> = {}): Statics {
  const config = ruleset.parse({ ...input, ...changed });
  if (!config.ok) throw new Error(text(config.fault));
  const { device, uplinks } = { ...input, ...changed };
  return { text: ruleset.render(config.value), device, uplinks, pool };
}

export const bytes = (n: number | bigint): ByteCount => BigInt(n) as ByteCount;
export const rate = (up: number, down = up): Pair<ByteRate> => ({ up: BigInt(up) as ByteRate, down: BigInt(down) as ByteRate });
export const key = (n: number): PeerKey => Buffer.alloc(32, n).toString('base64') as PeerKey;

const list = (...lines: readonly string[]): Egress => ({
  kind: 'list',
  flows: lines.map((line) => {
    const [of = '', protocol, first, last = first] = line.split(/[ -]/);
    const { address, length } = prefix(of);
    const ports = { first: Number(first), last: Number(last) };
    return { address: ip.renderAddress(address), length, protocol: protocol === 'tcp' ? 'tcp' : 'udp', ports };
  }),
});
export const egresses: readonly Egress[] = [
  { kind: 'internet' },
  { kind: 'hop', address: at.hop.v4, protocol: 'udp', port: 51820 },
  { kind: 'hop', address: at.hop.v6, protocol: 'tcp', port: 443 },
  list('11.0.0.0/24 tcp 443', '11.0.1.7/32 udp 53'),
  list('11.0.0.0/24 tcp 443', '11.0.1.7/32 udp 1000-2000', '0.0.0.0/0 udp 53', '2a11::/32 tcp 1-65535', '::/0 udp 53'),
];
export const quotas: readonly Quota[] = [
  { kind: 'shared', bytes: bytes(1_000_000_000) },
  { kind: 'shared', bytes: bytes(2_000_000_000) },
  { kind: 'split', up: bytes(100_000_000), down: bytes(900_000_000) },
];
export const rates = [rate(125_000_000), rate(125_000_000, 50_000_000), rate(1000, 2000)];

export const terms: Terms = {
  quota: { kind: 'shared', bytes: bytes(1_000_000_000) },
  rate: rate(125_000_000),
  spent: null,
  egress: { kind: 'internet' },
};
export const seatAt = (slot: number, more: Partial<Terms> = {}, used = { up: bytes(0), down: bytes(0) }): Seat => ({
  key: key(slot),
  slot: slot as Slot,
  terms: { ...terms, ...more },
  used,
  ends: millis(3_600_000),
});
