import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { leafOf, rootBy } from '../../agent/core/merkle.ts';
import * as receipts from '../../agent/core/receipt.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { bytesOf, hexOf } from '../../agent/wire/form.ts';
import * as receipt from '../../agent/wire/receipt.ts';
import kept from '../vectors/signed.json';
import * as story from './story.ts';
import { datagrams, vectors } from './vectors.ts';

const file = suite('test/vectors/signed.json');
const made = vectors();
file('is what is made', () => {
  for (const part of Object.keys(made) as (keyof typeof made)[]) assert.equal(kept[part], made[part], `run scripts/vectors.ts: ${part}`);
});
file.run();

const story_ = suite('the story');
story_('the chain follows its grant, and itself', () => {
  const [first] = story.chain;
  if (first === undefined) throw new Error('no chain');
  const anchor = { session: story.session, sequence: 0, digest: story.anchor };
  assert.equal(receipts.faultsOfFirst(anchor, story.first, first.value), []);
  for (const [i, { value }] of story.chain.slice(1).entries()) {
    const before = story.chain[i];
    if (before !== undefined) assert.equal(receipts.faultsBetween(before.value, cose.digestOf(before.signed, hashes), value), []);
  }
});
story_('a receipt with its countersignature has 400 bytes at most', () => {
  for (const { signed, witness } of story.chain) assert.ok(cose.encode({ ...signed, witness }).length <= 400);
  // A pebibyte each way, every optional field there.
  const [, , third] = story.chain;
  if (third === undefined) throw new Error('no chain');
  const big = { up: 1n << 50n, down: 1n << 50n } as (typeof third.value)['counted'];
  const largest = story.sign(
    'receipt',
    {
      ...third.value,
      sequence: 70_000,
      counted: big,
      tunnel: big,
      left: { kind: 'split', ...big },
      final: 'unwitnessed',
      witnessed: 69_999,
    },
    'node',
  );
  const size = cose.encode({ ...largest, witness: third.witness }).length;
  assert.ok(size <= 400, `${size}`);
});
story_('each head is proven in the root, and no other', () => {
  for (const chain of made.heads.chains) {
    const proof = receipt.proof.read(unwrap(bytesOf(chain.proof)));
    if (!proof.ok) throw new Error(proof.fault.reason);
    const { index, size, path } = proof.value;
    const leaf = leafOf(bytesOf(chain.entry), hashes.sha256);
    assert.is(hexOf(rootBy(leaf, index, size, path, hashes.sha256) ?? new Uint8Array()), story.root.heads);
    const other = leafOf(bytesOf(chain.entry).reverse(), hashes.sha256);
    assert.is.not(hexOf(rootBy(other, index, size, path, hashes.sha256) ?? new Uint8Array()), story.root.heads);
  }
});
function unwrap(bytes: Uint8Array): cbor.Value {
  const value = cbor.decode(bytes);
  if (!value.ok) throw new Error(value.fault.reason);
  return value.value;
}
story_.run();

const birth = suite('a birth brings its key');
const born = story.sign('birth', story.birth, 'node');
birth('and holds by it', () => {
  const read = command.readBirth(born, hashes);
  assert.is(read.ok && hexOf(read.value.key), hexOf(story.keyOf('node')));
});
birth('but not by another', () => {
  const read = command.readBirth(story.sign('birth', story.birth, 'stranger'), hashes);
  assert.is(!read.ok && `${read.fault.code} ${read.fault.path}`, 'stranger protected.4');
});
birth('and is nothing else', () => {
  const read = command.readBirth(story.sign('grant', story.first, 'node'), hashes);
  assert.is(read.ok, false);
});
birth.run();

const datagram = suite('datagrams');
for (const d of datagrams) {
  const bytes = receipt.encodeDatagram(d);
  datagram(`${d.kind}: there and back`, () => assert.equal(receipt.decodeDatagram(bytes), { ok: true, value: d }));
  datagram(`${d.kind}: cut anywhere`, () => {
    for (let end = 0; end < bytes.length; end++) assert.not.ok(receipt.decodeDatagram(bytes.slice(0, end)).ok, `after ${end}`);
  });
}
const wrong: readonly (readonly [name: string, value: cbor.Value, code: string, path: string])[] = [
  ['no array', new Map(), 'malformed', ''],
  ['no such kind', [9, new Map()], 'unsupported', ''],
  ['a kind in words', ['sealed', new Map()], 'unsupported', ''],
  ['three parts', [4, new Map(), 0], 'malformed', ''],
  ['sealed nothing', [1, new Map()], 'missing', 'sealed.receipt'],
  ['sealed too much', [1, new Map([[1, new Uint8Array(1025)]])], 'malformed', 'sealed.receipt'],
  ['too large', [1, new Map([[1, new Uint8Array(1230)]])], 'limit', ''],
  ['wanted from 0', [4, new Map([[1, 0]])], 'malformed', 'wanted.from'],
  ['an unknown field', [4, new Map([[2, 0]])], 'unsupported', 'wanted.2'],
];
for (const [name, value, code, path] of wrong)
  datagram(name, () => {
    const result = receipt.decodeDatagram(cbor.encode(value));
    assert.is(!result.ok && `${result.fault.code} ${result.fault.path}`, `${code} ${path}`);
  });
datagram.run();
