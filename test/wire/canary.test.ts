import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import { render } from '../../agent/wire/canary.ts';

const address = (text: string): ip.Address => {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

const detour = suite('the detour');
detour('is on its own device alone, takes two kinds of datagrams and drops the rest', () =>
  assert.equal(render('weirc0', 'weir0', { four: address('10.64.255.255'), six: address('fd00:64::ffff') }).split('\n'), [
    'add table netdev weir_c',
    'delete table netdev weir_c',
    'add table netdev weir_c',
    'add chain netdev weir_c in { type filter hook ingress device "weirc0" priority 0; policy drop; }',
    'add chain netdev weir_c out { type filter hook egress device "weirc0" priority 0; policy drop; }',
    'add rule netdev weir_c out ip daddr 192.0.2.1 udp dport 1 ip saddr set 10.64.255.255 ip daddr set 224.0.0.254 accept',
    'add rule netdev weir_c out ip daddr 192.0.2.1 udp dport 2 ip daddr set 10.64.255.255 fwd to "weir0"',
    'add rule netdev weir_c out ip6 daddr 2001:db8::1 udp dport 1 ip6 saddr set fd00:64::ffff ip6 daddr set ff02::114 accept',
    'add rule netdev weir_c out ip6 daddr 2001:db8::1 udp dport 2 ip6 daddr set fd00:64::ffff fwd to "weir0"',
    '',
  ]),
);
detour.run();
