// What a test does on the ground, and what it reads there.

import * as at from '../../net/ground/addresses.ts';
import * as topology from '../../net/ground/topology.ts';
import { type Ground, input, ip } from './enforce.ts';
import type { Shell } from './enforce-shell.ts';

export const load = async (ground: Ground, rules: string): Promise<void> => {
  await ground.in('router').run(`nft -f - ${input(rules)}`);
};

/** Both tables, and what is in them. */
export const unload = 'add table netdev weir_m; delete table netdev weir_m; add table inet weir_p; delete table inet weir_p;';

/** The tunnel with c as its peer, for tests without an enforcer. */
export async function startTunnel({ in: place, keys }: Ground): Promise<void> {
  const { v4, v6 } = at.consumer(0);
  await place('router').run(`
    ${ip} link add weir0 type wireguard
    wg set weir0 private-key /run/router.key listen-port ${at.tunnel.port} peer ${keys.c.public} allowed-ips ${v4}/32,${v6}/128
    ${ip} -batch - ${input(topology.tunnel.join('\n'))}`);
}

/** The router's own devices in /sys, which shows those of the place where it was mounted. */
export async function plug({ in: place }: Ground): Promise<void> {
  await place('router').run('[ -e /sys/class/net/weir0 ] || mount -t sysfs sysfs /sys');
}

// ── Traffic of c ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const traffic = async <T>(shell: Shell, words: string): Promise<T> => JSON.parse(await shell.run(`traffic ${words}`)) as T;

export type Volley = Readonly<{ to: string; total: number; size: number; perSecond: number }>;

export type Volleyed = Readonly<{ sent: number; back: number }>;
/** Datagrams to a server that sends them back. */
export const shoot = (ground: Ground, { to, total, size, perSecond }: Volley, shell = ground.in('c')): Promise<Volleyed> =>
  traffic(shell, `shoot ${to} 443 ${total} ${size} ${perSecond}`);

export type Moved = Readonly<{ bytes: number; end: string; ms: number }>;
export type Way = 'pull' | 'push';
export const transfer = (ground: Ground, way: Way, to: string, bytes: number, who: 'c' | 'lan' = 'c'): Promise<Moved> =>
  traffic(ground.in(who), `${way} ${to} ${way === 'pull' ? 444 : 445} ${bytes}`);

// ── Readings ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Count = Readonly<{ packets: number; bytes: number }>;

export async function counter(ground: Ground, table: string, name: string): Promise<Count> {
  const place = table === witness ? 'internet' : 'router';
  const shown = await ground.in(place).run(`nft list counter ${table} ${name}`);
  const [, packets, bytes] = /packets (\d+) bytes (\d+)/.exec(shown) ?? [];
  return { packets: Number(packets), bytes: Number(bytes) };
}
const witness = 'netdev witness';

/** Datagrams that arrived in the Internet. */
export const arrived = (ground: Ground): Promise<Count> => counter(ground, witness, 'arrived');

export type Line = Readonly<{ up: number; down: number }>;

/** WireGuard's own counters of c: whole datagrams, as they go by UDP. */
export async function tunnelled({ in: place, keys }: Ground): Promise<Line> {
  const shown = await place('router').run('wg show weir0 transfer');
  const [, up, down] =
    shown
      .split('\n')
      .map((line) => line.split('\t'))
      .find(([key]) => key === keys.c.public) ?? [];
  return { up: Number(up), down: Number(down) };
}

export const between = (before: Line, after: Line): Line => ({ up: after.up - before.up, down: after.down - before.down });
