// The consumers of many sessions, as one program on the emulated router: each hears its receipts at its own address and countersigns them.
// Arguments: a file with an address and a grant in hex on each line, the secret of all consumers, keys of the node and of its grantor.

import '../../agent/host/globals.ts';
import * as client from '../../agent/consumer/client.ts';
import * as terms from '../../agent/consumer/terms.ts';
import type { ByteCount, PublicKey, SecretKey } from '../../agent/core/brand.ts';
import { ok, type Result, text } from '../../agent/core/result.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { host } from '../../agent/host/quickjs.ts';
import { bytesOf } from '../../agent/wire/form.ts';

const [path = '', secret = '', ...keys] = host.process.args;
const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(text(r.fault));
  return r.value;
};
const signer = ed25519.signer(bytesOf(secret) as SecretKey, host.sha512);
const trusted = keys.map((hex) => bytesOf(hex) as PublicKey);
// Less than a MiB passes, and so much is forgiven.
const nothing = 0n as ByteCount;

for (const line of new TextDecoder()
  .decode(must(host.files.read(path, 1 << 20)))
  .trim()
  .split('\n')) {
  const [address = '', grant = ''] = line.split(' ');
  const agreed = must(terms.parse(grant, trusted, signer.key, host));
  const options = { terms: () => agreed, learn: () => undefined, signer, addresses: [address], path: `/tmp/book-${address}` };
  must(
    client.start(
      host,
      { ...options, count: () => ok({ up: nothing, down: nothing }) },
      { heard: ({ sequence }, { kind }) => host.log(`${address}: receipt ${sequence}: ${kind}`), failed: (why) => host.log(text(why)) },
    ),
  );
}
host.log('ready');
