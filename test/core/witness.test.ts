import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import type { Micro } from '../../agent/core/grant.ts';
import type { Receipt } from '../../agent/core/receipt.ts';
import type { Pair } from '../../agent/core/seat.ts';
import * as witness from '../../agent/core/witness.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as story from '../wire/story.ts';

const asking = suite('witness: asking');
asking('again after 1, 2, 4 … 60 s', () => {
  let a = witness.begin(millis(0));
  const waits: number[] = [];
  for (let n = 0; n < 9; n++) {
    const now = a.next;
    a = witness.sent(a, now);
    waits.push((a.next - now) / 1000);
  }
  assert.equal(waits, [1, 2, 4, 8, 16, 32, 60, 60, 60]);
});
asking('each sending buys one verification', () => {
  const a = witness.begin(millis(0));
  assert.is(a.mayVerify, false);
  assert.is(witness.sent(a, millis(0)).mayVerify, true);
  assert.is(witness.verify(witness.sent(a, millis(0))).mayVerify, false);
});
asking('a flood is looked at a few times in a window', () => {
  let [p, looked] = [{ since: millis(0), heard: 0 } as witness.Patience, 0];
  for (let now = 0; now < 2 * witness.window; now++) {
    p = witness.hear(p, millis(now));
    if (witness.isPatient(p)) looked++;
  }
  assert.is(looked, 2 * witness.mostHeard);
});
asking.run();

const judging = suite('witness: judges');
const [one, two, three] = story.chain;
if (one === undefined || two === undefined || three === undefined) throw new Error('story: no chain');
const anchor = { session: story.session, sequence: 0, digest: story.anchor };
const agreement: witness.Agreement = { anchor, grant: story.first, later: new Set([story.topped]) };
const both = (up: bigint, down: bigint): Pair<ByteCount> => ({ up: up as ByteCount, down: down as ByteCount });
const exact = ({ counted }: Receipt): Pair<ByteCount> => counted;
const before = { receipt: one.value, digest: cose.digestOf(one.signed, hashes) };
const mebibyte = 1n << 20n;
/** The most that may be billed against so much of one's own. */
const band = (own: bigint): bigint => own + own / 20n + mebibyte;
const claims = (up: bigint, down: bigint): Receipt => ({ ...one.value, counted: both(up, down), due: null });
const free = { ...story.first, price: null };
const dear: Receipt = { ...one.value, due: one.value.due && { ...one.value.due, amount: (one.value.due.amount + 1n) as Micro } };
const cases: readonly Readonly<{ name: string; got: witness.Opinion; want: string }>[] = [
  { name: 'the first', got: witness.judge(agreement, null, one.value, exact(one.value)), want: 'agreed' },
  { name: 'the next', got: witness.judge(agreement, before, two.value, exact(two.value)), want: 'agreed' },
  { name: 'less than passed', got: witness.judge(agreement, before, two.value, both(1n << 40n, 1n << 40n)), want: 'agreed' },
  {
    name: 'the edge',
    got: witness.judge({ ...agreement, grant: free }, null, claims(band(5000n), band(1n << 30n)), both(5000n, 1n << 30n)),
    want: 'agreed',
  },
  {
    name: 'a byte up beyond it',
    got: witness.judge({ ...agreement, grant: free }, null, claims(band(5000n) + 1n, 0n), both(5000n, 1n << 30n)),
    want: 'disputed bytes',
  },
  {
    name: 'a byte down beyond it',
    got: witness.judge({ ...agreement, grant: free }, null, claims(0n, band(1n << 30n) + 1n), both(5000n, 1n << 30n)),
    want: 'disputed bytes',
  },
  { name: 'one that is missing', got: witness.judge(agreement, before, three.value, exact(three.value)), want: 'wanting 2 null' },
  { name: 'the first that is missing', got: witness.judge(agreement, null, two.value, exact(two.value)), want: 'wanting 1 null' },
  {
    name: 'another chain',
    got: witness.judge(agreement, { ...before, digest: story.anchor }, two.value, exact(two.value)),
    want: 'disputed chain',
  },
  {
    name: 'terms that it has not seen',
    got: witness.judge({ ...agreement, later: new Set() }, before, two.value, exact(two.value)),
    want: `wanting 2 ${story.topped}`,
  },
  {
    name: 'a price that the receipt before had, too',
    got: witness.judge({ ...agreement, grant: free }, before, two.value, exact(two.value)),
    want: 'disputed price',
  },
  { name: 'more money than bytes', got: witness.judge(agreement, null, dear, exact(one.value)), want: 'disputed price' },
  { name: 'another price', got: witness.judge({ ...agreement, grant: free }, null, one.value, exact(one.value)), want: 'disputed price' },
];
for (const { name, got, want } of cases)
  judging(name, () =>
    assert.is(
      got.kind === 'agreed' ? 'agreed' : got.kind === 'disputed' ? `disputed ${got.reason}` : `wanting ${got.from} ${got.terms}`,
      want,
    ),
  );
judging.run();
