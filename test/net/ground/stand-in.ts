// A small ruleset by hand: enough to show that the probes tell rules from no rules, and that counters count. No model for the real one.

import * as at from './addresses.ts';

const sessions = { c: at.consumer(0), d: at.consumer(1), e: at.consumer(2) } as const;
const list = (of: (name: keyof typeof sessions) => string): string => (['c', 'd', 'e'] as const).map(of).join(', ');

const metered = (family: 'ip' | 'ip6', way: 'up' | 'down', end: 'saddr' | 'daddr'): string => {
  const v = family === 'ip' ? '4' : '6';
  const router = family === 'ip' ? at.tunnel.v4 : at.tunnel.v6;
  const countersign = way === 'up' ? `${family} daddr ${router} udp dport` : `${family} saddr ${router} udp sport`;
  return `chain ${way}${v} { ${countersign} ${at.countersignPort} accept; ${family} ${end} != @live${v} drop;
    quota name ${family} ${end} map @quota${v} drop; counter name ${family} ${end} map @${way}${v} accept; drop; }`;
};

export const render = (quota: bigint): string => `
table netdev weir_m {
  set live4 { type ipv4_addr; flags timeout; elements = { ${list((n) => `${sessions[n].v4} timeout 1h`)} }; }
  set live6 { type ipv6_addr; flags timeout; elements = { ${list((n) => `${sessions[n].v6} timeout 1h`)} }; }
  ${(['c', 'd', 'e'] as const)
    .map(
      (n) => `counter ${n}_up { packets 0 bytes 0; }; counter ${n}_down { packets 0 bytes 0; }; quota ${n}_quota { over ${quota} bytes; };`,
    )
    .join('\n  ')}
  map up4 { type ipv4_addr : counter; elements = { ${list((n) => `${sessions[n].v4} : "${n}_up"`)} }; }
  map up6 { type ipv6_addr : counter; elements = { ${list((n) => `${sessions[n].v6} : "${n}_up"`)} }; }
  map down4 { type ipv4_addr : counter; elements = { ${list((n) => `${sessions[n].v4} : "${n}_down"`)} }; }
  map down6 { type ipv6_addr : counter; elements = { ${list((n) => `${sessions[n].v6} : "${n}_down"`)} }; }
  map quota4 { type ipv4_addr : quota; elements = { ${list((n) => `${sessions[n].v4} : "${n}_quota"`)} }; }
  map quota6 { type ipv6_addr : quota; elements = { ${list((n) => `${sessions[n].v6} : "${n}_quota"`)} }; }
  ${metered('ip', 'up', 'saddr')}
  ${metered('ip6', 'up', 'saddr')}
  ${metered('ip', 'down', 'daddr')}
  ${metered('ip6', 'down', 'daddr')}
  chain up { type filter hook ingress device "weir0" priority -500; policy drop; meta protocol vmap { ip : goto up4, ip6 : goto up6 }; }
  chain down { type filter hook egress device "weir0" priority -500; policy drop; meta protocol vmap { ip : goto down4, ip6 : goto down6 }; }
}
table inet weir_p {
  set blocked4 { type ipv4_addr; flags interval; elements = { 0.0.0.0/8, 10.0.0.0/8, 100.64.0.0/10, 127.0.0.0/8, 169.254.0.0/16,
    172.16.0.0/12, 192.0.0.0/24, 192.0.2.0/24, 192.168.0.0/16, 198.18.0.0/15, 198.51.100.0/24, 203.0.113.0/24, 224.0.0.0/3, ${at.denied.v4} }; }
  set blocked6 { type ipv6_addr; flags interval; elements = { ::-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, 2001::/32, 2001:db8::/32,
    2002::/16, 4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff, ${at.denied.v6} }; }
  chain from_tunnel {
    oifname != "wan" drop; ct state invalid drop; fib daddr type != unicast drop;
    tcp flags & (syn|rst) == syn tcp option maxseg size set rt mtu;
    ip saddr ${sessions.e.v4} ip daddr ${at.hop.v4} udp dport 51820 accept;
    ip saddr ${sessions.e.v4} drop; ip6 saddr ${sessions.e.v6} drop;
    ip daddr @blocked4 drop; ip6 daddr @blocked6 drop; tcp dport { 25, 465, 587 } drop; accept;
  }
  chain to_tunnel { iifname != "wan" drop; ct state established,related accept; drop; }
  chain forward { type filter hook forward priority -10; policy accept; iifname "weir0" goto from_tunnel; oifname "weir0" goto to_tunnel; }
  chain input { type filter hook input priority -10; policy accept; iifname != "weir0" accept;
    ip daddr ${at.tunnel.v4} udp dport ${at.countersignPort} accept; ip6 daddr ${at.tunnel.v6} udp dport ${at.countersignPort} accept; drop; }
  chain output { type filter hook output priority -10; policy accept; oifname != "weir0" accept; udp sport ${at.countersignPort} accept;
    icmp type { destination-unreachable, time-exceeded, parameter-problem } accept;
    icmpv6 type { destination-unreachable, packet-too-big, time-exceeded, parameter-problem } accept; drop; }
}
`;
