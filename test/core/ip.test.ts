import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';

const addresses = suite('ip.parseAddress');
const good = [
  { in: '0.0.0.0', want: '0.0.0.0' },
  { in: '255.255.255.255', want: '255.255.255.255' },
  { in: '::', want: '::' },
  { in: '::1', want: '::1' },
  { in: '1::', want: '1::' },
  { in: '2001:DB8:0:0:1:0:0:1', want: '2001:db8::1:0:0:1' },
  { in: '2001:db8:0:1:1:1:1:1', want: '2001:db8:0:1:1:1:1:1' },
  { in: '1:0:0:2:0:0:0:3', want: '1:0:0:2::3' },
  { in: '1:2:3:4:5:6:7::', want: '1:2:3:4:5:6:7:0' },
  { in: '::ffff:192.0.2.1', want: '::ffff:c000:201' },
  { in: '64:ff9b:0:0:0:0:192.0.2.1', want: '64:ff9b::c000:201' },
];
for (const c of good)
  addresses(c.in, () => {
    const read = ip.parseAddress(c.in);
    assert.is(read.ok && ip.renderAddress(read.value), c.want);
    assert.equal(ip.parseAddress(c.want), read);
  });
const bad = [
  ...['', '1.2.3', '1.2.3.4.5', '1.2.3.256', '1.2.3.04', '01.2.3.4', '1.2.3.-4', '1.2.3.4 ', ' 1.2.3.4', '0x1.2.3.4', 'localhost'],
  ...[
    ':',
    ':::',
    '1::2::3',
    '1:2:3:4:5:6:7',
    '1:2:3:4:5:6:7:8:9',
    '1:2:3:4:5:6:7:8::',
    '12345::',
    'g::',
    'fe80::1%wan',
    '::1.2.3',
    '1.2.3.4::',
  ],
  ...['::1.2.3.4:5', '1:2:3:4:5:6:7:1.2.3.4', '::1\n', '::/0'],
];
for (const text of bad)
  addresses(`refuses ${JSON.stringify(text)}`, () => {
    const read = ip.parseAddress(text);
    assert.is(read.ok ? '' : read.fault.code, 'malformed');
    assert.is(read.ok ? 'x' : read.fault.path, '');
  });
addresses.run();

const prefixes = suite('ip.parsePrefix');
const clean = ['0.0.0.0/0', '10.0.0.0/8', '192.0.2.1', '::/0', '2001:db8::/32', 'fd00:64::2'];
for (const text of clean)
  prefixes(text, () => {
    const read = ip.parsePrefix(text);
    assert.is(read.ok && ip.renderPrefix(read.value), text);
  });
prefixes('the whole length is left out', () => {
  const read = ip.parsePrefix('10.0.0.1/32');
  assert.is(read.ok && ip.renderPrefix(read.value), '10.0.0.1');
});
for (const text of ['10.0.0.1/8', '10.0.0.0/33', '::/129', '::1/0', '10.0.0.0/', '10.0.0.0/08', '10.0.0.0/8/8', '10.0.0.0/-1', '/8', ''])
  prefixes(`refuses ${JSON.stringify(text)}`, () => {
    const read = ip.parsePrefix(text);
    assert.is(read.ok ? '' : read.fault.code, 'malformed');
  });
prefixes('its bounds', () => {
  const read = ip.parsePrefix('192.0.2.128/25');
  const { first, last } = read.ok ? ip.bounds(read.value) : { first: 0n, last: 0n };
  assert.equal(
    [first, last].map((n) => ip.renderAddress(ip.addressAt(n, 4))),
    ['192.0.2.128', '192.0.2.255'],
  );
});
prefixes.run();
