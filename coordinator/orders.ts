// What is asked of nodes: grants and commands are signed here, numbered for the node's epoch, repeated until they are answered, and made anew
// when the node has begun anew. Knows no broker and no clock.

import { seconds } from '../agent/core/brand.ts';
import type { Command, Order, Outcome, Reply } from '../agent/core/command.ts';
import type { Grant } from '../agent/core/grant.ts';
import * as grants from '../agent/core/grant.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';
import type { KeyId, Nonce, SessionId } from '../agent/core/signed.ts';
import { grantId } from '../agent/core/signed.ts';
import * as cbor from '../agent/wire/cbor.ts';
import * as wire from '../agent/wire/command.ts';
import * as cose from '../agent/wire/cose.ts';
import { hexOf } from '../agent/wire/form.ts';
import { grant as grantForm } from '../agent/wire/grant.ts';
import type { Authority, Held } from './authority.ts';
import * as authority from './authority.ts';
import * as book from './book.ts';
import { hashes } from './hashes.ts';
import type { Query } from './ports/database.ts';
import * as registry from './registry.ts';

/** Under way to one node at a time; a node takes 32, and acknowledgements overtake. */
const mostOpen = 16n;
/** So far behind the newest number a node may have forgotten it. */
const width = 24n;

const nobody: Nonce = '00'.repeat(16) as Nonce;
/** An order as it is kept: a command whose epoch and number are put in when it is sent. */
const encodeOrder = (node: KeyId, order: Order): Uint8Array =>
  cbor.encode(wire.command.write({ node, epoch: nobody, sequence: 1, expires: null, order }));

function decodeOrder(bytes: Uint8Array): Order {
  const value = cbor.decode(bytes);
  const read = value.ok ? wire.command.read(value.value) : value;
  if (!read.ok) throw new Error(`the database holds an order that cannot be read: ${read.fault.path}`);
  return read.value.order;
}

const sign = (command: Command, { signer }: Held): Uint8Array =>
  cose.encode(cose.sign('command', wire.command.write(command), signer, hashes));

/** To be sent with the next `due`. The number names it. */
export async function add(
  query: Query,
  node: KeyId,
  order: Order,
  from: Readonly<{ session: SessionId | null; by: string; now: number }>,
): Promise<Result<number>> {
  const [open] = await query<{ n: bigint }>('select count(*) as n from command where node = $1 and outcome is null', [node]);
  if (open !== undefined && open.n >= mostOpen) return fail('limit', 'command', `${mostOpen} wait for this node`);
  const [row] = await query<{ id: bigint }>(
    'insert into command (node, order_kind, order_bytes, session, made_by, at) values ($1, $2, $3, $4, $5, $6) returning id',
    [node, order.kind, encodeOrder(node, order), from.session, from.by, from.now],
  );
  if (row === undefined) throw new Error('insert returns its row');
  return ok(Number(row.id));
}

type Waiting = Readonly<{
  id: bigint;
  order_kind: string;
  order_bytes: Uint8Array;
  epoch: string | null;
  signer: string | null;
  sequence: bigint | null;
}>;

/** The commands that this node has not answered, in order, signed for its epoch. Twice the same bytes, as long as the epoch lasts. */
export async function due(query: Query, node: KeyId, auth: Authority, now: number): Promise<Result<readonly Uint8Array[]>> {
  const [row] = await query<{ epoch: string | null; sequence: bigint; standing: string }>(
    'select epoch, sequence, standing from node where id = $1 for update',
    [node],
  );
  if (row === undefined || row.epoch === null || row.standing === 'revoked') return ok([]);
  const waiting = await query<Waiting>('select * from command where node = $1 and outcome is null order by id', [node]);
  if (waiting.length === 0) return ok([]);
  const held = authority.pick(auth, 'command', now);
  if (!held.ok) return held;
  const signer = cose.keyIdOf(held.value.signer.key, hashes);
  const messages: Uint8Array[] = [];
  let newest = row.sequence;
  for (const one of waiting) {
    const wasSent = one.epoch !== null;
    // A start of the agent is the answer to both, and to be asked twice would be another one.
    if (wasSent && one.epoch !== row.epoch && (one.order_kind === 'restart' || one.order_kind === 'reboot')) {
      await finish(query, one.id, { kind: 'done' }, null, now);
      continue;
    }
    const isCurrent = one.epoch === row.epoch && one.signer === signer && one.sequence !== null && newest - one.sequence < width;
    const sequence = isCurrent && one.sequence !== null ? one.sequence : ++newest;
    if (!isCurrent)
      await query('update command set epoch = $2, signer = $3, sequence = $4 where id = $1', [one.id, row.epoch, signer, sequence]);
    const order = decodeOrder(one.order_bytes);
    messages.push(sign({ node, epoch: row.epoch as Nonce, sequence: Number(sequence), expires: null, order }, held.value));
  }
  await query('update node set sequence = $2 where id = $1', [node, newest]);
  return ok(messages);
}

/** A database that was restored from a backup has given out numbers that it does not know of, and a node would answer the next commands with
 *  its replies to those. So whoever begins goes on from the clock, in milliseconds: a thousand numbers a second were never given out. */
export async function resume(query: Query, now: number): Promise<void> {
  await query('update node set sequence = greatest(sequence, $1) where epoch is not null', [now * 1000]);
}

/** A command that is not kept: an acknowledgement, or the wish for receipts. Both are said again when the node says its part again. */
export async function passing(
  query: Query,
  node: KeyId,
  order: Order,
  auth: Authority,
  now: number,
): Promise<Result<Readonly<{ bytes: Uint8Array; epoch: Nonce; sequence: number }> | null>> {
  const held = authority.pick(auth, 'command', now);
  if (!held.ok) return held;
  const [row] = await query<{ epoch: Nonce; sequence: bigint }>(
    `update node set sequence = sequence + 1 where id = $1 and epoch is not null and standing <> 'revoked' returning epoch, sequence`,
    [node],
  );
  if (row === undefined) return ok(null);
  const { epoch } = row;
  const sequence = Number(row.sequence);
  return ok({ bytes: sign({ node, epoch, sequence, expires: null, order }, held.value), epoch, sequence });
}

/** `signed` was verified to be this node's. The answer to something that is not kept changes nothing here. */
export async function takeReply(query: Query, node: KeyId, signed: cose.Verified, now: number): Promise<Result<Reply>> {
  const read = cose.read(signed, 'reply', wire.reply);
  if (!read.ok) return read;
  const { epoch, to, sequence, outcome } = read.value;
  const [row] = await query<{ id: bigint }>(
    'select id from command where node = $1 and epoch = $2 and signer = $3 and sequence = $4 and outcome is null for update',
    [node, epoch, to, sequence],
  );
  if (row === undefined) return read;
  // It is of no epoch of the node any more, or was forgotten: it is asked anew, under a number of its own.
  if (outcome.kind === 'refused' && outcome.code === 'stale') {
    await query('update command set epoch = null, sequence = null where id = $1', [row.id]);
    return read;
  }
  await finish(query, row.id, outcome, cose.encode(signed), now);
  return read;
}

async function finish(query: Query, id: bigint, outcome: Outcome, reply: Uint8Array | null, now: number): Promise<void> {
  const text = JSON.stringify(outcome, (_, value: unknown) => (typeof value === 'bigint' ? value.toString() : value));
  const [row] = await query<{ session: string | null; order_bytes: Uint8Array }>(
    'update command set outcome = $2, reply = $3, answered = $4 where id = $1 returning session, order_bytes',
    [id, text, reply, now],
  );
  const order = row === undefined ? null : decodeOrder(row.order_bytes);
  if (order?.kind === 'open')
    await query('update session set condition = $2 where id = $1', [row?.session ?? null, outcome.kind === 'opened' ? 'open' : 'refused']);
  // What it did not take is no ground for what it is asked next.
  if ((order?.kind === 'change' || order?.kind === 'topUp') && outcome.kind === 'refused')
    await query('update terms set refused = true where session = $1 and bytes = $2', [row?.session ?? null, order.grant]);
}

// ── Grants ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Wanted = Omit<Grant, 'nonce' | 'session' | 'revision'>;
export type From = Readonly<{ by: string; now: number; nonce: string }>;

const signGrant = (grant: Grant, { signer }: Held): cose.Verified => cose.sign('grant', grantForm.write(grant), signer, hashes);

/** A session begins with its grant, and is asked of the node. `owner`: whose it is where it is not countersigned. `offer`: by which it is granted. */
export async function open(
  query: Query,
  wanted: Wanted,
  auth: Authority,
  { by, now, nonce, owner = consumerOf(wanted), offer = null }: From & Readonly<{ owner?: string; offer?: string | null }>,
): Promise<Result<SessionId>> {
  const node = await registry.nodeOf(query, wanted.node);
  if (node === null) return fail('missing', 'grant.node', 'is not known');
  if (node.standing !== 'active') return fail('denied', 'grant.node', `is ${node.standing}`);
  const held = authority.pick(auth, 'grant', now);
  if (!held.ok) return held;
  const grant: Grant = { ...wanted, nonce, session: null, revision: 0 };
  const [wrong] = grants.faultsOf(grant);
  if (wrong !== undefined) return { ok: false, fault: wrong };
  const signed = signGrant(grant, held.value);
  const session: SessionId = grantId(cose.digestOf(signed, hashes));
  await query('insert into session (id, node, consumer, opened, offer) values ($1, $2, $3, $4, $5)', [
    session,
    grant.node,
    owner,
    now,
    offer,
  ]);
  await query('insert into terms (id, session, revision, bytes) values ($1, $2, 0, $3)', [session, session, cose.encode(signed)]);
  const added = await add(query, grant.node, { kind: 'open', grant: cose.encode(signed) }, { session, by, now });
  return added.ok ? ok(session) : added;
}

/** By the key that countersigns; of a stock app, which has none, by the tunnel's. */
const consumerOf = ({ consumer, peer }: Pick<Grant, 'consumer' | 'peer'>): string => (consumer === null ? peer : hexOf(consumer));

/** The newest terms that the node has not refused. */
export async function termsOf(query: Query, session: SessionId): Promise<Grant | null> {
  const [row] = await query<{ bytes: Uint8Array }>(
    'select bytes from terms where session = $1 and not refused order by revision desc limit 1',
    [session],
  );
  return row === undefined ? null : book.rereadGrant(row.bytes);
}

/** So much more of what was granted; and no later than `until`, where one was set. */
export type More = Readonly<{ bytes: bigint; seconds: number }>;

export const topUp = (query: Query, session: SessionId, more: More, auth: Authority, from: From): Promise<Result<void>> =>
  revise(query, session, 'topUp', auth, from, (last) => {
    if (last.quota.kind === 'split') return fail('unsupported', 'quota', 'is of each direction');
    return ok({
      ...last,
      quota: { kind: 'shared', bytes: last.quota.bytes + more.bytes },
      lifetime: seconds(last.lifetime + more.seconds),
      until: last.until === null ? null : seconds(last.until + more.seconds),
    });
  });

/** The quota in all, rates in bit/s, the time from now; null: as it is. */
export type Change = Readonly<Record<'bytes' | 'rate_up' | 'rate_down' | 'seconds', number | null>>;

export const change = (query: Query, session: SessionId, to: Change, auth: Authority, from: From): Promise<Result<void>> =>
  revise(query, session, 'change', auth, from, (last, opened) => {
    if (Object.values(to).every((one) => one === null)) return fail('malformed', 'body', 'says nothing that is to be changed');
    return ok({
      ...last,
      ...(to.bytes === null ? {} : { quota: { kind: 'shared', bytes: BigInt(to.bytes) } as const }),
      rate: {
        up: to.rate_up === null ? last.rate.up : BigInt(to.rate_up),
        down: to.rate_down === null ? last.rate.down : BigInt(to.rate_down),
      },
      // Its lifetime counts from its beginning, and no more of it can be over than has passed since it was asked for.
      ...(to.seconds === null ? {} : { lifetime: seconds(from.now - opened + to.seconds), until: seconds(from.now + to.seconds) }),
    });
  });

/** The session's next grant, which is asked of its node. */
async function revise(
  query: Query,
  session: SessionId,
  kind: 'topUp' | 'change',
  auth: Authority,
  { by, now, nonce }: From,
  made: (last: Grant, opened: number) => Result<Grant>,
): Promise<Result<void>> {
  const [row] = await query<{ node: KeyId; final: string | null; condition: string; opened: bigint }>(
    'select node, final, condition, opened from session where id = $1 for update',
    [session],
  );
  const [last, newest] = [await termsOf(query, session), (await book.grantsOf(query, session)).at(-1)];
  if (row === undefined || last === null || newest === undefined) return fail('missing', 'session', 'is not known');
  if (row.final !== null || row.condition === 'refused') return fail('closed', 'session', 'is over');
  if ((await registry.nodeOf(query, row.node))?.standing === 'revoked') return fail('denied', 'node', 'is revoked');
  const held = authority.pick(auth, 'grant', now);
  if (!held.ok) return held;
  const wanted = made(last, Number(row.opened));
  if (!wanted.ok) return wanted;
  const next: Grant = { ...wanted.value, nonce, session, revision: newest.revision + 1 };
  const [wrong] = kind === 'topUp' ? grants.faultsOfTopUp(session, last, next) : grants.faultsBetween(session, last, next);
  if (wrong !== undefined) return { ok: false, fault: wrong };
  const signed = signGrant(next, held.value);
  await query('insert into terms (id, session, revision, bytes) values ($1, $2, $3, $4)', [
    grantId(cose.digestOf(signed, hashes)),
    session,
    next.revision,
    cose.encode(signed),
  ]);
  const added = await add(query, row.node, { kind, grant: cose.encode(signed) }, { session, by, now });
  return added.ok ? ok(undefined) : added;
}

export async function close(query: Query, session: SessionId, { by, now }: From): Promise<Result<void>> {
  const [row] = await query<{ node: string; final: string | null }>('select node, final from session where id = $1', [session]);
  if (row === undefined) return fail('missing', 'session', 'is not known');
  if (row.final !== null) return ok(undefined);
  const added = await add(query, row.node as KeyId, { kind: 'close', session }, { session, by, now });
  return added.ok ? ok(undefined) : added;
}

/** Everything signed about a session, as scripts/verify and scripts/consumer read it: the node's birth, the certificate, grants, receipts. */
export async function evidence(query: Query, session: SessionId, auth: Authority): Promise<string | null> {
  const [row] = await query<{ birth: Uint8Array | null }>(
    'select birth from session join node on node.id = session.node where session.id = $1',
    [session],
  );
  if (row === undefined) return null;
  const rest = await query<{ bytes: Uint8Array }>(
    `select bytes from (
       select 0 as part, revision as number, bytes from terms where session = $1
       union all select 1, sequence, bytes from receipt where session = $1
       union all select 2, sequence, bytes from dispute where session = $1
       union all select 3, 0, bytes from voucher where session = $1) as said order by part, number`,
    [session],
  );
  const all = [...(row.birth === null ? [] : [row.birth]), ...auth.signed, ...rest.map(({ bytes }) => bytes)];
  return all.map((bytes) => `${hexOf(bytes)}\n`).join('');
}
