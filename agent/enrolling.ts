// Asks coordinators to take this node for the owner's, by the codes that the settings name, until each has answered; and remembers who has taken
// it. Of the loop's kind: it acts through ports alone.

import { type Millis, millis } from './core/brand.ts';
import type { Answer, Code } from './core/enrol.ts';
import * as enrol from './core/enrol.ts';
import { type Fault, fault, ok, type Result, text } from './core/result.ts';
import type { Digest, KeyId } from './core/signed.ts';
import type { Clock } from './ports/host.ts';

/** A code of the settings, and whom it is for. `mark`: what is written down once it has done its work. */
export type Claim = Readonly<{ root: KeyId; code: Code; mark: Digest }>;
export type World = Readonly<{
  clock: Pick<Clock, 'monotonic' | 'after'>;
  isConnected(): boolean;
  /** Signed, and on its way. */
  ask(claim: Claim): Promise<Result<void>>;
  /** Marks of those that have taken us. */
  recall(): readonly string[];
  keep(marks: readonly Digest[]): Result<void>;
  log(line: string): void;
}>;
export type Enrolling = Readonly<{
  claim(claims: readonly Claim[]): void;
  /** `read`: what a coordinator with this root has said, and no other. */
  heard(read: (root: KeyId) => Result<Answer>): Result<Readonly<{ root: KeyId; answer: Answer }>>;
  /** For the owner, a line for each. */
  status(): readonly string[];
}>;

type Standing = Readonly<{ kind: 'asking'; asked: number; due: Millis }> | Answer;

/** So soon it looks again whether there is a link. */
const period = millis(5000);

export function open({ clock, isConnected, ask, recall, keep, log }: World): Enrolling {
  const standings = new Map<Claim, Standing>();
  let turns = 0;

  function turn(mine: number): void {
    if (mine !== turns) return;
    const now = clock.monotonic();
    for (const [claim, standing] of standings) {
      if (standing.kind !== 'asking' || standing.due > now || !isConnected()) continue;
      standings.set(claim, { ...standing, asked: standing.asked + 1, due: millis(now + enrol.patience(standing.asked)) });
      void ask(claim).then((sent) => {
        if (!sent.ok) log(`enrol: ${claim.root} could not be asked: ${text(sent.fault)}`);
      });
    }
    if ([...standings.values()].some(({ kind }) => kind === 'asking')) clock.after(period, () => turn(mine));
  }

  return {
    claim(claims) {
      turns += 1;
      standings.clear();
      const kept = recall();
      for (const claim of claims)
        standings.set(claim, kept.includes(claim.mark) ? { kind: 'enrolled' } : { kind: 'asking', asked: 0, due: clock.monotonic() });
      turn(turns);
    },
    heard(read) {
      let why: Fault = fault('stale', 'enrolled', 'nobody was asked');
      for (const [claim, standing] of standings) {
        if (standing.kind !== 'asking') continue;
        const answer = read(claim.root);
        if (!answer.ok) {
          why = answer.fault;
          continue;
        }
        standings.set(claim, answer.value);
        // What is not written down is asked again after the next start, and answered the same.
        const taken = [...standings].flatMap(([{ mark }, { kind }]) => (kind === 'enrolled' ? [mark] : []));
        const kept = answer.value.kind === 'enrolled' ? keep(taken) : null;
        if (kept?.ok === false) log(text(kept.fault));
        return ok({ root: claim.root, answer: answer.value });
      }
      return { ok: false, fault: why };
    },
    status: () => [...standings].map(([{ root }, standing]) => `${root}: ${wordsOf(standing)}`),
  };
}

function wordsOf(standing: Standing): string {
  if (standing.kind === 'refused') return `refused: ${text(standing)}`;
  return standing.kind === 'enrolled' ? 'enrolled' : `asked ${standing.asked} times`;
}
