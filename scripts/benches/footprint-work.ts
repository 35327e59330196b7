// Both roles at work on a small router: twenty sessions that a coordinator has opened over TLS, with traffic in each, and a receipt of each,
// countersigned. Bus, broker and coordinator are beside the router; its clock counts instructions, so that other work here does not show.

import { readFileSync } from 'node:fs';
import type { Birth } from '../../agent/core/birth.ts';
import type { ByteCount, SecretKey } from '../../agent/core/brand.ts';
import type { Outcome } from '../../agent/core/command.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { SessionId } from '../../agent/core/signed.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { host as node } from '../../agent/host/node.ts';
import { hexOf } from '../../agent/wire/form.ts';
import { bundleProgram } from '../../build/bundle.ts';
import { asCommand } from '../../build/bytecode.ts';
import { native } from '../../build/native.ts';
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
  /** Seconds of the processor's that a session's end takes: an order verified, the session stopped, a receipt and a root sealed, the receipt
   *  countersigned, the session evicted, an answer. */
  perReceipt: number;
}>;

/** `agent`: the program that is one. */
const secret = new Uint8Array(32).fill(7) as SecretKey;
const consumer = ed25519.signer(secret, node.sha512).key;
/** More than passes. */
const credit = (64n << 20n) as ByteCount;

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
    const { entry, modules } = await bundleProgram('scripts/benches/footprint-consumers.ts');
    const consumers = readFileSync(await native('mipsel_24kc', [asCommand(String(modules.get(entry)))]));
    const files = { ...order.files, '/bin/consumers': { bytes: consumers, mode: 0o755 } };
    const post = await open('mipsel', bus, { countsInstructions: true, timeoutMs: 1_500_000, ...order, files });
    try {
      await post.begin();
      await acts.load(post.ground, plain);
      await startAgent(post, agent, bus.agentPort, broker.authority);
      const coordinator = await coordinators.open('one', broker, 'weir/roof-1');
      try {
        const birth = await coordinator.born();
        await coordinator.certify();
        return await live(post, coordinator, birth);
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

/** With a way to the broker, which only the machine itself has. */
async function startAgent({ ground }: Post, agent: string, port: number, authority: string): Promise<void> {
  await ground.root.run(`
    ${ip} link add to-agent type veth peer name to-broker netns $(cat /run/router.pid)
    ${ip} address add ${way.machine}/30 dev to-agent
    ${ip} link set to-agent up
    echo 1 >/proc/sys/net/ipv4/ip_forward
    nft add table ip way
    nft add chain ip way out '{ type nat hook postrouting priority srcnat; }'
    nft add rule ip way out oifname eth0 masquerade`);
  await ground.in('router').run(`
    ${ip} address add ${way.router}/30 dev to-broker
    ${ip} link set to-broker up
    ${ip} route add ${host} via ${way.machine}
    cat >/etc/authority.pem ${input(authority)}
    mkdir -p -m 700 /etc/weir/agent /var/run/ubus.weir
    relay /var/run/ubus.weir/ubus.sock ${host} ${port}
    UBUS_SOCKET=/var/run/ubus.weir/ubus.sock ${agent} agent >/run/agent.log 2>&1 & echo $! >/run/agent.pid
    for try in $(seq 600); do grep -q 'published .*state' /run/agent.log && exit 0; usleep 200000; done
    cat /run/agent.log; exit 1`);
}

const way = { machine: '192.0.2.1', router: '192.0.2.2' } as const;

async function live(post: Post, coordinator: coordinators.Coordinator, birth: Birth): Promise<Work> {
  const { ground } = post;
  const made = await ground.in('c').run(`for n in $(seq 0 ${sessions - 1}); do wg genkey | tee /run/c$n.key | wg pubkey; done`);
  const opened: Opened[] = [];
  const granted: string[] = [];
  for (const key of made.trim().split('\n')) {
    const grant = coordinator.grant(key as PeerKey, { consumer, witness: 'required', credit });
    const answer = await coordinator.order({ kind: 'open', grant });
    if (answer.kind !== 'opened') throw new Error(`footprint: ${JSON.stringify(answer)}`);
    opened.push(answer);
    granted.push(`${answer.address4} ${hexOf(grant)}`);
  }
  await begin(
    post,
    opened.map(({ address4 }) => address4),
  );
  await ground.in('c').run(`
    cat >/run/granted ${input(granted.join('\n'))}
    consumers /run/granted ${hexOf(secret)} ${hexOf(birth.key)} ${hexOf(coordinator.key.key)} >/run/consumers 2>&1 &
    for try in $(seq 300); do grep -q ready /run/consumers && exit 0; sleep 1; done
    cat /run/consumers; exit 1`);
  const begun = await spent(post);
  await ground.root.run('sleep 40');
  const before = await spent(post);
  const quiet = sharesOf(begun, before);
  const memory = { agent: await memoryOf(post, 'agent'), enforcer: await memoryOf(post, 'enforcer') };
  // Last receipts, because they wait for no turn of the flash.
  for (const { session } of opened) await coordinator.order({ kind: 'close', session });
  for (const seen = new Set<SessionId>(); seen.size < sessions; ) {
    const { receipt, isWitnessed } = await coordinator.receipt();
    if (isWitnessed) seen.add(receipt.session);
  }
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
