// What is signed, as whoever can publish or send a datagram could write it: the envelope, every message's fields, the datagram. What decodes
// has one form, so it encodes to the bytes it came from, notes excepted.

import * as assert from 'uvu/assert';
import * as cbor from '../../agent/wire/cbor.ts';
import * as cose from '../../agent/wire/cose.ts';
import type { Form } from '../../agent/wire/form.ts';
import * as receipt from '../../agent/wire/receipt.ts';
import { forms } from '../wire/story.ts';
import type { Target } from './fuzz.ts';

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString('hex');

function fields(kind: cose.Kind, body: cbor.Value): boolean {
  const form = forms[kind] as Form<unknown>;
  const value = form.read(body);
  if (!value.ok) return false;
  const once = cbor.encode(form.write(value.value));
  const again = form.read(form.write(value.value));
  assert.ok(again.ok && hex(cbor.encode(form.write(again.value))) === hex(once));
  return true;
}

/** The envelope, and the fields inside. */
export const message: Target = {
  name: 'signed',
  check(input) {
    const decoded = cose.decode(input);
    if (!decoded.ok) return false;
    assert.is(hex(cose.encode(decoded.value)), hex(input));
    fields(decoded.value.kind, decoded.value.body);
    return true;
  },
};

/** The fields alone, of every kind: most changes to an envelope end before them. */
export const payload: Target = {
  name: 'signed-payload',
  check(input) {
    const body = cbor.decode(input);
    return body.ok && cose.kinds.filter((kind) => fields(kind, body.value)).length > 0;
  },
};

export const datagram: Target = {
  name: 'datagram',
  check(input) {
    const decoded = receipt.decodeDatagram(input);
    if (!decoded.ok) return false;
    const encoded = receipt.encodeDatagram(decoded.value);
    const again = receipt.decodeDatagram(encoded);
    assert.ok(again.ok && hex(receipt.encodeDatagram(again.value)) === hex(encoded));
    return true;
  },
};
export const targets = [message, payload, datagram];
