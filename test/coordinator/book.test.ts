import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Grant } from '../../agent/core/grant.ts';
import type { Digest, SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import * as book from '../../coordinator/book.ts';
import * as orders from '../../coordinator/orders.ts';
import type { Query } from '../../coordinator/ports/database.ts';
import * as registry from '../../coordinator/registry.ts';
import * as roots from '../../coordinator/roots.ts';
import * as story from '../wire/story.ts';
import * as ground from './ground.ts';
import type { Told } from './node.ts';
import * as nodes from './node.ts';
import { both, disputeOf, tell, witnessed } from './node.ts';

const auth = nodes.authorityOf('book');
const node = nodes.nodeOf('book node');
const liar = 'ff'.repeat(32) as Digest;

/** A session of its own for each row, and its honest chain. */
type Stage = Readonly<{
  query: Query;
  session: SessionId;
  anchor: Told['link'];
  price: Grant['price'];
  chain: readonly Told[];
  say(...messages: readonly cose.Verified[]): Promise<string>;
}>;
type Row = Readonly<{ name: string; play(stage: Stage): Promise<string>; want: string; held: bigint; owed: bigint; findings?: string }>;

const at = ({ chain }: Stage, i: number): Told => {
  const one = chain[i];
  if (one === undefined) throw new Error(`no receipt ${i}`);
  return one;
};
const lie = (stage: Stage, i: number, more: Partial<Told['receipt']>): cose.Verified => node.sign({ ...at(stage, i).receipt, ...more });

/** Each receipt of the chain says 10 MB more. */
const rows: readonly Row[] = [
  { name: 'one', play: (s) => s.say(at(s, 0).signed), want: '1', held: 10n, owed: 0n },
  { name: 'three, in order', play: (s) => s.say(...s.chain.map(({ signed }) => signed)), want: '1 2 3', held: 30n, owed: 0n },
  { name: 'twice', play: (s) => s.say(at(s, 0).signed, at(s, 0).signed), want: '1 1', held: 10n, owed: 0n },
  { name: 'countersigned', play: (s) => s.say(witnessed(at(s, 0), 'ann')), want: '1', held: 0n, owed: 10n },
  {
    name: 'countersigned later',
    play: (s) => s.say(at(s, 0).signed, at(s, 1).signed, witnessed(at(s, 0), 'ann'), witnessed(at(s, 0), 'ann')),
    want: '1 2 2 2',
    held: 10n,
    owed: 10n,
  },
  {
    name: 'an older countersignature comes last',
    play: (s) => s.say(at(s, 0).signed, witnessed(at(s, 1), 'ann'), witnessed(at(s, 0), 'ann')),
    want: '1 2 2',
    held: 0n,
    owed: 20n,
  },
  {
    name: 'the first is late',
    play: (s) => s.say(at(s, 1).signed, at(s, 2).signed, at(s, 0).signed),
    want: '0?1 0?1 3',
    held: 30n,
    owed: 0n,
  },
  { name: 'one is left out', play: (s) => s.say(at(s, 0).signed, witnessed(at(s, 2), 'ann')), want: '1 1?2', held: 10n, owed: 0n },
  {
    name: 'two stories',
    play: (s) => s.say(at(s, 0).signed, lie(s, 0, { up: 1 as never }), at(s, 1).signed),
    want: '1 1 1',
    held: 10n,
    owed: 0n,
    findings: 'forged sequence',
  },
  {
    name: 'two stories, ahead of the chain',
    play: (s) => s.say(at(s, 1).signed, lie(s, 1, { up: 1 as never }), at(s, 0).signed),
    want: '0?1 0 0',
    held: 0n,
    owed: 0n,
    findings: 'forged sequence',
  },
  {
    name: 'bound to something else',
    play: (s) => s.say(at(s, 0).signed, lie(s, 1, { previous: liar }), at(s, 2).signed),
    want: '1 1 1',
    held: 10n,
    owed: 0n,
    findings: 'forged previous',
  },
  {
    name: 'more than was granted',
    play: (s) => s.say(tell(node, s.anchor, s.price, null, both(0, 1_000_000_001)).signed),
    want: '0',
    held: 0n,
    owed: 0n,
    findings: 'limit counted',
  },
  {
    name: 'of no session here',
    play: (s) => s.say(tell(node, { ...s.anchor, session: 'ab'.repeat(16) as SessionId }, s.price, null, both(0, 1)).signed),
    want: 'stranger receipt.session',
    held: 0n,
    owed: 0n,
  },
  {
    name: 'more ahead of a gap than is kept',
    async play(s) {
      const [, second] = s.chain;
      if (second === undefined) throw new Error('no second receipt');
      const ahead = Array.from({ length: 66 }, (_, n) => node.sign({ ...second.receipt, sequence: n + 2 }));
      return (await s.say(...ahead)).split(' ').slice(63).join(' ');
    },
    want: '0?1 limit receipt limit receipt',
    held: 0n,
    owed: 0n,
  },
  {
    name: 'signed by another than its consumer',
    play: (s) => s.say(witnessed(at(s, 0), 'bob')),
    want: 'forged unprotected.12',
    held: 0n,
    owed: 0n,
  },
  {
    name: 'another receipt’s countersignature',
    play: (s) => s.say(at(s, 0).signed, { ...at(s, 1).signed, witness: witnessed(at(s, 0), 'ann').witness } as cose.Verified),
    want: '1 forged unprotected.12',
    held: 10n,
    owed: 0n,
  },
  {
    name: 'disputed, and decided for the node',
    async play(s) {
      await s.say(at(s, 0).signed);
      const said = await book.takeDispute(s.query, disputeOf('ann', at(s, 0), 'bytes', both(1, 2)), 7);
      await book.takeDispute(s.query, disputeOf('ann', at(s, 0), 'bytes', both(1, 2)), 8);
      const [kept, ...more] = await s.query('select reason, told_up, own_down from dispute where session = $1', [s.session]);
      assert.equal([kept, ...more], [{ reason: 'bytes', told_up: 4_000_000n, own_down: 2n }]);
      assert.is((await book.decide(s.query, s.session, 'node', 9)).ok, true);
      // A countersignature that comes now gives nothing twice.
      return `${said.ok} ${await s.say(witnessed(at(s, 0), 'ann'))}`;
    },
    want: 'true 1',
    held: 0n,
    owed: 10n,
  },
  {
    name: 'disputed again and again',
    async play(s) {
      await s.say(at(s, 0).signed);
      const said = new Set<string>();
      for (let n = 1; n <= 65; n++) {
        const taken = await book.takeDispute(s.query, disputeOf('ann', at(s, 0), 'bytes', both(n, 2)), 7);
        said.add(taken.ok ? 'taken' : `${n} ${taken.fault.code} ${taken.fault.path}`);
      }
      return [...said].join();
    },
    want: 'taken,65 limit dispute',
    held: 10n,
    owed: 0n,
  },
  {
    name: 'decided for the consumer',
    async play(s) {
      await s.say(at(s, 0).signed);
      await book.decide(s.query, s.session, 'consumer', 9);
      return s.say(at(s, 1).signed);
    },
    want: '2',
    held: 10n,
    owed: 0n,
  },
  {
    name: 'disputed by somebody else',
    async play(s) {
      await s.say(at(s, 0).signed);
      const said = await book.takeDispute(s.query, disputeOf('bob', at(s, 0), 'bytes', both(1, 2)), 7);
      return said.ok ? 'taken' : `${said.fault.code} ${said.fault.path}`;
    },
    want: 'stranger protected.4',
    held: 10n,
    owed: 0n,
  },
  {
    name: 'the consumer was shown another one',
    async play(s) {
      await s.say(at(s, 0).signed);
      const other = tell(node, s.anchor, s.price, null, both(1_000_000, 2_000_000));
      const said = await book.takeDispute(s.query, disputeOf('ann', other, 'chain', null), 7);
      return `${said.ok}`;
    },
    want: 'true',
    held: 10n,
    owed: 0n,
    findings: 'forged dispute.digest',
  },
];

for (const kind of ground.kinds) {
  const takes = suite(`book on ${kind}`);
  let here: ground.Ground;
  takes.before(async () => {
    here = await ground.begin(kind);
    await here.database.transaction(async (query) => {
      await registry.admit(query, node.key, 'roof', 1);
      await registry.takeBirth(query, node.id, node.born(), 1);
    });
  });
  takes.after(() => here.stop());

  const sum = async (query: Query, account: string, unit: string): Promise<bigint> =>
    (await query<{ sum: bigint | null }>('select sum(amount) as sum from entry where account = $1 and unit = $2', [account, unit]))[0]
      ?.sum ?? 0n;

  for (const row of rows)
    takes(row.name, async () => {
      await here.database.transaction(async (query) => {
        const opened = await orders.open(query, nodes.wantedOf(node, 'ann'), auth, { by: 'test', now: 1, nonce: nodes.some(row.name, 16) });
        if (!opened.ok) throw new Error(opened.fault.reason);
        await query('update command set outcome = $1', ['{}']);
        const session = opened.value;
        const [terms] = await query<{ bytes: Uint8Array }>('select bytes from terms where session = $1', [session]);
        const [grant] = await book.grantsOf(query, session);
        if (terms === undefined || grant === undefined) throw new Error('no terms');
        const anchor = nodes.anchorOf(terms.bytes);
        const chain: Told[] = [];
        for (const n of [1, 2, 3]) chain.push(tell(node, anchor, grant.price, chain.at(-1) ?? null, both(n * 4_000_000, n * 6_000_000)));
        const before = await sum(query, `node/${node.id}`, 'bytes');
        const say = async (...messages: readonly cose.Verified[]): Promise<string> => {
          const said: string[] = [];
          for (const signed of messages) {
            const heard = await book.takeReceipt(query, node.id, signed, 5);
            said.push(
              heard.ok
                ? `${heard.value.head?.sequence ?? 0}${heard.value.wanting === null ? '' : `?${heard.value.wanting}`}`
                : `${heard.fault.code} ${heard.fault.path}`,
            );
          }
          return said.join(' ');
        };
        assert.is(await row.play({ query, session, anchor, price: grant.price, chain, say }), row.want);
        assert.is(await sum(query, `held/${session}`, 'bytes'), row.held * 1_000_000n);
        assert.is((await sum(query, `node/${node.id}`, 'bytes')) - before, row.owed * 1_000_000n);
        const found = await query<{ code: string; path: string; evidence: string }>('select * from finding where session = $1', [session]);
        assert.is(found.map((f) => `${f.code} ${f.path}`).join(), row.findings ?? '');
        // What was found is seen by whoever has the messages and nothing else.
        for (const one of found.filter(({ code, path }) => code === 'forged' && !path.startsWith('dispute'))) {
          const messages = evidence.parse(one.evidence);
          const trusted = [node.key, ...auth.held.map(({ signer }) => signer.key)];
          const report = messages.ok ? evidence.examine(messages.value, trusted, portable) : assert.unreachable();
          assert.is(
            report?.findings.some(({ fault }) => fault.code === one.code && fault.path === one.path),
            true,
            JSON.stringify(report?.findings),
          );
        }
        const [units] = await query<{ n: bigint }>(
          'select count(*) as n from (select unit from entry group by unit having sum(amount) <> 0) as wrong',
        );
        assert.is(units?.n, 0n);
      });
    });

  takes('a root told twice, and one that forks', async () => {
    await here.database.transaction(async (query) => {
      const rootOf = (more: object): cose.Verified => story.sign('root', { ...story.root, ...more }, 'node');
      const id = story.idOf('node');
      await registry.admit(query, story.keyOf('node'), '', 1);
      const first = await roots.take(query, id, rootOf({}), 1);
      await roots.take(query, id, rootOf({}), 2);
      await roots.take(query, id, rootOf({ number: 6, previous: first.ok ? first.value.digest : liar }), 2);
      assert.equal(await query('select id from finding where node = $1', [id]), []);
      await roots.take(query, id, rootOf({ size: 4 }), 3);
      await roots.take(query, id, rootOf({ number: 6, previous: liar }), 3);
      const found = await query<{ path: string }>('select path from finding where node = $1 order by id', [id]);
      assert.equal(
        found.map(({ path }) => path),
        ['root.number', 'root.number', 'root.previous'],
      );
    });
  });
  takes.run();
}
