// The registry: which nodes there are, by whose code they came, which key each is pinned to, and what was found against them. A node's key is
// written down once and never replaced. Knows no broker and no clock.

import type { Birth } from '../agent/core/birth.ts';
import type { PublicKey } from '../agent/core/brand.ts';
import type { Answered, Code } from '../agent/core/enrol.ts';
import { nameOf, parseCode } from '../agent/core/enrol.ts';
import { type Fault, fail, fault, ok, type Result } from '../agent/core/result.ts';
import type { KeyId, Nonce, SessionId } from '../agent/core/signed.ts';
import * as cbor from '../agent/wire/cbor.ts';
import * as command from '../agent/wire/command.ts';
import * as cose from '../agent/wire/cose.ts';
import * as enrol from '../agent/wire/enrol.ts';
import * as form from '../agent/wire/form.ts';
import { hexOf } from '../agent/wire/form.ts';
import * as names from '../agent/wire/names.ts';
import { report } from '../agent/wire/telemetry.ts';
import type { Standing, Ticket } from './core/roll.ts';
import * as roll from './core/roll.ts';
import { hashes } from './hashes.ts';
import type { Query } from './ports/database.ts';

export type Node = Readonly<{ id: KeyId; key: PublicKey; standing: Standing; epoch: Nonce | null }>;

export async function nodeOf(query: Query, id: string): Promise<Node | null> {
  const [row] = await query<{ id: string; key: Uint8Array; standing: string; epoch: string | null }>(
    'select id, key, standing, epoch from node where id = $1',
    [id],
  );
  return row === undefined ? null : (row as Node);
}

// ── Births ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** fresh: a new start of the agent, which knows no certificate yet. copied: it was put into quarantine. */
export type Born = 'fresh' | 'known' | 'copied';

/** `signed` is a birth of a node that is here, and it was verified. */
export async function takeBirth(query: Query, id: KeyId, signed: cose.Verified, now: number): Promise<Result<Born>> {
  const read = cose.read(signed, 'birth', command.birth);
  if (!read.ok) return read;
  const birth = read.value;
  const [row] = await query<{ epoch: string | null; starts: bigint; births: bigint; birth: Uint8Array | null }>(
    'select epoch, starts, births, birth from node where id = $1 for update',
    [id],
  );
  if (row === undefined) return fail('stranger', 'birth', 'is of no node here');
  const { starts } = birth;
  if (starts === null) {
    // Nothing is begun under an epoch that a copy could have: its node can write no receipt either.
    await find(
      query,
      id,
      null,
      fault('missing', 'birth.starts', 'its flash takes nothing: full, or read-only'),
      [cose.encode(signed)],
      now,
    );
    return ok('known');
  }
  const last = row.epoch === null ? null : { epoch: row.epoch as Nonce, starts: Number(row.starts), sequence: Number(row.births) };
  const [ended] = await query('select starts from epoch where node = $1 and nonce = $2', [id, birth.epoch]);
  const verdict = roll.judge(last, { ...birth, starts }, ended !== undefined);
  switch (verdict.kind) {
    case 'known':
      await query('update node set heard = $2 where id = $1', [id, now]);
      return ok('known');
    case 'stale':
      return { ok: false, fault: verdict.fault };
    case 'copied': {
      const standing = await query(`update node set standing = 'quarantined' where id = $1 and standing = 'active' returning id`, [id]);
      await find(query, id, null, verdict.fault, [...(row.birth === null ? [] : [row.birth]), cose.encode(signed)], now);
      await query('update node set suspect = $2, heard = $3 where id = $1', [id, cose.encode(signed), now]);
      return ok(standing.length > 0 ? 'copied' : 'known');
    }
    case 'fresh':
      await settle(query, id, { ...birth, starts }, cose.encode(signed));
      await query('update node set heard = $2 where id = $1', [id, now]);
      return ok(last?.epoch === birth.epoch ? 'known' : 'fresh');
  }
}

/** From now on it is this one, and commands are for its epoch. */
async function settle(query: Query, id: KeyId, { epoch, starts, sequence }: roll.Known, bytes: Uint8Array): Promise<void> {
  await query('insert into epoch values ($1, $2, $3) on conflict do nothing', [id, epoch, starts]);
  await query(
    `update node set sequence = case when epoch = $2 then sequence else 0 end,
       epoch = $2, starts = $3, births = $4, birth = $5, suspect = null where id = $1`,
    [id, epoch, starts, sequence, bytes],
  );
}

/** What a node last said of itself. */
export function rereadBirth(bytes: Uint8Array): Birth {
  const signed = cose.decode(bytes);
  const read = signed.ok ? command.birth.read(signed.value.body) : signed;
  if (!read.ok) throw new Error(`the database holds a birth that cannot be read: ${read.fault.path}`);
  return read.value;
}

const state = form.record({
  isHere: [1, form.mapped<number, boolean>(form.whole(0, 1), Number, (n) => ok(n === 1))],
  epoch: [2, names.nonce],
  number: [3, form.whole(1, Number.MAX_SAFE_INTEGER)],
});

/** What nobody has signed, to be looked at. A will of an earlier connection says nothing about this one. */
export async function show(query: Query, id: KeyId, kind: 'state' | 'telemetry', payload: Uint8Array, now: number): Promise<void> {
  const value = cbor.decode(payload);
  if (!value.ok) return;
  if (kind === 'telemetry') {
    if (report.read(value.value).ok) await query('update node set telemetry = $2, heard = $3 where id = $1', [id, payload, now]);
    return;
  }
  const said = state.read(value.value);
  if (said.ok)
    await query('update node set here = $2, heard = $5 where id = $1 and epoch = $3 and ($2 or births <= $4)', [
      id,
      said.value.isHere,
      said.value.epoch,
      said.value.number,
      now,
    ]);
}

// ── Coming and going ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type TicketRow = Readonly<{
  code: string;
  kind: Ticket['kind'];
  fleet: string;
  until: bigint;
  used_by: KeyId | null;
  asked: Uint8Array | null;
  void: boolean;
}>;

/** The answer that is to be signed; a Fault: no answer, since nothing proves who asks. */
export async function takeEnrolment(query: Query, signed: cose.Signed, root: KeyId, now: number): Promise<Result<Answered>> {
  const asked = enrol.readRequest(signed, hashes);
  if (!asked.ok) return asked;
  if (asked.value.root !== root) return fail('denied', 'enrol.root', 'asks another root');
  const { key, epoch, starts, name, proof } = asked.value;
  const node = cose.keyIdOf(key, hashes);
  const refused = ({ code, path, reason }: Fault): Result<Answered> => ok({ node, epoch, answer: { kind: 'refused', code, path, reason } });
  const [there] = await query<{ standing: string; starts: bigint }>('select standing, starts from node where id = $1 for update', [node]);
  if (there !== undefined) {
    if (there.standing === 'revoked') return refused(fault('denied', 'node', 'was taken off the roll'));
    // An old request that somebody kept would be answered to a start of the node that is over.
    if (BigInt(starts) < there.starts) return fail('stale', 'enrol.starts', `at least ${there.starts}`);
    return ok({ node, epoch, answer: { kind: 'enrolled' } });
  }
  const [row] = await query<TicketRow>('select * from ticket where name = $1 for update', [name]);
  const isProven = row !== undefined && enrol.proofOf(row.code as Code, asked.value, hashes) === proof;
  const ticket = isProven ? { kind: row.kind, until: Number(row.until), usedBy: row.used_by, isVoid: row.void } : null;
  const [wrong] = roll.faultsOfTicket(ticket, node, now);
  // Which of the two has stolen it nobody can tell from here.
  if (wrong?.code === 'exists' && row !== undefined && row.used_by !== null && row.asked !== null)
    await find(
      query,
      row.used_by,
      null,
      fault('exists', 'enrol.name', `${node} has shown its code, too`),
      [row.asked, cose.encode(signed)],
      now,
    );
  if (wrong !== undefined || row === undefined) return refused(wrong ?? fault('denied', 'ticket', 'is not known'));
  await admit(query, key, row.fleet, now);
  await query('update ticket set used_by = $2, asked = $3 where name = $1', [name, node, cose.encode(signed)]);
  return ok({ node, epoch, answer: { kind: 'enrolled' } });
}

/** Pins the key. By an operator who has it from the router itself, no code is needed. */
export async function admit(query: Query, key: PublicKey, fleet: string, now: number): Promise<KeyId> {
  const id = cose.keyIdOf(key, hashes);
  await query(`insert into node (id, key, standing, fleet, enrolled) values ($1, $2, 'active', $3, $4) on conflict do nothing`, [
    id,
    key,
    fleet,
    now,
  ]);
  return id;
}

/** What people here call it; null: nothing. */
export async function setName(query: Query, id: string, name: string | null): Promise<Result<void>> {
  const done = await query('update node set name = $2 where id = $1 returning id', [id, name]);
  return done.length > 0 ? ok(undefined) : fail('missing', 'node', 'is not known');
}

/** Back to active: somebody has looked, and the birth that was not believed is the one that holds. Where the other is alive, too, its next
 *  one is a copy's again. */
export async function setStanding(query: Query, id: KeyId, standing: Standing): Promise<Result<void>> {
  const [set] = await query<{ suspect: Uint8Array | null }>(
    `update node set standing = $2 where id = $1 and (standing <> 'revoked' or $2 = 'revoked') returning suspect`,
    [id, standing],
  );
  if (set === undefined) return fail('missing', 'node', 'is not known, or was revoked');
  if (standing !== 'active' || set.suspect === null) return ok(undefined);
  const birth = rereadBirth(set.suspect);
  if (birth.starts === null) throw new Error('a birth without a count was taken for a copy');
  await settle(query, id, { ...birth, starts: birth.starts }, set.suspect);
  return ok(undefined);
}

export async function addTicket(
  query: Query,
  text: string,
  ticket: Readonly<{ kind: Ticket['kind']; fleet: string; until: number; by: string }>,
): Promise<Result<void>> {
  const code = parseCode(text);
  if (!code.ok) return code;
  const added = await query(
    'insert into ticket (name, code, kind, fleet, until, made_by) values ($1, $2, $3, $4, $5, $6) on conflict do nothing returning name',
    [nameOf(code.value), code.value, ticket.kind, ticket.fleet, ticket.until, ticket.by],
  );
  return added.length > 0 ? ok(undefined) : fail('exists', 'ticket', 'there is one of this name: draw another');
}

// ── What was found ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const mostFindings = 64n;

/** Something that the node signed and should not have: with the messages that show it, as scripts/verify reads them. */
export async function find(
  query: Query,
  node: KeyId,
  session: SessionId | null,
  { code, path, reason }: Fault,
  evidence: readonly Uint8Array[],
  now: number,
): Promise<void> {
  const text = evidence.map((bytes) => `${hexOf(bytes)}\n`).join('');
  const digest = hexOf(hashes.sha256(new TextEncoder().encode(text)));
  const [had] = await query<{ n: bigint }>('select count(*) as n from finding where node = $1 and code = $2 and path = $3', [
    node,
    code,
    path,
  ]);
  // Who goes on like that wins no room, and takes none from what else is found.
  if (had !== undefined && had.n >= mostFindings) return refuse(query, node, { code, path, reason }, now);
  await query(
    `insert into finding (node, session, code, path, reason, evidence, digest, at) values ($1, $2, $3, $4, $5, $6, $7, $8) on conflict do nothing`,
    [node, session, code, path, reason, text, digest, now],
  );
}

/** Something that was not proven to be the node's. */
export async function refuse(query: Query, node: string, { code, path }: Fault, now: number): Promise<void> {
  await query(
    `insert into refusal values ($1, $2, $3, 1, $4)
     on conflict (node, code, path) do update set count = refusal.count + 1, last = excluded.last`,
    [node, code, path, now],
  );
}
