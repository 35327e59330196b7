// The packet path: small packets of sessions drawn at random through veth, route, veth, on one core. Each kind of rules has a router of its
// own, all ready at once, so that the samples of a round lie next to each other in time. What is measured is the core's time for a packet,
// the whole path with it, both ways together; what else the machine does meanwhile does not count.
//
//            ┌── weir0 [ router, one for each kind ] wan ──┐
//   ends ────┤                                             ├──── ends
//            └── lan   [                           ]       ┘
//
// Sessions come by weir0, a veth here: no encryption is in the path. Without a session the packets are those of a LAN, which pays for what
// hangs on its uplink.

import { readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type Namespace, openNamespace } from '../../test/net/ground/namespace.ts';
import { render } from './bench.ts';
import * as rules from './enforce-rules.ts';
import { type ByCount, median, type Part, progress, type Tools } from './enforce-tools.ts';

const kinds = ['none', 'meter', 'policy', 'facts', 'naive'] as const;
type Kind = (typeof kinds)[number];
/** Nanoseconds of a packet up and one down. */
type Round = ReadonlyMap<Kind, Readonly<{ up: number; down: number }>>;

const counts = [0, 1, 100, 1000, 10_000];
/** Beyond that a packet takes longer than a round trip around the world. */
const mostNaive = 1000;
const rounds = 11;
const sampleMs = 60;
const core = `${cpus().length - 1}`;
const least = 0.95;

const other = '11.0.0.2';
const hosts = { first: '192.168.2.1', count: 100 };
const macs = { weir0: '02:00:00:00:00:01', lan: '02:00:00:00:00:02', wan: '02:00:00:00:00:03' } as const;
const devices = Object.keys(macs) as (keyof typeof macs)[];
const endMac = '02:00:00:00:00:ee';

// ── The bed ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const setUp: readonly string[] = [
  'link set lo up',
  ...devices.map((device) => `link set ${device} address ${macs[device]} up`),
  'address add 10.213.255.254/32 dev weir0',
  'address add 11.1.0.2/24 dev wan',
  'address add 192.168.1.1/24 dev lan',
  ...[
    ['weir0', '10.9.9.9'],
    ['lan', '192.168.1.2'],
    ['wan', '11.1.0.1'],
  ].map(([device, gateway]) => `neigh add ${gateway} lladdr ${endMac} dev ${device}`),
  `route add ${rules.network} via 10.9.9.9 dev weir0 onlink`,
  'route add 192.168.2.0/24 via 192.168.1.2 dev lan',
  'route add default via 11.1.0.1 dev wan',
];

type Bed = Readonly<{
  router(kind: Kind): Namespace;
  round(sessions: number, among: readonly Kind[]): Promise<Round>;
  close(): Promise<void>;
}>;

async function openBed(send: string): Promise<Bed> {
  const places: Namespace[] = [];
  const open = async (name: string): Promise<Namespace> => {
    const place = await openNamespace(name);
    places.push(place);
    const settings = [
      ['ipv6/conf/all/disable_ipv6', '1'],
      ['ipv6/conf/default/disable_ipv6', '1'],
      ['ipv4/conf/all/rp_filter', '0'],
      ['ipv4/conf/default/rp_filter', '0'],
      // A flow lasts as long as the bench; its first packet is not what is measured.
      ['netfilter/nf_conntrack_udp_timeout', '3600'],
      ['netfilter/nf_conntrack_udp_timeout_stream', '3600'],
    ] as const;
    for (const [path, text] of settings) await place.ask('write', { path: `/proc/sys/net/${path}`, text });
    return place;
  };
  const ends = await open('ends');
  const routers = new Map<Kind, Namespace>();
  for (const kind of kinds) {
    const router = await open(kind);
    routers.set(kind, router);
    const links = devices.flatMap((device) => [
      `link add ${device}-${kind} type veth peer name ${device} netns ${router.pid}`,
      `link set ${device}-${kind} address ${endMac} up`,
    ]);
    await ends.run(['ip', '-batch', '-'], { input: links.join('\n') });
    await router.ask('write', { path: '/proc/sys/net/ipv4/ip_forward', text: '1' });
    await router.run(['ip', '-batch', '-'], { input: setUp.join('\n') });
  }
  const sinks = kinds.flatMap((kind) => devices.map((device) => `"${device}-${kind}"`)).join(', ');
  await ends.run(['nft', '-f', '-'], {
    input: `table netdev sink { chain sink { type filter hook ingress devices = { ${sinks} } priority 0; policy drop; }; }`,
  });

  const arrived = (link: string): number => {
    const line = readFileSync(`/proc/${ends.pid}/net/dev`, 'utf8')
      .split('\n')
      .find((l) => l.trim().startsWith(`${link}:`));
    const packets = line?.trim().split(/[:\s]+/)[2];
    if (packets === undefined) throw new Error(`no link ${link}`);
    return Number(packets);
  };

  const shoot = async (kind: Kind, sessions: number, way: 'up' | 'down', long: string): Promise<number> => {
    const inside = sessions === 0 ? 'lan' : 'weir0';
    const [from, to] = way === 'up' ? ([inside, 'wan'] as const) : (['wan', inside] as const);
    const [first, count] = sessions === 0 ? [hosts.first, hosts.count] : [rules.first, sessions];
    const before = arrived(`${to}-${kind}`);
    const words = [`${from}-${kind}`, macs[from], way, first, String(count), other, long];
    const said = await ends.run(['taskset', '-c', core, send, ...words]);
    const [sent = 0, nanoseconds = 0] = said.split(' ').map(Number);
    const lost = sent - (arrived(`${to}-${kind}`) - before);
    if (lost > sent / 100) throw new Error(`${kind}, ${sessions} sessions, ${way}: ${lost} of ${sent} packets did not arrive`);
    return nanoseconds / sent;
  };

  let turn = 0;
  return {
    router(kind) {
      const router = routers.get(kind);
      if (router === undefined) throw new Error(`no router for ${kind}`);
      return router;
    },
    async round(sessions, among) {
      turn += 1;
      const costs = new Map<Kind, Readonly<{ up: number; down: number }>>();
      // Another one begins each time.
      const first = turn % among.length;
      for (const kind of [...among.slice(first), ...among.slice(0, first)]) {
        // Replies are only let in to flows that there are.
        await shoot(kind, sessions, 'up', 'all');
        costs.set(kind, {
          up: await shoot(kind, sessions, 'up', String(sampleMs)),
          down: await shoot(kind, sessions, 'down', String(sampleMs)),
        });
      }
      return costs;
    },
    async close() {
      await Promise.all(places.map((place) => place.close()));
    },
  };
}

// ── Rules and sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────

async function load({ order }: Tools, router: Namespace, kind: Kind, sessions: number): Promise<void> {
  const nft = (input: string): Promise<string> => router.run(['nft', '-f', '-'], { input, withinMs: 60_000 });
  await nft(`flush ruleset\n${rules.household}`);
  switch (kind) {
    case 'none':
      return;
    case 'facts':
      return void (await nft(rules.facts(sessions)));
    case 'naive':
      return void (await nft(rules.naive(sessions)));
    default:
      // Sets are as large as the owner allows sessions.
      await order(router, [
        ['prepare', Math.max(1, sessions)],
        ['add', 1, sessions],
      ]);
      if (kind === 'meter') await nft('delete table inet weir_p');
  }
}

export async function measure(tools: Tools): Promise<Part> {
  const bed = await openBed(tools.send);
  const found = new Map<number, readonly Round[]>();
  try {
    for (const sessions of counts) {
      progress(`packets: ${sessions} sessions`);
      const among = kinds.filter((kind) => kind !== 'naive' || sessions <= mostNaive);
      for (const kind of among) await load(tools, bed.router(kind), kind, sessions);
      const all: Round[] = [];
      for (let i = 0; i < rounds; i++) all.push(await bed.round(sessions, among));
      found.set(sessions, all);
    }
  } finally {
    await bed.close();
  }
  return report(found);
}

// ── The report ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const costOf = (round: Round, kind: Kind): number => {
  const cost = round.get(kind);
  if (cost === undefined) throw new Error(`nothing was measured of ${kind}`);
  return (cost.up + cost.down) / 2;
};

/** Packets in the same time: of one kind against another in the same round, then the median of the rounds. */
const compare = (all: readonly Round[], one: Kind, against: Kind): number =>
  Math.round(1000 * median(all.map((round) => costOf(round, against) / costOf(round, one)))) / 1000;

function report(found: ReadonlyMap<number, readonly Round[]>): Part {
  const ratios = (one: Kind, against: Kind): ByCount =>
    Object.fromEntries(
      [...found].flatMap(([sessions, all]) =>
        all.every((round) => round.has(one) && round.has(against)) ? [[sessions, compare(all, one, against)]] : [],
      ),
    );
  const numbers = {
    meter_ratio: ratios('meter', 'none'),
    policy_ratio: ratios('policy', 'none'),
    facts_ratio: ratios('policy', 'facts'),
    naive_ratio: ratios('policy', 'naive'),
  };
  const at = (of: ByCount, sessions: number): string => of[sessions]?.toFixed(sessions > 1 && of === numbers.naive_ratio ? 1 : 3) ?? '–';
  const table = [
    ['sessions', 'without rules, ns', 'all rules, ns', 'meter / none', 'all / none', 'all / first design', 'all / naive'],
    ...[...found].map(([sessions, all]) => [
      sessions === 0 ? '0 (the household)' : `${sessions}`,
      ...(['none', 'policy'] as const).map((kind) => median(all.map((round) => costOf(round, kind))).toFixed(0)),
      ...Object.values(numbers).map((of) => at(of, sessions)),
    ]),
  ];
  const body = [
    render(table),
    'Packets a second against each other; the nanoseconds are those of one core for one packet of 46 bytes through the whole path, up and ' +
      'down on average. All rules: caps and rates of session and line, egress, SMTP, limits of flows, lower effort marked; every session ' +
      'with its five objects. First design: the rules that the promises were first tried with; they mark nothing and count no line bytes. ' +
      `Naive: four rules for each session; not tried beyond ${mostNaive}. Every router here follows connections, as every firewall makes ` +
      'it. No encryption is in the path: on a router its share is larger, and that of the rules smaller.',
  ].join('\n\n');
  const broken = Object.entries(numbers.facts_ratio)
    .filter(([, ratio]) => ratio < least)
    .map(([sessions, ratio]) => `facts_ratio at ${sessions}: ${ratio}, at least ${least}`);
  return { body, numbers, broken };
}
