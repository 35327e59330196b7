// Seals and verifies on a QuickJS host; its argument is how often. Prints the milliseconds of each, all together, of the processor: a busy
// machine then hardly shows.

import '../../agent/host/globals.ts';
import type { Link } from '../../agent/core/receipt.ts';
import type { Digest, GrantId } from '../../agent/core/signed.ts';
import { host } from '../../agent/host/quickjs.ts';
import * as cose from '../../agent/wire/cose.ts';
import { seal, signerOf } from './receipts-sample.ts';

const count = Number(host.process.args[0]);
const [node, consumer] = [signerOf('node', host), signerOf('consumer', host)];
const terms = '00112233445566778899aabbccddeeff' as GrantId;
function spent(): number {
  const read = host.files.read('/proc/self/schedstat', 256);
  if (!read.ok) throw new Error(`receipts: ${read.fault.reason}`);
  return Number.parseInt(new TextDecoder().decode(read.value), 10) / 1e6;
}
const timed = <T>(act: () => T): Readonly<{ ms: number; value: T }> => {
  const began = spent();
  const value = act();
  return { ms: spent() - began, value };
};
const anchor: Link = { session: terms, sequence: 0, digest: `${terms}${terms}` as Digest };
// The first of each makes its tables.
let last = seal(anchor, 1, terms, node, host);
const witness = cose.witness(last.signed, consumer);
const isGood = (): boolean => cose.isWitnessed(last.signed, witness, consumer.key, host);
if (!isGood()) throw new Error('receipts: a countersignature does not hold');
const verified = timed(() => {
  for (let n = 0; n < count; n++) if (!isGood()) throw new Error('receipts: a countersignature does not hold');
});
const sealed = timed(() => {
  for (let n = 0; n < count; n++) last = seal(last.link, 20_000 * (n + 2), terms, node, host);
});
host.print(`${JSON.stringify({ seal: sealed.ms, verify: verified.ms })}\n`);
