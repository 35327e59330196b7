import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { BitRate, ByteCount } from '../../agent/core/brand.ts';
import { seconds } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Limits, Wish } from '../../agent/core/limits.ts';
import * as limits from '../../agent/core/limits.ts';
import * as reach from '../../agent/core/reach.ts';
import type { ByteRate, Egress, Flow } from '../../agent/core/seat.ts';

const prefixes = (...texts: readonly string[]): readonly ip.Prefix[] =>
  texts.map((text) => {
    const parsed = ip.parsePrefix(text);
    if (!parsed.ok) throw new Error(text);
    return parsed.value;
  });

const owner: Limits = {
  line: { up: 1_000_000n as ByteRate, down: 500_000n as ByteRate },
  session: { rate: { up: 8000n as BitRate, down: 16_000n as BitRate }, quota: 1000n as ByteCount, lifetime: seconds(3600) },
  sessions: 3,
  month: { cap: null, resetDay: 1, household: false },
  blockSmtp: true,
  deny: prefixes('93.184.216.0/24'),
  allow: prefixes('10.9.0.0/16'),
  flows: { session: 1, all: 1 },
  connections: { session: 1, all: 1 },
  lowerEffort: true,
  schedule: { spans: [], whenUnknown: false },
  home: null,
};
const blocked = reach.blocked(owner.deny, owner.allow);
const wish: Wish = {
  quota: { kind: 'shared', bytes: 1000n },
  rate: { up: 8000n, down: 16_000n },
  throttle: null,
  egress: { kind: 'internet' },
};
const hop = (address: string, port = 443, protocol: 'tcp' | 'udp' = 'udp'): Egress => ({ kind: 'hop', address, protocol, port });
const flow = (address: string, length: number, first: number, last: number, protocol: 'tcp' | 'udp' = 'tcp'): Flow => ({
  address,
  length,
  protocol,
  ports: { first, last },
});
const list = (...flows: Flow[]): Egress => ({ kind: 'list', flows });

const allowed = suite('limits');
allowed('bits become bytes, at the ceiling', () =>
  assert.equal(limits.check(wish, owner, blocked), {
    ok: true,
    value: { quota: { kind: 'shared', bytes: 1000n }, rate: { up: 1000n, down: 2000n }, spent: null, egress: { kind: 'internet' } },
  }),
);
const good: readonly (readonly [name: string, change: Partial<Wish>])[] = [
  ['the least', { quota: { kind: 'shared', bytes: 1n }, rate: { up: 8n, down: 8n } }],
  ['a split quota that sums up', { quota: { kind: 'split', up: 999n, down: 1n } }],
  ['throttled to the rate itself', { throttle: { up: 8000n, down: 16_000n } }],
  ['a hop', { egress: hop('1.2.3.4', 1) }],
  ['a hop by IPv6', { egress: hop('2a00:1::1', 65_535) }],
  ['a private hop that the owner allows', { egress: hop('10.9.255.255') }],
  ['mail by UDP is none', { egress: hop('1.2.3.4', 25, 'udp') }],
  ['everywhere', { egress: list(flow('0.0.0.0', 0, 443, 443), flow('::', 0, 443, 443)) }],
  ['a range with mail in it', { egress: list(flow('1.2.3.0', 24, 1, 65_535)) }],
  ['neighbours', { egress: list(flow('1.2.3.0', 25, 1, 9), flow('1.2.3.128', 25, 1, 9), flow('1.2.3.0', 25, 10, 10)) }],
  ['the same by another protocol', { egress: list(flow('1.2.3.4', 32, 80, 80), flow('1.2.3.4', 32, 80, 80, 'udp')) }],
];
for (const [name, change] of good)
  allowed(name, () => {
    const checked = limits.check({ ...wish, ...change }, owner, blocked);
    assert.ok(checked.ok, checked.ok ? '' : JSON.stringify(checked.fault));
    assert.ok(checked.ok && limits.isWithin(checked.value, owner, blocked));
  });
allowed('an address has one text', () => {
  const one = limits.check({ ...wish, egress: hop('2A00:0:0::0:1') }, owner, blocked);
  assert.equal(one.ok && one.value.egress, hop('2a00::1'));
  const some = limits.check({ ...wish, egress: list(flow('2A00:0::', 32, 1, 2)) }, owner, blocked);
  assert.equal(some.ok && some.value.egress, list(flow('2a00::', 32, 1, 2)));
});
allowed('the smaller direction of the line binds all guests', () => {
  assert.is(limits.guests(owner), 500_000n);
  assert.is(limits.guests({ ...owner, line: { up: 1n as ByteRate, down: 2n as ByteRate } }), 1n);
});
allowed('terms are within the limits until these change', () => {
  const checked = limits.check({ ...wish, egress: hop('10.9.0.1') }, owner, blocked);
  assert.ok(checked.ok);
  if (!checked.ok) return;
  const lower: Limits = { ...owner, session: { ...owner.session, quota: 999n as ByteCount } };
  assert.not(limits.isWithin(checked.value, lower, blocked));
  assert.not(limits.isWithin(checked.value, owner, reach.blocked(owner.deny, [])));
});
allowed('mail, when the owner says so', () =>
  assert.ok(limits.check({ ...wish, egress: hop('1.2.3.4', 25, 'tcp') }, { ...owner, blockSmtp: false }, blocked).ok),
);
allowed.run();

const refused = suite('limits refuse');
const bad: readonly (readonly [name: string, change: Partial<Wish>, code: string, path: string, reason: string])[] = [
  ['a byte too many', { quota: { kind: 'shared', bytes: 1001n } }, 'denied', 'quota', '1000'],
  ['no quota', { quota: { kind: 'shared', bytes: 0n } }, 'malformed', 'quota', '1'],
  ['less than no quota', { quota: { kind: 'shared', bytes: -(1n << 63n) } }, 'malformed', 'quota', '1'],
  ['a split sum', { quota: { kind: 'split', up: 1000n, down: 1n } }, 'denied', 'quota', '1000'],
  ['a sum with a debt', { quota: { kind: 'split', up: 1001n, down: -1n } }, 'denied', 'quota.up', '1000'],
  ['nothing down', { quota: { kind: 'split', up: 1n, down: 0n } }, 'malformed', 'quota.down', '1'],
  ['a bit too fast', { rate: { up: 8001n, down: 8n } }, 'denied', 'rate_up', '8000 bit/s'],
  ['a bit too fast down', { rate: { up: 8n, down: 16_001n } }, 'denied', 'rate_down', '16000 bit/s'],
  ['less than a byte', { rate: { up: 7n, down: 8n } }, 'malformed', 'rate_up', '8'],
  ['backwards', { rate: { up: 8n, down: -8n } }, 'malformed', 'rate_down', '8'],
  ['a throttle above the rate', { throttle: { up: 8001n, down: 8n } }, 'denied', 'throttle_up', '8000'],
  ['no throttle', { throttle: { up: 8n, down: 0n } }, 'malformed', 'throttle_down', '8'],
  ['a hop by name', { egress: hop('example.org') }, 'malformed', 'egress.hop.address', 'IPv4'],
  ['a private hop', { egress: hop('192.168.1.1') }, 'denied', 'egress.hop.address', '192.168.0.0-192.168.255.255'],
  ['next to what is allowed', { egress: hop('10.10.0.0') }, 'denied', 'egress.hop.address', '10.10.0.0-10.255.255.255'],
  ['the router itself', { egress: hop('127.0.0.1') }, 'denied', 'egress.hop.address', '127'],
  ['a link-local hop', { egress: hop('fe80::1') }, 'denied', 'egress.hop.address', 'no session'],
  ['IPv4 in IPv6', { egress: hop('::ffff:192.168.1.1') }, 'denied', 'egress.hop.address', 'no session'],
  ['NAT64', { egress: hop('64:ff9b::c0a8:101') }, 'denied', 'egress.hop.address', 'no session'],
  ['a hop that the owner denies', { egress: hop('93.184.216.34') }, 'denied', 'egress.hop.address', '93.184.216.0-93.184.216.255'],
  ['port 0', { egress: hop('1.2.3.4', 0) }, 'malformed', 'egress.hop.port', '1 to 65535'],
  ['port 65536', { egress: hop('1.2.3.4', 65_536) }, 'malformed', 'egress.hop.port', '1 to 65535'],
  ['mail', { egress: hop('1.2.3.4', 25, 'tcp') }, 'denied', 'egress.hop.port', '25'],
  ['no flow', { egress: list() }, 'limit', 'egress.list', '32'],
  ['33 flows', { egress: list(...Array.from({ length: 33 }, (_, i) => flow('1.2.3.4', 32, i + 1, i + 1))) }, 'limit', 'egress.list', '32'],
  ['bits beyond the length', { egress: list(flow('1.2.3.4', 24, 1, 1)) }, 'malformed', 'egress.list.0.address', '24'],
  ['a length beyond the address', { egress: list(flow('1.2.3.4', 33, 1, 1)) }, 'malformed', 'egress.list.0.address', '32'],
  ['a length below none', { egress: list(flow('0.0.0.0', -1, 1, 1)) }, 'malformed', 'egress.list.0.address', '32'],
  ['a length far below', { egress: list(flow('0.0.0.0', -(2 ** 31), 1, 1)) }, 'malformed', 'egress.list.0.address', '32'],
  ['a prefix that touches a private one', { egress: list(flow('172.0.0.0', 8, 1, 1)) }, 'denied', 'egress.list.0.address', '172.16.0.0'],
  ['a range that ends early', { egress: list(flow('1.2.3.4', 32, 9, 8)) }, 'malformed', 'egress.list.0.last', '9 to 65535'],
  ['a range that ends late', { egress: list(flow('1.2.3.4', 32, 9, 65_536)) }, 'malformed', 'egress.list.0.last', '65535'],
  ['mail in a list', { egress: list(flow('1.2.3.4', 32, 80, 80), flow('1.2.3.4', 32, 587, 587)) }, 'denied', 'egress.list.1.first', '587'],
  ['the same flow twice', { egress: list(flow('1.2.3.4', 32, 80, 80), flow('1.2.3.4', 32, 80, 80)) }, 'exists', 'egress.list.1', 'flow 0'],
  ['flows that overlap', { egress: list(flow('1.2.3.0', 24, 1, 80), flow('1.2.3.4', 32, 80, 90)) }, 'exists', 'egress.list.1', 'flow 0'],
];
for (const [name, change, code, path, reason] of bad)
  refused(name, () => {
    const checked = limits.check({ ...wish, ...change }, owner, blocked);
    assert.equal(checked.ok ? [] : [checked.fault.code, checked.fault.path], [code, path]);
    assert.match(checked.ok ? '' : checked.fault.reason, reason);
  });
refused.run();
