// Netlink: messages, attributes, batches, and what the kernel says about a request (acknowledgement, error, end of a dump). Knows neither
// routes nor rules nor sockets. Headers and lengths are in the order of the host's bytes, so every codec is told that order.

import { type Walk, walk as walkOf } from '../core/attributes.ts';
import { type Errno, type Fault, fail, fault, ok, type Result, under } from '../core/result.ts';
import type { Writer } from './writer.ts';
import * as writer from './writer.ts';

export type Dialect = Walk & Readonly<{ little: boolean }>;

const hostIsLittle = new Uint8Array(Uint16Array.of(1).buffer)[0] === 1;

export const dialect = (little: boolean): Dialect => ({ little, ...walkOf(little) });
/** Of the host we run on, in TypeScript alone. */
export const here: Dialect = dialect(hostIsLittle);
/** Of the host we run on, with its own walk: native code on a router. */
export const hostDialect = (walk: Walk): Dialect => ({ little: hostIsLittle, ...walk });

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);

// Flags of a request. What a dump, a creation or an ack asks for is the codec's to say.
export const request = 1;
export const wantAck = 4;
export const dump = 0x300;
export const replace = 0x100;
export const exclusive = 0x200;
export const create = 0x400;

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Out = Readonly<{ w: Writer; little: boolean }>;

export const open = (d: Dialect): Out => ({ w: writer.open(1024), little: d.little });
export const done = (o: Out): Uint8Array<ArrayBuffer> => writer.done(o.w);

/** `fill` writes the family's header and the attributes. */
export function message(o: Out, type: number, flags: number, seq: number, fill: () => void): void {
  const start = writer.room(o.w, 16);
  fill();
  o.w.view.setUint32(start, o.w.at - start, o.little);
  o.w.view.setUint16(start + 4, type, o.little);
  o.w.view.setUint16(start + 6, flags, o.little);
  o.w.view.setUint32(start + 8, seq, o.little);
}

/** `fill` writes the value. */
export function attribute(o: Out, type: number, fill: () => void): void {
  const start = writer.room(o.w, 4);
  fill();
  o.w.view.setUint16(start, o.w.at - start, o.little);
  o.w.view.setUint16(start + 2, type, o.little);
  writer.room(o.w, -o.w.at & 3);
}

/** A list longer than 65,535 bytes does not fit in an attribute: its writer has to begin another message before. */
export const nest = (o: Out, type: number, fill: () => void): void => attribute(o, type | 0x8000, fill);

export const put16 = (o: Out, value: number): void => {
  const at = writer.room(o.w, 2);
  o.w.view.setUint16(at, value, o.little);
};
export const put32 = (o: Out, value: number): void => {
  const at = writer.room(o.w, 4);
  o.w.view.setUint32(at, value, o.little);
};
export const bytes = (o: Out, type: number, value: Uint8Array): void => attribute(o, type, () => writer.bytes(o.w, value));
export const flag = (o: Out, type: number): void => attribute(o, type, () => undefined);
export const u8 = (o: Out, type: number, value: number): void => attribute(o, type, () => writer.u8(o.w, value));
export const u16 = (o: Out, type: number, value: number): void => attribute(o, type, () => put16(o, value));
export const u32 = (o: Out, type: number, value: number): void => attribute(o, type, () => put32(o, value));
export const u32be = (o: Out, type: number, value: number): void => attribute(o, type, () => writer.u32be(o.w, value));
export const u64be = (o: Out, type: number, value: bigint): void => attribute(o, type, () => writer.i64be(o.w, value));

/** Latin-1: names of devices and rules are bytes to the kernel, and each keeps its own. */
export function text(o: Out, type: number, value: string): void {
  attribute(o, type, () => {
    const at = writer.room(o.w, value.length + 1);
    for (let i = 0; i < value.length; i++) o.w.view.setUint8(at + i, value.charCodeAt(i));
  });
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** One datagram. */
export type Frame = Readonly<{ bytes: Uint8Array; view: DataView; dialect: Dialect }>;
/** Reads what lies between two offsets. */
export type Field<T> = (f: Frame, start: number, end: number) => Result<T>;

const sized =
  <T>(size: number, read: (f: Frame, at: number) => T): Field<T> =>
  (f, start, end) =>
    end - start === size ? ok(read(f, start)) : fail('malformed', `byte ${start}`, `expected ${size} bytes, got ${end - start}`);

export const asU8 = sized(1, (f, at) => f.view.getUint8(at));
export const asU16 = sized(2, (f, at) => f.view.getUint16(at, f.dialect.little));
export const asU32 = sized(4, (f, at) => f.view.getUint32(at, f.dialect.little));
export const asU64 = sized(8, (f, at) => f.view.getBigUint64(at, f.dialect.little));
export const asU32be = sized(4, (f, at) => f.view.getUint32(at));
export const asU64be = sized(8, (f, at) => f.view.getBigUint64(at));
/** A copy: the datagram is gone before the value is. */
export const asBytes: Field<Uint8Array> = (f, start, end) => ok(f.bytes.slice(start, end));

export function textAt(f: Frame, start: number, end: number): string {
  const stop = end > start && f.bytes[end - 1] === 0 ? end - 1 : end;
  // Not spread: QuickJS would iterate, which for the names takes a third of the time of a dump.
  return String.fromCharCode.apply(null, f.bytes.subarray(start, stop) as unknown as number[]);
}
export const asText: Field<string> = (f, start, end) => ok(textAt(f, start, end));

/** A list of attributes whose types count nothing. */
export const asList =
  <T>(field: Field<T>): Field<readonly T[]> =>
  (f, start, end) => {
    const triples = f.dialect.split(f.bytes, start, end);
    if (triples === null) return unfit(start);
    const values: T[] = [];
    for (let i = 0; i < triples.length; i += 3) {
      const value = field(f, triples[i + 1] as number, triples[i + 2] as number);
      if (!value.ok) return { ok: false, fault: under(`${i / 3}`, value.fault) };
      values.push(value.value);
    }
    return ok(values);
  };

export const unfit = (start: number): Result<never> => fail('malformed', `byte ${start}`, 'the lengths of the attributes do not fit');

type Spec = Readonly<Record<string, readonly [type: number, field: Field<unknown>]>>;
type Values<S extends Spec> = { readonly [K in keyof S]: S[K][1] extends Field<infer T> ? T : never };

/** Attributes by name: `must` have to be there, `may` may, others are passed over (a newer kernel says more). */
export const attributes = <Must extends Spec, May extends Spec>(must: Must, may: May): Field<Values<Must> & Partial<Values<May>>> =>
  after(0, () => ({}), must, may);

/** The same behind a message's fixed header. */
export function after<H extends Readonly<Record<string, unknown>>, Must extends Spec, May extends Spec>(
  size: number,
  header: (f: Frame, at: number) => H,
  must: Must,
  may: May,
): Field<H & Values<Must> & Partial<Values<May>>> {
  const known: (readonly [name: string, field: Field<unknown>] | undefined)[] = [];
  for (const [name, [type, field]] of [...Object.entries(must), ...Object.entries(may)]) known[type] = [name, field];
  const needed = Object.keys(must);
  return (f, start, end) => {
    if (end - start < size) return fail('malformed', `byte ${start}`, `need ${size} bytes, ${end - start} left`);
    const triples = f.dialect.split(f.bytes, start + size, end);
    if (triples === null) return unfit(start + size);
    const found = header(f, start) as Record<string, unknown>;
    for (let i = 0; i < triples.length; i += 3) {
      const entry = known[triples[i] as number];
      if (entry === undefined) continue;
      const value = entry[1](f, triples[i + 1] as number, triples[i + 2] as number);
      if (!value.ok) return { ok: false, fault: under(entry[0], value.fault) };
      found[entry[0]] = value.value;
    }
    for (const name of needed) if (!(name in found)) return fail('missing', name, 'the attribute is not there');
    return ok(found as H & Values<Must> & Partial<Values<May>>);
  };
}

type Header = Readonly<{ type: number; flags: number; seq: number; frame: Frame; start: number; end: number }>;
/** `data` is the family's to read; `end` closes a request: its acknowledgement, its error, or the end of its dump. */
export type Message = Header & (Readonly<{ kind: 'data'; rows: Int32Array | null }> | Readonly<{ kind: 'end'; fault: Fault | null }>);

/** Reads the payload of a `data` message. */
export const read = <T>(m: Message, field: Field<T>): Result<T> => field(m.frame, m.start, m.end);

export function decode(bytes: Uint8Array, d: Dialect): Result<readonly Message[]> {
  const messages: Message[] = [];
  const broken = walk(bytes, d, (m) => void messages.push(m));
  return broken === null ? ok(messages) : { ok: false, fault: broken };
}

/** What is wanted of messages of which there are thousands: `rows` of pickMessages (ports/host.ts), and one message for all of a run. */
export type Picks = Readonly<{ head: number; paths: Int32Array }>;

/** Each message as it comes, and what ends the walk before the datagram does. */
export function walk(bytes: Uint8Array, d: Dialect, take: (m: Message) => void, picks: Picks | null = null): Fault | null {
  const view = viewOf(bytes);
  const frame: Frame = { bytes, view, dialect: d };
  const { little } = d;
  const { length: whole } = bytes;
  for (let at = 0; at < whole; ) {
    const length = at + 16 <= whole ? view.getUint32(at, little) : 0;
    const end = at + length;
    if (length < 16 || end > whole) return fault('malformed', `byte ${at}`, 'the length of the message does not fit');
    const type = view.getUint16(at + 4, little);
    const flags = view.getUint16(at + 6, little);
    const seq = view.getUint32(at + 8, little);
    const start = at + 16;
    if (type === typeError || type === typeDone) {
      const said = decodeEnd(frame, type, flags, start, end);
      if (!said.ok) return said.fault;
      take({ kind: 'end', type, flags, seq, frame, start, end, fault: said.value });
    } else if (type === typeOverrun) return fault('ENOBUFS', `byte ${at}`, 'the kernel lost messages');
    else if (type !== typeNoop && picks === null) take({ kind: 'data', type, flags, seq, frame, start, end, rows: null });
    else if (type !== typeNoop && picks !== null) {
      const rows = d.pick(bytes, at, whole, picks.head, picks.paths);
      if (rows === null) return fault('malformed', `byte ${at}`, 'the lengths of the attributes do not fit');
      at = rows[rows.length - 1] as number;
      take({ kind: 'data', type, flags, seq, frame, start, end: at, rows });
      continue;
    }
    at += (length + 3) & ~3;
  }
  return null;
}

const typeNoop = 1;
const typeError = 2;
const typeDone = 3;
const typeOverrun = 4;

const extendedAck = attributes({}, { reason: [1, asText], offset: [2, asU32] });

function decodeEnd(f: Frame, type: number, flags: number, start: number, end: number): Result<Fault | null> {
  // A dump may end without a word; an error always has a number and the header it answers.
  if (type === typeDone && start === end) return ok(null);
  const need = type === typeDone ? 4 : 20;
  if (end - start < need) return fail('malformed', `byte ${start}`, `need ${need} bytes, ${end - start} left`);
  const errno = -f.view.getInt32(start, f.dialect.little);
  if (errno === 0) return ok(null);
  if ((flags & ackTlvs) === 0) return ok(errnoFault(errno, ''));
  // The whole request stands before the kernel's words, or only its header when the kernel was asked to cap it.
  const echoed = type === typeDone ? 0 : flags & capped ? 16 : f.view.getUint32(start + 4, f.dialect.little);
  const words = start + 4 + ((echoed + 3) & ~3);
  if (words > end) return fail('malformed', `byte ${start + 4}`, 'the length of the echoed request does not fit');
  const said = extendedAck(f, words, end);
  if (!said.ok) return said;
  const { reason, offset } = said.value;
  const where = offset === undefined ? '' : `at byte ${offset} of the request`;
  return ok(errnoFault(errno, [reason, where].filter(Boolean).join(' ')));
}

const capped = 0x100;
const ackTlvs = 0x200;

// Up to 34 every architecture agrees. Beyond, MIPS counts on its own; the numbers here are those that netlink answers with, on either.
const names = new Map<number, Errno>(
  [
    ...'EPERM ENOENT ESRCH EINTR EIO ENXIO E2BIG ENOEXEC EBADF ECHILD EAGAIN ENOMEM EACCES EFAULT ENOTBLK EBUSY EEXIST EXDEV ENODEV ENOTDIR EISDIR EINVAL ENFILE EMFILE ENOTTY ETXTBSY EFBIG ENOSPC ESPIPE EROFS EMLINK EPIPE EDOM ERANGE'
      .split(' ')
      .map((name, i): [number, string] => [i + 1, name]),
    ...Object.entries({
      ELOOP: [40],
      ENODATA: [61],
      EPROTO: [71],
      EOVERFLOW: [75, 79],
      ERESTART: [85, 91],
      EMSGSIZE: [90],
      EPROTONOSUPPORT: [93, 120],
      EOPNOTSUPP: [95, 122, 524],
      EAFNOSUPPORT: [97, 124],
      EADDRINUSE: [98, 125],
      EADDRNOTAVAIL: [99, 126],
      ENETDOWN: [100, 127],
      ENETUNREACH: [101, 128],
      ENOBUFS: [105, 132],
      ENOTCONN: [107, 134],
      ETIMEDOUT: [110, 145],
      EHOSTUNREACH: [113, 148],
      ESTALE: [116, 151],
    }).flatMap(([name, numbers]) => numbers.map((n): [number, string] => [n, name])),
  ].map(([n, name]) => [n, name as Errno]),
);

/** `said` are the kernel's words, if any. */
export function errnoFault(errno: number, said: string): Fault {
  const name = names.get(errno);
  const words = said === '' ? 'refused' : `refused: ${said}`;
  return name === undefined ? fault('foreign', '', `${words} (errno ${errno})`) : fault(name, '', words);
}

// ── Requests and their answers ───────────────────────────────────────────────────────────────────────────────────────────────────────

/** A request under way, or a batch of them: the sequence numbers from `first` to `last`, of which the last asks for an answer. */
export type Exchange = Readonly<{ first: number; last: number; ended: boolean; fault: Fault | null }>;

export const expect = (first: number, last: number): Exchange => ({ first, last, ended: false, fault: null });

/** Notifications of a multicast group, and late answers to what was given up, are not. */
export const isAnswer = (x: Exchange, m: Message): boolean => !x.ended && m.seq >= x.first && m.seq <= x.last;

export function answer(x: Exchange, m: Message): Exchange {
  // Nearly every message of a dump.
  if (m.kind === 'data' && (m.flags & dumpInterrupted) === 0) return x;
  const refused = m.kind === 'end' && m.fault !== null ? under(`message ${m.seq - x.first}`, m.fault) : null;
  // Said once, on the first message after the change: what was collected before and after does not belong together.
  const torn = m.flags & dumpInterrupted ? fault('EINTR', '', 'the table changed while it was read') : null;
  // A batch that fails as a whole (no right, out of memory, commit refused) is answered on its first message alone.
  const ended = m.kind === 'end' && (m.seq === x.last || (refused !== null && m.seq === x.first));
  return { ...x, ended, fault: x.fault ?? refused ?? torn };
}

const dumpInterrupted = 0x10;

export type Sent = Readonly<{ bytes: Uint8Array; exchange: Exchange }>;
/** A request, told the socket's dialect and its first number. */
export type Encode = (d: Dialect, seq: number) => Sent;
export type Fold = Readonly<{ picks: Picks | null; take(m: Message): Fault | null }>;
/** What a socket does for who speaks a family: one request after the other, each to its end. */
export type Socket = Readonly<{
  ask(encode: Encode): Promise<Result<readonly Message[]>>;
  /** Once more when the table changed meanwhile. */
  dump<T>(encode: Encode, decode: (m: Message) => Result<T>): Promise<Result<readonly T[]>>;
  /** The same, of which no more is kept than what `begin` makes: each message is taken as it comes, and each time from the beginning. */
  fold<T extends Fold>(encode: Encode, begin: () => T): Promise<Result<T>>;
  close(): void;
}>;
