// The router's end of a session for tests, without kernel and flash: seals a receipt for each line `UP DOWN [ENDING | GRANT]` on its
// stdin, shows it to the consumer, and prints what came of it. Arguments: the grant in hex, the consumer's addresses, and its own, joined by commas.

import { createInterface } from 'node:readline';
import * as countersign from '../../agent/adapters/countersign.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Link } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import type { Generation, Pair } from '../../agent/core/seat.ts';
import type { GrantId } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import { host } from '../../agent/host/node.ts';
import * as cose from '../../agent/wire/cose.ts';
import { bytesOf } from '../../agent/wire/form.ts';
import * as wire from '../../agent/wire/grant.ts';
import { must } from '../host/kept/journal.ts';
import * as story from '../wire/story.ts';

const say = (...words: readonly (string | number | bigint)[]): void => void process.stdout.write(`${words.join(' ')}\n`);
const [hex = '', consumer = '', router = ''] = process.argv.slice(2);
const signed = must(cose.decode(bytesOf(hex)));
const grant: Grant = must(wire.grant.read(signed.body));
const digest = cose.digestOf(signed, host);
const session = grantId(digest);
const [address = '', ...others] = consumer.split(',');
let link: Link = { session, sequence: 0, digest };
let witnessed: number | null = null;
let terms: GrantId | null = null;
let later: Uint8Array | null = null;
let last: cose.Signed | null = null;

const adapter: countersign.Countersign = must(
  countersign.start(host, router.split(','), {
    witnessed({ sequence }) {
      witnessed = sequence;
      say('witnessed', sequence);
    },
    disputed: ({ sequence, reason, counted }) => say('disputed', sequence, reason, counted?.up ?? '-', counted?.down ?? '-'),
    vouched: ({ counted }) => say('vouched', counted.up, counted.down),
    wanted(_, from) {
      say('wanted', from ?? 'last');
      if (later !== null) adapter.send(session, { kind: 'granted', grant: later });
      if (last !== null) adapter.send(session, { kind: 'sealed', receipt: cose.encode(last) });
    },
    closed: ({ code }) => say('closed', code),
  }),
);
adapter.admit({ session, key: grant.consumer ?? story.keyOf('stranger'), addresses: [address, ...others] });

function seal(counted: Pair<ByteCount>, final: receipts.Ending | null): void {
  const reading: receipts.Reading = {
    boot: story.boot,
    up: host.clock.monotonic(),
    wall: { at: story.noon, trust: 'network' },
    counted,
    packets: { up: counted.up / 1000n, down: counted.down / 1000n },
    generation: 1 as Generation,
    tunnel: counted,
    gap: null,
    left: { kind: 'shared', bytes: 0n as ByteCount },
  };
  const receipt = receipts.next(link, reading, grant.price, { terms, witnessed, final });
  const sealed = story.sign('receipt', receipt, 'node');
  link = { session, sequence: receipt.sequence, digest: cose.digestOf(sealed, host) };
  last = sealed;
  adapter.ask({ link, signed: sealed });
}

const isEnding = (word: string): word is receipts.Ending => (receipts.endings as readonly string[]).includes(word);
createInterface({ input: process.stdin })
  .on('line', (line) => {
    const [up = '', down = '', word = ''] = line.split(' ');
    if (/^[0-9a-f]+$/.test(word)) {
      later = bytesOf(word);
      terms = grantId(cose.digestOf(must(cose.decode(later)), host));
    }
    seal({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount }, isEnding(word) ? word : null);
  })
  .on('close', () => process.exit(0));
say('ready');
