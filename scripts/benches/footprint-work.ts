// Both roles at work on a small router: twenty sessions that a coordinator has opened over TLS, with traffic in each, and a receipt of each.
// Bus, broker and coordinator are beside the router; its clock counts instructions, so that other work here does not show.

import type { Outcome } from '../../agent/core/command.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import * as coordinators from '../../test/fakes/coordinator.ts';
import * as mosquitto from '../../test/fakes/mosquitto.ts';
import * as at from '../../test/net/ground/addresses.ts';
import { mark } from '../../test/net/ground/topology.ts';
import { config } from '../../test/net/post.ts';
import { input, ip, plain } from '../../test/vm/ground/enforce.ts';
import * as acts from '../../test/vm/ground/enforce-acts.ts';
import { open, type Post, startBus } from '../../test/vm/ground/enforce-post.ts';
import { host, type Order } from '../../test/vm/ground/router.ts';

export const sessions = 20;
const roles = ['agent', 'enforcer'] as const;
type Role = (typeof roles)[number];

type Opened = Extract<Outcome, { kind: 'opened' }>;
export type Memory = Readonly<Record<'resident' | 'proportional' | 'anonymous' | 'private', number>>;
export type Work = Readonly<{
  memory: Readonly<Record<Role, Memory>>;
  /** Percent of the processor's time while nothing is sealed. */
  quiet: Readonly<Record<Role, number>>;
  /** Seconds of the processor's that a session's end takes: an order verified, the session evicted, a receipt and a root sealed, an answer. */
  perReceipt: number;
}>;

/** `agent`: the program that is one. */
export async function work({ agent = 'weir', ...order }: Partial<Order> & Readonly<{ agent?: string }> = {}): Promise<Work> {
  const broker = await mosquitto.start(host);
  const settings = {
    'node.id': 'roof-1',
    'broker.host': host,
    'broker.port': String(broker.tlsPort),
    'broker.user': broker.user,
    'broker.password': broker.password,
    'broker.authority': '/etc/authority.pem',
    'broker.spread': '0',
  };
  const bus = await startBus(config(settings) + coordinators.section('one', 'sessions'));
  try {
    const post = await open('mipsel', bus, { countsInstructions: true, timeoutMs: 1_500_000, ...order });
    try {
      await post.begin();
      await acts.load(post.ground, plain);
      await startAgent(post, agent, bus.agentPort, broker.authority);
      const coordinator = await coordinators.open('one', broker, 'weir/roof-1');
      try {
        await coordinator.born();
        await coordinator.certify();
        return await live(post, coordinator);
      } finally {
        coordinator.close();
      }
    } finally {
      await post.close();
    }
  } finally {
    await bus.stop();
    await broker.stop();
  }
}

/** Outside of the router's namespace, since only there the broker is. */
async function startAgent({ ground }: Post, agent: string, port: number, authority: string): Promise<void> {
  await ground.root.run(`
    cat >/etc/authority.pem ${input(authority)}
    mkdir -p -m 700 /etc/weir/agent /var/run/ubus.weir
    relay /var/run/ubus.weir/ubus.sock ${host} ${port}
    UBUS_SOCKET=/var/run/ubus.weir/ubus.sock ${agent} agent >/run/agent.log 2>&1 & echo $! >/run/agent.pid
    for try in $(seq 600); do grep -q 'published .*state' /run/agent.log && exit 0; usleep 200000; done
    cat /run/agent.log; exit 1`);
}

async function live(post: Post, coordinator: coordinators.Coordinator): Promise<Work> {
  const { ground } = post;
  const made = await ground.in('c').run(`for n in $(seq 0 ${sessions - 1}); do wg genkey | tee /run/c$n.key | wg pubkey; done`);
  const opened: Opened[] = [];
  for (const key of made.trim().split('\n')) {
    const answer = await coordinator.order({ kind: 'open', grant: coordinator.grant(key as PeerKey) });
    if (answer.kind !== 'opened') throw new Error(`footprint: ${JSON.stringify(answer)}`);
    opened.push(answer);
  }
  await begin(
    post,
    opened.map(({ address4 }) => address4),
  );
  const begun = await spent(post);
  await ground.root.run('sleep 40');
  const before = await spent(post);
  const quiet = sharesOf(begun, before);
  const memory = { agent: await memoryOf(post, 'agent'), enforcer: await memoryOf(post, 'enforcer') };
  // Last receipts, because they wait for no turn of the flash.
  for (const { session } of opened) await coordinator.order({ kind: 'close', session });
  for (const _ of opened) await coordinator.receipt();
  const after = await spent(post);
  const all = after.agent - before.agent + after.enforcer - before.enforcer;
  const perReceipt = (all - ((quiet.agent + quiet.enforcer) / 100) * (after.uptime - before.uptime)) / sessions;
  return { memory, quiet, perReceipt };
}

/** A device of its own for each consumer, and a packet from time to time. */
async function begin({ ground }: Post, addresses: readonly string[]): Promise<void> {
  const lines = addresses.flatMap((address, n) => [
    `link add to-r${n} type wireguard`,
    `address add ${address}/32 dev to-r${n}`,
    `link set to-r${n} up mtu 1420`,
    `route add default dev to-r${n} table ${1000 + n}`,
    `rule add from ${address} lookup ${1000 + n}`,
  ]);
  const key = (await ground.in('router').run('wg show weir0 public-key')).trim();
  const peer = `peer ${key} allowed-ips 0.0.0.0/0 endpoint ${at.wan.v4}:${at.tunnel.port}`;
  const each = addresses.map(
    (address, n) => `
      wg set to-r${n} private-key /run/c${n}.key fwmark ${mark} ${peer}
      ping -i 5 -I ${address} -s 1000 ${at.internet.v4} >/run/ping${n} 2>&1 &`,
  );
  await ground.in('c').run(`
    ${ip} -batch - ${input(lines.join('\n'))}
    ${each.join('')}
    for try in $(seq 60); do [ $(grep -l 'seq=' /run/ping* | wc -l) = ${addresses.length} ] && exit 0; sleep 1; done
    cat /run/ping*; exit 1`);
}

type Spent = Readonly<Record<Role | 'uptime', number>>;

/** In seconds. The first figure of schedstat is exact, where jiffies are samples. */
async function spent({ ground }: Post): Promise<Spent> {
  const told = await ground.root.run(
    'cut -d" " -f1 /proc/$(cat /run/agent.pid)/schedstat /proc/$(cat /run/enforcer.pid)/schedstat /proc/uptime',
  );
  const [agent = Number.NaN, enforcer = Number.NaN, uptime = Number.NaN] = told.trim().split('\n').map(Number);
  return { agent: agent / 1e9, enforcer: enforcer / 1e9, uptime };
}

const sharesOf = (a: Spent, b: Spent): Record<Role, number> => ({
  agent: (100 * (b.agent - a.agent)) / (b.uptime - a.uptime),
  enforcer: (100 * (b.enforcer - a.enforcer)) / (b.uptime - a.uptime),
});

async function memoryOf({ ground }: Post, role: Role): Promise<Memory> {
  const told = await ground.root.run(`cat /proc/$(cat /run/${role}.pid)/status /proc/$(cat /run/${role}.pid)/smaps_rollup`);
  return memoryIn(told);
}

/** Of a process's status and smaps_rollup; each line begins with `prefix`. */
export function memoryIn(told: string, prefix = ''): Memory {
  const field = (name: string): number => {
    const kb = new RegExp(`^${prefix}${name}:\\s+(\\d+) kB$`, 'm').exec(told)?.[1];
    if (kb === undefined) throw new Error(`footprint: no ${name} in\n${told}`);
    return Number(kb);
  };
  return {
    resident: field('VmRSS'),
    proportional: field('Pss'),
    anonymous: field('RssAnon'),
    private: field('Private_Clean') + field('Private_Dirty'),
  };
}
