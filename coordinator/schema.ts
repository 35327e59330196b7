// What is kept, as SQL that PGlite and PostgreSQL both take. A migration, once released, is never changed: another one follows.

import type { Database, Query } from './ports/database.ts';

const migrations: readonly string[] = [
  `
create table node (
  id text primary key,
  key bytea not null,
  standing text not null check (standing in ('active', 'quarantined', 'revoked')),
  fleet text not null,
  enrolled bigint not null,
  epoch text,
  starts bigint not null default 0,
  births bigint not null default 0,
  birth bytea,
  heard bigint,
  here boolean not null default false,
  sequence bigint not null default 0,
  telemetry bytea
);
create table epoch (node text not null references node, nonce text not null, starts bigint not null, primary key (node, nonce));
-- The code is a secret; a node proves that it knows it, so it cannot be kept as a hash.
create table ticket (
  name text primary key,
  code text not null,
  kind text not null check (kind in ('claim', 'fleet')),
  fleet text not null,
  until bigint not null,
  used_by text references node,
  void boolean not null default false,
  made_by text not null
);

create table session (
  id text primary key,
  node text not null references node,
  consumer text not null,
  opened bigint not null,
  head bigint not null default 0,
  agreed bigint not null default 0,
  up bigint not null default 0,
  down bigint not null default 0,
  due bigint not null default 0,
  currency text,
  final text,
  broken text,
  condition text not null default 'asked'
);
create index on session (consumer, opened desc);
create index on session (node, opened desc);
create index on session (opened desc);
create table terms (id text primary key, session text not null references session, revision bigint not null, bytes bytea not null, unique (session, revision));

-- waiting: one before it is missing. evidence: signed by the node, and contradicts what is accepted.
create table receipt (
  session text not null references session,
  sequence bigint not null,
  digest text not null,
  bytes bytea not null,
  witnessed boolean not null,
  standing text not null check (standing in ('accepted', 'waiting', 'evidence')),
  arrived bigint not null,
  primary key (session, sequence, digest)
);
create unique index on receipt (session, sequence) where standing = 'accepted';
create index receipt_open on receipt (session, sequence) where standing <> 'accepted';
create table root (node text not null references node, number bigint not null, digest text not null, bytes bytea not null, arrived bigint not null, primary key (node, number, digest));

create table dispute (
  digest text primary key,
  session text not null references session,
  sequence bigint not null,
  reason text not null,
  told_up bigint, told_down bigint, own_up bigint, own_down bigint,
  bytes bytea not null,
  arrived bigint not null,
  decided text
);
-- Of messages that were signed by whom they speak for, and are wrong. The messages are hex, for scripts/verify.
create table finding (
  id bigint generated always as identity primary key,
  node text not null,
  session text,
  code text not null, path text not null, reason text not null,
  evidence text not null,
  digest text not null,
  at bigint not null,
  unique (node, digest)
);
-- Of messages that were not: they cost a number and no room.
create table refusal (node text not null, code text not null, path text not null, count bigint not null, last bigint not null, primary key (node, code, path));

create table transfer (
  id text primary key,
  unit text not null,
  debit text not null,
  credit text not null check (credit <> debit),
  amount bigint not null check (amount > 0),
  at bigint not null
);
-- What the transfers come to, kept with each of them: a page does not add up a million.
create table balance (account text not null, unit text not null, amount bigint not null, primary key (account, unit));
create view entry as
  select id, unit, debit as account, -amount as amount, at from transfer
  union all select id, unit, credit, amount, at from transfer;
create index on transfer (debit, at desc, id);
create index on transfer (credit, at desc, id);
create index on transfer (at desc, id);

create table command (
  id bigint generated always as identity primary key,
  node text not null references node,
  order_kind text not null,
  order_bytes bytea not null,
  session text,
  made_by text not null,
  at bigint not null,
  epoch text,
  signer text,
  sequence bigint,
  outcome text,
  reply bytea,
  answered bigint
);
create index command_open on command (node, id) where outcome is null;
create unique index on command (epoch, signer, sequence);

-- At which terms consumers get what they ask for themselves.
create table offer (
  name text primary key,
  fleet text not null,
  micro bigint not null,
  currency text not null,
  rate_up bigint not null,
  rate_down bigint not null,
  most_bytes bigint not null,
  most_seconds bigint not null,
  credit bigint not null
);
create table operator (digest text primary key, name text not null unique, role text not null, until bigint not null);
create table consumer (id text primary key, name text not null unique, void boolean not null default false, since bigint not null);
create table audit (id bigint generated always as identity primary key, at bigint not null, who text not null, did text not null, what text not null, outcome text not null);
`,
  // Names that people here give to nodes; by which offer a session was granted; terms that a node did not take; and the order of each list.
  `
alter table node add column name text;
alter table session add column offer text;
alter table terms add column refused boolean not null default false;
drop index session_consumer_opened_idx;
drop index session_node_opened_idx;
drop index session_opened_idx;
create index on session (consumer, opened desc, id desc);
create index on session (node, opened desc, id desc);
create index on session (opened desc, id desc);
drop index transfer_debit_at_id_idx;
drop index transfer_credit_at_id_idx;
drop index transfer_at_id_idx;
create index on transfer (debit, at desc, id desc);
create index on transfer (credit, at desc, id desc);
create index on transfer (at desc, id desc);
create index on dispute (arrived desc, digest desc);
create index on dispute (session);
`,
  // What a root is held against, and when: null, when that was done.
  `
alter table receipt add column boot text;
alter table receipt add column up bigint;
alter table receipt add column final text;
alter table root add column look bigint;
create index root_due on root (look) where look is not null;
create index on root (node, arrived desc);
-- The birth that was not believed; the request by which a code was used.
alter table node add column suspect bytea;
alter table ticket add column asked bytea;
create table voucher (session text primary key references session, up bigint not null, down bigint not null, bytes bytea not null);
`,
  // How much a consumer may owe, in millionths; null: as much as it asks for.
  `
alter table consumer add column credit bigint;
`,
];

export async function migrate(database: Database): Promise<void> {
  await database.transaction(async (query) => {
    // Two coordinators may begin at the same time.
    await query('select pg_advisory_xact_lock(4720)');
    await query('create table if not exists schema_version (version bigint not null)');
    const [at] = await query<{ version: bigint }>('select version from schema_version');
    if (at === undefined) await query('insert into schema_version values (0)');
    const done = Number(at?.version ?? 0n);
    if (done > migrations.length) throw new Error(`the database is of a later version: ${done}`);
    for (const migration of migrations.slice(done)) await apply(query, migration);
    await query('update schema_version set version = $1', [migrations.length]);
  });
}

async function apply(query: Query, migration: string): Promise<void> {
  for (const statement of migration.split(/;\n/)) if (statement.trim() !== '') await query(statement);
}
