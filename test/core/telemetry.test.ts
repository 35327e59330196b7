import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Seconds, seconds } from '../../agent/core/brand.ts';
import { groups } from '../../agent/core/settings.ts';
import type { Backlog, Report, Sample, Teller } from '../../agent/core/telemetry.ts';
import * as telemetry from '../../agent/core/telemetry.ts';

const tells = suite('telemetry');
const from = seconds(100);

function reports(...samples: readonly Sample[]): Report[] {
  let teller: Teller = telemetry.begin(from);
  return samples.map((sample, i) => {
    const told = telemetry.tell(teller, sample, seconds(from + 60 * (i + 1)), []);
    teller = told.teller;
    return told.report;
  });
}
const values = (...samples: readonly Sample[]): Sample[] => reports(...samples).map((report) => report.values);

const rows: readonly (readonly [what: string, samples: readonly Sample[], told: readonly Sample[]])[] = [
  ['a state once', [{ version: '1' }, { version: '1' }], [{ version: '1' }, {}]],
  ['a state again when it changes', [{ uplink: 1 }, { uplink: 0 }], [{ uplink: 1 }, { uplink: 0 }]],
  ['a level each time', [{ load: 5 }, { load: 5 }], [{ load: 5 }, { load: 5 }]],
  ['of a sum what came to it', [{ writes: 7 }, { writes: 9 }, { writes: 9 }], [{ writes: 7 }, { writes: 2 }, {}]],
  ['of a sum that began anew all', [{ up: 700 }, { up: 30 }], [{ up: 700 }, { up: 30 }]],
  ['of what others count, no more than it has seen come', [{ refused: 700 }, { refused: 730 }], [{}, { refused: 30 }]],
  ['of that what has begun anew', [{ ledger: 700 }, { ledger: 3 }], [{}, { ledger: 3 }]],
  ['what was not known as it was', [{ up: 700 }, {}, { up: 800 }], [{ up: 700 }, {}, { up: 100 }]],
];
for (const [what, samples, told] of rows) tells(`tells ${what}`, () => assert.equal(values(...samples), told));

tells('says from when to when, and which report needs no other', () =>
  assert.equal(
    reports({}, {}).map(({ at, span, isWhole }) => [at, span, isWhole]),
    [
      [160, 60, true],
      [220, 60, false],
    ],
  ),
);

for (const group of groups)
  tells(`leaves out ${group} when the owner says so`, () => {
    const all = Object.keys(telemetry.fields) as readonly telemetry.Name[];
    const sampleOf = (value: number): Sample => Object.fromEntries(all.map((name) => [name, value]));
    const { teller } = telemetry.tell(telemetry.begin(from), sampleOf(3), seconds(160), [group]);
    const { report } = telemetry.tell(teller, sampleOf(4), seconds(220), [group]);
    assert.equal(
      Object.keys(report.values),
      all.filter((name) => telemetry.fields[name].group !== group),
    );
  });

tells('has one number for each field', () => {
  const ids = Object.values(telemetry.fields).map(({ id }) => id);
  assert.is(new Set(ids).size, ids.length);
});

const merges: readonly (readonly [what: string, a: Sample, b: Sample, merged: Sample])[] = [
  ['the later state', { uplink: 1 }, { uplink: 0 }, { uplink: 0 }],
  ['a state of which only the first tells', { version: '1' }, {}, { version: '1' }],
  ['the most of a level', { load: 9 }, { load: 5 }, { load: 9 }],
  ['the whole of a sum', { writes: 9 }, { writes: 5 }, { writes: 14 }],
];
for (const [what, a, b, merged] of merges)
  tells(`merged it keeps ${what}`, () => {
    const of = (sample: Sample, at: number): Report => ({ at: seconds(at), span: seconds(60), isWhole: at === 60, values: sample });
    assert.equal(telemetry.merge(of(a, 60), of(b, 120)), { at: 120, span: 120, isWhole: true, values: merged });
  });

tells('a backlog of two weeks is bounded, follows without a gap, and has lost no byte', () => {
  const minutes = 14 * 24 * 60;
  let teller = telemetry.begin(seconds(0));
  let backlog: Backlog = [];
  for (let i = 1; i <= minutes; i++) {
    const told = telemetry.tell(teller, { up: 10 * i, load: i % 7 }, seconds(60 * i), []);
    teller = told.teller;
    backlog = telemetry.add(backlog, told.report);
    assert.ok(backlog.length <= telemetry.most);
  }
  const sum = (of: (r: Report) => number): number => backlog.reduce((total, report) => total + of(report), 0);
  assert.is(
    sum(({ span }) => span),
    60 * minutes,
  );
  assert.is(
    sum((report) => Number(report.values.up)),
    10 * minutes,
  );
  let end: Seconds = seconds(0);
  for (const { at, span } of backlog) {
    assert.is(at - span, end);
    end = at;
  }
  // The last half hour is as fine as it came, and the past in even parts.
  assert.ok(backlog.slice(-29).every(({ span }) => span === 60));
  const past = backlog.slice(0, 30).map(({ span }) => span);
  assert.ok(Math.max(...past) <= (4 * (60 * minutes)) / 30, `the longest is ${Math.max(...past)} s`);
});

tells.run();
