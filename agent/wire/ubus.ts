// ubus messages ↔ bytes, and the cutting of a byte stream into frames. DATA and SIGNATURE stay bytes here: their blobmsg is its sender's,
// and one bad table must not make the message around it unreadable. Knows no socket, no request, no object.

import { fail, ok, type Result } from '../core/result.ts';
import * as blob from './blob.ts';
import type { Reader } from './reader.ts';
import * as reader from './reader.ts';
import type { Writer } from './writer.ts';
import * as writer from './writer.ts';

/** The blob of a message, its own header included (UBUS_MAX_MSGLEN); ubusd hangs up on more. */
export const mostBlob = 1 << 20;
const headerSize = 8;
const smallestFrame = headerSize + 4;

/** In the order of their numbers on the wire. */
const types = [
  'hello',
  'status',
  'data',
  'ping',
  'lookup',
  'invoke',
  'add-object',
  'remove-object',
  'subscribe',
  'unsubscribe',
  'notify',
] as const;
export type Type = (typeof types)[number];

type Known = Readonly<{
  status: number;
  path: string;
  object: number;
  method: string;
  objectType: number;
  signature: Uint8Array;
  data: Uint8Array;
  target: number;
  active: boolean;
  noReply: boolean;
  subscribers: readonly number[];
  user: string;
  group: string;
}>;
/** In the order of the wire, which JavaScript keeps. An attribute of a later ubus is kept as bytes under its number. */
export type Attrs = Readonly<Partial<Known>> & { readonly [later: `attr${number}`]: Uint8Array };

export type Head = Readonly<{ type: number; seq: number; peer: number }>;
export type Message = Readonly<{ type: Type; seq: number; peer: number; attrs: Attrs }>;

type Codec<T> = Readonly<{ decode(body: Reader): Result<T>; encode(w: Writer, value: T): Result<void> }>;

const done = ok(undefined);

const u32: Codec<number> = {
  decode: reader.u32be,
  encode: (w, value) => {
    writer.u32be(w, value);
    return done;
  },
};
const text: Codec<string> = {
  decode: (body) => {
    const start = body.at;
    const value = blob.string(body);
    if (!value.ok) return value;
    return typeof value.value === 'string' ? ok(value.value) : fail('malformed', `byte ${start}`, 'not UTF-8');
  },
  encode: blob.putString,
};
const flag: Codec<boolean> = {
  decode: (body) => {
    const value = reader.u8(body);
    if (!value.ok) return value;
    return value.value > 1 ? fail('malformed', `byte ${body.at - 1}`, 'neither 0 nor 1') : ok(value.value === 1);
  },
  encode: (w, value) => {
    writer.u8(w, value ? 1 : 0);
    return done;
  },
};
const bytes: Codec<Uint8Array> = {
  decode: (body) => ok(reader.rest(body)),
  encode: (w, value) => {
    writer.bytes(w, value);
    return done;
  },
};
const ids: Codec<readonly number[]> = {
  decode: (body) => {
    const found: number[] = [];
    while (reader.left(body) > 0) {
      const attr = blob.next(body);
      if (!attr.ok) return attr;
      const id = reader.u32be(attr.value.body);
      if (!id.ok) return id;
      if (attr.value.id !== 0 || attr.value.extended || reader.left(attr.value.body) > 0)
        return fail('malformed', `byte ${attr.value.body.at}`, 'not an object id');
      found.push(id.value);
    }
    return ok(found);
  },
  encode: (w, value) => {
    for (const id of value) {
      const start = blob.begin(w);
      writer.u32be(w, id);
      blob.end(w, start, 0, false);
    }
    return done;
  },
};

const codecs: { readonly [K in keyof Known]: Codec<Known[K]> } = {
  status: u32,
  path: text,
  object: u32,
  method: text,
  objectType: u32,
  signature: bytes,
  data: bytes,
  target: u32,
  active: flag,
  noReply: flag,
  subscribers: ids,
  user: text,
  group: text,
};
/** In the order of their ids, the first of which is 1. */
const names = Object.keys(codecs) as (keyof Known)[];

/** What a frame says of itself before its attributes. */
export function head(frame: Uint8Array): Head {
  const { view } = reader.open(frame);
  return { type: view.getUint8(1), seq: view.getUint16(2), peer: view.getUint32(4) };
}

/** One whole frame. */
export function decode(frame: Uint8Array): Result<Message> {
  const r = reader.open(frame);
  const header = reader.part(r, headerSize);
  if (!header.ok) return header;
  const { type, seq, peer } = head(frame);
  const name = types[type];
  if (frame[0] !== 0) return fail('unsupported', 'byte 0', `ubus version ${frame[0]}`);
  if (name === undefined) return fail('unsupported', 'byte 1', `message type ${type}`);
  const outer = blob.next(r);
  if (!outer.ok) return outer;
  if (outer.value.id !== 0 || outer.value.extended) return fail('malformed', `byte ${headerSize}`, 'the outer blob has a type');
  if (reader.left(r) > 0) return fail('malformed', `byte ${r.at}`, `${reader.left(r)} bytes behind the message`);
  const attrs = decodeAttrs(outer.value.body);
  return attrs.ok ? ok({ type: name, seq, peer, attrs: attrs.value }) : attrs;
}

function decodeAttrs(r: Reader): Result<Attrs> {
  const attrs: Record<string, Known[keyof Known]> = {};
  while (reader.left(r) > 0) {
    const start = r.at;
    const attr = blob.next(r);
    if (!attr.ok) return attr;
    const { id, extended, body } = attr.value;
    if (extended) return fail('malformed', `byte ${start}`, 'a blobmsg attribute outside of DATA');
    const name = names[id - 1];
    const key = name ?? `attr${id}`;
    if (key in attrs) return fail('malformed', `byte ${start}`, `${key} twice`);
    const value = (name === undefined ? bytes : codecs[name]).decode(body);
    if (!value.ok) return value;
    if (reader.left(body) > 0) return fail('malformed', `byte ${body.at}`, `${reader.left(body)} bytes behind ${key}`);
    attrs[key] = value.value;
  }
  return ok(attrs as Attrs);
}

export function encode(m: Message): Result<Uint8Array<ArrayBuffer>> {
  const w = writer.open();
  writer.u8(w, 0);
  writer.u8(w, types.indexOf(m.type));
  writer.u16be(w, m.seq);
  writer.u32be(w, m.peer);
  const outer = blob.begin(w);
  for (const key of Object.keys(m.attrs) as (keyof Attrs)[]) {
    const put = encodeAttr(w, key, m.attrs[key]);
    if (!put.ok) return { ok: false, fault: { ...put.fault, path: key } };
  }
  blob.end(w, outer, 0, false);
  const size = w.at - headerSize;
  return size > mostBlob ? fail('limit', '', `a message of ${size} bytes; the bus takes ${mostBlob}`) : ok(writer.done(w));
}

function encodeAttr<K extends keyof Attrs>(w: Writer, key: K, value: Attrs[K]): Result<void> {
  const start = blob.begin(w);
  const known = names.indexOf(key as keyof Known);
  const codec = (known < 0 ? bytes : codecs[key as keyof Known]) as Codec<Attrs[K]>;
  const put = codec.encode(w, value);
  if (!put.ok) return put;
  blob.end(w, start, known < 0 ? Number(key.slice(4)) : known + 1, false);
  return done;
}

export type Splitter = Readonly<{
  /** The frames that these bytes complete. After a Fault the stream is lost: nothing says where the next frame begins. */
  push(chunk: Uint8Array): Result<readonly Uint8Array[]>;
}>;

/** Cuts a byte stream into frames, whatever its chunks. Holds one unfinished frame and nothing else. */
export function splitter(): Splitter {
  const start = new Uint8Array(smallestFrame);
  let frame = start;
  let have = 0;
  return {
    push(chunk) {
      const frames: Uint8Array[] = [];
      let at = 0;
      while (at < chunk.length) {
        const piece = chunk.subarray(at, at + frame.length - have);
        frame.set(piece, have);
        have += piece.length;
        at += piece.length;
        if (have < frame.length) break;
        if (frame === start) {
          const length = reader.open(start).view.getUint32(headerSize) & 0xffffff;
          if (length < 4) return fail('malformed', '', `a frame whose blob says ${length} bytes`);
          if (length > mostBlob) return fail('limit', '', `a frame of ${length} bytes; the bus takes ${mostBlob}`);
          frame = new Uint8Array(headerSize + length);
          frame.set(start);
        }
        if (have === frame.length) {
          frames.push(frame);
          frame = start;
          have = 0;
        }
      }
      return ok(frames);
    },
  };
}
