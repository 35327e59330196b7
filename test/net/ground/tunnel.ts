// WireGuard in a namespace: wireguard-go serves the device (the kernel of a build machine may have none of its own), `wg` talks to it.

import type { ChildProcess } from 'node:child_process';
import { eager, type Namespace } from './namespace.ts';

export type KeyPair = Readonly<{ secret: string; public: string }>;

export async function makeKeys(space: Namespace): Promise<KeyPair> {
  const secret = (await space.run(['wg', 'genkey'])).trim();
  return { secret, public: (await space.run(['wg', 'pubkey'], { input: secret })).trim() };
}

/** Starts wireguard-go and waits for its control socket, /var/run/wireguard/LINK.sock. The device exists then, without key or address. */
export function startDevice(space: Namespace, link: string): Promise<ChildProcess> {
  const child = space.spawn([...eager, 'wireguard-go', '--foreground', link], { LOG_LEVEL: 'verbose' });
  let said = '';
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`wireguard-go ${link}: no control socket after 30 s: ${said}`)), 30_000);
    const listen = (chunk: Buffer): void => {
      if (said.includes('UAPI listener started')) return;
      said += chunk.toString();
      if (!said.includes('UAPI listener started')) return;
      clearTimeout(timer);
      resolve(child);
    };
    child.stdout?.on('data', listen);
    child.stderr?.on('data', listen);
    child.on('error', reject);
    child.on('exit', () => reject(new Error(`wireguard-go ${link}: ended: ${said}`)));
  });
}

export type Peer = Readonly<{ key: string; allowed: readonly string[]; endpoint?: string }>;

/** Sets a device up anew: peers it had are forgotten, with the keys agreed on. */
export async function configure(space: Namespace, link: string, device: Readonly<Record<string, string>>, peer?: Peer): Promise<void> {
  const section = (name: string, entries: Readonly<Record<string, string>>): string =>
    [`[${name}]`, ...Object.entries(entries).map(([key, value]) => `${key} = ${value}`), ''].join('\n');
  const text = section('Interface', device) + (peer === undefined ? '' : section('Peer', words(peer)));
  // A file, not /dev/stdin: what Node calls a pipe is a socket, and that cannot be opened by name. /run is the namespace's own.
  await space.ask('write', { path: `/run/${link}.conf`, text });
  await space.run(['wg', 'setconf', link, `/run/${link}.conf`]);
}

const words = ({ key, allowed, endpoint }: Peer): Readonly<Record<string, string>> => ({
  PublicKey: key,
  AllowedIPs: allowed.join(','),
  ...(endpoint === undefined ? {} : { Endpoint: endpoint }),
});

/** Until an end with one peer has agreed on keys with it: of a burst before that only the last packets wait. By an empty packet, which no
 *  rule sees. */
export async function agree(space: Namespace, link: string): Promise<void> {
  const peer = (await space.run(['wg', 'show', link, 'peers'])).trim();
  const keepAlive = (every: string): Promise<string> => space.run(['wg', 'set', link, 'peer', peer, 'persistent-keepalive', every]);
  await keepAlive('1');
  const isAgreed = async (): Promise<boolean> => /\t[1-9]/.test(await space.run(['wg', 'show', link, 'latest-handshakes']));
  for (let tries = 0; !(await isAgreed()); tries++) {
    if (tries === 300) throw new Error(`${link}: its peer does not agree on keys`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  await keepAlive('off');
}

export const setPeer = (space: Namespace, link: string, key: string, allowed: readonly string[]): Promise<string> =>
  space.run(['wg', 'set', link, 'peer', key, 'allowed-ips', allowed.join(',')]);

export const removePeer = (space: Namespace, link: string, key: string): Promise<string> =>
  space.run(['wg', 'set', link, 'peer', key, 'remove']);
