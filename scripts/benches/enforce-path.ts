// The packet path: small packets of sessions drawn at random through veth, route, veth, on one core. Each kind of rules has a router of its
// own, all ready at once, so that the samples of a round lie next to each other in time. Knows what is measured, not what it should be.
//
//            ┌── weir0 [ router, one for each kind ] wan ──┐
//   ends ────┤                                             ├──── ends
//            └── lan   [                           ]       ┘
//
// Sessions come by weir0; without one, the packets are those of a LAN, which has to pay for what hangs on its uplink.

import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync } from 'node:fs';
import { type Namespace, openNamespace } from '../../test/net/ground/namespace.ts';
import * as rules from './enforce-rules.ts';

/** Processor time of one packet in nanoseconds, each way. */
export type Cost = Readonly<{ up: number; down: number }>;

export type Bed<Kind extends string> = Readonly<{
  router(kind: Kind): Namespace;
  /** Each of these once, every time in another order. */
  round(sessions: number, among: readonly Kind[]): Promise<ReadonlyMap<Kind, Cost>>;
  close(): Promise<void>;
}>;

const core = '1';
const sampleMs = 60;
const other = '11.0.0.2';
const macs = { weir0: '02:00:00:00:00:01', lan: '02:00:00:00:00:02', wan: '02:00:00:00:00:03' } as const;
const devices = Object.keys(macs) as (keyof typeof macs)[];
const endMac = '02:00:00:00:00:ee';
const hosts = 100;

export function compile(): string {
  const folder = 'build/out/bench';
  mkdirSync(folder, { recursive: true });
  execFileSync('cc', ['-O2', '-Wall', '-Wextra', '-o', `${folder}/send`, 'scripts/benches/enforce-send.c'], { stdio: 'inherit' });
  return `${folder}/send`;
}

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

export async function openBed<Kind extends string>(send: string, kinds: readonly Kind[]): Promise<Bed<Kind>> {
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
    await router.run(['nft', '-f', '-'], { input: rules.household });
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
    const [first, count] = sessions === 0 ? ['192.168.2.1', hosts] : [rules.first, sessions];
    const before = arrived(`${to}-${kind}`);
    const words = [`${from}-${kind}`, macs[from], way, first, String(count), other, long];
    const said = await ends.run(['taskset', '-c', core, `${process.cwd()}/${send}`, ...words]);
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
      const order = among.map((_, i) => among[(i + turn) % among.length] as Kind);
      const costs = new Map<Kind, Cost>();
      for (const kind of order) {
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
