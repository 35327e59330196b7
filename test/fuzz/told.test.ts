// What an agent that was taken over may tell root's command line: every value of its answers replaced by every hostile one. It is decoded or
// a Fault, and what is shown is text that no terminal and no reader of a configuration obeys.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Result } from '../../agent/core/result.ts';
import * as base64 from '../../agent/wire/base64.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as console from '../../agent/wire/console.ts';
import * as door from '../../agent/wire/door.ts';
import * as telemetry from '../../agent/wire/telemetry.ts';
import * as told from '../../agent/wire/told.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import { variants } from './enforcer.ts';

const session: Fields = {
  session: 'ab',
  name: 'ann',
  condition: 'open',
  reason: 'spent',
  up: 1n,
  down: 2n,
  quota: 10n,
  left: { up: 1n, down: 2n },
  seconds: 60n,
  sequence: 3n,
  witnessed: 2n,
  address4: '10.213.0.2',
  address6: 'fd00::2',
  disputed: { receipt: 3n, reason: 'bytes', up: 1n, down: 2n, own_up: 0n, own_down: 1n },
};
const wan: Fields = { name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: ['carrier-nat'], dns: ['11.9.0.1'] };
const report = cbor.encode(
  telemetry.report.write({ at: seconds(60), span: seconds(60), isWhole: true, values: { load: 3, release: 'r' } }),
);
const isPlain = (text: string | null): boolean => text === null || /^[ -~]*$/.test(text);

function showsPlainly(t: Table): Result<unknown> {
  const sessions = told.decodeSessions(t);
  for (const s of sessions.ok ? sessions.value : [])
    assert.ok([s.session, s.name, s.condition, s.reason, s.address4, s.address6, s.disputed?.reason ?? null].every(isPlain));
  return sessions;
}
function makesItsLines(t: Table): Result<unknown> {
  const opened = told.decodeOpened(t);
  if (!opened.ok) return opened;
  const config = wgquick.render({ ...opened.value, secret: null, dns: [], mtu: 1420, key: 'K', endpoint: 'e:1' });
  assert.is(config.split('\n').length, 11);
  return opened;
}

const cases: readonly (readonly [name: string, t: Fields, decode: (t: Table) => Result<unknown>])[] = [
  ['sessions', { sessions: [session] }, showsPlainly],
  ['opened', { session: 'ab', address4: '10.213.0.2', address6: 'fd00::2', birth: 'Zm9v', grant: 'Zm9v' }, makesItsLines],
  ['receipts', { receipts: ['Zm9v', ''], more: true }, told.decodeReceipts],
  ['telemetry', { report: base64.encode(report), ago: 5n, waiting: 1n, span: 60n }, told.decodeTelemetry],
  ['facts', { key: 'K', uplinks: [wan] }, door.decode],
];
const fuzz = suite('fuzz told');
for (const [name, t, decode] of cases)
  fuzz(name, () => {
    assert.ok(decode(plain.table(t)).ok);
    let [decoded, refused] = [0, 0];
    for (const variant of variants(plain.table(t))) {
      const got = decode(variant);
      if (got.ok) decoded += 1;
      else refused += 1;
      assert.ok(got.ok || got.fault.reason !== '');
      JSON.parse(console.json(blobmsg.nested(variant)));
    }
    assert.ok(decoded > 0 && refused > 20, `${decoded} decoded, ${refused} refused`);
  });
fuzz.run();
