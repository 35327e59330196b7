// The ground of test/net inside one emulated router: the same places and addresses, but the kernel's own WireGuard on both ends, and a
// firewall that offloads flows from every device to every device. Knows nothing of Weir's rules.

import { readFileSync } from 'node:fs';
import { bundleProgram } from '../../../build/bundle.ts';
import { asCommand } from '../../../build/bytecode.ts';
import { native, type Target } from '../../../build/native.ts';
import * as at from '../../net/ground/addresses.ts';
import * as topology from '../../net/ground/topology.ts';
import { bootRouter, type Shell } from './enforce-shell.ts';
import { modules, tools } from './enforce-tools.ts';
import type { Machine } from './machines.ts';
import type { Order } from './router.ts';

const places = ['uplink', 'internet', 'router', 'lan', 'c'] as const;
export type Place = (typeof places)[number];

export type Keys = Readonly<{ secret: string; public: string }>;

export type Ground = Readonly<{
  /** The machine itself, which alone reaches the test; its files are everybody's. */
  root: Shell;
  in(place: Place): Shell;
  /** One more, for two things at a time in one place. */
  open(place: Place): Promise<Shell>;
  keys: Readonly<{ router: Keys; c: Keys }>;
  /** Makes c forget what it had agreed on with its router, and begin anew. */
  connect(router?: string): Promise<void>;
  close(): Promise<void>;
}>;

/** Everything is offloaded, the tunnel too: the worst that an owner can set. As fw4 makes it, offload is the forward chain's first rule. */
const firewall = (devices: readonly string[]): string => `add table inet fw4
delete table inet fw4
table inet fw4 {
  ${devices.length === 0 ? '' : `flowtable ft { hook ingress priority 0; devices = { ${devices.join(', ')} }; }`}
  chain forward { type filter hook forward priority filter; policy drop;
    ${devices.length === 0 ? '' : 'meta l4proto { tcp, udp } flow add @ft;'}
    ct state established,related accept;
    iifname { "weir0", "br-lan" } oifname "wan" accept;
  }
  chain srcnat { type nat hook postrouting priority srcnat; policy accept;
    oifname "wan" meta nfproto ipv4 masquerade;
    oifname "wan" ip6 saddr fc00::/7 masquerade;
  }
}
`;
export const offloaded = firewall(['weir0', 'wan', 'br-lan']);
export const plain = firewall([]);

/** What arrives in the Internet, whoever let it pass. */
const witness = `table netdev witness {
  counter arrived { }
  chain in { type filter hook ingress device "eth0" priority 0; policy accept; meta l4proto udp th dport 443 counter name "arrived"; }
}
`;

/** busybox's sh prefers its own ip, whatever PATH says. */
export const ip = '/usr/sbin/ip';

export const input = (text: string): string => `<<'end of input'\n${text}\nend of input`;

export async function createGround(machine: Machine, order: Partial<Order> = {}): Promise<Ground> {
  const { entry, modules: programs } = await bundleProgram('test/vm/ground/enforce-traffic.ts');
  const program = programs.get(entry);
  if (program === undefined) throw new Error('no program came out of the bundler');
  const target: Target = machine === 'mipsel' ? 'mipsel_24kc' : 'x86_64';
  const traffic = readFileSync(await native(target, [asCommand(program)]));
  const router = await bootRouter({
    machine,
    timeoutMs: 600_000,
    binary: readFileSync(await native(target)),
    modules: modules(machine),
    ...order,
    files: { ...tools(machine), '/bin/traffic': { bytes: traffic, mode: 0o755 }, ...order.files },
  });
  try {
    const { root } = router;
    // A server on an emulated machine has to wait for the next datagram, and the next one for it.
    await root.run('echo 4194304 >/proc/sys/net/core/rmem_default');
    // The number is written when the namespace is there.
    const pids = await root.run(`
for place in ${places.join(' ')}; do
  unshare -n sh -c "echo \\$\\$ >/run/$place.pid; exec sleep 1000000" >/dev/null 2>&1 &
  until [ -s /run/$place.pid ]; do usleep 1000; done
  cat /run/$place.pid
done`);
    const pidOf = new Map(places.map((place, n) => [place as string, Number(pids.split('\n')[n])]));
    const pid = (place: string): number => pidOf.get(place) ?? absent(place);
    const open = (place: string): Promise<Shell> => router.open(`nsenter -t ${pid(place)} -n`);
    const shells = new Map<string, Shell>();
    for (const place of places) shells.set(place, await open(place));
    const shell = (place: string): Shell => shells.get(place) ?? absent(place);
    const batch = (place: string, lines: readonly string[]): Promise<string> =>
      shell(place).run(`${ip} -batch - ${input(lines.join('\n'))}`);

    for (const place of places)
      await shell(place).run('for which in all default; do echo 0 >/proc/sys/net/ipv6/conf/$which/accept_dad; done');
    for (const place of ['router', 'uplink'])
      await shell(place).run('echo 1 >/proc/sys/net/ipv4/ip_forward; echo 1 >/proc/sys/net/ipv6/conf/all/forwarding');
    if (order.cable === true)
      for (const [card, place, name] of [
        ['eth1', 'router', 'wan'],
        ['eth2', 'uplink', 'to-r'],
      ] as const)
        await root.run(`${ip} link set ${card} netns ${pid(place)} name ${name}`);
    await batch('uplink', topology.provider(['c'], pid, { card: order.cable === true }));
    await batch('router', topology.homeCable(pid('lan')));
    await batch('router', topology.router({}));
    await batch('lan', topology.lan({}));
    await batch('internet', topology.internet({}));
    await batch('c', ['link add wg0 type wireguard', ...topology.consumer(at.consumer(0))]);
    for (const family of ['-4', '-6']) await shell('c').run(`${ip} ${family} ${topology.consumerRule}`);
    await shell('internet').run(`nft -f - ${input(witness)}`);
    for (const address of [at.internet.v4, at.internet.v6])
      await shell('internet').run(`traffic echo ${address} 443 >/tmp/echo-${address} 2>&1 &
        until grep -q ready /tmp/echo-${address}; do usleep 1000; done`);
    await shell('internet').run(`
      nc -ll -p 444 -e cat /dev/zero >/dev/null 2>&1 &
      nc -ll -p 445 -e sh -c 'cat >/dev/null' >/dev/null 2>&1 &`);
    const made = await root.run('for who in router c; do wg genkey | tee /run/$who.key; wg pubkey </run/$who.key; done');
    const [routerSecret = '', routerPublic = '', cSecret = '', cPublic = ''] = made.split('\n');
    const keys = { router: { secret: routerSecret, public: routerPublic }, c: { secret: cSecret, public: cPublic } };
    return {
      root,
      in: shell,
      open,
      keys,
      async connect(key = keys.router.public) {
        await shell('c').run(`
          wg set wg0 private-key /run/c.key fwmark ${topology.mark}
          for peer in $(wg show wg0 peers); do wg set wg0 peer $peer remove; done
          wg set wg0 peer ${key} allowed-ips 0.0.0.0/0,::/0 endpoint ${at.wan.v4}:${at.tunnel.port}`);
      },
      close: router.close,
    };
  } catch (error) {
    await router.close();
    throw error;
  }
}

function absent(place: string): never {
  throw new Error(`there is no ${place} on this ground`);
}
