// The canary's detour as nft text: what turns two plain datagrams, sent to its own device, into a guest's packets. It takes a table of its own,
// on that device alone, and no exception in the rules that guests meet. Knows no socket.
//
//   port 1   gets the guest's address as its sender and goes on: through WireGuard and up into the tunnel's device
//   port 2   gets it as its receiver and is handed to the tunnel's device: down, through WireGuard, and back here
//
// Up it is for a group of the link (RFC 4727 §2.4.2): no router forwards that and nobody answers it, with or without rules.

import * as ip from '../core/ip.ts';
import type { Addresses } from '../core/pool.ts';
import type { Table } from './nftables.ts';

export const table: Table = { family: 'netdev', name: 'weir_c' };
export const ports = { up: 1, down: 2 } as const;

/** Networks for documentation (RFC 5737, RFC 3849): ours on the device, and where to send. */
export const networks = {
  4: { own: '192.0.2.2', to: '192.0.2.1', length: 30 },
  6: { own: '2001:db8::2', to: '2001:db8::1', length: 126 },
} as const;
const groups = { 4: '224.0.0.254', 6: 'ff02::114' } as const;

/** One transaction for `nft -f`. */
export function render(device: string, tunnel: string, guest: Addresses): string {
  const rules = ([4, 6] as const).flatMap((v) => {
    const word = v === 4 ? 'ip' : 'ip6';
    const address = ip.renderAddress(v === 4 ? guest.four : guest.six);
    const sent = (port: number): string => `${word} daddr ${networks[v].to} udp dport ${port}`;
    return [
      `${sent(ports.up)} ${word} saddr set ${address} ${word} daddr set ${groups[v]} accept`,
      `${sent(ports.down)} ${word} daddr set ${address} fwd to "${tunnel}"`,
    ];
  });
  const hook = (of: string): string => `type filter hook ${of} device "${device}" priority 0; policy drop;`;
  return [
    'add table netdev weir_c',
    'delete table netdev weir_c',
    'add table netdev weir_c',
    `add chain netdev weir_c in { ${hook('ingress')} }`,
    `add chain netdev weir_c out { ${hook('egress')} }`,
    ...rules.map((rule) => `add rule netdev weir_c out ${rule}`),
    '',
  ].join('\n');
}
