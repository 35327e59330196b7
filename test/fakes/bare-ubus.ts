// A bare ubus client: what it is answered and what it answers is what the wire says, the status by its number and every DATA. For fakes of
// daemons and tests that compare them; the agent's own client is adapters/ubus-client.ts.

import { connect as connectUnix } from 'node:net';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { Attrs, Message, Type } from '../../agent/wire/ubus.ts';
import * as ubus from '../../agent/wire/ubus.ts';
import type { Answer, FakeObject, Outlet } from './object.ts';
import { call } from './object.ts';

export type Heard = Readonly<{ event: string; body: Table }>;
/** What is said or published goes out in the order of the calls. */
export type BareUbus = Outlet &
  Readonly<{
    call(path: string, method: string, args: Table): Promise<Answer>;
    /** From now on, what the object notifies. */
    subscribe(path: string, heard: (h: Heard) => void): Promise<void>;
    listen(pattern: string, heard: (h: Heard) => void): Promise<void>;
    /** When everything said so far is out. */
    settled(): Promise<void>;
    close(): void;
  }>;

type Reply = { status: number; attrs: Attrs[] };
type Waiting = Reply & { resolve(reply: Reply): void; reject(error: Error): void };

const answerMs = 15_000;
const eventObject = 1;

export async function open(path: string): Promise<BareUbus> {
  const socket = connectUnix(path);
  const splitter = ubus.splitter();
  const waiting = new Map<number, Waiting>();
  const listeners = new Map<number, (h: Heard) => void>();
  const published = new Map<number, FakeObject>();
  let outgoing = Promise.resolve();
  let seq = 0;
  let greeted: () => void = () => undefined;
  const hello = new Promise<void>((resolve, reject) => {
    greeted = resolve;
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('ubusd hung up')));
  });

  const send = (m: Message): void => void socket.write(must(ubus.encode(m)));
  const request = (type: Type, peer: number, attrs: Attrs): Promise<Reply> =>
    new Promise((resolve, reject) => {
      seq = (seq + 1) & 0xffff;
      const mine = seq;
      const timer = setTimeout(() => reject(new Error(`no answer to ${type}`)), answerMs);
      const settle = (reply: Reply): void => {
        clearTimeout(timer);
        waiting.delete(mine);
        resolve(reply);
      };
      waiting.set(mine, { status: 0, attrs: [], resolve: settle, reject });
      send({ type, seq: mine, peer, attrs });
    });

  socket.on('data', (chunk) => {
    for (const frame of must(splitter.push(chunk))) {
      const m = must(ubus.decode(frame));
      const open = waiting.get(m.seq);
      if (m.type === 'hello') greeted();
      else if (m.type === 'data') open?.attrs.push(m.attrs);
      else if (m.type === 'status') open?.resolve({ status: m.attrs.status ?? 0, attrs: open.attrs });
      else if (m.type === 'invoke') {
        const { object = 0, method = '', noReply } = m.attrs;
        const own = published.get(object);
        const { status, data } = own === undefined ? { status: 0, data: [] } : call(own, method, bodyOf(m.attrs));
        listeners.get(object)?.({ event: method, body: bodyOf(m.attrs) });
        for (const body of data) send({ type: 'data', seq: m.seq, peer: m.peer, attrs: { object, data: must(blobmsg.encode(body)) } });
        if (noReply !== true) send({ type: 'status', seq: m.seq, peer: m.peer, attrs: { status, object } });
      }
    }
  });
  await hello;

  const lookup = async (name: string): Promise<number | null> => {
    const { attrs } = await request('lookup', 0, { path: name });
    return attrs[0]?.object ?? null;
  };
  const invoke = async (object: number, method: string, args: Table): Promise<Answer> => {
    const { status, attrs } = await request('invoke', object, { object, method, data: must(blobmsg.encode(args)) });
    return { status, data: attrs.map(bodyOf) };
  };
  const say = (what: () => Promise<unknown>): void => {
    // A trigger of procd's may fire when its bus is closed already.
    outgoing = outgoing.then(() => (socket.destroyed ? undefined : what())).then(() => undefined);
  };
  const idOf = (path: string): number => {
    for (const [id, object] of published) if (object.path === path) return id;
    throw new Error(`${path} is not ours`);
  };
  const listener = async (heard: (h: Heard) => void): Promise<number> => {
    const { attrs } = await request('add-object', 0, {});
    const object = attrs[0]?.object;
    if (object === undefined) throw new Error('ubusd made no object');
    listeners.set(object, heard);
    return object;
  };

  return {
    async call(name, method, args) {
      const object = await lookup(name);
      return object === null ? { status: 4, data: [] } : invoke(object, method, args);
    },
    async subscribe(name, heard) {
      const target = await lookup(name);
      if (target === null) throw new Error(`no object ${name}`);
      const { status } = await request('subscribe', 0, { object: await listener(heard), target });
      if (status !== 0) throw new Error(`subscribe ${name}: status ${status}`);
    },
    async listen(pattern, heard) {
      const object = await listener(heard);
      const { status } = await invoke(eventObject, 'register', [
        { name: 'object', value: blobmsg.int32(object | 0) },
        { name: 'pattern', value: blobmsg.string(pattern) },
      ]);
      if (status !== 0) throw new Error(`listen ${pattern}: status ${status}`);
    },
    add: (object) =>
      say(async () => {
        const methods = Object.entries(object.methods).map(([name, { takes }]) => ({
          name,
          value: blobmsg.nested(
            Object.entries(takes).map(([arg, kind]) => ({ name: arg, value: blobmsg.int32(blobmsg.kinds.indexOf(kind)) })),
          ),
        }));
        const { status, attrs } = await request('add-object', 0, { path: object.path, signature: must(blobmsg.encode(methods)) });
        const id = attrs[0]?.object;
        if (status !== 0 || id === undefined) throw new Error(`${object.path}: status ${status}`);
        published.set(id, object);
      }),
    remove: (path) =>
      say(async () => {
        const object = idOf(path);
        published.delete(object);
        await request('remove-object', 0, { object });
      }),
    notify: (path, event, body) =>
      say(async () => {
        const object = idOf(path);
        seq = (seq + 1) & 0xffff;
        send({ type: 'notify', seq, peer: object, attrs: { object, method: event, data: must(blobmsg.encode(body)), noReply: true } });
      }),
    send: (event, body) =>
      say(() =>
        invoke(eventObject, 'send', [
          { name: 'id', value: blobmsg.string(event) },
          { name: 'data', value: blobmsg.nested(body) },
        ]),
      ),
    settled: () => outgoing,
    close: () => void socket.destroy(),
  };
}

const bodyOf = (attrs: Attrs): Table => (attrs.data === undefined ? [] : must(blobmsg.decode(attrs.data)));

function must<T>(result: { ok: true; value: T } | { ok: false; fault: unknown }): T {
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
}
