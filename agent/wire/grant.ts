// Grants and the certificates of who may sign them, as docs/PROTOCOL.md writes them.

import type { Seconds } from '../core/brand.ts';
import { faultsOf, type Grant, type Micro, type Price, witnessings } from '../core/grant.ts';
import { type Certificate, roles } from '../core/keyring.ts';
import { ok } from '../core/result.ts';
import type { Egress, Flow, Quota } from '../core/seat.ts';
import type { Value } from './cbor.ts';
import * as form from './form.ts';
import * as names from './names.ts';

const split = form.pair(form.byteCount);

/** A number is for both directions together, an array of two for each. */
export const quota: form.Form<Quota> = {
  write: (q) => (q.kind === 'shared' ? q.bytes : split.write(q)),
  read(v: Value) {
    if (Array.isArray(v)) {
      const each = split.read(v);
      return each.ok ? ok({ kind: 'split', ...each.value }) : each;
    }
    const shared = form.byteCount.read(v);
    return shared.ok ? ok({ kind: 'shared', bytes: shared.value }) : shared;
  },
};

export const micro = form.count as form.Form<Micro>;
/** Times a pebibyte in each direction, and the amount still has 63 bits. */
const perMebibyte = form.mapped<number, Micro>(form.whole(0, 2 ** 32 - 1), Number, (n) => ok(BigInt(n) as Micro));
export const price: form.Form<Price> = form.tuple({
  micro: perMebibyte,
  currency: form.text(/^[A-Z][A-Z0-9]{2,7}$/, '3 to 8 capitals and digits'),
});

const port = form.whole(1, 65_535);
const protocol = form.choice(['tcp', 'udp']);
const flow = form.mapped(
  form.tuple({ address: names.address, length: form.whole(0, 128), protocol, first: port, last: port }),
  ({ ports, ...rest }: Flow) => ({ ...rest, ...ports }),
  ({ first, last, ...rest }) => ok({ ...rest, ports: { first, last } }),
);
const egress: form.Form<Egress> = form.oneOf({
  internet: [0, form.record({})],
  hop: [1, form.record({ address: [1, names.address], protocol: [2, protocol], port: [3, port] })],
  list: [2, form.record({ flows: [1, form.list(flow, 1, 32)] })],
});

const term: form.Form<Seconds> = form.whole(1, 2 ** 40);

export const grant: form.Form<Grant> = form.mapped(
  form.record({
    node: [1, names.keyId],
    nonce: [2, form.hex<string>(16)],
    peer: [3, names.peerKey],
    consumer: [4, form.maybe(names.publicKey)],
    quota: [5, quota],
    rate: [6, form.pair(form.count)],
    throttle: [7, form.maybe(form.pair(form.count))],
    egress: [8, egress],
    lifetime: [9, term],
    until: [10, form.maybe(form.seconds)],
    idle: [11, form.maybe(term)],
    witness: [12, form.choice(witnessings)],
    credit: [13, form.maybe(form.byteCount)],
    price: [14, form.maybe(price)],
    session: [15, form.maybe(names.grantId)],
    revision: [16, form.whole(0, 2 ** 32 - 1)],
  }),
  (g: Grant) => g,
  (g) => {
    const [wrong] = faultsOf(g);
    return wrong === undefined ? ok<Grant>(g) : { ok: false, fault: wrong };
  },
);

const serial = form.whole(1, 2 ** 32 - 1);
export const certificate: form.Form<Certificate> = form.record({
  key: [1, names.publicKey],
  serial: [2, serial],
  least: [3, serial],
  until: [4, form.seconds],
  may: [5, form.list(form.choice(roles), 1, roles.length)],
});
