// The ground: consumers, the shared router, a host on its LAN, the provider's router and the Internet, each in a namespace of its own, with
// real forwarding, NAT and WireGuard between them. Knows nothing of Weir: the test loads what it wants to prove.
//
//   c d e (consumers) ──┐
//                       ├── uplink ─── wan [ router ] br-lan ─── lan
//            internet ──┘        └─── wan2 [        ] weir0 ⇠⇠⇠ the tunnels of c d e

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as at from './addresses.ts';
import { type Namespace, openNamespace } from './namespace.ts';
import * as topology from './topology.ts';
import * as wireguard from './tunnel.ts';

export type Consumer = at.Consumer & Readonly<{ keys: wireguard.KeyPair }>;

export type Ground = Readonly<{
  consumers: ReadonlyMap<string, Consumer>;
  routerKeys: wireguard.KeyPair;
  /** `router`, `lan`, `uplink`, `internet` or a consumer. */
  in(place: string): Namespace;
  /** wireguard-go for `weir0`, without key and address, and for the canary's device. */
  startDevice(): Promise<void>;
  /** Key, port and addresses of `weir0`, for tests without an enforcer. */
  configureDevice(): Promise<void>;
  /** Makes a consumer a peer of the router. `also`: more addresses that WireGuard shall let it send from. */
  addPeer(name: string, also?: readonly string[]): Promise<void>;
  removePeer(name: string): Promise<void>;
  /** Tells a consumer its router's public key (the ground's own by default), and makes it forget what they had agreed on. Before that it
   *  sends nothing: a handshake that meets no peer is tried again only after 5 s. */
  connect(name: string, router?: string): Promise<void>;
  /** Until a consumer's tunnel carries what it is given. */
  agree(name: string): Promise<void>;
  /** Takes a consumer's tunnel away, for one that brings its own. */
  bare(name: string): Promise<void>;
  /** Ends every process; the kernel takes the rest. */
  close(): Promise<void>;
}>;

export async function createGround(options: topology.Options = {}): Promise<Ground> {
  const { ipv6 = true, tunnel = 'ready' } = options;
  const names = options.consumers ?? ['c', 'd', 'e'];
  const places = new Map<string, Namespace>();
  const consumers = new Map<string, Consumer>();
  const close = async (): Promise<void> => {
    await Promise.all([...places.values()].map((p) => p.close()));
  };
  const find = <T>(among: ReadonlyMap<string, T>, name: string): T => {
    const found = among.get(name);
    if (found === undefined) throw new Error(`there is no ${name} on this ground`);
    return found;
  };
  const place = (name: string): Namespace => find(places, name);
  const ip = (name: string, lines: readonly string[]): Promise<string> =>
    place(name).run(['ip', '-batch', '-'], { input: lines.filter((l) => ipv6 || !l.includes('::')).join('\n') });
  const set = (name: string, path: string, text: string): Promise<null> =>
    place(name).ask('write', { path: `/proc/sys/net/${path}`, text });

  try {
    const all = ['router', 'lan', 'uplink', 'internet', ...names];
    const opened = await Promise.allSettled(all.map(async (name) => places.set(name, await openNamespace(name))));
    for (const one of opened) if (one.status === 'rejected') throw one.reason;
    for (const name of all) {
      for (const which of ['all', 'default']) {
        // No wait for duplicates: addresses are usable at once.
        await set(name, `ipv6/conf/${which}/accept_dad`, '0');
        await set(name, `ipv6/conf/${which}/disable_ipv6`, ipv6 ? '0' : '1');
      }
    }
    for (const name of ['router', 'uplink']) {
      await set(name, 'ipv4/ip_forward', '1');
      await set(name, 'ipv6/conf/all/forwarding', '1');
    }
    // Careless ones, so that the rules alone stop a source route.
    for (const name of ['router', 'lan']) await set(name, 'ipv4/conf/all/accept_source_route', '1');

    const routerKeys = await wireguard.makeKeys(place('router'));
    await Promise.all(
      names.map(async (name, n) => {
        const keys = options.keys?.[name] ?? (await wireguard.makeKeys(place(name)));
        return consumers.set(name, { ...at.consumer(n), keys });
      }),
    );
    await ip(
      'uplink',
      topology.provider(names, (name) => place(name).pid, options),
    );
    await ip('router', topology.homeCable(place('lan').pid));
    await Promise.all([
      ip('router', topology.router(options)),
      ip('lan', topology.lan(options)),
      ip('internet', topology.internet(options)),
      place('router').run(['nft', '-f', '-'], { input: topology.nat }),
      ...names.map(async (name) => {
        await wireguard.startDevice(place(name), 'wg0');
        await ip(name, topology.consumer(find(consumers, name)));
        for (const family of ipv6 ? ['-4', '-6'] : ['-4']) await place(name).run(['ip', family, ...topology.consumerRule.split(' ')]);
      }),
    ]);

    const devices = new Map<string, ChildProcess>();
    const startDevice = async (link: string): Promise<void> => {
      // Whose device was taken away takes its control socket along, and must not take that of the next one.
      const last = devices.get(link);
      if (last !== undefined && last.exitCode === null && last.signalCode === null) await once(last, 'exit');
      devices.set(link, await wireguard.startDevice(place('router'), link));
    };
    const ground: Ground = {
      consumers,
      routerKeys,
      in: place,
      async startDevice() {
        const start = async (link: string): Promise<void> => {
          const isThere = (await place('router').attempt(['ip', 'link', 'show', link])).code === 0;
          if (!isThere) await startDevice(link);
        };
        await Promise.all(['weir0', 'weirc0'].map(start));
      },
      async configureDevice() {
        await wireguard.configure(place('router'), 'weir0', { PrivateKey: routerKeys.secret, ListenPort: String(at.tunnel.port) });
        await ip('router', topology.tunnel);
      },
      async addPeer(name, also = []) {
        const { keys, v4, v6 } = find(consumers, name);
        await wireguard.setPeer(place('router'), 'weir0', keys.public, [v4, v6, ...also]);
      },
      async removePeer(name) {
        await wireguard.removePeer(place('router'), 'weir0', find(consumers, name).keys.public);
      },
      async connect(name, router = routerKeys.public) {
        const device = { PrivateKey: find(consumers, name).keys.secret, FwMark: topology.mark };
        const endpoint = `${at.wan.v4}:${at.tunnel.port}`;
        await wireguard.configure(place(name), 'wg0', device, { key: router, allowed: ['0.0.0.0/0', '::/0'], endpoint });
      },
      agree: (name) => wireguard.agree(place(name), 'wg0'),
      async bare(name) {
        await place(name).run(['ip', 'link', 'delete', 'wg0']);
        for (const family of ipv6 ? ['-4', '-6'] : ['-4'])
          await place(name).run(['ip', family, ...topology.consumerRule.replace('add', 'delete').split(' ')]);
      },
      close,
    };
    if (tunnel !== 'none') await startDevice('weir0');
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
