// What the consumer's own kernel counted on its tunnel: the inner packets' bytes, as the router's rules count them at the other end.

import type { ByteCount } from '../core/brand.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Pair } from '../core/seat.ts';

export type Kind = 'kernel' | 'user';

/** What the device's counters hold of each packet beyond the packet, in either direction. WireGuard in the kernel counts its header and tag;
 *  up to 15 bytes of padding remain, to the consumer's disadvantage. A TUN device counts the packets alone. */
const overhead: Readonly<Record<Kind, bigint>> = { kernel: 32n, user: 0n };

/** `text`: /proc/net/dev, which shows the network namespace of who reads it. */
export function parse(text: string, device: string, kind: Kind): Result<Pair<ByteCount>> {
  const line = text.split('\n').find((l) => l.trimStart().startsWith(`${device}:`));
  if (line === undefined) return fail('missing', device, 'no such device');
  const fields = line
    .slice(line.indexOf(':') + 1)
    .trim()
    .split(/\s+/);
  if (fields.length !== 16 || fields.some((f) => !/^\d+$/.test(f))) return fail('malformed', device, 'expected 16 counters');
  const [received, packetsReceived] = fields.map(BigInt);
  const [sent, packetsSent] = fields.slice(8).map(BigInt);
  if (received === undefined || packetsReceived === undefined || sent === undefined || packetsSent === undefined)
    throw new Error('counters: 16 that are not 16');
  const inner = (bytes: bigint, packets: bigint): ByteCount => {
    const rest = bytes - packets * overhead[kind];
    // Read between the two: a packet may be counted before its bytes are.
    return (rest < 0n ? 0n : rest) as ByteCount;
  };
  return ok({ up: inner(sent, packetsSent), down: inner(received, packetsReceived) });
}
