import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import * as grants from '../../agent/core/grant.ts';
import type { Receipt } from '../../agent/core/receipt.ts';
import type { BootId, Digest, GrantId } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import type { Arrived, Chain } from '../../coordinator/core/chain.ts';
import * as chain from '../../coordinator/core/chain.ts';
import * as story from '../wire/story.ts';

const arrived = (receipt: Receipt): Arrived => ({ receipt, digest: cose.digestOf(story.sign('receipt', receipt, 'node'), hashes) });
const told = story.chain.map(({ value }) => arrived(value));
function at(i: number): Arrived {
  const one = told[i];
  if (one === undefined) throw new Error(`the story has no receipt ${i}`);
  return one;
}
const changed = (i: number, more: Partial<Receipt>): Arrived => arrived({ ...at(i).receipt, ...more });

const agreement = {
  anchor: { session: story.session, sequence: 0, digest: story.anchor },
  grant: story.first,
  later: new Set([story.topped]),
};
const most = grants.mostOf([story.first, story.second]);
const after = (head: Arrived | null): Chain => ({ agreement, most, head });
const more = (n: number): Partial<Receipt> => ({ counted: { up: 0n as ByteCount, down: BigInt(n) as ByteCount } });

const cases: readonly Readonly<{ name: string; chain: Chain; told?: Arrived; isTorn?: true; in: Arrived; want: string }>[] = [
  { name: 'the first', chain: after(null), in: at(0), want: 'accepted' },
  { name: 'the next', chain: after(at(0)), in: at(1), want: 'accepted' },
  { name: 'of the next boot', chain: after(at(1)), in: at(2), want: 'accepted' },
  { name: 'the last', chain: after(at(2)), in: at(3), want: 'accepted' },
  { name: 'once more', chain: after(at(1)), told: at(0), in: at(0), want: 'known' },
  { name: 'the first is missing', chain: after(null), in: at(1), want: 'wanting 1' },
  { name: 'one in the middle is missing', chain: after(at(0)), in: at(2), want: 'wanting 2' },
  {
    name: 'two of one number',
    chain: after(at(1)),
    told: at(1),
    in: changed(1, more(1)),
    want: 'broken forged sequence: was told twice, within one boot',
  },
  {
    name: 'two of one number, the router lost its journal',
    chain: after(at(1)),
    told: at(1),
    in: changed(1, { boot: '00'.repeat(8) as BootId }),
    want: 'broken forged sequence: was told twice, in two boots',
  },
  {
    name: 'bound to something else',
    chain: after(at(0)),
    in: changed(1, { previous: '00'.repeat(32) as Digest }),
    want: 'broken forged previous',
  },
  {
    name: 'not bound to the grant',
    chain: after(null),
    in: changed(0, { previous: '00'.repeat(32) as Digest }),
    want: 'broken forged previous',
  },
  { name: 'figures go back', chain: after(at(1)), in: changed(2, { ...more(1), due: null }), want: 'broken denied counted.up' },
  { name: 'the amount is wrong', chain: after(null), in: changed(0, more(1 << 20)), want: 'broken denied due' },
  { name: 'another price', chain: after(null), in: changed(0, { due: null }), want: 'broken denied due.price' },
  {
    name: 'goes on after the end',
    chain: after(at(3)),
    in: arrived({ ...at(3).receipt, sequence: 5, previous: at(3).digest }),
    want: 'broken closed final',
  },
  {
    name: 'terms that nobody gave',
    chain: after(null),
    in: changed(0, { terms: 'ff'.repeat(16) as GrantId }),
    want: 'broken stranger terms',
  },
  { name: 'more than granted', chain: { ...after(at(2)), most: 4_998_999_999n }, in: at(3), want: 'broken limit counted' },
  { name: 'all that was granted', chain: { ...after(at(2)), most: 4_999_000_000n }, in: at(3), want: 'accepted' },
  { name: 'more, where it goes on slower', chain: { ...after(at(2)), most: null }, in: at(3), want: 'accepted' },
  { name: 'behind a gap that nobody fills', chain: after(at(0)), isTorn: true, in: at(2), want: 'accepted' },
  { name: 'the first of those that are kept', chain: after(null), isTorn: true, in: at(2), want: 'accepted' },
  {
    name: 'behind a gap, and less',
    chain: after(at(0)),
    isTorn: true,
    in: changed(2, { ...more(1), due: null }),
    want: 'broken denied counted.up',
  },
  {
    name: 'behind a gap, and more than granted',
    chain: { ...after(null), most: 1n },
    isTorn: true,
    in: at(2),
    want: 'broken limit counted',
  },
];
const judge = suite('chain: judge');
for (const c of cases)
  judge(c.name, () => {
    const verdict = chain.judge(c.chain, c.told ?? null, c.in, c.isTorn);
    const said =
      verdict.kind === 'wanting'
        ? `wanting ${verdict.from}`
        : verdict.kind === 'broken'
          ? `broken ${verdict.fault.code} ${verdict.fault.path}: ${verdict.fault.reason}`
          : verdict.kind;
    assert.is(said.startsWith(c.want), true, said);
  });
judge.run();
