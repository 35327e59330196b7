// What a consumer may still buy: what it owes and what its open sessions may still come to stay within what it is lent.

import type { ByteCount } from '../agent/core/brand.ts';
import type { Grant } from '../agent/core/grant.ts';
import { amountOf } from '../agent/core/receipt.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';
import { sizeOf } from '../agent/core/seat.ts';
import type { SessionId } from '../agent/core/signed.ts';
import * as ledger from './core/ledger.ts';
import * as orders from './orders.ts';
import type { Query } from './ports/database.ts';

type Price = NonNullable<Grant['price']>;

const costOf = (bytes: bigint, price: Price): bigint => amountOf({ up: 0n as ByteCount, down: bytes as ByteCount }, price);

/** Each currency by itself. One consumer's purchases wait for one another. A router that is gone keeps nobody from buying once its session's
 *  time is over. */
export async function allows(query: Query, consumer: string, price: Price | null, bytes: bigint, now: number): Promise<Result<void>> {
  if (price === null) return ok(undefined);
  const [row] = await query<{ credit: bigint | null }>('select credit from consumer where id = $1 for update', [consumer]);
  const credit = row?.credit ?? null;
  if (credit === null) return ok(undefined);
  let open = 0n;
  // Of the others nothing is billed any more.
  const sessions = await query<{ id: SessionId; due: bigint }>(
    `select session.id, due from session join node on node.id = node
     where consumer = $1 and final is null and condition <> 'refused' and broken is null and standing <> 'revoked'`,
    [consumer],
  );
  for (const { id, due } of sessions) {
    const terms = await orders.termsOf(query, id);
    if (terms?.price?.currency !== price.currency || (terms.until !== null && terms.until < now)) continue;
    const most = costOf(sizeOf(terms.quota), terms.price);
    if (most > due) open += most - due;
  }
  // Last: what is billed meanwhile counts twice, and not never.
  const [has] = await query<{ amount: bigint }>('select amount from balance where account = $1 and unit = $2', [
    ledger.consumer(consumer),
    price.currency,
  ]);
  const owed = -(has?.amount ?? 0n);
  const asked = costOf(bytes, price);
  if (owed + open + asked <= credit) return ok(undefined);
  const words = [
    `${asked} more`,
    `${owed} owed`,
    `${open} that open sessions may still cost`,
    `at most ${credit} of ${price.currency}, in millionths`,
  ];
  return fail('denied', 'credit', `${words.join(', ')}: pay or end a session`);
}
