// Commands are obeyed once, without a clock and without a write: each start of the agent draws a nonce, and a command names the nonce and a
// number of its own. Every key counts for itself, so that several coordinators need not know of one another. Knows no signature.

import type { Seconds } from './brand.ts';
import { type Fault, fault } from './result.ts';
import type { KeyId, Nonce } from './signed.ts';

export type Epoch = Readonly<{ node: KeyId; nonce: Nonce; seen: ReadonlyMap<KeyId, Seen> }>;
/** The last ones, within `width` of the highest. */
type Seen = Readonly<{ highest: number; numbers: readonly number[] }>;

export type Ordered = Readonly<{
  signer: KeyId;
  node: KeyId;
  epoch: Nonce;
  /** From 1 on, in any order within `width`. */
  sequence: number;
  /** Powered-on time of the node's boot; null: as long as the epoch lasts. */
  expires: Seconds | null;
}>;

export type Verdict =
  | Readonly<{ kind: 'fresh'; epoch: Epoch }>
  /** It was obeyed, or refused, already: the same answer is due again. */
  | Readonly<{ kind: 'repeated' }>
  | Readonly<{ kind: 'refused'; fault: Fault }>;

/** How far commands may overtake one another: as many as a coordinator may have under way. */
export const width = 32;

export const begin = (node: KeyId, nonce: Nonce): Epoch => ({ node, nonce, seen: new Map() });

/** Of a command whose signature holds and whose key may command: a stranger's number must count nowhere. */
export function judge(e: Epoch, c: Ordered, up: Seconds): Verdict {
  if (c.node !== e.node) return refused(fault('denied', 'node', 'meant for another node'));
  if (c.epoch !== e.nonce) return refused(fault('stale', 'epoch', 'of another start of this agent'));
  const { highest, numbers } = e.seen.get(c.signer) ?? { highest: 0, numbers: [] };
  if (numbers.includes(c.sequence)) return { kind: 'repeated' };
  if (c.sequence <= highest - width) return refused(fault('stale', 'sequence', `above ${highest - width}`));
  // After the number: a command that was obeyed in time is still answered when it comes again too late.
  if (c.expires !== null && up > c.expires) return refused(fault('expired', 'expires', `${up - c.expires} s too late`));
  const top = Math.max(highest, c.sequence);
  const kept = [...numbers, c.sequence].filter((n) => n > top - width);
  return { kind: 'fresh', epoch: { ...e, seen: new Map(e.seen).set(c.signer, { highest: top, numbers: kept }) } };
}

const refused = (why: Fault): Verdict => ({ kind: 'refused', fault: why });
