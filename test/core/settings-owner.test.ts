import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import * as settings from '../../agent/core/settings.ts';

type Options = Readonly<Record<string, string | readonly string[]>>;
const section = (name: string, options: Options): settings.Section => ({ name, type: name, options: new Map(Object.entries(options)) });
const parse = (name: string, options: Options): settings.Parsed<settings.Owner> => settings.parseOwner([section(name, options)]);
const prefixes = (list: readonly ip.Prefix[]): string[] => list.map(ip.renderPrefix);

const accepted = suite("the owner's settings");
accepted('what is not set takes the safe default', () => {
  const parsed = settings.parseOwner([]);
  assert.ok(parsed.ok);
  if (!parsed.ok) return;
  const { share, tunnel, limits } = parsed.value;
  assert.equal(share, { accepted: false, paused: false });
  assert.equal(
    { ...tunnel, pool4: ip.renderPrefix(tunnel.pool4) },
    { port: 51820, pool4: '10.213.0.0/22', pool6: 'auto', uplinks: ['wan'], mtu: 1420, endpoint: null },
  );
  assert.equal(limits, {
    line: { up: 1_250_000n, down: 1_250_000n },
    session: { rate: { up: 10_000_000n, down: 10_000_000n }, quota: 10n << 30n, lifetime: 86_400 },
    sessions: 20,
    month: { cap: 50n << 30n, resetDay: 1, household: false },
    blockSmtp: true,
    deny: [],
    allow: [],
    flows: { session: 50, all: 500 },
    connections: { session: 512, all: 4096 },
    lowerEffort: true,
    schedule: { spans: [], whenUnknown: false },
    home: null,
  });
});
accepted('lists, and a list of one that is an option', () => {
  const parsed = settings.parseOwner([
    section('tunnel', { uplink: ['wan', 'wan_6'], pool6: 'fd00:1::/64', port: '4719' }),
    section('limits', { deny: ['8.8.8.8', '2001:db8::/32'], allow: '10.0.0.0/8', monthly_cap: 'none' }),
  ]);
  assert.ok(parsed.ok);
  if (!parsed.ok) return;
  const { tunnel, limits } = parsed.value;
  assert.equal(tunnel.uplinks, ['wan', 'wan_6']);
  assert.is(tunnel.pool6 === 'auto' || ip.renderPrefix(tunnel.pool6), 'fd00:1::/64');
  assert.equal(prefixes(limits.deny), ['8.8.8.8', '2001:db8::/32']);
  assert.equal(prefixes(limits.allow), ['10.0.0.0/8']);
  assert.is(limits.month.cap, null);
});
accepted('hours, and a line whose speed is known', () => {
  const hours = { schedule: ['mon-tue 08:00-09:00', 'sun 22:00-06:00'], when_unknown: 'open' };
  const parsed = parse('limits', { ...hours, link_up: '8000', link_down: '16000', headroom: '20' });
  assert.ok(parsed.ok);
  if (!parsed.ok) return;
  const { schedule, home } = parsed.value.limits;
  assert.equal(schedule, {
    spans: [
      { first: 480, last: 540 },
      { first: 1920, last: 1980 },
      { first: 9960, last: 360 },
    ],
    whenUnknown: true,
  });
  assert.equal(home, { link: { up: 1_000_000n, down: 2_000_000n }, headroom: 20 });
  const without = parse('limits', { link_up: '8000', link_down: '16000', home_first: '0' });
  assert.is(without.ok && without.value.limits.home, null);
});
accepted("the agent's sections are not read here, and the agent reads none of these", () => {
  assert.ok(settings.parseOwner([section('broker', { port: 'x' })]).ok);
  const agents = [section('node', { id: 'a' }), section('broker', { host: 'b', tls: '0' })];
  assert.ok(settings.parse([...agents, section('limits', { sessions: 'x' })]).ok);
});
accepted('the agent sees node, broker and its ceilings, and nothing else', () => {
  const all = [
    section('node', { id: 'a' }),
    section('broker', { host: 'b', password: 'p' }),
    section('share', { accepted: '1' }),
    section('tunnel', { port: '1' }),
    section('limits', { session_quota: '5', sessions: '6', monthly_cap: '7', deny: ['8.8.8.8'], household: '1', rate_up: '9' }),
    section('other', { secret: 's' }),
    section('constructor', { name: 's' }),
  ];
  assert.equal(
    settings.ours(all).map(({ name, options }) => [name, ...options.keys()]),
    [
      ['node', 'id'],
      ['broker', 'host', 'password'],
      ['limits', 'session_quota', 'sessions'],
    ],
  );
});
accepted.run();

const bounds = suite("the owner's settings, at their bounds");
const edges: readonly (readonly [section: string, option: string, taken: readonly string[], refused: readonly string[]])[] = [
  ['share', 'accepted', ['0', '1'], ['', '2', 'yes', 'true', ' 1']],
  ['share', 'paused', ['0', '1'], ['on']],
  ['tunnel', 'port', ['1', '4719', '4721', '65535'], ['0', '4720', '65536', '0x10', '-1']],
  ['tunnel', 'mtu', ['1280', '1500'], ['1279', '1501']],
  ['tunnel', 'endpoint', ['home.example', 'home.example:443', '[2a11::1]:443'], ['', 'home.example:', 'https://home.example']],
  ['tunnel', 'pool4', ['10.0.0.0/8', '192.168.77.0/24'], ['10.0.0.1/8', 'fd00::/64', '10.0.0.0/33', 'auto']],
  ['tunnel', 'pool6', ['auto', 'fd00::/64'], ['10.0.0.0/8', 'Auto', 'fd00::1/64']],
  ['limits', 'rate_up', ['8', '100000000'], ['7', '100000001', '1e3', '10mbit']],
  ['limits', 'rate_down', ['8'], ['7']],
  ['limits', 'session_rate_up', ['8'], ['7']],
  ['limits', 'session_rate_down', ['8'], ['7']],
  ['limits', 'session_quota', ['1', '999999999'], ['0', '1000000000']],
  ['limits', 'session_seconds', ['60', '31536000'], ['59', '31536001']],
  ['limits', 'sessions', ['1', '65536'], ['0', '65537']],
  ['limits', 'monthly_cap', ['1', 'none', '999999999'], ['0', 'None', '1000000000']],
  ['limits', 'reset_day', ['1', '28'], ['0', '29']],
  ['limits', 'household', ['0', '1'], ['no']],
  ['limits', 'block_smtp', ['0', '1'], ['no']],
  ['limits', 'flows_session', ['1', '1000000'], ['0', '1000001']],
  ['limits', 'flows_all', ['1'], ['0']],
  ['limits', 'connections_session', ['1'], ['0']],
  ['limits', 'connections_all', ['1'], ['0']],
  ['limits', 'lower_effort', ['0', '1'], ['low']],
  ['limits', 'when_unknown', ['open', 'closed'], ['', '0', 'Open']],
  ['limits', 'home_first', ['0', '1'], ['yes']],
  ['limits', 'headroom', ['2', '50'], ['1', '51', '10%']],
];
for (const [name, option, taken, refused] of edges)
  bounds(`${name}.${option}`, () => {
    for (const text of taken) assert.ok(parse(name, { [option]: text }).ok, text);
    for (const text of refused) {
      const parsed = parse(name, { [option]: text });
      assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [['malformed', `weir.${name}.${option}`]], text);
    }
  });
bounds.run();

const refused = suite("the owner's settings refuse");
const many = Array.from({ length: 257 }, () => '8.8.8.8');
const cases: readonly (readonly [name: string, section: string, options: Options, code: string, path: string])[] = [
  ['a misspelt option', 'limits', { sesions: '1' }, 'unsupported', 'weir.limits.sesions'],
  ['an option that every object has', 'limits', { constructor: '1' }, 'unsupported', 'weir.limits.constructor'],
  ['an option of another section', 'share', { port: '1' }, 'unsupported', 'weir.share.port'],
  ['a list where one is wanted', 'limits', { sessions: ['1', '2'] }, 'malformed', 'weir.limits.sessions'],
  ['one of a list', 'limits', { deny: ['8.8.8.8', '8.8.8.8/4'] }, 'malformed', 'weir.limits.deny.1'],
  ['an uplink that is no name', 'tunnel', { uplink: ['wan', 'a b'] }, 'malformed', 'weir.tunnel.uplink.1'],
  ['an hour that is none', 'limits', { schedule: ['mon 08:00-09:00', 'mon 8-9'] }, 'malformed', 'weir.limits.schedule.1'],
  ['a link with one direction', 'limits', { link_up: '1000' }, 'missing', 'weir.limits.link_down'],
  ['a link with the other', 'limits', { link_down: '1000' }, 'missing', 'weir.limits.link_up'],
  ['a link that is too slow', 'limits', { link_up: '63', link_down: '64' }, 'malformed', 'weir.limits.link_up'],
  ['a list without end', 'limits', { deny: many }, 'limit', 'weir.limits.deny'],
];
for (const [name, s, options, code, path] of cases)
  refused(name, () => {
    const parsed = parse(s, options);
    assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [[code, path]]);
  });
refused('all that is wrong at once', () => {
  const parsed = settings.parseOwner([section('share', { accepted: 'x' }), section('limits', { allow: ['a', 'b'] })]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => f.path), ['weir.share.accepted', 'weir.limits.allow.0', 'weir.limits.allow.1']);
});
refused.run();
