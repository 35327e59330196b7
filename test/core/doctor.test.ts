import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Symptoms } from '../../agent/core/doctor.ts';
import * as doctor from '../../agent/core/doctor.ts';
import * as ip from '../../agent/core/ip.ts';
import { fault } from '../../agent/core/result.ts';
import type { Uplink } from '../../agent/core/uplink.ts';

const address = (text: string): ip.Address => {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const wan: Uplink = {
  name: 'wan',
  up: true,
  device: 'pppoe-wan',
  protocols: ['pppoe'],
  addresses: [{ address: address('203.0.113.7'), length: 32 }],
  gateways: [],
  hasDefault: { v4: true, v6: false },
  dns: [],
};
const well: Symptoms = {
  settings: [],
  why: null,
  troubles: [],
  lacks: [],
  hold: 'owned',
  tunnel: 'kernel',
  proven: [4, 6],
  offload: 'software',
  takenPort: null,
  uplinks: [wan],
  isHomeFirst: true,
  isApplying: false,
  isClockSet: true,
  isClockTold: true,
  flash: 4n << 20n,
};

const test = suite('examine');
test('a router that is well', () => assert.equal([...new Set(doctor.examine(well).map((f) => f.grade))], ['good']));
const at = (text: string): Uplink => ({ ...wan, addresses: [{ address: address(text), length: 24 }] });
const cases: readonly { name: string; in: Partial<Symptoms>; want: readonly [grade: string, about: string, says: RegExp] }[] = [
  {
    name: 'a setting',
    in: { settings: [fault('malformed', 'weir.limits.sessions', 'set it')] },
    want: ['bad', 'settings', /^weir\.limits\.sessions/],
  },
  { name: 'the owner’s wish', in: { why: fault('denied', 'weir.share.paused', 'paused') }, want: ['note', 'sharing', /paused/] },
  { name: 'a failure', in: { why: fault('unsupported', 'weir0', 'no WireGuard') }, want: ['bad', 'sharing', /no WireGuard/] },
  { name: 'a counter that stays', in: { why: fault('foreign', 'canary.up4', 'not counted') }, want: ['bad', 'sharing', /^canary\.up4/] },
  { name: 'trouble', in: { troubles: [fault('foreign', 'rules', 'changed')] }, want: ['note', 'trouble', /changed/] },
  { name: 'a lack', in: { lacks: [{ what: 'egress', mend: 'a kernel' }] }, want: ['bad', 'kernel', /egress/] },
  { name: 'tables that others can delete', in: { hold: 'watched' }, want: ['note', 'rules', /delete/] },
  { name: 'a slow tunnel', in: { tunnel: 'wireguard-go' }, want: ['note', 'tunnel', /slow/] },
  { name: 'hardware offload', in: { offload: 'hardware' }, want: ['note', 'offload', /hardware/] },
  { name: 'a port in use', in: { takenPort: 51820 }, want: ['bad', 'port', /51820/] },
  { name: 'trouble that stays', in: { troubles: [fault('ENOSPC', 'ledger', 'full')] }, want: ['bad', 'trouble', /full/] },
  { name: 'LuCI waits', in: { isApplying: true }, want: ['note', 'LuCI', /confirmed/] },
  { name: 'an uplink that nobody knows', in: { uplinks: [{ ...wan, up: false, protocols: [] }] }, want: ['bad', 'uplink wan', /no such/] },
  { name: 'an uplink without an address', in: { uplinks: [{ ...wan, addresses: [] }] }, want: ['bad', 'uplink wan', /no address/] },
  {
    name: 'an uplink that leads nowhere',
    in: { uplinks: [{ ...wan, hasDefault: { v4: false, v6: false } }] },
    want: ['bad', 'uplink wan', /default route/],
  },
  { name: 'an uplink down', in: { uplinks: [{ ...wan, up: false }] }, want: ['bad', 'uplink wan', /down/] },
  { name: 'carrier NAT', in: { uplinks: [at('100.64.3.4')] }, want: ['note', 'uplink wan', /CGNAT/] },
  { name: 'a router behind a router', in: { uplinks: [at('192.168.178.2')] }, want: ['note', 'uplink wan', /another router/] },
  { name: 'DS-Lite', in: { uplinks: [{ ...wan, protocols: ['dslite'] }] }, want: ['note', 'uplink wan', /DS-Lite/] },
  { name: 'a line that may be full', in: { isHomeFirst: false }, want: ['note', 'home', /may fill the line/] },
  { name: 'a clock not set', in: { isClockSet: false }, want: ['note', 'clock', /not set/] },
  { name: 'a clock that nobody has told', in: { isClockTold: false }, want: ['note', 'clock', /NTP/] },
  { name: 'a full flash', in: { flash: 1024n }, want: ['bad', 'flash', /1 KiB/] },
];
for (const c of cases)
  test(c.name, () => {
    const found = doctor.examine({ ...well, ...c.in }).filter((f) => f.grade !== 'good');
    assert.equal(
      found.map((f) => [f.grade, f.about]),
      [[c.want[0], c.want[1]]],
    );
    assert.match(found[0]?.says ?? '', c.want[2]);
    assert.is.not(found[0]?.mend, '');
  });
const status = (name: string, uid: number, seccomp: number): string =>
  `Name:\t${name}\nUmask:\t0022\nUid:\t${uid}\t${uid}\t${uid}\t${uid}\nSeccomp:\t${seccomp}\nSeccomp_filters:\t1\n`;
for (const [name, statuses, want] of [
  ['the agent filtered', [status('weir', 0, 0), status('ubusd', 81, 0), status('weir', 453, 2)], ['good']],
  ['the agent not filtered', [status('weir', 0, 2), status('weir', 453, 0)], ['note']],
  ['no agent', [status('weir', 0, 0)], []],
] as const)
  test(name, () =>
    assert.equal(
      doctor.filterOf(statuses).map((f) => f.grade),
      want,
    ),
  );
test('a setting that keeps it from sharing is told once', () => {
  const wrong = fault('malformed', 'weir.limits.sessions', 'set it');
  const found = doctor.examine({ ...well, settings: [wrong], why: wrong });
  assert.equal(
    found.filter((f) => f.grade === 'bad').map((f) => f.about),
    ['settings'],
  );
});
test('what nobody knows is not guessed', () => {
  const found = doctor.examine({
    ...well,
    hold: null,
    tunnel: null,
    proven: null,
    offload: null,
    flash: null,
    isHomeFirst: null,
    uplinks: [],
  });
  assert.equal(
    found.map((f) => f.about),
    ['sharing', 'kernel', 'clock'],
  );
});
test.run();
