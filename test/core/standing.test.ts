import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, type PublicKey } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Pool } from '../../agent/core/pool.ts';
import type { Generation } from '../../agent/core/seat.ts';
import type { Permission, Section, Settings } from '../../agent/core/settings.ts';
import * as standings from '../../agent/core/standing.ts';

const section = (name: string, options: Readonly<Record<string, string>>): Section => ({
  name,
  type: name,
  options: new Map(Object.entries(options)),
});
const yes = { accepted: '1', paused: '0' };

const refusal = suite('refusal');
const refusals: readonly { name: string; in: readonly Section[]; want: string | null }[] = [
  { name: 'nothing said is no', in: [], want: 'weir.share.accepted' },
  { name: 'no', in: [section('share', { accepted: '0' })], want: 'weir.share.accepted' },
  { name: 'yes', in: [section('share', yes)], want: null },
  { name: 'a pause', in: [section('share', { ...yes, paused: '1' })], want: 'weir.share.paused' },
  {
    name: 'a pause counts beside what is wrong',
    in: [section('share', { ...yes, paused: '1' }), section('limits', { sessions: 'x' })],
    want: 'weir.share.paused',
  },
  { name: 'so does a yes', in: [section('share', yes), section('limits', { sessions: 'x' })], want: null },
  { name: 'what nobody understands is no', in: [section('share', { accepted: 'maybe' })], want: 'weir.share.accepted' },
];
for (const c of refusals) refusal(c.name, () => assert.is(standings.refusal(c.in)?.path ?? null, c.want));
refusal.run();

const places = suite('placesOf');
const brokers = [{ host: 'b.example', port: 1883 }] as unknown as Settings['brokers'];
const led = (...may: readonly Permission[]): Settings =>
  ({
    node: { id: null, prefix: 'weir' },
    brokers,
    coordinators: [{ root: new Uint8Array(32) as PublicKey, may }],
  }) as unknown as Settings;
places('the brokers, and no other', () => assert.equal(standings.placesOf(led('sessions', 'reboot')), brokers));
places('and anywhere by the usual port, where it may be moved', () =>
  assert.equal(
    standings.placesOf(led('move')).map(({ port }) => port),
    [1883, 8883],
  ),
);
places.run();

const parse = suite('parse');
const parses: readonly { name: string; in: readonly Section[]; want: string }[] = [
  { name: 'no pool drawn yet', in: [], want: 'missing weir.tunnel.pool6' },
  { name: 'a wrong option', in: [section('tunnel', { pool6: 'fd00::/64', port: '0' })], want: 'malformed weir.tunnel.port' },
  { name: 'a pool too small', in: [section('tunnel', { pool6: 'fd00::/64', pool4: '10.0.0.0/29' })], want: 'limit weir.tunnel.pool4' },
  { name: 'in order', in: [section('tunnel', { pool6: 'fd00::/64' })], want: 'ok' },
];
for (const c of parses)
  parse(c.name, () => {
    const got = standings.parse(c.in);
    assert.is(got.ok ? 'ok' : `${got.fault.code} ${got.fault.path}`, c.want);
  });
parse('what the owner took away', () => {
  assert.is(standings.unclaimed({ kind: 'present' }), null);
  assert.is(standings.unclaimed({ kind: 'altered', paths: ['network.weir0.mtu'] }), null);
  assert.is(
    standings.unclaimed({ kind: 'removed', paths: ['network.weir0', 'firewall.weir_zone'] })?.path,
    'network.weir0 firewall.weir_zone',
  );
});
parse.run();

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};
const pool: Pool = { four: prefix('10.213.0.0/22'), six: prefix('fd00:64::/64'), slots: 1021 };
const overlap = suite('overlap');
const overlaps: readonly { name: string; routes: readonly (readonly [string, string | null])[]; want: string | null }[] = [
  { name: 'nothing around', routes: [], want: null },
  { name: 'the default route is everywhere', routes: [['0.0.0.0/0', 'wan']], want: null },
  { name: 'our own device', routes: [['10.213.0.0/22', 'weir0']], want: null },
  { name: 'a refusal without a device', routes: [['10.0.0.0/8', null]], want: null },
  { name: 'the LAN', routes: [['10.213.1.0/24', 'br-lan']], want: 'weir.tunnel.pool4' },
  {
    name: 'multicast and link-local are on every device',
    routes: [
      ['ff00::/8', 'wan'],
      ['fe80::/10', 'wan'],
    ],
    want: null,
  },
  { name: 'a mesh of IPv6', routes: [['fd00::/16', 'mesh']], want: 'weir.tunnel.pool6' },
];
for (const c of overlaps)
  overlap(c.name, () => {
    const routes = c.routes.map(([destination, device]) => ({ destination: prefix(destination), device }));
    assert.is(standings.overlap(pool, 'weir0', routes)?.path ?? null, c.want);
  });
overlap.run();

const counters = suite('counters');
counters('last as long as the boot, and are counted within it', () => {
  const first = standings.countersOf('boot one', null);
  const second = standings.nextCounters(first);
  assert.is(second, first + 1);
  assert.is(standings.countersOf('boot one', second), second);
  assert.is(standings.countersOf('boot two', second), standings.countersOf('boot two', null));
  assert.is.not(standings.countersOf('boot two', null), first);
});
counters('stay within 32 bits', () => {
  assert.is(standings.nextCounters(0xffff_ffff as Generation), 0xffff_0000);
  for (const boot of ['', 'a', '3f0c'.repeat(9)]) {
    const g = standings.countersOf(boot, null);
    assert.ok(g >= 0 && g <= 0xffff_0000 && Number.isInteger(g));
  }
});
counters.run();

const rest = suite('clock and user');
rest('a clock that was never set', () => {
  assert.is(standings.today(millis(0)), null);
  assert.is(standings.today(millis(Date.UTC(2026, 9, 31, 23, 59, 59))), null);
  assert.is(standings.today(millis(Date.UTC(2026, 10, 1) + 999)), Date.UTC(2026, 10, 1) / 1000);
});
const passwd =
  'root:x:0:0:root:/root:/bin/ash\nweir2:x:500:500::/:/bin/false\nweir:x:453:453:weir:/var/run/weir:/bin/false\nodd:x:-1:1:::\n';
for (const [user, want] of [
  ['weir', 453],
  ['nobody', null],
  ['root', null],
  ['odd', null],
] as const)
  rest(`the number of ${user}`, () => assert.is(standings.uidOf(passwd, user), want));
rest.run();
