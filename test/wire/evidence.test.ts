import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount, Millis } from '../../agent/core/brand.ts';
import * as receipts from '../../agent/core/receipt.ts';
import * as roots from '../../agent/core/root.ts';
import type { Digest, GrantId, Nonce } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Signed, Verified } from '../../agent/wire/cose.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wire from '../../agent/wire/receipt.ts';
import * as story from './story.ts';

const certificate = story.sign('certificate', story.certificate, 'root');
const birth = story.sign('birth', story.birth, 'node');
const grants = [story.signedFirst, story.signedSecond];
const chain = story.chain.map(({ signed, witness }): Signed => ({ ...signed, witness }));
const whole: readonly Signed[] = [certificate, birth, ...grants, ...chain];
const [first, second, third, fourth] = story.chain;
if (first === undefined || second === undefined || third === undefined || fourth === undefined) throw new Error('story: no chain');

const link = { session: story.session, sequence: 1, digest: cose.digestOf(first.signed, hashes) };
const receipt = (more: Partial<receipts.Receipt>, by: story.Who = 'node'): Verified =>
  story.sign('receipt', { ...second.value, ...more }, by);
const head = { session: story.session, sequence: 1, digest: link.digest };
const rootOver = (over: readonly receipts.Link[], up: Millis, more: object = {}): Verified => {
  const heads = hexOf(roots.headsOf(over, wire.encodeHead, hashes.sha256)) as Digest;
  return story.sign(
    'root',
    { ...story.root, number: 1, previous: null, boot: first.value.boot, up, size: over.length, heads, ...more },
    'node',
  );
};
const root = (more: object = {}): Verified => rootOver([head], first.value.up, more);

const examine = (messages: readonly Signed[], trusted: readonly story.Who[] = ['root']): evidence.Report =>
  evidence.examine(messages.map(cose.encode), trusted.map(story.keyOf), hashes);
const findingsOf = (report: evidence.Report): readonly string[] => report.findings.map((f) => `${f.where} ${f.fault.code} ${f.fault.path}`);

const good = suite('evidence: holds');
good('a session from end to end', () => {
  const report = examine(whole);
  assert.equal(report.findings, []);
  const { counted, due, final } = fourth.value;
  const told = {
    session: story.session,
    node: story.idOf('node'),
    receipts: 4,
    last: 4,
    counted,
    due,
    witnessed: 4,
    vouched: null,
    disputes: [],
    final,
  };
  assert.equal(report.sessions, [told]);
});
good('in any order, and twice', () => assert.equal(examine([...whole, ...whole].toReversed()).findings, []));
good('a root whose chains are here, and one whose are not', () => {
  const next = root({ number: 2, previous: cose.digestOf(root(), hashes), size: 2 });
  const report = examine([...whole, next, root()]);
  assert.equal(report.findings, []);
  assert.equal(
    report.roots.map(({ number, isShown }) => `${number} ${isShown}`),
    ['1 true', '2 false'],
  );
});
good('a dispute of one of its receipts', () => {
  const report = examine([...whole, story.sign('dispute', story.dispute, 'consumer')]);
  assert.equal(report.findings, []);
  assert.equal(report.sessions[0]?.disputes, [story.dispute]);
});
good('births of one life, and of the next', () => {
  const uncounted = { epoch: '88'.repeat(16) as Nonce, starts: null };
  const more = [{ sequence: 9 }, uncounted, { epoch: '77'.repeat(16) as Nonce, starts: story.birth.starts + 1 }];
  assert.equal(examine([birth, ...more.map((one) => story.sign('birth', { ...story.birth, ...one }, 'node'))]).findings, []);
});
good('as text', () => {
  const messages = whole.map(cose.encode);
  const parsed = evidence.parse(`# a session\n\n${evidence.render(messages)}`);
  assert.equal(parsed.ok && parsed.value, messages);
  const wrong = evidence.parse('00\nxy\n');
  assert.is(!wrong.ok && `${wrong.fault.code} ${wrong.fault.path}`, 'malformed line 2');
});
good.run();

const bad = suite('evidence: finds');
const [c1, c2, c3, c4] = chain as [Signed, Signed, Signed, Signed];
const ground = [certificate, birth, ...grants];
const counted = { up: 0n as ByteCount, down: 5_000_000_001n as ByteCount };
const excessive = (more: Partial<receipts.Receipt>): Verified =>
  receipt({
    counted,
    packets: { up: second.value.packets.up, down: 9_000_000n },
    due: second.value.due === null ? null : { ...second.value.due, amount: receipts.amountOf(counted, second.value.due.price) },
    sequence: 1,
    previous: story.anchor,
    witnessed: null,
    ...more,
  });
const cases: readonly Readonly<{ name: string; messages: readonly Signed[]; trusted?: readonly story.Who[]; want: readonly string[] }>[] = [
  { name: 'a receipt that is missing', messages: [...ground, c1, c2, c4], want: ['message 7 missing sequence'] },
  { name: 'the first that is missing', messages: [...ground, c2, c3], want: ['message 5 missing sequence'] },
  {
    name: 'two receipts with one number',
    messages: [...whole, receipt({ packets: { up: 10_001n, down: 600_000n } })],
    want: ['message 9 forged sequence', 'message 7 forged previous'],
  },
  {
    name: 'money that is not bytes times price',
    messages: [...ground, c1, receipt({ counted: { up: 9_000_000n as ByteCount, down: 641_000_000n as ByteCount } })],
    want: ['message 6 denied due'],
  },
  { name: 'a receipt by another', messages: [...ground, c1, receipt({}, 'stranger')], want: ['message 6 stranger protected.4'] },
  {
    name: 'a receipt by another whose key is known',
    messages: [...ground, c1, receipt({}, 'consumer')],
    trusted: ['root', 'consumer'],
    want: ['message 6 stranger protected.4'],
  },
  {
    name: 'a signature that was changed',
    messages: [...ground, c1, { ...c2, signature: c1.signature }],
    want: ['message 6 forged signature'],
  },
  { name: 'another’s countersignature', messages: [...ground, { ...c1, witness: c2.witness }], want: ['message 5 forged unprotected.12'] },
  {
    name: 'no root to vouch',
    messages: [certificate, birth, story.signedFirst],
    trusted: [],
    want: ['message 1 stranger protected.4', 'message 3 stranger protected.4'],
  },
  { name: 'no grant', messages: [birth, c1], want: [`session ${story.session} missing grant`, 'message 2 forged unprotected.12'] },
  { name: 'all that was granted, and a byte', messages: [...ground, excessive({})], want: ['message 5 limit counted'] },
  { name: 'more, by terms that are not here', messages: [...ground, excessive({ terms: 'ee'.repeat(16) as GrantId })], want: [] },
  {
    name: 'a dispute of another receipt than is here',
    messages: [...whole, story.sign('dispute', { ...story.dispute, digest: story.anchor }, 'consumer')],
    want: ['message 9 forged dispute.digest'],
  },
  {
    name: 'a dispute by another',
    messages: [...whole, story.sign('dispute', story.dispute, 'stranger')],
    want: ['message 9 stranger protected.4'],
  },
  {
    name: 'a root over a receipt that is not here',
    messages: [...ground, c1, rootOver([{ ...head, sequence: 2, digest: cose.digestOf(second.signed, hashes) }], second.value.up)],
    want: ['message 6 missing heads'],
  },
  {
    name: 'a root that says something else',
    messages: [...ground, c1, c2, rootOver([{ ...head, digest: story.anchor }], first.value.up)],
    want: ['message 7 forged heads'],
  },
  {
    name: 'two epochs under one count of starts',
    messages: [birth, story.sign('birth', { ...story.birth, epoch: '77'.repeat(16) as Nonce }, 'node')],
    want: ['message 2 forged starts'],
  },
  {
    name: 'two counts of starts under one epoch',
    messages: [birth, story.sign('birth', { ...story.birth, starts: 99 }, 'node')],
    want: ['message 2 forged starts'],
  },
  { name: 'two roots with one number', messages: [birth, root(), root({ size: 3 })], want: ['message 3 forged number'] },
  { name: 'roots that do not follow', messages: [birth, root(), root({ number: 2 })], want: ['message 3 forged previous'] },
];
for (const c of cases) bad(c.name, () => assert.equal(findingsOf(examine(c.messages, c.trusted)), c.want));
bad('what is no message', () => {
  const report = evidence.examine([Uint8Array.of(0x80)], [], hashes);
  assert.equal(findingsOf(report), ['message 1 malformed ']);
});
bad.run();
