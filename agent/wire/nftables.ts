// nf_tables over nfnetlink: what changes while sessions come and go (tables, named objects, elements of sets and maps), read back exactly,
// and the notifications of others' changes. The static rules are text (ruleset.ts); this file knows no rule and no session.
// Numbers in attributes are big-endian on every machine (uapi linux/netfilter/nf_tables.h); times are milliseconds.

import { fail, ok, type Result } from '../core/result.ts';
import type { Dialect, Exchange, Field, Message, Out } from './netlink.ts';
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
export type Content =
  | Readonly<{ kind: 'counter'; packets: bigint; bytes: bigint }>
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

const header = (f: netlink.Frame, at: number): Readonly<{ family: number }> => ({ family: f.view.getUint8(at) });

/** Names the family of a message; a table of a family we do not speak is not ours. */
function familyOf(number: number): Result<Family> {
  for (const family of Object.keys(families) as Family[]) if (families[family] === number) return ok(family);
  return fail('unsupported', 'family', `family ${number}`);
}

function take<T>(m: Message, want: number, what: string, field: Field<T>): Result<T> {
  return m.kind === 'data' && m.type === want ? netlink.read(m, field) : fail('malformed', '', `expected ${what}, got type ${m.type}`);
}

const generationField = netlink.after(4, () => ({}), netlink.attributes({ id: [1, netlink.asU32be] }, { pid: [2, netlink.asU32be] }));

export const decodeGeneration = (m: Message): Result<Readonly<{ id: number; pid?: number }>> =>
  take(m, typeOf('add', 'generation'), 'a generation', generationField);

const tableField = netlink.after(
  4,
  header,
  netlink.attributes(
    { name: [1, netlink.asText], bits: [2, netlink.asU32be] },
    { handle: [4, netlink.asU64be], owner: [7, netlink.asU32be] },
  ),
);

export type TableFound = Readonly<{ table: Table; flags: TableFlags; handle?: bigint; owner?: number }>;

/** `owner`: the netlink port of the socket that holds the table. */
export function decodeTable(m: Message): Result<TableFound> {
  const read = take(m, typeOf('add', 'table'), 'a table', tableField);
  if (!read.ok) return read;
  const { family, name, bits, ...rest } = read.value;
  const named = familyOf(family);
  if (!named.ok) return named;
  return ok({
    table: { family: named.value, name },
    flags: { dormant: (bits & 1) !== 0, owner: (bits & 2) !== 0, persist: (bits & 4) !== 0 },
    ...rest,
  });
}

const hookField = netlink.attributes({}, { device: [3, netlink.asText], devices: [4, netlink.asList(netlink.asText)] });
const chainField = netlink.after(
  4,
  header,
  netlink.attributes({ table: [1, netlink.asText], name: [3, netlink.asText] }, { hook: [4, hookField], policy: [5, netlink.asU32be] }),
);

/** A base chain without a device hears nothing: up to 6.1 the kernel deletes it with its device. */
export type Chain = Readonly<{ table: Table; name: string; isBase: boolean; drops: boolean; devices: readonly string[] }>;

export function decodeChain(m: Message): Result<Chain> {
  const read = take(m, typeOf('add', 'chain'), 'a chain', chainField);
  if (!read.ok) return read;
  const { family, table, name, hook, policy } = read.value;
  const named = familyOf(family);
  if (!named.ok) return named;
  const device = hook?.device === undefined ? [] : [hook.device];
  return ok({
    table: { family: named.value, name: table },
    name,
    isBase: hook !== undefined,
    drops: policy === 0,
    devices: hook?.devices ?? device,
  });
}

const countField = netlink.attributes({ bytes: [1, netlink.asU64be], packets: [2, netlink.asU64be] }, {});
const quotaField = netlink.attributes({ bytes: [1, netlink.asU64be], bits: [2, netlink.asU32be], used: [4, netlink.asU64be] }, {});
const limitField = netlink.attributes(
  {
    rate: [1, netlink.asU64be],
    seconds: [2, netlink.asU64be],
    burst: [3, netlink.asU32be],
    of: [4, netlink.asU32be],
    bits: [5, netlink.asU32be],
  },
  {},
);

const range: Field<readonly [number, number]> = (_, start, end) => ok([start, end]);
const objectField = netlink.after(
  4,
  header,
  netlink.attributes({ table: [1, netlink.asText], name: [2, netlink.asText], type: [3, netlink.asU32be] }, { where: [4, range] }),
);

/** `content` is missing where an object was deleted: the kernel then says its name alone. */
export type ObjectFound = Readonly<{ table: Table; name: string; of: Kind; content?: Content }>;

export function decodeObject(m: Message): Result<ObjectFound> {
  const verb = m.type === typeOf('delete', 'object') ? 'delete' : 'add';
  const read = take(m, typeOf(verb, 'object'), 'an object', objectField);
  if (!read.ok) return read;
  const { family, table, name, type, where } = read.value;
  const named = familyOf(family);
  if (!named.ok) return named;
  const of = kindOf(type);
  if (of === null) return fail('unsupported', name, `object of type ${type}`);
  const found = { table: { family: named.value, name: table }, name, of };
  if (where === undefined) return verb === 'delete' ? ok(found) : fail('missing', name, 'the object has no content');
  const content = decodeContent(of, m.frame, where[0], where[1]);
  return content.ok ? ok({ ...found, content: content.value }) : content;
}

function kindOf(type: number): Kind | null {
  for (const kind of Object.keys(objectTypes) as Kind[]) if (objectTypes[kind] === type) return kind;
  return null;
}

function decodeContent(kind: Kind, f: netlink.Frame, start: number, end: number): Result<Content> {
  switch (kind) {
    case 'counter': {
      const c = countField(f, start, end);
      return c.ok ? ok({ kind, ...c.value }) : c;
    }
    case 'quota': {
      const q = quotaField(f, start, end);
      return q.ok ? ok({ kind, bytes: q.value.bytes, used: q.value.used, over: (q.value.bits & 1) !== 0 }) : q;
    }
    case 'limit': {
      const l = limitField(f, start, end);
      if (!l.ok) return l;
      const { rate, seconds, burst, of, bits } = l.value;
      return ok({ kind, of: of === 1 ? 'bytes' : 'packets', rate, seconds, burst, over: (bits & 1) !== 0 });
    }
  }
}

const dataField = netlink.attributes({ value: [1, netlink.asBytes] }, {});
const elementField = netlink.attributes(
  { key: [1, dataField] },
  {
    bits: [3, netlink.asU32be],
    timeout: [4, netlink.asU64be],
    expires: [5, netlink.asU64be],
    object: [9, netlink.asText],
    keyEnd: [10, dataField],
  },
);
const elementsField = netlink.after(
  4,
  header,
  netlink.attributes({ table: [1, netlink.asText], set: [2, netlink.asText] }, { elements: [3, netlink.asList(elementField)] }),
);

/** `expires`: milliseconds left. */
export type ElementFound = Element & Readonly<{ expires?: bigint }>;
export type Elements = Readonly<{ table: Table; set: string; elements: readonly ElementFound[] }>;

export function decodeElements(m: Message): Result<Elements> {
  const verb = m.type === typeOf('delete', 'element') ? 'delete' : 'add';
  const read = take(m, typeOf(verb, 'element'), 'elements', elementsField);
  if (!read.ok) return read;
  const { family, table, set, elements = [] } = read.value;
  const named = familyOf(family);
  if (!named.ok) return named;
  return ok({
    table: { family: named.value, name: table },
    set,
    elements: elements.map(({ key, keyEnd, bits, ...rest }) => ({
      key: key.value,
      ...(keyEnd === undefined ? {} : { keyEnd: keyEnd.value }),
      ...(bits !== undefined && (bits & 1) !== 0 ? { intervalEnd: true as const } : {}),
      ...rest,
    })),
  });
}

export type Event =
  | Readonly<{ kind: 'generation'; id: number; pid?: number }>
  | Readonly<{ kind: 'added' | 'deleted'; thing: Exclude<Thing, 'generation'>; family: number; table: string }>;

const ofTable = netlink.after(4, header, netlink.attributes({ table: [1, netlink.asText] }, {}));

/** A notification, as far as it takes to see whether it is about us: others' tables make megabytes of them. */
export function decodeEvent(m: Message): Result<Event> {
  if (m.type === typeOf('add', 'generation')) {
    const generation = decodeGeneration(m);
    return generation.ok ? ok({ kind: 'generation', ...generation.value }) : generation;
  }
  for (const thing of Object.keys(things) as Thing[]) {
    const verb = m.type === typeOf('add', thing) ? 'added' : m.type === typeOf('delete', thing) ? 'deleted' : null;
    if (verb === null || thing === 'generation') continue;
    const read = netlink.read(m, ofTable);
    return read.ok ? ok({ kind: verb, thing, ...read.value }) : read;
  }
  return fail('unsupported', '', `notification of type ${m.type}`);
}
