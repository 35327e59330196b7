import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Kind } from '../../agent/consumer/counters.ts';
import * as counters from '../../agent/consumer/counters.ts';

const head = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`;
const text = `${head}    lo:       0       0    0    0    0     0          0         0        0       0    0    0    0     0       0          0
 weirnet: 14520000   10000    0    0    0     0          0         0   860000   10000    0    0    0     0       0          0
weirnet2:      10       1    0    0    0     0          0         0        5       1    0    0    0     0       0          0
`;
const cases: readonly Readonly<{ name: string; text: string; device: string; kind: Kind; want: string }>[] = [
  { name: 'a TUN device', text, device: 'weirnet', kind: 'user', want: '860000 14520000' },
  { name: 'the kernel’s: less 32 for each packet', text, device: 'weirnet', kind: 'kernel', want: '540000 14200000' },
  { name: 'never below nothing', text, device: 'weirnet2', kind: 'kernel', want: '0 0' },
  { name: 'the beginning of a name is no name', text, device: 'weir', kind: 'user', want: 'missing weir' },
  { name: 'no device', text: head, device: 'weirnet', kind: 'user', want: 'missing weirnet' },
  { name: 'a counter less', text: text.replace(' 14520000', ''), device: 'weirnet', kind: 'user', want: 'malformed weirnet' },
  { name: 'a word', text: text.replace('14520000', 'many'), device: 'weirnet', kind: 'user', want: 'malformed weirnet' },
];
const parse = suite('consumer: counters');
for (const { name, text: dev, device, kind, want } of cases)
  parse(name, () => {
    const got = counters.parse(dev, device, kind);
    assert.is(got.ok ? `${got.value.up} ${got.value.down}` : `${got.fault.code} ${got.fault.path}`, want);
  });
parse.run();
