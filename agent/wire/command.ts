// Commands, replies and births, as docs/PROTOCOL.md writes them.

import type { Birth } from '../core/birth.ts';
import { type Command, conditions, type Order, type Outcome, type Reply } from '../core/command.ts';
import type { Hashes } from '../core/hash.ts';
import { type Code, type Result, under } from '../core/result.ts';
import type { Nonce } from '../core/signed.ts';
import * as cbor from './cbor.ts';
import type { Signed } from './cose.ts';
import * as cose from './cose.ts';
import * as form from './form.ts';
import * as names from './names.ts';

const sequence = form.whole(1, Number.MAX_SAFE_INTEGER);
const port = form.whole(1, 65_535);
const granting = form.record({ grant: [1, form.bytes(1, 2048)] });
const acknowledged = form.tuple({ session: names.grantId, sequence, digest: names.digest });
const hostName = form.text(/^[A-Za-z0-9._:-]{1,253}$/, 'a host name or an address');

const order: form.Form<Order> = form.oneOf({
  open: [1, granting],
  change: [2, granting],
  topUp: [3, granting],
  close: [4, form.record({ session: [1, names.grantId] })],
  list: [5, form.record({ after: [1, form.maybe(names.grantId)] })],
  limit: [
    6,
    form.record({
      rate: [1, form.maybe(form.pair(form.count))],
      sessions: [2, form.maybe(form.whole(0, 65_535))],
      isPaused: [3, form.truth],
    }),
  ],
  send: [7, form.record({ session: [1, names.grantId], from: [2, sequence] })],
  acknowledge: [
    8,
    form.record({
      receipts: [1, form.list(acknowledged, 0, 32)],
      root: [2, form.maybe(form.tuple({ number: sequence, digest: names.digest }))],
    }),
  ],
  probe: [
    9,
    form.record({
      protocol: [1, form.choice(['tcp', 'udp'])],
      address: [2, names.address],
      port: [3, port],
      times: [4, form.whole(1, 100)],
      size: [5, form.whole(0, 1200)],
    }),
  ],
  quarantine: [10, form.record({ isOn: [1, form.truth] })],
  restart: [11, form.record({})],
  move: [12, form.record({ brokers: [1, form.list(form.tuple({ host: hostName, port, pin: optionalPin() }), 1, 4)] })],
  reboot: [13, form.record({})],
});

/** In an array there is no leaving out: null. */
function optionalPin(): form.Form<Uint8Array | null> {
  const pin = form.maybe(form.bytes(32));
  return { write: pin.write, read: (v) => (v === null ? { ok: true, value: null } : pin.read(v)) };
}

export const command: form.Form<Command> = form.record({
  node: [1, names.keyId],
  epoch: [2, names.nonce],
  sequence: [3, sequence],
  expires: [4, form.maybe(form.seconds)],
  order: [5, order],
});

const said = (most: number): form.Form<string> => form.text(new RegExp(`^[^\\0]{0,${most}}$`, 'su'), `up to ${most} characters`);
const micros = form.whole(0, 2 ** 32 - 1);
export const refusal = form.record({
  code: [1, form.text<Code>(/^[A-Za-z0-9-]{1,32}$/, 'a code')],
  path: [2, said(128)],
  reason: [3, said(256)],
});
const outcome: form.Form<Outcome> = form.oneOf({
  done: [0, form.record({})],
  refused: [1, refusal],
  opened: [2, form.record({ session: [1, names.grantId], address4: [2, names.address], address6: [3, names.address] })],
  listed: [
    3,
    form.record({
      sessions: [
        1,
        form.list(
          form.tuple({
            session: names.grantId,
            terms: names.grantId,
            condition: form.choice(conditions),
            counted: form.pair(form.byteCount),
            sequence: form.whole(0, Number.MAX_SAFE_INTEGER),
          }),
          0,
          32,
        ),
      ],
      more: [2, form.truth],
    }),
  ],
  probed: [
    4,
    form.record({
      sent: [1, form.whole(0, 100)],
      received: [2, form.whole(0, 100)],
      times: [3, form.maybe(form.tuple({ least: micros, median: micros, most: micros }))],
    }),
  ],
});

export const reply: form.Form<Reply> = form.record({
  epoch: [1, names.nonce],
  to: [2, names.keyId],
  sequence: [3, sequence],
  outcome: [4, outcome],
});

export const birth: form.Form<Birth> = form.record({
  key: [1, names.publicKey],
  version: [2, said(64)],
  host: [3, form.choice(['quickjs', 'wasm', 'node'])],
  epoch: [4, names.nonce],
  starts: [5, form.maybe(sequence)],
  sequence: [6, sequence],
  boot: [7, names.bootId],
  up: [8, form.seconds],
  wall: [9, names.wall],
  tunnel: [10, form.maybe(form.record({ key: [1, names.peerKey], port: [2, port], addresses: [3, form.list(names.address, 0, 8)] }))],
});

/** A birth brings its own key: what holds then is that the key's owner says so, and who that is the reader has to know. */
export function readBirth(signed: Signed, hashes: Hashes): Result<Birth> {
  const said = birth.read(signed.body);
  if (!said.ok) return { ok: false, fault: under('birth', said.fault) };
  const verified = cose.verify(signed, said.value.key, hashes);
  return verified.ok ? cose.read(verified.value, 'birth', birth) : verified;
}

/** Of a connection: its broker says that it is over, so nobody can sign it. */
export const state = form.record({ isHere: [1, form.choice(['gone', 'here'])], epoch: [2, names.nonce], birth: [3, sequence] });
export const encodeState = ({ isHere, ...rest }: Readonly<{ isHere: boolean; epoch: Nonce; birth: number }>): Uint8Array =>
  cbor.encode(state.write({ ...rest, isHere: isHere ? 'here' : 'gone' }));
