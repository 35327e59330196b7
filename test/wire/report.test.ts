import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Finding } from '../../agent/core/doctor.ts';
import type { Address } from '../../agent/core/ip.ts';
import { fault } from '../../agent/core/result.ts';
import type * as blobmsg from '../../agent/wire/blobmsg.ts';
import { capabilities } from '../../agent/wire/capabilities.ts';
import type { Facts } from '../../agent/wire/report.ts';
import * as report from '../../agent/wire/report.ts';
import * as plain from '../fakes/plain.ts';

const idle: Facts = {
  why: fault('denied', 'weir.share.accepted', 'no'),
  hold: null,
  tunnel: null,
  port: null,
  addresses: null,
  sessions: 0,
  month: null,
  canCountConnections: true,
  rate: null,
  proof: null,
  writes: 0,
  dropped: null,
  faults: [],
  uplinks: [],
  links: new Map(),
  board: null,
  load: null,
  temperatures: [],
  offload: null,
  isClockTold: false,
};
const facts = suite('facts');
facts('what is not known is not told', () =>
  assert.equal(plain.fields(report.encodeFacts(idle)), {
    shares: false,
    why: 'weir.share.accepted: no (denied)',
    sessions: 0,
    counts_connections: true,
    writes: 0,
    troubles: [],
    uplinks: [],
    temperatures: [],
    clock: 'unknown',
  }),
);
facts('what is known is', () => {
  const room = { total: 9n, available: 5n };
  const told = plain.fields(
    report.encodeFacts({
      ...idle,
      why: null,
      hold: 'owned',
      tunnel: { by: 'kernel', key: 'K' },
      port: 51820,
      addresses: { four: Uint8Array.of(10, 213, 0, 1) as Address, six: Uint8Array.of(0xfd, ...Array<number>(14).fill(0), 1) as Address },
      sessions: 3,
      rate: 1_250_000n,
      proof: { versions: [4, 6] },
      month: { used: 7n, today: 3n, cap: 2n ** 40n },
      writes: 5,
      dropped: { refused: 8n, spent: 9n },
      faults: [fault('foreign', 'rules', 'changed')],
      uplinks: [
        {
          name: 'wan',
          up: true,
          device: 'eth1',
          protocols: ['dslite'],
          addresses: [],
          gateways: [],
          hasDefault: { v4: true, v6: false },
          dns: [],
        },
      ],
      links: new Map([['eth1', { speed: 1000, mtu: 1500, traffic: { received: 1n, sent: 2n } }]]),
      board: { model: 'M' },
      load: { uptime: 12, load: [0.5, 0.25, 0], memory: room, flash: room },
      temperatures: [51.4],
      offload: 'software',
      isClockTold: true,
    }),
  );
  const { uplinks, load, ...rest } = told;
  assert.equal(rest, {
    shares: true,
    rules: 'owned',
    tunnel: 'kernel',
    key: 'K',
    port: 51820,
    address4: '10.213.0.1',
    address6: 'fd00::1',
    sessions: 3,
    month_used: 7n,
    today_used: 3n,
    month_cap: 2n ** 40n,
    counts_connections: true,
    guests_rate: 10_000_000n,
    canary: 'IPv4 IPv6',
    writes: 5,
    dropped_refused: 8n,
    dropped_spent: 9n,
    troubles: ['rules: changed (foreign)'],
    board: { model: 'M' },
    temperatures: [51],
    offload: 'software',
    clock: 'network',
  });
  const uplink = {
    name: 'wan',
    up: true,
    device: 'eth1',
    addresses: [],
    hints: ['shared-ipv4'],
    dns: [],
    speed: 1000,
    mtu: 1500,
    received: 1n,
    sent: 2n,
  };
  assert.equal(uplinks, [uplink]);
  assert.equal(load, { uptime: 12n, load: [50, 25, 0], memory: room, flash: room });
});
facts.run();

const findings = suite('findings');
const all: readonly Finding[] = [
  { grade: 'good', about: 'a', says: 'b', mend: '' },
  { grade: 'bad', about: 'c', says: 'd', mend: 'e' },
];
findings('there and back', () => assert.equal(report.decodeFindings(report.encodeFindings(all)), { ok: true, value: all }));
for (const [name, t] of [
  ['none', []],
  ['no list', plain.table({ findings: 'x' })],
  ['no table', plain.table({ findings: ['x'] })],
  ['a field too few', plain.table({ findings: [{ grade: 'bad', about: 'c', says: 'd' }] })],
] as readonly (readonly [string, blobmsg.Table])[])
  findings(name, () => {
    const got = report.decodeFindings(t);
    assert.is(got.ok ? 'ok' : got.fault.path, 'findings');
  });
findings.run();

const kernel = suite('capabilities');
kernel('each has a name and a cure of its own', () => {
  assert.is(new Set(capabilities.map((c) => c.what)).size, capabilities.length);
  for (const { text, mend } of capabilities) assert.ok(text.includes('weir_t') && mend.startsWith('install '));
});
kernel.run();
