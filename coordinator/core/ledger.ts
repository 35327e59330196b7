// Double entry: a transfer takes from one account exactly what it gives to another, so that the sum of each unit is zero whatever is written.
// What a router bills goes from its consumer into the session's own account, and on to the router once the consumer has countersigned it; what
// is disputed stays there until somebody decides. Bytes are booked like money, so that free sessions add up, too. Knows no database.

import type { Brand } from '../../agent/core/brand.ts';
import type { Receipt } from '../../agent/core/receipt.ts';
import { sumOf } from '../../agent/core/seat.ts';
import type { KeyId, SessionId } from '../../agent/core/signed.ts';

/** `consumer/KEY`, `node/KEY`, `held/SESSION`, and `cash`, from where deposits come and where pay-outs go. */
export type Account = Brand<string, 'Account'>;
/** Lower case, as no currency is. */
export const bytes = 'bytes';

/** `id` is made of its cause, so that a cause is booked once. Amounts of money are in millionths. */
export type Transfer = Readonly<{ id: string; unit: string; debit: Account; credit: Account; amount: bigint }>;

export const cash = 'cash' as Account;
export const consumer = (who: string): Account => `consumer/${who}` as Account;
export const node = (id: KeyId): Account => `node/${id}` as Account;
export const held = (session: SessionId): Account => `held/${session}` as Account;

type Figures = Readonly<{ unit: string; amount: bigint }>;

/** What a receipt says in all: figures are cumulative. */
const figuresOf = ({ counted, due }: Receipt): readonly Figures[] => [
  { unit: bytes, amount: sumOf(counted) },
  ...(due === null ? [] : [{ unit: due.price.currency, amount: due.amount as bigint }]),
];

function between(before: Receipt | null, after: Receipt, why: string, debit: Account, credit: Account): readonly Transfer[] {
  const was = new Map((before === null ? [] : figuresOf(before)).map(({ unit, amount }) => [unit, amount]));
  return figuresOf(after).flatMap(({ unit, amount }) => {
    const grown = amount - (was.get(unit) ?? 0n);
    return grown > 0n ? [{ id: `${after.session}/${after.sequence}/${why}/${unit}`, unit, debit, credit, amount: grown }] : [];
  });
}

/** `before`: the receipt up to which it was billed. */
export const billed = (who: string, before: Receipt | null, after: Receipt): readonly Transfer[] =>
  between(before, after, 'billed', consumer(who), held(after.session));

/** `before`: the receipt up to which it was agreed. */
export const agreed = (to: KeyId, before: Receipt | null, after: Receipt): readonly Transfer[] =>
  between(before, after, 'agreed', held(after.session), node(to));

/** What was held is given to whom somebody has decided it is. */
export const decided = (to: Account, before: Receipt | null, after: Receipt): readonly Transfer[] =>
  between(before, after, 'decided', held(after.session), to);
