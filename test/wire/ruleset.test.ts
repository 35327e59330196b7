import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Config, Input } from '../../agent/wire/ruleset.ts';
import * as ruleset from '../../agent/wire/ruleset.ts';

const smallest: Input = {
  device: 'weir0',
  uplinks: ['wan'],
  address4: '10.64.255.254',
  address6: 'fd00:64::1',
  listenPort: 51820,
  sessions: 64,
  deny: [],
  allow: [],
  blockSmtp: false,
  flows: { session: 50, all: 500 },
  connections: null,
  agent: { uid: 453, dns: [], brokers: [] },
  lowerEffort: false,
  line: { quota: null, guests: null, pace: [], tunnel: null, household: false },
};
const fullest: Input = {
  ...smallest,
  uplinks: ['wan', 'pppoe-wan', 'eth0.2'],
  sessions: 1024,
  deny: ['192.168.100.0/24', '8.8.8.0/24', '2600::/16'],
  allow: ['10.31.0.0/16', 'fd31::/16'],
  blockSmtp: true,
  connections: { session: 512, all: 4096 },
  agent: {
    uid: 453,
    dns: ['127.0.0.1', '::1'],
    brokers: [
      { prefix: '203.0.113.9', port: 8883 },
      { prefix: '2001:db8::/32', port: 8883 },
    ],
  },
  lowerEffort: true,
  line: {
    quota: { bytes: 900_000_000_000n, used: 1234n },
    guests: 12_500_000n,
    pace: [250_000n, 64_000n],
    tunnel: { up: 1_250_000n, down: 6_250_000n },
    household: true,
  },
};
function configOf(i: Input): Config {
  const config = ruleset.parse(i);
  if (!config.ok) throw new Error(config.fault.path);
  return config.value;
}

const goldens: readonly { name: string; in: Input }[] = [
  { name: 'smallest', in: smallest },
  { name: 'fullest', in: fullest },
  { name: 'no-uplink', in: { ...fullest, uplinks: [] } },
];

const render = suite('ruleset.render');
for (const c of goldens)
  render(`is test/golden/${c.name}.nft`, () =>
    assert.fixture(ruleset.render(configOf(c.in)), readFileSync(`test/golden/${c.name}.nft`, 'utf8')),
  );

/** The rules of each chain, and its hook or ''. */
function chainsOf(text: string): Map<string, { hook: string; rules: string[] }> {
  const chains = new Map<string, { hook: string; rules: string[] }>();
  for (const line of text.split('\n')) {
    const [, table, name, hook = ''] = /^add chain (\S+ \S+) (\S+)(?: { (.*) })?$/.exec(line) ?? [];
    if (name !== undefined) chains.set(`${table} ${name}`, { hook, rules: [] });
    const [, where = '', rule = ''] = /^add rule (\S+ \S+ \S+) (.*)$/.exec(line) ?? [];
    if (rule !== '') chains.get(where)?.rules.push(rule);
  }
  return chains;
}
for (const c of goldens) {
  const chains = chainsOf(ruleset.render(configOf(c.in)));
  render(`${c.name}: what a guest's packet finds no key for is dropped`, () => {
    for (const [name, { hook, rules }] of chains) {
      // On the uplinks, and before a goto, passes what is none of ours.
      if (/weir_m (line|tunnel)_/.test(name) || hook.includes('policy accept')) continue;
      const last = rules.at(-1) ?? '';
      assert.ok(hook.includes('policy drop') || /^counter name "(refused|spent)" drop$/.test(last), `${name} ends in: ${last}`);
    }
  });
  render(`${c.name}: no guest's packet is accepted but by keys`, () => {
    for (const [name, { rules }] of chains)
      for (const rule of rules.filter((r) => r.endsWith(' accept') && /weir_m (guest|up|dn|pay|sign)/.test(name))) {
        const isPaid = /quota name|limit name/.test(rule) && /counter name ip6? [sd]addr map @c[ud][46]/.test(rule);
        const isCountersign = /^udp [sd]port 4720 ip6? [sd]addr @drain[46] update @sign/.test(rule);
        const isError = /^icmp(v6)? type \{ [0-9, ]+ \} ip6? daddr @live[46] update @sign/.test(rule);
        assert.ok(isPaid || isCountersign || isError, `${name}: ${rule}`);
      }
  });
  render(`${c.name}: every way into a guest's chains has looked for the guest`, () => {
    const isGuest = /^ip6? [sd]addr != [0-9a-f.:]+ ip6? [sd]addr @live[46] limit name/;
    for (const [name, { rules }] of chains)
      for (const rule of rules.filter((r) => /goto (pace|pay)_/.test(r)))
        assert.match(rule, name.includes('pace_') ? /^meta protocol @pace\d+ limit name/ : isGuest, name);
  });
  render(`${c.name}: both ways are marked where they leave by an uplink, and nowhere else`, () => {
    const marked = [...chains].filter(([, { rules }]) => rules.some((rule) => rule.includes('dscp set'))).map(([name]) => name);
    assert.equal(marked, c.in.lowerEffort ? ['pay_up4', 'pay_up6', 'tunnel_out'].map((name) => `netdev weir_m ${name}`) : []);
  });
  render(`${c.name}: every goto has its chain`, () => {
    for (const [name, { rules }] of chains)
      for (const [, target] of rules.join(' ').matchAll(/goto (\w+)/g))
        assert.ok(chains.has(`${name.split(' ').slice(0, 2).join(' ')} ${target}`), target);
  });
}
render('a limit that changes has another name', () => {
  const rate = (guests: bigint): string[] =>
    ruleset
      .render(configOf({ ...smallest, line: { ...smallest.line, guests } }))
      .split('\n')
      .filter((line) => line.includes('node_l'));
  assert.not.equal(
    rate(1000n).map((l) => l.match(/node_l\w+/)?.[0]),
    rate(2000n).map((l) => l.match(/node_l\w+/)?.[0]),
  );
});
render('a rate that is told later: a row of limits, the largest first, each behind a set', () => {
  const text = ruleset.render(configOf({ ...smallest, line: { ...smallest.line, pace: [10n, 4n] } }));
  assert.match(text, 'add set netdev weir_m pace1 { type ether_type; size 2; }');
  for (const chain of ['up4', 'up6', 'dn4', 'dn6']) {
    assert.ok(text.includes(` goto pace_${chain}\n`));
    assert.equal(
      text.split('\n').filter((line) => line.startsWith(`add rule netdev weir_m pace_${chain} `)),
      [
        `meta protocol @pace1 limit name "pace1_4" goto pay_${chain}`,
        `meta protocol @pace0 limit name "pace0_10" goto pay_${chain}`,
        'counter name "refused" drop',
      ].map((rule) => `add rule netdev weir_m pace_${chain} ${rule}`),
    );
  }
});
const bursts = [
  { in: 1n, want: 131072n },
  { in: 2_621_440n, want: 131072n },
  { in: 2_621_460n, want: 131073n },
  { in: 12_500_000n, want: 625_000n },
];
for (const c of bursts) render(`burst of ${c.in}`, () => assert.is(ruleset.burstOf(c.in), c.want));
render.run();

const parse = suite('ruleset.parse');
const blocked = (i: Partial<Input>): string =>
  /from4 ip daddr (.*) counter/.exec(ruleset.render(configOf({ ...smallest, ...i })))?.[1] ?? '';
const lists: readonly { name: string; in: Partial<Input>; has: string[]; lacks: string[] }[] = [
  { name: 'private ranges', in: {}, has: ['10.0.0.0-10.255.255.255', '192.168.0.0-192.168.255.255'], lacks: [] },
  {
    name: 'a mesh is opened',
    in: { allow: ['10.31.0.0/16'] },
    has: ['10.0.0.0-10.30.255.255', '10.32.0.0-10.255.255.255'],
    lacks: ['10.31.0.0'],
  },
  {
    name: 'deny goes before allow',
    in: { allow: ['10.0.0.0/8'], deny: ['10.9.0.0/16'] },
    has: ['10.9.0.0-10.9.255.255'],
    lacks: ['10.0.0.0'],
  },
  {
    name: 'the router is never opened',
    in: { allow: ['0.0.0.0/0'] },
    has: ['127.0.0.0-127.255.255.255', '224.0.0.0-255.255.255.255'],
    lacks: ['10.'],
  },
  {
    name: 'neighbours become one',
    in: { deny: ['8.8.8.0/25', '8.8.8.128/25', '8.8.8.4'] },
    has: ['8.8.8.0-8.8.8.255'],
    lacks: ['8.8.8.4', '8.8.8.128'],
  },
  { name: 'one address', in: { deny: ['8.8.8.8'] }, has: ['8.8.8.8,'], lacks: ['8.8.8.8-'] },
];
for (const c of lists)
  parse(c.name, () => {
    const text = blocked(c.in);
    for (const part of c.has) assert.ok(text.includes(part), `${part} in ${text}`);
    for (const part of c.lacks) assert.not.ok(text.includes(part), `${part} not in ${text}`);
  });
const { agent, line } = smallest;
const refusals: readonly { name: string; in: Partial<Input>; code?: string; path: string }[] = [
  { name: 'a device that is a rule', in: { device: 'x" accept #' }, path: 'device' },
  { name: 'a device of 16 letters', in: { device: 'abcdefghijklmnop' }, path: 'device' },
  { name: 'no device', in: { device: '' }, path: 'device' },
  { name: 'a wildcard', in: { uplinks: ['wan', 'eth*'] }, path: 'uplinks.1' },
  { name: 'a line break', in: { uplinks: ['wan\nadd'] }, path: 'uplinks.0' },
  { name: 'the tunnel as its own uplink', in: { uplinks: ['weir0'] }, code: 'denied', path: 'uplinks' },
  { name: 'the same uplink twice', in: { uplinks: ['wan', 'wan'] }, path: 'uplinks' },
  { name: 'IPv6 for IPv4', in: { address4: '::1' }, path: 'address4' },
  { name: 'IPv4 for IPv6', in: { address6: '10.0.0.1' }, path: 'address6' },
  { name: 'a prefix with host bits', in: { deny: ['10.0.0.1/8'] }, path: 'deny.0' },
  { name: 'a name', in: { allow: ['example.org'] }, path: 'allow.0' },
  { name: 'port 0', in: { listenPort: 0 }, path: 'listenPort' },
  { name: 'port 65536', in: { listenPort: 65536 }, path: 'listenPort' },
  { name: 'half a port', in: { listenPort: 0.5 }, path: 'listenPort' },
  { name: 'no number', in: { sessions: Number.NaN }, path: 'sessions' },
  { name: 'no sessions', in: { sessions: 0 }, path: 'sessions' },
  { name: 'no new flows', in: { flows: { session: 0, all: 1 } }, path: 'flows.session' },
  { name: 'flows without end', in: { flows: { session: 1, all: Number.POSITIVE_INFINITY } }, path: 'flows.all' },
  { name: 'no connections', in: { connections: { session: 1, all: 0 } }, path: 'connections.all' },
  { name: 'root as the agent', in: { agent: { ...agent, uid: 0 } }, path: 'agent.uid' },
  { name: 'a resolver by name', in: { agent: { ...agent, dns: ['dns'] } }, path: 'agent.dns.0' },
  { name: 'a broker by name', in: { agent: { ...agent, brokers: [{ prefix: 'b', port: 1 }] } }, path: 'agent.brokers.0' },
  { name: "a broker's port", in: { agent: { ...agent, brokers: [{ prefix: '::', port: -1 }] } }, path: 'agent.brokers.0.port' },
  { name: 'a negative quota', in: { line: { ...line, quota: { bytes: -1n, used: 0n } } }, path: 'line.quota.bytes' },
  { name: 'a quota beyond 63 bits', in: { line: { ...line, quota: { bytes: 1n << 63n, used: 0n } } }, path: 'line.quota.bytes' },
  { name: 'less than nothing used', in: { line: { ...line, quota: { bytes: 1n, used: -1n } } }, path: 'line.quota.used' },
  { name: 'a rate beyond all routers', in: { line: { ...line, guests: 12_500_000_001n } }, path: 'line.guests' },
  { name: 'a rate of nothing', in: { line: { ...line, guests: 0n } }, path: 'line.guests' },
  { name: 'a line of nothing', in: { line: { ...line, tunnel: { up: 1n, down: 0n } } }, path: 'line.tunnel.down' },
];
for (const c of refusals)
  parse(`refuses ${c.name}`, () => {
    const read = ruleset.parse({ ...smallest, ...c.in });
    assert.is(read.ok ? '' : read.fault.code, c.code ?? 'malformed');
    assert.is(read.ok ? '' : read.fault.path, c.path);
  });
parse.run();

// With root and nft, the real thing: each golden loads, and loaded twice it is there once.
const isRoot = process.getuid !== undefined && process.getuid() === 0;
const nft = (process.env['PATH'] ?? '')
  .split(':')
  .map((dir) => `${dir}/nft`)
  .find(existsSync);
if (isRoot && nft !== undefined) {
  const load = suite('nft takes the rules');
  const inNamespace = (script: string): { status: number | null; output: string } => {
    const run = spawnSync('unshare', ['-n', 'sh', '-ec', script], { encoding: 'utf8', timeout: 30_000 });
    return { status: run.status, output: `${run.stdout}${run.stderr}` };
  };
  const made = 'ip link add weir0 type veth peer name g0; for i in wan pppoe-wan eth0.2; do ip link add $i type veth; done; ';
  const tables = 'nft add table netdev weir_m; nft add table inet weir_p; ';
  for (const c of goldens)
    load(c.name, () => {
      const file = `test/golden/${c.name}.nft`;
      const { status, output } = inNamespace(
        `${made}${tables}nft -c -f ${file}; nft -f ${file}; nft list ruleset; echo '#'; nft -f ${file}; nft list ruleset`,
      );
      assert.is(status, 0, output);
      const [once, twice] = output.split('#\n');
      assert.is(twice, once);
      assert.match(String(once), 'policy drop');
    });
  load('a change of uplinks and of the rate, what was counted kept', () => {
    const [before, after] = ['smallest', 'fullest'].map((name) => `test/golden/${name}.nft`);
    const { status, output } = inNamespace(
      `${made}${tables}nft -f ${before}; nft add counter netdev weir_m s1_cu { packets 7 bytes 9 }; nft add element netdev weir_m cu4 { 10.64.0.2 : '"s1_cu"' }; ` +
        `nft -f ${after}; nft list ruleset; nft -f ${before}; nft list ruleset`,
    );
    assert.is(status, 0, output);
    assert.is(output.split('10.64.0.2 : "s1_cu"').length, 3);
    assert.is(output.split('packets 7 bytes 9').length, 3);
  });
  load('nothing is loaded when a device is not there', () => {
    const { status, output } = inNamespace(
      `${tables}ip link add weir0 type veth; nft -f test/golden/smallest.nft || { nft list ruleset; exit 3; }`,
    );
    // Newer kernels take a hook on a device to come.
    assert.ok(status === 0 || (status === 3 && !output.includes('chain')), output);
  });
  load.run();
}
