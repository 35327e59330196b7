// The links, addresses and routes of the ground, as lines for `ip -batch`. Values only; ground.ts carries them out.

import * as at from './addresses.ts';

export type Options = Readonly<{
  /** Consumers, in the order of their addresses. Default: c, d, e. */
  consumers?: readonly string[];
  ipv6?: boolean;
  /** A second provider link, `wan2`. */
  secondUplink?: boolean;
  /** `to-r` and `wan` are there already, and what is between them. */
  card?: boolean;
  /** The IPv6 default route as netifd makes it: only for the delegated prefix and the WAN address. */
  sourceSpecific?: boolean;
  /** Every TCP segment is a packet of its own, as on a cable. Otherwise one packet may hold 64 KiB, as the kernel merges them on receipt. */
  singleSegments?: boolean;
  /** Consumers' own, where they must be known; drawn otherwise. */
  keys?: Readonly<Record<string, Readonly<{ secret: string; public: string }>>>;
  /** What there is of `weir0` at the start: nothing, the bare device, or all of it with every consumer as a peer. Default: ready. */
  tunnel?: 'none' | 'device' | 'ready';
}>;

/** Packets of the consumers' own tunnels, which must not enter the tunnel. */
export const mark = '51820';

/** NAT as fw4 makes it for one WAN zone with masquerading of both families, and one port forward that also works from inside. */
export const nat = `table inet fw4 {
  chain dstnat { type nat hook prerouting priority dstnat; policy accept;
    ip daddr ${at.wan.v4} meta l4proto { tcp, udp } th dport 8443 dnat ip to ${at.lan.v4}:443;
    ip6 daddr ${at.wan.v6} meta l4proto { tcp, udp } th dport 8443 dnat ip6 to [${at.lan.ula}]:443;
  }
  chain srcnat { type nat hook postrouting priority srcnat; policy accept;
    oifname { "wan", "wan2" } meta nfproto ipv4 masquerade;
    oifname { "wan", "wan2" } ip6 saddr fc00::/7 masquerade;
  }
}
`;

const outside = (address: string): string => address.replace(/[0-9a-f]+$/, '1');

/** Runs first, in the uplink: all cables start here but the LAN's. `pid`: who holds the namespace of the other end. */
export function provider(
  names: readonly string[],
  pid: (place: string) => number,
  { secondUplink = false, card = false }: Options,
): string[] {
  const cable = (link: string, far: string, farLink: string): string => `link add ${link} type veth peer name ${farLink} netns ${pid(far)}`;
  const own = (link: string, v4: string, v6: string): string[] => [
    `link set ${link} up`,
    `address add ${v4}/24 dev ${link}`,
    `address add ${v6}/64 dev ${link} nodad`,
  ];
  return [
    'link set lo up',
    ...(card ? [] : [cable('to-r', 'router', 'wan')]),
    ...own('to-r', at.gateway.v4, at.gateway.v6),
    ...(secondUplink ? [cable('to-r2', 'router', 'wan2'), ...own('to-r2', at.gateway2.v4, at.gateway2.v6)] : []),
    cable('to-i', 'internet', 'eth0'),
    ...own('to-i', outside(at.internet.v4), outside(at.internet.v6)),
    ...names.flatMap((name, n) => {
      const far = at.consumer(n).outside;
      return [cable(`to-${name}`, name, 'eth0'), ...own(`to-${name}`, outside(far.v4), outside(far.v6))];
    }),
    // Whatever is nobody's is the Internet's; and the provider's other customers may well send packets for our pool to us.
    `route add default via ${at.internet.v4}`,
    `route add ::/0 via ${at.internet.v6}`,
    `route add ${at.pool.v4} via ${at.wan.v4}`,
    `route add ${at.pool.v6} via ${at.wan.v6}`,
    `route add ${at.delegated} via ${at.wan.v6}`,
  ];
}

/** Runs second, in the router. */
export const homeCable = (lan: number): string[] => [
  'link set lo up',
  'link add br-lan type bridge',
  `link add lan1 type veth peer name eth0 netns ${lan}`,
];

const segments = (link: string, { singleSegments = false }: Options): string[] =>
  singleSegments ? [`link set ${link} gso_max_segs 1`] : [];

export function router(options: Options): string[] {
  const { secondUplink = false, sourceSpecific = false } = options;
  const defaults = (sources: readonly string[], way: string): string[] =>
    sourceSpecific ? sources.map((from) => `route add ::/0 from ${from} ${way}`) : [`route add ::/0 ${way}`];
  return [
    'link set lan1 master br-lan up',
    'link set br-lan up',
    'link set wan up',
    ...segments('wan', options),
    `address add ${at.home.v4}/24 broadcast ${at.home.broadcast} dev br-lan`,
    `address add ${at.home.ula}/64 dev br-lan nodad`,
    `address add ${at.home.global}/64 dev br-lan nodad`,
    `address add ${at.wan.v4}/24 dev wan`,
    `address add ${at.wan.v6}/64 dev wan nodad`,
    `route add default via ${at.gateway.v4} dev wan`,
    ...defaults([at.delegated, at.wan.v6], `via ${at.gateway.v6} dev wan`),
    ...(secondUplink
      ? [
          'link set wan2 up',
          `address add ${at.wan2.v4}/24 dev wan2`,
          `address add ${at.wan2.v6}/64 dev wan2 nodad`,
          `route add default via ${at.gateway2.v4} dev wan2 metric 200`,
          ...defaults([at.wan2.v6], `via ${at.gateway2.v6} dev wan2 metric 2000`),
        ]
      : []),
  ];
}

export const lan = (options: Options): string[] => [
  'link set lo up',
  'link set eth0 up',
  ...segments('eth0', options),
  `address add ${at.lan.v4}/24 dev eth0`,
  `address add ${at.lan.ula}/64 dev eth0 nodad`,
  `address add ${at.lan.global}/64 dev eth0 nodad`,
  `route add default via ${at.home.v4}`,
  `route add ::/0 via ${at.home.global} src ${at.lan.global}`,
];

export const internet = (options: Options): string[] => [
  'link set lo up',
  'link set eth0 up',
  ...segments('eth0', options),
  ...[at.internet.v4, at.hop.v4].map((a) => `address add ${a}/24 dev eth0`),
  ...[at.internet.v6, at.hop.v6].map((a) => `address add ${a}/64 dev eth0 nodad`),
  ...[at.denied.v4, ...Object.values(at.special4)].map((a) => `address add ${a}/32 dev lo`),
  ...[at.denied.v6, ...Object.values(at.special6)].map((a) => `address add ${a}/128 dev lo nodad`),
  `route add default via ${outside(at.internet.v4)}`,
  `route add ::/0 via ${outside(at.internet.v6)}`,
];

/** As wg-quick does it: everything enters the tunnel but the tunnel's own packets, even what is meant for the router's WAN address. */
export const consumer = ({ v4, v6, outside: address }: at.Consumer): string[] => [
  'link set lo up',
  'link set eth0 up',
  'link set wg0 up mtu 1420',
  `address add ${address.v4}/24 dev eth0`,
  `address add ${address.v6}/64 dev eth0 nodad`,
  `address add ${v4}/32 dev wg0`,
  `address add ${v6}/128 dev wg0 nodad`,
  `route add default via ${outside(address.v4)}`,
  `route add ::/0 via ${outside(address.v6)}`,
  `route add default dev wg0 src ${v4} table ${mark}`,
  `route add ::/0 dev wg0 src ${v6} table ${mark}`,
];

/** Runs with `ip` and, where there is IPv6, once more with `ip -6`: only a rule does not tell its family. */
export const consumerRule = `rule add not fwmark ${mark} lookup ${mark}`;

export const tunnel: readonly string[] = [
  'link set weir0 up mtu 1420',
  `address add ${at.tunnel.v4}/16 dev weir0`,
  `address add ${at.tunnel.v6}/64 dev weir0 nodad`,
  `address add ${at.tunnel.local}/64 dev weir0 nodad`,
];
