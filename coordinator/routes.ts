// What can be asked over HTTP, as one table. Knows no socket and no token.

import { ok } from '../agent/core/result.ts';
import { hexOf } from '../agent/wire/form.ts';
import type { Route } from './route.ts';
import { amount, everybody, parties, route, viewers } from './route.ts';
import { findings } from './routes-findings.ts';
import { fleet } from './routes-fleet.ts';
import { books } from './routes-ledger.ts';
import { people } from './routes-people.ts';
import { sessions } from './routes-sessions.ts';
import * as shape from './shape.ts';

export const routes: readonly Route[] = [
  route({
    method: 'GET',
    at: '/health',
    rule: everybody,
    says: 'Is the coordinator there, and its database?',
    answers: 'root: the public key to pin on routers, name: its key id',
    handle: async ({ query, authority }) => {
      await query('select 1');
      return ok({ root: hexOf(authority.rootKey), name: authority.root });
    },
  }),
  route({
    method: 'GET',
    at: '/me',
    rule: parties,
    says: 'Who asks.',
    answers: 'kind (operator, consumer), name; of an operator: role',
    handle: async ({ who }) => ok(who),
  }),
  route({
    method: 'GET',
    at: '/overview',
    rule: viewers,
    says: 'Numbers for the first page.',
    answers: 'nodes, here, sessions, open, receipts, disputes, findings; ledger: for each unit its sum, which is 0, and what is held',
    handle: async ({ query }) => {
      const [counts] = await query(`select
        (select count(*) from node) as nodes, (select count(*) from node where here) as here,
        (select count(*) from session) as sessions, (select count(*) from session where condition = 'open' and final is null) as open,
        (select coalesce(sum(head), 0) from session) as receipts,
        (select count(*) from dispute where decided is null) as disputes, (select count(*) from finding) as findings`);
      const units = await query(`select unit, sum(amount) as sum, sum(case when account like 'held/%' then amount else 0 end) as held
        from balance group by unit order by unit`);
      return ok({ ...counts, ledger: units });
    },
  }),
  route({
    method: 'GET',
    at: '/traffic',
    rule: viewers,
    says: 'Bytes billed over time, for a chart.',
    answers: 'points: at (seconds), bytes; empty ones are left out, and no more than 2000 come',
    search: { since: amount, step: shape.whole(10, 86_400), node: shape.maybe(shape.node) },
    handle: async ({ query }, { search: { since, step, node } }) =>
      ok({
        points: await query(
          `select at / $2::bigint * $2::bigint as at, sum(amount) as bytes from transfer
           where unit = 'bytes' and at >= $1 and debit like 'consumer/%'
             and ($3::text is null or credit in (select 'held/' || id from session where node = $3))
           group by 1 order by 1 limit 2000`,
          [since, step, node],
        ),
      }),
  }),
  ...fleet,
  ...people,
  ...sessions,
  ...findings,
  ...books,
];
