// nf_tables over nfnetlink: what changes while sessions come and go (tables, named objects, elements of sets and maps), read back exactly,
// and the notifications of others' changes. The static rules are text (ruleset.ts); this file knows no rule and no session.
// Numbers in attributes are big-endian on every machine (uapi linux/netfilter/nf_tables.h); times are milliseconds.

import { type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import type { Dialect, Exchange, Field, Message, Out, Picks } from './netlink.ts';
import * as netlink from './netlink.ts';
import * as writer from './writer.ts';

/** Sockets of protocol NETLINK_NETFILTER; the multicast group that tells of changes. */
export const protocol = 12;
export const group = 7;

export const families = { inet: 1, ip: 2, netdev: 5, ip6: 10 } as const;
export type Family = keyof typeof families;
export type Table = Readonly<{ family: Family; name: string }>;

/** `persist` (kernel 6.9): outlives its owner. `owner`: nobody but the socket that set it may change the table. */
export type TableFlags = Readonly<{ dormant: boolean; owner: boolean; persist: boolean }>;

/** What a named object holds. `over` turns the match round: a rule then goes on once the limit or quota is exceeded. */
export type Counter = Readonly<{ kind: 'counter'; packets: bigint; bytes: bigint }>;
export type Content =
  | Counter
  | Readonly<{ kind: 'quota'; bytes: bigint; used: bigint; over: boolean }>
  | Readonly<{ kind: 'limit'; of: 'bytes' | 'packets'; rate: bigint; seconds: bigint; burst: number; over: boolean }>;
export type Kind = Content['kind'];

/** A key is as long as the kernel pads it: see `concat`. `timeout` in milliseconds; `object`: what a map gives for the key. */
export type Element = Readonly<{ key: Uint8Array; keyEnd?: Uint8Array; intervalEnd?: true; timeout?: bigint; object?: string }>;

export type Change =
  | Readonly<{ kind: 'add-table'; table: Table; flags: TableFlags }>
  | Readonly<{ kind: 'delete-table'; table: Table }>
  /** On an existing quota the size changes and `used` stays; an existing limit or counter stays as it is, without an error. */
  | Readonly<{ kind: 'add-object'; table: Table; name: string; content: Content }>
  | Readonly<{ kind: 'delete-object'; table: Table; name: string; of: Kind }>
  | Readonly<{ kind: 'add-elements' | 'delete-elements'; table: Table; set: string; elements: readonly Element[] }>
  | Readonly<{ kind: 'flush-set'; table: Table; set: string }>;

const subsystem = 10;
const verbs = { add: 0, get: 1, delete: 2 } as const;
// A thing's three messages are neighbours: new, get, del.
const things = { table: 0, chain: 3, rule: 6, set: 9, element: 12, generation: 15, object: 18, flowtable: 22 } as const;
type Thing = keyof typeof things;

const typeOf = (verb: keyof typeof verbs, thing: Thing): number => (subsystem << 8) | (things[thing] + verbs[verb]);

function begin(o: Out, family: number, resource = 0): void {
  writer.u8(o.w, family);
  writer.u8(o.w, 0);
  writer.u16be(o.w, resource);
}

// Parts of a concatenated key start on four bytes, short ones (a port, a protocol) filled with zeros behind.
export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const w = writer.open(64);
  for (const part of parts) {
    writer.bytes(w, part);
    writer.room(w, -part.length & 3);
  }
  return writer.done(w);
}

export const port = (n: number): Uint8Array => Uint8Array.of(n >> 8, n & 0xff);

/** A datagram that the kernel does whole or not at all. With `generation`, only if nobody changed anything since (else ERESTART). */
export function encodeBatch(
  d: Dialect,
  seq: number,
  changes: readonly Change[],
  generation?: number,
): Readonly<{ bytes: Uint8Array; exchange: Exchange }> {
  const o = netlink.open(d);
  let next = seq;
  netlink.message(o, batchBegin, netlink.request, next++, () => {
    begin(o, 0, subsystem);
    if (generation !== undefined) netlink.u32be(o, 1, generation);
  });
  const messages = changes.flatMap((change) => split(change));
  for (const [i, change] of messages.entries()) {
    // Older kernels ignore an ack asked for on the frame of a batch, so the last change asks. Errors come unasked.
    const flags = netlink.request | (i === messages.length - 1 ? netlink.wantAck : 0);
    encodeChange(o, flags, next++, change);
  }
  netlink.message(o, batchEnd, netlink.request, next, () => begin(o, 0, subsystem));
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, next - 1) };
}

const batchBegin = 0x10;
const batchEnd = 0x11;

// The length of a list of elements has 16 bits, and an element takes at most about 200 bytes.
const mostElements = 256;

function split(change: Change): readonly Change[] {
  if (change.kind !== 'add-elements' && change.kind !== 'delete-elements') return [change];
  const parts: Change[] = [];
  for (let i = 0; i < change.elements.length; i += mostElements)
    parts.push({ ...change, elements: change.elements.slice(i, i + mostElements) });
  return parts;
}

function encodeChange(o: Out, flags: number, seq: number, change: Change): void {
  const { family, name: table } = change.table;
  const write = (verb: 'add' | 'delete', thing: Thing, fill: () => void): void =>
    netlink.message(o, typeOf(verb, thing), flags | (verb === 'add' ? netlink.create : 0), seq, () => {
      begin(o, families[family]);
      netlink.text(o, 1, table);
      fill();
    });
  switch (change.kind) {
    case 'add-table':
      write('add', 'table', () => netlink.u32be(o, 2, tableBits(change.flags)));
      break;
    case 'delete-table':
      write('delete', 'table', () => undefined);
      break;
    case 'add-object':
      write('add', 'object', () => {
        netlink.text(o, 2, change.name);
        netlink.u32be(o, 3, objectTypes[change.content.kind]);
        netlink.nest(o, 4, () => encodeContent(o, change.content));
      });
      break;
    case 'delete-object':
      write('delete', 'object', () => {
        netlink.text(o, 2, change.name);
        netlink.u32be(o, 3, objectTypes[change.of]);
      });
      break;
    case 'flush-set':
      write('delete', 'element', () => netlink.text(o, 2, change.set));
      break;
    case 'add-elements':
    case 'delete-elements':
      write(change.kind === 'add-elements' ? 'add' : 'delete', 'element', () => {
        netlink.text(o, 2, change.set);
        netlink.nest(o, 3, () => {
          for (const element of change.elements) netlink.nest(o, 1, () => encodeElement(o, element));
        });
      });
      break;
  }
}

const tableBits = (f: TableFlags): number => (f.dormant ? 1 : 0) | (f.owner ? 2 : 0) | (f.persist ? 4 : 0);
const objectTypes = { counter: 1, quota: 2, limit: 4 } as const;

function encodeContent(o: Out, c: Content): void {
  switch (c.kind) {
    case 'counter':
      netlink.u64be(o, 1, c.bytes);
      netlink.u64be(o, 2, c.packets);
      break;
    case 'quota':
      netlink.u64be(o, 1, c.bytes);
      netlink.u64be(o, 4, isSpent(c) ? c.bytes : c.used);
      netlink.u32be(o, 2, c.over ? 1 : 0);
      break;
    case 'limit':
      netlink.u64be(o, 1, c.rate);
      netlink.u64be(o, 2, c.seconds);
      netlink.u32be(o, 3, c.burst);
      netlink.u32be(o, 4, c.of === 'bytes' ? 1 : 0);
      netlink.u32be(o, 5, c.over ? 1 : 0);
      break;
  }
}

/** The kernel takes no quota of which more is used than there is. */
export const isSpent = (q: Readonly<{ bytes: bigint; used: bigint }>): boolean => q.used >= q.bytes;

function encodeElement(o: Out, e: Element): void {
  const { key, keyEnd, timeout, object } = e;
  netlink.nest(o, 1, () => netlink.bytes(o, 1, key));
  if (keyEnd !== undefined) netlink.nest(o, 10, () => netlink.bytes(o, 1, keyEnd));
  if (e.intervalEnd) netlink.u32be(o, 3, 1);
  if (timeout !== undefined) netlink.u64be(o, 4, timeout);
  if (object !== undefined) netlink.text(o, 9, object);
}

/** What can be read. Dumps come in many datagrams; the generation in one. */
export type Query =
  | Readonly<{ kind: 'generation' }>
  | Readonly<{ kind: 'tables'; family: Family }>
  | Readonly<{ kind: 'chains'; family: Family }>
  | Readonly<{ kind: 'objects'; table: Table; of: Kind }>
  | Readonly<{ kind: 'object'; table: Table; of: Kind; name: string }>
  | Readonly<{ kind: 'elements'; table: Table; set: string }>;

export function encodeQuery(d: Dialect, seq: number, q: Query): Readonly<{ bytes: Uint8Array; exchange: Exchange }> {
  const o = netlink.open(d);
  const write = (thing: Thing, flags: number, family: number, fill: () => void): void =>
    netlink.message(o, typeOf('get', thing), netlink.request | flags, seq, () => {
      begin(o, family);
      fill();
    });
  switch (q.kind) {
    case 'generation':
      write('generation', netlink.wantAck, 0, () => undefined);
      break;
    case 'tables':
      write('table', netlink.dump, families[q.family], () => undefined);
      break;
    case 'chains':
      write('chain', netlink.dump, families[q.family], () => undefined);
      break;
    case 'objects':
      write('object', netlink.dump, families[q.table.family], () => {
        netlink.text(o, 1, q.table.name);
        netlink.u32be(o, 3, objectTypes[q.of]);
      });
      break;
    case 'object':
      write('object', netlink.wantAck, families[q.table.family], () => {
        netlink.text(o, 1, q.table.name);
        netlink.text(o, 2, q.name);
        netlink.u32be(o, 3, objectTypes[q.of]);
      });
      break;
    case 'elements':
      write('element', netlink.dump, families[q.table.family], () => {
        netlink.text(o, 1, q.table.name);
        netlink.text(o, 2, q.set);
      });
      break;
  }
  return { bytes: netlink.done(o), exchange: netlink.expect(seq, seq) };
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const familyNames: (Family | undefined)[] = [];
for (const family of Object.keys(families) as Family[]) familyNames[families[family]] = family;

type Headed = { family: Family | null };
/** A table of a family we do not speak is not ours. */
const header = (f: netlink.Frame, at: number): Headed => ({ family: familyNames[f.view.getUint8(at)] ?? null });
const foreign = (): Result<never> => fail('unsupported', 'family', 'a family we do not speak');

function take<T>(m: Message, want: number, what: string, field: Field<T>): Result<T> {
  return m.kind === 'data' && m.type === want ? netlink.read(m, field) : fail('malformed', '', `expected ${what}, got type ${m.type}`);
}

const generationField = netlink.after(4, () => ({}), { id: [1, netlink.asU32be] }, { pid: [2, netlink.asU32be] });

export const decodeGeneration = (m: Message): Result<Readonly<{ id: number; pid?: number }>> =>
  take(m, typeOf('add', 'generation'), 'a generation', generationField);

const tableField = netlink.after(
  4,
  header,

  { name: [1, netlink.asText], bits: [2, netlink.asU32be] },
  { handle: [4, netlink.asU64be], owner: [7, netlink.asU32be] },
);

export type TableFound = Readonly<{ table: Table; flags: TableFlags; handle?: bigint; owner?: number }>;

/** `owner`: the netlink port of the socket that holds the table. */
export function decodeTable(m: Message): Result<TableFound> {
  const read = take(m, typeOf('add', 'table'), 'a table', tableField);
  if (!read.ok) return read;
  const { family, name, bits, ...rest } = read.value;
  if (family === null) return foreign();
  return ok({
    table: { family, name },
    flags: { dormant: (bits & 1) !== 0, owner: (bits & 2) !== 0, persist: (bits & 4) !== 0 },
    ...rest,
  });
}

const hookField = netlink.attributes({}, { device: [3, netlink.asText], devices: [4, netlink.asList(netlink.asText)] });
const chainField = netlink.after(
  4,
  header,
  { table: [1, netlink.asText], name: [3, netlink.asText] },
  { hook: [4, hookField], policy: [5, netlink.asU32be] },
);

/** A base chain without a device hears nothing: up to 6.1 the kernel deletes it with its device. */
export type Chain = Readonly<{ table: Table; name: string; isBase: boolean; drops: boolean; devices: readonly string[] }>;

export function decodeChain(m: Message): Result<Chain> {
  const read = take(m, typeOf('add', 'chain'), 'a chain', chainField);
  if (!read.ok) return read;
  const { family, table, name, hook, policy } = read.value;
  if (family === null) return foreign();
  const device = hook?.device === undefined ? [] : [hook.device];
  return ok({
    table: { family, name: table },
    name,
    isBase: hook !== undefined,
    drops: policy === 0,
    devices: hook?.devices ?? device,
  });
}

const asFirstBit: Field<boolean> = (f, start, end) => {
  const bits = netlink.asU32be(f, start, end);
  return bits.ok ? ok((bits.value & 1) !== 0) : bits;
};
const asUnit: Field<'bytes' | 'packets'> = (f, start, end) => {
  const isBytes = asFirstBit(f, start, end);
  return isBytes.ok ? ok(isBytes.value ? 'bytes' : 'packets') : isBytes;
};
const contentFields: Readonly<Record<Kind, Field<Content>>> = {
  counter: netlink.after(0, () => ({ kind: 'counter' as const }), { bytes: [1, netlink.asU64be], packets: [2, netlink.asU64be] }, {}),
  quota: netlink.after(
    0,
    () => ({ kind: 'quota' as const }),
    { bytes: [1, netlink.asU64be], over: [2, asFirstBit], used: [4, netlink.asU64be] },
    {},
  ),
  limit: netlink.after(
    0,
    () => ({ kind: 'limit' as const }),
    {
      rate: [1, netlink.asU64be],
      seconds: [2, netlink.asU64be],
      burst: [3, netlink.asU32be],
      of: [4, asUnit],
      over: [5, asFirstBit],
    },
    {},
  ),
};

export type TakeCounter = (f: netlink.Frame, name: number, nameEnd: number, bytes: bigint, packets: bigint) => void;

const inside = (outer: number, inner: number): number => (inner << 16) | outer;
/** For a dump of counters and nothing else. */
export const counterPicks: Picks = { head: 4, paths: Int32Array.of(2, inside(4, 1), inside(4, 2)) };

/**
 * Counters are read every few seconds, two for each session, so no text and no object is made of any. `take` gets the place of the name in
 * the datagram.
 */
export function readCounters(m: Message, take: TakeCounter): Fault | null {
  if (m.kind !== 'data' || m.type !== newObject || m.rows === null) return fault('malformed', '', `expected an object, got type ${m.type}`);
  const { rows, frame } = m;
  // The last number is not of a row. Nothing is destructured: QuickJS would iterate.
  for (let i = 0; i + 1 < rows.length; i += 6) {
    const name = rows[i] as number;
    const bytes = rows[i + 2] as number;
    const packets = rows[i + 4] as number;
    if (name < 0 || (rows[i + 3] as number) - bytes !== 8 || (rows[i + 5] as number) - packets !== 8)
      return fault('malformed', `byte ${m.start}`, 'a counter is a name and two numbers of 8 bytes');
    take(frame, name, rows[i + 1] as number, frame.view.getBigUint64(bytes), frame.view.getBigUint64(packets));
  }
  return null;
}

const kindNames: (Kind | undefined)[] = [];
for (const kind of Object.keys(objectTypes) as Kind[]) kindNames[objectTypes[kind]] = kind;
/** `content` is missing where an object was deleted: the kernel then says its name alone. */
export type ObjectFound = Readonly<{ table: Table; name: string; of: Kind; content?: Content }>;

const newObject = typeOf('add', 'object');
const deletedObject = typeOf('delete', 'object');

export function decodeObject(m: Message): Result<ObjectFound> {
  const isDeleted = m.type === deletedObject;
  if (m.kind !== 'data' || (m.type !== newObject && !isDeleted)) return fail('malformed', '', `expected an object, got type ${m.type}`);
  const { frame } = m;
  const triples = m.end - m.start < 4 ? null : frame.dialect.split(frame.bytes, m.start + 4, m.end);
  if (triples === null) return netlink.unfit(m.start);
  let table = -1;
  let name = -1;
  let type = -1;
  let content = -1;
  for (let i = 0; i < triples.length; i += 3) {
    if (triples[i] === 1) table = i + 1;
    else if (triples[i] === 2) name = i + 1;
    else if (triples[i] === 3) type = i + 1;
    else if (triples[i] === 4) content = i + 1;
  }
  if (table < 0 || name < 0 || type < 0) return fail('missing', 'object', 'its table, its name or its type is not there');
  const at = (i: number): number => triples[i] as number;
  const family = familyNames[frame.view.getUint8(m.start)];
  if (family === undefined) return foreign();
  const of = at(type + 1) - at(type) === 4 ? kindNames[frame.view.getUint32(at(type))] : undefined;
  if (of === undefined) return fail('unsupported', 'of', 'an object of a type we do not speak');
  const named: Table = { family, name: netlink.textAt(frame, at(table), at(table + 1)) };
  const objectName = netlink.textAt(frame, at(name), at(name + 1));
  if (content < 0) return isDeleted ? ok({ table: named, name: objectName, of }) : fail('missing', 'content', 'the object is without');
  const read = contentFields[of](frame, at(content), at(content + 1));
  return read.ok ? ok({ table: named, name: objectName, of, content: read.value }) : read;
}

// A nest of one: by hand, since a session has some twenty elements.
const asData: Field<Uint8Array> = (f, start, end) => {
  const size = end - start < 4 ? 0 : f.view.getUint16(start, f.dialect.little);
  if (size < 4 || start + size > end) return netlink.unfit(start);
  const type = f.view.getUint16(start + 2, f.dialect.little) & 0x3fff;
  return type === 1 ? ok(f.bytes.slice(start + 4, start + size)) : fail('missing', 'value', 'the attribute is not there');
};
const elementField = netlink.attributes(
  { key: [1, asData] },
  {
    bits: [3, netlink.asU32be],
    timeout: [4, netlink.asU64be],
    expires: [5, netlink.asU64be],
    object: [9, netlink.asText],
    keyEnd: [10, asData],
  },
);
const elementsField = netlink.after(
  4,
  header,
  { table: [1, netlink.asText], set: [2, netlink.asText] },
  { elements: [3, netlink.asList(elementField)] },
);

/** `expires`: milliseconds left. */
export type ElementFound = Element & Readonly<{ expires?: bigint }>;
export type Elements = Readonly<{ table: Table; set: string; elements: readonly ElementFound[] }>;

export function decodeElements(m: Message): Result<Elements> {
  const verb = m.type === typeOf('delete', 'element') ? 'delete' : 'add';
  const read = take(m, typeOf(verb, 'element'), 'elements', elementsField);
  if (!read.ok) return read;
  const { family, table, set, elements = [] } = read.value;
  if (family === null) return foreign();
  return ok({
    table: { family, name: table },
    set,
    elements: elements.map((element) => {
      if (element.bits === undefined) return element;
      const { bits, ...rest } = element;
      return (bits & 1) === 0 ? rest : { ...rest, intervalEnd: true as const };
    }),
  });
}

export type Event =
  | Readonly<{ kind: 'generation'; id: number; pid?: number }>
  | Readonly<{ kind: 'added' | 'deleted'; thing: Exclude<Thing, 'generation'>; family: number; table: string }>;

const ofTable = netlink.after(4, (f, at) => ({ family: f.view.getUint8(at) }), { table: [1, netlink.asText] }, {});
const eventTypes = new Map<number, Readonly<{ kind: 'added' | 'deleted'; thing: Exclude<Thing, 'generation'> }>>();
for (const thing of Object.keys(things) as Thing[]) {
  if (thing === 'generation') continue;
  eventTypes.set(typeOf('add', thing), { kind: 'added', thing });
  eventTypes.set(typeOf('delete', thing), { kind: 'deleted', thing });
}

/** Whether a notification may be about a table whose name begins so, seen before anything is decoded: the table is its first attribute. */
export function isAbout({ type, frame: { bytes }, start, end }: Message, prefix: string): boolean {
  if (type === typeOf('add', 'generation')) return true;
  const at = start + 8;
  if (at + prefix.length > end) return false;
  for (let i = 0; i < prefix.length; i++) if (bytes[at + i] !== prefix.charCodeAt(i)) return false;
  return true;
}

/** The netlink socket that it answers, or whose doing it tells of; 0: nobody's but the kernel's. */
export const portOf = ({ frame, start }: Message): number => frame.view.getUint32(start - 4, frame.dialect.little);

/** A notification, as far as it takes to see whether it is about us: others' tables make megabytes of them. */
export function decodeEvent(m: Message): Result<Event> {
  if (m.type === typeOf('add', 'generation')) {
    const generation = decodeGeneration(m);
    return generation.ok ? ok({ kind: 'generation', ...generation.value }) : generation;
  }
  const event = eventTypes.get(m.type);
  if (event === undefined) return fail('unsupported', '', `notification of type ${m.type}`);
  const read = netlink.read(m, ofTable);
  return read.ok ? ok({ ...event, ...read.value }) : read;
}
