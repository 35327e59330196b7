import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as books from '../../agent/consumer/book.ts';
import type { Terms } from '../../agent/consumer/terms.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Receipt, Voucher } from '../../agent/core/receipt.ts';
import type { Pair } from '../../agent/core/seat.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as wire from '../../agent/wire/receipt.ts';
import * as story from '../wire/story.ts';

const terms: Terms = {
  node: story.signers.node.key,
  anchor: { session: story.session, sequence: 0, digest: story.anchor },
  grant: story.first,
  later: new Set([story.topped]),
};
const plenty: Pair<ByteCount> = { up: (1n << 40n) as ByteCount, down: (1n << 40n) as ByteCount };
const fresh: books.Book = { ...books.begin(story.session), own: plenty };
const [one, two, three, four] = story.chain;
if (one === undefined || two === undefined || three === undefined || four === undefined) throw new Error('story: no chain');
const bytesOf = (signed: cose.Signed): Uint8Array => cose.encode(signed);
const forged = (value: Receipt, more: Partial<Receipt>): Uint8Array => bytesOf(story.sign('receipt', { ...value, ...more }, 'node'));

/** What was said to each, and the book after it. */
function read(messages: readonly Uint8Array[], from = fresh, of = terms): Readonly<{ said: readonly string[]; book: books.Book }> {
  let book = from;
  const said = messages.map((message) => {
    const heard = books.hear(of, book, message, story.signers.consumer, hashes);
    if (!heard.ok) return `${heard.fault.code} ${heard.fault.path}`;
    book = heard.value.book;
    const { opinion, reply } = heard.value;
    const answer = wire.decodeDatagram(reply);
    assert.ok(answer.ok);
    return opinion.kind === 'disputed'
      ? `disputed ${opinion.reason}`
      : opinion.kind === 'wanting'
        ? `wanting ${opinion.from}`
        : `${opinion.kind}: ${answer.value.kind}`;
  });
  return { said, book };
}

const chain = [one, two, three, four].map(({ signed }) => bytesOf(signed));
const [first = new Uint8Array(), second = new Uint8Array(), third = new Uint8Array(), fourth = new Uint8Array()] = chain;
const agreed = 'agreed: witnessed';
const otherSecond = forged(two.value, { up: (two.value.up + 1) as Receipt['up'] });
const own = (millions: number): ByteCount => (BigInt(millions) * 1_000_000n) as ByteCount;
const poor = { up: 0n as ByteCount, down: 0n as ByteCount };

const cases: readonly Readonly<{
  name: string;
  messages: readonly Uint8Array[];
  from?: books.Book;
  of?: Terms;
  want: readonly string[];
}>[] = [
  { name: 'a chain', messages: chain, want: [agreed, agreed, agreed, agreed] },
  {
    name: 'a receipt that comes again',
    messages: [first, first, second, first],
    want: [agreed, 'known: witnessed', agreed, 'known: witnessed'],
  },
  { name: 'one that is missing', messages: [first, third, second, third], want: [agreed, 'wanting 2', agreed, agreed] },
  { name: 'the beginning is missing', messages: [second], want: ['wanting 1'] },
  {
    name: 'one that never comes',
    messages: [first, ...Array<Uint8Array>(9).fill(third), fourth],
    want: [agreed, ...Array<string>(8).fill('wanting 2'), 'disputed chain', agreed],
  },
  {
    name: 'the chain told twice: nothing is agreed with any more',
    messages: [first, second, otherSecond, third, fourth, second],
    want: [agreed, agreed, 'disputed chain', 'disputed chain', 'disputed chain', 'known: witnessed'],
  },
  {
    name: 'a follower of something else',
    messages: [first, forged(two.value, { previous: story.anchor }), second],
    want: [agreed, 'disputed chain', 'disputed chain'],
  },
  {
    name: 'more than passed, and then it passed',
    messages: [first, second, third],
    from: { ...fresh, own: poor },
    want: ['disputed bytes', 'disputed bytes', 'disputed bytes'],
  },
  {
    name: 'another price, and the right one again',
    messages: [forged(one.value, { due: null }), bytesOf(story.sign('receipt', two.value, 'node'))],
    want: ['disputed price', 'disputed chain'],
  },
  {
    name: 'terms that never come, and the chain goes on',
    messages: [first, ...Array<Uint8Array>(9).fill(second), second, third],
    of: { ...terms, later: new Set() },
    want: [agreed, ...Array<string>(8).fill('wanting 2'), 'disputed terms', 'known: disputed', 'wanting 3'],
  },
  { name: 'a stranger’s', messages: [bytesOf(story.sign('receipt', one.value, 'stranger'))], want: ['stranger protected.4'] },
  { name: 'of another session', messages: [forged(one.value, { session: story.topped })], want: ['denied receipt.session'] },
  { name: 'no receipt', messages: [bytesOf(story.sign('root', story.root, 'node'))], want: ['unsupported protected.3'] },
  { name: 'noise', messages: [new Uint8Array(40).fill(0x9f)], want: ['malformed byte 0'] },
];

const book = suite('consumer: the book');
for (const { name, messages, from, of, want } of cases) book(name, () => assert.equal(read(messages, from, of).said, want));

book('a countersignature holds, and a dispute has the consumer’s own figures', () => {
  const witnessed = books.hear(terms, fresh, first, story.signers.consumer, hashes);
  const disputed = books.hear(terms, { ...fresh, own: poor }, first, story.signers.consumer, hashes);
  assert.ok(witnessed.ok && disputed.ok);
  const [countersignature, dispute] = [wire.decodeDatagram(witnessed.value.reply), wire.decodeDatagram(disputed.value.reply)];
  assert.ok(countersignature.ok && countersignature.value.kind === 'witnessed');
  assert.ok(cose.isWitnessed(one.signed, countersignature.value.signature, story.keyOf('consumer'), hashes));
  assert.ok(dispute.ok && dispute.value.kind === 'disputed');
  const signed = cose.decode(dispute.value.dispute);
  const verified = signed.ok ? cose.verify(signed.value, story.keyOf('consumer'), hashes) : signed;
  const said = verified.ok ? cose.read(verified.value, 'dispute', wire.dispute) : verified;
  const digest = cose.digestOf(one.signed, hashes);
  assert.equal(said, { ok: true, value: { session: story.session, sequence: 1, digest, reason: 'bytes', counted: poor } });
});

book('a late one is passed over when its number is forgotten', () => {
  const { book: after } = read(chain);
  assert.equal(read([first], { ...after, answers: after.answers.slice(1) }).said, ['stale receipt.sequence']);
});

const vouches: readonly Readonly<{ name: string; of: books.Book; tally: Voucher; isGiven: boolean }>[] = [
  { name: 'for what it counted', of: fresh, tally: story.voucher, isGiven: true },
  { name: 'for more, within the band', of: { ...fresh, own: { up: own(18), down: own(1905) } }, tally: story.voucher, isGiven: true },
  { name: 'not for more than that', of: { ...fresh, own: { up: own(19), down: own(1900) } }, tally: story.voucher, isGiven: false },
  { name: 'not for another session', of: fresh, tally: { ...story.voucher, session: story.topped }, isGiven: false },
  { name: 'not for a router that lied', of: { ...fresh, isBroken: true }, tally: story.voucher, isGiven: false },
];
for (const { name, of, tally, isGiven } of vouches)
  book(`vouches ${name}`, () => {
    const message = books.vouch(of, tally, story.signers.consumer, hashes);
    assert.is(message !== null, isGiven);
    if (message !== null) assert.equal(message, cose.encode(story.sign('voucher', tally, 'consumer')));
  });

book('as it is kept: there and back, and cut anywhere', () => {
  for (const after of [fresh, read([first, third]).book, read(chain).book, read([first, second, otherSecond]).book]) {
    const bytes = books.encode(after);
    assert.equal(books.decode(bytes), { ok: true, value: after });
    for (let end = 0; end < bytes.length; end += 7) assert.not.ok(books.decode(bytes.slice(0, end)).ok, `after ${end}`);
  }
});
book('answers are kept for the newest', () => {
  const many = { ...fresh, answers: Array.from({ length: 32 }, (_, i) => ({ sequence: i + 1, digest: story.anchor, bytes: first })) };
  assert.is(read([first], many).book.answers.length, 32);
});
book.run();
