// A consumer that lies, for tests and the demo: an honest one whose counters or whose words are changed on their way out.

import type { ByteCount } from '../../agent/core/brand.ts';
import { ok, type Result } from '../../agent/core/result.ts';
import type { Pair } from '../../agent/core/seat.ts';
import type { Signer } from '../../agent/crypto/ed25519.ts';
import type { Host, Net } from '../../agent/ports/host.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as wire from '../../agent/wire/receipt.ts';

/** less: says half of what it counted. silent: never answers. replay: sends its first countersignature for ever.
 *  other: countersigns something else than the receipt. vouching: vouches for every tally, and countersigns nothing. */
export const lies = ['less', 'silent', 'vouching', 'replay', 'other'] as const;
export type Lie = (typeof lies)[number];
export const isLie = (text: string): text is Lie => (lies as readonly string[]).includes(text);

type Ground = Pick<Host, 'net' | 'sha256' | 'sha512'>;
type Count = () => Result<Pair<ByteCount>>;

/** What of the honest consumer's ground has to be replaced. */
export function lying(lie: Lie, ground: Ground, signer: Signer, count: Count): Readonly<{ net: Net; count: Count }> {
  let first: Uint8Array | null = null;
  const changed = (datagram: wire.Datagram): wire.Datagram | null => {
    if (lie === 'silent' || (lie === 'vouching' && datagram.kind === 'witnessed')) return null;
    if (datagram.kind !== 'witnessed' || lie === 'less') return datagram;
    first ??= datagram.signature;
    if (lie === 'replay') return { ...datagram, signature: first };
    return { ...datagram, signature: cose.witness(cose.sign('receipt', new Map([[1, 'another']]), signer, ground), signer) };
  };
  const bindUdp: Net['bindUdp'] = (at, events) => {
    const bound = ground.net.bindUdp(at, events);
    if (!bound.ok) return bound;
    return ok({
      ...bound.value,
      send(bytes, to) {
        const datagram = wire.decodeDatagram(bytes);
        const said = datagram.ok ? changed(datagram.value) : null;
        return said === null ? ok(undefined) : bound.value.send(wire.encodeDatagram(said), to);
      },
    });
  };
  const half = (n: ByteCount): ByteCount => (n / 2n) as ByteCount;
  return {
    net: { ...ground.net, bindUdp },
    count() {
      const counted = count();
      return lie === 'less' && counted.ok ? ok({ up: half(counted.value.up), down: half(counted.value.down) }) : counted;
    },
  };
}
