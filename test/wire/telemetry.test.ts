import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Report } from '../../agent/core/telemetry.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as wire from '../../agent/wire/telemetry.ts';

const reports = suite('telemetry');
const report: Report = {
  at: seconds(3600),
  span: seconds(60),
  isWhole: true,
  values: { version: '0.1.0', load: 42, temperature: -3, up: 123_456_789_012 },
};

reports('comes back as it was', () => {
  const decoded = cbor.decode(cbor.encode(wire.report.write(report)));
  assert.ok(decoded.ok);
  assert.equal(wire.report.read(decoded.value), { ok: true, value: report });
});

reports('of a quiet minute takes some 20 bytes', () => {
  const quiet: Report = { ...report, isWhole: false, values: { load: 3, memory: 412, temperature: 48 } };
  assert.ok(cbor.encode(wire.report.write(quiet)).length <= 24);
});

const values = (...entries: readonly (readonly [number, cbor.Value])[]): cbor.Value =>
  new Map<number, cbor.Value>([
    [1, 3600],
    [2, 60],
    [3, true],
    [4, new Map(entries)],
  ]);

reports('passes over what a later version tells', () => {
  const read = wire.report.read(values([4, 7], [9999, 'new']));
  assert.ok(read.ok);
  assert.equal(read.value.values, { load: 7 });
});

for (const [what, written, path] of [
  ['a number for a text', values([1, 5]), 'values.version'],
  ['a text for a number', values([4, 'much']), 'values.load'],
  ['a text without end', values([1, 'x'.repeat(65)]), 'values.version'],
  ['no map', 7, ''],
] as const)
  reports(`refuses ${what}`, () => {
    const read = wire.report.read(written);
    assert.not(read.ok);
    if (!read.ok) assert.equal([read.fault.code, read.fault.path], ['malformed', path]);
  });

reports.run();
