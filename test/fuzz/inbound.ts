// All that comes in by the link, from bytes to what is done: raw, and signed by a coordinator that means no good. Whatever it is, nothing throws,
// and what is answered is a reply that its reader takes.

import * as assert from 'uvu/assert';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import { reply } from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { certificate } from '../../agent/wire/grant.ts';
import type { Keys } from '../fakes/coordinator.ts';
import { certificateOf, sign } from '../fakes/coordinator.ts';
import * as inbound from '../loop/inbound.ts';
import type { Target } from './fuzz.ts';

let node: inbound.Node | null = null;
/** The same one for many inputs: what one leaves behind is there for the next. */
function living(): inbound.Node {
  // One that was told to restart hears nothing more.
  if (node !== null && node.state().contact.kind !== 'leaving') return node;
  node = inbound.begin();
  for (const who of [inbound.one, inbound.other])
    node.receive('certificates', sign('certificate', certificate, certificateOf(who), who.root));
  return node;
}

function receive(topic: string, payload: Uint8Array): boolean {
  const it = living();
  it.pass(1000);
  const broken = (): number => it.refused('malformed') + it.refused('unsupported');
  const before = broken();
  for (const effect of it.receive(topic, payload)) {
    if (effect.kind !== 'publish' || effect.publication.word.kind !== 'reply') continue;
    const said = reply.read(reply.write(effect.publication.word.reply));
    assert.ok(said.ok, said.ok ? '' : `${said.fault.path}: ${said.fault.reason}`);
  }
  return broken() === before;
}

/** As it is. */
const raw: Target = {
  name: 'inbound',
  check(input) {
    const [asCommand, asCertificate] = [receive('commands', input), receive('certificates', input)];
    return asCommand || asCertificate;
  },
};

const sealed = (kind: cose.Kind, input: Uint8Array, by: Keys['key']): Uint8Array => {
  const body = cbor.decode(input);
  if (!body.ok) return input;
  // A number that was not heard yet, else all but the first would be repeats.
  numbers += 1;
  const fresh = body.value instanceof Map && body.value.has(3) ? new Map(body.value).set(3, numbers) : body.value;
  return cose.encode(cose.sign(kind, fresh as cbor.Value, by, hashes));
};
let numbers = 0;
/** As the body of a command of a coordinator's. */
const signed: Target = {
  name: 'orders',
  check: (input) => receive('commands', sealed('command', input, inbound.one.key)),
};

export const targets = [raw, signed];
