import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Prefix } from '../../agent/core/ip.ts';
import * as ip from '../../agent/core/ip.ts';
import * as reach from '../../agent/core/reach.ts';

function prefix(text: string): Prefix {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
}
const deny = ['8.8.8.0/24', '10.7.0.0/16', '2600::/32'].map(prefix);
const allow = ['10.0.0.0/8', '127.0.0.0/8', 'fd00::/8', 'fe80::/10'].map(prefix);
const none = reach.blocked([], []);
const both = reach.blocked(deny, allow);

const walls = suite('reach.wallOf');
for (const [address, byItself, wanted] of [
  ['1.1.1.1', 'open', 'open'],
  ['8.8.7.255', 'open', 'open'],
  ['8.8.8.0', 'open', 'blocked'],
  ['8.8.8.255', 'open', 'blocked'],
  ['8.8.9.0', 'open', 'open'],
  // The owner may open a private range, though nothing of the deny list in it, and never the router itself.
  ['10.6.255.255', 'blocked', 'open'],
  ['10.7.0.0', 'blocked', 'blocked'],
  ['10.8.0.0', 'blocked', 'open'],
  ['127.0.0.1', 'blocked', 'blocked'],
  ['169.254.169.254', 'blocked', 'blocked'],
  ['100.63.255.255', 'open', 'open'],
  ['100.64.0.0', 'blocked', 'blocked'],
  ['192.168.1.1', 'blocked', 'blocked'],
  ['223.255.255.255', 'open', 'open'],
  ['224.0.0.1', 'blocked', 'blocked'],
  ['255.255.255.255', 'blocked', 'blocked'],
  ['2001:4860::1', 'open', 'open'],
  ['2600::1', 'open', 'blocked'],
  ['::1', 'blocked', 'blocked'],
  ['::ffff:8.8.4.4', 'blocked', 'blocked'],
  ['64:ff9b::808:404', 'blocked', 'blocked'],
  ['2002:c000:204::1', 'blocked', 'blocked'],
  ['fd00::1', 'blocked', 'open'],
  ['fe80::1', 'blocked', 'blocked'],
  ['ff02::1', 'blocked', 'blocked'],
] as const)
  walls(`${address}: ${byItself}, by the owner ${wanted}`, () => {
    const one = prefix(`${address}/${address.includes(':') ? 128 : 32}`);
    const is = (b: reach.Blocked): string => (reach.wallOf(b, one) === null ? 'open' : 'blocked');
    assert.equal([is(none), is(both)], [byItself, wanted]);
  });
walls('a prefix with a blocked end is blocked', () => {
  assert.is(reach.wallOf(none, prefix('8.0.0.0/6')), '10.0.0.0-10.255.255.255');
  assert.is(reach.wallOf(none, prefix('8.0.0.0/7')), null);
});
walls.run();

const ranges = suite('reach.blocked');
ranges('are in order, and none touches another', () => {
  for (const { v4, v6 } of [none, both])
    for (const list of [v4, v6])
      for (const [i, { first, last }] of list.entries()) {
        const before = list[i - 1];
        assert.ok(first <= last && (before === undefined || before.last + 1n < first), `${first}`);
      }
});
ranges.run();
