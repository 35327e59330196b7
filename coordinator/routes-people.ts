// Who may ask: operators, consumers, and what the audit log says of both.

import { fail, ok } from '../agent/core/result.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as access from './core/access.ts';
import * as accounts from './operators.ts';
import * as paging from './paging.ts';
import type { Route } from './route.ts';
import { admins, amount, done, list, missing, operators, route, span, viewers } from './route.ts';
import * as shape from './shape.ts';

export const people: readonly Route[] = [
  list({
    at: '/operators',
    rule: admins,
    says: 'Who may operate; not their tokens.',
    of: 'operators',
    holds: 'name, role, until',
    list: () => ({ sql: 'select name, role, until from operator', by: { name: paging.words } }),
  }),
  route({
    method: 'POST',
    at: '/operators',
    rule: admins,
    says: 'A token for somebody.',
    answers: 'token: shown this once',
    body: { name: shape.name, role: shape.choice(access.roles), seconds: span },
    handle: async ({ query, now, random }, { body: { name, role, seconds } }) => {
      const token = await accounts.add(query, { name, role, until: now + seconds }, random);
      return token.ok ? ok({ token: token.value }) : token;
    },
  }),
  route({
    method: 'DELETE',
    at: '/operators/{name}',
    rule: admins,
    says: 'The token holds no longer.',
    answers: 'nothing',
    path: { name: shape.name },
    handle: async ({ query }, { path: { name } }) =>
      (await query('delete from operator where name = $1 returning name', [name])).length > 0 ? done : missing('operator'),
  }),
  list({
    at: '/consumers',
    rule: viewers,
    says: 'Who may ask for sessions.',
    of: 'consumers',
    holds: 'id, name, void, since, credit (millionths that it may owe; null: no limit)',
    list: () => ({ sql: 'select id, name, void, since, credit from consumer', by: { name: paging.words } }),
  }),
  route({
    method: 'POST',
    at: '/consumers',
    rule: operators,
    says: 'Knows a consumer by its key; `scripts/consumer keys` shows it. `credit`: what it may owe; without it, as much as it asks for.',
    answers: 'consumer: its id',
    body: { key: shape.key, name: shape.name, credit: shape.maybe(amount) },
    handle: async ({ query, now }, { body: { key, name, credit } }) => {
      const added = await query(
        'insert into consumer (id, name, since, credit) values ($1, $2, $3, $4) on conflict do nothing returning id',
        [hexOf(key), name, now, credit],
      );
      return added.length > 0 ? ok({ consumer: hexOf(key) }) : fail('exists', 'consumer', 'this key or this name is known');
    },
  }),
  route({
    method: 'PUT',
    at: '/consumers/{key}/credit',
    rule: admins,
    says: 'How much it may owe in each currency, with what its open sessions may still cost; without `amount` there is no limit. It is refused what goes beyond; what an operator opens for it is not.',
    answers: 'nothing',
    path: { key: shape.key },
    body: { amount: shape.maybe(amount) },
    handle: async ({ query }, { path: { key }, body: { amount } }) =>
      (await query('update consumer set credit = $2 where id = $1 returning id', [hexOf(key), amount])).length > 0
        ? done
        : missing('consumer'),
  }),
  route({
    method: 'DELETE',
    at: '/consumers/{key}',
    rule: operators,
    says: 'May ask no more. Its sessions stay as they are.',
    answers: 'nothing',
    path: { key: shape.key },
    handle: async ({ query }, { path: { key } }) =>
      (await query('update consumer set void = true where id = $1 returning id', [hexOf(key)])).length > 0 ? done : missing('consumer'),
  }),
  list({
    at: '/audit',
    rule: admins,
    says: 'Who changed what, the newest first.',
    of: 'audit',
    holds: 'id, at, who, did, what, outcome',
    list: () => ({ sql: 'select * from audit', by: { id: paging.whole }, isNewestFirst: true }),
  }),
];
