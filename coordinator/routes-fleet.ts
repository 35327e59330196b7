// What can be asked of and about nodes, and the codes that let them in.

import type { Order } from '../agent/core/command.ts';
import { ok } from '../agent/core/result.ts';
import * as cose from '../agent/wire/cose.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as access from './core/access.ts';
import { standings } from './core/roll.ts';
import * as paging from './paging.ts';
import type { Row } from './ports/database.ts';
import * as registry from './registry.ts';
import * as roots from './roots.ts';
import type { Route } from './route.ts';
import { admins, command, done, list, missing, operators, route, span, viewers } from './route.ts';
import * as shape from './shape.ts';

export const fleet: readonly Route[] = [
  list({
    at: '/nodes',
    rule: viewers,
    says: 'The fleet.',
    of: 'nodes',
    holds: 'id, name, fleet, standing, here, heard, enrolled, starts, sessions (open), bytes (in all), findings, waiting (commands)',
    list: () => ({
      sql: `select id, name, fleet, standing, here, heard, enrolled, starts,
        (select count(*) from session where node = node.id and condition = 'open' and final is null) as sessions,
        (select coalesce(sum(up + down), 0) from session where node = node.id) as bytes,
        (select count(*) from finding where node = node.id) as findings,
        (select count(*) from command where node = node.id and outcome is null) as waiting
        from node`,
      by: { id: paging.words },
    }),
  }),
  route({
    method: 'POST',
    at: '/nodes',
    rule: admins,
    says: 'Pins a node’s key without a code, as its owner has shown it.',
    answers: 'node: its id',
    body: { key: shape.key, fleet: shape.maybe(shape.name), name: shape.maybe(shape.name) },
    handle: async ({ query, now }, { body: { key, fleet, name } }) => {
      const node = await registry.admit(query, key, fleet ?? '', now);
      if (name !== null) await registry.setName(query, node, name);
      return ok({ node });
    },
  }),
  route({
    method: 'GET',
    at: '/nodes/{node}',
    rule: viewers,
    says: 'One node, with what it last said of itself.',
    answers:
      'id, name, fleet, standing, here, heard, key; birth: version, host, starts, up, wall, tunnel; telemetry in hex, unsigned; commands: the last 50',
    path: { node: shape.node },
    handle: async ({ query }, { path: { node } }) => {
      const [row] = await query<Row & { key: Uint8Array; birth: Uint8Array | null; telemetry: Uint8Array | null }>(
        'select id, name, fleet, standing, here, heard, enrolled, key, birth, telemetry from node where id = $1',
        [node],
      );
      if (row === undefined) return missing('node');
      const commands = await query(
        'select id, order_kind as kind, session, made_by as by, at, answered, outcome from command where node = $1 order by id desc limit 50',
        [node],
      );
      const birth = row.birth === null ? null : registry.rereadBirth(row.birth);
      const told =
        birth === null
          ? null
          : { version: birth.version, host: birth.host, starts: birth.starts, up: birth.up, wall: birth.wall, tunnel: birth.tunnel };
      return ok({ ...row, key: hexOf(row.key), telemetry: row.telemetry === null ? null : hexOf(row.telemetry), birth: told, commands });
    },
  }),
  route({
    method: 'GET',
    at: '/nodes/{node}/evidence',
    rule: viewers,
    says: 'Its birth, its newest roots, and the newest receipts of each chain that they can hold: a message in hex on each line.',
    answers: 'text',
    path: { node: shape.node },
    handle: async ({ query }, { path: { node } }) => {
      const [row] = await query<{ birth: Uint8Array | null }>('select birth from node where id = $1', [node]);
      if (row === undefined) return missing('node');
      const messages = [...(row.birth === null ? [] : [row.birth]), ...(await roots.newest(query, node))];
      return ok(messages.map((bytes) => `${hexOf(bytes)}\n`).join(''));
    },
  }),
  route({
    method: 'PUT',
    at: '/nodes/{node}/name',
    rule: operators,
    says: 'What people here call it; the node is not told, and consumers are not. Without one it goes by its id alone.',
    answers: 'nothing',
    path: { node: shape.node },
    body: { name: shape.maybe(shape.name) },
    handle: async ({ query }, { path: { node }, body: { name } }) => {
      const set = await registry.setName(query, node, name);
      return set.ok ? done : set;
    },
  }),
  route({
    method: 'PUT',
    at: '/nodes/{node}/standing',
    rule: operators,
    says: 'Into quarantine, out of it, or off the roll for good.',
    answers: 'nothing',
    path: { node: shape.node },
    body: { standing: shape.choice(standings) },
    handle: async (tools, { path: { node }, body: { standing } }) => {
      const set = await registry.setStanding(tools.query, node, standing);
      if (!set.ok) return set;
      const told = standing === 'revoked' ? done : await command(tools, node, { kind: 'quarantine', isOn: standing === 'quarantined' });
      return told.ok ? done : told;
    },
  }),
  route({
    method: 'POST',
    at: '/nodes/{node}/commands',
    rule: operators,
    says: 'Asks a node for something; its owner decides whether it may be. limit without `sessions` lifts the limit.',
    answers: 'command: its number, to be found in the node’s list with its outcome',
    path: { node: shape.node },
    body: {
      kind: shape.choice(['restart', 'reboot', 'list', 'limit']),
      sessions: shape.maybe(shape.whole(0, 65_535)),
      paused: shape.maybe(shape.truth),
    },
    handle: (tools, { path: { node }, body: { kind, sessions, paused } }) => {
      const order: Order =
        kind === 'limit' ? { kind, rate: null, sessions, isPaused: paused === true } : kind === 'list' ? { kind, after: null } : { kind };
      return command(tools, node, order);
    },
  }),
  list({
    at: '/tickets',
    rule: admins,
    says: 'Codes that were given out, those that hold longest first; not their secrets.',
    of: 'tickets',
    holds: 'name, kind, fleet, until, used_by, void, made_by',
    list: () => ({
      sql: 'select name, kind, fleet, until, used_by, void, made_by from ticket',
      by: { until: paging.whole, name: paging.words },
      isNewestFirst: true,
    }),
  }),
  route({
    method: 'POST',
    at: '/tickets',
    rule: admins,
    says: 'A claim code for one router, or a fleet token for many.',
    answers: 'code: shown this once; name',
    body: { kind: shape.choice(['claim', 'fleet']), fleet: shape.maybe(shape.name), seconds: span },
    handle: async ({ query, now, random, who }, { body }) => {
      // 4 letters of a name, and 80 bits of secret.
      const code = cose.renderKeyId(random(13)).slice(0, 20);
      const added = await registry.addTicket(query, code, {
        kind: body.kind,
        fleet: body.fleet ?? '',
        until: now + body.seconds,
        by: access.nameOf(who),
      });
      return added.ok ? ok({ code, name: code.slice(0, 4) }) : added;
    },
  }),
  route({
    method: 'DELETE',
    at: '/tickets/{name}',
    rule: admins,
    says: 'No router comes by this code any more; who came, stays.',
    answers: 'nothing',
    path: { name: shape.text(/^[a-z2-7]{4}$/, 'the name of a code') },
    handle: async ({ query }, { path: { name } }) =>
      (await query('update ticket set void = true where name = $1 returning name', [name])).length > 0 ? done : missing('ticket'),
  }),
];
