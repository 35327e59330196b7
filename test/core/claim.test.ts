import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config, Configs, Plan } from '../../agent/core/claim.ts';
import * as claim from '../../agent/core/claim.ts';
import * as ip from '../../agent/core/ip.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Section } from '../../agent/core/settings.ts';

const value = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
const section = (type: string, name: string, options: Readonly<Record<string, string | readonly string[]>> = {}): Section => ({
  type,
  name,
  options: new Map(Object.entries(options)),
});
const prefix = (text: string) => value(ip.parsePrefix(text));
const zone = (name: string, options: Readonly<Record<string, string | readonly string[]>>): Section =>
  section('zone', `cfg${name}`, { name, ...options });

const networks = ['loopback', 'lan', 'wan', 'wan6', 'mesh'].map((name) => section('interface', name));
const have: Configs = {
  network: [section('globals', 'globals'), ...networks],
  firewall: [zone('lan', { network: ['lan'] }), zone('wan', { network: 'wan wan6' }), zone('my-mesh', { network: ['mesh'] })],
};
const wanted: Plan = {
  pool: { four: prefix('10.213.0.0/22'), six: prefix('fd00::/64'), slots: 1021 },
  listenPort: 51820,
  countersignPort: 4720,
  uplinks: ['wan'],
};
const planned = (plan: Plan = wanted, of: Configs = have): Configs => value(claim.plan(plan, of));
const names = (c: Configs, config: Config): string[] => c[config].map((s) => s.name);

const plans = suite('claim: which sections');
const each = (zones: readonly string[]): string[] => [
  'weir_zone',
  'weir_sign',
  ...zones.flatMap((z) => ['fwd', 'listen', 'nat4', 'nat6'].map((what) => `weir_${what}_${z}`)),
];
const uplinkCases = [
  { name: 'one uplink', uplinks: ['wan'], zones: ['wan'] },
  { name: 'two in one zone', uplinks: ['wan', 'wan6'], zones: ['wan'] },
  { name: 'two zones', uplinks: ['wan6', 'lan'], zones: ['wan', 'lan'] },
  { name: 'a zone whose name a section cannot have', uplinks: ['mesh'], zones: ['my_2dmesh'] },
  { name: 'no uplink', uplinks: [], zones: [] },
];
for (const c of uplinkCases)
  plans(c.name, () => {
    const made = planned({ ...wanted, uplinks: c.uplinks });
    assert.equal(names(made, 'network'), ['weir0']);
    assert.equal(names(made, 'firewall'), each(c.zones));
  });

plans('two zones of similar names stay two', () => {
  const firewall = [zone('a-b', { network: 'wan' }), zone('a_2db', { network: 'lan' })];
  assert.is(new Set(names(planned({ ...wanted, uplinks: ['wan', 'lan'] }, { ...have, firewall }), 'firewall')).size, 10);
});

const refusals = [
  { name: 'unknown', uplinks: ['nope'], firewall: have.firewall, path: 'uplink.nope', reason: /there are lan, wan, wan6, mesh$/ },
  { name: 'our own tunnel is none', uplinks: ['weir0'], firewall: have.firewall, path: 'uplink.weir0', reason: /no such interface/ },
  { name: 'without a zone', uplinks: ['wan', 'loopback'], firewall: have.firewall, path: 'uplink.loopback', reason: /add_list firewall/ },
  {
    name: 'in a zone that is off',
    uplinks: ['wan'],
    firewall: [zone('wan', { network: 'wan', enabled: '0' })],
    path: 'uplink.wan',
    reason: /no firewall zone/,
  },
  {
    name: 'in a zone without a name',
    uplinks: ['wan'],
    firewall: [section('zone', 'z', { network: 'wan' })],
    path: 'uplink.wan',
    reason: /zone/,
  },
];
for (const { name, uplinks, firewall, path, reason } of refusals)
  plans(name, () => {
    const refused = claim.plan({ ...wanted, uplinks }, { ...have, firewall });
    assert.is(refused.ok, false);
    if (refused.ok) return;
    assert.is(refused.fault.code, 'missing');
    assert.is(refused.fault.path, path);
    assert.match(refused.fault.reason, reason);
  });
plans.run();

const states = suite('claim: how far from it');
const want = planned();
const joined = (of: Configs): Configs => ({ network: [...have.network, ...of.network], firewall: [...have.firewall, ...of.firewall] });
/** One section with other options; null: without it. */
const but = (config: Config, name: string, options: Readonly<Record<string, string | readonly string[] | null>> | null): Configs => ({
  ...want,
  [config]: want[config].flatMap((s) => {
    if (s.name !== name) return [s];
    if (options === null) return [];
    const merged = Object.entries({ ...Object.fromEntries(s.options), ...options });
    return [{ ...s, options: new Map(merged.flatMap(([k, v]) => (v === null ? [] : [[k, v] as const]))) }];
  }),
});
const stateCases = [
  { name: 'as wanted', of: want, kind: 'present', paths: undefined },
  {
    name: 'a list of one is as good as an option',
    of: but('network', 'weir0', { ipaddr: '10.213.3.254/22' }),
    kind: 'present',
    paths: undefined,
  },
  {
    name: 'nothing of it',
    of: { network: [], firewall: [] },
    kind: 'removed',
    paths: [...each(['wan']).map((n) => `firewall.${n}`), 'network.weir0'],
  },
  { name: 'the zone is gone', of: but('firewall', 'weir_zone', null), kind: 'removed', paths: ['firewall.weir_zone'] },
  {
    name: 'an option changed',
    of: but('firewall', 'weir_zone', { input: 'ACCEPT' }),
    kind: 'altered',
    paths: ['firewall.weir_zone.input'],
  },
  { name: 'one added', of: but('network', 'weir0', { disabled: '1' }), kind: 'altered', paths: ['network.weir0.disabled'] },
  {
    name: 'one taken away',
    of: but('firewall', 'weir_nat6_wan', { src_ip: null }),
    kind: 'altered',
    paths: ['firewall.weir_nat6_wan.src_ip'],
  },
  {
    name: 'one of another uplink is left over',
    of: { ...want, firewall: [...want.firewall, section('nat', 'weir_nat4_lan')] },
    kind: 'altered',
    paths: ['firewall.weir_nat4_lan'],
  },
];
for (const { name, of, kind, paths } of stateCases)
  states(name, () => assert.equal(claim.compare(want, joined(of)), paths === undefined ? { kind } : { kind, paths }));

states('each section, changed or gone, is seen, and mended by writing it alone', () => {
  for (const config of claim.configs) {
    assert.equal(claim.steps(config, want[config], joined(want)[config]), { remove: [], add: [] });
    for (const s of want[config]) {
      const gone = joined(but(config, s.name, null))[config];
      assert.equal(claim.steps(config, want[config], gone), { remove: [], add: [s] });
      const [first = ''] = s.options.keys();
      const changed = joined(but(config, s.name, { [first]: 'other' }))[config];
      assert.equal(claim.steps(config, want[config], changed), { remove: [s.name], add: [s] });
    }
    assert.equal(claim.steps(config, [], joined(want)[config]), { remove: names(want, config), add: [] });
  }
});

states('what is only called like ours stays', () => {
  const others = [
    section('zone', 'weir_zones'),
    section('rule', 'weir_zone'),
    section('rule', 'my_weir_sign'),
    section('nat', 'weir_fwd_wan'),
  ];
  assert.equal(claim.steps('firewall', [], others), { remove: [], add: [] });
  assert.equal(claim.steps('network', [], [section('device', 'weir0'), section('interface', 'weir')]), { remove: [], add: [] });
});
states.run();
