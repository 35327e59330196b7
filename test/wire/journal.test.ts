import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Mark } from '../../agent/core/journal.ts';
import type { Slot } from '../../agent/core/seat.ts';
import type { KeyId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as journal from '../../agent/wire/journal.ts';
import * as story from './story.ts';

const { sha256 } = portable;
const { session, anchor, boot } = story;
const bytes = new Uint8Array(40).fill(3);
const head = { session, sequence: 7, digest: anchor };
const marks: readonly Mark[] = [
  { kind: 'started', starts: 3 },
  { kind: 'timed', time: seconds(2 ** 40) },
  { kind: 'voided', root: 'abcdefghijklmnop' as KeyId, least: 2 ** 32 - 1 },
  { kind: 'rooted', number: 9, digest: anchor, bytes },
  { kind: 'opened', session, anchor, grant: bytes, name: 'ann', root: null, until: null },
  { kind: 'opened', session, anchor, grant: bytes, name: null, root: 'abcdefghijklmnop' as KeyId, until: seconds(9) },
  { kind: 'changed', session, grant: bytes },
  { kind: 'seated', session, slot: 5 as Slot },
  { kind: 'lived', session, time: seconds(0), boot, up: seconds(7) },
  { kind: 'shortened', ...head, sequence: 0, acknowledged: 8 },
  { kind: 'sealed', ...head, receipt: bytes, isLast: true },
  { kind: 'witnessed', session, sequence: 7, signature: new Uint8Array(64) },
  { kind: 'acknowledged', ...head },
  { kind: 'ended', session },
  { kind: 'past', session, root: 'abcdefghijklmnop' as KeyId, until: null },
  { kind: 'outlived', root: 'abcdefghijklmnop' as KeyId, until: seconds(9) },
];

const joined = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(parts.flatMap((part) => [...part]));
const whole = journal.encode(marks, sha256);
const [first, second] = [journal.encode(marks.slice(0, 2), sha256), journal.encode(marks.slice(2, 4), sha256)];
const both = joined(first, second);

const there = suite('journal: frames');
there('there and back', () => assert.equal(journal.decode(joined(whole, first), sha256).batches, [marks, marks.slice(0, 2)]));
there('nothing', () => assert.equal(journal.decode(new Uint8Array(), sha256), { batches: [], size: 0, rest: 'none' }));
there('cut anywhere', () => {
  for (let length = 0; length <= both.length; length++) {
    const found = journal.decode(both.slice(0, length), sha256);
    const want = length === both.length ? 2 : length >= first.length ? 1 : 0;
    assert.is(found.batches.length, want, `after ${length}`);
    assert.is(found.size, want === 2 ? both.length : want * first.length);
    assert.is(found.rest, found.size === length ? 'none' : 'cut');
  }
});
there('cut anywhere, and zeros instead of the rest', () => {
  for (let length = first.length; length < both.length; length++) {
    const zeros = new Uint8Array(both.length - length);
    for (const left of [joined(both.slice(0, length), zeros), joined(both.slice(0, length), zeros, new Uint8Array(99))]) {
      const found = journal.decode(left, sha256);
      assert.is(found.batches.length, 1, `after ${length}`);
      assert.is(found.rest, 'cut', `after ${length}`);
    }
  }
});
there('any bit changed is seen, and what is before it is good', () => {
  for (let at = 0; at < both.length; at++)
    for (let bit = 0; bit < 8; bit++) {
      const changed = both.slice();
      changed[at] = Number(changed[at]) ^ (1 << bit);
      const { batches, rest } = journal.decode(changed, sha256);
      assert.is(batches.length, at < first.length ? 0 : 1);
      assert.ok(typeof rest === 'object' && rest.code === 'malformed' && rest.path.startsWith('byte '), `byte ${at}`);
    }
});
there('what is whole and means nothing', () => {
  const strange = journal.encode([{ ...marks[7], slot: -1 } as unknown as Mark], sha256);
  const { rest } = journal.decode(joined(first, strange), sha256);
  assert.is(typeof rest === 'object' && rest.path, `byte ${first.length}.0.seated.slot`);
});
there.run();
