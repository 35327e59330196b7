import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as probe from '../../agent/core/probe.ts';

const figures = suite('figures');
for (const [name, trips, lost, median, outcome] of [
  ['none', [], 0, null, { sent: 0, received: 0, times: null }],
  ['all lost', [null, null], 2, null, { sent: 2, received: 0, times: null }],
  ['one', [7], 0, 7, { sent: 1, received: 1, times: { least: 7000, median: 7000, most: 7000 } }],
  ['some lost', [30, null, 10, 20, null], 2, 20, { sent: 5, received: 3, times: { least: 10_000, median: 20_000, most: 30_000 } }],
  ['an even number', [10, 40, 20, 30], 0, 30, { sent: 4, received: 4, times: { least: 10_000, median: 30_000, most: 40_000 } }],
] as const)
  figures(name, () => {
    const of: probe.Trips = trips.map((trip) => (trip === null ? null : millis(trip)));
    assert.is(probe.lostOf(of), lost);
    assert.is(probe.medianOf(of), median);
    assert.equal(probe.outcomeOf(of), { kind: 'probed', ...outcome });
  });
figures.run();

const goals = suite('goals');
const order = { kind: 'probe', protocol: 'udp', port: 7, times: 3, size: 64 } as const;
for (const [address, wall] of [
  ['8.8.8.8', null],
  ['2a00:1450::1', null],
  ['127.0.0.1', 'is in 127.0.0.0-127.255.255.255'],
  ['192.168.1.1', 'is in 192.168.0.0-192.168.255.255'],
  ['10.213.0.1', 'is in 10.0.0.0-10.255.255.255'],
  ['224.0.0.1', 'is in 224.0.0.0-255.255.255.255'],
  ['fe80::1', 'is in 4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['fd00::1', 'is in 4000::-ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['::ffff:192.168.1.1', 'is in ::-1fff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
] as const)
  goals(`${address} ${wall ?? 'may be probed'}`, () => {
    const admitted = probe.admit({ ...order, address });
    if (wall === null) assert.equal(admitted, { ok: true, value: { protocol: 'udp', address, port: 7, times: 3, size: 64 } });
    else assert.equal(admitted, { ok: false, fault: { code: 'denied', path: 'order.address', reason: wall } });
  });
goals.run();
