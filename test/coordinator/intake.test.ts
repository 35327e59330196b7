// What comes in by a broker that is a list, at a time that the test tells.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Command, Order, Outcome } from '../../agent/core/command.ts';
import type { Digest, Nonce, SessionId } from '../../agent/core/signed.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import * as book from '../../coordinator/book.ts';
import { hashes } from '../../coordinator/hashes.ts';
import type { Intake } from '../../coordinator/intake.ts';
import * as intake from '../../coordinator/intake.ts';
import * as orders from '../../coordinator/orders.ts';
import type { Database } from '../../coordinator/ports/database.ts';
import * as registry from '../../coordinator/registry.ts';
import * as ground from './ground.ts';
import type { Told } from './node.ts';
import * as nodes from './node.ts';
import { both, tell } from './node.ts';

const auth = nodes.authorityOf('intake');

type Stage = Readonly<{
  node: nodes.Node;
  heard: Intake;
  database: Database;
  log: readonly string[];
  /** Orders of one kind that were published since it was asked last. */
  ordered<K extends Order['kind']>(kind: K): readonly Extract<Order, { kind: K }>[];
  open(consumer: string): Promise<Readonly<{ session: SessionId; chain: readonly Told[] }>>;
  say(...told: readonly Told[]): Promise<void>;
  /** To the last order that was published. */
  reply(outcome: Outcome): Promise<void>;
  /** A root over these, signed after the last of them. */
  root(number: number, ends: readonly Told[]): Promise<void>;
  /** It says that it is there. */
  greet(): Promise<void>;
  /** What was found against it, and that whoever has the evidence finds the same. */
  found(): Promise<readonly string[]>;
  commands(): readonly Command[];
  up(session: SessionId): Promise<bigint | undefined>;
  later(seconds: number): void;
  /** The next transactions fail. */
  fail(isFailing: boolean): void;
}>;

/** A node with a birth; each receipt of a chain says 10 MB more. */
async function enter(here: ground.Ground, name: string): Promise<Stage> {
  const node = nodes.nodeOf(name);
  const commands: Command[] = [];
  const log: string[] = [];
  let [read, time, isFailing] = [0, 1_800_000_000, false];
  const database: Database = {
    ...here.database,
    transaction: (work) => (isFailing ? Promise.reject(new Error('no database')) : here.database.transaction(work)),
  };
  const heard = intake.start({
    database,
    authority: auth,
    prefix: 'weir',
    now: () => time,
    publish(topic, payload) {
      const signed = cose.decode(payload);
      if (topic !== `weir/${node.id}/commands` || !signed.ok) return;
      const said = command.command.read(signed.value.body);
      if (!said.ok) throw new Error(said.fault.reason);
      commands.push(said.value);
    },
    log: (line) => void log.push(line),
  });
  await here.database.transaction((query) => registry.admit(query, node.key, 'roof', 1));
  const hear = (topic: string, message: cose.Verified): Promise<void> => heard.hear(`weir/${node.id}/${topic}`, cose.encode(message));
  await hear('birth', node.born());
  return {
    node,
    heard,
    database,
    log,
    ordered<K extends Order['kind']>(kind: K) {
      const since = commands.slice(read).map(({ order }) => order);
      read = commands.length;
      return since.filter((order): order is Extract<Order, { kind: K }> => order.kind === kind);
    },
    async open(consumer) {
      const from = { by: 'test', now: time, nonce: nodes.some(`${name} ${consumer}`, 16) };
      const opened = await here.database.transaction(async (query) => {
        const session = await orders.open(query, nodes.wantedOf(node, consumer), auth, from);
        await query(`update session set condition = 'open' where node = $1`, [node.id]);
        await query('update command set outcome = $1', ['{}']);
        return session;
      });
      if (!opened.ok) throw new Error(opened.fault.reason);
      const session = opened.value;
      const [terms] = await here.database.transaction((query) =>
        query<{ bytes: Uint8Array }>('select bytes from terms where session = $1', [session]),
      );
      if (terms === undefined) throw new Error('no terms');
      const chain: Told[] = [];
      for (let n = 1; n <= 8; n++)
        chain.push(
          tell(node, nodes.anchorOf(terms.bytes), book.rereadGrant(terms.bytes).price, chain.at(-1) ?? null, both(n * 4e6, n * 6e6)),
        );
      return { session, chain };
    },
    async say(...told) {
      for (const { signed } of told) await hear(`receipts/${auth.root}`, signed);
    },
    async reply(outcome) {
      const last = commands.at(-1);
      const [held] = auth.held;
      if (last === undefined || held === undefined) throw new Error('nothing was ordered');
      const { epoch, sequence } = last;
      const body = { epoch, sequence, to: cose.keyIdOf(held.signer.key, hashes), outcome };
      await hear(`replies/${auth.root}`, cose.sign('reply', command.reply.write(body), node.signer, hashes));
    },
    root: (number, ends) => hear('roots', nodes.rootOf(node, ends, { number })),
    commands: () => commands,
    greet: () =>
      heard.hear(`weir/${node.id}/state`, command.encodeState({ isHere: true, epoch: node.birth.epoch, birth: node.birth.sequence })),
    async found() {
      const rows = await here.database.transaction((query) =>
        query<{ code: string; path: string; evidence: string }>('select code, path, evidence from finding where node = $1 order by id', [
          node.id,
        ]),
      );
      for (const row of rows) {
        const messages = evidence.parse(row.evidence);
        const report = messages.ok ? evidence.examine(messages.value, [node.key], hashes) : assert.unreachable();
        const said = report?.findings.map(({ fault }) => `${fault.code} root.${fault.path}`) ?? [];
        assert.ok(said.includes(`${row.code} ${row.path}`), said.join());
      }
      return rows.map(({ code, path }) => `${code} ${path}`);
    },
    up: (session) =>
      here.database.transaction(async (query) => (await query<{ up: bigint }>('select up from session where id = $1', [session]))[0]?.up),
    later(seconds) {
      time += seconds;
    },
    fail(is) {
      isFailing = is;
    },
  };
}
const gone: Outcome = { kind: 'refused', code: 'missing', path: 'from', reason: 'kept from 6 on' };

const hears = suite('intake');
let here: ground.Ground;
hears.before(async () => {
  here = await ground.begin('PGlite');
});
hears.after(() => here.stop());

hears('what a node keeps no more is passed over: the figures of those behind it say all', async () => {
  const { open, say, ordered, reply, up, heard } = await enter(here, 'thinned');
  const { session, chain } = await open('ann');
  await say(...chain.slice(0, 2), ...chain.slice(5, 7));
  assert.equal(
    ordered('send').map(({ from }) => from),
    [3],
  );
  assert.is(await up(session), 8_000_000n);
  await reply(gone);
  assert.is(await up(session), 28_000_000n);
  await heard.turn();
  assert.equal(
    ordered('acknowledge').map(({ receipts }) => receipts.map(({ sequence }) => sequence)),
    [[7]],
  );
  // The chain goes on, and one of those that were passed over changes nothing any more.
  await say(...chain.slice(7), ...chain.slice(3, 4));
  assert.is(await up(session), 32_000_000n);
  const rows = await here.database.transaction((query) => query('select sequence from receipt where session = $1', [session]));
  assert.is(rows.length, 5);
});

hears('of a session of which nothing has come, too', async () => {
  const { open, say, ordered, reply, up } = await enter(here, 'thinned from the first');
  const { session, chain } = await open('ann');
  await say(...chain.slice(5, 6));
  assert.equal(
    ordered('send').map(({ from }) => from),
    [1],
  );
  await reply(gone);
  assert.is(await up(session), 24_000_000n);
});

hears('nothing is passed over because of an answer to something else', async () => {
  const { open, say, heard, reply, up, later } = await enter(here, 'an old answer');
  const { session, chain } = await open('ann');
  await say(...chain.slice(0, 2), ...chain.slice(5, 7));
  await heard.turn();
  // To the acknowledgement.
  await reply(gone);
  assert.is(await up(session), 8_000_000n);
  later(31);
  await say(...chain.slice(7));
  await say(...chain.slice(2, 5));
  await reply(gone);
  assert.is(await up(session), 32_000_000n);
});

hears('a gap that its node fills is not passed over', async () => {
  const { open, say, reply, up } = await enter(here, 'filled');
  const { session, chain } = await open('ann');
  await say(...chain.slice(0, 1), ...chain.slice(2, 3));
  await reply({ kind: 'done' });
  assert.is(await up(session), 4_000_000n);
  await say(...chain.slice(1, 2));
  assert.is(await up(session), 12_000_000n);
});

hears('a broker that has lost all: each open session is asked for, one in a turn', async () => {
  const { open, say, heard, ordered } = await enter(here, 'of a lost broker');
  const sessions = [await open('ann'), await open('bob'), await open('eve')];
  for (const { chain } of sessions) await say(...chain.slice(0, 2));
  await heard.turn();
  ordered('send');
  heard.missed();
  const asked: string[] = [];
  // Nodes of other rows are there, too.
  for (let n = 0; n < 5; n++) {
    await heard.turn();
    const now = ordered('send');
    assert.ok(now.length <= 1);
    asked.push(...now.map(({ session, from }) => `${session} ${from}`));
  }
  assert.equal(asked.toSorted(), sessions.map(({ session }) => `${session} 3`).toSorted());
});

hears('a database that fails for a moment leaves no acknowledgement unsaid', async () => {
  const { open, say, heard, ordered, fail } = await enter(here, 'of a lost database');
  const { chain } = await open('ann');
  await say(...chain.slice(0, 2));
  fail(true);
  await heard.turn().then(
    () => assert.unreachable(),
    () => undefined,
  );
  fail(false);
  await heard.turn();
  assert.equal(
    ordered('acknowledge').map(({ receipts }) => receipts.map(({ sequence }) => sequence)),
    [[2]],
  );
});

/** In seconds: when a root is looked at, and when for the last time. */
const [first, last] = [121, 4300];

hears('a root over the receipts that have come', async () => {
  const { open, say, heard, root, ordered, later, greet, found } = await enter(here, 'honest');
  const [ann, bob] = [await open('ann'), await open('bob')];
  await say(...ann.chain.slice(0, 2), ...bob.chain.slice(0, 1));
  await root(1, [...ann.chain.slice(1, 2), ...bob.chain.slice(0, 1)]);
  for (const pause of [first, last]) {
    later(pause);
    await greet();
    await heard.turn();
  }
  assert.equal([ordered('send'), await found()], [[], []]);
});

for (const [name, play, asked, want] of [
  ['and it comes when it is asked for', 'comes', 3, []],
  ['and it never comes', 'stays', 3, ['missing root.heads']],
  ['and its node is away', 'away', 3, []],
] as const)
  hears(`a root over a receipt that has not come, ${name}`, async () => {
    const { open, say, heard, root, ordered, later, greet, found } = await enter(here, name);
    const { chain } = await open('ann');
    await say(...chain.slice(0, 2));
    await root(1, chain.slice(2, 3));
    later(first);
    await heard.turn();
    assert.equal(
      ordered('send').map(({ from }) => from),
      [asked],
    );
    if (play === 'comes') await say(...chain.slice(2, 3));
    for (let n = 0; n < 2; n++) {
      later(last);
      if (play !== 'away') await greet();
      await heard.turn();
    }
    assert.equal(await found(), want);
  });

hears('a root that says something else than receipts between which it was signed', async () => {
  const { open, say, heard, root, later, greet, found } = await enter(here, 'two stories');
  const { chain } = await open('ann');
  await say(...chain.slice(0, 3));
  const [, second] = chain;
  if (second === undefined) throw new Error('no second receipt');
  const other = { ...second, link: { ...second.link, digest: 'ee'.repeat(32) as Digest } };
  await root(1, [other]);
  // Of others, too: nothing can be said of it.
  await root(2, [other, { ...other, link: { ...other.link, session: 'ab'.repeat(16) as SessionId } }]);
  for (const pause of [first, 0, last, 0]) {
    later(pause);
    await greet();
    await heard.turn();
  }
  assert.equal(await found(), ['forged root.previous', 'forged root.heads']);
});

hears('of the roots of a node the newest are kept', async () => {
  const { open, root, database, later, node } = await enter(here, 'of many roots');
  const { chain } = await open('ann');
  for (let n = 1; n <= 130; n++) {
    later(1);
    await root(n, chain.slice(0, 1));
  }
  const [row] = await database.transaction((query) =>
    query<{ n: bigint; least: bigint }>('select count(*) as n, min(number) as least from root where node = $1', [node.id]),
  );
  assert.equal(row, { n: 129n, least: 2n });
});

hears('a voucher: the largest of its session’s consumer', async () => {
  const { open, node, heard, database } = await enter(here, 'vouched for');
  const { session, chain } = await open('ann');
  const [told] = chain;
  if (told === undefined) throw new Error('no receipt');
  const vouch = async (who: string, up: bigint): Promise<readonly unknown[]> => {
    const message = nodes.voucherOf(who, told, { up: up as ByteCount, down: 1n as ByteCount });
    await heard.hear(`weir/${node.id}/receipts/${auth.root}`, cose.encode(message));
    return database.transaction((query) => query('select up from voucher where session = $1', [session]));
  };
  assert.equal(await vouch('bob', 9n), []);
  assert.equal(await vouch('ann', 5n), [{ up: 5n }]);
  assert.equal(await vouch('ann', 4n), [{ up: 5n }]);
  const most = 2n ** 63n - 1n;
  assert.equal(await vouch('ann', most), [{ up: most }]);
});

hears('a message that cannot be taken does not come for ever, and nothing behind it', async () => {
  const { open, say, up, database, log } = await enter(here, 'poisonous');
  const { session, chain } = await open('ann');
  await database.transaction((query) => query(`alter table session add constraint odd check (id <> '${session}' or up = 0)`));
  await say(...chain.slice(0, 1));
  assert.match(log.join(), /passed over/);
  await database.transaction((query) => query('alter table session drop constraint odd'));
  await say(...chain.slice(0, 2));
  assert.is(await up(session), 8_000_000n);
});

hears('a router whose backup was restored hears its orders as soon as somebody has looked', async () => {
  const { node, heard, database, commands } = await enter(here, 'restored');
  const [before, epoch] = ['restored before', 'restored later'].map((name) => nodes.some(name, 16)) as [Nonce, Nonce];
  await heard.hear(`weir/${node.id}/birth`, cose.encode(node.born({ epoch: before, starts: 5 })));
  await heard.hear(`weir/${node.id}/birth`, cose.encode(node.born({ epoch, starts: 2 })));
  const standing = async (): Promise<unknown> => (await database.transaction((query) => registry.nodeOf(query, node.id)))?.standing;
  assert.is(await standing(), 'quarantined');
  await database.transaction(async (query) => {
    assert.ok((await registry.setStanding(query, node.id, 'active')).ok);
    await orders.add(query, node.id, { kind: 'quarantine', isOn: false }, { session: null, by: 'test', now: 1 });
  });
  await heard.nudge(node.id);
  assert.is(commands().at(-1)?.epoch, epoch);
  // The one before is alive, too.
  await heard.hear(`weir/${node.id}/birth`, cose.encode(node.born({ epoch: before, starts: 5 })));
  assert.is(await standing(), 'quarantined');
  await database.transaction(async (query) => {
    await registry.setStanding(query, node.id, 'revoked');
    assert.is((await registry.setStanding(query, node.id, 'quarantined')).ok, false, 'for good');
  });
});

hears('a coordinator whose database was restored gives out no number twice', async () => {
  const { node, heard, database, commands } = await enter(here, 'numbered');
  const order = async (n: number): Promise<number> => {
    await database.transaction(async (query) => {
      await orders.add(query, node.id, { kind: 'limit', rate: null, sessions: n, isPaused: false }, { session: null, by: 'test', now: 1 });
    });
    await heard.nudge(node.id);
    return commands().at(-1)?.sequence ?? 0;
  };
  await order(1);
  const given = await order(2);
  await database.transaction(async (query) => {
    await query('delete from command where node = $1', [node.id]);
    await query('update node set sequence = 0 where id = $1', [node.id]);
    await orders.resume(query, 1_800_000_000);
  });
  assert.ok((await order(3)) > given);
});

hears('who is found out again and again wins no room', async () => {
  const { node, heard, database } = await enter(here, 'a bore');
  for (let n = 1; n <= 70; n++)
    await heard.hear(`weir/${node.id}/birth`, cose.encode(node.born({ epoch: nodes.some(`bore ${n}`, 16) as Nonce })));
  const [row] = await database.transaction((query) => query('select count(*) as n from finding where node = $1', [node.id]));
  const [counted] = await database.transaction((query) => query('select count from refusal where node = $1', [node.id]));
  assert.equal([row, counted], [{ n: 64n }, { count: 6n }]);
});

hears('more than anything that is signed is not read', async () => {
  const { node, heard, database } = await enter(here, 'too much');
  await heard.hear(`weir/${node.id}/telemetry`, new Uint8Array(4097));
  const rows = await database.transaction((query) => query('select code, path from refusal where node = $1', [node.id]));
  assert.equal(rows, [{ code: 'limit', path: 'telemetry' }]);
});
hears.run();
