import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Nonce } from '../../agent/core/signed.ts';
import * as roll from '../../coordinator/core/roll.ts';
import * as story from '../wire/story.ts';

const last = { epoch: story.birth.epoch, starts: 12, sequence: 3 };
const other = '99'.repeat(16) as Nonce;
const said = (more: Partial<roll.Known>): roll.Known => ({ ...last, ...more });

const births: readonly Readonly<{ name: string; last: roll.Known | null; in: roll.Known; ended?: true; want: string }>[] = [
  { name: 'never seen', last: null, in: said({}), want: 'fresh' },
  { name: 'again', last, in: said({}), want: 'known' },
  { name: 'another endpoint', last, in: said({ sequence: 4 }), want: 'fresh' },
  { name: 'a late one', last, in: said({ sequence: 2 }), want: 'stale birth.sequence' },
  { name: 'started anew', last, in: said({ starts: 13, epoch: other, sequence: 1 }), want: 'fresh' },
  { name: 'what a broker kept', last, in: said({ starts: 11, epoch: other }), ended: true, want: 'stale birth.epoch' },
  { name: 'one that was given up is alive', last, in: said({ starts: 14, epoch: other }), ended: true, want: 'copied birth.starts' },
  { name: 'a copy of which one was believed', last, in: said({ epoch: other }), ended: true, want: 'copied birth.starts' },
  { name: 'a copy', last, in: said({ epoch: other }), want: 'copied birth.starts' },
  { name: 'a backup was restored', last, in: said({ starts: 5, epoch: other }), want: 'copied birth.starts' },
  { name: 'one epoch, two counts', last, in: said({ starts: 13 }), want: 'copied birth.starts' },
];
const judge = suite('roll: judge');
for (const c of births)
  judge(c.name, () => {
    const verdict = roll.judge(c.last, c.in, c.ended === true);
    assert.is('fault' in verdict ? `${verdict.kind} ${verdict.fault.path}` : verdict.kind, c.want);
  });
judge.run();

const claim: roll.Ticket = { kind: 'claim', until: 100, usedBy: null, isVoid: false };
const tickets: readonly Readonly<{ name: string; in: roll.Ticket | null; now?: number; want: string }>[] = [
  { name: 'a claim code', in: claim, want: '' },
  { name: 'to its last second', in: claim, now: 100, want: '' },
  { name: 'too late', in: claim, now: 101, want: 'expired ticket' },
  { name: 'used by this node, and the answer was lost', in: { ...claim, usedBy: 'a' }, now: 101, want: '' },
  { name: 'stolen after its use', in: { ...claim, usedBy: 'b' }, want: 'exists ticket' },
  { name: 'a fleet token', in: { ...claim, kind: 'fleet', usedBy: 'b' }, want: '' },
  { name: 'taken back', in: { ...claim, isVoid: true, usedBy: 'a' }, want: 'denied ticket' },
  { name: 'guessed', in: null, want: 'denied ticket' },
];
const faultsOfTicket = suite('roll: faultsOfTicket');
for (const c of tickets)
  faultsOfTicket(c.name, () =>
    assert.is(
      roll
        .faultsOfTicket(c.in, 'a', c.now ?? 50)
        .map((f) => `${f.code} ${f.path}`)
        .join(),
      c.want,
    ),
  );
faultsOfTicket.run();
