// A node's request and the answer to it: who is believed, and that a proof holds for one key, one start and one root alone.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Seconds, seconds } from '../../agent/core/brand.ts';
import type { Answer, Answered, Code } from '../../agent/core/enrol.ts';
import type { Certified, Keyring, Role } from '../../agent/core/keyring.ts';
import type { Nonce } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as enrol from '../../agent/wire/enrol.ts';
import * as story from './story.ts';

const asked = { key: story.keyOf('node'), epoch: story.epoch, starts: 12, root: story.idOf('root') };
const signed = (bytes: Uint8Array): cose.Signed => {
  const decoded = cose.decode(bytes);
  if (!decoded.ok) throw new Error(decoded.fault.reason);
  return decoded.value;
};

const requests = suite('requests');
requests('say who asks whom, and that it knows the code', () => {
  const read = enrol.readRequest(signed(enrol.ask(story.code, asked, story.signers.node, hashes)), hashes);
  assert.equal(read, { ok: true, value: { ...asked, name: 'abcd', proof: enrol.proofOf(story.code, asked, hashes) } });
});
requests('never hold the code', () => {
  const text = String.fromCharCode(...enrol.ask(story.code, asked, story.signers.node, hashes));
  assert.not.match(text, story.code.slice(4, 12));
});
for (const [name, other] of [
  ['key', { ...asked, key: story.keyOf('stranger') }],
  ['start', { ...asked, starts: 13 }],
  ['epoch', { ...asked, epoch: '0'.repeat(32) as Nonce }],
  ['root', { ...asked, root: story.idOf('stranger') }],
] as const)
  requests(`prove nothing for another ${name}`, () =>
    assert.is.not(enrol.proofOf(story.code, other, hashes), enrol.proofOf(story.code, asked, hashes)),
  );
requests('prove nothing for another code of the same name', () =>
  assert.is.not(enrol.proofOf('abcdefgh2345wxyzmnoq' as Code, asked, hashes), enrol.proofOf(story.code, asked, hashes)),
);
requests("under another's key are refused", () => {
  const read = enrol.readRequest(signed(enrol.ask(story.code, asked, story.signers.stranger, hashes)), hashes);
  assert.not(read.ok);
  if (!read.ok) assert.equal([read.fault.code, read.fault.path], ['stranger', 'protected.4']);
});
requests.run();

const noon = story.noon;
const ringOf = (may: readonly Role[], until: Seconds): Keyring => {
  const key: Certified = { ...story.certificate, may, until, id: story.idOf('coordinator'), root: story.idOf('root') };
  return new Map([[story.idOf('root'), { key: story.keyOf('root'), least: 1, keys: [key] }]]);
};
const ring = ringOf(['command'], seconds(noon + 60));
const node = { node: story.idOf('node'), epoch: story.epoch, root: story.idOf('root') };
const said: Answered = { node: node.node, epoch: node.epoch, answer: { kind: 'enrolled' } };
const by = (who: story.Who, answer: Partial<Answered> = {}): cose.Signed => story.sign('enrolled', { ...said, ...answer }, who);
const no: Answer = { kind: 'refused', code: 'expired', path: 'code', reason: 'was good until yesterday' };

const answers = suite('answers');
for (const answer of [said.answer, no])
  answers(`${answer.kind}`, () =>
    assert.equal(enrol.readAnswer(by('coordinator', { answer }), node, ring, noon, hashes), { ok: true, value: answer }),
  );
const refused: readonly (readonly [name: string, of: cose.Signed, ring: Keyring, root: typeof node.root, code: string, path: string])[] = [
  ["a stranger's", by('stranger'), ring, node.root, 'stranger', 'key'],
  ['one by a key that may not command', by('coordinator'), ringOf(['grant'], noon), node.root, 'denied', 'certificate'],
  ['one by a key that is over', by('coordinator'), ringOf(['command'], seconds(noon - 1)), node.root, 'expired', 'certificate'],
  ['that of another coordinator of ours', by('coordinator'), ring, story.idOf('stranger'), 'stranger', 'key'],
  ['a forged one', { ...by('coordinator'), signature: new Uint8Array(64) }, ring, node.root, 'forged', 'signature'],
  [
    'another message of theirs',
    story.sign('command', story.orderOf({ kind: 'restart' }, 1), 'coordinator'),
    ring,
    node.root,
    'unsupported',
    'protected.3',
  ],
  ["another node's", by('coordinator', { node: story.idOf('stranger') }), ring, node.root, 'denied', 'enrolled.node'],
  ['one of another start', by('coordinator', { epoch: '0'.repeat(32) as Nonce }), ring, node.root, 'stale', 'enrolled.epoch'],
];
for (const [name, of, keys, root, code, path] of refused)
  answers(`refused: ${name}`, () => {
    const read = enrol.readAnswer(of, { ...node, root }, keys, noon, hashes);
    assert.not(read.ok);
    if (!read.ok) assert.equal([read.fault.code, read.fault.path], [code, path]);
  });
answers.run();
