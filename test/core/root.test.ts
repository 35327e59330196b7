import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as merkle from '../../agent/core/merkle.ts';
import type { Link } from '../../agent/core/receipt.ts';
import * as roots from '../../agent/core/root.ts';
import type { Digest, SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import { hexOf } from '../../agent/wire/form.ts';
import { encodeHead } from '../../agent/wire/receipt.ts';

const hash = portable.sha256;
const head = (n: number, sequence = n): Link => ({
  session: n.toString(16).padStart(32, '0') as SessionId,
  sequence,
  digest: n.toString(16).padStart(64, 'd') as Digest,
});
const heads = [3, 1, 2, 5, 4].map((n) => head(n));
const rootOf = (of: readonly Link[]): string => hexOf(roots.headsOf(of, encodeHead, hash));

const root = suite('the root of all chains');
root('is the same in whatever order they are counted', () => {
  assert.equal(
    roots.ordered(heads).map(({ sequence }) => sequence),
    [1, 2, 3, 4, 5],
  );
  assert.is(rootOf(heads), rootOf(heads.toReversed()));
});
root('is another with each chain that is left out, goes on, or is told otherwise', () => {
  const others = heads.flatMap((one, i) => [
    heads.toSpliced(i, 1),
    heads.with(i, { ...one, sequence: one.sequence + 1 }),
    heads.with(i, { ...one, digest: head(9).digest }),
    heads.with(i, { ...one, session: head(9).session }),
  ]);
  assert.is(new Set([heads, ...others].map(rootOf)).size, 1 + others.length);
});
root('is reached from each of them by its proof, and from no other', () => {
  for (const one of heads) {
    const { index, size, path } = roots.proofOf(heads, one, encodeHead, hash);
    const reached = (of: Link): string | null => {
      const got = merkle.rootBy(merkle.leafOf(encodeHead(of), hash), index, size, path, hash);
      return got === null ? null : hexOf(got);
    };
    assert.is(reached(one), rootOf(heads));
    assert.is.not(reached({ ...one, sequence: one.sequence + 1 }), rootOf(heads));
  }
});
root.run();
