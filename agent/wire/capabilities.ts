// What the static rules need of a kernel, each as a piece of nft text that can be checked by itself, and where to get it. Nothing of it is
// ever committed. Knows no kernel.

export type Capability = Readonly<{ what: string; mend: string; text: string }>;

const inet = (rule: string): string =>
  `add table inet weir_t; add chain inet weir_t c { type filter hook forward priority 0; }; add rule inet weir_t c ${rule}`;
const netdev = (hook: string): string =>
  `add table netdev weir_t; add chain netdev weir_t c { type filter hook ${hook} device "lo" priority 0; }`;
const object = (type: string, body: string): string =>
  `add table netdev weir_t; add ${type} netdev weir_t o { ${body}; }; add map netdev weir_t m { type ipv4_addr : ${type}; elements = { 192.0.2.1 : "o" }; }`;

export const capabilities: readonly Capability[] = [
  { what: 'nf_tables', mend: 'install kmod-nft-core', text: 'add table inet weir_t' },
  { what: 'rules on a device, ingress', mend: 'install kmod-nft-netdev', text: netdev('ingress') },
  { what: 'rules on a device, egress', mend: 'install kmod-nft-netdev; it takes a kernel 5.16 or later', text: netdev('egress') },
  {
    what: 'packets from one device to another (fwd)',
    mend: 'install kmod-nft-netdev',
    text: `${netdev('egress')}; add rule netdev weir_t c fwd to "lo"`,
  },
  ...(
    [
      ['counter', 'packets 0 bytes 0'],
      ['quota', '1000 bytes'],
      ['limit', 'rate 1000 bytes/second'],
    ] as const
  ).map(([type, body]) => ({ what: `maps of a ${type}`, mend: 'install kmod-nft-core', text: object(type, body) })),
  { what: 'the type of an address (fib)', mend: 'install kmod-nft-fib', text: inet('fib daddr type unicast accept') },
  { what: 'connections at a time (ct count)', mend: 'install kmod-nft-connlimit', text: inet('ct count 10 accept') },
  { what: 'segment sizes (rt mtu)', mend: 'install kmod-nft-core', text: inet('tcp flags syn tcp option maxseg size set rt mtu') },
];
