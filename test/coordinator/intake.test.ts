// What comes in by a broker that is a list, at a time that the test tells.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Command, Order, Outcome } from '../../agent/core/command.ts';
import type { SessionId } from '../../agent/core/signed.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
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
  await heard.missed();
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

hears('more than anything that is signed is not read', async () => {
  const { node, heard, database } = await enter(here, 'too much');
  await heard.hear(`weir/${node.id}/telemetry`, new Uint8Array(4097));
  const rows = await database.transaction((query) => query('select code, path from refusal where node = $1', [node.id]));
  assert.equal(rows, [{ code: 'limit', path: 'telemetry' }]);
});
hears.run();
