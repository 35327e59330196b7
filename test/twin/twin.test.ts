// Our codec and its twin in Python against each other: each verifies what the other signed, and both refuse what neither may take.

import { spawnSync } from 'node:child_process';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PublicKey } from '../../agent/core/brand.ts';
import { leafOf, rootBy } from '../../agent/core/merkle.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import type { Form } from '../../agent/wire/form.ts';
import { bytesOf, hexOf } from '../../agent/wire/form.ts';
import * as receipt from '../../agent/wire/receipt.ts';
import vectors from '../vectors/signed.json';
import { forms, signers, type Who } from '../wire/story.ts';

type Verdict = Readonly<{ ok: true; kind: string; digest: string; witnessed: true | null } | { ok: false; why: string }>;
type Made = Readonly<{ kind: cose.Kind; by: string; message: string }>;
type Story = Readonly<{
  keys: Readonly<Record<string, string>>;
  messages: readonly Made[];
  proofs: readonly Readonly<{ entry: string; proof: string }>[];
  root: string;
}>;
type Job =
  | Readonly<{ do: 'verify' | 'tamper'; message: string; key: string; consumer?: string }>
  | Readonly<{ do: 'prove'; entry: string; proof: string; root: string }>
  | Readonly<{ do: 'story'; seed: string }>;

function ask<T>(jobs: readonly Job[]): readonly T[] {
  const ran = spawnSync('/usr/bin/python3', ['test/twin/twin.py'], {
    input: JSON.stringify(jobs),
    encoding: 'utf8',
    maxBuffer: 64 << 20,
    timeout: 300_000,
  });
  if (ran.status !== 0) throw new Error(`the twin: ${ran.error?.message ?? ran.stderr}`);
  return JSON.parse(ran.stdout) as readonly T[];
}

const hexKey = (who: string): string => hexOf(signers[who as Who].key);
const consumer = hexKey('consumer');

/** As a reader of ours does it: null when all holds. */
function ours(message: Uint8Array, key: PublicKey, consumerKey: PublicKey): string | null {
  const decoded = cose.decode(message);
  if (!decoded.ok) return decoded.fault.reason;
  const signed = decoded.value;
  const verified = cose.verify(signed, key, hashes);
  const read = verified.ok ? cose.read(verified.value, signed.kind, forms[signed.kind] as Form<unknown>) : verified;
  if (!read.ok) return read.fault.reason;
  return signed.witness === null || cose.isWitnessed(signed, signed.witness, consumerKey, hashes) ? null : 'countersignature';
}

const theirs = suite('the twin on our messages');
theirs('holds each of them to be good, under the same digest', () => {
  const verdicts = ask<Verdict>(vectors.messages.map(({ message, by }) => ({ do: 'verify', message, key: hexKey(by), consumer })));
  for (const [i, { name, kind, digest, ...rest }] of vectors.messages.entries())
    assert.equal(verdicts[i], { ok: true, kind, digest, witnessed: 'countersignature' in rest ? true : null }, name);
});
theirs('holds each proof, and none of another head', () => {
  const { root, chains } = vectors.heads;
  const prove = (entry: string, proof: string): Job => ({ do: 'prove', entry, proof, root });
  const own = chains.map(({ entry, proof }) => prove(entry, proof));
  const swapped = chains.map(({ entry }, i) => prove(entry, String(chains[(i + 1) % chains.length]?.proof)));
  const verdicts = ask<Verdict>([...own, ...swapped]);
  assert.equal(
    verdicts.map(({ ok }) => ok),
    chains.map(() => true).concat(chains.map(() => false)),
  );
});

// A forged signature alone is refused for its signature; everything else has a reason of its own.
theirs('refuses what ours refuses, at the same stage', () => {
  const verdicts = ask<Verdict>(vectors.refused.map(({ bytes, by }) => ({ do: 'verify', message: bytes, key: hexKey(by), consumer })));
  const found = vectors.refused.flatMap(({ name, stage }, i) => {
    const verdict = verdicts[i];
    if (verdict === undefined || verdict.ok) return [`${name}: taken`];
    const isForged = /^signature: (does not hold|another key)$/.test(verdict.why);
    return isForged === (stage === 'verify') ? [] : [`${name}: ${verdict.why}`];
  });
  assert.equal(found, []);
  assert.ok(vectors.refused.length >= 150);
});
theirs.run();

const back = suite('we on the twin’s messages');
const [story] = ask<Story>([{ do: 'story', seed: `${process.pid} ${Date.now()}` }]);
if (story === undefined) throw new Error('the twin told no story');
const keyOf = (who: string): PublicKey => bytesOf(String(story.keys[who])) as PublicKey;
back('of every kind', () => assert.equal([...new Set(story.messages.map(({ kind }) => kind))].sort(), [...cose.kinds].sort()));
for (const [i, { kind, by, message }] of story.messages.entries())
  back(`message ${i}, ${kind}`, () => {
    const bytes = bytesOf(message);
    assert.is(ours(bytes, keyOf(by), keyOf('consumer')), null);
    const signed = cose.decode(bytes);
    assert.ok(signed.ok);
    assert.is(hexOf(cose.encode(signed.value)), message);
    // Every field was understood: written again it is the same, but for the notes.
    const form = forms[kind] as Form<unknown>;
    const fields = form.read(signed.value.body);
    assert.ok(fields.ok);
    const noted = signed.value.body as ReadonlyMap<number, cbor.Value>;
    const unnoted = new Map([...noted].filter(([key]) => key >= 0));
    assert.is(hexOf(cbor.encode(form.write(fields.value))), hexOf(cbor.encode(unnoted)));
    if (kind === 'birth') assert.ok(command.readBirth(signed.value, hashes).ok);
  });
back('its proofs', () => {
  for (const { entry, proof } of story.proofs) {
    const value = cbor.decode(bytesOf(proof));
    const read = value.ok ? receipt.proof.read(value.value) : value;
    assert.ok(read.ok);
    const { index, size, path } = read.value;
    const found = rootBy(leafOf(bytesOf(entry), hashes.sha256), index, size, path, hashes.sha256);
    assert.is(found === null ? null : hexOf(found), story.root);
  }
});
back.run();

const tamper = suite('a byte changed');
// One of each kind, of either maker; receipts with their countersignature.
const whole = cose.kinds.map((kind) => {
  const found = story.messages.find((m) => m.kind === kind);
  if (found === undefined) throw new Error(`no ${kind}`);
  return found;
});
const accepted = ask<readonly number[]>(
  whole.map(({ message, by }) => ({ do: 'tamper', message, key: String(story.keys[by]), consumer: String(story.keys['consumer']) })),
);
for (const [i, { kind, by, message }] of whole.entries())
  tamper(`${kind}: is seen by both, wherever it is`, () => {
    assert.equal(accepted[i], []);
    const bytes = bytesOf(message);
    const unseen = [...bytes.keys()].filter(
      (at) =>
        ours(
          bytes.map((b, j) => (j === at ? b ^ 1 : b)),
          keyOf(by),
          keyOf('consumer'),
        ) === null,
    );
    assert.equal(unseen, []);
  });
tamper.run();
