// What can be asked over HTTP: each route with who may, what it takes and what it does, as one table. The OpenAPI document is made of it.
// A route works within one transaction. Knows no socket and no token.

import type { ByteCount, PublicKey, Seconds } from '../agent/core/brand.ts';
import { seconds } from '../agent/core/brand.ts';
import type { Order } from '../agent/core/command.ts';
import type { Grant, Micro } from '../agent/core/grant.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';
import type { PeerKey } from '../agent/core/seat.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import * as cose from '../agent/wire/cose.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import type { Authority } from './authority.ts';
import * as book from './book.ts';
import type { Rule, Who } from './core/access.ts';
import * as access from './core/access.ts';
import * as ledger from './core/ledger.ts';
import { standings } from './core/roll.ts';
import { hashes } from './hashes.ts';
import * as orders from './orders.ts';
import type { Query, Row } from './ports/database.ts';
import * as registry from './registry.ts';
import type { Fields, Values } from './shape.ts';
import * as shape from './shape.ts';

/** Of one request. `nudge`: what waits for this node is sent once the transaction has held. */
export type Tools = Readonly<{
  query: Query;
  who: Who;
  now: number;
  authority: Authority;
  random(size: number): Uint8Array;
  nudge(node: KeyId): void;
}>;

/** Text is sent as it is, all else as JSON. */
export type Answer = string | Readonly<Record<string, unknown>>;

type Described<P extends Fields, S extends Fields, B extends Fields> = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parts in braces are read by `path`. */
  at: string;
  rule: Rule;
  says: string;
  answers: string;
  path: P;
  search: S;
  body: B;
  handle(tools: Tools, asked: Readonly<{ path: Values<P>; search: Values<S>; body: Values<B> }>): Promise<Result<Answer>>;
}>;
export type Route = Described<Fields, Fields, Fields>;

const route = <P extends Fields, S extends Fields, B extends Fields>(
  described: Omit<Described<P, S, B>, 'path' | 'search' | 'body'> & Partial<Pick<Described<P, S, B>, 'path' | 'search' | 'body'>>,
): Route => ({ path: {}, search: {}, body: {}, ...described }) as unknown as Route;

const everybody: Rule = { operators: 'viewer', consumers: true, everybody: true };
const viewers: Rule = { operators: 'viewer', consumers: false };
const operators: Rule = { operators: 'operator', consumers: false };
const admins: Rule = { operators: 'admin', consumers: false };
const parties: Rule = { operators: 'viewer', consumers: true };
const operatingParties: Rule = { operators: 'operator', consumers: true };

const page = { before: shape.maybe(shape.whole(0, Number.MAX_SAFE_INTEGER)), limit: shape.maybe(shape.whole(1, 500)) };
const perPage = 100;
const farFuture = Number.MAX_SAFE_INTEGER;
const amount = shape.whole(0, Number.MAX_SAFE_INTEGER);
const span = shape.whole(1, 10 * 365 * 86_400);
const bitRate = shape.whole(8, 1e12);
const missing = (what: string): Result<never> => fail('missing', what, 'is not known');
const done: Result<Answer> = ok({});

const sessionColumns = `id, node, consumer, opened, condition, head as receipts, agreed, up, down, due, currency, final, broken,
  exists (select 1 from receipt where session = session.id and standing = 'waiting') as gap`;

/** A session that is this one's to see; somebody else's is as if it were not there. */
async function sessionOf({ query, who }: Tools, id: SessionId): Promise<Result<Row & Readonly<{ node: KeyId; consumer: string }>>> {
  const [row] = await query<Row & { node: KeyId; consumer: string }>(`select ${sessionColumns} from session where id = $1`, [id]);
  return row !== undefined && access.owns(who, row.consumer) ? ok(row) : missing('session');
}

const nonceOf = ({ random }: Tools): string => hexOf(random(16));
const fromOf = (tools: Tools): orders.From => ({ by: access.nameOf(tools.who), now: tools.now, nonce: nonceOf(tools) });

async function command(tools: Tools, node: KeyId, order: Order): Promise<Result<Answer>> {
  if ((await registry.nodeOf(tools.query, node)) === null) return missing('node');
  const { by, now } = fromOf(tools);
  const added = await orders.add(tools.query, node, order, { session: null, by, now });
  if (!added.ok) return added;
  tools.nudge(node);
  return ok({ command: added.value });
}

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
    answers: 'points: at (seconds), bytes; empty ones are left out',
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

  // ── Nodes ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  route({
    method: 'GET',
    at: '/nodes',
    rule: viewers,
    says: 'The fleet.',
    answers: 'nodes: id, fleet, standing, here, heard, enrolled, starts, sessions (open), bytes (in all), findings, waiting (commands)',
    handle: async ({ query }) =>
      ok({
        nodes: await query(`select id, fleet, standing, here, heard, enrolled, starts,
          (select count(*) from session where node = node.id and condition = 'open' and final is null) as sessions,
          (select coalesce(sum(up + down), 0) from session where node = node.id) as bytes,
          (select count(*) from finding where node = node.id) as findings,
          (select count(*) from command where node = node.id and outcome is null) as waiting
          from node order by id`),
      }),
  }),
  route({
    method: 'POST',
    at: '/nodes',
    rule: admins,
    says: 'Pins a node’s key without a code, as its owner has shown it.',
    answers: 'node: its name',
    body: { key: shape.key, fleet: shape.maybe(shape.name) },
    handle: async ({ query, now }, { body: { key, fleet } }) => ok({ node: await registry.admit(query, key, fleet ?? '', now) }),
  }),
  route({
    method: 'GET',
    at: '/nodes/{node}',
    rule: viewers,
    says: 'One node, with what it last said of itself.',
    answers:
      'id, fleet, standing, here, heard, key; birth: version, host, starts, up, wall, tunnel; telemetry in hex, unsigned; commands: the last 50',
    path: { node: shape.node },
    handle: async ({ query }, { path: { node } }) => {
      const [row] = await query<Row & { key: Uint8Array; birth: Uint8Array | null; telemetry: Uint8Array | null }>(
        'select id, fleet, standing, here, heard, enrolled, key, birth, telemetry from node where id = $1',
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
      const messages = [...(row.birth === null ? [] : [row.birth]), ...(await book.rootsOf(query, node))];
      return ok(messages.map((bytes) => `${hexOf(bytes)}\n`).join(''));
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

  // ── Codes and people ───────────────────────────────────────────────────────────────────────────────────────────────────────────────
  route({
    method: 'GET',
    at: '/tickets',
    rule: admins,
    says: 'Codes that were given out; not their secrets.',
    answers: 'tickets: name, kind, fleet, until, used_by, void, made_by',
    handle: async ({ query }) =>
      ok({ tickets: await query('select name, kind, fleet, until, used_by, void, made_by from ticket order by until desc limit 500') }),
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
  route({
    method: 'GET',
    at: '/operators',
    rule: admins,
    says: 'Who may operate; not their tokens.',
    answers: 'operators: name, role, until',
    handle: async ({ query }) => ok({ operators: await query('select name, role, until from operator order by name') }),
  }),
  route({
    method: 'POST',
    at: '/operators',
    rule: admins,
    says: 'A token for somebody.',
    answers: 'token: shown this once',
    body: { name: shape.name, role: shape.choice(access.roles), seconds: span },
    handle: async ({ query, now, random }, { body: { name, role, seconds } }) => {
      const token = await addOperator(query, { name, role, until: now + seconds }, random);
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
  route({
    method: 'GET',
    at: '/consumers',
    rule: viewers,
    says: 'Who may ask for sessions.',
    answers: 'consumers: id, name, void, since',
    handle: async ({ query }) => ok({ consumers: await query('select id, name, void, since from consumer order by name limit 500') }),
  }),
  route({
    method: 'POST',
    at: '/consumers',
    rule: operators,
    says: 'Knows a consumer by its key; `scripts/consumer keys` shows it.',
    answers: 'consumer: its id',
    body: { key: shape.key, name: shape.name },
    handle: async ({ query, now }, { body: { key, name } }) => {
      const added = await query('insert into consumer values ($1, $2, false, $3) on conflict do nothing returning id', [
        hexOf(key),
        name,
        now,
      ]);
      return added.length > 0 ? ok({ consumer: hexOf(key) }) : fail('exists', 'consumer', 'this key or this name is known');
    },
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

  // ── Sessions ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  route({
    method: 'GET',
    at: '/offers',
    rule: parties,
    says: 'At which terms a consumer gets what it asks for.',
    answers:
      'offers: name, fleet, micro (millionths of a unit for a MiB), currency, rate_up, rate_down (bit/s), most_bytes, most_seconds, credit (bytes)',
    handle: async ({ query }) => ok({ offers: await query('select * from offer order by name') }),
  }),
  route({
    method: 'PUT',
    at: '/offers/{name}',
    rule: admins,
    says: 'An offer; sessions that were granted by it before stay as they are.',
    answers: 'nothing',
    path: { name: shape.name },
    body: {
      fleet: shape.maybe(shape.name),
      micro: shape.whole(0, 2 ** 32 - 1),
      currency: shape.currency,
      rate_up: bitRate,
      rate_down: bitRate,
      most_bytes: shape.whole(1, Number.MAX_SAFE_INTEGER),
      most_seconds: span,
      credit: shape.whole(1, Number.MAX_SAFE_INTEGER),
    },
    handle: async ({ query }, { path: { name }, body: b }) => {
      await query('delete from offer where name = $1', [name]);
      await query('insert into offer values ($1, $2, $3, $4, $5, $6, $7, $8, $9)', [
        name,
        b.fleet ?? '',
        b.micro,
        b.currency,
        b.rate_up,
        b.rate_down,
        b.most_bytes,
        b.most_seconds,
        b.credit,
      ]);
      return done;
    },
  }),
  route({
    method: 'GET',
    at: '/sessions',
    rule: parties,
    says: 'The newest first; of a consumer, its own. `before`: those opened before.',
    answers:
      'sessions: id, node, consumer, opened, condition (asked, open, refused), receipts, agreed (up to this receipt), up, down, due, currency, final, broken (why nothing more is billed), gap (a receipt is missing)',
    search: {
      ...page,
      node: shape.maybe(shape.node),
      consumer: shape.maybe(shape.text(/^[A-Za-z0-9+/=]{44,64}$/, 'a consumer’s key')),
      open: shape.maybe(shape.choice(['true'])),
    },
    handle: async ({ query, who }, { search: { before, limit, node, consumer, open } }) => {
      const mine = who.kind === 'consumer' ? who.id : consumer;
      const sessions = await query(
        `select ${sessionColumns} from session where opened < $1 and ($2::text is null or node = $2) and ($3::text is null or consumer = $3)
           and ($4::text is null or (condition = 'open' and final is null))
         order by opened desc, id limit $5`,
        [before ?? farFuture, node, mine, open, limit ?? perPage],
      );
      return ok({ sessions });
    },
  }),
  route({
    method: 'POST',
    at: '/sessions',
    rule: operatingParties,
    says: 'A session at an offer’s terms. An operator names the consumer’s key, or none for a stock WireGuard app, which cannot countersign; a consumer that asks for one says so.',
    answers: 'session: its id; ask for it until `condition` is open',
    body: {
      offer: shape.name,
      node: shape.maybe(shape.node),
      consumer: shape.maybe(shape.key),
      countersign: shape.maybe(shape.truth),
      peer: shape.peer,
      bytes: shape.whole(1, Number.MAX_SAFE_INTEGER),
      seconds: span,
    },
    handle: (tools, { body }) => openSession(tools, body),
  }),
  route({
    method: 'GET',
    at: '/sessions/{session}',
    rule: parties,
    says: 'One session.',
    answers:
      'as in the list; and outcome: what the node answered, with the consumer’s addresses in the tunnel; tunnel: where to call; grant: the terms in force; disputes',
    path: { session: shape.session },
    handle: async (tools, { path: { session } }) => {
      const row = await sessionOf(tools, session);
      if (!row.ok) return row;
      const { query } = tools;
      const [asked] = await query<{ outcome: string | null }>(`select outcome from command where session = $1 and order_kind = 'open'`, [
        session,
      ]);
      const [node] = await query<{ birth: Uint8Array | null }>('select birth from node where id = $1', [row.value.node]);
      const disputes = await query(
        'select sequence, reason, told_up, told_down, own_up, own_down, arrived, decided from dispute where session = $1 order by arrived',
        [session],
      );
      const birth = node?.birth ?? null;
      const grant = (await book.grantsOf(query, session)).at(-1);
      return ok({
        ...row.value,
        outcome: asked?.outcome ?? null,
        tunnel: birth === null ? null : registry.rereadBirth(birth).tunnel,
        grant: grant === undefined ? null : shownGrant(grant),
        disputes,
      });
    },
  }),
  route({
    method: 'GET',
    at: '/sessions/{session}/evidence',
    rule: parties,
    says: 'Everything that was signed about it, a message in hex on each line: what scripts/verify checks, and scripts/consumer takes as its grant.',
    answers: 'text',
    path: { session: shape.session },
    handle: async (tools, { path: { session } }) => {
      const row = await sessionOf(tools, session);
      const text = row.ok ? await orders.evidence(tools.query, session, tools.authority) : null;
      return text === null ? missing('session') : ok(text);
    },
  }),
  route({
    method: 'GET',
    at: '/sessions/{session}/receipts',
    rule: parties,
    says: 'Its receipts, the newest first. `before`: those with a lower number.',
    answers: 'receipts: sequence, digest, witnessed, standing (accepted, waiting, evidence), arrived, up, down, due, left, final',
    path: { session: shape.session },
    search: page,
    handle: async (tools, { path: { session }, search: { before, limit } }) => {
      const row = await sessionOf(tools, session);
      if (!row.ok) return row;
      const rows = await tools.query<Row & { bytes: Uint8Array }>(
        'select sequence, digest, witnessed, standing, arrived, bytes from receipt where session = $1 and sequence < $2 order by sequence desc limit $3',
        [session, before ?? farFuture, limit ?? perPage],
      );
      return ok({
        receipts: rows.map(({ bytes, ...rest }) => {
          const { counted, due, left, final } = book.rereadReceipt(bytes);
          return { ...rest, up: counted.up, down: counted.down, due: due?.amount ?? null, left, final };
        }),
      });
    },
  }),
  route({
    method: 'POST',
    at: '/sessions/{session}/top-up',
    rule: operatingParties,
    says: 'So much more of it.',
    answers: 'nothing',
    path: { session: shape.session },
    body: { bytes: amount, seconds: shape.whole(0, 10 * 365 * 86_400) },
    handle: async (tools, { path: { session }, body: { bytes, seconds } }) => {
      const row = await sessionOf(tools, session);
      if (!row.ok) return row;
      const added = await orders.topUp(tools.query, session, { bytes: BigInt(bytes), seconds }, tools.authority, fromOf(tools));
      if (!added.ok) return added;
      tools.nudge(row.value.node);
      return done;
    },
  }),
  route({
    method: 'DELETE',
    at: '/sessions/{session}',
    rule: operatingParties,
    says: 'Ends it.',
    answers: 'nothing',
    path: { session: shape.session },
    handle: async (tools, { path: { session } }) => {
      const row = await sessionOf(tools, session);
      if (!row.ok) return row;
      const closed = await orders.close(tools.query, session, fromOf(tools));
      if (!closed.ok) return closed;
      tools.nudge(row.value.node);
      return done;
    },
  }),
  route({
    method: 'POST',
    at: '/sessions/{session}/decision',
    rule: admins,
    says: 'Gives what is held to the one or the other. Nothing is decided twice.',
    answers: 'nothing',
    path: { session: shape.session },
    body: { to: shape.choice(['node', 'consumer']) },
    handle: async ({ query, now }, { path: { session }, body: { to } }) => {
      const decided = await book.decide(query, session, to, now);
      return decided.ok ? done : decided;
    },
  }),

  // ── Disputes and what was found ────────────────────────────────────────────────────────────────────────────────────────────────────
  route({
    method: 'GET',
    at: '/disputes',
    rule: viewers,
    says: 'With both figures.',
    answers: 'disputes: session, sequence, reason, told_up, told_down (the node’s), own_up, own_down (the consumer’s), arrived, decided',
    search: page,
    handle: async ({ query }, { search: { before, limit } }) =>
      ok({
        disputes: await query(
          `select session, sequence, reason, told_up, told_down, own_up, own_down, arrived, decided from dispute where arrived < $1
           order by arrived desc limit $2`,
          [before ?? farFuture, limit ?? perPage],
        ),
      }),
  }),
  route({
    method: 'POST',
    at: '/disputes',
    rule: parties,
    says: 'A dispute, as the session’s consumer has signed it. Its signature alone says whose it is.',
    answers: 'nothing',
    body: { message: shape.text(/^([0-9a-f]{2}){64,1024}$/, 'a signed message in hex') },
    handle: async ({ query, now }, { body: { message } }) => {
      const signed = cose.decode(bytesOf(message));
      const taken = signed.ok ? await book.takeDispute(query, signed.value, now) : signed;
      return taken.ok ? done : taken;
    },
  }),
  route({
    method: 'GET',
    at: '/findings',
    rule: viewers,
    says: 'What nodes signed and should not have.',
    answers: 'findings: id, node, session, code, path, reason, at',
    search: page,
    handle: async ({ query }, { search: { before, limit } }) =>
      ok({
        findings: await query('select id, node, session, code, path, reason, at from finding where id < $1 order by id desc limit $2', [
          before ?? farFuture,
          limit ?? perPage,
        ]),
      }),
  }),
  route({
    method: 'GET',
    at: '/findings/{id}/evidence',
    rule: viewers,
    says: 'The messages that show it, for scripts/verify.',
    answers: 'text',
    path: { id: shape.whole(1, Number.MAX_SAFE_INTEGER) },
    handle: async ({ query, authority }, { path: { id } }) => {
      const [row] = await query<{ birth: Uint8Array | null; evidence: string }>(
        'select birth, evidence from finding left join node on node.id = finding.node where finding.id = $1',
        [id],
      );
      if (row === undefined) return missing('finding');
      // The keys that the messages are signed with, so that whoever reads them needs the root's alone.
      const keys = [...(row.birth === null ? [] : [row.birth]), ...authority.held.map(({ bytes }) => bytes)];
      return ok(keys.map((bytes) => `${hexOf(bytes)}\n`).join('') + row.evidence);
    },
  }),
  route({
    method: 'GET',
    at: '/refusals',
    rule: viewers,
    says: 'Messages that nobody known has signed, counted.',
    answers: 'refusals: node (as the topic names it), code, path, count, last',
    handle: async ({ query }) => ok({ refusals: await query('select * from refusal order by last desc limit 500') }),
  }),

  // ── Ledger ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────
  route({
    method: 'GET',
    at: '/ledger',
    rule: parties,
    says: 'Balances; of a consumer, its own.',
    answers: 'accounts: account, unit (bytes, or a currency, in millionths), amount',
    handle: async ({ query, who }) => {
      const own = who.kind === 'consumer' ? ledger.consumer(who.id) : null;
      const accounts = await query(
        `select account, unit, amount from balance where ($1::text is null or account = $1) and amount <> 0 order by unit, account limit 1000`,
        [own],
      );
      return ok({ accounts });
    },
  }),
  route({
    method: 'GET',
    at: '/ledger/check',
    rule: viewers,
    says: 'Adds everything up anew, which takes its time.',
    answers: 'wrong: what does not add up, which is nothing',
    handle: async ({ query }) => ok({ wrong: await checkLedger(query) }),
  }),
  route({
    method: 'GET',
    at: '/ledger/entries',
    rule: parties,
    says: 'What was booked on an account, the newest first; of a consumer, its own.',
    answers: 'entries: id, unit, amount, at',
    search: { ...page, account: shape.maybe(shape.text(/^(cash|(consumer|node|held)\/[A-Za-z0-9+/=]{16,64})$/, 'an account')) },
    handle: async ({ query, who }, { search: { account, before, limit } }) => {
      const of = who.kind === 'consumer' ? ledger.consumer(who.id) : account;
      // In words of their own, so that each finds its index.
      const which = of === null ? '$3::text is null' : 'account = $3';
      const sql = `select id, account, unit, amount, at from entry where ${which} and at < $1 order by at desc, id limit $2`;
      return ok({ entries: await query(sql, [before ?? farFuture, limit ?? perPage, of]) });
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
  route({
    method: 'GET',
    at: '/audit',
    rule: admins,
    says: 'Who changed what, the newest first.',
    answers: 'audit: id, at, who, did, what, outcome',
    search: page,
    handle: async ({ query }, { search: { before, limit } }) =>
      ok({ audit: await query('select * from audit where id < $1 order by id desc limit $2', [before ?? farFuture, limit ?? perPage]) }),
  }),
];

export async function addOperator(
  query: Query,
  { name, role, until }: Readonly<{ name: string; role: access.Role; until: number }>,
  random: Tools['random'],
): Promise<Result<string>> {
  const token = `weir_${hexOf(random(24))}`;
  const added = await query('insert into operator values ($1, $2, $3, $4) on conflict do nothing returning name', [
    digestOf(token),
    name,
    role,
    until,
  ]);
  return added.length > 0 ? ok(token) : fail('exists', 'name', 'there is an operator of this name');
}

export const digestOf = (token: string): string => hexOf(hashes.sha256(new TextEncoder().encode(token)));

const shownGrant = ({ quota, rate, lifetime, until, witness, credit, price, revision }: Grant): object => ({
  quota,
  rate,
  lifetime,
  until,
  witness,
  credit,
  price,
  revision,
});

type Asked = Readonly<{
  offer: string;
  node: KeyId | null;
  consumer: PublicKey | null;
  countersign: boolean | null;
  peer: PeerKey;
  bytes: number;
  seconds: number;
}>;
type Offer = Readonly<
  Record<'micro' | 'rate_up' | 'rate_down' | 'most_bytes' | 'most_seconds' | 'credit', bigint> & { fleet: string; currency: string }
>;

async function openSession(tools: Tools, asked: Asked): Promise<Result<Answer>> {
  const { query, who } = tools;
  const [offer] = await query<Offer>('select * from offer where name = $1', [asked.offer]);
  if (offer === undefined) return missing('offer');
  if (BigInt(asked.bytes) > offer.most_bytes) return fail('denied', 'bytes', `at most ${offer.most_bytes}`);
  if (BigInt(asked.seconds) > offer.most_seconds) return fail('denied', 'seconds', `at most ${offer.most_seconds}`);
  if (who.kind === 'consumer' && asked.consumer !== null) return fail('denied', 'consumer', 'is who asks');
  const payer = who.kind === 'consumer' ? (bytesOf(who.id) as PublicKey) : asked.consumer;
  const consumer = asked.countersign === false ? null : payer;
  // Of those that are there, the one with the fewest sessions.
  const [chosen] = await query<{ id: KeyId; fleet: string }>(
    `select id, fleet from node where standing = 'active' and fleet = $1 and birth is not null and ($2::text is null or id = $2)
     order by here desc, (select count(*) from session where node = node.id and final is null), id limit 1`,
    [offer.fleet, asked.node],
  );
  if (chosen === undefined) return fail('missing', 'node', 'none is there for this offer');
  const wanted: orders.Wanted = {
    node: chosen.id,
    peer: asked.peer,
    consumer,
    quota: { kind: 'shared', bytes: BigInt(asked.bytes) },
    rate: { up: offer.rate_up, down: offer.rate_down },
    throttle: null,
    egress: { kind: 'internet' },
    lifetime: seconds(asked.seconds),
    until: (tools.now + asked.seconds) as Seconds,
    idle: null,
    witness: consumer === null ? 'none' : 'required',
    credit: consumer === null ? null : (offer.credit as ByteCount),
    price: offer.micro === 0n ? null : { micro: offer.micro as Micro, currency: offer.currency },
  };
  const owner = payer === null ? asked.peer : hexOf(payer);
  const opened = await orders.open(query, wanted, tools.authority, { ...fromOf(tools), owner });
  if (!opened.ok) return opened;
  tools.nudge(chosen.id);
  return ok({ session: opened.value, node: chosen.id });
}

/** Whatever does not hold, as a sentence. The sum of a unit is zero by how it is written; that it is what the receipts say is looked at here. */
export async function checkLedger(query: Query): Promise<readonly string[]> {
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
