// What the warden asks of a router: rules that meter and refuse, peers, routes that hold without rules. Interfaces only. Each adapter keeps
// one of them; who asks them in which order, and when once more, is the warden's.

import type { ByteCount, Seconds } from '../core/brand.ts';
import type { Version } from '../core/canary.ts';
import type { Plan, State } from '../core/claim.ts';
import type { Prefix } from '../core/ip.ts';
import type { Pool } from '../core/pool.ts';
import type { Step } from '../core/reconcile.ts';
import type { Fault, Result } from '../core/result.ts';
import type { Generation, Kernel, Pair, PeerKey, Quota, Slot } from '../core/seat.ts';
import type { Section } from '../core/settings.ts';
import type { Uplink } from '../core/uplink.ts';
import type { Endpoint } from './host.ts';

// ── Rules ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `text`: one transaction for nft, which finds both tables there. */
export type Statics = Readonly<{ text: string; device: string; uplinks: readonly string[]; pool: Pool }>;

/** owned: nobody but us can change the tables, and they outlive us. watched (kernels before 6.9): anybody can, and we are told. */
export type Hold = 'owned' | 'watched';

export type Metered = Readonly<{ generation: Generation; counted: Pair<ByteCount>; packets: Pair<bigint> }>;
export type Meter = Readonly<{
  sessions: ReadonlyMap<Slot, Metered>;
  /** Guests' bytes on the uplinks, outside of the tunnel: with the household's, where that counts. */
  line: Pair<ByteCount>;
  /** What the node's quota has let pass, where there is one. */
  node: ByteCount | null;
  /** By how many packets more the tunnel's own are than those inside: the kernel merges packets of a flow, and counts them as one. */
  merged: bigint;
}>;

export type Reading = Kernel &
  Pick<Meter, 'line' | 'node' | 'merged'> &
  Readonly<{
    /** What each quota would still let pass; more than terms and counters say means that somebody has reset it. */
    spare: ReadonlyMap<Slot, Quota>;
    /** What in the tables belongs to no whole session, in words: none of ours leaves any. */
    debris: readonly string[];
  }>;

/** Packets that were not let pass since the rules were made: to where nobody may go, and beyond quota or rate. */
export type Dropped = Readonly<{ refused: bigint; spent: bigint }>;

export type RuleStep = Exclude<Step, Readonly<{ kind: 'expel' | 'welcome' }>>;
export type PeerStep = Exclude<Step, RuleStep>;

export type RuleEvents = Readonly<{
  /** One of our tables was deleted, and its counters with it: nothing is enforced but by the guard. */
  gone(): void;
  /** Somebody else changed our tables, or told us more than we could hear: read again. */
  stale(): void;
  /** A quota has let its last byte pass: a guest's, or what was given out of the month. Kernels up to 6.12 tell only with the next change of
   *  any rules. */
  spent(): void;
  /** We hear nothing any more. */
  deaf(why: Fault): void;
}>;

export type Rules = Readonly<{
  /** Makes what is not there, takes over what is. Loaded again it changes only what is new; every session goes on. */
  prepare(statics: Statics): Promise<Result<Hold>>;
  /** Everything, compared piece by piece. */
  read(peers: readonly PeerFound[]): Promise<Result<Reading>>;
  /** The counters alone, for accounting. */
  meter(): Promise<Result<Meter>>;
  /** Whole or not at all. */
  apply(step: RuleStep): Promise<Result<void>>;
  /** Whether the kernel would take this text. Nothing changes. */
  check(text: string): Promise<Result<void>>;
  /** What the node's quota lets pass in all, from now on; what it has counted it keeps. */
  allow(bytes: ByteCount): Promise<Result<void>>;
  /** What the node's quota has been charged, and never more than it allows; null: there is none. */
  charged(): Promise<Result<ByteCount | null>>;
  /** What has passed inside the tunnel, in both directions; it says nothing by itself, only by how much it grows. */
  passed(): Promise<Result<ByteCount>>;
  dropped(): Promise<Result<Dropped>>;
  /** How many rungs of the ladder (core/home) all guests together have from now on, where the rules have one; before, nothing passes. */
  pace(level: number): Promise<Result<void>>;
  /** Clears away the debris that the last `read` found; expel strays first. */
  sweep(): Promise<Result<void>>;
  /** Rules of the canary's own, in a table of their own; null: none. */
  detour(text: string | null): Promise<Result<void>>;
  /** All tables go, with all that is in them. */
  remove(): Promise<Result<void>>;
  watch(events: RuleEvents): Result<void>;
}>;

// ── Peers ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type PeerFound = Readonly<{
  key: PeerKey;
  allowed: readonly Prefix[];
  endpoint: Endpoint | null;
  /** By the wall clock; null: never. */
  handshake: Seconds | null;
  /** With WireGuard's own overhead: never less than what the rules have counted. They begin anew with the peer. */
  counted: Pair<ByteCount>;
}>;

export type TunnelReady = Readonly<{ by: 'kernel' | 'wireguard-go'; key: PeerKey }>;

export type Tunnel = Readonly<{
  /** Gives the device its secret key, made and kept in a file that only we can read, and its port. */
  prepare(device: Readonly<{ name: string; index: number; port: number; keyPath: string }>): Promise<Result<TunnelReady>>;
  read(): Promise<Result<readonly PeerFound[]>>;
  /** In one call, in this order. */
  apply(steps: readonly PeerStep[], pool: Pool): Promise<Result<void>>;
}>;

// ── Routes ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type LinkFound = Readonly<{ index: number; name: string; isUp: boolean; hasCarrier: boolean; kind?: string; mtu?: number }>;
export type RouteFound = Readonly<{ destination: Prefix; device: string | null; gateway: string | null; table: number }>;
export type Surroundings = Readonly<{
  links: readonly LinkFound[];
  addresses: readonly Readonly<{ device: string; prefix: string }>[];
  routes: readonly RouteFound[];
}>;

/** `open`: private ranges that guests may reach all the same. */
export type GuardWanted = Readonly<{ device: string; uplinks: readonly string[]; open: readonly Prefix[] }>;

export type RouteEvents = Readonly<{
  /** Links, addresses or routes are not what they were. The guard has followed by itself when this is told. */
  changed(): void;
  /** The device that the guard is for was deleted, and with it its peers and (up to 6.1) the chains on it. */
  gone(): void;
  /** The guard could not follow: what it holds is as strict as before or stricter. */
  failed(why: Fault): void;
  deaf(why: Fault): void;
}>;

/** What has crossed devices, whoever it was, by their own counters; `framing` of it are Ethernet's headers. Counted anew where `source` is another. */
export type Crossed = Pair<ByteCount> & Readonly<{ source: string; framing: ByteCount }>;

export type Routes = Readonly<{
  /** The WireGuard device, made where it is not there, up; answers its index. */
  makeDevice(name: string, mtu: number): Promise<Result<number>>;
  removeDevice(name: string): Promise<Result<void>>;
  /** Answers whose it is now; a kernel without IPv6 says so. */
  address(index: number, own: Prefix): Promise<Result<void>>;
  /** Removed, but for one that wireguard-go serves: that is put out of use. */
  stow(name: string): Promise<Result<void>>;
  read(): Promise<Result<Surroundings>>;
  /** Of these, together. */
  traffic(devices: readonly string[]): Promise<Result<Crossed>>;
  /** From now on whoever enters by the device finds the uplinks' default routes and nothing else, with or without rules; when these go,
   *  nothing at all. Told again, it changes only what differs. */
  keep(wanted: GuardWanted): Promise<Result<void>>;
  release(): Promise<Result<void>>;
  watch(events: RouteEvents): Result<void>;
}>;

// ── The canary ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `router`: the tunnel's key and port. */
export type Flight = Readonly<{ pool: Pool; mtu: number; router: Readonly<{ key: PeerKey; port: number }> }>;

/** What the node's quota was charged for it. A kernel without IPv6 has nothing to prove of it. */
export type Proof = Readonly<{ versions: readonly Version[]; used: ByteCount }>;

/** Packets of a throw-away guest: a Fault `canary.…` says which counter did not move. It leaves nothing behind. */
export type Canary = (flight: Flight) => Promise<Result<Proof>>;

// ── The owner ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Estate = Readonly<{
  /** The config `weir` as it is now. */
  settings(): Promise<Result<readonly Section[]>>;
  /** The config `system`. */
  system(): Promise<Result<readonly Section[]>>;
  /** Writes options of one section of `weir`, and nothing else; the section is made where it is not there. */
  set(section: string, options: Readonly<Record<string, string>>): Promise<Result<void>>;
  /** The network and the firewall zone that are ours. */
  state(plan: Plan): Promise<Result<State>>;
  setup(plan: Plan): Promise<Result<boolean>>;
  teardown(): Promise<Result<boolean>>;
}>;

export type Uplinks = Readonly<{
  /** Tells what is so now before it answers, and then each change. */
  watch(names: readonly string[], told: (uplinks: Result<readonly Uplink[]>) => void): Promise<Result<Readonly<{ stop(): Promise<void> }>>>;
}>;
