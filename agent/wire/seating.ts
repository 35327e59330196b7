// Seats ↔ nf_tables: which objects and elements one session is, the changes from one state of it to the next, and what dumps of both tables
// say about all of them. Object names carry what their contents do not, so that a reader needs no memory:
//
//   s<slot>_<generation>_cu _cd          counters of what passed, up and down; they begin at what was billed before
//                        _q  or _qu _qd  the quota, for both ways or for each
//                        _lu_<rate> …    limits; in the name because the kernel passes over a changed limit in silence
//                        _su_<rate> …    the limits once the quota is spent, where there are some
//
// What is read counts as a session only when it is exactly what writing it would make: everything else is debris. Knows no socket.

import { type ByteCount, type Millis, millis } from '../core/brand.ts';
import type { Address, Prefix } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import type { Addresses, Pool } from '../core/pool.ts';
import * as pools from '../core/pool.ts';
import { altered, type Step } from '../core/reconcile.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { ByteRate, Egress, Flow, Generation, Held, Kernel, Pair, PeerKey, Quota, Slot, Terms } from '../core/seat.ts';
import type { Fold, Frame } from './netlink.ts';
import * as netlink from './netlink.ts';
import type { Change, Content, Element, ElementFound, Kind, ObjectFound, Table } from './nftables.ts';
import * as nftables from './nftables.ts';
import { burstOf, meter, policy } from './ruleset.ts';

type RuleStep = Exclude<Step, Readonly<{ kind: 'expel' | 'welcome' }>>;

const versions = [4, 6] as const;
const ways = [
  { way: 'up', letter: 'u' },
  { way: 'down', letter: 'd' },
] as const;
type Way = (typeof ways)[number];

// ── What a session is made of ────────────────────────────────────────────────────────────────────────────────────────────────────────

type Objects = ReadonlyMap<string, Content>;
type Placed = Readonly<{ table: Table; set: string; element: Element }>;
type Pieces = Readonly<{ objects: Objects; elements: ReadonlyMap<string, Placed> }>;

const none: Pair<bigint> = { up: 0n, down: 0n };
const nothing: Pieces = { objects: new Map(), elements: new Map() };

// Not spread: QuickJS would iterate.
const text = (bytes: Uint8Array): string => String.fromCharCode.apply(null, bytes as unknown as number[]);
const nameOf = ({ set, element: { key, keyEnd, object = '' } }: Placed): string =>
  `${set} ${text(key)} ${keyEnd === undefined ? '' : text(keyEnd)} ${object}`;

const baseOf = (slot: Slot, generation: Generation): string => `s${slot}_${generation.toString(16).padStart(8, '0')}`;
const quotaName = (base: string, quota: Quota, { letter }: Way): string => `${base}_q${quota.kind === 'shared' ? '' : letter}`;

const limit = (rate: bigint): Content => ({
  kind: 'limit',
  of: 'bytes',
  rate,
  seconds: 1n,
  burst: Number(burstOf(rate)),
  over: false,
});

type Whole = Pick<Held, 'slot' | 'generation' | 'terms' | 'counted' | 'packets'>;

/** `charged`: what the quotas begin at; more than `counted` where something passed that is not billed. */
function piecesOf({ slot, generation, terms, counted, packets }: Whole, pool: Pool, charged = counted): Pieces {
  const base = baseOf(slot, generation);
  const at = pools.addresses(pool, slot);
  const objects = new Map<string, Content>();
  const elements = new Map<string, Placed>();
  const place = (placed: Placed): unknown => elements.set(nameOf(placed), placed);
  const put = (map: string, name: string, content: Content): void => {
    objects.set(name, content);
    for (const v of versions) place({ table: meter, set: `${map}${v}`, element: { key: addressIn(at, v), object: name } });
  };
  for (const w of ways) {
    const { way, letter } = w;
    put(`c${letter}`, `${base}_c${letter}`, { kind: 'counter', packets: packets[way], bytes: counted[way] });
    const { quota, spent } = terms;
    const [bytes, used] = quota.kind === 'shared' ? [quota.bytes, charged.up + charged.down] : [quota[way], charged[way]];
    put(`q${letter}`, quotaName(base, quota, w), { kind: 'quota', bytes, used, over: false });
    put(`l${letter}`, `${base}_l${letter}_${terms.rate[way]}`, limit(terms.rate[way]));
    if (spent !== null) put(`s${letter}`, `${base}_s${letter}_${spent[way]}`, limit(spent[way]));
  }
  for (const placed of egressOf(terms.egress, at)) place(placed);
  return { objects, elements };
}

const addressIn = (at: Addresses, v: 4 | 6): Address => (v === 4 ? at.four : at.six);

const protocols = { tcp: 6, udp: 17 } as const;

function egressOf(egress: Egress, at: Addresses): readonly Placed[] {
  const flow = (set: 'hop' | 'list', { address, length, protocol, ports }: Flow): Placed => {
    const parsed = ip.parseAddress(address);
    if (!parsed.ok) throw new Error(`not an address: ${address}`);
    const size = ip.isV4(parsed.value) ? 4 : 16;
    const { first, last } = ip.bounds({ address: parsed.value, length });
    const key = (n: bigint, port: number): Uint8Array =>
      nftables.concat(size === 4 ? at.four : at.six, ip.addressAt(n, size), Uint8Array.of(protocols[protocol]), nftables.port(port));
    const element = { key: key(first, ports.first), ...(set === 'hop' ? {} : { keyEnd: key(last, ports.last) }) };
    return { table: policy, set: `${set}${size === 4 ? 4 : 6}`, element };
  };
  switch (egress.kind) {
    case 'internet':
      return versions.map((v) => ({ table: policy, set: `internet${v}`, element: { key: addressIn(at, v) } }));
    case 'hop': {
      const { address, protocol, port } = egress;
      return [flow('hop', { address, length: address.includes(':') ? 128 : 32, protocol, ports: { first: port, last: port } })];
    }
    case 'list':
      return egress.flows.map((f) => flow('list', f));
  }
}

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** How long the countersign port outlives the session. */
const drain = 60_000;
// Less than one tick of the kernel's clock would be no timeout at all.
const shortest = 100;

const add = ({ table, set, element }: Placed): Change => ({ kind: 'add-elements', table, set, elements: [element] });
const drop = ({ table, set, element }: Placed): Change => ({ kind: 'delete-elements', table, set, elements: [element] });

const timed = (set: 'live' | 'drain', at: Addresses, timeout: number): readonly Placed[] =>
  versions.map((v) => ({ table: meter, set: `${set}${v}`, element: { key: addressIn(at, v), timeout: BigInt(timeout) } }));

/** Takes elements out whether they have timed out already or not: the kernel refuses to delete what is not there, and not to add what is. */
const dropTimed = (elements: readonly Placed[]): Change[] => [...elements.map(add), ...elements.map(drop)];

/** From one state to the next. `isReplaced`: an object of the same name is nevertheless another. */
function between(before: Pieces, after: Pieces, isReplaced: (object: string) => boolean): Change[] {
  const stays = (name: string): boolean => before.objects.has(name) && after.objects.has(name) && !isReplaced(name);
  const isSame = (name: string, { element }: Placed, other: Pieces): boolean =>
    other.elements.has(name) && (element.object === undefined || stays(element.object));
  const changes: Change[] = [];
  for (const [name, placed] of before.elements) if (!isSame(name, placed, after)) changes.push(drop(placed));
  for (const [name, { kind }] of before.objects) if (!stays(name)) changes.push({ kind: 'delete-object', table: meter, name, of: kind });
  for (const [name, content] of after.objects) {
    const old = before.objects.get(name);
    const isResized = content.kind === 'quota' && old?.kind === 'quota' && content.bytes !== old.bytes;
    if (!stays(name) || isResized) changes.push({ kind: 'add-object', table: meter, name, content });
  }
  for (const [name, placed] of after.elements) if (!isSame(name, placed, before)) changes.push(add(placed));
  return changes;
}

/** What is one transaction. `drawn`: the generation of who is seated. */
export function changesFor(step: RuleStep, pool: Pool, drawn: Generation): readonly Change[] {
  switch (step.kind) {
    case 'clear': {
      const at = pools.addresses(pool, step.held.slot);
      const ends = dropTimed([...timed('live', at, shortest), ...timed('drain', at, shortest)]);
      return [...ends, ...between(piecesOf(step.held, pool), nothing, () => false)];
    }
    case 'seat': {
      const { used, packets = none, gap = none } = step.seat;
      const charged = { up: (used.up + gap.up) as ByteCount, down: (used.down + gap.down) as ByteCount };
      const whole: Whole = { ...step.seat, generation: drawn, counted: used, packets };
      const { live, draining } = endAt(step.left, pools.addresses(pool, whole.slot));
      return [...between(nothing, piecesOf(whole, pool, charged), () => false), ...[...draining, ...live].map(add)];
    }
    case 'alter': {
      const { slot, terms } = step.held;
      const isReplaced = step.changes.some((c) => c.kind === 'replace-quota');
      const [before, after] = [terms, step.changes.reduce(altered, terms)].map((t) => piecesOf({ ...step.held, terms: t }, pool));
      if (before === undefined || after === undefined) throw new Error('two terms, two states');
      const changes = between(before, after, (name) => isReplaced && after.objects.get(name)?.kind === 'quota');
      const ends = step.changes.flatMap((c) => (c.kind === 'set-end' ? renew(c.left, pools.addresses(pool, slot)) : []));
      return [...changes, ...ends];
    }
  }
}

function endAt(left: Millis, at: Addresses): Readonly<{ live: readonly Placed[]; draining: readonly Placed[] }> {
  const timeout = Math.max(left, shortest);
  return { live: left === 0 ? [] : timed('live', at, timeout), draining: timed('drain', at, left + drain) };
}

function renew(left: Millis, at: Addresses): Change[] {
  const { live, draining } = endAt(left, at);
  return [...dropTimed([...timed('live', at, shortest), ...timed('drain', at, shortest)]), ...[...draining, ...live].map(add)];
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What has to be dumped of each table. */
export const kinds: readonly Kind[] = ['counter', 'quota', 'limit'];
export const sets: readonly Readonly<{ table: Table; set: string }>[] = (
  [
    // First, because they change by themselves and have to agree.
    [meter, ['live', 'drain']],
    [meter, ways.flatMap(({ letter }) => ['c', 'q', 'l', 's'].map((map) => map + letter))],
    [policy, ['internet', 'hop', 'list']],
  ] as const
).flatMap(([table, names]) => names.flatMap((name) => versions.map((v) => ({ table, set: `${name}${v}` }))));

export type Peer = Readonly<{ key: PeerKey; allowed: readonly Prefix[] }>;

export type Found = Kernel &
  Readonly<{
    /** What each quota would still let pass. */
    spare: ReadonlyMap<Slot, Quota>;
    /** What belongs to no whole session: in words, and as the changes that take it away. */
    debris: Readonly<{ words: readonly string[]; changes: readonly Change[] }>;
  }>;

type Name = Readonly<{ slot: Slot; generation: Generation; role: string; rate: ByteRate }>;

/** null: no object of a session. */
export function parseName(name: string): Name | null {
  const [, slot, generation, plain, limited, rate = '0'] =
    /^s([1-9]\d{0,9})_([0-9a-f]{8})_(?:(c[ud]|q[ud]?)|([ls][ud])_([1-9]\d{0,18}))$/.exec(name) ?? [];
  if (slot === undefined || generation === undefined) return null;
  return {
    slot: Number(slot) as Slot,
    generation: Number.parseInt(generation, 16) as Generation,
    role: plain ?? `${limited}`,
    rate: BigInt(rate) as ByteRate,
  };
}

export type Metered = Readonly<{ generation: Generation; counted: Pair<ByteCount>; packets: Pair<bigint> }>;
export type Meters = Fold &
  Readonly<{
    /** Of each slot whose two counters are there, and no third. */
    sessions(): ReadonlyMap<Slot, Metered>;
    /** What is counted for no session, by name. */
    others: ReadonlyMap<string, Readonly<{ bytes: bigint; packets: bigint }>>;
  }>;

// As 32 bits of a datagram.
const upTail = 0x5f637500;
const downTail = 0x5f636400;
const digits = Int8Array.from({ length: 256 }, (_, code) => '0123456789abcdef'.indexOf(String.fromCharCode(code)));

/** As `parseName` has it: a regular expression for each counter takes longer than all the rest. NaN: no such number. */
function numberIn(bytes: Uint8Array, start: number, end: number, base: 10 | 16): number {
  let number = 0;
  for (let i = start; i < end; i++) {
    const digit = digits[bytes[i] as number] as number;
    if (digit < 0 || digit >= base) return Number.NaN;
    number = number * base + digit;
  }
  return number;
}

/** The counters alone, as they come: nothing is kept but the figures. */
export function meters(): Meters {
  const sessions = new Map<Slot, Metered>();
  const halves = new Map<Slot, Readonly<{ generation: Generation; role: number; bytes: bigint; packets: bigint }>>();
  const others = new Map<string, Readonly<{ bytes: bigint; packets: bigint }>>();
  const found = (f: Frame, start: number, end: number, bytes: bigint, packets: bigint): void => {
    const tail = end - '_00000000_cu\0'.length;
    const slot = numberIn(f.bytes, start + 1, tail, 10) as Slot;
    const generation = numberIn(f.bytes, tail + 1, tail + 9, 16) as Generation;
    const role = f.view.getUint32(end - 4);
    // An s, no zero in front of the slot, and a _ behind it.
    const isSpelt = f.bytes[start] === 0x73 && f.bytes[start + 1] !== 0x30 && f.bytes[tail] === 0x5f;
    const isSession = isSpelt && slot > 0 && slot < 1e10 && generation >= 0;
    if (!isSession || (role !== upTail && role !== downTail)) return void others.set(netlink.textAt(f, start, end), { bytes, packets });
    const half = halves.get(slot);
    if (half?.generation !== generation || half.role === role || sessions.has(slot))
      return void halves.set(slot, { generation, role, bytes, packets });
    halves.delete(slot);
    const [up, down] = role === upTail ? [{ bytes, packets }, half] : [half, { bytes, packets }];
    sessions.set(slot, {
      generation,
      counted: { up: up.bytes as ByteCount, down: down.bytes as ByteCount },
      packets: { up: up.packets, down: down.packets },
    });
  };
  return {
    picks: nftables.counterPicks,
    take: (m) => nftables.readCounters(m, found),
    sessions() {
      for (const slot of halves.keys()) sessions.delete(slot);
      return sessions;
    },
    others,
  };
}

type Named = Pick<ObjectFound, 'name' | 'of' | 'content'>;
/** What an element says beyond its address: what the map gives for it, or how long it is there. */
type Bare = string | bigint | null;
/** What a slot has. There are twenty elements for each, and thousands of slots: of an address by itself no more is kept than `bare`, by set. */
type Group = { objects: Named[]; readonly bare: (Bare | undefined)[]; others: Placed[] };

const unplaced: readonly undefined[] = sets.map(() => undefined);
const isTimed = (set: string): boolean => /^(live|drain)/.test(set);
const versionOf = (set: string): 4 | 6 => (set.endsWith('4') ? 4 : 6);

export type Gathering = Readonly<{
  /** Takes a dump of objects of one kind, or of the elements of one of `sets`. Begun again, it is as if the first had not been. */
  objects(of: Kind): (found: ObjectFound) => void;
  elements(index: number): (found: ElementFound) => void;
  /** Objects of no session, by name. */
  others: ReadonlyMap<string, Content>;
  /** Once, when all has been taken. */
  found(peers: readonly Peer[]): Found;
}>;

/** Dumps as they come → sessions. */
export function gather(pool: Pool): Gathering {
  const groups = new Map<Slot, Group>();
  const others = new Map<string, Content>();
  let strange: Placed[] = [];
  const groupOf = (slot: Slot): Group => {
    const found = groups.get(slot) ?? { objects: [], bare: [...unplaced], others: [] };
    groups.set(slot, found);
    return found;
  };
  // An address stands in ten sets and more; what slot it is takes arithmetic in 128 bits.
  const slots = new Map<string, Slot | null>();
  const slotAt = (bytes: Uint8Array): Slot | null => {
    const name = text(bytes);
    const known = slots.get(name);
    if (known !== undefined) return known;
    const address = ip.addressOf(bytes);
    const slot = address.ok ? pools.slotOf(pool, address.value) : null;
    slots.set(name, slot);
    return slot;
  };
  return {
    others,
    objects(of) {
      for (const group of groups.values()) group.objects = group.objects.filter((o) => o.of !== of);
      return ({ name, content }) => {
        const parsed = parseName(name);
        if (parsed !== null) groupOf(parsed.slot).objects.push(content === undefined ? { name, of } : { name, of, content });
        else if (content !== undefined) others.set(name, content);
      };
    },
    elements(index) {
      const place = sets[index];
      if (place === undefined) throw new Error(`no set ${index}`);
      const { set } = place;
      const size = versionOf(set) === 4 ? 4 : 16;
      const isElsewhere = (placed: Placed): boolean => placed.set !== set;
      strange = strange.filter(isElsewhere);
      for (const group of groups.values()) {
        group.bare[index] = undefined;
        group.others = group.others.filter(isElsewhere);
      }
      return (element) => {
        const { key, keyEnd, intervalEnd, object, expires = null } = element;
        // A concatenated key begins with the guest's address.
        const slot = slotAt(key.length > size ? key.subarray(0, size) : key);
        if (slot === null) return void strange.push({ ...place, element });
        const group = groupOf(slot);
        const isBare =
          key.length === size && keyEnd === undefined && intervalEnd === undefined && (object === undefined || expires === null);
        if (!isBare || group.bare[index] !== undefined) group.others.push({ ...place, element });
        // The very string of the object's name: a copy for each element is what it all would weigh.
        else group.bare[index] = object === undefined ? expires : (group.objects.find((o) => o.name === object)?.name ?? object);
      };
    },
    found(peers) {
      const held = new Map<Slot, Held>();
      const spare = new Map<Slot, Quota>();
      const words: string[] = [];
      const changes: Change[] = [];
      slots.clear();
      const discard = (why: string, objects: readonly Named[], elements: readonly Placed[]): void => {
        words.push(why);
        changes.push(...elements.flatMap((placed) => (isTimed(placed.set) ? dropTimed([keyed(placed)]) : [drop(keyed(placed))])));
        changes.push(...objects.map(({ name, of }): Change => ({ kind: 'delete-object', table: meter, name, of })));
      };
      for (const [slot, group] of groups) {
        groups.delete(slot);
        const elements = placedOf(slot, group, pool);
        const session = recognise(slot, group.objects, elements, pool);
        if (!session.ok) discard(`slot ${slot}: ${session.fault.reason}`, group.objects, elements);
        else {
          held.set(slot, session.value.held);
          spare.set(slot, session.value.spare);
        }
      }
      for (const placed of strange) discard(`${placed.set}: an address of no slot`, [], [placed]);

      const strays: PeerKey[] = [];
      for (const { key, allowed } of peers) {
        const slot = slotOfPeer(allowed, pool);
        const its = slot === null ? undefined : held.get(slot);
        if (its === undefined || its.key !== null) strays.push(key);
        else held.set(its.slot, { ...its, key });
      }
      return { held, strays, spare, debris: { words, changes } };
    },
  };
}

function placedOf(slot: Slot, { bare, others }: Group, pool: Pool): readonly Placed[] {
  const at = pools.addresses(pool, slot);
  const placed = [...others];
  for (const [i, { table, set }] of sets.entries()) {
    const what = bare[i];
    if (what === undefined) continue;
    const key = addressIn(at, versionOf(set));
    const element: ElementFound = typeof what === 'string' ? { key, object: what } : what === null ? { key } : { key, expires: what };
    placed.push({ table, set, element });
  }
  return placed;
}

/** An element as it can be deleted: its key, and the end of its key. */
const keyed = ({ table, set, element: { key, keyEnd } }: Placed): Placed => ({
  table,
  set,
  element: { key, ...(keyEnd === undefined ? {} : { keyEnd }), ...(isTimed(set) ? { timeout: BigInt(shortest) } : {}) },
});

/** null: not exactly the two addresses of one slot. */
function slotOfPeer(allowed: readonly Prefix[], pool: Pool): Slot | null {
  const [one, other, ...more] = allowed.map(({ address, length }) => (length === 8 * address.length ? pools.slotOf(pool, address) : null));
  const isPair = new Set(allowed.map(({ address }) => address.length)).size === 2;
  return one !== undefined && one !== null && one === other && more.length === 0 && isPair ? one : null;
}

const unlike = (reason: string): Result<never> => fail('malformed', '', reason);

function recognise(
  slot: Slot,
  objects: readonly Named[],
  elements: readonly Placed[],
  pool: Pool,
): Result<Readonly<{ held: Held; spare: Quota }>> {
  const byRole = new Map<string, Content>();
  const rates = new Map<string, ByteRate>();
  const generations = new Set<Generation>();
  for (const { name, content } of objects) {
    const parsed = parseName(name);
    if (parsed === null || content === undefined || byRole.has(parsed.role)) return unlike(`${name} is one too many`);
    generations.add(parsed.generation);
    byRole.set(parsed.role, content);
    rates.set(parsed.role, parsed.rate);
  }
  const [generation, ...others] = generations;
  if (generation === undefined || others.length > 0) return unlike('not the objects of one generation');
  if (slot > pool.slots) return unlike('beyond the pool');

  const counted = pairOf(byRole, 'c', (c) => (c.kind === 'counter' ? (c.bytes as ByteCount) : null));
  const packets = pairOf(byRole, 'c', (c) => (c.kind === 'counter' ? c.packets : null));
  const quota = quotaOf(byRole, (q) => q.bytes);
  const spare = quotaOf(byRole, (q) => (q.bytes > q.used ? q.bytes - q.used : 0n));
  const rate = pairOf(rates, 'l', (r) => r);
  if (counted === null || packets === null || quota === null || spare === null || rate === null)
    return unlike('not the objects of a whole session');
  const placed = elements.filter(({ set }) => !isTimed(set));
  const egress = egressFrom(placed);
  if (!egress.ok) return egress;
  const terms: Terms = { quota, rate, spent: pairOf(rates, 's', (r) => r), egress: egress.value };

  const wanted = piecesOf({ slot, generation, terms, counted, packets }, pool);
  for (const { name, content } of objects) {
    const like = wanted.objects.get(name);
    if (like === undefined || content === undefined || !isAlike(like, content)) return unlike(`${name} is not what its name says`);
  }
  for (const one of placed) if (!wanted.elements.has(nameOf(one))) return unlike(`one too many in ${one.set}`);
  if (objects.length < wanted.objects.size) return unlike('an object is missing');
  if (placed.length < wanted.elements.size) return unlike('an element is missing');
  return ok({ held: { key: null, slot, generation, terms, counted, packets, left: leftOf(elements) }, spare });
}

function pairOf<F, T>(from: ReadonlyMap<string, F>, what: string, take: (f: F) => T | null): Pair<T> | null {
  const [up, down] = ways.map(({ letter }) => {
    const value = from.get(what + letter);
    return value === undefined ? null : take(value);
  });
  return up === undefined || up === null || down === undefined || down === null ? null : { up, down };
}

function quotaOf(byRole: ReadonlyMap<string, Content>, take: (q: Extract<Content, { kind: 'quota' }>) => bigint): Quota | null {
  const amount = (c: Content | undefined): ByteCount | null => (c?.kind === 'quota' ? (take(c) as ByteCount) : null);
  const shared = amount(byRole.get('q'));
  if (shared !== null) return { kind: 'shared', bytes: shared };
  const split = pairOf(byRole, 'q', amount);
  return split === null ? null : { kind: 'split', ...split };
}

/** What counts up is compared elsewhere. */
function isAlike(want: Content, have: Content): boolean {
  if (want.kind === 'limit')
    return (
      have.kind === 'limit' &&
      have.of === want.of &&
      have.rate === want.rate &&
      have.seconds === want.seconds &&
      have.burst === want.burst &&
      have.over === want.over
    );
  return have.kind === want.kind && (have.kind !== 'quota' || !have.over);
}

function egressFrom(placed: readonly Placed[]): Result<Egress> {
  const flows: Flow[] = [];
  const used = new Set<string>();
  for (const { set, element } of placed) {
    const [, kind, version] = /^(internet|hop|list)([46])$/.exec(set) ?? [];
    if (kind === undefined) continue;
    used.add(kind);
    if (kind === 'internet') continue;
    const flow = flowFrom(element, version === '4' ? 4 : 16);
    if (flow === null) return unlike(`no flow in ${set}`);
    flows.push(flow);
  }
  const [kind, ...others] = used;
  const [first] = flows;
  if (kind === undefined || others.length > 0) return unlike('not one kind of egress');
  if (kind === 'internet') return ok({ kind });
  if (kind === 'list' || first === undefined) return ok({ kind: 'list', flows });
  return ok({ kind: 'hop', address: first.address, protocol: first.protocol, port: first.ports.first });
}

/** null: a key that no flow of ours makes. */
function flowFrom({ key, keyEnd = key }: Element, size: 4 | 16): Flow | null {
  const from = (bytes: Uint8Array): Readonly<{ address: Address; protocol: number; port: number }> | null => {
    const address = ip.addressOf(bytes.slice(size, 2 * size));
    const [protocol = 0, , , , high = 0, low = 0] = bytes.subarray(2 * size);
    return address.ok && bytes.length === 2 * size + 8 ? { address: address.value, protocol, port: (high << 8) | low } : null;
  };
  const [first, last] = [from(key), from(keyEnd)];
  if (first === null || last === null) return null;
  const host = first.address.reduce((bits, byte, i) => bits + 32 - Math.clz32(byte ^ (last.address[i] ?? byte)), 0);
  return {
    address: ip.renderAddress(first.address),
    length: 8 * size - host,
    protocol: first.protocol === protocols.tcp ? 'tcp' : 'udp',
    ports: { first: first.port, last: last.port },
  };
}

/** All four say the same end, or it is one that nobody wants, to be set anew. */
function leftOf(elements: readonly Placed[]): Millis {
  const ends = versions.flatMap((v) =>
    (['live', 'drain'] as const).map((set) => {
      const element: ElementFound | undefined = elements.find((placed) => placed.set === `${set}${v}`)?.element;
      if (element === undefined) return 0;
      // Without a timeout it would never end.
      if (element.expires === undefined) return unending;
      return Math.max(0, Number(element.expires) - (set === 'drain' ? drain : 0));
    }),
  );
  const [first, last] = [Math.min(...ends), Math.max(...ends)];
  return millis(last - first > apart ? unending : first);
}

const unending = Number.MAX_SAFE_INTEGER;
/** From one dump to the next some time passes. */
const apart = 2000;
