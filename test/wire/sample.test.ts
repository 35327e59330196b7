import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Sample } from '../../agent/core/telemetry.ts';
import * as sample from '../../agent/wire/sample.ts';
import * as plain from '../fakes/plain.ts';

const all: plain.Fields = {
  month_used: 10n << 20n,
  month_cap: 30n << 20n,
  writes: 5,
  dropped_refused: 8n,
  dropped_spent: 9n,
  troubles: ['a', 'b'],
  uplinks: [
    { name: 'wan', up: true, speed: 100 },
    { name: 'wan2', up: false, speed: 1000 },
    { name: 'wwan', up: true },
  ],
  board: { kernel: '6.6.1', release: 'OpenWrt 24.10.0 '.repeat(5), model: 'M' },
  load: { uptime: 12n, load: [50, 25, 0], memory: { total: 1000n, available: 588n }, flash: { total: 0n, available: 0n } },
  temperatures: [51, 62, 40],
};

const found = suite('facts');
const rows: readonly (readonly [name: string, facts: plain.Fields, want: Sample])[] = [
  [
    'all',
    all,
    {
      release: 'OpenWrt 24.10.0 '.repeat(4),
      kernel: '6.6.1',
      load: 50,
      memory: 412,
      temperature: 62,
      uplink: 1,
      speed: 100,
      month: 20,
      refused: 8,
      spent: 9,
      troubles: 2,
      ledger: 5,
    },
  ],
  ['nothing', {}, {}],
  ['more used than the month has', { month_used: 7n, month_cap: 5n }, { month: 0 }],
  ['a month without a cap', { month_used: 7n }, {}],
  ['no uplink is up', { uplinks: [{ up: false, speed: 10 }] }, { uplink: 0 }],
  [
    'things of other kinds',
    { uplinks: ['wan', 7], temperatures: ['hot'], load: 'much', troubles: 'many', writes: 'x', board: [] },
    { uplink: 0, troubles: 0 },
  ],
];
for (const [name, facts, want] of rows) found(name, () => assert.equal(sample.decode(plain.table(facts)), want));
found.run();
