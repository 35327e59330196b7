// Whether this router shares, and on what terms: settings, claim and pool → a Stand, or the Fault that says what is in the way and who can
// mend it. Knows no bus and no kernel.

import { type ByteCount, type Millis, type Seconds, seconds } from './brand.ts';
import type { State } from './claim.ts';
import type { Address, Prefix } from './ip.ts';
import type { Pool } from './pool.ts';
import * as pools from './pool.ts';
import { type Fault, fail, fault, ok, type Result } from './result.ts';
import type { Generation } from './seat.ts';
import type { Owner, Parsed, Section, Settings } from './settings.ts';
import * as settings from './settings.ts';

/** What has to hold before anything is shared. */
export type Stand = Readonly<{ owner: Owner; pool: Pool }>;

/** What the static rules are made of. */
export type Situation = Stand &
  Readonly<{
    /** Devices. */
    uplinks: readonly string[];
    /** How much the node's quota lets pass in all; it counts on where there is one already. */
    quota: ByteCount;
    /** Whether the kernel can count a guest's connections. */
    canCountConnections: boolean;
    /** Where alone our own process with the network may go. A broker known by name may be anywhere. */
    agent: Readonly<{ uid: number; dns: readonly Address[]; brokers: readonly Readonly<{ host: string; port: number }>[] }>;
  }>;

/** Where the agent's brokers are; anywhere at their usual port, where a coordinator may move it. */
export function placesOf({ brokers, coordinators }: Settings): readonly Readonly<{ host: string; port: number }>[] {
  const isMovable = coordinators.some(({ may }) => may.includes('move'));
  return isMovable ? [...brokers, { host: 'anywhere', port: 8883 }] : brokers;
}

const firstOf = <T>(parsed: Parsed<T>): Result<T> => {
  if (parsed.ok) return ok(parsed.value);
  const [first = fault('malformed', 'weir', 'not in order')] = parsed.faults;
  return { ok: false, fault: first };
};

/** The owner's yes and no, which count even when another setting is wrong. */
export function refusal(sections: readonly Section[]): Fault | null {
  const share = firstOf(settings.parseOwner(sections.filter(({ name }) => name === 'share')));
  if (!share.ok) return share.fault;
  const { accepted, paused } = share.value.share;
  if (!accepted) return fault('denied', 'weir.share.accepted', 'nothing is shared before the owner said yes: weir share');
  return paused ? fault('denied', 'weir.share.paused', 'the owner has paused sharing: weir resume') : null;
}

export function parse(sections: readonly Section[]): Result<Stand> {
  const owner = firstOf(settings.parseOwner(sections));
  if (!owner.ok) return owner;
  const { tunnel, limits } = owner.value;
  if (tunnel.pool6 === 'auto') return fail('missing', 'weir.tunnel.pool6', 'not drawn yet: weir setup');
  const pool = pools.parse(tunnel.pool4, tunnel.pool6, limits.sessions);
  return pool.ok ? ok({ owner: owner.value, pool: pool.value }) : pool;
}

/** What the owner took away is not put back. */
export function unclaimed(state: State): Fault | null {
  return state.kind === 'removed'
    ? fault('missing', state.paths.join(' '), 'the section is not there; weir setup makes it anew, weir teardown leaves the rest')
    : null;
}

/** A pool that is routed elsewhere. The tunnel's own device, and routes of ours, are not elsewhere. */
export function overlap(
  pool: Pool,
  device: string,
  routes: readonly Readonly<{ destination: Prefix; device: string | null }>[],
): Fault | null {
  return pools.overlaps(
    pool,
    routes.filter((r) => r.device !== device && r.device !== null).map((r) => r.destination),
  );
}

/** A router without a battery wakes up in the past: before this was written nobody ran it. */
const earliest = Date.UTC(2026, 10, 1);

/** null: the clock was not set yet. */
export const today = (wall: Millis): Seconds | null => (wall < earliest ? null : seconds(Math.floor(wall / 1000)));

/** Counters of the uplinks begin anew with each boot, and whenever somebody deletes their table: half names the boot, half counts those. */
export function countersOf(boot: string, before: Generation | null): Generation {
  const start = ([...boot].reduce((hash, c) => (hash * 31 + c.charCodeAt(0)) % 0xffff, 7) * 0x1_0000) as Generation;
  return before !== null && (before & 0xffff_0000) >>> 0 === start ? before : start;
}

export const nextCounters = (g: Generation): Generation => (((g & 0xffff_0000) >>> 0) + ((g + 1) & 0xffff)) as Generation;

/** The number of a user; null: there is none. */
export function uidOf(passwd: string, user: string): number | null {
  const [, , uid] =
    passwd
      .split('\n')
      .map((line) => line.split(':'))
      .find(([name]) => name === user) ?? [];
  return uid !== undefined && /^[1-9]\d{0,9}$/.test(uid) ? Number(uid) : null;
}
