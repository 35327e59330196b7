import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import * as door from '../../agent/wire/door.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';

const decode = suite('door.decode');
const wan: Fields = { name: 'wan', up: true, addresses: ['11.1.0.2/24', 'fe80::1/64'], hints: ['carrier-nat'], dns: ['11.9.0.1'] };
const address = (text: string): ip.Address => {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
decode('the key and the uplinks that are up', () =>
  assert.equal(door.decode(plain.table({ key: 'K', uplinks: [{ ...wan, up: false }, wan] })), {
    ok: true,
    value: {
      key: 'K',
      ways: [{ name: 'wan', addresses: [address('11.1.0.2'), address('fe80::1')], hints: ['carrier-nat'], dns: [address('11.9.0.1')] }],
    },
  }),
);
for (const [name, t, want] of [
  ['no uplinks', {}, 'uplinks'],
  ['an uplink that is no table', { uplinks: ['wan'] }, 'uplinks.name'],
  ['an address that is none', { uplinks: [{ ...wan, addresses: ['11.1.0'] }] }, 'uplinks.addresses'],
  ['a hint that is no text', { uplinks: [{ ...wan, hints: [1] }] }, 'uplinks.hints'],
  ['no name servers', { uplinks: [{ ...wan, dns: null }] }, 'uplinks.dns'],
  ['a key that is no text', { key: 1, uplinks: [] }, 'key'],
] as readonly (readonly [string, Fields, string])[])
  decode(name, () => {
    const got = door.decode(plain.table(t));
    assert.is(got.ok ? 'ok' : got.fault.path, want);
  });
decode.run();
