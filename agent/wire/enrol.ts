// Enrolment as docs/PROTOCOL.md writes it: a node's request by its own key, and the answer by a key that its pinned root has certified.

import type { Seconds } from '../core/brand.ts';
import type { Answer, Answered, Code, Enrolment } from '../core/enrol.ts';
import { nameOf } from '../core/enrol.ts';
import type { Hashes } from '../core/hash.ts';
import type { Keyring } from '../core/keyring.ts';
import * as keyring from '../core/keyring.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Digest, KeyId } from '../core/signed.ts';
import type { Signer } from '../crypto/ed25519.ts';
import * as cbor from './cbor.ts';
import { refusal } from './command.ts';
import type { Signed } from './cose.ts';
import * as cose from './cose.ts';
import * as form from './form.ts';
import * as names from './names.ts';

export const enrolment: form.Form<Enrolment> = form.record({
  key: [1, names.publicKey],
  epoch: [2, names.nonce],
  starts: [3, form.whole(1, Number.MAX_SAFE_INTEGER)],
  root: [4, names.keyId],
  name: [5, form.text(/^[a-z2-7]{4}$/, 'the name of a code')],
  proof: [6, names.digest],
});

const answer: form.Form<Answer> = form.oneOf({ enrolled: [0, form.record({})], refused: [1, refusal] });
export const answered: form.Form<Answered> = form.record({
  node: [1, names.keyId],
  epoch: [2, names.nonce],
  answer: [3, answer],
});

type Asked = Omit<Enrolment, 'name' | 'proof'>;

/** For the coordinator, too, who knows which code has this name. */
export function proofOf(code: Code, { key, epoch, starts, root }: Asked, { sha256 }: Hashes): Digest {
  return form.hexOf(sha256(cbor.encode(['weir enrol', code, key, names.nonce.write(epoch), starts, names.keyId.write(root)]))) as Digest;
}

/** By which a node knows later that this code has done its work there; says nothing of the code. */
export const markOf = (code: Code, root: KeyId, { sha256 }: Hashes): Digest =>
  form.hexOf(sha256(cbor.encode(['weir enrolled', code, names.keyId.write(root)]))) as Digest;

export function ask(code: Code, asked: Asked, signer: Signer, hashes: Hashes): Uint8Array {
  const request: Enrolment = { ...asked, name: nameOf(code), proof: proofOf(code, asked, hashes) };
  return cose.encode(cose.sign('enrol', enrolment.write(request), signer, hashes));
}

/** It brings its own key, as a birth does. Whether it proves to know the code is the reader's to look at. */
export function readRequest(signed: Signed, hashes: Hashes): Result<Enrolment> {
  const told = enrolment.read(signed.body);
  if (!told.ok) return { ok: false, fault: under('enrol', told.fault) };
  const verified = cose.verify(signed, told.value.key, hashes);
  return verified.ok ? cose.read(verified.value, 'enrol', enrolment) : verified;
}

/** Of one whose word counts here. `asked`: by this start of the node. `earliest`: what the time is at least. */
export function readAnswer(
  signed: Signed,
  asked: Pick<Asked, 'epoch' | 'root'> & Pick<Answered, 'node'>,
  ring: Keyring,
  earliest: Seconds,
  hashes: Hashes,
): Result<Answer> {
  const key = keyring.find(ring, signed.signer, 'command', earliest);
  if (!key.ok) return key;
  if (key.value.root !== asked.root) return fail('stranger', 'key', 'of another root than the one that was asked');
  const verified = cose.verify(signed, key.value.key, hashes);
  const read = verified.ok ? cose.read(verified.value, 'enrolled', answered) : verified;
  if (!read.ok) return read;
  if (read.value.node !== asked.node) return fail('denied', 'enrolled.node', 'meant for another node');
  if (read.value.epoch !== asked.epoch) return fail('stale', 'enrolled.epoch', 'of another start of this agent');
  return ok(read.value.answer);
}
