// Balances, what was booked, what was paid in, and whether it all adds up.

import { ok } from '../agent/core/result.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as book from './book.ts';
import * as ledger from './core/ledger.ts';
import * as paging from './paging.ts';
import type { Query } from './ports/database.ts';
import type { Route } from './route.ts';
import { admins, done, list, parties, route, viewers } from './route.ts';
import * as shape from './shape.ts';

/** What people here call whom an account belongs to. */
const name = `case when account like 'consumer/%' then (select name from consumer where id = substr(account, 10))
  when account like 'node/%' then (select name from node where id = substr(account, 6)) end as name`;

export const books: readonly Route[] = [
  list({
    at: '/ledger',
    rule: parties,
    says: 'Balances; of a consumer, its own.',
    of: 'accounts',
    holds: 'account, name (of its consumer or node), unit (bytes, or a currency, in millionths), amount',
    list: ({ who }) => ({
      sql: `select account, unit, amount, ${name} from balance where ($1::text is null or account = $1) and amount <> 0`,
      fields: [who.kind === 'consumer' ? ledger.consumer(who.id) : null],
      by: { account: paging.words, unit: paging.words },
    }),
  }),
  route({
    method: 'GET',
    at: '/ledger/check',
    rule: viewers,
    says: 'Adds everything up anew, which takes its time.',
    answers: 'wrong: what does not add up, which is nothing',
    handle: async ({ query }) => ok({ wrong: await check(query) }),
  }),
  list({
    at: '/ledger/entries',
    rule: parties,
    says: 'What was booked, or booked on one account, the newest first; of a consumer, its own.',
    of: 'entries',
    holds: 'id, account, name (of its consumer or node), unit, amount, at',
    search: { account: shape.maybe(shape.text(/^(cash|(consumer|node|held)\/[A-Za-z0-9+/=]{16,64})$/, 'an account')) },
    list({ who }, { search: { account } }) {
      const of = who.kind === 'consumer' ? ledger.consumer(who.id) : account;
      return {
        sql: `select id, account, unit, amount, at, ${name} from entry ${of === null ? '' : 'where account = $1'}`,
        fields: of === null ? [] : [of],
        by: { at: paging.whole, id: paging.words, account: paging.words },
        isNewestFirst: true,
      };
    },
  }),
  route({
    method: 'POST',
    at: '/ledger/deposits',
    rule: admins,
    says: 'Money that came in for a consumer. The same id again changes nothing.',
    answers: 'nothing',
    body: {
      id: shape.text(/^[A-Za-z0-9._-]{1,64}$/, 'an id of the payment'),
      consumer: shape.key,
      currency: shape.currency,
      amount: shape.whole(1, Number.MAX_SAFE_INTEGER),
    },
    handle: async ({ query, now }, { body: b }) => {
      const known = await query('select 1 as n from transfer where id = $1', [`deposit/${b.id}`]);
      if (known.length > 0) return done;
      const to = ledger.consumer(hexOf(b.consumer));
      await book.write(query, [{ id: `deposit/${b.id}`, unit: b.currency, debit: ledger.cash, credit: to, amount: BigInt(b.amount) }], now);
      return done;
    },
  }),
];

/** Whatever does not hold, as a sentence. The sum of a unit is zero by how it is written; that it is what the receipts say is looked at here. */
async function check(query: Query): Promise<readonly string[]> {
  const units = await query<{ unit: string; sum: bigint }>(
    'select unit, sum(amount) as sum from entry group by unit having sum(amount) <> 0',
  );
  const kept = await query<{ account: string; unit: string }>(`
    select account, unit from (select account, unit, sum(amount) as amount from entry group by account, unit) as added
    full join balance using (account, unit) where added.amount is distinct from balance.amount`);
  const wrong = await query<{ id: string; unit: string; booked: bigint; told: bigint }>(`
    select id, unit, booked, told from (
      select s.id, u.unit, case when u.unit = 'bytes' then s.up + s.down else s.due end as told,
        coalesce((select sum(amount) from transfer where credit = 'held/' || s.id and transfer.unit = u.unit), 0) as booked
      from session s cross join lateral (select 'bytes' as unit union all select s.currency where s.currency is not null) u) as both_sides
    where told <> booked`);
  return [
    ...units.map(({ unit, sum }) => `the sum of all ${unit} is ${sum}`),
    ...kept.map(({ account, unit }) => `the balance of ${account} in ${unit} is not the sum of its entries`),
    ...wrong.map(({ id, unit, booked, told }) => `session ${id}: ${booked} ${unit} booked, ${told} in its last receipt`),
  ];
}
