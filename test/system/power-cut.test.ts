// A session's life, cut after each of its writes, and in the midst of each: whatever is left of the flash, what comes after it bills no more
// than was carried, tells no chain twice, and lets pass no more than a step above the quota.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { sumOf } from '../../agent/core/seat.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { chainOf } from '../../agent/wire/owner.ts';
import { draft, type Ground, ground, key, mib, must, signer } from '../loop/ground.ts';
import * as story from '../wire/story.ts';

const minutes = (n: number): number => n * 60_000;
const quota = mib(300);
const step = mib(64);
const consumer = story.signers.consumer.key;

type Life = Readonly<{
  g: Ground;
  /** Digests of receipts that somebody has seen, by their number. */
  seen: Map<number, string>;
  isOver(): boolean;
}>;

/** What the consumer does with all that it was shown. */
function answer({ g, seen }: Life): void {
  for (const { session, kind, head, witnessed } of g.loop().table().values()) {
    if (head.sequence === 0 || kind === 'closed') continue;
    assert.is(seen.get(head.sequence) ?? head.digest, head.digest, `receipt ${head.sequence} is told once`);
    seen.set(head.sequence, head.digest);
    if (witnessed?.sequence === head.sequence) continue;
    const kept = g.store().state().accounts.get(session)?.kept.at(-1);
    const signed = kept === undefined ? null : must(cose.verify(must(cose.decode(kept.receipt)), signer.key, portable));
    if (signed !== null) g.loop().happened({ kind: 'witnessed', link: head, signature: cose.witness(signed, story.signers.consumer) });
  }
}

/** Some 40 MiB a minute, until the quota is spent; then it ends. */
async function live(life: Life): Promise<void> {
  const { g } = life;
  const what = { quota, consumer, witness: 'required', credit: mib(200) } as const;
  if (!(await g.befriend('ann', draft('a', what))).ok) return;
  for (let minute = 0; minute < 10 && !life.isOver(); minute++) {
    for (let i = 0; i < 6; i++) {
      if (!life.isOver()) g.kernel.pass(key('a'), 0, 7 << 20);
      await g.pass(10_000);
    }
    if (!life.isOver()) answer(life);
  }
  if (life.isOver()) return;
  await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' }));
  if (!life.isOver()) answer(life);
}

function begin(cutAt: number, torn: boolean): Life {
  const g = ground();
  const seen = new Map<number, string>();
  let writes = 0;
  let isOver = false;
  const { append, replace } = g.files;
  const cut =
    (write: typeof append): typeof append =>
    (path, bytes, mode) => {
      writes += 1;
      if (writes < cutAt || isOver) return write(path, bytes, mode);
      isOver = true;
      if (torn) g.files.set('cut');
      const written = torn ? write(path, bytes, mode) : null;
      g.files.set('dead');
      return written ?? write(path, bytes, mode);
    };
  Object.assign(g.files, { append: cut(append), replace: cut(replace) });
  return { g, seen, isOver: () => isOver };
}

const cuts = suite('power cut');
let whole = 0;
cuts('a whole life', async () => {
  const life = begin(Number.POSITIVE_INFINITY, false);
  await life.g.start();
  await live(life);
  whole = life.g.files.writes.length;
  assert.ok(whole >= 8, `${whole} writes`);
});
for (const torn of [false, true])
  cuts(torn ? 'in the midst of each write' : 'before each write', async () => {
    for (let at = 1; at <= whole; at++) {
      const life = begin(at, torn);
      const { g, seen } = life;
      await g.start().catch((error: unknown) => assert.ok(life.isOver(), `${error}`));
      if (!life.isOver()) await live(life);
      assert.ok(life.isOver());
      g.files.set('none');
      await g.reboot();
      await g.pass(20_000);
      const open = [...g.loop().table().values()];
      const before = seen.size;
      for (const { session, head, seen: figures } of open) {
        assert.ok(head.sequence >= before, `cut ${at}: of ${before} receipts seen, ${head.sequence} are known`);
        assert.ok(sumOf(figures.counted) <= g.kernel.carried(key('a')));
        assert.is(session, open[0]?.session);
      }
      for (let minute = 0; minute < 40 && g.kernel.held(key('a')) !== undefined; minute++) {
        for (let i = 0; i < 6; i++) g.kernel.pass(key('a'), 0, 7 << 20);
        await g.pass(minutes(1));
        answer({ ...life, isOver: () => false });
      }
      const carried = g.kernel.carried(key('a'));
      assert.ok(carried <= quota + step, `cut ${at}: ${carried} bytes of ${quota}`);
      for (const account of g.store().state().accounts.values()) {
        const report = evidence.examine(chainOf(account, 1).messages, [signer.key], portable);
        assert.equal(report.findings, []);
        const [told] = report.sessions;
        assert.ok(told === undefined || sumOf(told.counted) <= carried, `cut ${at}`);
      }
    }
  });
cuts.run();
