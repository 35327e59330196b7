import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as strain from '../../agent/wire/strain.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';

const delays = suite('strain: delay');
for (const delay of [null, millis(0), millis(7), millis(60_000)])
  delays(`${delay}`, () => assert.equal(strain.decodeDelay(strain.encodeDelay(delay)), { ok: true, value: delay }));
delays('a fraction is rounded', () => assert.equal(strain.encodeDelay(millis(7.6)), plain.table({ delay: 8 })));
const wrong: readonly (readonly [args: Fields, code: string])[] = [
  [{ delay: '7' }, 'malformed'],
  [{ delay: -1 }, 'malformed'],
  [{ delay: 60_001 }, 'malformed'],
  [{ delay: 7, rate: 5 }, 'unsupported'],
  [{ rate: 5 }, 'missing'],
];
for (const [args, code] of wrong)
  delays(JSON.stringify(args), () => {
    const decoded = strain.decodeDelay(plain.table(args));
    assert.is(decoded.ok ? 'ok' : decoded.fault.code, code);
  });
delays.run();

const servers = suite('strain: servers');
const told = (t: Table): readonly string[] | string => {
  const decoded = strain.decodeServers(t);
  return decoded.ok ? decoded.value.map(ip.renderAddress) : `${decoded.fault.code} ${decoded.fault.path}`;
};
servers('both ways', () => {
  const list = ['192.0.2.1', '2001:db8::1'];
  const decoded = strain.decodeServers(plain.table({ servers: list }));
  assert.ok(decoded.ok);
  if (decoded.ok) assert.equal(told(strain.encodeServers(decoded.value)), list);
});
servers('none', () => assert.equal(told(strain.encodeServers([])), []));
servers('what is no address', () => assert.is(told(plain.table({ servers: ['192.0.2.1', 'dns.example'] })), 'malformed servers.1'));
servers('no list', () => assert.is(told([]), 'missing servers'));
servers.run();
