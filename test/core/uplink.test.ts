import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import type { Hint, Uplink } from '../../agent/core/uplink.ts';
import * as uplink from '../../agent/core/uplink.ts';

const hints = suite('uplink: hints');

const with_ = (addresses: readonly string[], protocols: readonly string[] = ['dhcp']): Uplink => ({
  name: 'wan',
  up: true,
  device: 'eth1',
  protocols,
  addresses: addresses.map((text) => {
    const address = ip.parseAddress(text);
    if (!address.ok) throw new Error(text);
    return { address: address.value, length: 24 };
  }),
  gateways: [],
  hasDefault: { v4: true, v6: true },
  dns: [],
});

const cases: readonly Readonly<{ name: string; of: Uplink; want: readonly Hint[] }>[] = [
  { name: 'a public address', of: with_(['203.0.113.2', '2001:db8::2', 'fe80::1']), want: [] },
  { name: 'none', of: with_([]), want: [] },
  { name: 'first of the carriers', of: with_(['100.64.0.0']), want: ['carrier-nat'] },
  { name: 'last of the carriers', of: with_(['100.127.255.255']), want: ['carrier-nat'] },
  { name: 'before the carriers', of: with_(['100.63.255.255']), want: [] },
  { name: 'behind the carriers', of: with_(['100.128.0.0']), want: [] },
  { name: 'private 10', of: with_(['10.0.0.2']), want: ['private-address'] },
  { name: 'private 172', of: with_(['172.31.255.255', '2001:db8::2']), want: ['private-address'] },
  { name: 'not private 172', of: with_(['172.32.0.0']), want: [] },
  { name: 'private 192', of: with_(['192.168.178.2']), want: ['private-address'] },
  { name: 'the end of a DS-Lite tunnel', of: with_(['192.0.0.2']), want: ['shared-ipv4'] },
  { name: 'DS-Lite by its protocol', of: with_(['2001:db8::2'], ['dhcpv6', 'dslite']), want: ['shared-ipv4'] },
  { name: 'MAP', of: with_(['203.0.113.2'], ['map']), want: ['shared-ipv4'] },
  { name: 'everything', of: with_(['100.64.0.1', '10.0.0.1', '192.0.0.1']), want: ['carrier-nat', 'private-address', 'shared-ipv4'] },
];
for (const { name, of, want } of cases) hints(name, () => assert.equal(uplink.hints(of), want));

hints.run();
