// One session's chain of receipts as it arrives: what follows, what is missing, what contradicts. Whatever was signed and does not fit is
// evidence and changes no figure. Knows no signature, no database and no money.

import type { Receipt } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import { type Fault, fault } from '../../agent/core/result.ts';
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

/** `told`: what this session's node said under the same number before. `isTorn`: its node keeps those in between no more, and figures are
 *  cumulative: nothing but the link is not looked at. */
export function judge({ agreement, most, head }: Chain, told: Arrived | null, { receipt, digest }: Arrived, isTorn = false): Verdict {
  if (told !== null) return told.digest === digest ? { kind: 'known' } : { kind: 'broken', fault: faultOfFork(told.receipt, receipt) };
  const { anchor, grant, later } = agreement;
  const link = isTorn ? { sequence: receipt.sequence - 1, digest: receipt.previous } : null;
  const faults =
    head === null
      ? receipts.faultsOfFirst({ ...anchor, ...link }, grant, receipt)
      : receipts.faultsBetween(
          { ...head.receipt, sequence: link?.sequence ?? head.receipt.sequence },
          link?.digest ?? head.digest,
          receipt,
        );
  const [wrong] = [
    ...faults,
    ...receipts.faultsOfPrice(grant, receipt),
    ...faultsOfTerms(receipt, later),
    ...receipts.faultsOfQuota(receipt, most),
  ];
  if (wrong === undefined) return { kind: 'accepted' };
  return wrong.code === 'missing' ? { kind: 'wanting', from: (head?.receipt.sequence ?? 0) + 1 } : { kind: 'broken', fault: wrong };
}

const faultOfFork = (before: Receipt, after: Receipt): Fault =>
  // A router that lost its journal, or got an old one back, has booted since; within a boot there is no excuse.
  fault('forged', 'sequence', `was told twice, ${before.boot === after.boot ? 'within one boot' : 'in two boots'}`);

const faultsOfTerms = ({ terms }: Receipt, later: ReadonlySet<GrantId>): readonly Fault[] =>
  terms === null || later.has(terms) ? [] : [fault('stranger', 'terms', 'names a grant that nobody gave')];
