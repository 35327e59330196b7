// The roll of nodes: who may come, what a birth says about who came, and what speaks for a copy. Knows no signature, no database and no clock.

import type { Birth } from '../../agent/core/birth.ts';
import { type Fault, fault } from '../../agent/core/result.ts';

export const standings = ['active', 'quarantined', 'revoked'] as const;
export type Standing = (typeof standings)[number];

/** The last birth that counted. */
export type Known = Pick<Birth, 'epoch' | 'sequence'> & Readonly<{ starts: number }>;

export type Verdict =
  | Readonly<{ kind: 'fresh' }>
  | Readonly<{ kind: 'known' }>
  /** Two of them, or a backup that was restored: nothing tells which, so neither is trusted until somebody has looked. */
  | Readonly<{ kind: 'copied'; fault: Fault }>
  /** Of an earlier moment of the same life: a broker may have kept it. */
  | Readonly<{ kind: 'stale'; fault: Fault }>;

/** `ended`: an earlier epoch, known by its nonce: ended by a later count of starts, or given up for another by somebody who has looked. */
export function judge(last: Known | null, birth: Known, ended: boolean): Verdict {
  if (last === null) return { kind: 'fresh' };
  if (birth.epoch === last.epoch) {
    if (birth.starts !== last.starts) return copied('one epoch under two counts of starts');
    if (birth.sequence === last.sequence) return { kind: 'known' };
    return birth.sequence > last.sequence ? { kind: 'fresh' } : stale('sequence', `at least ${last.sequence}`);
  }
  if (ended) return birth.starts < last.starts ? stale('epoch', 'ended by a later start') : copied('an epoch that was given up goes on');
  if (birth.starts > last.starts) return { kind: 'fresh' };
  return copied(birth.starts === last.starts ? 'two epochs under one count of starts' : 'counts its starts again from before');
}

const copied = (reason: string): Verdict => ({ kind: 'copied', fault: fault('forged', 'birth.starts', reason) });
const stale = (path: string, reason: string): Verdict => ({ kind: 'stale', fault: fault('stale', `birth.${path}`, reason) });

/** What lets a stranger in: `fleet` tokens let many in, a claim code one. */
export type Ticket = Readonly<{ kind: 'claim' | 'fleet'; until: number; usedBy: string | null; isVoid: boolean }>;

/** `node`: who shows it. A code that this very node used is good again, so that an answer that was lost can be asked for twice. */
export function faultsOfTicket(ticket: Ticket | null, node: string, now: number): readonly Fault[] {
  if (ticket === null || ticket.isVoid) return [fault('denied', 'ticket', 'is not known')];
  if (ticket.kind === 'claim' && ticket.usedBy === node) return [];
  if (ticket.until < now) return [fault('expired', 'ticket', 'its time is over')];
  return ticket.kind === 'claim' && ticket.usedBy !== null ? [fault('exists', 'ticket', 'was used by another node')] : [];
}
