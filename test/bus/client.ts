// The client against a whole bus: what its callers may rely on, in good days and bad. Runs on every host.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus, Method, Methods, Options } from '../../agent/adapters/ubus-client.ts';
import * as ubusClient from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { type Code, type Fault, fail, ok, type Result, text } from '../../agent/core/result.ts';
import type { Stream } from '../../agent/ports/host.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as fields from '../../agent/wire/fields.ts';
import type { Ground, Visitor } from './ground.ts';
import { visit } from './raw.ts';

const soon = millis(200);
const long = millis(10_000);

function got<T>(r: Result<T>): T {
  if (!r.ok) throw new Error(text(r.fault));
  return r.value;
}
const codeOf = (r: Result<unknown>): string => (r.ok ? 'ok' : `${r.fault.code} ${r.fault.path}`);

/** A promise and what keeps it. */
function promise<T = void>(): { kept: Promise<T>; keep: (value: T) => void } {
  let keep: (value: T) => void = () => undefined;
  const kept = new Promise<T>((resolve) => {
    keep = resolve;
  });
  return { kept, keep };
}

/** A string that no engine has to turn into text. */
const bulk = (size: number): Table => blobmsg.table({ t: { kind: 'string', value: new Uint8Array(size).fill(0xff) } });
const echo: Method = { args: { text: 'string', n: 'int64' }, run: ({ args }) => ok(args) };
const whoami: Method = {
  args: {},
  run: ({ user, group, client }) =>
    ok(blobmsg.table({ user: blobmsg.string(user), group: blobmsg.string(group), client: blobmsg.int64(BigInt(client)) })),
};
const never: Method = { args: {}, run: () => new Promise(() => undefined) };
const refusing = (code: Code): Method => ({ args: {}, run: () => fail(code, 'x', 'no') });

export type Place = Pick<Ground, 'name' | 'paths' | 'guest' | 'as'> & Partial<Pick<Ground, 'stop' | 'start' | 'clear'>>;

export function holdClient(ground: Place): void {
  const bus = suite(`client of the ${ground.name}`);
  let open: Bus[] = [];
  const come = async (visitor: Visitor, over: Partial<Options> = {}, host = ground.as(visitor)): Promise<Bus> => {
    const options: Options = { path: ground.paths[visitor], deadline: long, whenLost: 'end', lost: () => undefined, ...over };
    const opened = got(await ubusClient.open(host, options));
    open.push(opened);
    return opened;
  };
  const provide = async (path: string, methods: Methods) => {
    const provider = await come('root');
    return { provider, object: got(await provider.publish(path, methods)) };
  };
  bus.after.each(async () => {
    for (const b of open) b.close();
    open = [];
    const last = await come('root');
    for (let turns = 0; turns < 10_000 && got(await last.list('weir')).length > 0; turns++);
  });
  bus.after(async () => {
    for (const b of open) b.close();
    await ground.clear?.();
  });

  bus('every kind of value goes there and comes back', async () => {
    await provide('weir.test', { echo });
    const values: readonly Value[] = [
      blobmsg.nothing,
      blobmsg.boolean(true),
      blobmsg.int16(-1),
      blobmsg.int32(-2147483648),
      blobmsg.int64(9007199254740993n),
      blobmsg.double(0.1),
      blobmsg.string('größer'),
      { kind: 'string', value: Uint8Array.of(0xff, 1) },
      blobmsg.array([blobmsg.int32(1), blobmsg.nested([])]),
    ];
    const table: Table = values.map((value, i) => ({ name: `v${i}`, value }));
    assert.equal(got(await (await come('guest')).call('weir.test', 'echo', table, long)), table);
  });

  bus('a provider sees who calls', async () => {
    await provide('weir.test', { whoami });
    for (const visitor of ['root', 'guest'] as const) {
      const who = got(await (await come(visitor)).call('weir.test', 'whoami', [], long));
      const want = visitor === 'root' ? { user: 'root', group: 'root' } : ground.guest;
      assert.equal([got(fields.string(who, 'user')), got(fields.string(who, 'group'))], [want.user, want.group]);
      assert.ok(got(fields.number(who, 'client')) > 1);
    }
  });

  const codes: readonly Code[] = ['malformed', 'missing', 'denied', 'timeout', 'unsupported', 'limit'];
  const tooMuch: Method = { args: {}, run: () => ok(bulk((1 << 20) - 20)) };
  const calls: readonly {
    name: string;
    path?: string;
    method: string;
    args?: Table;
    as?: Visitor;
    patience?: typeof long;
    want: string;
  }[] = [
    ...codes.map((code) => ({ name: `a provider's ${code}`, method: code, want: `${code} weir.test.${code}` })),
    { name: "a provider's fault of another kind", method: 'foreign', want: 'foreign weir.test.foreign' },
    { name: 'a method that the provider does not have', method: 'nope', want: 'unsupported weir.test.nope' },
    { name: 'nor one of every object', method: 'constructor', want: 'unsupported weir.test.constructor' },
    { name: 'an object that is not there', path: 'weir.none', method: 'echo', want: 'missing weir.none' },
    { name: 'an object that is hidden', path: 'weir.secret', method: 'echo', as: 'guest', want: 'denied weir.secret' },
    { name: 'a method that is not allowed', method: 'denied', as: 'guest', want: 'denied weir.test.denied' },
    { name: 'nobody answers', method: 'never', patience: soon, want: 'timeout weir.test.never' },
    { name: 'an answer that does not fit', method: 'tooMuch', want: 'limit weir.test.tooMuch' },
    { name: 'NUL in the path', path: 'weir\0', method: 'echo', want: 'malformed weir\0.path' },
    { name: 'NUL in the method', method: 'echo\0', want: 'malformed weir.test.echo\0.method' },
    {
      name: 'an argument that does not fit its type',
      method: 'echo',
      args: blobmsg.table({ n: blobmsg.int32(2 ** 31) }),
      want: 'malformed weir.test.echo.n',
    },
    {
      name: 'arguments that are too long',
      method: 'echo',
      args: bulk(1 << 20),
      want: 'limit weir.test.echo.t',
    },
  ];
  for (const c of calls)
    bus(`call: ${c.name}`, async () => {
      const refused = Object.fromEntries([...codes, 'foreign' as const].map((code) => [code, refusing(code)]));
      await provide('weir.test', { echo, never, tooMuch, ...refused });
      await provide('weir.secret', { echo });
      const caller = await come(c.as ?? 'root');
      assert.is(codeOf(await caller.call(c.path ?? 'weir.test', c.method, c.args ?? [], c.patience ?? long)), c.want);
      assert.is(codeOf(await caller.call('weir.test', 'echo', [], long)), 'ok', 'the bus goes on');
    });

  bus('calls do not wait for one another', async () => {
    const { kept, keep } = promise<Result<Table>>();
    await provide('weir.test', { slow: { args: {}, run: () => kept }, echo });
    const caller = await come('root');
    const slow = caller.call('weir.test', 'slow', [], long);
    assert.is(codeOf(await caller.call('weir.test', 'echo', [], long)), 'ok');
    keep(ok(blobmsg.table({ late: blobmsg.boolean(true) })));
    assert.equal(got(await slow), blobmsg.table({ late: blobmsg.boolean(true) }));
  });

  bus('a provider that dies in the middle of a call', async () => {
    const called = promise();
    const { provider } = await provide('weir.test', {
      dies: {
        args: {},
        run() {
          called.keep();
          return new Promise(() => undefined);
        },
      },
    });
    const answer = (await come('root')).call('weir.test', 'dies', [], soon);
    await called.kept;
    provider.close();
    assert.is(codeOf(await answer), 'timeout weir.test.dies');
  });

  bus('an answer that is too late finds nobody', async () => {
    const { kept, keep } = promise<Result<Table>>();
    await provide('weir.test', { slow: { args: {}, run: () => kept }, echo });
    const caller = await come('root');
    assert.is(codeOf(await caller.call('weir.test', 'slow', [], soon)), 'timeout weir.test.slow');
    keep(ok([]));
    assert.equal(
      got(await caller.call('weir.test', 'echo', blobmsg.table({ n: blobmsg.int64(1n) }), long)),
      blobmsg.table({ n: blobmsg.int64(1n) }),
    );
  });

  bus('a caller that does not read loses answers and nothing else', async () => {
    let served = 0;
    const large: Method = {
      args: {},
      run() {
        served += 1;
        return ok(bulk(300_000));
      },
    };
    await provide('weir.test', { large, echo });
    const { net, clock } = ground.as('root');
    const streams: Stream[] = [];
    const connectUnix: typeof net.connectUnix = (path, events) => {
      const stream = net.connectUnix(path, events);
      streams.push(stream);
      return stream;
    };
    const caller = await come('root', {}, { net: { ...net, connectUnix }, clock });
    const calls = Array.from({ length: 20 }, () => caller.call('weir.test', 'large', [], millis(3000)));
    // The lookups are answered, the calls are on their way.
    await caller.find('weir.test');
    for (const stream of streams) stream.pause();
    const other = await come('root');
    for (let turns = 0; served < calls.length && turns < 10_000; turns++) await other.list('');
    for (const stream of streams) stream.resume();
    const ends = (await Promise.all(calls)).map(codeOf);
    assert.ok(ends.includes('ok') && ends.includes('timeout weir.test.large'), ends.join());
    assert.is(codeOf(await caller.call('weir.test', 'echo', [], long)), 'ok');
  });

  bus('find and list', async () => {
    await provide('weir.test', { echo });
    await provide('weir.open', {});
    await provide('weir.secret', { echo });
    const rows: readonly { as: Visitor; prefix: string; want: readonly string[] }[] = [
      { as: 'root', prefix: 'weir', want: ['weir.open', 'weir.secret', 'weir.test'] },
      { as: 'root', prefix: 'weir.t', want: ['weir.test'] },
      { as: 'root', prefix: 'nobody', want: [] },
      { as: 'guest', prefix: '', want: ['weir.open', 'weir.test'] },
    ];
    for (const row of rows) {
      const found = got(await (await come(row.as)).list(row.prefix));
      assert.equal(
        found.map((f) => f.path),
        row.want,
      );
    }
    const found = got(await (await come('guest')).find('weir.test'));
    assert.equal(got(blobmsg.decode(found.signature)), [
      { name: 'echo', value: blobmsg.nested(blobmsg.table({ text: blobmsg.int32(3), n: blobmsg.int32(4) })) },
    ]);
    assert.is(codeOf(await (await come('guest')).find('weir.secret')), 'denied weir.secret');
  });

  bus('the session that uhttpd adds to each call is no argument', async () => {
    await provide('weir.test', { echo });
    const root = await come('root');
    const own = blobmsg.table({ name: blobmsg.string('ann') });
    const added = [...own, ...blobmsg.table({ ubus_rpc_session: blobmsg.string('0'.repeat(32)) })];
    assert.equal(got(await root.call('weir.test', 'echo', added, long)), own);
  });

  bus('publish and remove', async () => {
    const { provider, object } = await provide('weir.test', { echo });
    const guest = await come('guest');
    const rows: readonly { name: string; who: Bus; path: string; want: string }[] = [
      { name: 'the path is taken', who: guest, path: 'weir.guest.a', want: 'ok' },
      { name: 'the path is taken', who: provider, path: 'weir.guest.a', want: 'malformed weir.guest.a' },
      { name: 'not allowed', who: guest, path: 'weir.other', want: 'malformed weir.other' },
      { name: 'NUL', who: provider, path: 'weir\0', want: 'malformed weir\0.path' },
    ];
    for (const row of rows) assert.is(codeOf(await row.who.publish(row.path, { echo })), row.want, row.name);
    got(await object.remove());
    assert.is(codeOf(await guest.find('weir.test')), 'missing weir.test');
    assert.is(codeOf(object.notify('x', [])), 'closed weir.test.x');
    got(await object.remove());
  });

  bus('notices', async () => {
    const { object } = await provide('weir.test', {});
    const heard: [string, Table][] = [];
    const second = promise();
    const guest = await come('guest');
    const subscription = got(
      await guest.subscribe('weir.test', {
        notified(event, body) {
          heard.push([event, body]);
          if (heard.length === 2) second.keep();
        },
        gone: () => heard.push(['gone', []]),
      }),
    );
    const body = blobmsg.table({ n: blobmsg.int32(1) });
    got(object.notify('first', body));
    assert.equal(got(await object.ask('second', [], long)), [ok([])]);
    await second.kept;
    assert.equal(heard, [
      ['first', body],
      ['second', []],
    ]);
    assert.is(codeOf(object.notify('a\0', [])), 'malformed weir.test.a\0.method');
    got(await subscription.remove());
    assert.equal(got(await object.ask('third', [], long)), []);
    assert.is(heard.length, 2);
  });

  bus('a subscriber that does not answer, and one that refuses', async () => {
    const { object } = await provide('weir.test', {});
    const target = got(await (await come('root')).find('weir.test')).object;
    const raw = await visit(ground.as('root'), ground.paths.root);
    const ids: number[] = [];
    for (const seq of [1, 2]) {
      raw.send('add-object', seq, 0, {});
      ids.push((await raw.next())?.attrs.object ?? 0);
      await raw.next();
      raw.send('subscribe', seq, 0, { object: ids.at(-1) ?? 0, target });
      await raw.next();
    }
    const [quiet = 0] = ids;
    // Time enough for the one that answers.
    const answers = object.ask('well', [], millis(1500));
    for (const _ of ids) {
      const m = await raw.next();
      if (m !== null && m.attrs.object !== quiet) raw.send('status', m.seq, m.peer, { status: 6, object: m.attrs.object ?? 0 });
    }
    const said = got(await answers)
      .map(codeOf)
      .sort();
    assert.equal(said, ['denied ', 'timeout ']);
    raw.close();
  });

  const endings: readonly { name: string; end: (p: Awaited<ReturnType<typeof provide>>) => unknown }[] = [
    { name: 'is removed', end: ({ object }) => object.remove() },
    { name: 'dies', end: ({ provider }) => provider.close() },
  ];
  for (const { name, end } of endings)
    bus(`what is subscribed to ${name}`, async () => {
      const provided = await provide('weir.test', {});
      const gone = promise();
      got(await (await come('guest')).subscribe('weir.test', { notified: () => undefined, gone: () => gone.keep() }));
      end(provided);
      await gone.kept;
    });

  const subscriptions: readonly { name: string; path: string; want: string }[] = [
    { name: 'what is not there', path: 'weir.none', want: 'missing weir.none' },
    { name: 'what is hidden', path: 'weir.secret', want: 'denied weir.secret' },
    { name: 'what is not allowed', path: 'weir.open', want: 'missing weir.open' },
    { name: 'its own', path: 'weir.guest', want: 'malformed weir.guest' },
  ];
  for (const c of subscriptions)
    bus(`subscribe to ${c.name}`, async () => {
      await provide('weir.secret', { echo });
      await provide('weir.open', { echo });
      const guest = await come('guest');
      got(await guest.publish('weir.guest', {}));
      assert.is(codeOf(await guest.subscribe(c.path, { notified: () => undefined, gone: () => undefined })), c.want);
    });

  bus('events', async () => {
    const [root, guest] = [await come('root'), await come('guest')];
    const heard: [string, Table][] = [];
    const third = promise();
    const listening = got(
      await guest.listen('weir.event*', (event, body) => {
        heard.push([event, body]);
        if (heard.length === 3) third.keep();
      }),
    );
    assert.is(codeOf(await guest.listen('network.interface', () => undefined)), 'denied network.interface');
    assert.is(codeOf(await guest.send('network.interface', [])), 'denied network.interface');
    assert.is(codeOf(await root.send('ubus.object.add', [])), 'denied ubus.object.add');
    const body = blobmsg.table({ n: blobmsg.int64(-1n) });
    got(await guest.send('weir.event.guest', []));
    for (const event of ['weir.event', 'weir.other', 'weir.event.b', 'weir.event.c']) got(await root.send(event, body));
    await third.kept;
    assert.equal(
      heard,
      ['weir.event', 'weir.event.b', 'weir.event.c'].map((event) => [event, body]),
    );
    got(await listening.remove());
    got(await root.send('weir.event', body));
    got(await guest.list(''));
    assert.is(heard.length, 3);
  });

  bus('objects come and go', async () => {
    const heard: string[] = [];
    const second = promise();
    await (await come('guest')).listen('ubus.object.*', (event, body) => {
      heard.push(`${event} ${got(fields.string(body, 'path'))} ${got(fields.id(body, 'id')) > 1023}`);
      if (heard.length === 2) second.keep();
    });
    const { object } = await provide('weir.test', {});
    await object.remove();
    await second.kept;
    assert.equal(heard, ['ubus.object.add weir.test true', 'ubus.object.remove weir.test true']);
  });

  bus('who has no name', async () => {
    const opened = await ubusClient.open(ground.as('nameless'), {
      path: ground.paths.nameless,
      deadline: long,
      whenLost: 'end',
      lost: () => undefined,
    });
    assert.is(codeOf(opened), `denied ${ground.paths.nameless}`);
    assert.match(opened.ok ? '' : opened.fault.reason, '/etc/passwd');
  });

  bus('no bus at all', async () => {
    const path = `${ground.paths.root}.none`;
    const options: Options = {
      path,
      deadline: long,
      whenLost: 'reconnect',
      lost: () => assert.unreachable(),
      restored: () => assert.unreachable(),
    };
    assert.is(codeOf(await ubusClient.open(ground.as('root'), options)), `ENOENT ${path}`);
  });

  bus('closed by us: open calls end, nothing is told', async () => {
    const called = promise();
    await provide('weir.test', {
      never: {
        args: {},
        run() {
          called.keep();
          return new Promise(() => undefined);
        },
      },
    });
    const caller = await come('root', { lost: () => assert.unreachable() });
    const answer = caller.call('weir.test', 'never', [], long);
    await called.kept;
    caller.close();
    caller.close();
    assert.is(codeOf(await answer), 'closed weir.test.never');
    assert.is(codeOf(await caller.find('weir.test')), 'closed weir.test');
  });

  const { stop, start } = ground;
  if (stop === undefined || start === undefined) {
    bus.run();
    return;
  }

  bus('the bus is lost: who ends is told once', async () => {
    const told: Fault[] = [];
    const lost = promise();
    const guest = await come('guest', {
      lost(why) {
        told.push(why);
        lost.keep();
      },
    });
    const object = got(await guest.publish('weir.guest', { never }));
    const called = (await come('root')).call('weir.guest', 'never', [], long);
    await guest.list('');
    await stop();
    await lost.kept;
    assert.is(codeOf(await called), 'closed weir.guest.never');
    assert.is(codeOf(await guest.call('weir.test', 'echo', [], long)), 'closed weir.test');
    assert.is(codeOf(object.notify('x', [])), 'closed weir.guest.x');
    await start();
    assert.equal(
      told.map((f) => f.path),
      [ground.paths.guest],
    );
  });

  bus('the bus is lost: who reconnects is as before', async () => {
    const restored = promise();
    const heard = promise<string>();
    const gone = promise();
    const provider = await come('root', { whenLost: 'reconnect', restored: () => restored.keep() });
    await provide('weir.test', {});
    const object = got(await provider.publish('weir.open', { echo }));
    const removed = got(await provider.publish('weir.removed', { echo }));
    got(await provider.listen('weir.event', (event) => heard.keep(event)));
    got(await provider.subscribe('weir.test', { notified: () => undefined, gone: () => gone.keep() }));
    got(await removed.remove());
    await stop();
    await start();
    await restored.kept;
    await gone.kept;
    const caller = await come('root');
    assert.equal(
      got(await caller.list('weir')).map((f) => f.path),
      ['weir.open'],
    );
    assert.is(codeOf(await caller.call('weir.open', 'echo', [], long)), 'ok');
    const notified = promise<string>();
    got(await caller.subscribe('weir.open', { notified: notified.keep, gone: () => undefined }));
    got(object.notify('moved', []));
    assert.is(await notified.kept, 'moved');
    got(await caller.send('weir.event', []));
    assert.is(await heard.kept, 'weir.event');
  });

  bus('the path was taken meanwhile: it tries until it has it', async () => {
    const restored = promise();
    const failed = promise<Fault>();
    let lost = 0;
    const { net, clock } = ground.as('root');
    let isLate = false;
    // Else it may be back before the other one is there.
    const connectUnix: typeof net.connectUnix = (path, events) => net.connectUnix(isLate ? `${path}.none` : path, events);
    const options: Partial<Options> = {
      whenLost: 'reconnect',
      lost(why) {
        lost += 1;
        if (why.code === 'malformed') failed.keep(why);
      },
      restored: () => restored.keep(),
    };
    const provider = await come('root', options, { net: { ...net, connectUnix }, clock });
    got(await provider.publish('weir.open', { echo }));
    isLate = true;
    await stop();
    await start();
    const { provider: squatter } = await provide('weir.open', {});
    isLate = false;
    assert.is((await failed.kept).path, 'weir.open');
    squatter.close();
    await restored.kept;
    assert.ok(lost >= 2);
    assert.is(codeOf(await (await come('root')).call('weir.open', 'echo', [], long)), 'ok');
  });

  bus.run();
}
