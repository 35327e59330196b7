import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as settings from '../../agent/core/settings.ts';

type Options = Readonly<Record<string, string | readonly string[]>>;
const section = (name: string, options: Options): settings.Section => ({ name, type: name, options: new Map(Object.entries(options)) });
const parse = (node: Options, broker: Options): settings.Parsed => settings.parse([section('node', node), section('broker', broker)]);

const node = { id: 'roof-1' };
const broker = { host: 'broker.example', authority: '/etc/weir/authority.pem' };
const pin = '0f'.repeat(32);

const accepted = suite('settings');
accepted('what is not set takes the safe default', () =>
  assert.equal(parse(node, broker), {
    ok: true,
    value: {
      node: { id: 'roof-1', prefix: 'weir' },
      brokers: [
        {
          host: 'broker.example',
          port: 8883,
          version: '5',
          user: null,
          password: null,
          keepAlive: 60,
          spread: 120,
          tls: { authority: '/etc/weir/authority.pem', pin: null },
        },
      ],
      coordinators: [],
    },
  }),
);
accepted('everything set', () =>
  assert.equal(
    parse(
      { id: 'a', prefix: 'isp/weir' },
      { host: '::1', port: '1', version: '3.1.1', user: 'u', password: 'p p', keepalive: '5', spread: '0', tls: '1', authority: '/a', pin },
    ),
    {
      ok: true,
      value: {
        node: { id: 'a', prefix: 'isp/weir' },
        brokers: [
          {
            host: '::1',
            port: 1,
            version: '3.1.1',
            user: 'u',
            password: 'p p',
            keepAlive: 5,
            spread: 0,
            tls: { authority: '/a', pin: new Uint8Array(32).fill(15) },
          },
        ],
        coordinators: [],
      },
    },
  ),
);
accepted('a pin alone is enough', () => assert.ok(parse(node, { host: 'b', pin }).ok));
accepted('without TLS, when the owner says so', () => {
  const parsed = parse(node, { host: 'b', tls: '0' });
  assert.is(parsed.ok && parsed.value.brokers[0]?.tls, null);
});
accepted('sections of others are not ours', () =>
  assert.ok(settings.parse([section('node', node), section('broker', broker), section('limits', { day: '1' })]).ok),
);
const another = (name: string, options: Options, type = 'broker'): settings.Section => ({ ...section(name, options), type });
accepted('no broker at all: the section as it is shipped is none', () => {
  const none = { ok: true, value: { node: { id: null, prefix: 'weir' }, brokers: [], coordinators: [] } };
  assert.equal(settings.parse([]), none);
  assert.equal(parse({}, {}), none);
});
accepted('several brokers, in the order of the file, whatever their names', () => {
  const parsed = settings.parse([
    another('near', { ...broker, host: 'a' }),
    section('node', node),
    section('broker', { ...broker, host: 'b' }),
    another('cfg0a1b2c', { ...broker, host: 'c' }),
    another('near_not', { host: 'd' }, 'other'),
  ]);
  assert.equal(parsed.ok && parsed.value.brokers.map(({ host }) => host), ['a', 'b', 'c']);
});
accepted('several coordinators, and what each may order', () => {
  const parsed = settings.parse([
    another('coordinator', { root: pin }, 'coordinator'),
    another('second', { root: 'ff'.repeat(32), may: ['reboot', 'move'] }, 'coordinator'),
    another('third', { root: 'ff'.repeat(32), may: 'probe' }, 'coordinator'),
  ]);
  assert.equal(parsed.ok && parsed.value.coordinators, [
    { root: new Uint8Array(32).fill(15), may: ['sessions', 'limit', 'probe', 'quarantine', 'restart'], claim: null },
    { root: new Uint8Array(32).fill(255), may: ['reboot', 'move'], claim: null },
    { root: new Uint8Array(32).fill(255), may: ['probe'], claim: null },
  ]);
});
accepted('a section that is ours is no broker', () => {
  const sections = [section('node', node), section('broker', broker), another('limits', { host: 'c' }), another('share', { host: 'c' })];
  const parsed = settings.parse(sections);
  assert.is(parsed.ok && parsed.value.brokers.length, 1);
  assert.equal(
    settings.ours(sections).map(({ name, options }) => [name, options.size]),
    [
      ['node', 1],
      ['broker', 2],
      ['limits', 0],
    ],
  );
});
accepted('the agent is shown every broker', () =>
  assert.equal(
    settings.ours([another('second', { host: 'c', password: 'p' })]).map(({ name, options }) => [name, ...options.keys()]),
    [['second', 'host', 'password']],
  ),
);
accepted('the ceilings of a session, of what the agent is shown', () => {
  const limits = { session_rate_up: '2000', session_quota: '5', session_seconds: '60', rate_up: '7', schedule: 'never' };
  assert.equal(settings.parseCeilings([section('limits', limits)]), {
    ok: true,
    value: { rate: { up: 2_000_000n, down: 10_000_000n }, quota: 5n << 20n, lifetime: 60 },
  });
  const parsed = settings.parseCeilings([section('limits', { session_quota: '0' })]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => f.path), ['weir.limits.session_quota']);
});
accepted('what is told, and whom it asks how good the line is', () => {
  const far = another('far', { kind: 'udp_echo', host: 'echo.example', port: '7' }, 'probe');
  assert.equal(settings.parseTelling([section('telemetry', { period: '300', leave_out: ['system', 'sharing'] }), far]), {
    ok: true,
    value: {
      period: 300,
      without: ['system', 'sharing'],
      probes: [{ kind: 'udp_echo', host: 'echo.example', port: 7, period: 60 }],
    },
  });
  assert.equal(settings.parseTelling([]), { ok: true, value: { period: 60, without: [], probes: [] } });
});
accepted('three options are enough for a router that nobody touches', () => {
  const parsed = settings.parse([
    section('broker', { host: 'broker.example', pin }),
    section('coordinator', { claim: `abcd-efgh-2345-wxyz-mnop@${pin}` }),
  ]);
  assert.equal(parsed.ok && parsed.value.coordinators.map(({ root, claim }) => [root, claim]), [
    [new Uint8Array(32).fill(15), 'abcdefgh2345wxyzmnop'],
  ]);
});
accepted.run();

const refused = suite('settings refuses');
const long = 'a'.repeat(65);
const cases: readonly (readonly [name: string, node: Options, broker: Options, code: string, path: string])[] = [
  ['an empty id', { id: '' }, broker, 'malformed', 'weir.node.id'],
  ['an id that would be two levels', { id: 'a/b' }, broker, 'malformed', 'weir.node.id'],
  ['an id with a wildcard', { id: '+' }, broker, 'malformed', 'weir.node.id'],
  ['a long id', { id: long }, broker, 'malformed', 'weir.node.id'],
  ['a list of ids', { id: ['a', 'b'] }, broker, 'malformed', 'weir.node.id'],
  ['a prefix with an empty level', { ...node, prefix: 'a//b' }, broker, 'malformed', 'weir.node.prefix'],
  ['no host', node, { pin }, 'missing', 'weir.broker.host'],
  ['a host with a space', node, { ...broker, host: 'a b' }, 'malformed', 'weir.broker.host'],
  ['port 0', node, { ...broker, port: '0' }, 'malformed', 'weir.broker.port'],
  ['port 65536', node, { ...broker, port: '65536' }, 'malformed', 'weir.broker.port'],
  ['a port in hexadecimal', node, { ...broker, port: '0x50' }, 'malformed', 'weir.broker.port'],
  ['MQTT 4', node, { ...broker, version: '4' }, 'malformed', 'weir.broker.version'],
  ['keep-alive off', node, { ...broker, keepalive: '0' }, 'malformed', 'weir.broker.keepalive'],
  ['a spread over hours', node, { ...broker, spread: '3601' }, 'malformed', 'weir.broker.spread'],
  ['tls maybe', node, { ...broker, tls: 'maybe' }, 'malformed', 'weir.broker.tls'],
  ['TLS that trusts nobody', node, { host: 'b' }, 'missing', 'weir.broker.authority'],
  ['an authority without a path', node, { ...broker, authority: 'authority.pem' }, 'malformed', 'weir.broker.authority'],
  ['a short pin', node, { ...broker, pin: '0f' }, 'malformed', 'weir.broker.pin'],
  ['an empty password', node, { ...broker, password: '' }, 'malformed', 'weir.broker.password'],
  ['a misspelt option', node, { ...broker, keepalife: '60' }, 'unsupported', 'weir.broker.keepalife'],
];
for (const [name, n, b, code, path] of cases)
  refused(name, () => {
    const parsed = parse(n, b);
    assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [[code, path]]);
  });
refused('what is wrong with each broker, by its name', () => {
  const parsed = settings.parse([section('node', node), another('far', { host: 'a' }), another('near', { port: '0', pin })]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [
    ['missing', 'weir.far.authority'],
    ['missing', 'weir.near.host'],
    ['malformed', 'weir.near.port'],
  ]);
});
refused('a coordinator without a key, or with a right that there is not', () => {
  const parsed = settings.parse([
    another('first', { may: 'probe' }, 'coordinator'),
    another('second', { root: pin, may: ['probe', 'everything'] }, 'coordinator'),
    another('third', { root: 'hunter2' }, 'coordinator'),
  ]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [
    ['missing', 'weir.first.root'],
    ['malformed', 'weir.second.may.1'],
    ['malformed', 'weir.third.root'],
  ]);
});
refused('what cannot be told, or asked', () => {
  const parsed = settings.parseTelling([
    section('telemetry', { period: '9', leave_out: ['health', 'billing'] }),
    another('far', { kind: 'icmp', host: 'a b', port: '0' }, 'probe'),
    ...Array.from({ length: 8 }, (_, i) => another(`p${i}`, { kind: 'tcp_connect', host: 'h', port: '1' }, 'probe')),
  ]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [
    ['malformed', 'weir.telemetry.period'],
    ['malformed', 'weir.telemetry.leave_out.1'],
    ['limit', 'weir.probe'],
    ['malformed', 'weir.far.kind'],
    ['malformed', 'weir.far.host'],
    ['malformed', 'weir.far.port'],
  ]);
});
refused('a claim of another root than the one that is set', () => {
  const both = { root: pin, claim: `abcd-efgh-2345-wxyz-mnop@${'ff'.repeat(32)}` };
  const parsed = settings.parse([section('coordinator', both)]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [['denied', 'weir.coordinator.claim']]);
  assert.ok(settings.parse([section('coordinator', { ...both, root: 'ff'.repeat(32) })]).ok);
});
refused('a claim that is none, and does not repeat it', () => {
  const parsed = settings.parse([another('first', { root: pin, claim: 'hunter2-hunter2' }, 'coordinator')]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [['malformed', 'weir.first.claim']]);
  assert.not.match(JSON.stringify(parsed), 'hunter2');
});
refused('more brokers than it would ever try', () => {
  const many = Array.from({ length: 9 }, (_, i) => another(`b${i}`, broker));
  assert.ok(settings.parse([section('node', node), ...many.slice(1)]).ok);
  const parsed = settings.parse([section('node', node), ...many]);
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => [f.code, f.path]), [['limit', 'weir.broker']]);
});
refused('all that is wrong at once', () => {
  const parsed = parse({ id: '' }, { port: '0', pin });
  assert.equal(parsed.ok ? [] : parsed.faults.map((f) => f.path), ['weir.node.id', 'weir.broker.host', 'weir.broker.port']);
});
refused('and never repeats what was set', () => {
  const parsed = parse(node, { ...broker, pin: 'hunter2', port: 'hunter2' });
  assert.not.match(JSON.stringify(parsed), 'hunter2');
});
refused.run();
