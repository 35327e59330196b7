import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Journal, Mark } from '../../agent/core/journal.ts';
import * as journal from '../../agent/core/journal.ts';
import type { State, Step } from '../../agent/core/outbox.ts';
import * as outbox from '../../agent/core/outbox.ts';
import { fault } from '../../agent/core/result.ts';
import type { Digest, KeyId, SessionId } from '../../agent/core/signed.ts';

const [one, other] = ['one'.padEnd(16, '2'), 'other'.padEnd(16, '2')] as [KeyId, KeyId];
const id = (letter: string): SessionId => letter.repeat(32) as SessionId;
const digest = (n: number, letter = 'd'): Digest => `${n}`.padStart(64, letter) as Digest;
const opened = (letter: string, root: KeyId | null): Mark => {
  return { kind: 'opened', session: id(letter), anchor: digest(0), grant: new Uint8Array(9), name: null, root, until: null };
};
const sealed = (letter: string, sequence: number, isLast = false): Mark => {
  return { kind: 'sealed', session: id(letter), sequence, digest: digest(sequence), receipt: new Uint8Array([sequence]), isLast };
};
const rooted = (number: number): Mark => ({ kind: 'rooted', number, digest: digest(number, 'a'), bytes: new Uint8Array(1) });
const bookOf = (...marks: readonly Mark[]): Journal =>
  marks.reduce((book, mark) => {
    const taken = journal.take(book, mark);
    if (!taken.ok) throw new Error(taken.fault.reason);
    return taken.value;
  }, journal.empty);
const ground = (book: Journal, held: readonly string[] = [], roots: readonly KeyId[] = [one, other]): outbox.Ground => ({
  journal: book,
  held: new Set(held.map(id)),
  roots,
});

type Publish = Extract<Effect, { kind: 'publish' }>;
const published = ({ effects }: Step): Publish['publication'] | null => {
  const found = effects.filter((e): e is Publish => e.kind === 'publish');
  assert.ok(found.length < 2, 'one at a time');
  return found[0]?.publication ?? null;
};
const shown = (step: Step): string => {
  const said = published(step);
  if (said === null) return '';
  const { topic, word } = said;
  if (word.kind === 'root') return `root ${word.number}`;
  if (word.kind === 'voucher') return `${word.session.slice(0, 1)} vouched ${topic}`;
  return word.kind === 'receipt' ? `${word.session.slice(0, 1)}${word.sequence}${word.witness === null ? '' : '+'} ${topic}` : word.kind;
};
const nothing: outbox.Ground = ground(journal.empty);
/** All that leaves while the broker takes everything, up to `most`. */
function drain(first: Step, g: outbox.Ground, most = 20): readonly string[] {
  const left: string[] = [];
  for (let step = first; left.length < most; ) {
    const said = published(step);
    if (said === null) return left;
    left.push(shown(step));
    const sent = outbox.sent(step.state, said, null);
    assert.equal(sent.effects, [{ kind: 'pace', pause: 200 }]);
    step = outbox.paced(sent.state, g);
  }
  return left;
}

const chain = [sealed('a', 1), sealed('a', 2), sealed('a', 3)] as const;
const [a, b] = [opened('a', one), opened('b', other)];
const witnessed: Mark = { kind: 'witnessed', session: id('a'), sequence: 3, signature: new Uint8Array(64) };
const acknowledged: Mark = { kind: 'acknowledged', session: id('a'), sequence: 2, digest: digest(2) };
const vouched: Mark = { kind: 'vouched', session: id('a'), voucher: new Uint8Array(1) };
const pair = { up: 1n as ByteCount, down: 1n as ByteCount };
const disputed: Mark = {
  kind: 'disputed',
  session: id('a'),
  dispute: { sequence: 3, reason: 'bytes', counted: pair, billed: pair },
};
const rows: readonly Readonly<{ name: string; in: outbox.Ground; want: readonly string[] }>[] = [
  { name: 'nothing', in: nothing, want: [] },
  {
    name: 'each chain in its order, to its own coordinator',
    in: ground(bookOf(a, b, ...chain, sealed('b', 1))),
    want: [`a1 receipts/${one}`, `a2 receipts/${one}`, `a3 receipts/${one}`, `b1 receipts/${other}`],
  },
  { name: 'what is not acknowledged', in: ground(bookOf(a, ...chain, acknowledged)), want: [`a3 receipts/${one}`] },
  { name: "nothing of a friend's", in: ground(bookOf(opened('a', null), ...chain)), want: [] },
  { name: 'nothing to a coordinator that the owner took away', in: ground(bookOf(a, ...chain), [], [other]), want: [] },
  {
    name: 'not the last one while it may be countersigned',
    in: ground(bookOf(a, ...chain), ['a']),
    want: [`a1 receipts/${one}`, `a2 receipts/${one}`],
  },
  {
    name: 'the last one when it is disputed',
    in: ground(bookOf(a, ...chain, acknowledged, disputed), ['a']),
    want: [`a3 receipts/${one}`],
  },
  { name: 'the last one when it is', in: ground(bookOf(a, ...chain, acknowledged, witnessed), ['a']), want: [`a3+ receipts/${one}`] },
  { name: 'of a session that is over', in: ground(bookOf(a, sealed('a', 1, true))), want: [`a1 receipts/${one}`] },
  {
    name: 'what its consumer vouched for and never countersigned, once, before the last one of a session that is over',
    in: ground(bookOf(a, sealed('a', 1), vouched, sealed('a', 2, true), b, sealed('b', 1))),
    want: [`a1 receipts/${one}`, `a vouched receipts/${one}`, `a2 receipts/${one}`, `b1 receipts/${other}`],
  },
  { name: 'no voucher of a session that goes on', in: ground(bookOf(a, sealed('a', 1), vouched)), want: [`a1 receipts/${one}`] },
  {
    name: 'the newest root, behind the receipts',
    in: ground(bookOf(a, sealed('a', 1), rooted(1), rooted(2))),
    want: [`a1 receipts/${one}`, 'root 2'],
  },
  { name: 'no root where nobody wants it', in: ground(bookOf(rooted(1)), [], []), want: [] },
];

const sending = suite('outbox: sends');
for (const row of rows) sending(row.name, () => assert.equal(drain(outbox.start(row.in), row.in), row.want));

const full = ground(bookOf(a, ...chain));
const first = outbox.start(full);
const [said] = [published(first)];
if (said === null) throw new Error('nothing was said');
sending('one at a time, whatever happens meanwhile', () => {
  assert.equal(outbox.look(first.state, full), { state: first.state, effects: [] });
  assert.equal(outbox.paced(first.state, full), { state: first.state, effects: [] });
});
sending('once more what did not get there; not what the broker will never take', () => {
  const lost = outbox.sent(first.state, said, fault('closed', 'link', 'gone'));
  assert.is(shown(outbox.paced(lost.state, full)), `a1 receipts/${one}`);
  const tooLong = outbox.sent(first.state, said, fault('limit', 'link', 'too long'));
  assert.is(shown(outbox.paced(tooLong.state, full)), `a2 receipts/${one}`);
});
sending('a broker that does not take it is not hammered', () => {
  const spent = outbox.sent(first.state, said, fault('denied', 'link', 'quota exceeded'));
  assert.equal(spent.effects, [{ kind: 'pace', pause: 60_000 }]);
  assert.is(shown(outbox.paced(spent.state, full)), `a1 receipts/${one}`);
});
sending('nothing while there is no connection', () => {
  assert.equal(outbox.look(outbox.begin, full), { state: outbox.begin, effects: [] });
  assert.is(outbox.again(outbox.begin, id('a'), 1, full.journal), outbox.begin);
});
const empty = outbox.start(nothing);
sending('looks when there may be something, and by itself after an hour', () => {
  assert.equal(empty.effects, [{ kind: 'pace', pause: 3_600_000 }]);
  assert.is(shown(outbox.look(empty.state, full)), `a1 receipts/${one}`);
});
sending('after an hour all that is not acknowledged', () => {
  const after = (state: State): State => {
    let step: Step = { state, effects: [] };
    for (let n = 0; n < 3; n++) {
      const out = published(step) ?? said;
      const sent = n === 0 ? outbox.sent(first.state, said, null) : outbox.sent(step.state, out, null);
      step = outbox.paced(sent.state, full);
    }
    return step.state;
  };
  const idle = after(first.state);
  assert.ok(idle.kind === 'waiting' && idle.isEmpty);
  assert.is(shown(outbox.paced(idle, full)), `a1 receipts/${one}`);
});
sending('from a number on, when asked', () => {
  const g = ground(bookOf(a, ...chain, witnessed));
  const [idle] = [{ kind: 'waiting', isEmpty: true, sent: new Map([[id('a'), 3]]), root: 0, vouched: null } as State];
  const again = outbox.again(idle, id('a'), 2, g.journal);
  assert.equal(drain(outbox.look(again, g), g), [`a2 receipts/${one}`, `a3+ receipts/${one}`]);
});
sending('what is asked for while it is under way goes once more', () => {
  const asked = outbox.again(first.state, id('a'), 1, full.journal);
  const sent = outbox.sent(asked, said, null);
  assert.is(shown(outbox.paced(sent.state, full)), `a1 receipts/${one}`);
});
sending('a late countersignature passes over nothing', () => {
  const again = outbox.again(empty.state, id('a'), 3, full.journal);
  assert.equal(drain(outbox.look(again, full), full), [`a1 receipts/${one}`, `a2 receipts/${one}`, `a3 receipts/${one}`]);
});
sending.run();

const over = bookOf(a, sealed('a', 1, true), { ...acknowledged, sequence: 1, digest: digest(1) } as Mark);
const acks: readonly Readonly<{
  name: string;
  book: Journal;
  root?: KeyId;
  in: readonly [SessionId, number, Digest][];
  want: readonly [taken: number, wrong: string, outrun: number];
}>[] = [
  { name: 'the last', book: full.journal, in: [[id('a'), 3, digest(3)]], want: [1, '', 0] },
  {
    name: 'twice',
    book: full.journal,
    in: [
      [id('a'), 3, digest(3)],
      [id('a'), 3, digest(3)],
    ],
    want: [2, '', 0],
  },
  { name: 'of a session that is let go', book: over, in: [[id('a'), 1, digest(1)]], want: [0, '', 0] },
  { name: "another's", book: full.journal, root: other, in: [[id('a'), 3, digest(3)]], want: [0, 'denied order.receipts.0', 0] },
  { name: 'another chain', book: full.journal, in: [[id('a'), 3, digest(2)]], want: [0, 'forged order.receipts.0', 0] },
  { name: 'more than there is', book: full.journal, in: [[id('a'), 9, digest(9)]], want: [0, 'missing order.receipts.0', 1] },
  { name: 'of a session that never was', book: full.journal, in: [[id('c'), 1, digest(1)]], want: [0, 'missing order.receipts.0', 0] },
  {
    name: 'one of two',
    book: full.journal,
    in: [
      [id('c'), 1, digest(1)],
      [id('a'), 2, digest(2)],
    ],
    want: [1, 'missing order.receipts.0', 0],
  },
];
const acknowledge = suite('outbox: acknowledged');
for (const { name, book, root = one, in: given, want } of acks)
  acknowledge(name, () => {
    const receipts = given.map(([session, sequence, of]) => ({ session, sequence, digest: of }));
    const { marks, fault: wrong, outrun } = outbox.acknowledge(book, root, receipts);
    assert.equal([marks.length, wrong === null ? '' : `${wrong.code} ${wrong.path}`, outrun.length], want);
  });
acknowledge('a root, by its digest', () => {
  const book = bookOf(rooted(4));
  const told = outbox.acknowledgeRoot(empty.state, book, { number: 4, digest: digest(4, 'a') });
  assert.is(shown(outbox.look(told, ground(book))), '');
  const another = outbox.acknowledgeRoot(empty.state, book, { number: 4, digest: digest(3, 'a') });
  assert.is(shown(outbox.look(another, ground(book))), 'root 4');
});
const asks: readonly (readonly [name: string, root: KeyId, session: string, from: number, want: string])[] = [
  ['from the first', one, 'a', 1, ''],
  ["another's", other, 'a', 1, 'denied session'],
  ['of one that never was', one, 'c', 1, 'missing session'],
];
for (const [name, root, session, from, want] of asks)
  acknowledge(`asked: ${name}`, () => {
    const no = outbox.asked(full.journal, root, id(session), from);
    assert.is(no === null ? '' : `${no.code} ${no.path}`, want);
  });
acknowledge('asked: what is let go', () => {
  assert.is(outbox.asked(bookOf(a, ...chain, acknowledged), one, id('a'), 2)?.path, 'from');
  assert.is(outbox.asked(bookOf(a), one, id('a'), 1)?.path, 'from');
});
acknowledge.run();
