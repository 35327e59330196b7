// Who has which address on the ground. Addresses that must look public are real public ones; nothing here ever leaves the namespaces.

/** Another host of the Internet: the next hop of a multi-hop session. */
export const hop = { v4: '11.0.0.3', v6: '2a11:0:0:1::3' } as const;
/** A public address that the owner denies (a company's own service, say). */
export const denied = { v4: '11.0.9.1', v6: '2a11:0:9::1' } as const;

export const internet = { v4: '11.0.0.2', v6: '2a11:0:0:1::2' } as const;
export const wan = { v4: '11.1.0.2', v6: '2a11:1::2' } as const;
export const wan2 = { v4: '11.2.0.2', v6: '2a11:2::2' } as const;
export const gateway = { v4: '11.1.0.1', v6: '2a11:1::1' } as const;
export const gateway2 = { v4: '11.2.0.1', v6: '2a11:2::1' } as const;

/** The prefix that the provider gives the household; every `global` address is of it. */
export const delegated = '2a11:f::/48';

/** The router on its LAN. */
export const home = { v4: '192.168.1.1', broadcast: '192.168.1.255', ula: 'fd11:1::1', global: '2a11:f:0:1::1' } as const;
export const lan = { v4: '192.168.1.2', ula: 'fd11:1::2', global: '2a11:f:0:1::2' } as const;

export const pool = { v4: '10.64.0.0/16', v6: 'fd00:64::/64' } as const;
/** Behind the last slot that the pool's prefixes have both. */
export const tunnel = { v4: '10.64.255.254', v6: 'fd00:64::fffe', local: 'fe80::1', port: 51820 } as const;
export const countersignPort = 4720;

export type Consumer = Readonly<{ v4: string; v6: string; outside: Readonly<{ v4: string; v6: string }> }>;

/** The n-th consumer: its session's addresses, and where it sits in the Internet. */
export const consumer = (n: number): Consumer => ({
  v4: `10.64.0.${n + 2}`,
  v6: `fd00:64::${n + 2}`,
  outside: { v4: `11.0.${n + 16}.2`, v6: `2a11:0:${n + 16}::2` },
});

/** In the pool, but nobody's session. */
export const nobody = { v4: '10.64.0.99', v6: 'fd00:64::99' } as const;

/** Ranges that no session may reach. A host answers in each of them beyond the uplink, so that a missing rule is seen. */
export const special4 = {
  'private 10/8': '10.9.9.9',
  'private 172.16/12': '172.16.9.9',
  "the modem's own network": '192.168.100.1',
  'carrier-grade NAT': '100.64.9.9',
  'cloud metadata': '169.254.169.254',
  'protocol assignments': '192.0.0.170',
  'documentation 1': '192.0.2.9',
  'documentation 2': '198.51.100.9',
  'documentation 3': '203.0.113.9',
  benchmarking: '198.18.0.9',
  'reserved 240/4': '240.0.0.9',
} as const;
export const special6 = {
  'unique local': 'fd99::9',
  '6to4': '2002:b00:9::9',
  Teredo: '2001:0:9::9',
  documentation: '2001:db8::9',
  NAT64: '64:ff9b::a09:909',
  'local NAT64': '64:ff9b:1::9',
  'discard-only': '100::9',
  'site local': 'fec0::9',
} as const;
