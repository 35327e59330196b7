import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Fault, Result } from '../../agent/core/result.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Value } from '../../agent/wire/cbor.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import type { Signed } from '../../agent/wire/cose.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as form from '../../agent/wire/form.ts';
import type { Refused } from './refused.ts';
import { refused } from './refused.ts';
import * as story from './story.ts';

const { hexOf } = form;
function must<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(JSON.stringify(result.fault));
  return result.value;
}

const good = suite('cose: a message');
for (const { name, kind, by, signed } of story.messages) {
  const bytes = cose.encode(signed);
  good(`${name}: there and back`, () => {
    const decoded = must(cose.decode(bytes));
    assert.is(decoded.kind, kind);
    assert.is(decoded.signer, story.idOf(by));
    assert.is(hexOf(cose.encode(decoded)), hexOf(bytes));
    const verified = must(cose.verify(decoded, story.keyOf(by), hashes));
    const value = must(cose.read<unknown>(verified, kind, story.forms[kind]));
    assert.is(hexOf(cbor.encode((story.forms[kind] as form.Form<unknown>).write(value))), hexOf(decoded.payload));
  });
  good(`${name}: cut anywhere`, () => {
    for (let end = 0; end < bytes.length; end++) {
      const cut = cose.decode(bytes.slice(0, end));
      assert.is(cut.ok, false, `after ${end}`);
    }
  });
  good(`${name}: a note is passed over`, () => {
    const body = new Map(signed.body as ReadonlyMap<number, Value>).set(-1, ['later']);
    const value = must(cose.read<unknown>(cose.sign(kind, body, story.signers[by], hashes), kind, story.forms[kind]));
    assert.is(hexOf(cbor.encode((story.forms[kind] as form.Form<unknown>).write(value))), hexOf(signed.payload));
  });
}
good('of one kind is not read as another', () => {
  const read = cose.read(story.signedFirst, 'receipt', story.forms.receipt);
  assert.is(!read.ok && `${read.fault.code} ${read.fault.path}`, 'unsupported protected.3');
});
good('as large as allowed, and a byte larger', () => {
  const sized = (size: number): Uint8Array =>
    cose.encode(cose.sign('root', new Map([[-1, new Uint8Array(size)]]), story.signers.node, hashes));
  const over = 4096 - sized(3900).length + 3900;
  assert.ok(cose.decode(sized(over)).ok);
  assert.is(sized(over + 1).length, 4097);
  assert.not.ok(cose.decode(sized(over + 1)).ok);
});
good.run();

const bad = suite('cose: refuses');
function faultOf({ stage, by, bytes }: Refused): Fault | null {
  const decoded = cose.decode(bytes);
  if (!decoded.ok || stage === 'decode') return decoded.ok ? null : decoded.fault;
  const verified = cose.verify(decoded.value, story.keyOf(by), hashes);
  if (!verified.ok || stage === 'verify') return verified.ok ? null : verified.fault;
  const read = cose.read<unknown>(verified.value, decoded.value.kind, story.forms[decoded.value.kind]);
  return read.ok ? null : read.fault;
}
for (const row of refused)
  bad(row.name, () => {
    const fault = faultOf(row);
    assert.ok(fault, 'was taken');
    assert.is(fault?.code, row.code);
    if (row.path.endsWith('*')) assert.ok(fault?.path.startsWith(row.path.slice(0, -1)), fault?.path);
    else assert.is(fault?.path, row.path);
  });
bad('150 inputs and more', () => assert.ok(refused.length >= 150, `${refused.length}`));
bad('without a hash, whatever can be', () => {
  // Decoding is not handed any.
  assert.is(cose.decode.length, 1);
});
bad.run();

const witnessed = suite('cose: the countersignature');
const [receipt, other] = story.chain;
if (receipt === undefined || other === undefined) throw new Error('story: no chain');
const { consumer, stranger, node } = story.signers;
const cases: readonly Readonly<{ name: string; of: Signed; signature: Uint8Array; by: typeof consumer; want: boolean }>[] = [
  { name: 'of the consumer', of: receipt.signed, signature: receipt.witness, by: consumer, want: true },
  {
    name: 'with another there already',
    of: { ...receipt.signed, witness: other.witness },
    signature: receipt.witness,
    by: consumer,
    want: true,
  },
  { name: 'of a stranger', of: receipt.signed, signature: cose.witness(receipt.signed, stranger), by: consumer, want: false },
  { name: 'of another receipt', of: receipt.signed, signature: other.witness, by: consumer, want: false },
  { name: 'the signature below it', of: receipt.signed, signature: receipt.signed.signature, by: node, want: false },
  {
    name: 'of the same words, signed another time',
    of: { ...receipt.signed, signature: other.signed.signature },
    signature: receipt.witness,
    by: consumer,
    want: false,
  },
  { name: 'cut', of: receipt.signed, signature: receipt.witness.slice(1), by: consumer, want: false },
];
for (const c of cases) witnessed(c.name, () => assert.is(cose.isWitnessed(c.of, c.signature, c.by.key, hashes), c.want));
witnessed('changes no digest', () => {
  const plain = cose.digestOf(receipt.signed, hashes);
  assert.is(cose.digestOf({ ...receipt.signed, witness: receipt.witness }, hashes), plain);
  assert.is(hexOf(hashes.sha256(cose.encode(receipt.signed))), plain);
});
witnessed('the bytes that are signed, by RFC 9338', () => {
  const parts = must(cbor.decode(cose.encode(receipt.signed))) as readonly Value[];
  const [head = null, , payload = null, signature = null] = parts;
  const bytes = cbor.encode(['CounterSignature0V2', head, new Uint8Array(), payload, [signature]]);
  assert.is(hexOf(consumer.sign(bytes)), hexOf(receipt.witness));
});
witnessed.run();

const names = suite('cose: names of keys');
names('16 letters and digits, there and back', () => {
  for (const who of Object.keys(story.signers) as story.Who[]) {
    const id = story.idOf(who);
    assert.match(id, /^[a-z2-7]{16}$/);
    assert.is(cose.renderKeyId(cose.bytesOfKeyId(id)), id);
    assert.is(hexOf(cose.bytesOfKeyId(id)), hexOf(hashes.sha256(story.keyOf(who)).slice(0, 10)));
  }
});
names.run();
