import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import * as pool from '../../agent/core/pool.ts';
import type { Slot } from '../../agent/core/seat.ts';

function prefix(text: string): ip.Prefix {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
}
function address(text: string): ip.Address {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
}
function poolOf(four: string, six: string, sessions = 1): pool.Pool {
  const parsed = pool.parse(prefix(four), prefix(six), sessions);
  if (!parsed.ok) throw new Error(parsed.fault.reason);
  return parsed.value;
}
const slot = (n: number): Slot => n as Slot;
const rendered = ({ four, six }: pool.Addresses): string[] => [ip.renderAddress(four), ip.renderAddress(six)];

const sizes = suite('pool');
const usual = poolOf('10.213.0.0/22', 'fd12:3456:789a::/64');
const cases: readonly { name: string; four: string; six: string; slots: number; last: string[]; router: string[] }[] = [
  {
    name: 'the usual one',
    four: '10.213.0.0/22',
    six: 'fd12:3456:789a::/64',
    slots: 1021,
    last: ['10.213.3.253', 'fd12:3456:789a::3fd'],
    router: ['10.213.3.254', 'fd12:3456:789a::3fe'],
  },
  { name: 'one slot', four: '10.0.0.0/30', six: 'fd00::/64', slots: 1, last: ['10.0.0.1', 'fd00::1'], router: ['10.0.0.2', 'fd00::2'] },
  {
    name: 'the smaller one counts',
    four: '10.0.0.0/8',
    six: 'fd00::/125',
    slots: 5,
    last: ['10.0.0.5', 'fd00::5'],
    router: ['10.0.0.6', 'fd00::6'],
  },
  {
    name: 'a large one',
    four: '10.0.0.0/8',
    six: 'fd00::/64',
    slots: 2 ** 24 - 3,
    last: ['10.255.255.253', 'fd00::ff:fffd'],
    router: ['10.255.255.254', 'fd00::ff:fffe'],
  },
];
for (const c of cases)
  sizes(c.name, () => {
    const p = poolOf(c.four, c.six);
    assert.is(p.slots, c.slots);
    assert.equal(rendered(pool.addresses(p, slot(c.slots))), c.last);
    assert.equal(rendered(pool.router(p)), c.router);
  });
sizes('a slot and back', () => {
  for (const n of [1, 2, 255, 256, 1021]) {
    const { four, six } = pool.addresses(usual, slot(n));
    assert.equal([pool.slotOf(usual, four), pool.slotOf(usual, six)], [n, n]);
  }
});
for (const none of [
  '10.213.0.0',
  '10.213.3.254',
  '10.213.3.255',
  '10.212.255.255',
  '10.213.4.0',
  'fd12:3456:789a::',
  'fd12:3456:789a::3fe',
  'fd12:3456:789a::1:0:1',
  '::1',
])
  sizes(`${none} is nobody's`, () => assert.is(pool.slotOf(usual, address(none)), null));
sizes('a prefix of five random bytes', () => {
  const local = pool.localPrefix(Uint8Array.of(1, 2, 3, 4, 5));
  assert.is(ip.renderPrefix(local), 'fd01:203:405::/64');
  assert.ok(pool.parse(prefix('10.213.0.0/22'), local, 1021).ok);
});
sizes.run();

const refused = suite('pool refuses');
const bad: readonly (readonly [name: string, four: string, six: string, sessions: number, code: string, path: string])[] = [
  ['one address', '10.0.0.1', 'fd00::/64', 1, 'limit', 'weir.tunnel.pool4'],
  ['no room for a session', '10.0.0.0/31', 'fd00::/64', 1, 'limit', 'weir.tunnel.pool4'],
  ['one session too many', '10.0.0.0/24', 'fd00::/64', 254, 'limit', 'weir.tunnel.pool4'],
  ['too few of IPv6', '10.0.0.0/24', 'fd00::/126', 2, 'limit', 'weir.tunnel.pool6'],
  ['public addresses', '8.8.8.0/24', 'fd00::/64', 1, 'denied', 'weir.tunnel.pool4'],
  ['more than the private range', '172.0.0.0/11', 'fd00::/64', 1, 'denied', 'weir.tunnel.pool4'],
  ['everything', '0.0.0.0/0', 'fd00::/64', 1, 'denied', 'weir.tunnel.pool4'],
  ['link-local', '10.0.0.0/24', 'fe80::/64', 1, 'denied', 'weir.tunnel.pool6'],
];
for (const [name, four, six, sessions, code, path] of bad)
  refused(name, () => {
    const [a, b] = [ip.parsePrefix(four), ip.parsePrefix(six)];
    const parsed = !a.ok ? a : !b.ok ? b : pool.parse(a.value, b.value, sessions);
    assert.equal(parsed.ok ? [] : [parsed.fault.code, parsed.fault.path], [code, path]);
  });
refused('not by one less', () => assert.ok(pool.parse(prefix('10.0.0.0/24'), prefix('fd00::/64'), 253).ok));
refused.run();

const overlaps = suite('pool overlaps');
const routes: readonly (readonly [name: string, prefixes: readonly string[], path: string | null])[] = [
  ['nothing', [], null],
  ['default routes', ['0.0.0.0/0', '::/0'], null],
  ['neighbours', ['10.212.252.0/22', '10.213.4.0/22', 'fd12:3456:789a:1::/64'], null],
  ['the same', ['10.213.0.0/22'], 'weir.tunnel.pool4'],
  ['a part', ['192.168.1.0/24', '10.213.3.255'], 'weir.tunnel.pool4'],
  ['the whole', ['10.0.0.0/8'], 'weir.tunnel.pool4'],
  ['a delegated prefix', ['fd12:3456:789a::/48'], 'weir.tunnel.pool6'],
];
for (const [name, prefixes, path] of routes)
  overlaps(name, () => {
    const found = pool.overlaps(usual, prefixes.map(prefix));
    assert.is(found === null ? null : found.path, path);
    if (found !== null) assert.is(found.code, 'exists');
  });
overlaps('names it', () => assert.match(`${pool.overlaps(usual, [prefix('10.213.2.0/24')])?.reason}`, '10.213.2.0/24'));
overlaps.run();
