import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { addressesOf, bondsOf, type Port } from '../../agent/core/nameplate.ts';

const mac = (last: number, first = 2): Uint8Array => Uint8Array.of(first, 0, 0x5e, 0, 0, last);
const [one, two, three] = ['02:00:5e:00:00:01', '02:00:5e:00:00:02', '02:00:5e:00:00:03'];

const addresses = suite('the addresses a router is known by');
const cases: readonly { name: string; in: readonly Port[]; want: readonly (string | undefined)[] }[] = [
  { name: 'none', in: [], want: [] },
  { name: 'one', in: [{ index: 2, permanent: mac(1), bus: 'platform' }], want: [one] },
  { name: 'of what is on no bus: none', in: [{ index: 2, permanent: mac(1) }], want: [] },
  { name: 'drawn at random: none', in: [{ index: 2, bus: 'platform' }], want: [] },
  { name: 'of another length: none', in: [{ index: 2, bus: 'virtio', permanent: mac(1).slice(2) }], want: [] },
  {
    name: 'what was there first, in whatever order it is told',
    in: [
      { index: 12, permanent: mac(1), bus: 'pci' },
      { index: 9, permanent: mac(3), bus: 'platform' },
      { index: 10, permanent: mac(2), bus: 'mdio_bus' },
    ],
    want: [three, two, one],
  },
  {
    name: 'what is plugged in last',
    in: [
      { index: 2, permanent: mac(1), bus: 'usb' },
      { index: 3, permanent: mac(2), bus: 'platform' },
    ],
    want: [two, one],
  },
  {
    name: 'a switch: one',
    in: [2, 3, 4].map((index) => ({ index, permanent: mac(1), bus: 'mdio_bus' })),
    want: [one],
  },
];
for (const c of cases) addresses(c.name, () => assert.equal(addressesOf(c.in), c.want));
addresses.run();

const bonds = suite('what a key is bound to');
const model = { model: 'Example Router 3', name: 'example,router-3' };
bonds('model, name and an address; the others are as good afterwards', () =>
  assert.equal(bondsOf({ ...model, addresses: [two, one] as string[] }), [
    'Example Router 3\nexample,router-3\n02:00:5e:00:00:02\n',
    'Example Router 3\nexample,router-3\n02:00:5e:00:00:01\n',
  ]),
);
bonds('model and name only where there is none', () =>
  assert.equal(bondsOf({ ...model, addresses: [] }), ['Example Router 3\nexample,router-3\n']),
);
bonds.run();
