// A ubusd: the wire format, ids, sequences, limits, statuses and ACL files of the real one, as measured; test/bus holds both to one suite.
// Peers cannot be asked who they are here, so whoever connects to `path` is root, and every other user has a socket of their own.
// It has no monitor (object 3), no ACL query (object 2), passes no file descriptors and does not look at who owns an ACL file.

import { readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import * as blob from '../../agent/wire/blob.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as fields from '../../agent/wire/fields.ts';
import * as reader from '../../agent/wire/reader.ts';
import type { Attrs, Type } from '../../agent/wire/ubus.ts';
import * as ubus from '../../agent/wire/ubus.ts';

export type Options = Readonly<{
  /** The socket of root. */
  path: string;
  /** Folder of ACL files; without it only root may do anything. */
  acl?: string;
  /** Sockets of other users; `user: null` is one without a line in passwd. */
  others?: readonly Door[];
  /** Told of each call of a named object, also of one that is refused. */
  called?(call: Called): void;
}>;
export type Called = Readonly<{ user: string; path: string; method: string; isAllowed: boolean }>;
export type Door = Readonly<{ path: string; user: string | null; group: string }>;
export type Ubusd = Readonly<{
  /** What SIGHUP does. */
  reload(): void;
  stop(): Promise<void>;
}>;

type Client = Readonly<{ id: number; socket: Socket; user: string; group: string; queue: Uint8Array[] }>;
type ObjectType = { readonly id: number; readonly methods: Table };
type Obj = {
  readonly id: number;
  readonly client: Client;
  readonly path: string | null;
  readonly type: ObjectType | null;
  readonly patterns: Set<string>;
  /** The newest first, as often as they asked. */
  subscribers: Obj[];
  seq: number;
};
type Right = 'publish' | 'subscribe' | 'listen' | 'send';
type Rules = { [K in Right | 'user' | 'group']?: unknown } & { access?: Readonly<Record<string, { methods?: readonly string[] }>> };

const statuses = { ok: 0, invalidCommand: 1, invalidArgument: 2, notFound: 4, denied: 6 };
const eventObject = 1;
const firstFreeId = 1024;
const pieceSize = 4096;
const requests: readonly (Type | undefined)[] = [
  undefined,
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
];

/** Attributes as ubusd takes them: one of a wrong type is as if absent, and a broken one ends the list. */
function attrsOf(frame: Uint8Array): Map<number, Uint8Array> {
  const found = new Map<number, Uint8Array>();
  const r = reader.open(frame);
  r.at = 12;
  for (let attr = blob.next(r); attr.ok; attr = blob.next(r)) found.set(attr.value.id, reader.rest(attr.value.body));
  return found;
}

function numberIn(attrs: Map<number, Uint8Array>, id: number): number | undefined {
  const bytes = attrs.get(id);
  return bytes?.length === 4 ? reader.open(bytes).view.getUint32(0) : undefined;
}

function textIn(attrs: Map<number, Uint8Array>, id: number): string | undefined {
  const bytes = attrs.get(id);
  return bytes?.at(-1) === 0 ? Buffer.from(bytes.subarray(0, bytes.indexOf(0))).toString() : undefined;
}

const matches = (pattern: string, name: string): boolean =>
  pattern.endsWith('*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern;

function newId(taken: (id: number) => boolean): number {
  for (;;) {
    const id = Math.floor(Math.random() * 0x1_0000_0000);
    if (id >= firstFreeId && !taken(id)) return id;
  }
}

export async function startUbusd(options: Options): Promise<Ubusd> {
  const clients = new Map<number, Client>();
  const objects = new Map<number, Obj>();
  let rules: readonly Rules[] = [];
  let sequence = 0;
  let events = 0;

  function load(): void {
    const { acl } = options;
    if (acl === undefined) return;
    const files = readdirSync(acl).filter((name) => name.endsWith('.json'));
    // A pattern that finds no file is an error to glob(3), and the old rules stay.
    if (files.length > 0) rules = files.map((name) => JSON.parse(readFileSync(join(acl, name), 'utf8')) as Rules);
    sequence += 1;
    tell(null, 'ubus.acl.sequence', blobmsg.table({ sequence: blobmsg.int32(sequence) }));
  }

  /** Rules of the user, and of the group only where no user is named. */
  const rulesOf = (client: Client): readonly Rules[] =>
    rules.filter((r) => (r.user === undefined ? r.group === client.group : r.user === client.user));

  const mayCall = (client: Client, path: string | null, method: string): boolean =>
    client.user === 'root' ||
    path === null ||
    rulesOf(client).some((r) =>
      Object.entries(r.access ?? {}).some(
        ([pattern, { methods = [] }]) => matches(pattern, path) && methods.some((m) => m === method || m === '*'),
      ),
    );

  const may = (client: Client, right: Right, name: string): boolean =>
    client.user === 'root' ||
    rulesOf(client).some((r) => {
      const names = r[right];
      return Array.isArray(names) && names.some((pattern) => matches(String(pattern), name));
    });

  function send(to: Client, type: Type, seq: number, peer: number, attrs: Attrs): void {
    const frame = ubus.encode({ type, seq, peer, attrs });
    if (!frame.ok) throw new Error(`ubusd: ${frame.fault.reason}`);
    sendFrame(to, frame.value);
  }

  function sendFrame(to: Client, frame: Uint8Array): void {
    const queued = to.queue.reduce((sum, piece) => sum + piece.length, to.socket.writableLength);
    // Who does not read loses frames, and nobody is told.
    if (queued > 0 && queued + frame.length > ubus.mostBlob) return;
    for (let start = 0; start < frame.length; start += pieceSize) to.queue.push(frame.subarray(start, start + pieceSize));
    flush(to);
  }

  /** Piece by piece, for Node does not tell how much of a larger one the kernel has taken. */
  function flush(to: Client): void {
    while (to.socket.writable && to.socket.writableLength === 0) {
      const piece = to.queue.shift();
      if (piece === undefined) return;
      to.socket.write(piece, () => flush(to));
    }
  }

  function encoded(table: Table): Uint8Array {
    const data = blobmsg.encode(table);
    if (!data.ok) throw new Error(`ubusd: ${data.fault.reason}`);
    return data.value;
  }

  function tell(from: Client | null, event: string, body: Table): void {
    for (const object of objects.values()) {
      if (object.client === from || ![...object.patterns].some((pattern) => matches(pattern, event))) continue;
      events += 1;
      send(object.client, 'invoke', events & 0xffff, 0, { object: object.id, method: event, data: encoded(body) });
    }
  }

  const tellObject = (what: 'add' | 'remove', { id, path }: Obj): void => {
    if (path !== null) tell(null, `ubus.object.${what}`, blobmsg.table({ id: blobmsg.int32(id | 0), path: blobmsg.string(path) }));
  };

  function tellActive(target: Obj): void {
    target.seq = (target.seq + 1) & 0xffff;
    send(target.client, 'notify', target.seq, 0, { object: target.id, active: target.subscribers.length > 0 });
  }

  function unsubscribe(subscriber: Obj, target: Obj): boolean {
    const index = target.subscribers.indexOf(subscriber);
    if (index < 0) return false;
    target.subscribers.splice(index, 1);
    if (target.subscribers.length === 0) tellActive(target);
    return true;
  }

  function free(object: Obj): void {
    for (const target of objects.values()) while (unsubscribe(object, target));
    for (const subscriber of [...object.subscribers]) {
      subscriber.seq = (subscriber.seq + 1) & 0xffff;
      send(subscriber.client, 'unsubscribe', subscriber.seq, 0, { object: subscriber.id, target: object.id });
      unsubscribe(subscriber, object);
    }
    object.patterns.clear();
    tellObject('remove', object);
    objects.delete(object.id);
  }

  const typeInUse = (id: number): ObjectType | undefined => [...objects.values()].find((o) => o.type?.id === id)?.type ?? undefined;

  function typeFrom(attrs: Map<number, Uint8Array>): ObjectType | null {
    const shared = numberIn(attrs, 5);
    if (shared !== undefined) return typeInUse(shared) ?? null;
    const signature = attrs.get(6);
    const methods = signature === undefined ? fail('missing', '', 'no signature') : blobmsg.decode(signature);
    if (!methods.ok || methods.value.some((m) => m.name === '')) return null;
    return { id: newId((id) => typeInUse(id) !== undefined), methods: methods.value };
  }

  function describe(to: Client, seq: number, peer: number, { id, path, type }: Obj): void {
    if (type === null || path === null) return;
    const methods = type.methods.filter((m) => mayCall(to, path, m.name));
    if (methods.length === 0 && type.methods.length > 0) return;
    send(to, 'data', seq, peer, { path, object: id, objectType: type.id, signature: encoded(methods) });
  }

  /** ubusd's own object: event patterns and events. */
  function event(from: Client, method: string, data: Uint8Array | undefined): number {
    const args: Result<Table> = data === undefined ? ok([]) : blobmsg.decode(data);
    const body = args.ok ? args.value : [];
    if (method === 'register') {
      const [id, pattern] = [fields.id(body, 'object'), fields.string(body, 'pattern')];
      if (!id.ok || !pattern.ok) return statuses.invalidArgument;
      if (id.value < firstFreeId) return statuses.denied;
      const object = objects.get(id.value);
      if (object === undefined) return statuses.notFound;
      if (object.client !== from || pattern.value === '') return statuses.denied;
      if (!may(from, 'listen', pattern.value.replace(/\*$/, ''))) return statuses.denied;
      object.patterns.add(pattern.value);
      return statuses.ok;
    }
    if (method !== 'send') return statuses.invalidCommand;
    const [id, content] = [fields.string(body, 'id'), fields.table(body, 'data')];
    if (!id.ok || !content.ok) return statuses.invalidArgument;
    if (id.value.startsWith('ubus.') || !may(from, 'send', id.value)) return statuses.denied;
    tell(from, id.value, content.value);
    return statuses.ok;
  }

  /** The status that ubusd itself answers; null when somebody else answers, or nobody. */
  function handle(from: Client, frame: Uint8Array): number | null {
    const { type, seq, peer } = ubus.head(frame);
    const attrs = attrsOf(frame);
    const id = numberIn(attrs, 3);
    const path = textIn(attrs, 2);
    const method = textIn(attrs, 4);
    const data = attrs.get(7);
    const object = id === undefined ? undefined : objects.get(id);
    const forward = (to: Obj, noReply: boolean): void =>
      send(to.client, 'invoke', seq, from.id, {
        ...(noReply ? { noReply } : {}),
        object: to.id,
        method: method ?? '',
        user: from.user,
        group: from.group,
        ...(data === undefined ? {} : { data }),
      });

    switch (requests[type]) {
      case 'status':
      case 'data': {
        const whole = requests[type] === 'data' ? data !== undefined : numberIn(attrs, 1) !== undefined;
        const to = clients.get(peer);
        if (!whole || object?.client !== from || to === undefined) return null;
        const passed = frame.slice();
        reader.open(passed).view.setUint32(4, object.id);
        sendFrame(to, passed);
        return null;
      }
      case 'ping': {
        const pong = frame.slice();
        pong[1] = 2;
        sendFrame(from, pong);
        return statuses.ok;
      }
      case 'lookup': {
        if (path === '') return statuses.invalidArgument;
        const named = [...objects.values()].filter((o) => o.path !== null);
        const found = named.filter((o) => path === undefined || matches(path, o.path ?? ''));
        if (found.length === 0 && path !== undefined) return statuses.notFound;
        found.sort((a, b) => Buffer.compare(Buffer.from(a.path ?? ''), Buffer.from(b.path ?? '')));
        for (const o of found) describe(from, seq, peer, o);
        return statuses.ok;
      }
      case 'invoke': {
        if (method === undefined || id === undefined) return statuses.invalidArgument;
        if (id === eventObject) return event(from, method, data);
        if (object === undefined) return statuses.notFound;
        const isAllowed = mayCall(from, object.path, method);
        if (object.path !== null) options.called?.({ user: from.user, path: object.path, method, isAllowed });
        if (!isAllowed) return statuses.denied;
        forward(object, false);
        return null;
      }
      case 'add-object': {
        const taken = path !== undefined && [...objects.values()].some((o) => o.path === path);
        if (taken || (path !== undefined && !may(from, 'publish', path))) return statuses.invalidArgument;
        const made: Obj = {
          id: newId((n) => objects.has(n)),
          client: from,
          path: path ?? null,
          type: typeFrom(attrs),
          patterns: new Set(),
          subscribers: [],
          seq: 0,
        };
        tellObject('add', made);
        objects.set(made.id, made);
        send(from, 'data', seq, peer, {
          object: made.id,
          ...(attrs.has(6) && made.type !== null ? { objectType: made.type.id } : {}),
        });
        return statuses.ok;
      }
      case 'remove-object': {
        if (id === undefined) return statuses.invalidArgument;
        if (object === undefined) return statuses.notFound;
        if (object.client !== from) return statuses.denied;
        const last = [...objects.values()].filter((o) => o.type === object.type).length === 1;
        send(from, 'data', seq, peer, { object: id, ...(object.type !== null && last ? { objectType: object.type.id } : {}) });
        free(object);
        return statuses.ok;
      }
      case 'subscribe':
      case 'unsubscribe': {
        const targetId = numberIn(attrs, 8);
        if (id === undefined || targetId === undefined) return statuses.invalidArgument;
        if (object === undefined) return statuses.notFound;
        if (object.client !== from) return statuses.invalidArgument;
        const target = objects.get(targetId);
        if (target === undefined) return statuses.notFound;
        if (requests[type] === 'unsubscribe') return unsubscribe(object, target) ? statuses.ok : statuses.notFound;
        if (target.client === from) return statuses.invalidArgument;
        const kin = target.client.user === from.user || target.client.group === from.group;
        if (target.path === null ? !kin : !may(from, 'subscribe', target.path)) return statuses.notFound;
        target.subscribers.unshift(object);
        if (target.subscribers.length === 1) tellActive(target);
        return statuses.ok;
      }
      case 'notify': {
        if (method === undefined || id === undefined) return statuses.invalidArgument;
        if (object === undefined) return statuses.notFound;
        if (object.client !== from) return statuses.denied;
        const noReply = (attrs.get(10)?.[0] ?? 0) !== 0;
        const subscribers = object.subscribers.map((s) => s.id);
        if (!noReply) send(from, 'status', seq, peer, { object: id, subscribers, status: 0 });
        for (const subscriber of object.subscribers) forward(subscriber, noReply);
        return null;
      }
      default:
        return statuses.invalidCommand;
    }
  }

  function welcome(socket: Socket, { user, group }: Door): void {
    socket.on('error', () => socket.destroy());
    if (user === null) return void socket.destroy();
    const client: Client = { id: newId((id) => clients.has(id)), socket, user, group, queue: [] };
    const splitter = ubus.splitter();
    clients.set(client.id, client);
    socket.on('data', (chunk: Buffer) => {
      const frames = splitter.push(chunk);
      if (!frames.ok) return void socket.destroy();
      for (const frame of frames.value) {
        const { seq, peer } = ubus.head(frame);
        const status = handle(client, frame);
        if (status !== null) send(client, 'status', seq, peer, { status });
      }
    });
    socket.on('close', () => {
      clients.delete(client.id);
      for (const object of [...objects.values()].filter((o) => o.client === client)) free(object);
    });
    send(client, 'hello', 0, client.id, {});
  }

  load();
  const doors: readonly Door[] = [{ path: options.path, user: 'root', group: 'root' }, ...(options.others ?? [])];
  const servers = await Promise.all(
    doors.map((door) => {
      rmSync(door.path, { force: true });
      const server = createServer((socket) => welcome(socket, door));
      return new Promise<typeof server>((resolve, reject) => server.once('error', reject).listen(door.path, () => resolve(server)));
    }),
  );

  return {
    reload: load,
    async stop() {
      for (const { socket } of clients.values()) socket.destroy();
      await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
    },
  };
}
