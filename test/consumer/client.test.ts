// The library on one end of a socket, the router's adapter on the other.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as countersign from '../../agent/adapters/countersign.ts';
import * as client from '../../agent/consumer/client.ts';
import type { Terms } from '../../agent/consumer/terms.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import { millis } from '../../agent/core/brand.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import type { Pair } from '../../agent/core/seat.ts';
import { grantId } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import { host } from '../../agent/host/node.ts';
import * as cose from '../../agent/wire/cose.ts';
import { must } from '../host/kept/journal.ts';
import * as story from '../wire/story.ts';

/** Grants after the first that it knows. */
const known = new Set([story.topped]);
const learned: string[] = [];
function learn(grant: Uint8Array): void {
  learned.push(grantId(cose.digestOf(must(cose.decode(grant)), hashes)));
  known.add(story.topped);
}
const terms: Terms = {
  node: story.keyOf('node'),
  anchor: { session: story.session, sequence: 0, digest: story.anchor },
  grant: story.first,
  later: new Set([story.topped]),
};
const [router, here] = ['127.0.0.3', '127.0.0.4'];
const openOf = (n: number): countersign.Open => {
  const told = story.chain[n];
  if (told === undefined) throw new Error('story: no such receipt');
  return { link: { session: story.session, sequence: n + 1, digest: cose.digestOf(told.signed, hashes) }, signed: told.signed };
};
const gigabytes = (n: bigint): Pair<ByteCount> => ({ up: (n << 30n) as ByteCount, down: (n << 30n) as ByteCount });

/** Says what either end said, in order; ends with the `count`th word of the router. */
async function talk(path: string, own: () => Result<Pair<ByteCount>>, asked: readonly number[], count: number): Promise<readonly string[]> {
  const said: string[] = [];
  let settle: () => void = () => undefined;
  const done = new Promise<void>((resolve) => {
    settle = resolve;
  });
  const timer = host.clock.after(millis(20_000), () => {
    said.push('nothing more in 20 s');
    settle();
  });
  // A port of the kernel's choice, on either end.
  const probe = must(host.net.bindUdp({ address: here, port: 0 }, { received: () => undefined, closed: () => undefined }));
  const { port } = probe;
  probe.close();
  const heard = (word: string): void => {
    said.push(word);
    if (said.filter((w) => w.startsWith('router')).length === count) settle();
  };
  const mine = client.start(
    host,
    { terms: () => ({ ...terms, later: new Set(known) }), learn, signer: story.signers.consumer, addresses: [here], path, count: own },
    {
      heard: ({ sequence }, { kind }) => said.push(`consumer ${sequence} ${kind}`),
      failed: (why) => heard(`router silent: ${why.code} ${why.path}`),
    },
    port,
  );
  if (!mine.ok) {
    timer.cancel();
    return [`${mine.fault.code} ${mine.fault.path}`];
  }
  const adapter: countersign.Countersign = must(
    countersign.start(
      host,
      [router],
      {
        witnessed: ({ sequence }) => heard(`router ${sequence} witnessed`),
        disputed: ({ sequence, reason, counted }) => heard(`router ${sequence} disputed ${reason} ${counted?.down ?? ''}`.trim()),
        vouched: ({ counted }) => heard(`router vouched ${counted.down}`),
        wanted: (session, from) => {
          heard(`router wanted ${from}`);
          for (const grant of [story.signedFirst, story.signedSecond])
            adapter.send(session, { kind: 'granted', grant: cose.encode(grant) });
          adapter.send(session, { kind: 'sealed', receipt: cose.encode(openOf(Number(from) - 1).signed) });
          // Within the second in which the adapter sends its open receipt again.
          for (const n of asked.slice(-1)) adapter.ask(openOf(n));
        },
        closed: (why) => heard(`router closed ${why.code}`),
      },
      port,
    ),
  );
  adapter.admit({ session: story.session, key: story.keyOf('consumer'), addresses: [here] });
  for (const n of asked) adapter.ask(openOf(n));
  if (asked.length === 0) adapter.tally(story.voucher);
  await done;
  timer.cancel();
  adapter.close();
  mine.value.close();
  return said;
}

const folder = mkdtempSync(join(tmpdir(), 'weir-consumer-'));
const test = suite('consumer: on a socket');
const much = (): Result<Pair<ByteCount>> => ok(gigabytes(20n));
const little = (): Result<Pair<ByteCount>> => ok(gigabytes(0n));
const cases: readonly Readonly<{ name: string; own: typeof much; asked: readonly number[]; count: number; want: readonly string[] }>[] = [
  { name: 'agrees', own: much, asked: [0], count: 1, want: ['consumer 1 agreed', 'router 1 witnessed'] },
  { name: 'remembers over a restart', own: much, asked: [0], count: 1, want: ['consumer 1 known', 'router 1 witnessed'] },
  { name: 'goes on there', own: little, asked: [1], count: 1, want: ['consumer 2 agreed', 'router 2 witnessed'] },
  {
    name: 'asks for what it missed',
    own: much,
    asked: [3],
    count: 2,
    want: ['consumer 4 wanting', 'router wanted 3', 'consumer 3 agreed', 'consumer 4 agreed', 'router 4 witnessed'],
  },
];
for (const { name, own, asked, count, want } of cases)
  test(name, async () => assert.equal(await talk(join(folder, 'book'), own, asked, count), want));
test('vouches for what it counted', async () => assert.equal(await talk(join(folder, 'book'), much, [], 1), ['router vouched 1999000000']));
test('learns the terms that a receipt names, and no others', async () => {
  known.clear();
  const path = join(folder, 'learner');
  assert.equal(await talk(path, much, [0], 1), ['consumer 1 agreed', 'router 1 witnessed']);
  // The receipt is sent twice then: as it was wanted, and as the open one.
  const said = (await talk(path, much, [1], 2)).filter((word) => word !== 'consumer 2 known');
  assert.equal(said, ['consumer 2 wanting', 'router wanted 2', 'consumer 2 agreed', 'router 2 witnessed']);
  assert.equal(learned, [story.topped]);
});
test('disputes by its own counters', async () =>
  assert.equal(await talk(join(folder, 'poor'), little, [0], 1), ['consumer 1 disputed', 'router 1 disputed bytes 0']));
test('without counters it says nothing', async () =>
  assert.equal(await talk(join(folder, 'blind'), () => fail('missing', 'wg0', 'gone'), [0], 1), [
    // When the receipt came, and when the consumer closed.
    'router silent: missing counters.wg0',
    'router silent: missing counters.wg0',
  ]));
test('a damaged book is no new book', async () => {
  writeFileSync(join(folder, 'damaged'), 'x');
  assert.equal(await talk(join(folder, 'damaged'), much, [0], 1), [`malformed book ${join(folder, 'damaged')}.byte 0`]);
});
test.after(() => rmSync(folder, { recursive: true }));
test.run();
