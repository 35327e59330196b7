// The ground: consumers, the shared router, a host on its LAN, the provider's router and the Internet, each in a namespace of its own, with
// real forwarding, NAT and WireGuard between them. Knows nothing of Weir: the test loads what it wants to prove.
//
//   c d e (consumers) ──┐
//                       ├── uplink ─── wan [ router ] br-lan ─── lan
//            internet ──┘        └─── wan2 [        ] weir0 ⇠⇠⇠ the tunnels of c d e

import * as at from './addresses.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import * as wireguard from './tunnel.ts';

export type Options = Readonly<{
  /** Consumers, in the order of their addresses. Default: c, d, e. */
  consumers?: readonly string[];
  ipv6?: boolean;
  /** A second provider link, `wan2`. */
  secondUplink?: boolean;
  /** The IPv6 default route as netifd makes it: only for the delegated prefix and the WAN address. */
  sourceSpecific?: boolean;
  /** Every TCP segment is a packet of its own, as on a cable. Otherwise one packet may hold 64 KiB, as the kernel merges them on receipt. */
  singleSegments?: boolean;
  /** What there is of `weir0` at the start: nothing, the bare device, or all of it with every consumer as a peer. Default: ready. */
  tunnel?: 'none' | 'device' | 'ready';
}>;

export type Consumer = at.Consumer & Readonly<{ keys: wireguard.KeyPair }>;

export type Ground = Readonly<{
  consumers: ReadonlyMap<string, Consumer>;
  routerKeys: wireguard.KeyPair;
  /** `router`, `lan`, `uplink`, `internet` or a consumer. */
  in(place: string): Namespace;
  /** wireguard-go for `weir0`, without key and address. */
  startDevice(): Promise<void>;
  /** Key, port and addresses of `weir0`, for tests without an enforcer. */
  configureDevice(): Promise<void>;
  /** Makes a consumer a peer of the router. `also`: more addresses that WireGuard shall let it send from. */
  addPeer(name: string, also?: readonly string[]): Promise<void>;
  removePeer(name: string): Promise<void>;
  /** Gives a consumer its router, and makes it forget keys it had agreed on. Before that it sends nothing: a handshake that meets no peer
   *  is tried again only after 5 s. */
  connect(name: string): Promise<void>;
  /** Ends every process; the kernel takes the rest. */
  close(): Promise<void>;
}>;

const mark = '51820';

// NAT as fw4 makes it for one WAN zone with masquerading of both families, and one port forward that also works from inside.
const nat = `table inet fw4 {
  chain dstnat { type nat hook prerouting priority dstnat; policy accept;
    ip daddr ${at.wan.v4} meta l4proto { tcp, udp } th dport 8443 dnat ip to ${at.lan.v4}:443;
    ip6 daddr ${at.wan.v6} meta l4proto { tcp, udp } th dport 8443 dnat ip6 to [${at.lan.ula}]:443;
  }
  chain srcnat { type nat hook postrouting priority srcnat; policy accept;
    oifname { "wan", "wan2" } meta nfproto ipv4 masquerade;
    oifname { "wan", "wan2" } ip6 saddr fc00::/7 masquerade;
  }
}
`;

export async function createGround(options: Options = {}): Promise<Ground> {
  const { ipv6 = true, secondUplink = false, sourceSpecific = false, singleSegments = false, tunnel = 'ready' } = options;
  const names = options.consumers ?? ['c', 'd', 'e'];
  const places = new Map<string, Namespace>();
  const close = async (): Promise<void> => {
    await Promise.all([...places.values()].map((p) => p.close()));
  };
  const place = (name: string): Namespace => {
    const found = places.get(name);
    if (found === undefined) throw new Error(`there is no ${name} on this ground`);
    return found;
  };
  // Lines for `ip -batch`; those with an IPv6 address are left out on a ground without IPv6.
  const ip = (name: string, lines: readonly string[]): Promise<string> =>
    place(name).run(['ip', '-batch', '-'], { input: lines.filter((l) => ipv6 || !l.includes('::')).join('\n') });

  const consumers = new Map<string, Consumer>();
  const consumer = (name: string): Consumer => {
    const found = consumers.get(name);
    if (found === undefined) throw new Error(`there is no consumer ${name} on this ground`);
    return found;
  };
  try {
    const all = ['router', 'lan', 'uplink', 'internet', ...names];
    await Promise.all(all.map(async (name) => places.set(name, await openNamespace(name))));
    const set = (name: string, path: string, text: string): Promise<null> =>
      place(name).ask('write', { path: `/proc/sys/net/${path}`, text });
    await Promise.all(
      all.flatMap((name) =>
        ['all', 'default'].flatMap((which) => [
          // No wait for duplicates: addresses are usable at once.
          set(name, `ipv6/conf/${which}/accept_dad`, '0'),
          set(name, `ipv6/conf/${which}/disable_ipv6`, ipv6 ? '0' : '1'),
        ]),
      ),
    );
    await Promise.all(
      ['router', 'uplink'].flatMap((name) => [set(name, 'ipv4/ip_forward', '1'), set(name, 'ipv6/conf/all/forwarding', '1')]),
    );
    // Careless ones, so that the rules alone stop a source route.
    await Promise.all(['router', 'lan'].map((name) => set(name, 'ipv4/conf/all/accept_source_route', '1')));

    const routerKeys = await wireguard.makeKeys(place('router'));
    for (const [n, name] of names.entries()) {
      consumers.set(name, { ...at.consumer(n), keys: await wireguard.makeKeys(place(name)) });
    }

    const cable = (link: string, far: string, farLink: string): string =>
      `link add ${link} type veth peer name ${farLink} netns ${place(far).pid}`;
    const outside = (address: string): string => address.replace(/[0-9a-f]+$/, '1');
    const defaults = (sources: readonly string[], way: string): string[] =>
      sourceSpecific ? sources.map((from) => `route add ::/0 from ${from} ${way}`) : [`route add ::/0 ${way}`];
    await ip('uplink', [
      'link set lo up',
      cable('to-r', 'router', 'wan'),
      cable('to-i', 'internet', 'eth0'),
      ...(secondUplink ? [cable('to-r2', 'router', 'wan2')] : []),
      ...names.map((name) => cable(`to-${name}`, name, 'eth0')),
      'link set to-r up',
      'link set to-i up',
      `address add ${at.gateway.v4}/24 dev to-r`,
      `address add ${at.gateway.v6}/64 dev to-r nodad`,
      `address add ${outside(at.internet.v4)}/24 dev to-i`,
      `address add ${outside(at.internet.v6)}/64 dev to-i nodad`,
      ...(secondUplink
        ? ['link set to-r2 up', `address add ${at.gateway2.v4}/24 dev to-r2`, `address add ${at.gateway2.v6}/64 dev to-r2 nodad`]
        : []),
      ...names.flatMap((name) => [
        `link set to-${name} up`,
        `address add ${outside(consumer(name).outside.v4)}/24 dev to-${name}`,
        `address add ${outside(consumer(name).outside.v6)}/64 dev to-${name} nodad`,
      ]),
      // Whatever is nobody's is the Internet's; and the provider's other customers may well send packets for our pool to us.
      `route add default via ${at.internet.v4}`,
      `route add ::/0 via ${at.internet.v6}`,
      `route add ${at.pool.v4} via ${at.wan.v4}`,
      `route add ${at.pool.v6} via ${at.wan.v6}`,
      `route add 2a11:f::/48 via ${at.wan.v6}`,
    ]);
    await ip('router', ['link set lo up', 'link add br-lan type bridge', cable('lan1', 'lan', 'eth0')]);
    await Promise.all([
      ip('router', [
        'link set lan1 master br-lan up',
        'link set br-lan up',
        'link set wan up',
        `address add ${at.home.v4}/24 broadcast ${at.home.broadcast} dev br-lan`,
        `address add ${at.home.ula}/64 dev br-lan nodad`,
        `address add ${at.home.global}/64 dev br-lan nodad`,
        `address add ${at.wan.v4}/24 dev wan`,
        `address add ${at.wan.v6}/64 dev wan nodad`,
        `route add default via ${at.gateway.v4} dev wan`,
        ...defaults(['2a11:f::/48', at.wan.v6], `via ${at.gateway.v6} dev wan`),
        ...(secondUplink
          ? [
              'link set wan2 up',
              `address add ${at.wan2.v4}/24 dev wan2`,
              `address add ${at.wan2.v6}/64 dev wan2 nodad`,
              `route add default via ${at.gateway2.v4} dev wan2 metric 200`,
              ...defaults([at.wan2.v6], `via ${at.gateway2.v6} dev wan2 metric 2000`),
            ]
          : []),
      ]),
      ip('lan', [
        'link set lo up',
        'link set eth0 up',
        `address add ${at.lan.v4}/24 dev eth0`,
        `address add ${at.lan.ula}/64 dev eth0 nodad`,
        `address add ${at.lan.global}/64 dev eth0 nodad`,
        `route add default via ${at.home.v4}`,
        `route add ::/0 via ${at.home.global} src ${at.lan.global}`,
      ]),
      ip('internet', [
        'link set lo up',
        'link set eth0 up',
        ...[at.internet.v4, at.hop.v4].map((a) => `address add ${a}/24 dev eth0`),
        ...[at.internet.v6, at.hop.v6].map((a) => `address add ${a}/64 dev eth0 nodad`),
        ...[at.denied.v4, ...Object.values(at.special4)].map((a) => `address add ${a}/32 dev lo`),
        ...[at.denied.v6, ...Object.values(at.special6)].map((a) => `address add ${a}/128 dev lo nodad`),
        `route add default via ${outside(at.internet.v4)}`,
        `route add ::/0 via ${outside(at.internet.v6)}`,
      ]),
      place('router').run(['nft', '-f', '-'], { input: nat }),
      ...names.map(async (name) => {
        const { v4, v6, outside: address, keys } = consumer(name);
        await wireguard.startDevice(place(name), 'wg0');
        await wireguard.setKey(place(name), 'wg0', keys.secret, 'fwmark', mark);
        // As wg-quick does it: everything enters the tunnel but the tunnel's own packets, even what is meant for the router's WAN address.
        await ip(name, [
          'link set lo up',
          'link set eth0 up',
          'link set wg0 up mtu 1420',
          `address add ${address.v4}/24 dev eth0`,
          `address add ${address.v6}/64 dev eth0 nodad`,
          `address add ${v4}/32 dev wg0`,
          `address add ${v6}/128 dev wg0 nodad`,
          `route add default via ${outside(address.v4)}`,
          `route add ::/0 via ${outside(address.v6)}`,
          `route add default dev wg0 src ${v4} table ${mark}`,
          `route add ::/0 dev wg0 src ${v6} table ${mark}`,
          `rule add not fwmark ${mark} lookup ${mark}`,
        ]);
        if (ipv6) await place(name).run(['ip', '-6', 'rule', 'add', 'not', 'fwmark', mark, 'lookup', mark]);
      }),
    ]);

    if (singleSegments) {
      await Promise.all(
        (['internet', 'lan'] as const)
          .map((name) => ip(name, ['link set eth0 gso_max_segs 1']))
          .concat(ip('router', ['link set wan gso_max_segs 1'])),
      );
    }

    const ground: Ground = {
      consumers,
      routerKeys,
      in: place,
      async startDevice() {
        await wireguard.startDevice(place('router'), 'weir0');
      },
      async configureDevice() {
        await wireguard.setKey(place('router'), 'weir0', routerKeys.secret, 'listen-port', String(at.tunnel.port));
        await ip('router', [
          'link set weir0 up mtu 1420',
          `address add ${at.tunnel.v4}/16 dev weir0`,
          `address add ${at.tunnel.v6}/64 dev weir0 nodad`,
          `address add ${at.tunnel.local}/64 dev weir0 nodad`,
        ]);
      },
      async addPeer(name, also = []) {
        const { keys, v4, v6 } = consumer(name);
        await wireguard.setPeer(place('router'), 'weir0', { key: keys.public, allowed: [v4, v6, ...also] });
      },
      async removePeer(name) {
        await wireguard.removePeer(place('router'), 'weir0', consumer(name).keys.public);
      },
      async connect(name) {
        await wireguard.removePeer(place(name), 'wg0', routerKeys.public);
        const endpoint = `${at.wan.v4}:${at.tunnel.port}`;
        await wireguard.setPeer(place(name), 'wg0', { key: routerKeys.public, allowed: ['0.0.0.0/0', '::/0'], endpoint });
      },
      close,
    };
    if (tunnel !== 'none') await ground.startDevice();
    if (tunnel === 'ready') {
      await ground.configureDevice();
      for (const name of names) {
        await ground.addPeer(name);
        await ground.connect(name);
      }
    }
    return ground;
  } catch (e) {
    await close();
    throw e;
  }
}

export type Line = Readonly<{ up: bigint; down: bigint }>;

/** IP bytes on the cable between router and provider, as the provider counts them. ARP and neighbour discovery are in it. */
export async function readLine(ground: Ground, link = 'to-r'): Promise<Line> {
  const shown = await ground.in('uplink').run(['ip', '-json', '-statistics', 'link', 'show', link]);
  type Way = { bytes: number; packets: number };
  const [{ stats64 }] = JSON.parse(shown) as [{ stats64: { rx: Way; tx: Way } }];
  const ethernetHeader = 14;
  const size = ({ bytes, packets }: Way): bigint => BigInt(bytes - packets * ethernetHeader);
  return { up: size(stats64.rx), down: size(stats64.tx) };
}
