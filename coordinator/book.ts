// The book: what nodes and consumers signed about sessions, verified on arrival, kept as it was signed, and booked. Each message is one
// transaction, and the same message again changes nothing. Knows no broker and no clock.

import type { Grant } from '../agent/core/grant.ts';
import { mostOf } from '../agent/core/grant.ts';
import type { Receipt } from '../agent/core/receipt.ts';
import * as receipts from '../agent/core/receipt.ts';
import { type Fault, fault, ok, type Result } from '../agent/core/result.ts';
import type { Digest, GrantId, KeyId, SessionId } from '../agent/core/signed.ts';
import type { Agreement } from '../agent/core/witness.ts';
import * as cose from '../agent/wire/cose.ts';
import * as grants from '../agent/wire/grant.ts';
import * as wire from '../agent/wire/receipt.ts';
import type { Arrived, Chain } from './core/chain.ts';
import * as chain from './core/chain.ts';
import type { Transfer } from './core/ledger.ts';
import * as ledger from './core/ledger.ts';
import { hashes } from './hashes.ts';
import type { Query } from './ports/database.ts';
import * as registry from './registry.ts';

/** How far a chain has come: what an acknowledgement says. `wanting`: receipts behind it are here, and these are not. */
export type Heard = Readonly<{
  session: SessionId;
  head: Readonly<{ sequence: number; digest: Digest }> | null;
  wanting: number | null;
}>;

/** Receipts kept ahead of a gap, or against a chain: a node that signs more of them gains nothing. */
const mostOpen = 64n;
/** More than an honest consumer comes to before its credit is used up. */
const mostDisputes = 64n;

type SessionRow = Readonly<{ node: string; consumer: string; head: bigint; agreed: bigint; broken: string | null }>;
type ReceiptRow = Readonly<{ sequence: bigint; digest: string; bytes: Uint8Array; witnessed: boolean; standing: string }>;

/** A signed message of ours that was read before: it was verified when it came. */
export function reread<T>(bytes: Uint8Array, read: (body: cose.Signed['body']) => Result<T>): T {
  const signed = cose.decode(bytes);
  const value = signed.ok ? read(signed.value.body) : signed;
  if (!value.ok) throw new Error(`the database holds a message that cannot be read: ${value.fault.path}`);
  return value.value;
}
export const rereadReceipt = (bytes: Uint8Array): Receipt => reread(bytes, wire.receipt.read);
export const rereadGrant = (bytes: Uint8Array): Grant => reread(bytes, grants.grant.read);

export async function grantsOf(query: Query, session: SessionId): Promise<readonly Grant[]> {
  const rows = await query<{ bytes: Uint8Array }>('select bytes from terms where session = $1 order by revision', [session]);
  return rows.map(({ bytes }) => rereadGrant(bytes));
}

/** The first grant and the names of all. Of no session of ours: null. */
async function agreementOf(query: Query, session: SessionId): Promise<Readonly<{ agreement: Agreement; most: bigint | null }> | null> {
  const rows = await query<{ id: string; bytes: Uint8Array }>('select id, bytes from terms where session = $1 order by revision', [
    session,
  ]);
  const all = rows.map(({ bytes }) => rereadGrant(bytes));
  const [first] = rows;
  const [grant] = all;
  if (first === undefined || grant === undefined) return null;
  const signed = cose.decode(first.bytes);
  if (!signed.ok) throw new Error('the database holds a grant that cannot be read');
  const anchor = { session, sequence: 0, digest: cose.digestOf(signed.value, hashes) };
  const later = new Set(rows.slice(1).map(({ id }) => id as GrantId));
  return { agreement: { anchor, grant, later }, most: mostOf(all) };
}

/** `signed` was verified to be this node's. */
export async function takeReceipt(query: Query, node: KeyId, signed: cose.Verified, now: number): Promise<Result<Heard>> {
  const read = cose.read(signed, 'receipt', wire.receipt);
  if (!read.ok) return read;
  const receipt = read.value;
  const { session } = receipt;
  const [row] = await query<SessionRow>('select node, consumer, head, agreed, broken from session where id = $1 for update', [session]);
  const known = await agreementOf(query, session);
  if (row === undefined || known === null || row.node !== node)
    return { ok: false, fault: fault('stranger', 'receipt.session', 'is no session of this node') };
  const { agreement, most } = known;
  const digest = cose.digestOf(signed, hashes);
  const isWitnessed = witnessOf(signed, agreement.grant);
  if (!isWitnessed.ok) return isWitnessed;

  const same = await query<ReceiptRow>('select * from receipt where session = $1 and sequence = $2', [session, receipt.sequence]);
  const again = same.find((one) => one.digest === digest);
  const other = same.find((one) => one.digest !== digest);
  if (again !== undefined && isWitnessed.value && !again.witnessed)
    await query('update receipt set witnessed = true, bytes = $3 where session = $1 and digest = $2', [
      session,
      digest,
      cose.encode(signed),
    ]);
  // Of a gap that was passed over: what came behind it says all.
  if (same.length === 0 && BigInt(receipt.sequence) < row.head)
    return ok(await advance(query, session, node, { agreement, most, head: null }, now));
  if (again === undefined) {
    const [open] = await query<{ n: bigint }>(`select count(*) as n from receipt where session = $1 and standing <> 'accepted'`, [session]);
    if (open !== undefined && open.n >= mostOpen)
      return { ok: false, fault: fault('limit', 'receipt', `${mostOpen} of this session are kept unread`) };
    const standing = other === undefined && row.broken === null ? 'waiting' : 'evidence';
    await query('insert into receipt values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)', [
      session,
      receipt.sequence,
      digest,
      cose.encode(signed),
      isWitnessed.value,
      standing,
      now,
      receipt.boot,
      receipt.up,
      receipt.final,
    ]);
    if (other !== undefined) {
      const told = { receipt: rereadReceipt(other.bytes), digest: other.digest as Digest };
      const verdict = chain.judge({ agreement, most, head: null }, told, { receipt, digest });
      if (verdict.kind === 'broken') await breakChain(query, session, node, verdict.fault, [other.bytes, cose.encode(signed)], now);
    }
  }
  return ok(await advance(query, session, node, { agreement, most, head: null }, now));
}

/** Its own countersignature or none: one that does not hold is somebody's lie, and nothing of the message is taken. */
function witnessOf(signed: cose.Verified, { consumer }: Grant): Result<boolean> {
  if (signed.witness === null) return ok(false);
  if (consumer !== null && cose.isWitnessed(signed, signed.witness, consumer, hashes)) return ok(true);
  return { ok: false, fault: fault('forged', 'unprotected.12', 'no countersignature of this session’s consumer') };
}

/** The node has said that it keeps the receipts from there on no more, up to those that wait: figures are cumulative, so these are taken. */
export async function passOver(query: Query, session: SessionId, node: KeyId, from: number, now: number): Promise<Heard | null> {
  const [row] = await query<SessionRow>('select node, consumer, head, agreed, broken from session where id = $1 for update', [session]);
  const known = await agreementOf(query, session);
  if (row?.node !== node || known === null || row.head + 1n !== BigInt(from)) return null;
  return advance(query, session, node, { ...known, head: null }, now, true);
}

/** Takes into the chain what follows, books it, and says how far it has come. `isTorn`: what follows is missing for good. */
async function advance(query: Query, session: SessionId, node: KeyId, known: Chain, now: number, isTorn = false): Promise<Heard> {
  const [row] = await query<SessionRow>('select node, consumer, head, agreed, broken from session where id = $1', [session]);
  if (row === undefined) throw new Error('a session is gone');
  let head = await receiptAt(query, session, row.head);
  let isBroken = row.broken !== null;
  let mayPass = isTorn;
  while (!isBroken) {
    const [next] = await query<ReceiptRow>(
      `select * from receipt where session = $1 and standing = 'waiting' and sequence > $2 order by sequence limit 1`,
      [session, row.head],
    );
    if (next === undefined) break;
    const arrived: Arrived = { receipt: rereadReceipt(next.bytes), digest: next.digest as Digest };
    const verdict = chain.judge({ ...known, head }, null, arrived, mayPass);
    if (verdict.kind === 'wanting') break;
    mayPass = false;
    if (verdict.kind === 'broken') {
      await query(`update receipt set standing = 'evidence' where session = $1 and digest = $2`, [session, arrived.digest]);
      const before = head === null ? [] : await bytesAt(query, session, head.receipt.sequence);
      await breakChain(query, session, node, verdict.fault, [...before, next.bytes], now);
      isBroken = true;
      break;
    }
    await query(`update receipt set standing = 'accepted' where session = $1 and digest = $2`, [session, arrived.digest]);
    await write(query, ledger.billed(row.consumer, head?.receipt ?? null, arrived.receipt), now);
    head = arrived;
  }
  if (head !== null) await write(query, await settled(query, session, node, known.agreement.grant, row, head), now);
  if (head !== null) {
    const { counted, due, final, sequence } = head.receipt;
    await query('update session set head = $2, up = $3, down = $4, due = $5, currency = $6, final = $7 where id = $1', [
      session,
      sequence,
      counted.up,
      counted.down,
      due?.amount ?? 0n,
      due?.price.currency ?? null,
      final,
    ]);
  }
  const waiting = await query(`select 1 as n from receipt where session = $1 and standing = 'waiting' limit 1`, [session]);
  return {
    session,
    head: head === null ? null : { sequence: head.receipt.sequence, digest: head.digest },
    wanting: waiting.length > 0 && !isBroken ? (head?.receipt.sequence ?? 0) + 1 : null,
  };
}

/** What has become the router's: up to the newest receipt that is countersigned, or, where none is required, the newest of all. */
async function settled(
  query: Query,
  session: SessionId,
  node: KeyId,
  grant: Grant,
  { agreed }: SessionRow,
  head: Arrived,
): Promise<readonly Transfer[]> {
  const [newest] = await query<{ sequence: bigint | null }>(
    `select max(sequence) as sequence from receipt where session = $1 and standing = 'accepted' and witnessed`,
    [session],
  );
  const upTo = grant.witness === 'required' ? (newest?.sequence ?? 0n) : BigInt(head.receipt.sequence);
  const to = upTo > agreed ? await receiptAt(query, session, upTo) : null;
  if (to === null) return [];
  const from = await receiptAt(query, session, agreed);
  await query('update session set agreed = $2 where id = $1', [session, upTo]);
  return ledger.agreed(node, from?.receipt ?? null, to.receipt);
}

const bytesAt = async (query: Query, session: SessionId, sequence: number | bigint): Promise<readonly Uint8Array[]> =>
  (
    await query<{ bytes: Uint8Array }>(`select bytes from receipt where session = $1 and sequence = $2 and standing = 'accepted'`, [
      session,
      sequence,
    ])
  ).map(({ bytes }) => bytes);

async function receiptAt(query: Query, session: SessionId, sequence: bigint): Promise<Arrived | null> {
  const [row] = await query<ReceiptRow>(`select * from receipt where session = $1 and sequence = $2 and standing = 'accepted'`, [
    session,
    sequence,
  ]);
  return row === undefined ? null : { receipt: rereadReceipt(row.bytes), digest: row.digest as Digest };
}

async function breakChain(
  query: Query,
  session: SessionId,
  node: KeyId,
  why: Fault,
  evidence: readonly Uint8Array[],
  now: number,
): Promise<void> {
  await query('update session set broken = coalesce(broken, $2) where id = $1', [session, `${why.path}: ${why.reason}`]);
  await find(query, session, node, why, evidence, now);
}

/** What was granted belongs to it: it says how much, at which price, and who countersigns. */
async function find(
  query: Query,
  session: SessionId,
  node: KeyId,
  why: Fault,
  evidence: readonly Uint8Array[],
  now: number,
): Promise<void> {
  const terms = await query<{ bytes: Uint8Array }>('select bytes from terms where session = $1 order by revision', [session]);
  await registry.find(query, node, session, why, [...terms.map(({ bytes }) => bytes), ...evidence], now);
}

export async function write(query: Query, transfers: readonly Transfer[], now: number): Promise<void> {
  for (const { id, unit, debit, credit, amount } of transfers) {
    await query('insert into transfer values ($1, $2, $3, $4, $5, $6)', [id, unit, debit, credit, amount, now]);
    // In the order of their names, so that two transactions never wait for one another.
    const sides = [
      { account: debit, change: -amount },
      { account: credit, change: amount },
    ].sort((a, b) => (a.account < b.account ? -1 : 1));
    for (const { account, change } of sides)
      await query(
        'insert into balance values ($1, $2, $3) on conflict (account, unit) do update set amount = balance.amount + excluded.amount',
        [account, unit, change],
      );
  }
}

// ── What a consumer says against it ──────────────────────────────────────────────────────────────────────────────────────────────────

/** A dispute brings no key: it is the one that the session's grant names. Taking it twice changes nothing. */
export async function takeDispute(query: Query, signed: cose.Signed, now: number): Promise<Result<void>> {
  const shape = wire.dispute.read(signed.body);
  if (signed.kind !== 'dispute' || !shape.ok) return { ok: false, fault: fault('malformed', 'dispute', 'expected a dispute') };
  const { session, sequence, reason, counted } = shape.value;
  const known = await agreementOf(query, session);
  if (known === null || known.agreement.grant.consumer === null)
    return { ok: false, fault: fault('stranger', 'dispute.session', 'is no session with a consumer’s key') };
  const verified = cose.verify(signed, known.agreement.grant.consumer, hashes);
  if (!verified.ok) return verified;
  const told = await receiptAt(query, session, BigInt(sequence));
  if (told === null) return { ok: false, fault: fault('missing', 'dispute.sequence', 'this receipt has not arrived') };
  const [had] = await query<{ n: bigint }>('select count(*) as n from dispute where session = $1', [session]);
  if (had !== undefined && had.n >= mostDisputes)
    return { ok: false, fault: fault('limit', 'dispute', `${mostDisputes} of this session are kept`) };
  const digest = cose.digestOf(signed, hashes);
  const added = await query(
    `insert into dispute values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) on conflict do nothing returning digest`,
    [
      digest,
      session,
      sequence,
      reason,
      told.receipt.counted.up,
      told.receipt.counted.down,
      counted?.up ?? null,
      counted?.down ?? null,
      cose.encode(signed),
      now,
    ],
  );
  const [wrong] = receipts.faultsOfDispute(shape.value, { session, sequence, digest: told.digest });
  const { node } = known.agreement.grant;
  if (added.length > 0 && wrong !== undefined)
    await find(query, session, node, wrong, [...(await bytesAt(query, session, sequence)), cose.encode(signed)], now);
  return ok(undefined);
}

/** What it vouched for and did not countersign: the largest of a session is kept, for whoever decides. It brings no key, either. */
export async function takeVoucher(query: Query, node: KeyId, signed: cose.Signed): Promise<Result<void>> {
  const shape = wire.voucher.read(signed.body);
  if (!shape.ok) return shape;
  const { session, counted } = shape.value;
  const known = await agreementOf(query, session);
  if (known === null || known.agreement.grant.node !== node || known.agreement.grant.consumer === null)
    return { ok: false, fault: fault('stranger', 'voucher.session', 'is no session of this node with a consumer’s key') };
  const verified = cose.verify(signed, known.agreement.grant.consumer, hashes);
  if (!verified.ok) return verified;
  await query(
    `insert into voucher values ($1, $2, $3, $4) on conflict (session) do update set up = excluded.up, down = excluded.down,
       bytes = excluded.bytes where excluded.up::numeric + excluded.down > voucher.up::numeric + voucher.down`,
    [session, counted.up, counted.down, cose.encode(signed)],
  );
  return ok(undefined);
}

/** Somebody has looked at what is held, and says whose it is. */
export async function decide(query: Query, session: SessionId, to: 'node' | 'consumer', now: number): Promise<Result<void>> {
  const [row] = await query<SessionRow>('select node, consumer, head, agreed, broken from session where id = $1 for update', [session]);
  if (row === undefined) return { ok: false, fault: fault('missing', 'session', 'is not known') };
  const [head, agreed] = [await receiptAt(query, session, row.head), await receiptAt(query, session, row.agreed)];
  if (head === null || row.head === row.agreed) return { ok: false, fault: fault('missing', 'session', 'holds nothing') };
  const receiver = to === 'node' ? ledger.node(row.node as KeyId) : ledger.consumer(row.consumer);
  await write(query, ledger.decided(receiver, agreed?.receipt ?? null, head.receipt), now);
  await query('update session set agreed = head where id = $1', [session]);
  await query('update dispute set decided = $2 where session = $1 and decided is null', [session, to]);
  return ok(undefined);
}

/** Receipts that a node is to be asked for. */
export type Wish = Readonly<{ node: KeyId; session: SessionId; from: number }>;

/** What is to come of each session that is not over. */
export async function headsOf(query: Query): Promise<readonly Wish[]> {
  const rows = await query<{ node: KeyId; id: SessionId; head: bigint }>(
    `select node, session.id, head from session join node on node.id = node
     where condition = 'open' and final is null and broken is null and standing <> 'revoked'`,
  );
  return rows.map(({ node, id, head }) => ({ node, session: id, from: Number(head) + 1 }));
}
