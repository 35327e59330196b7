import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Way } from '../../agent/core/doorway.ts';
import * as doorway from '../../agent/core/doorway.ts';
import * as ip from '../../agent/core/ip.ts';
import * as reach from '../../agent/core/reach.ts';
import type { Hint } from '../../agent/core/uplink.ts';

const address = (text: string): ip.Address => {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const way = (addresses: readonly string[], hints: readonly Hint[] = [], dns: readonly string[] = []): Way => ({
  name: 'wan',
  addresses: addresses.map(address),
  hints,
  dns: dns.map(address),
});

const choose = suite('doorway.choose');
const chosen = [
  { name: 'the owner says', own: { host: 'home.example', port: null }, ways: [], want: 'home.example:51820' },
  { name: 'the owner says, with the port that is forwarded', own: { host: 'home.example', port: 443 }, ways: [], want: 'home.example:443' },
  { name: 'the owner says IPv6', own: { host: '2a11::1', port: null }, ways: [], want: '[2a11::1]:51820' },
  { name: 'IPv4 before IPv6', own: null, ways: [way(['2a11:1::2', '11.1.0.2'])], want: '11.1.0.2:51820' },
  {
    name: 'IPv6 where IPv4 is translated',
    own: null,
    ways: [way(['100.64.1.1', '2a11:1::2'], ['carrier-nat'])],
    want: '[2a11:1::2]:51820',
  },
  {
    name: 'IPv6 where a public IPv4 is shared',
    own: null,
    ways: [way(['11.1.0.2', '2a11:1::2'], ['shared-ipv4'])],
    want: '[2a11:1::2]:51820',
  },
  {
    name: 'the second uplink where the first cannot',
    own: null,
    ways: [way(['192.168.0.2'], ['private-address']), way(['11.2.0.2'])],
    want: '11.2.0.2:51820',
  },
];
for (const c of chosen)
  choose(c.name, () => {
    const found = doorway.choose(c.own, c.ways, 51_820);
    assert.is(found.ok && found.value.at, c.want);
  });
const refused = [
  { name: 'CGNAT', ways: [way(['100.64.1.1'], ['carrier-nat'])], want: /CGNAT.*ask the provider/ },
  {
    name: 'behind another router',
    ways: [way(['192.168.0.2', 'fd00::1', 'fe80::1'], ['private-address'])],
    want: /forward UDP port 51820 there/,
  },
  { name: 'DS-Lite', ways: [way(['192.0.0.2'], ['shared-ipv4'])], want: /DS-Lite/ },
  { name: 'no address', ways: [way([])], want: /no public address/ },
  { name: 'no uplink', ways: [], want: /no uplink is up/ },
];
for (const c of refused)
  choose(c.name, () => {
    const found = doorway.choose(null, c.ways, 51_820);
    assert.is(found.ok, false);
    if (found.ok) return;
    assert.equal([found.fault.code, found.fault.path], ['missing', 'endpoint']);
    assert.match(found.fault.reason, c.want);
  });
choose.run();

const servers = suite('doorway.servers');
servers('those of the uplinks that a session may reach, three at most', () =>
  assert.equal(
    doorway.servers(
      [way([], [], ['192.168.0.1', '11.9.0.1', 'fe80::1', '2a11:9::1']), way([], [], ['11.9.0.1', '11.9.0.2', '11.9.0.3'])],
      reach.blocked([], []),
    ),
    ['11.9.0.1', '2a11:9::1', '11.9.0.2'],
  ),
);
servers('none that the owner denies', () => {
  const denied = ip.parsePrefix('11.9.0.0/24');
  assert.ok(denied.ok);
  if (denied.ok) assert.equal(doorway.servers([way([], [], ['11.9.0.1'])], reach.blocked([denied.value], [])), []);
});
servers.run();
