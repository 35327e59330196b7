// What ubusd answers, frame by frame: the facts that the client stands on, and the proof that the fake is like the real one.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { text } from '../../agent/core/result.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { Attrs, Message, Type } from '../../agent/wire/ubus.ts';
import * as ubus from '../../agent/wire/ubus.ts';
import { grounds, type Visitor } from './ground.ts';
import { type Raw, visit } from './raw.ts';

function data(table: Table): Uint8Array {
  const bytes = blobmsg.encode(table);
  if (!bytes.ok) throw new Error(text(bytes.fault));
  return bytes.value;
}
const none = data([]);
const methods = data(blobmsg.table({ echo: blobmsg.nested([]), secret: blobmsg.nested(blobmsg.table({ n: blobmsg.int32(5) })) }));
const unheard = 0x7777_7777;

for (const ground of await grounds()) {
  const bus = suite(`protocol of the ${ground.name}`);
  let open: Raw[] = [];
  const come = async (visitor: Visitor): Promise<Raw> => {
    const raw = await visit(ground.as(visitor), ground.paths[visitor]);
    open.push(raw);
    return raw;
  };
  const ask = async (raw: Raw, type: Type, attrs: Attrs, peer = 0): Promise<readonly Message[]> => {
    raw.send(type, 7, peer, attrs);
    return raw.upToNow();
  };
  /** What it answers, as [type, attrs]; every answer has to carry the request's sequence and peer. */
  const answers = async (raw: Raw, type: Type, attrs: Attrs, peer = 0): Promise<readonly (readonly [Type, Attrs])[]> =>
    (await ask(raw, type, attrs, peer)).map((m) => {
      assert.equal([m.seq, m.peer], [7, peer]);
      return [m.type, m.attrs];
    });
  const statusOf = async (raw: Raw, type: Type, attrs: Attrs): Promise<number | undefined> => {
    const all = await answers(raw, type, attrs);
    return all.at(-1)?.[1].status;
  };
  const added = async (raw: Raw, attrs: Attrs): Promise<number> => {
    const [first] = await ask(raw, 'add-object', attrs);
    const id = first?.attrs.object;
    if (id === undefined) throw new Error('no object');
    return id;
  };
  bus.after.each(async () => {
    for (const raw of open) raw.close();
    open = [];
    // Until all that was theirs is gone.
    const last = await visit(ground.as('root'), ground.paths.root);
    for (let turns = 0; turns < 10_000; turns++) {
      last.send('lookup', 1, 0, { path: 'weir*' });
      if ((await last.upToNow()).length === 1) break;
    }
    last.close();
  });
  bus.after(ground.clear);

  bus('a HELLO with the id of the client', async () => {
    const [a, b] = [await come('root'), await come('root')];
    assert.ok(a.id > 1 && b.id > 1 && a.id !== b.id);
  });
  bus('who has no name is sent away without a HELLO', async () => {
    assert.is((await visit(ground.as('nameless'), ground.paths.nameless)).id, 0);
  });

  for (const type of [0, 11, 12, 255])
    bus(`message type ${type} is no request`, async () => {
      const raw = await come('root');
      raw.write(Uint8Array.of(0, type, 0, 7, 0, 0, 0, 9, 0, 0, 0, 4));
      const [m] = await raw.upToNow();
      assert.equal(m, { type: 'status', seq: 7, peer: 9, attrs: { status: 1 } });
    });
  bus('the version is not looked at', async () => {
    const raw = await come('root');
    raw.write(Uint8Array.of(9, 4, 0, 7, 0, 0, 0, 0, 0, 0, 0, 12, 2, 0, 0, 7, 110, 111, 0, 0));
    const [m] = await raw.upToNow();
    assert.is(m?.attrs.status, 4);
  });
  bus('a ping comes back with its body', async () => {
    const body = { path: 'anything', status: 3 };
    assert.equal(await answers(await come('root'), 'ping', body, 5), [
      ['data', body],
      ['status', { status: 0 }],
    ]);
  });
  bus('byte by byte', async () => {
    const raw = await come('root');
    for (const byte of [0, 3, 0, 7, 0, 0, 0, 0, 0, 0, 0, 4]) raw.write(Uint8Array.of(byte));
    assert.equal(
      (await raw.upToNow()).map((m) => m.type),
      ['data', 'status'],
    );
  });

  for (const c of [
    { name: 'shorter than its header', length: 3, body: 0 },
    { name: 'over the limit', length: ubus.mostBlob + 1, body: 0 },
  ])
    bus(`a blob ${c.name}: it hangs up`, async () => {
      const raw = await come('root');
      raw.write(Uint8Array.of(0, 3, 0, 7, 0, 0, 0, 0, 0, c.length >> 16, (c.length >> 8) & 255, c.length & 255));
      assert.is(await raw.next(), null);
    });
  bus('the largest blob', async () => {
    const raw = await come('root');
    const body = { data: new Uint8Array(ubus.mostBlob - 8) };
    raw.send('ping', 7, 0, body);
    const pong = await raw.next();
    assert.is(pong?.attrs.data?.length, body.data.length);
    assert.is((await raw.next())?.attrs.status, 0);
  });
  bus('who does not read loses whole frames, unnoticed', async () => {
    const raw = await come('root');
    raw.pause();
    const count = 20;
    for (let seq = 1; seq <= count; seq++) raw.send('ping', seq, 0, { data: new Uint8Array(300_000) });
    // The second visitor's answer comes when all of that was taken.
    const other = await come('root');
    for (let i = 0; i < 20; i++) await other.upToNow();
    raw.resume();
    const come1 = await raw.upToNow();
    const pongs = come1.filter((m) => m.type === 'data');
    assert.ok(pongs.length > 0 && pongs.length < count, `${pongs.length} of ${count}`);
    assert.ok(pongs.every((m) => m.attrs.data?.length === 300_000));
  });

  bus('lookup', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const id = await added(raw, { path: 'weir.test', signature: methods });
    await added(raw, { path: 'weir.secret', signature: methods });
    await added(raw, { path: 'weir.open', signature: none });
    await added(raw, { path: 'weir.group', signature: methods });
    await added(raw, { path: 'weir.typeless' });
    const rows: readonly { who: Raw; path: string; want: readonly string[] | number }[] = [
      { who: raw, path: 'weir.test', want: ['weir.test'] },
      { who: raw, path: 'weir*', want: ['weir.group', 'weir.open', 'weir.secret', 'weir.test'] },
      { who: raw, path: 'weir.t*', want: ['weir.test'] },
      { who: raw, path: 'weir.typeless', want: [] },
      { who: raw, path: 'weir.tes', want: 4 },
      { who: raw, path: 'nobody*', want: 4 },
      { who: raw, path: '', want: 2 },
      { who: guest, path: 'weir*', want: ['weir.group', 'weir.open', 'weir.test'] },
      { who: guest, path: 'weir.secret', want: [] },
      { who: guest, path: 'weir.secre', want: 4 },
    ];
    for (const { who, path, want } of rows) {
      const all = await answers(who, 'lookup', { path });
      const found = all.slice(0, -1).map(([, attrs]) => attrs.path);
      assert.equal(
        [found, all.at(-1)],
        [typeof want === 'number' ? [] : want, ['status', { status: typeof want === 'number' ? want : 0 }]],
      );
    }
    const [[, seen] = []] = await answers(guest, 'lookup', { path: 'weir.test' });
    assert.equal(Object.keys(seen ?? {}), ['path', 'object', 'objectType', 'signature']);
    assert.is(seen?.object, id);
    assert.equal(seen?.signature, data(blobmsg.table({ echo: blobmsg.nested([]) })));
    const everything = await answers(raw, 'lookup', {});
    assert.is(everything.length, 5);
  });

  bus('objects', async () => {
    const [raw, other, guest] = [await come('root'), await come('root'), await come('guest')];
    const [[, first] = [], last] = await answers(raw, 'add-object', { path: 'weir.test', signature: methods });
    assert.equal(
      [Object.keys(first ?? {}), last],
      [
        ['object', 'objectType'],
        ['status', { status: 0 }],
      ],
    );
    const { object = 0, objectType = 0 } = first ?? {};
    const [[, anonymous] = []] = await answers(raw, 'add-object', {});
    assert.equal(Object.keys(anonymous ?? {}), ['object']);
    const [[, twin] = []] = await answers(raw, 'add-object', { path: 'weir.twin', objectType });
    assert.equal(Object.keys(twin ?? {}), ['object']);
    const [, [, described] = []] = await answers(raw, 'lookup', { path: 'weir.t*' });
    assert.equal([described?.path, described?.objectType, described?.signature], ['weir.twin', objectType, methods]);

    const rows: readonly { name: string; who: Raw; type: Type; attrs: Attrs; want: number }[] = [
      { name: 'the path is taken', who: other, type: 'add-object', attrs: { path: 'weir.test', signature: methods }, want: 2 },
      { name: 'not allowed to publish', who: guest, type: 'add-object', attrs: { path: 'weir.other' }, want: 2 },
      { name: 'weir.guest.* is not weir.guestbook', who: guest, type: 'add-object', attrs: { path: 'weir.guestbook' }, want: 2 },
      { name: 'allowed', who: guest, type: 'add-object', attrs: { path: 'weir.guest.room' }, want: 0 },
      { name: 'anonymous', who: guest, type: 'add-object', attrs: {}, want: 0 },
      {
        name: 'a signature without names',
        who: raw,
        type: 'add-object',
        attrs: { path: 'weir.bad', signature: data([{ name: '', value: blobmsg.nothing }]) },
        want: 0,
      },
      { name: 'remove nothing', who: raw, type: 'remove-object', attrs: {}, want: 2 },
      { name: 'remove what is not there', who: raw, type: 'remove-object', attrs: { object: unheard }, want: 4 },
      { name: 'remove of another', who: other, type: 'remove-object', attrs: { object }, want: 6 },
    ];
    for (const c of rows) assert.is(await statusOf(c.who, c.type, c.attrs), c.want, c.name);
    assert.equal(await answers(raw, 'remove-object', { object }), [
      ['data', { object }],
      ['status', { status: 0 }],
    ]);
    assert.equal(await answers(raw, 'remove-object', { object: twin?.object ?? 0 }), [
      ['data', { object: twin?.object, objectType }],
      ['status', { status: 0 }],
    ]);
  });

  bus('a call there and back', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const object = await added(raw, { path: 'weir.test', signature: methods });
    const args = data(blobmsg.table({ n: blobmsg.int64(1n) }));
    // The peer of the request is nobody's business; that of the answer is the object all the same.
    guest.send('invoke', 9, 0, { object, method: 'echo', noReply: true, data: args });
    const call = await raw.next();
    const { user, group } = ground.guest;
    assert.equal(call, { type: 'invoke', seq: 9, peer: guest.id, attrs: { object, method: 'echo', user, group, data: args } });
    assert.equal(Object.keys(call?.attrs ?? {}), ['object', 'method', 'user', 'group', 'data']);
    raw.send('data', 9, guest.id, { object, data: args });
    raw.send('status', 9, guest.id, { status: 0, object });
    assert.equal(await guest.next(), { type: 'data', seq: 9, peer: object, attrs: { object, data: args } });
    assert.equal(await guest.next(), { type: 'status', seq: 9, peer: object, attrs: { status: 0, object } });
    guest.send('invoke', 10, object, { object, method: 'echo' });
    assert.equal(Object.keys((await raw.next())?.attrs ?? {}), ['object', 'method', 'user', 'group']);
  });

  bus('calls that ubusd answers itself', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const object = await added(raw, { path: 'weir.test', signature: methods });
    const nameless = await added(raw, {});
    const rows: readonly { name: string; attrs: Attrs; want: number | undefined }[] = [
      { name: 'no method', attrs: { object, data: none }, want: 2 },
      { name: 'no object', attrs: { method: 'echo', data: none }, want: 2 },
      { name: 'an object that is not there', attrs: { object: unheard, method: 'echo', data: none }, want: 4 },
      { name: 'a method that is not allowed', attrs: { object, method: 'secret', data: none }, want: 6 },
      { name: 'a method that nobody has', attrs: { object, method: 'nope', data: none }, want: 6 },
      { name: 'an object without a path is passed on to', attrs: { object: nameless, method: 'secret', data: none }, want: undefined },
    ];
    for (const c of rows) assert.is(await statusOf(guest, 'invoke', c.attrs), c.want, c.name);
    assert.is((await raw.upToNow()).length, 1);
  });

  bus('an attribute of the wrong type is as good as absent', async () => {
    const raw = await come('root');
    // INVOKE with an object id of eight bytes and the method "echo".
    raw.write(
      Uint8Array.of(0, 5, 0, 7, 0, 0, 0, 0, 0, 0, 0, 28, 3, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 1, 4, 0, 0, 9, 101, 99, 104, 111, 0, 0, 0, 0),
    );
    assert.equal(
      (await raw.upToNow()).map((m) => m.attrs),
      [{ status: 2 }],
    );
  });

  bus('an answer is passed on as it was written', async () => {
    const [raw, caller] = [await come('root'), await come('root')];
    const object = await added(raw, { path: 'weir.test', signature: methods });
    caller.send('invoke', 9, object, { object, method: 'echo', data: none });
    await raw.next();
    const odd: Attrs = { attr99: Uint8Array.of(1), data: Uint8Array.of(0xff, 0, 1), user: 'somebody', object };
    raw.send('data', 9, caller.id, odd);
    assert.equal(await caller.next(), { type: 'data', seq: 9, peer: object, attrs: odd });
  });

  bus('answers that nobody gets', async () => {
    const [raw, caller, third] = [await come('root'), await come('root'), await come('root')];
    const object = await added(raw, { path: 'weir.test', signature: methods });
    const own = await added(third, {});
    caller.send('invoke', 9, object, { object, method: 'echo', data: none });
    await raw.next();
    raw.send('status', 9, caller.id, { status: 0 });
    raw.send('status', 9, caller.id, { object });
    raw.send('data', 9, caller.id, { object });
    raw.send('status', 9, unheard, { status: 0, object });
    third.send('status', 9, caller.id, { status: 0, object });
    await raw.upToNow();
    await third.upToNow();
    assert.equal(await caller.upToNow(), []);
    // Another object's answer is one, but says whose it is.
    third.send('status', 9, caller.id, { status: 6, object: own });
    await third.upToNow();
    assert.equal(await caller.upToNow(), [{ type: 'status', seq: 9, peer: own, attrs: { status: 6, object: own } }]);
    raw.close();
    await third.upToNow();
    assert.equal(await caller.upToNow(), []);
  });

  bus('subscriptions', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const target = await added(raw, { path: 'weir.test', signature: methods });
    const closed = await added(raw, { path: 'weir.closed', signature: methods });
    const hidden = await added(raw, {});
    const object = await added(guest, {});
    const mine = await added(guest, { path: 'weir.guest', signature: none });
    const rows: readonly { name: string; type: Type; attrs: Attrs; want: number }[] = [
      { name: 'nobody', type: 'subscribe', attrs: { target }, want: 2 },
      { name: 'to nothing', type: 'subscribe', attrs: { object }, want: 2 },
      { name: 'with what is not there', type: 'subscribe', attrs: { object: unheard, target }, want: 4 },
      { name: 'to what is not there', type: 'subscribe', attrs: { object, target: unheard }, want: 4 },
      { name: 'to ubusd itself', type: 'subscribe', attrs: { object, target: 1 }, want: 4 },
      { name: 'with what is not mine', type: 'subscribe', attrs: { object: target, target }, want: 2 },
      { name: 'to my own', type: 'subscribe', attrs: { object, target: mine }, want: 2 },
      { name: 'not allowed', type: 'subscribe', attrs: { object, target: closed }, want: 4 },
      { name: 'to what has no name and is of another', type: 'subscribe', attrs: { object, target: hidden }, want: 4 },
      { name: 'not subscribed', type: 'unsubscribe', attrs: { object, target }, want: 4 },
      { name: 'allowed', type: 'subscribe', attrs: { object, target }, want: 0 },
      { name: 'unsubscribe', type: 'unsubscribe', attrs: { object, target }, want: 0 },
      { name: 'again', type: 'subscribe', attrs: { object, target }, want: 0 },
      { name: 'twice', type: 'subscribe', attrs: { object, target }, want: 0 },
    ];
    for (const c of rows) assert.is(await statusOf(guest, c.type, c.attrs), c.want, c.name);
    const active = (seq: number, on: boolean): Message => ({ type: 'notify', seq, peer: 0, attrs: { object: target, active: on } });
    assert.equal(await raw.upToNow(), [active(1, true), active(2, false), active(3, true)]);

    const body = data(blobmsg.table({ n: blobmsg.int32(1) }));
    assert.equal(await ask(raw, 'notify', { object: target, method: 'moved', noReply: true, data: body }, target), []);
    const told = await guest.upToNow();
    const { user, group } = { user: 'root', group: 'root' };
    const notice = { type: 'invoke', seq: 7, peer: raw.id, attrs: { noReply: true, object, method: 'moved', user, group, data: body } };
    assert.equal(told, [notice, notice]);
    assert.equal(await answers(raw, 'notify', { object: target, method: 'moved', data: body }, target), [
      ['status', { object: target, subscribers: [object, object], status: 0 }],
    ]);
    const [asked] = await guest.upToNow();
    assert.equal(Object.keys(asked?.attrs ?? {}), ['object', 'method', 'user', 'group', 'data']);
    guest.send('status', 7, raw.id, { status: 6, object });
    await guest.upToNow();
    assert.equal(await raw.upToNow(), [{ type: 'status', seq: 7, peer: object, attrs: { status: 6, object } }]);

    for (const c of [
      { name: 'of another', who: guest, attrs: { object: target, method: 'x' }, want: 6 },
      { name: 'of nothing', who: raw, attrs: { object: unheard, method: 'x' }, want: 4 },
      { name: 'without a word', who: raw, attrs: { object: target }, want: 2 },
    ])
      assert.is(await statusOf(c.who, 'notify', c.attrs), c.want, c.name);

    assert.equal(
      (await ask(raw, 'remove-object', { object: target })).map((m) => [m.type, m.attrs.active]),
      [
        ['data', undefined],
        ['notify', false],
        ['status', undefined],
      ],
    );
    assert.equal(
      (await guest.upToNow()).map((m) => [m.type, m.peer, m.attrs]),
      [1, 2].map(() => ['unsubscribe', 0, { object, target }]),
    );
  });

  bus('the provider dies', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const target = await added(raw, { path: 'weir.test', signature: methods });
    const object = await added(guest, {});
    assert.is(await statusOf(guest, 'subscribe', { object, target }), 0);
    guest.send('invoke', 9, target, { object: target, method: 'echo', data: none });
    raw.close();
    assert.equal(await guest.next(), { type: 'unsubscribe', seq: 1, peer: 0, attrs: { object, target } });
    assert.equal(await guest.upToNow(), []);
  });

  const event = (method: string, table: Table): Attrs => ({ object: 1, method, data: data(table) });
  const register = (object: number, pattern: string): Attrs =>
    event('register', blobmsg.table({ object: blobmsg.int32(object | 0), pattern: blobmsg.string(pattern) }));
  const emit = (id: string): Attrs =>
    event('send', blobmsg.table({ id: blobmsg.string(id), data: blobmsg.nested(blobmsg.table({ n: blobmsg.int32(1) })) }));

  bus('events', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    const object = await added(guest, {});
    const foreign = await added(raw, {});
    const rows: readonly { name: string; attrs: Attrs; want: number }[] = [
      { name: 'no such method', attrs: event('nope', []), want: 1 },
      { name: 'register nothing', attrs: event('register', []), want: 2 },
      { name: 'register without data', attrs: { object: 1, method: 'register' }, want: 2 },
      { name: 'register what ubusd keeps', attrs: register(5, 'weir.event'), want: 6 },
      { name: 'register what is not there', attrs: register(unheard, 'weir.event'), want: 4 },
      { name: 'register what is of another', attrs: register(foreign, 'weir.event'), want: 6 },
      { name: 'register for no event', attrs: register(object, ''), want: 6 },
      { name: 'register for all', attrs: register(object, '*'), want: 6 },
      { name: 'register for what is not allowed', attrs: register(object, 'network.interface'), want: 6 },
      { name: 'register', attrs: register(object, 'weir.event*'), want: 0 },
      { name: 'register once more', attrs: register(object, 'weir.event.*'), want: 0 },
      { name: 'register for one', attrs: register(object, 'ubus.object.add'), want: 0 },
      { name: 'send nothing', attrs: event('send', []), want: 2 },
      { name: 'send without data', attrs: { object: 1, method: 'send' }, want: 2 },
      { name: 'send what is not allowed', attrs: emit('network.interface'), want: 6 },
      { name: 'send', attrs: emit('weir.event.guest'), want: 0 },
    ];
    for (const c of rows) assert.is(await statusOf(guest, 'invoke', c.attrs), c.want, c.name);
    assert.is(await statusOf(raw, 'invoke', emit('ubus.object.add')), 6);
    assert.equal(await guest.upToNow(), [], 'the sender does not hear itself');

    for (const id of ['weir.event', 'weir.event.x', 'weir.even', 'other']) assert.is(await statusOf(raw, 'invoke', emit(id)), 0);
    const heard = await guest.upToNow();
    assert.equal(
      heard.map((m) => [m.type, m.peer, Object.keys(m.attrs), m.attrs.object, m.attrs.method]),
      ['weir.event', 'weir.event.x'].map((id) => ['invoke', 0, ['object', 'method', 'data'], object, id]),
    );

    const made = await added(raw, { path: 'weir.test', signature: methods });
    await ask(raw, 'remove-object', { object: made });
    const [add, remove] = await guest.upToNow();
    assert.equal(add?.attrs, {
      object,
      method: 'ubus.object.add',
      data: data(blobmsg.table({ id: blobmsg.int32(made | 0), path: blobmsg.string('weir.test') })),
    });
    assert.is(remove, undefined);
  });

  bus('ACL files are read anew', async () => {
    const [raw, guest] = [await come('root'), await come('guest')];
    await added(raw, { path: 'weir.later', signature: methods });
    const listener = await added(raw, {});
    assert.is(await statusOf(raw, 'invoke', register(listener, 'ubus.acl.sequence')), 0);
    assert.equal(await answers(guest, 'lookup', { path: 'weir.later' }), [['status', { status: 0 }]]);
    ground.allow('later', { user: ground.guest.user, access: { 'weir.later': { methods: ['*'] } } });
    assert.is((await raw.next())?.attrs.method, 'ubus.acl.sequence');
    assert.is((await answers(guest, 'lookup', { path: 'weir.later' })).length, 2);
  });

  bus.run();
}
