// One session's chain of receipts as it arrives: what follows, what is missing, what contradicts. Whatever was signed and does not fit is
// evidence and changes no figure. Knows no signature, no database and no money.

import type { Grant } from '../../agent/core/grant.ts';
import type { Dispute, Receipt } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import { type Fault, fault } from '../../agent/core/result.ts';
import { sumOf } from '../../agent/core/seat.ts';
import type { Digest, GrantId } from '../../agent/core/signed.ts';
import type { Agreement } from '../../agent/core/witness.ts';

export type Arrived = Readonly<{ receipt: Receipt; digest: Digest }>;

/** `most`: the largest quota ever granted to it; null: bytes may pass beyond it. */
export type Chain = Readonly<{ agreement: Agreement; most: bigint | null; head: Arrived | null }>;

export type Verdict =
  | Readonly<{ kind: 'accepted' }>
  | Readonly<{ kind: 'known' }>
  /** It is kept until those before it are there. */
  | Readonly<{ kind: 'wanting'; from: number }>
  /** Signed by the node, and wrong: kept as evidence, and nothing of this chain is billed any more. */
  | Readonly<{ kind: 'broken'; fault: Fault }>;

/** `told`: what this session's node said under the same number before. */
export function judge({ agreement, most, head }: Chain, told: Arrived | null, { receipt, digest }: Arrived): Verdict {
  if (told !== null) return told.digest === digest ? { kind: 'known' } : { kind: 'broken', fault: faultOfFork(told.receipt, receipt) };
  const { anchor, grant, later } = agreement;
  const faults =
    head === null ? receipts.faultsOfFirst(anchor, grant, receipt) : receipts.faultsBetween(head.receipt, head.digest, receipt);
  const [wrong] = [...faults, ...receipts.faultsOfPrice(grant, receipt), ...faultsOfTerms(receipt, later), ...faultsOfQuota(receipt, most)];
  if (wrong === undefined) return { kind: 'accepted' };
  return wrong.code === 'missing' ? { kind: 'wanting', from: (head?.receipt.sequence ?? 0) + 1 } : { kind: 'broken', fault: wrong };
}

const faultOfFork = (before: Receipt, after: Receipt): Fault =>
  // A router that lost its journal, or got an old one back, has booted since; within a boot there is no excuse.
  fault('forged', 'sequence', `was told twice, ${before.boot === after.boot ? 'within one boot' : 'in two boots'}`);

const faultsOfTerms = ({ terms }: Receipt, later: ReadonlySet<GrantId>): readonly Fault[] =>
  terms === null || later.has(terms) ? [] : [fault('stranger', 'terms', 'names a grant that nobody gave')];

const faultsOfQuota = ({ counted }: Receipt, most: bigint | null): readonly Fault[] =>
  most === null || sumOf(counted) <= most ? [] : [fault('limit', 'counted', `at most ${most} bytes were granted`)];

export function mostOf(grants: readonly Grant[]): bigint | null {
  if (grants.some(({ throttle }) => throttle !== null)) return null;
  let most = 0n;
  for (const { quota } of grants) {
    const all = quota.kind === 'shared' ? quota.bytes : quota.up + quota.down;
    if (all > most) most = all;
  }
  return most;
}

/** What is wrong with a consumer's dispute of a receipt that is here. */
export function faultsOfDispute(dispute: Dispute, { receipt, digest }: Arrived): readonly Fault[] {
  if (dispute.session !== receipt.session || dispute.sequence !== receipt.sequence)
    return [fault('denied', 'dispute.sequence', 'of another receipt')];
  // The other half of a fork: the consumer shows that it was told something else.
  return dispute.digest === digest ? [] : [fault('forged', 'dispute.digest', 'the consumer was shown another receipt of this number')];
}
