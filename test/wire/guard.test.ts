import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ip from '../../agent/core/ip.ts';
import * as guard from '../../agent/wire/guard.ts';
import type { Link, Route } from '../../agent/wire/rtnetlink.ts';

const prefix = (text: string): ip.Prefix => {
  const parsed = ip.parsePrefix(text);
  if (!parsed.ok) throw new Error(parsed.fault.reason);
  return parsed.value;
};
const links: readonly Link[] = ['lo', 'wan', 'wan2', 'br-lan', 'weir0'].map((name, i) => ({
  index: i + 1,
  name,
  isEthernet: true,
  isUp: true,
  hasCarrier: true,
}));
const at = (name: string): number => links.find((l) => l.name === name)?.index ?? 0;

/** `TO [from SOURCE] [via GATEWAY] dev LINK [metric N] [table N] [proto N]`, or `TYPE TO …`. */
function route(line: string): Route {
  const [, type = 'unicast', to = '', rest = ''] = /^(?:(unreachable|blackhole|prohibit) )?(\S+) ?(.*)$/.exec(line) ?? [];
  const said = (word: string): string | undefined => new RegExp(`\\b${word} (\\S+)`).exec(rest)?.[1];
  const [gateway, dev, from] = ['via', 'dev', 'from'].map(said);
  return {
    destination: prefix(to),
    ...(from === undefined ? {} : { source: prefix(from) }),
    type: type as Route['type'],
    table: Number(said('table') ?? 254),
    metric: Number(said('metric') ?? 0),
    protocol: Number(said('proto') ?? 3),
    hops: dev === undefined ? [] : [{ index: at(dev), ...(gateway === undefined ? {} : { gateway: prefix(gateway).address }) }],
  };
}
const shown = ({ destination, type, metric, hops }: Route): string => {
  const to = `${ip.renderAddress(destination.address)}/${destination.length}`;
  const over = hops.map((h) => `${h.gateway === undefined ? '' : ` via ${ip.renderAddress(h.gateway)}`} dev ${links[h.index - 1]?.name}`);
  return `${type} ${to}${over.join()} metric ${metric}`;
};

const fixed = {
  4: ['10.0.0.0/8', '100.64.0.0/10', '169.254.0.0/16', '172.16.0.0/12', '192.168.0.0/16'],
  6: ['fc00::/7', 'fe80::/10', 'fec0::/10'],
} as const;

const routing = suite('routes');
const cases: readonly {
  name: string;
  family: 4 | 6;
  there: readonly string[];
  uplinks?: readonly string[];
  open?: readonly string[];
  want: readonly string[];
  not?: string;
}[] = [
  { name: 'nothing around', family: 4, there: [], want: [] },
  {
    name: 'the uplink, the LAN',
    family: 4,
    there: ['0.0.0.0/0 via 11.1.0.1 dev wan', '11.1.0.0/24 dev wan', '11.7.0.0/24 dev br-lan'],
    want: ['prohibit 11.7.0.0/24 metric 1024', 'unicast 0.0.0.0/0 via 11.1.0.1 dev wan metric 0'],
  },
  { name: 'no uplink of ours', family: 4, there: ['0.0.0.0/0 via 11.1.0.1 dev wan2'], want: [] },
  {
    name: 'two uplinks, by their metrics',
    family: 4,
    uplinks: ['wan', 'wan2'],
    there: ['0.0.0.0/0 via 11.1.0.1 dev wan metric 10', '0.0.0.0/0 via 11.2.0.1 dev wan2 metric 20'],
    want: ['unicast 0.0.0.0/0 via 11.1.0.1 dev wan metric 10', 'unicast 0.0.0.0/0 via 11.2.0.1 dev wan2 metric 20'],
  },
  {
    name: 'a default route in a table of its own, behind that of the main one',
    family: 4,
    there: ['0.0.0.0/0 via 11.9.0.1 dev wan table 100', '0.0.0.0/0 via 11.1.0.1 dev wan'],
    want: ['unicast 0.0.0.0/0 via 11.1.0.1 dev wan metric 0'],
  },
  {
    name: "the owner's VPN in halves is no network",
    family: 4,
    there: ['0.0.0.0/0 via 11.1.0.1 dev wan', '0.0.0.0/1 dev br-lan', '128.0.0.0/1 dev br-lan'],
    want: ['unicast 0.0.0.0/0 via 11.1.0.1 dev wan metric 0'],
  },
  {
    name: 'our own, and local addresses, are not around us',
    family: 4,
    there: ['prohibit 11.8.0.0/24 table 47200 proto 47', '11.7.0.1/32 dev br-lan table 255'],
    want: [],
  },
  {
    name: 'a default route for each prefix of the household is one',
    family: 6,
    there: [
      '::/0 from 2a11:f::/48 via fe80::1 dev wan metric 512',
      '::/0 from 2a11:1::2/128 via fe80::1 dev wan metric 512',
      'unreachable 2a11:f::/48',
      '2a11:f:0:1::/64 dev br-lan metric 1024',
    ],
    want: ['prohibit 2a11:f::/48 metric 1024', 'prohibit 2a11:f:0:1::/64 metric 1024', 'unicast ::/0 via fe80::1 dev wan metric 512'],
  },
  {
    name: 'opened: not the LAN, nor beyond',
    family: 4,
    open: ['10.0.0.0/8', '192.168.1.0/24', 'fd00::/8'],
    there: ['0.0.0.0/0 via 11.1.0.1 dev wan', '192.168.1.0/24 dev br-lan', '10.213.0.0/22 dev weir0'],
    want: [
      'prohibit 10.213.0.0/22 metric 1024',
      'prohibit 192.168.1.0/24 metric 1024',
      'unicast 0.0.0.0/0 via 11.1.0.1 dev wan metric 0',
      'unicast 10.0.0.0/8 via 11.1.0.1 dev wan metric 0',
    ],
    not: '10.0.0.0/8',
  },
];
for (const { name, family, there, uplinks = ['wan'], open = [], want, not } of cases)
  routing(name, () => {
    const made = guard.routes(family, { device: 'weir0', uplinks, open: open.map(prefix) }, { links, routes: there.map(route) });
    const always = fixed[family].filter((text) => text !== not).map((text) => `prohibit ${text} metric 1024`);
    assert.equal(made.map(shown).sort(), [...want, ...always].sort());
    for (const r of made) assert.equal([r.table, r.protocol, r.source], [47_200, 47, undefined]);
  });
routing.run();

const changing = suite('changes');
const wanted = { device: 'weir0', uplinks: ['wan'], open: [] };
const want = {
  rules: guard.rules(4, wanted),
  routes: guard.routes(4, wanted, { links, routes: [route('0.0.0.0/0 via 11.1.0.1 dev wan'), route('11.7.0.0/24 dev br-lan')] }),
};
const kinds = (changes: readonly guard.Change[]): string[] =>
  changes.map((c) => `${c.kind} ${'rule' in c ? c.rule.action : c.route.type}`).filter((k, i, all) => k !== all[i - 1]);

changing('from nothing: what refuses first, what leads there last', () => {
  assert.equal(kinds(guard.changes(want, { rules: [], routes: [] })), [
    'add-rule prohibit',
    'add-route prohibit',
    'add-route unicast',
    'add-rule lookup',
  ]);
});
changing('to nothing: what refuses last', () => {
  assert.equal(kinds(guard.changes({ rules: [], routes: [] }, want)), [
    'delete-route unicast',
    'delete-rule lookup',
    'delete-route prohibit',
    'delete-rule prohibit',
  ]);
});
changing('what is there stays', () => assert.equal(guard.changes(want, want), []));
changing("others' are not touched", () => {
  const others = { rules: want.rules.map((r) => ({ ...r, protocol: 3 })), routes: want.routes.map((r) => ({ ...r, protocol: 3 })) };
  assert.equal(guard.changes({ rules: [], routes: [] }, others), []);
});
changing('another gateway takes the place of the first', () => {
  const moved = want.routes.map((r) => (r.type === 'unicast' ? { ...r, hops: route('0.0.0.0/0 via 11.1.0.9 dev wan').hops } : r));
  assert.equal(kinds(guard.changes({ ...want, routes: moved }, want)), ['add-route unicast']);
});
changing('and so does one in no network of its link', () => {
  const beyond = want.routes.map((r) => ({ ...r, hops: r.hops.map((h) => ({ ...h, onlink: true as const })) }));
  assert.equal(kinds(guard.changes({ ...want, routes: beyond }, want)), ['add-route unicast']);
});
changing('another metric does not', () => {
  const moved = want.routes.map((r) => (r.type === 'unicast' ? { ...r, metric: 7 } : r));
  assert.equal(kinds(guard.changes({ ...want, routes: moved }, want)), ['delete-route unicast', 'add-route unicast']);
});
changing.run();
