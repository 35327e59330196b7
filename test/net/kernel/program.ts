// The kernel's adapters on the native host, told by a test what to do: lines of JSON over a unix socket. Its argument is the socket's path.

import '../../../agent/host/globals.ts';
import * as netlink from '../../../agent/adapters/netlink.ts';
import * as nftablesAdapter from '../../../agent/adapters/nftables.ts';
import * as routeAdapter from '../../../agent/adapters/route.ts';
import * as wireguardAdapter from '../../../agent/adapters/wireguard.ts';
import { text } from '../../../agent/core/result.ts';
import * as x25519 from '../../../agent/crypto/x25519.ts';
import { host } from '../../../agent/host/quickjs.ts';
import type { RouteEvents, Routes, RuleEvents, Rules, Tunnel } from '../../../agent/ports/router.ts';
import * as nftables from '../../../agent/wire/nftables.ts';
import * as rtnetlink from '../../../agent/wire/rtnetlink.ts';
import * as wireguard from '../../../agent/wire/wireguard.ts';
import * as json from './json.ts';

const decoder = new TextDecoder();
const encoder = new TextEncoder();
let pending = '';
const stream = host.net.connectUnix(String(host.process.args[0]), {
  opened: () => say({ event: 'ready' }),
  received(bytes) {
    const lines = (pending + decoder.decode(bytes)).split('\n');
    pending = String(lines.pop());
    for (const line of lines) void obey(json.read(line) as Request);
  },
  ended: () => host.process.exit(0),
  drained: () => undefined,
  closed: () => host.process.exit(0),
});
const say = (value: unknown): unknown => stream.write(encoder.encode(`${json.write(value)}\n`));

const socket = netlink.open(host, rtnetlink.protocol);
if (!socket.ok) throw new Error(text(socket.fault));
const rules: Rules = nftablesAdapter.open(host, {
  nft: '/usr/sbin/nft',
  connect: () => netlink.open(host, nftables.protocol),
  listen: (heard) => netlink.listen(host, nftables.protocol, [nftables.group], heard),
});
const tunnel: Tunnel = wireguardAdapter.open(host, {
  connect: () => netlink.open(host, wireguard.protocol),
  publicOf: async (secret) => x25519.publicKey(secret),
});
const routes: Routes = routeAdapter.open({
  socket: socket.value,
  listen: (heard) => netlink.listen(host, rtnetlink.protocol, routeAdapter.groups, heard),
});

const happened = (of: string, event: string) => (why?: unknown) => void say({ event: `${of}.${event}`, why });
const ruleEvents: RuleEvents = {
  gone: happened('rules', 'gone'),
  stale: happened('rules', 'stale'),
  spent: happened('rules', 'spent'),
  deaf: happened('rules', 'deaf'),
};
const routeEvents: RouteEvents = {
  changed: happened('routes', 'changed'),
  gone: happened('routes', 'gone'),
  failed: happened('routes', 'failed'),
  deaf: happened('routes', 'deaf'),
};

const verbs = {
  ...Object.fromEntries(Object.entries(rules).map(([name, f]) => [`rules.${name}`, f])),
  ...Object.fromEntries(Object.entries(tunnel).map(([name, f]) => [`tunnel.${name}`, f])),
  ...Object.fromEntries(Object.entries(routes).map(([name, f]) => [`routes.${name}`, f])),
  'rules.watch': () => rules.watch(ruleEvents),
  'routes.watch': () => routes.watch(routeEvents),
  memory: () => host.process.memory(),
  /** Many steps, told once. */
  'rules.applyAll': async (steps: readonly Parameters<Rules['apply']>[0][]) => {
    for (const step of steps) {
      const applied = await rules.apply(step);
      if (!applied.ok) return applied;
    }
    return { ok: true, value: steps.length };
  },
} as Readonly<Record<string, (...args: readonly unknown[]) => unknown>>;

type Request = Readonly<{ id: number; verb: string; args: readonly unknown[] }>;
async function obey({ id, verb, args }: Request): Promise<void> {
  const started = host.clock.monotonic();
  const value = await verbs[verb]?.(...args);
  say({ id, value, ms: host.clock.monotonic() - started });
}
