import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { serversIn } from '../../agent/adapters/resolver.ts';

const servers = suite('resolver.serversIn');
const cases = [
  { name: 'empty', in: '', want: [] },
  { name: 'two', in: 'search lan\nnameserver 192.0.2.1\nnameserver 2001:db8::1\n', want: ['192.0.2.1', '2001:db8::1'] },
  { name: 'comments and blanks', in: '# nameserver 1.1.1.1\n;nameserver 2.2.2.2\nnameserver\t3.3.3.3 # here\n', want: ['3.3.3.3'] },
  {
    name: 'no more than three',
    in: 'nameserver 1.1.1.1\nnameserver 1.1.1.2\nnameserver 1.1.1.3\nnameserver 1.1.1.4',
    want: ['1.1.1.1', '1.1.1.2', '1.1.1.3'],
  },
  { name: 'what is no address', in: 'nameserver localhost\nnameserver\nnameserver 1.2.3\nnameserver 1.1.1.1', want: ['1.1.1.1'] },
];
for (const c of cases) {
  servers(c.name, () =>
    assert.equal(
      serversIn(c.in),
      c.want.map((address) => ({ address, port: 53 })),
    ),
  );
}
servers.run();
