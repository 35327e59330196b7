// What a coordinator can take: receipts verified, written and booked one after another, and what its pages cost once there are many.

import * as cose from '../../agent/wire/cose.ts';
import * as book from '../../coordinator/book.ts';
import * as desk from '../../coordinator/desk.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as operators from '../../coordinator/operators.ts';
import * as orders from '../../coordinator/orders.ts';
import type { Database } from '../../coordinator/ports/database.ts';
import * as registry from '../../coordinator/registry.ts';
import * as ground from '../../test/coordinator/ground.ts';
import * as nodes from '../../test/coordinator/node.ts';
import { both, tell, witnessed } from '../../test/coordinator/node.ts';
import { type Bench, render } from './bench.ts';

const count = 400;
const sizes = [10_000, 1_000_000] as const;
const mostGrowth = 5;
const now = 1_800_000_000;

export const coordinator: Bench = {
  what: 'coordinator: receipts verified and stored; pages at 10^4 and 10^6 receipts',
  needs: ['/usr/lib/postgresql:postgresql'],
  async run() {
    const speeds: number[] = [];
    for (const kind of ground.kinds) {
      const here = await ground.begin(kind);
      speeds.push(await speedOf(here.database));
      await here.stop();
    }
    const [lite = 0, server = 0] = speeds;
    const { rows, growth } = await pages();
    return {
      on: 'this machine',
      body: [
        render([
          ['receipts in a second', 'verified, written and booked'],
          ['PGlite', lite.toFixed(0)],
          ['PostgreSQL', server.toFixed(0)],
        ]),
        'One after another, each its own transaction: the node’s signature and the countersignature verified, the receipt stored, bytes and money booked twice.',
        render([['page, ms', ...sizes.map((n) => `${n} receipts`)], ...rows]),
        `PostgreSQL; the fastest of five, over HTTP’s desk. The limit is a growth of ${mostGrowth}.`,
      ].join('\n\n'),
      numbers: {
        pglite_receipts_per_s: Math.round(lite),
        postgres_receipts_per_s: Math.round(server),
        query_growth: Math.round(10 * growth) / 10,
      },
      broken: growth > mostGrowth ? [`query_growth: ${growth.toFixed(1)}, limit ${mostGrowth}`] : [],
    };
  },
};

const auth = nodes.authorityOf('bench');
const node = nodes.nodeOf('bench node');

async function begin(database: Database): Promise<nodes.Told['link']> {
  return database.transaction(async (query) => {
    await registry.admit(query, node.key, '', now);
    await registry.takeBirth(query, node.id, node.born(), now);
    const wanted = nodes.wantedOf(node, 'ann', { quota: { kind: 'shared', bytes: 1n << 50n } });
    const opened = await orders.open(query, wanted, auth, { by: 'bench', now, nonce: nodes.some('bench', 16) });
    const [terms] = await query<{ bytes: Uint8Array }>('select bytes from terms');
    if (!opened.ok || terms === undefined) throw new Error('no session');
    return nodes.anchorOf(terms.bytes);
  });
}

async function speedOf(database: Database): Promise<number> {
  const anchor = await begin(database);
  const price = nodes.wantedOf(node, 'ann').price;
  const messages: Uint8Array[] = [];
  let last: nodes.Told | null = null;
  for (let n = 1; n <= count; n++) {
    last = tell(node, anchor, price, last, both(n * 1_000_000, n * 9_000_000));
    messages.push(cose.encode(witnessed(last, 'ann')));
  }
  const started = performance.now();
  for (const bytes of messages) {
    const decoded = cose.decode(bytes);
    const signed = decoded.ok ? cose.verify(decoded.value, node.key, hashes) : decoded;
    const taken = signed.ok ? await database.transaction((query) => book.takeReceipt(query, node.id, signed.value, now)) : signed;
    if (!taken.ok) throw new Error(taken.fault.reason);
  }
  return (1000 * count) / (performance.now() - started);
}

/** Sessions of 100 receipts each, as many as it takes. */
async function fill(database: Database, from: number, to: number, receipt: Uint8Array): Promise<void> {
  await database.transaction(async (query) => {
    await query(
      `insert into session (id, node, consumer, opened, head, agreed, up, down, due, currency, condition)
       select lpad(to_hex(n), 32, '0'), $1, 'consumer ' || n % 100, $2::bigint + n, 100, 100, 1000, 9000, 12, 'EUR', 'open' from generate_series($3::bigint, $4::bigint) n`,
      [node.id, now, from / 100, to / 100 - 1],
    );
    await query(
      `insert into receipt select lpad(to_hex(n / 100), 32, '0'), n % 100 + 1, lpad(to_hex(n), 64, '0'), $1, true, 'accepted', $2::bigint + n
       from generate_series($3::bigint, $4::bigint) n`,
      [receipt, now, from, to - 1],
    );
    await query(
      `insert into transfer select 'x' || n, 'bytes', 'consumer/' || n / 100 % 100, 'held/' || lpad(to_hex(n / 100), 32, '0'), 100, $1::bigint + n
       from generate_series($2::bigint, $3::bigint) n`,
      [now, from, to - 1],
    );
    await query('delete from balance');
    await query('insert into balance select account, unit, sum(amount) from entry group by account, unit');
  });
  await database.transaction((query) => query('analyze'));
}

async function pages(): Promise<Readonly<{ rows: string[][]; growth: number }>> {
  const here = await ground.begin('PostgreSQL');
  const { database } = here;
  const anchor = await begin(database);
  const receipt = cose.encode(tell(node, anchor, null, null, both(1000, 9000)).signed);
  const random = (size: number): Uint8Array => crypto.getRandomValues(new Uint8Array(size));
  const token = await database.transaction((query) => operators.add(query, { name: 'bench', role: 'admin', until: now * 2 }, random));
  if (!token.ok) throw new Error(token.fault.reason);
  let clock = now * 1000;
  const answer = desk.start({ database, authority: auth, now: () => clock, random, nudge: async () => undefined, log: console.error });
  const fastest = async (path: string): Promise<number> => {
    const times: number[] = [];
    for (let i = 0; i < 5; i++) {
      clock += 5000;
      const started = performance.now();
      const request = { method: 'GET', url: desk.base + path, authorization: `Bearer ${token.value}`, caller: '', body: new Uint8Array() };
      const { status, body } = await answer(request);
      times.push(performance.now() - started);
      if (status !== 200) throw new Error(body);
    }
    return Math.min(...times);
  };
  const session = '5'.padStart(32, '0');
  const paths = ['/overview', '/nodes', '/sessions', `/sessions/${session}/receipts`, '/ledger', '/ledger/entries', '/disputes'];
  const columns: number[][] = [];
  let from = 0;
  for (const size of sizes) {
    await fill(database, from, size, receipt);
    from = size;
    const column: number[] = [];
    for (const path of paths) column.push(await fastest(path));
    columns.push(column);
  }
  await here.stop();
  const [few = [], many = []] = columns;
  // Below a few milliseconds it is the desk that is measured.
  const growths = paths.map((_, i) => (many[i] ?? 0) / Math.max(5, few[i] ?? 0));
  return {
    rows: paths.map((path, i) => [path.replace(session, '…'), (few[i] ?? 0).toFixed(1), (many[i] ?? 0).toFixed(1)]),
    growth: Math.max(...growths),
  };
}
