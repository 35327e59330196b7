import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as nameplate from '../../agent/wire/nameplate.ts';
import * as plain from '../fakes/plain.ts';

const plate = { model: 'Example Router 3', name: 'example,router-3', addresses: ['02:00:5e:00:00:02', '02:00:5e:00:00:01'] };

const both = suite('a nameplate');
for (const addresses of [plate.addresses, []])
  both(`there and back, ${addresses.length} addresses`, () =>
    assert.equal(nameplate.decode(nameplate.encode({ ...plate, addresses })), { ok: true, value: { ...plate, addresses } }),
  );
const bad: readonly { name: string; in: plain.Fields; code: string; path: string }[] = [
  { name: 'no model', in: { name: 'n', addresses: [] }, code: 'missing', path: 'model' },
  { name: 'no name', in: { model: 'm', addresses: [] }, code: 'missing', path: 'name' },
  { name: 'no list', in: { model: 'm', name: 'n' }, code: 'missing', path: 'addresses' },
  { name: 'an address that is none', in: { ...plate, addresses: ['02:00:5e:00:00:02', 7] }, code: 'malformed', path: 'addresses' },
];
for (const c of bad)
  both(`${c.name}: refused`, () => {
    const got = nameplate.decode(plain.table(c.in));
    assert.is(got.ok ? 'ok' : `${got.fault.code} ${got.fault.path}`, `${c.code} ${c.path}`);
  });
both.run();
