// The bus: looks up and calls objects, publishes our own, notifies, subscribes, listens and sends events. Every request ends: by its answer,
// by its own timer, or with the connection. Knows no object by name and decides nothing; what a lost bus means is its caller's choice.

import { type Millis, millis } from '../core/brand.ts';
import { type Code, type Fault, fail, fault, ok, type Result, text, under } from '../core/result.ts';
import type { Host, Timer } from '../ports/host.ts';
import type { Kind, Table } from '../wire/blobmsg.ts';
import * as blobmsg from '../wire/blobmsg.ts';
import type { Attrs, Message, Type } from '../wire/ubus.ts';
import * as ubus from '../wire/ubus.ts';

export type Options = Readonly<{
  /** The socket of ubusd: /var/run/ubus/ubus.sock on a router. */
  path: string;
  /** For every answer that ubusd itself gives. */
  deadline: Millis;
  /** reconnect: objects are published and subscriptions made anew, as long as it takes. end: that was it. */
  whenLost: 'reconnect' | 'end';
  /** The connection is gone, and every open request with it. Told once with `end`; with `reconnect` also for each attempt that failed. */
  lost(why: Fault): void;
  /** After a reconnect: all of ours is on the bus again. */
  restored?(): void;
}>;

/** `signature` is blobmsg: a table for each method that we may call. */
export type Found = Readonly<{ path: string; object: number; signature: Uint8Array }>;

/** Who calls, by the word of ubusd. `client` is one connection to the bus. */
export type Call = Readonly<{ args: Table; user: string; group: string; client: number }>;
export type Method = Readonly<{
  /** Shown to who lists the object; nobody checks an argument by it. */
  args: Readonly<Record<string, Kind>>;
  /** A Fault reaches the caller as a ubus status, by its code. Calls do not wait for one another: order is the method's own business. */
  run(call: Call): Result<Table> | Promise<Result<Table>>;
}>;
export type Methods = Readonly<Record<string, Method>>;

export type Published = Readonly<{
  /** To every subscriber; nobody answers. */
  notify(event: string, body: Table): Result<void>;
  /** To every subscriber, and what each of them says within the deadline. */
  ask(event: string, body: Table, deadline: Millis): Promise<Result<readonly Result<Table>[]>>;
  remove(): Promise<Result<void>>;
}>;

export type Subscription = Readonly<{ remove(): Promise<Result<void>> }>;
export type Subscriber = Readonly<{
  notified(event: string, body: Table): void;
  /** The object left the bus, or was not there after a reconnect. Nothing follows. */
  gone(): void;
}>;

export type Bus = Readonly<{
  find(path: string): Promise<Result<Found>>;
  /** All objects that we may see, and whose path begins so. */
  list(prefix: string): Promise<Result<readonly Found[]>>;
  /** An answer without data is an empty table. */
  call(path: string, method: string, args: Table, deadline: Millis): Promise<Result<Table>>;
  publish(path: string, methods: Methods): Promise<Result<Published>>;
  subscribe(path: string, subscriber: Subscriber): Promise<Result<Subscription>>;
  /** An exact event, or its beginning and `*`. ubusd itself sends ubus.object.add and ubus.object.remove with `id` and `path`. */
  listen(pattern: string, heard: (event: string, body: Table) => void): Promise<Result<Subscription>>;
  send(event: string, body: Table): Promise<Result<void>>;
  /** Open requests end with Fault `closed`. Nothing else is told. */
  close(): void;
}>;

const done = ok(undefined);
const ignore = (): void => undefined;
const at = <T>(outer: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(outer, r.fault) });

/** The object under which ubusd itself takes events. */
const eventObject = 1;

const statuses: readonly (readonly [Code, string])[] = [
  ['foreign', 'ok'],
  ['foreign', 'invalid command'],
  ['malformed', 'invalid argument'],
  ['unsupported', 'method not found'],
  ['missing', 'not found'],
  ['foreign', 'no data'],
  ['denied', 'permission denied'],
  ['timeout', 'timed out'],
  ['unsupported', 'not supported'],
  ['foreign', 'unknown error'],
  ['foreign', 'connection failed'],
  ['limit', 'out of memory'],
  ['malformed', 'parse error'],
  ['foreign', 'system error'],
];
const invalidArgument = 2;
const methodNotFound = 3;
const unknownError = 9;
const statusOf: Partial<Record<Code, number>> = { malformed: 2, missing: 4, denied: 6, timeout: 7, unsupported: 8, limit: 11 };

function refused(status: number): Result<never> {
  const [code, words] = statuses[status] ?? ['foreign', 'of a later ubus'];
  return fail(code, '', `ubus status ${status}, ${words}`);
}

// One connection

type Answer = Readonly<{ seq: number; status: Attrs; bodies: readonly Attrs[] }>;
type Waiting = { readonly timer: Timer; readonly answered: (a: Result<Answer>) => void; readonly bodies: Attrs[]; size: number };

type Connection = Readonly<{
  send(m: Message): Result<void>;
  /** `peer`: the object's id where ubusd passes the request on, because the answer carries it in any case; 0 elsewhere.
   *  `first` sees the answer before the next frame is looked at, which may be about it already. */
  request(type: Type, peer: number, attrs: Attrs, patience: Millis, first?: (a: Answer) => void): Promise<Result<Answer>>;
  /** One more answer to a request sent already. */
  expect(seq: number, peer: number, patience: Millis): Promise<Result<Answer>>;
  /** Ends every request; `lose` tells the owner as well. */
  close(why: Fault): void;
  lose(why: Fault): void;
}>;
type ConnectionEvents = Readonly<{ greeted(): void; message(m: Message): void; lost(why: Fault): void }>;

function connect(host: Pick<Host, 'net' | 'clock'>, path: string, deadline: Millis, events: ConnectionEvents): Connection {
  const splitter = ubus.splitter();
  // By sequence and peer: a provider may put any sequence into a frame, but the peer is written by ubusd.
  const waiting = new Map<number, Map<number, Waiting>>();
  let state: 'greeting' | 'open' | 'closed' = 'greeting';
  let lastSeq = 0;
  let queued = 0;

  const greeting = host.clock.after(deadline, () => lose(fault('timeout', path, 'no HELLO from ubusd')));
  const stream = host.net.connectUnix(path, {
    opened: ignore,
    received(chunk) {
      const frames = splitter.push(chunk);
      if (!frames.ok) return lose(under(path, frames.fault));
      for (const frame of frames.value) if (state !== 'closed') take(frame);
    },
    ended: () => lose(hungUp()),
    drained() {
      queued = 0;
    },
    closed: (why) => lose(why ?? hungUp()),
  });

  // ubusd serves only who has a line in passwd and in group, and tells nobody but syslog.
  const hungUp = (): Fault =>
    state === 'greeting'
      ? fault('denied', path, 'ubusd hung up without a HELLO: our user or our group may have no name in /etc/passwd or /etc/group')
      : fault('closed', path, 'the bus hung up');

  function close(why: Fault): void {
    if (state === 'closed') return;
    state = 'closed';
    greeting.cancel();
    stream.close();
    for (const [seq, peers] of waiting) for (const peer of peers.keys()) settle(seq, peer, fail('closed', '', text(why)));
  }

  function lose(why: Fault): void {
    if (state === 'closed') return;
    close(why);
    events.lost(why);
  }

  function take(frame: Uint8Array): void {
    const m = ubus.decode(frame);
    if (state === 'open') handle(ubus.head(frame), m, frame.length);
    else if (m.ok && m.value.type === 'hello') {
      state = 'open';
      greeting.cancel();
      events.greeted();
    } else lose(fault('malformed', path, 'something else than a HELLO came first'));
  }

  function handle({ seq, peer }: ubus.Head, m: Result<Message>, size: number): void {
    const answer = waiting.get(seq)?.get(peer);
    // Answers are passed on as their provider wrote them: a malformed one ends its own request and nothing else.
    if (!m.ok) settle(seq, peer, m);
    else if (m.value.type !== 'data' && m.value.type !== 'status') events.message(m.value);
    else if (answer === undefined) return;
    else if (m.value.type === 'data') {
      answer.bodies.push(m.value.attrs);
      answer.size += size;
      if (answer.size > mostAnswer) settle(seq, peer, fail('limit', '', `an answer of more than ${mostAnswer} bytes`));
    } else {
      const { status } = m.value.attrs;
      if (status === undefined) settle(seq, peer, fail('malformed', '', 'a STATUS without a status'));
      else settle(seq, peer, status === 0 ? ok({ seq, status: m.value.attrs, bodies: answer.bodies }) : refused(status));
    }
  }

  function settle(seq: number, peer: number, result: Result<Answer>): void {
    const peers = waiting.get(seq);
    const answer = peers?.get(peer);
    if (peers === undefined || answer === undefined) return;
    answer.timer.cancel();
    peers.delete(peer);
    // Only then is the sequence free: who is told now may expect one more answer to it.
    answer.answered(result);
    if (peers.size === 0) waiting.delete(seq);
  }

  const expect = (seq: number, peer: number, patience: Millis, first: (a: Answer) => void = ignore): Promise<Result<Answer>> =>
    new Promise((resolve) => {
      const timer = host.clock.after(patience, () => settle(seq, peer, fail('timeout', '', `no answer within ${patience} ms`)));
      const answered = (answer: Result<Answer>): void => {
        if (answer.ok) first(answer.value);
        resolve(answer);
      };
      const peers = waiting.get(seq) ?? new Map<number, Waiting>();
      waiting.set(seq, peers.set(peer, { timer, answered, bodies: [], size: 0 }));
    });

  function send(m: Message): Result<void> {
    if (state !== 'open') return fail('closed', '', 'the bus is gone');
    if (queued > ubus.mostBlob) return fail('limit', '', 'ubusd does not read what we send');
    const frame = ubus.encode(m);
    if (!frame.ok) return frame;
    if (!stream.write(frame.value)) queued += frame.value.length;
    return done;
  }

  async function request(type: Type, peer: number, attrs: Attrs, patience: Millis, first?: (a: Answer) => void): Promise<Result<Answer>> {
    if (waiting.size === 0xffff) return fail('limit', '', 'every sequence number waits for its answer');
    // 0 stays free for what nobody answers.
    do lastSeq = (lastSeq % 0xffff) + 1;
    while (waiting.has(lastSeq));
    const sent = send({ type, seq: lastSeq, peer, attrs });
    return sent.ok ? expect(lastSeq, peer, patience, first) : sent;
  }

  return { send, request, expect, close, lose };
}

/** Of all frames to one request: enough for the list of a large router's objects. */
const mostAnswer = 2 * ubus.mostBlob;

function bodyOf(answer: Result<Answer>): Result<Table> {
  if (!answer.ok) return answer;
  const data = answer.value.bodies.at(-1)?.data;
  return data === undefined ? ok([]) : blobmsg.decode(data);
}

// Objects of ours

type Own = {
  /** Its path, or what it subscribes or listens to. */
  readonly name: string;
  /** null: without a path on the bus, for ubusd to speak to. */
  readonly signature: Uint8Array | null;
  /** null: not on the bus now. */
  object: number | null;
  /** What makes it useful once it is there. */
  attach(c: Connection, object: number): Promise<Result<unknown>>;
  invoked(c: Connection, object: number, m: Message): void;
  /** What it stands for left the bus, and so does it. null: it stands for itself. */
  readonly gone: (() => void) | null;
};

const firstDelay = millis(100);
const longestDelay = millis(10_000);

/** Answers with the first HELLO; a bus that is not there at first is a Fault also for who reconnects. */
export const open = (host: Pick<Host, 'net' | 'clock'>, options: Options): Promise<Result<Bus>> =>
  new Promise((resolve) => {
    const { path: socket, deadline } = options;
    const owned = new Set<Own>();
    let isOpened = false;
    let delay = firstDelay;
    let retry: Timer | null = null;
    let c = dial();

    function dial(): Connection {
      return connect(host, socket, deadline, {
        greeted() {
          if (isOpened) void restore(c);
          else resolve(ok(bus));
          isOpened = true;
        },
        message: take,
        lost(why) {
          for (const own of owned) own.object = null;
          if (!isOpened) resolve({ ok: false, fault: why });
          else if (options.whenLost === 'reconnect') {
            retry = host.clock.after(delay, () => {
              c = dial();
            });
            delay = millis(Math.min(2 * delay, longestDelay));
          }
          if (isOpened) options.lost(why);
        },
      });
    }

    async function restore(connection: Connection): Promise<void> {
      for (const own of [...owned]) {
        const raised = owned.has(own) ? await raise(connection, own) : done;
        if (raised.ok) continue;
        if (own.gone === null || raised.fault.code === 'closed') return connection.lose(under(own.name, raised.fault));
        owned.delete(own);
        own.gone();
      }
      delay = firstDelay;
      options.restored?.();
    }

    function take(m: Message): void {
      const { object } = m.attrs;
      const own = [...owned].find((o) => o.object === object);
      if (object === undefined || own === undefined) return;
      if (m.type === 'invoke') own.invoked(c, object, m);
      else if (m.type === 'unsubscribe' && own.gone !== null) {
        void remove(own);
        own.gone();
      }
    }

    async function raise(connection: Connection, own: Own): Promise<Result<unknown>> {
      const attrs = own.signature === null ? {} : { path: own.name, signature: own.signature };
      const added = await connection.request('add-object', 0, attrs, deadline, ({ bodies }) => {
        own.object = bodies[0]?.object ?? null;
      });
      if (!added.ok) return added;
      const object = added.value.bodies[0]?.object;
      if (object === undefined) return fail('malformed', '', 'ubusd gave the object no id');
      const attached = await own.attach(connection, object);
      // It may have been removed meanwhile.
      if (!attached.ok || !owned.has(own)) await leave(own);
      return attached;
    }

    /** Puts it on the bus now and after every reconnect. */
    async function keep<T>(made: Own, handle: T): Promise<Result<T>> {
      owned.add(made);
      const raised = await raise(c, made);
      if (raised.ok) return ok(handle);
      owned.delete(made);
      return { ok: false, fault: under(made.name, raised.fault) };
    }

    async function leave(own: Own): Promise<Result<void>> {
      const { object } = own;
      own.object = null;
      if (object === null) return done;
      const removed = await c.request('remove-object', 0, { object }, deadline);
      return removed.ok ? done : at(own.name, removed);
    }

    function remove(own: Own): Promise<Result<void>> {
      owned.delete(own);
      return leave(own);
    }

    async function list(pattern: string): Promise<Result<readonly Found[]>> {
      const answer = await c.request('lookup', 0, { path: pattern }, deadline);
      if (!answer.ok) return answer;
      const found = answer.value.bodies.flatMap(({ path, object, signature }) =>
        path === undefined || object === undefined || signature === undefined ? [] : [{ path, object, signature }],
      );
      return ok(found);
    }

    async function find(path: string): Promise<Result<Found>> {
      const found = await list(path);
      if (!found.ok) return found;
      const [first] = found.value;
      // ubusd says "ok" and nothing else of an object that is there and of which this user may call nothing.
      return first === undefined ? fail('denied', '', 'hidden: our user may call no method of it') : ok(first);
    }

    async function invoke(object: number, method: string, args: Table, patience: Millis): Promise<Result<Table>> {
      const data = blobmsg.encode(args);
      if (!data.ok) return data;
      return bodyOf(await c.request('invoke', object, { object, method, data: data.value }, patience));
    }

    const bus: Bus = {
      find: async (path) => at(path, await find(path)),
      async list(prefix) {
        const found = await list(`${prefix}*`);
        return found.ok || found.fault.code !== 'missing' ? at(prefix, found) : ok([]);
      },
      async call(path, method, args, patience) {
        const target = await find(path);
        return target.ok ? at(`${path}.${method}`, await invoke(target.value.object, method, args, patience)) : at(path, target);
      },
      async publish(path, methods) {
        const signature = signatureOf(methods);
        if (!signature.ok) return at(path, signature);
        const made: Own = {
          name: path,
          signature: signature.value,
          object: null,
          attach: async () => done,
          invoked: (connection, object, m) => void serve(connection, object, methods, m),
          gone: null,
        };
        return keep(made, {
          notify: (event, body) => at(`${path}.${event}`, notify(c, made, event, body)),
          ask: async (event, body, patience) => at(`${path}.${event}`, await ask(c, made, event, body, deadline, patience)),
          remove: () => remove(made),
        });
      },
      subscribe(path, subscriber) {
        const made: Own = {
          name: path,
          signature: null,
          object: null,
          async attach(connection, object) {
            const target = await find(path);
            return target.ok ? connection.request('subscribe', 0, { object, target: target.value.object }, deadline) : target;
          },
          invoked(connection, object, m) {
            const body = decodeData(m);
            if (m.attrs.noReply !== true) reply(connection, object, m, body.ok ? 0 : invalidArgument);
            if (body.ok && m.attrs.method !== undefined) subscriber.notified(m.attrs.method, body.value);
          },
          gone: subscriber.gone,
        };
        return keep(made, { remove: () => remove(made) });
      },
      listen(pattern, heard) {
        const made: Own = {
          name: pattern,
          signature: null,
          object: null,
          attach: (_, object) =>
            invoke(
              eventObject,
              'register',
              blobmsg.table({ object: blobmsg.int32(object | 0), pattern: blobmsg.string(pattern) }),
              deadline,
            ),
          invoked(_, __, m) {
            const body = decodeData(m);
            if (body.ok && m.attrs.method !== undefined) heard(m.attrs.method, body.value);
          },
          gone: null,
        };
        return keep(made, { remove: () => remove(made) });
      },
      async send(event, body) {
        const sent = await invoke(eventObject, 'send', blobmsg.table({ id: blobmsg.string(event), data: blobmsg.nested(body) }), deadline);
        return sent.ok ? done : at(event, sent);
      },
      close() {
        retry?.cancel();
        c.close(fault('closed', socket, 'closed by us'));
      },
    };
  });

function signatureOf(methods: Methods): Result<Uint8Array> {
  const described = Object.entries(methods).map(([name, { args }]) => ({
    name,
    value: blobmsg.nested(Object.entries(args).map(([arg, kind]) => ({ name: arg, value: blobmsg.int32(blobmsg.kinds.indexOf(kind)) }))),
  }));
  return blobmsg.encode(described);
}

/** Exactly one for each call. It cannot fail but with the connection, and then the caller's own timer ends the call. */
function reply(c: Connection, object: number, m: Message, status: number): void {
  c.send({ type: 'status', seq: m.seq, peer: m.peer, attrs: { status, object } });
}

const decodeData = ({ attrs }: Message): Result<Table> =>
  attrs.data === undefined ? fail('malformed', '', 'no data') : blobmsg.decode(attrs.data);

async function serve(c: Connection, object: number, methods: Methods, m: Message): Promise<void> {
  const { method: name = '', user, group } = m.attrs;
  const method = Object.hasOwn(methods, name) ? methods[name] : undefined;
  if (method === undefined) return reply(c, object, m, methodNotFound);
  const args = decodeData(m);
  if (!args.ok || user === undefined || group === undefined) return reply(c, object, m, invalidArgument);
  // uhttpd adds the session of its caller (a browser's, by LuCI) to every message; it is no field of anybody's.
  const own = args.value.filter(({ name: field }) => field !== 'ubus_rpc_session');
  const result = await method.run({ args: own, user, group, client: m.peer });
  const body = result.ok ? blobmsg.encode(result.value) : result;
  const sent = body.ok ? c.send({ type: 'data', seq: m.seq, peer: m.peer, attrs: { object, data: body.value } }) : body;
  reply(c, object, m, sent.ok ? 0 : (statusOf[sent.fault.code] ?? unknownError));
}

const absent = fail('closed', '', 'not on the bus');

function notify(c: Connection, { object }: Own, method: string, body: Table): Result<void> {
  const data = blobmsg.encode(body);
  if (!data.ok) return data;
  if (object === null) return absent;
  return c.send({ type: 'notify', seq: 0, peer: object, attrs: { object, method, noReply: true, data: data.value } });
}

async function ask(
  c: Connection,
  { object }: Own,
  method: string,
  body: Table,
  deadline: Millis,
  patience: Millis,
): Promise<Result<readonly Result<Table>[]>> {
  const data = blobmsg.encode(body);
  if (!data.ok) return data;
  if (object === null) return absent;
  let said: readonly Promise<Result<Answer>>[] = [];
  // ubusd first says whom it told, then passes on what each of them answers, under the same sequence.
  const told = await c.request('notify', object, { object, method, data: data.value }, deadline, ({ seq, status }) => {
    said = [...new Set(status.subscribers)].map((subscriber) => c.expect(seq, subscriber, patience));
  });
  return told.ok ? ok((await Promise.all(said)).map(bodyOf)) : told;
}
