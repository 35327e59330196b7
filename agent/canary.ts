// The canary's flight: a second WireGuard device as a guest of the first one's, over loopback; datagrams through it, up and down, until every
// counter has moved or it is clear that one does not. Then all of it goes, as does what a flight left that was cut off. What it has to prove is
// decided in core/canary.ts.

import type { Wiring } from './adapters/wireguard.ts';
import * as wireguard from './adapters/wireguard.ts';
import { type ByteCount, millis } from './core/brand.ts';
import type { Reading, Version, Way } from './core/canary.ts';
import * as canary from './core/canary.ts';
import { device } from './core/claim.ts';
import * as ip from './core/ip.ts';
import * as pools from './core/pool.ts';
import { type Fault, fail, ok, type Result, under } from './core/result.ts';
import { type PeerKey, type Slot, sumOf } from './core/seat.ts';
import type { Datagram, Host } from './ports/host.ts';
import type { Flight, Proof, Routes, Rules, Tunnel } from './ports/router.ts';
import { networks, ports, render } from './wire/canary.ts';

export type Means = Readonly<{
  host: Pick<Host, 'clock' | 'files' | 'net' | 'random'>;
  rules: Rules;
  tunnel: Tunnel;
  routes: Routes;
  peers: Wiring;
}>;

const done = ok(undefined);
const none = { up: 0n as ByteCount, down: 0n as ByteCount };
/** Should nobody come back to end it. */
const lifetime = millis(20_000);

export async function fly(means: Means, flight: Flight): Promise<Result<Proof>> {
  const cleared = await land(means, flight);
  const flown = cleared.ok ? await cross(means, flight) : cleared;
  const landed = await land(means, flight);
  const result = flown.ok && !landed.ok ? landed : flown;
  return result.ok || result.fault.path.startsWith('canary.') ? result : { ok: false, fault: under('canary', result.fault) };
}

async function cross(means: Means, { pool, mtu, router }: Flight): Promise<Result<Proof>> {
  const { host, rules, tunnel, routes } = means;
  const slot = canary.slotOf(pool);
  const index = await routes.makeDevice(canary.device, mtu);
  if (!index.ok) return index;
  // First, so that nothing of the kernel's own enters it: a handshake before the router knows this guest is tried again only after 5 s.
  const detoured = await rules.detour(render(canary.device, device, pools.addresses(pool, slot)));
  if (!detoured.ok) return detoured;
  const key = await wireguard.visit(host, means.peers, { name: canary.device, index: index.value }, router);
  if (!key.ok) return key;
  const seat = { key: key.value, slot, terms: canary.terms, used: none, ends: millis(host.clock.monotonic() + lifetime) };
  const seated = await rules.apply({ kind: 'seat', seat, left: lifetime });
  const welcomed = seated.ok ? await tunnel.apply([{ kind: 'welcome', key: key.value, slot }], pool) : seated;
  if (!welcomed.ok) return welcomed;
  const wings: Wing[] = [];
  for (const v of [4, 6] as const) {
    const own = ip.parseAddress(networks[v].own);
    const addressed = own.ok ? await routes.address(index.value, { address: own.value, length: networks[v].length }) : own;
    if (addressed.ok) wings.push({ v, socket: host.net.bindUdp({ address: v === 4 ? '0.0.0.0' : '::', port: 0 }, deaf) });
    else if (v === 4 || !hasNoIPv6.has(addressed.fault.code)) return addressed;
  }
  const proven = await prove(means, key.value, slot, wings);
  for (const { socket } of wings) if (socket.ok) socket.value.close();
  return proven;
}

type Wing = Readonly<{ v: Version; socket: Result<Datagram> }>;

// A kernel that was built, or told, to do without.
const hasNoIPv6: ReadonlySet<Fault['code']> = new Set(['EOPNOTSUPP', 'EAFNOSUPPORT', 'EACCES']);
/** Sends, and hears nothing. */
const deaf = { received: () => undefined, closed: () => undefined };

async function prove({ host, rules, tunnel }: Means, key: PeerKey, slot: Slot, wings: readonly Wing[]): Promise<Result<Proof>> {
  const look = async (): Promise<Result<Reading>> => {
    const metered = await rules.meter();
    if (!metered.ok) return metered;
    const peers = await tunnel.read();
    if (!peers.ok) return peers;
    const counted = metered.value.sessions.get(slot)?.counted;
    const carried = peers.value.find((peer) => peer.key === key)?.counted;
    if (counted === undefined || carried === undefined) return fail('foreign', '', 'somebody has removed it');
    return ok({ counted, carried, node: metered.value.node });
  };
  /** Sends again now and then, for a busy router's rate may refuse one, until nothing is wrong any more. */
  const until = async (send: () => Result<void>, wrong: (now: Reading) => Fault | null): Promise<Result<Reading>> => {
    const begun = host.clock.monotonic();
    for (let tries = 0; ; tries++) {
      const sent = tries % again === 0 ? send() : done;
      if (!sent.ok) return sent;
      await new Promise<void>((resolve) => void host.clock.after(pause, resolve));
      const now = await look();
      const why = now.ok ? wrong(now.value) : null;
      if (why === null) return now;
      if (tries >= again && host.clock.monotonic() > begun + patience) return { ok: false, fault: why };
    }
  };
  const send = ({ v, socket }: Wing, way: Way, size: number): Result<void> =>
    socket.ok ? socket.value.send(new Uint8Array(size), { address: networks[v].to, port: ports[way] }) : socket;

  let now = await look();
  for (const way of ways)
    for (const wing of wings) {
      if (!now.ok) return now;
      const before = now.value;
      now = await until(
        () => send(wing, way, probe),
        (after) => canary.unmoved(way, wing.v, before, after),
      );
    }
  if (!now.ok) return now;
  const before = now.value;
  const flooded = await until(
    () => wings.flatMap((wing) => flood.map((size) => send(wing, 'up', size))).find(isFault) ?? done,
    (after) => canary.unheard(before, after),
  );
  const last = flooded.ok ? await look() : flooded;
  if (!last.ok) return last;
  const over = canary.overdrawn(last.value);
  return over === null
    ? ok({ versions: wings.map(({ v }) => v), used: sumOf(last.value.counted) as ByteCount })
    : { ok: false, fault: over };
}

const ways: readonly Way[] = ['up', 'down'];
const pause = millis(25);
const again = 20;
// WireGuard calls again after 5 s where its first call was lost.
const patience = 7000;
const probe = 8;
const flood: readonly number[] = Array(6).fill(1000);

/** Also what was cut off: none of it is a session's. */
async function land({ rules, tunnel, routes }: Means, { pool }: Flight): Promise<Result<void>> {
  const slot = canary.slotOf(pool);
  const { four } = pools.addresses(pool, slot);
  const peers = await tunnel.read();
  const keys = peers.ok ? peers.value.filter(({ allowed }) => allowed.some(({ address }) => isSame(address, four))) : [];
  const expelled = await tunnel.apply(
    keys.map(({ key }) => ({ kind: 'expel', key })),
    pool,
  );
  const metered = await rules.meter();
  const found = metered.ok ? metered.value.sessions.get(slot) : undefined;
  const held = found && { ...found, key: null, slot, terms: canary.terms, left: millis(0) };
  const cleared = held === undefined ? expelled : await rules.apply({ kind: 'clear', held });
  // All of it is tried, and the first that failed is told.
  return [peers, expelled, metered, cleared, await rules.detour(null), await routes.stow(canary.device)].find(isFault) ?? done;
}

const isFault = (r: Result<unknown>): r is Result<never> => !r.ok;
const isSame = (a: Uint8Array, b: Uint8Array): boolean => a.join() === b.join();
