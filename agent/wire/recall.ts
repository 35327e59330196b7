// The journal's bytes → the sessions they tell of. They were verified, or signed, before they were written; here they are only read.

import type { Grant } from '../core/grant.ts';
import type { Hashes } from '../core/hash.ts';
import type { Account, Journal, Kept } from '../core/journal.ts';
import * as journal from '../core/journal.ts';
import type { Receipt } from '../core/receipt.ts';
import { ok, type Result, under } from '../core/result.ts';
import { sumOf } from '../core/seat.ts';
import type { Recalled } from '../core/serving.ts';
import { grantId, type KeyId, type SessionId } from '../core/signed.ts';
import * as cose from './cose.ts';
import type { Form } from './form.ts';
import { grant } from './grant.ts';
import * as receipts from './receipt.ts';

/** Those that are open; one that cannot be read is a Fault of its own. */
export const recall = ({ accounts }: Journal, hashes: Hashes): readonly Result<Recalled>[] =>
  [...accounts].filter(([, { isClosed }]) => !isClosed).map(([session, account]) => within(session, one(session, account, hashes)));

/** What is kept of sessions that are over: whose they were, and their last receipts. */
export type Over = Readonly<{ session: SessionId; name: string | null; root: KeyId | null; grant: Grant; last: Receipt }>;
export const over = ({ accounts }: Journal): readonly Over[] =>
  [...accounts].flatMap(([session, { isClosed, name, root, grant: first, terms, kept }]) => {
    const head = isClosed ? kept.at(-1) : undefined;
    if (head === undefined) return [];
    const [agreed, last] = [read(terms ?? first, grant), receiptOf(head)];
    return agreed.ok && last.ok ? [{ session, name, root, grant: agreed.value, last: last.value }] : [];
  });

export const receiptOf = ({ receipt }: Kept): Result<Receipt> => read(receipt, receipts.receipt);

const within = <T>(path: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(path, r.fault) });

function read<T>(bytes: Uint8Array, form: Form<T>): Result<T> {
  const signed = cose.decode(bytes);
  return signed.ok ? form.read(signed.value.body) : signed;
}

function one(session: SessionId, account: Account, hashes: Hashes): Result<Recalled> {
  const { name, root, terms, slot, kept, lived, ending } = account;
  const inForce = cose.decode(terms ?? account.grant);
  const agreed = inForce.ok ? grant.read(inForce.value.body) : inForce;
  if (!inForce.ok) return inForce;
  if (!agreed.ok) return agreed;
  const head = kept.at(-1);
  const last = head === undefined ? ok(null) : receiptOf(head);
  if (!last.ok) return last;
  const heard = kept.findLast(({ witness }) => witness !== null);
  const witnessed = heard === undefined ? ok(null) : receiptOf(heard);
  if (!witnessed.ok) return witnessed;
  return ok({
    session,
    name,
    root,
    grant: agreed.value,
    terms: terms === null ? null : grantId(cose.digestOf(inForce.value, hashes)),
    head: { session, ...journal.headOf(account) },
    slot,
    last: last.value,
    witnessed: witnessedOf(last.value, witnessed.value),
    lived,
    ending,
  });
}

/** Where the receipt that was countersigned is not kept any more, its consumer is believed up to here: it has done so before. */
function witnessedOf(last: Receipt | null, heard: Receipt | null): Recalled['witnessed'] {
  if (heard !== null) return { sequence: heard.sequence, bytes: sumOf(heard.counted) };
  return last === null || last.witnessed === null ? null : { sequence: last.witnessed, bytes: sumOf(last.counted) };
}
