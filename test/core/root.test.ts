import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as merkle from '../../agent/core/merkle.ts';
import type { Link } from '../../agent/core/receipt.ts';
import * as roots from '../../agent/core/root.ts';
import type { BootId, Digest, Nonce, SessionId } from '../../agent/core/signed.ts';
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

// ── Against the receipts ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const [one, two] = ['11', '22'].map((pair) => pair.repeat(8)) as [BootId, BootId];
const sealed = (n: number, sequence: number, up: number, more: Partial<roots.Sealed> = {}): roots.Sealed => ({
  ...head(n, sequence),
  digest: `${n}${sequence}`.padStart(64, 'd') as Digest,
  boot: one,
  up: millis(up),
  final: null,
  ...more,
});
const [a1, a2, a3] = [sealed(1, 1, 10), sealed(1, 2, 20), sealed(1, 3, 30)];
const [b1, b2] = [sealed(2, 1, 12), sealed(2, 2, 19, { final: 'expired' })];
const drawn = (up: number, of: readonly Link[], more: Partial<roots.Root> = {}): roots.Root => ({
  number: 7,
  previous: null,
  epoch: '00'.repeat(16) as Nonce,
  boot: one,
  up: millis(up),
  wall: { at: 0 as never, trust: 'unknown' },
  size: of.length,
  heads: rootOf(of) as Digest,
  ...more,
});
const judged: readonly Readonly<{
  name: string;
  root: roots.Root;
  before?: roots.Root;
  chains: readonly (readonly roots.Sealed[])[];
  want: string;
}>[] = [
  { name: 'over the chains here', root: drawn(21, [a2, b1]), chains: [[a1, a2, a3], [b1]], want: 'shown' },
  {
    name: 'and one that is closed since the root before',
    root: drawn(21, [a2, b2]),
    before: drawn(15, []),
    chains: [[a2], [b1, b2]],
    want: 'shown',
  },
  { name: 'and one that may be closed since', root: drawn(21, [a2, b2]), chains: [[a2], [b1, b2]], want: 'shown' },
  { name: 'and none that was closed before', root: drawn(31, [a3]), before: drawn(25, []), chains: [[a3], [b1, b2]], want: 'shown' },
  { name: 'and one that began later', root: drawn(11, [a1]), chains: [[a1, a2], [b1]], want: 'shown' },
  {
    name: 'and one that was open over a reboot',
    root: drawn(5, [a2, sealed(3, 1, 4, { boot: two })], { boot: two }),
    chains: [[a1, a2, sealed(1, 3, 9, { boot: two })], [sealed(3, 1, 4, { boot: two })]],
    want: 'shown',
  },
  { name: 'others have chains there, too', root: drawn(21, [a2, b1, head(9)]), chains: [[a1, a2], [b1]], want: 'open' },
  { name: 'a receipt was passed over', root: drawn(21, [a2]), chains: [[a1, a3]], want: 'open' },
  { name: 'nothing of this boot is here', root: drawn(21, [a2], { boot: two }), chains: [[a1, a2]], want: 'open' },
  { name: 'the last receipt was left out', root: drawn(31, [a3, b1]), chains: [[a1, a2], [b1]], want: 'missing heads' },
  {
    name: 'a chain that goes on was told otherwise',
    root: drawn(21, [{ ...a2, digest: a1.digest }]),
    chains: [[a1, a2, a3]],
    want: 'forged heads',
  },
  {
    name: 'a chain that goes on was left out',
    root: drawn(21, [b1]),
    chains: [
      [a1, a2, a3],
      [b1, sealed(2, 2, 22)],
    ],
    want: 'forged heads',
  },
  {
    name: 'one that was closed since is left out',
    root: drawn(21, [a2]),
    before: drawn(15, []),
    chains: [
      [a1, a2, a3],
      [b1, b2],
    ],
    want: 'forged heads',
  },
];
const judge = suite('root: judge');
for (const c of judged)
  judge(c.name, () => {
    const verdict = roots.judge(c.root, c.before ?? null, c.chains, rootOf);
    assert.is(verdict.kind === 'wrong' ? `${verdict.fault.code} ${verdict.fault.path}` : verdict.kind, c.want);
  });

judge('nothing is held against an honest node, whatever part of its receipts is here', () => {
  let seed = 20;
  const below = (n: number): number => {
    seed = (seed * 48_271) % 2_147_483_647;
    return seed % n;
  };
  for (let life = 0; life < 200; life++) {
    const chains = new Map<number, roots.Sealed[]>();
    const all: { root: roots.Root; before: roots.Root | null }[] = [];
    let [boot, up, begun] = [one, 0, 0];
    let wholes = 0;
    for (let step = 0; step < 20; step++) {
      up += 10;
      if (below(8) === 0) [boot, up] = [`${step + 30}`.repeat(8) as BootId, 10];
      const open = [...chains].filter(([, chain]) => chain.at(-1)?.final === null).map(([n]) => n);
      const some = open.filter(() => below(2) === 0);
      if (some.length === 0 || below(3) === 0) some.push(++begun);
      for (const n of some) {
        const chain = chains.get(n) ?? [];
        chains.set(n, [...chain, sealed(n, chain.length + 1, up, { boot, final: below(6) === 0 ? 'spent' : null })]);
      }
      const others = open.filter((n) => !some.includes(n));
      const links = [...some, ...others].flatMap((n) => chains.get(n)?.at(-1) ?? []);
      const before = all.at(-1)?.root ?? null;
      all.push({ root: drawn(up + 1, links, { boot, number: step + 1 }), before });
    }
    for (const { root, before } of all) {
      const whole = roots.judge(root, before, [...chains.values()], rootOf);
      assert.is.not(whole.kind, 'wrong', JSON.stringify(whole));
      if (whole.kind === 'shown') wholes += 1;
      // The newest of some.
      const part = [...chains.values()].filter(() => below(3) > 0).map((chain) => chain.slice(-1 - below(3)));
      assert.is.not(roots.judge(root, below(2) === 0 ? before : null, part, rootOf).kind, 'wrong');
    }
    assert.ok(wholes > 0);
  }
});
judge.run();
