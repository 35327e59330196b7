// What the driver tells the suite: where its servers are. Goes from the one to the other as JSON, so that the suite can run anywhere.

import type { Endpoint } from '../../../agent/ports/host.ts';

export type Fixture = Readonly<{
  /** An empty directory of the suite's own. */
  temp: string;
  /** The peer (test/fakes/peer.ts), by unix socket and TCP; null where there is none. */
  unix: string | null;
  tcp: Endpoint;
  tcp6: Endpoint | null;
  /** Nobody listens here. */
  refused: Endpoint;
  /** Sends every datagram back. */
  udp: Endpoint;
  udp6: Endpoint | null;
  dns: Readonly<{ server: Endpoint; silent: Endpoint }>;
  tls: TlsFixture | null;
  /** Whether /bin/sh is there. */
  programs: boolean;
  /** Size of a large transfer. */
  large: number;
}>;

/** The peer behind TLS, each with a certificate of its own. */
export type TlsFixture = Readonly<{
  good12: Endpoint;
  good13: Endpoint;
  untrusted: Endpoint;
  expired: Endpoint;
  notYet: Endpoint;
  wrongName: Endpoint;
  /** Asks for a certificate of ours; by TLS 1.2 and 1.3. */
  mutual12: Endpoint;
  mutual13: Endpoint;
  /** Speaks no TLS. */
  plain: Endpoint;
  /** Cuts the connection without a close_notify. */
  cut12: Endpoint;
  cut13: Endpoint;
  name: string;
  authorities: string;
  /** Of all certificates but `untrusted`: hexadecimal SHA-256 of the key. */
  pin: string;
  identity: Readonly<{ certificate: string; key: string }>;
}>;

/** Bytes that tell a lost, doubled or swapped block: the number of each 64 KiB block stands at its head. */
export function pattern(size: number): Uint8Array {
  const block = Uint8Array.from({ length: 65_536 }, (_, i) => (i * 31 + (i >> 8)) & 0xff);
  const bytes = new Uint8Array(size);
  for (let at = 0, number = 0; at < size; at += block.length, number++) {
    block.set([number >> 16, number >> 8, number]);
    bytes.set(block.subarray(0, size - at), at);
  }
  return bytes;
}
