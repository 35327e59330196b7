// The client against a ubusd that says what the test says, when the test says it: hostile answers, silence, sequences that wrap.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus, Options } from '../../agent/adapters/ubus-client.ts';
import * as ubusClient from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { type Fault, fault, ok, type Result, text } from '../../agent/core/result.ts';
import type { Host, Net, StreamEvents } from '../../agent/ports/host.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { Attrs, Message, Type } from '../../agent/wire/ubus.ts';
import * as ubus from '../../agent/wire/ubus.ts';
import { type ManualClock, manual } from '../fakes/clock.ts';

function got<T>(r: Result<T>): T {
  if (!r.ok) throw new Error(text(r.fault));
  return r.value;
}
const codeOf = (r: Result<unknown>): string => (r.ok ? 'ok' : `${r.fault.code} ${r.fault.path}`);
const path = '/bus';
const object = 0xffff_0001;
const none = got(blobmsg.encode([]));

type Script = {
  readonly host: Pick<Host, 'net' | 'clock'>;
  readonly clock: ManualClock;
  /** What the client sent and nobody has taken yet. */
  readonly sent: Message[];
  readonly connections: StreamEvents[];
  takes: boolean;
  say(type: Type, seq: number, peer: number, attrs: Attrs): void;
  /** Lets everything run that waits for nobody. */
  idle(): Promise<void>;
};

function script(): Script {
  const clock = manual();
  const sent: Message[] = [];
  const connections: StreamEvents[] = [];
  const connectUnix: Net['connectUnix'] = (_, events) => {
    connections.push(events);
    return {
      write(bytes) {
        sent.push(got(ubus.decode(bytes)));
        return s.takes;
      },
      end: () => undefined,
      close: () => undefined,
      pause: () => undefined,
      resume: () => undefined,
    };
  };
  const s: Script = {
    host: { net: { connectUnix } as Net, clock },
    clock,
    sent,
    connections,
    takes: true,
    say: (type, seq, peer, attrs) => connections.at(-1)?.received(got(ubus.encode({ type, seq, peer, attrs }))),
    idle: () => new Promise((resolve) => setTimeout(resolve, 0)),
  };
  return s;
}

async function greeted(s: Script, over: Partial<Options> = {}): Promise<Bus> {
  const opening = ubusClient.open(s.host, { path, deadline: millis(1000), whenLost: 'end', lost: () => undefined, ...over });
  s.say('hello', 0, 77, {});
  return got(await opening);
}

/** A call that has come as far as its INVOKE. */
async function calling(s: Script, bus: Bus): Promise<{ seq: number; answer: Promise<Result<unknown>> }> {
  const answer = bus.call('weir.x', 'm', [], millis(5000));
  const lookup = s.sent.shift();
  s.say('data', lookup?.seq ?? 0, 0, { path: 'weir.x', object, objectType: 1, signature: none });
  s.say('status', lookup?.seq ?? 0, 0, { status: 0 });
  await s.idle();
  const invoke = s.sent.shift();
  assert.equal([invoke?.type, invoke?.peer, invoke?.attrs], ['invoke', object, { object, method: 'm', data: none }]);
  return { seq: invoke?.seq ?? 0, answer };
}

const greeting = suite('before the HELLO');
const greetings: readonly { name: string; say: (s: Script) => void; want: string }[] = [
  { name: 'silence', say: (s) => s.clock.advance(millis(1000)), want: 'timeout /bus' },
  { name: 'something else', say: (s) => s.say('status', 0, 1, { status: 0 }), want: 'malformed /bus' },
  {
    name: 'another protocol',
    say: (s) => s.connections[0]?.received(new TextEncoder().encode('HTTP/1.1 400 Bad Request')),
    want: 'limit /bus',
  },
  { name: 'the other side ends', say: (s) => s.connections[0]?.ended(), want: 'denied /bus' },
  { name: 'both sides end', say: (s) => s.connections[0]?.closed(null), want: 'denied /bus' },
  { name: 'refused', say: (s) => s.connections[0]?.closed(fault('ECONNREFUSED', path, 'no')), want: 'ECONNREFUSED /bus' },
];
for (const c of greetings)
  greeting(c.name, async () => {
    const s = script();
    const unexpected = (): void => assert.unreachable();
    const opening = ubusClient.open(s.host, {
      path,
      deadline: millis(1000),
      whenLost: 'reconnect',
      lost: unexpected,
      restored: unexpected,
    });
    c.say(s);
    assert.is(codeOf(await opening), c.want);
    s.clock.advance(millis(60_000));
    assert.is(s.connections.length, 1);
  });
greeting.run();

const answers = suite('answers');
const said: readonly { name: string; say: (s: Script, seq: number) => void; want: string }[] = [
  { name: 'none', say: (s) => s.clock.advance(millis(5000)), want: 'timeout weir.x.m' },
  {
    name: 'data and no status',
    say(s, seq) {
      s.say('data', seq, object, { object, data: none });
      s.clock.advance(millis(5000));
    },
    want: 'timeout weir.x.m',
  },
  { name: 'a status and no data', say: (s, seq) => s.say('status', seq, object, { status: 0, object }), want: 'ok' },
  { name: 'a STATUS without a status', say: (s, seq) => s.say('status', seq, object, { object }), want: 'malformed weir.x.m' },
  { name: 'a status of a later ubus', say: (s, seq) => s.say('status', seq, object, { status: 99, object }), want: 'foreign weir.x.m' },
  {
    name: 'data that is no table',
    say(s, seq) {
      s.say('data', seq, object, { object, data: Uint8Array.of(1, 2, 3) });
      s.say('status', seq, object, { status: 0, object });
    },
    want: 'malformed weir.x.m.byte 0',
  },
  {
    name: 'a frame with a broken attribute',
    say(s, seq) {
      const frame = got(ubus.encode({ type: 'data', seq, peer: object, attrs: { object, data: none } }));
      frame[12] = 0x83;
      s.connections[0]?.received(frame);
    },
    want: 'malformed weir.x.m.byte 12',
  },
  {
    name: 'data without end',
    say(s, seq) {
      for (let i = 0; i < 3; i++) s.say('data', seq, object, { object, data: new Uint8Array((1 << 20) - 64) });
    },
    want: 'limit weir.x.m',
  },
  {
    name: "another object's",
    say(s, seq) {
      s.say('status', seq, object + 1, { status: 6, object: object + 1 });
      s.say('status', seq + 1, object, { status: 6, object });
      s.say('status', seq, object, { status: 4, object });
    },
    want: 'missing weir.x.m',
  },
  { name: 'the stream is out of step', say: (s) => s.connections[0]?.received(new Uint8Array(12)), want: 'closed weir.x.m' },
];
for (const c of said)
  answers(c.name, async () => {
    const s = script();
    const bus = await greeted(s);
    const { seq, answer } = await calling(s, bus);
    c.say(s, seq);
    assert.is(codeOf(await answer), c.want);
  });
answers('many data: the last one counts', async () => {
  const s = script();
  const { seq, answer } = await calling(s, await greeted(s));
  for (const n of [1, 2]) s.say('data', seq, object, { object, data: got(blobmsg.encode(blobmsg.table({ n: blobmsg.int32(n) }))) });
  s.say('status', seq, object, { status: 0, object });
  assert.equal(got(await answer), blobmsg.table({ n: blobmsg.int32(2) }));
});
answers.run();

const sequences = suite('sequences');
sequences('wrap, skip what is in use, and never are 0', async () => {
  const s = script();
  const bus = await greeted(s);
  const { seq: kept, answer } = await calling(s, bus);
  const seen = new Set<number>();
  for (let i = 0; i < 0xffff; i++) {
    const sending = bus.send('e', []);
    const { seq = 0, peer = 0 } = s.sent.shift() ?? {};
    seen.add(seq);
    s.say('status', seq, peer, { status: 0 });
    await sending;
  }
  assert.is(seen.size, 0xfffe);
  assert.equal([seen.has(0), seen.has(kept), seen.has(0xffff)], [false, false, true]);
  s.say('status', kept, object, { status: 0, object });
  assert.is(codeOf(await answer), 'ok');
});
sequences.run();

const published = suite('published');
const echo = { echo: { args: {}, run: ({ args }: { args: blobmsg.Table }) => ok(args) } };
async function publish(s: Script, bus: Bus): Promise<void> {
  const publishing = bus.publish('weir.x', echo);
  const add = s.sent.shift();
  assert.equal([add?.type, add?.peer, Object.keys(add?.attrs ?? {})], ['add-object', 0, ['path', 'signature']]);
  s.say('data', add?.seq ?? 0, 0, { object, objectType: 1 });
  s.say('status', add?.seq ?? 0, 0, { status: 0 });
  got(await publishing);
}
const by = { user: 'root', group: 'root' };
const invocations: readonly { name: string; attrs: Attrs; want: readonly (readonly [Type, Attrs])[] }[] = [
  {
    name: 'a call',
    attrs: { object, method: 'echo', ...by, data: none },
    want: [
      ['data', { object, data: none }],
      ['status', { status: 0, object }],
    ],
  },
  { name: 'a method it does not have', attrs: { object, method: 'nope', ...by, data: none }, want: [['status', { status: 3, object }]] },
  { name: 'no method', attrs: { object, ...by, data: none }, want: [['status', { status: 3, object }]] },
  { name: 'no data', attrs: { object, method: 'echo', ...by }, want: [['status', { status: 2, object }]] },
  {
    name: 'data that is no table',
    attrs: { object, method: 'echo', ...by, data: Uint8Array.of(0) },
    want: [['status', { status: 2, object }]],
  },
  { name: 'nobody', attrs: { object, method: 'echo', data: none }, want: [['status', { status: 2, object }]] },
  { name: 'an object that is not ours', attrs: { object: 5000, method: 'echo', ...by, data: none }, want: [] },
];
for (const c of invocations)
  published(c.name, async () => {
    const s = script();
    await publish(s, await greeted(s));
    s.say('invoke', 0xabcd, 88, c.attrs);
    await s.idle();
    assert.equal(
      s.sent.map((m) => [m.type, m.attrs]),
      c.want,
    );
    assert.ok(s.sent.every((m) => m.seq === 0xabcd && m.peer === 88));
  });
published('an answer for a connection that is gone goes nowhere', async () => {
  const s = script();
  let finish: (r: Result<blobmsg.Table>) => void = () => undefined;
  const bus = await greeted(s, { whenLost: 'reconnect' });
  const publishing = bus.publish('weir.x', {
    slow: {
      args: {},
      run: () =>
        new Promise((resolve) => {
          finish = resolve;
        }),
    },
  });
  const readd = (): void => {
    const add = s.sent.shift();
    s.say('data', add?.seq ?? 0, 0, { object, objectType: 1 });
    s.say('status', add?.seq ?? 0, 0, { status: 0 });
  };
  readd();
  got(await publishing);
  s.say('invoke', 1, 88, { object, method: 'slow', ...by, data: none });
  s.connections[0]?.ended();
  s.clock.advance(millis(100));
  s.say('hello', 0, 78, {});
  readd();
  await s.idle();
  finish(ok([]));
  await s.idle();
  assert.equal(s.sent, []);
});
published('a call in the same chunk as the end of the publishing', async () => {
  const s = script();
  const bus = await greeted(s);
  const publishing = bus.publish('weir.x', echo);
  const seq = s.sent.shift()?.seq ?? 0;
  const frames = [
    ubus.encode({ type: 'data', seq, peer: 0, attrs: { object, objectType: 1 } }),
    ubus.encode({ type: 'status', seq, peer: 0, attrs: { status: 0 } }),
    ubus.encode({ type: 'invoke', seq: 5, peer: 88, attrs: { object, method: 'echo', ...by, data: none } }),
  ].flatMap((f) => [...got(f)]);
  s.connections[0]?.received(Uint8Array.from(frames));
  got(await publishing);
  await s.idle();
  assert.equal(
    s.sent.map((m) => m.type),
    ['data', 'status'],
  );
});
published.run();

const losing = suite('a lost bus');
losing('each attempt waits longer, up to 10 s, and a good one starts over', async () => {
  const s = script();
  const told: Fault[] = [];
  let restored = 0;
  await greeted(s, { whenLost: 'reconnect', lost: (why) => told.push(why), restored: () => (restored += 1) });
  const down = fault('ECONNREFUSED', path, 'no');
  const waits: number[] = [];
  for (let i = 0; i < 9; i++) {
    s.connections.at(-1)?.closed(down);
    const before = s.connections.length;
    let waited = 0;
    for (; s.connections.length === before && waited < 20_000; waited += 100) s.clock.advance(millis(100));
    waits.push(waited);
  }
  assert.equal(waits, [100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000]);
  assert.is(told.length, 9);
  s.say('hello', 0, 78, {});
  await s.idle();
  assert.is(restored, 1);
  s.connections.at(-1)?.closed(down);
  s.clock.advance(millis(100));
  assert.is(s.connections.length, 11);
});
losing('closed by us while it waits: no further attempt', async () => {
  const s = script();
  const bus = await greeted(s, { whenLost: 'reconnect' });
  s.connections[0]?.ended();
  bus.close();
  s.clock.advance(millis(60_000));
  assert.is(s.connections.length, 1);
});
losing('lost again while objects are made anew: a subscription is not gone by that', async () => {
  const s = script();
  const bus = await greeted(s, { whenLost: 'reconnect' });
  const subscribing = bus.subscribe('weir.x', { notified: () => undefined, gone: () => assert.unreachable() });
  const answer = async (attrs: Attrs | null): Promise<void> => {
    const seq = s.sent.shift()?.seq ?? 0;
    if (attrs !== null) s.say('data', seq, 0, attrs);
    s.say('status', seq, 0, { status: 0 });
    await s.idle();
  };
  const whole = async (): Promise<void> => {
    await answer({ object });
    await answer({ path: 'weir.x', object: object + 1, signature: none });
    await answer(null);
  };
  await whole();
  got(await subscribing);
  s.connections[0]?.ended();
  s.clock.advance(millis(100));
  s.say('hello', 0, 78, {});
  await answer({ object });
  s.connections[1]?.closed(fault('ECONNRESET', path, 'no'));
  await s.idle();
  s.sent.length = 0;
  s.clock.advance(millis(200));
  s.say('hello', 0, 79, {});
  assert.is(s.sent.length, 1);
  await whole();
  assert.is(s.connections.length, 3);
});
losing('ubusd does not read: what we send has an end', async () => {
  const s = script();
  const bus = await greeted(s);
  s.takes = false;
  const big = blobmsg.table({ t: blobmsg.string('x'.repeat(400_000)) });
  const sending = [0, 1, 2, 3, 4].map(() => bus.send('e', big));
  assert.is(s.sent.length, 3);
  s.connections[0]?.drained();
  sending.push(bus.send('e', big));
  assert.is(s.sent.length, 4);
  s.clock.advance(millis(1000));
  assert.equal((await Promise.all(sending)).map(codeOf), ['timeout e', 'timeout e', 'timeout e', 'limit e', 'limit e', 'timeout e']);
});
losing.run();
