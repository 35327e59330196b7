// Sessions from end to end over an enforcer of numbers: granted, counted, sealed, ended, and found again after a kill or a power cut.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, seconds } from '../../agent/core/brand.ts';
import type { Dispute } from '../../agent/core/receipt.ts';
import { fail, fault, ok, type Result } from '../../agent/core/result.ts';
import { sumOf } from '../../agent/core/seat.ts';
import type { SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { chainOf, encodeSessions } from '../../agent/wire/owner.ts';
import { over } from '../../agent/wire/recall.ts';
import * as wire from '../../agent/wire/receipt.ts';
import { decodeSessions } from '../../agent/wire/told.ts';
import * as seats from '../fakes/seats.ts';
import * as story from '../wire/story.ts';
import { draft, type Ground, ground, key, mib, must, signer } from './ground.ts';

const consumer = story.signers.consumer.key;
const minutes = (n: number): number => n * 60_000;
const hours = (n: number): number => minutes(60 * n);

async function begun(more: Parameters<typeof draft>[1] = {}): Promise<Ground> {
  const g = ground();
  await g.start();
  must(await g.befriend('ann', draft('a', more)));
  return g;
}
const billed = (g: Ground, name = 'ann'): bigint => sumOf(g.session(name).seen.counted);
const passed = (g: Ground, bytes: number): bigint => sumOf(g.kernel.pass(key('a'), 0, bytes));
/** What whoever has the messages, and nothing else, finds wrong with them. */
function examined(g: Ground, session: string): evidence.Report {
  const account = [...g.store().state().accounts].find(([id]) => id === session)?.[1];
  if (account === undefined) throw new Error('no account');
  const report = evidence.examine(chainOf(account, 1).messages, [signer.key], portable);
  assert.equal(report.findings, []);
  return report;
}

const friends = suite('a friend');
friends('is granted a session, signed by the node, written down, and seated; its bytes become receipts', async () => {
  const g = ground();
  await g.start();
  const opened = must(await g.befriend('ann', draft('a')));
  assert.ok(opened.kind === 'opened' && opened.address4 === '10.213.0.2');
  const ann = g.session('ann');
  assert.is(ann.kind, 'open');
  g.kernel.pass(key('a'), 1000, 5_000_000);
  await g.pass(minutes(6));
  const [told] = examined(g, ann.session).sessions;
  assert.equal([told?.receipts, told?.counted, told?.final], [1, { up: 1000n, down: 5_000_000n }, null]);
  assert.is(g.session('ann').head.sequence, 1);
});
const bad: readonly Readonly<{ name: string; of: string; what: Parameters<typeof draft>[1]; code: string; path: string }>[] = [
  { name: 'more than the owner allows', of: 'bob', what: { quota: mib(10_241) }, code: 'denied', path: 'grant.quota' },
  { name: 'faster than that', of: 'bob', what: { rate: { up: 10_000_001n, down: 1000n } }, code: 'denied', path: 'grant.rate_up' },
  { name: 'a name that is none', of: 'b b', what: {}, code: 'malformed', path: 'name' },
  { name: 'a name that is taken', of: 'ann', what: {}, code: 'exists', path: 'name' },
  { name: 'a key that is', of: 'bob', what: { peer: key('a') }, code: 'exists', path: 'grant.peer' },
  { name: 'a countersignature of nobody', of: 'bob', what: { witness: 'required' }, code: 'missing', path: 'grant.consumer' },
];
for (const { name, of, what, code, path } of bad)
  friends(`is refused ${name}, before anything is signed or written`, async () => {
    const g = await begun();
    const writes = g.files.writes.length;
    const got = await g.befriend(of, draft('b', what));
    assert.is(!got.ok && `${got.fault.code} ${got.fault.path}`, `${code} ${path}`);
    assert.is(g.files.writes.length, writes);
  });
friends('whom the enforcer refuses hears it, and is forgotten for good', async () => {
  const g = ground();
  await g.start();
  g.kernel.refuse(seats.paused);
  const got = await g.befriend('ann', draft('a'));
  assert.is(!got.ok && got.fault.path, 'weir.share.paused');
  assert.is(g.loop().table().size, 0);
  g.kernel.refuse(null);
  await g.start();
  await g.pass(minutes(1));
  assert.is(g.loop().table().size, 0);
});
friends('is told when the enforcer does not answer, and when nothing can be written', async () => {
  const g = ground();
  await g.start();
  g.kernel.hush(fault('timeout', 'weir.enforcer', 'says nothing'));
  const unheard = await g.befriend('ann', draft('a'));
  assert.is(!unheard.ok && unheard.fault.code, 'timeout');
  g.kernel.hush(null);
  g.files.set('full');
  const unwritten = await g.befriend('ann', draft('a'));
  assert.is(!unwritten.ok && unwritten.fault.code, 'ENOSPC');
  g.files.set('none');
  await g.pass(minutes(1));
  assert.ok((await g.befriend('ann', draft('a'))).ok);
  assert.is(g.session('ann').kind, 'open');
});
friends('who has used all of it keeps the place, and goes on with more', async () => {
  const g = await begun({ quota: mib(10) });
  assert.is(passed(g, 10 << 20), BigInt(10 << 20));
  assert.is(passed(g, 1), 0n);
  await g.pass(20_000);
  const spent = g.session('ann');
  assert.ok(spent.kind === 'paused' && spent.why === 'spent' && spent.place !== null);
  must(await g.ask((ticket) => ({ kind: 'topped', ticket, nonce: '7'.repeat(32), name: 'ann', quota: mib(5), seconds: 60 })));
  assert.is(g.session('ann').kind, 'open');
  assert.is(passed(g, 5 << 20), BigInt(5 << 20));
  await g.pass(minutes(10));
  const [told] = examined(g, spent.session).sessions;
  assert.is(told?.counted.down, BigInt(15 << 20));
  assert.is(g.session('ann').grant.lifetime, 86_460);
});
friends('who gets more than the owner allows gets nothing of it', async () => {
  const g = await begun();
  const got = await g.ask((ticket) => ({ kind: 'topped', ticket, nonce: '7'.repeat(32), name: 'ann', quota: mib(10_240), seconds: 0 }));
  assert.is(!got.ok && `${got.fault.code} ${got.fault.path}`, 'denied grant.quota');
  assert.is(g.session('ann').grant.revision, 0);
});
friends('whose top-up the enforcer does not hear of keeps the session, used or not', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  g.kernel.hush(fault('timeout', 'weir.enforcer', 'says nothing'));
  const got = await g.ask((ticket) => ({ kind: 'topped', ticket, nonce: '7'.repeat(32), name: 'ann', quota: mib(5), seconds: 0 }));
  assert.ok(got.ok, 'it is in force: whoever asked again would be given twice');
  g.kernel.hush(null);
  await g.pass(20_000);
  assert.equal([g.session('ann').session, g.session('ann').kind], [session, 'open']);
  assert.equal(g.kernel.held(key('a'))?.wish.quota, { kind: 'shared', bytes: mib(105) });
});
friends('whose top-up is asked for again, because the answer was lost, gets it once', async () => {
  const g = await begun();
  const topUp = (nonce: string) =>
    g.ask((ticket) => ({ kind: 'topped', ticket, nonce: nonce.repeat(32), name: 'ann', quota: mib(5), seconds: 60 }));
  const first = must(await topUp('7'));
  assert.equal(must(await topUp('7')), first);
  await g.start();
  await g.pass(10_000);
  assert.equal(must(await topUp('7')), first, 'after a kill, too');
  assert.equal(g.kernel.held(key('a'))?.wish.quota, { kind: 'shared', bytes: mib(105) });
  must(await topUp('8'));
  assert.equal([g.session('ann').grant.revision, g.session('ann').grant.lifetime], [2, 86_520]);
});
friends('who is removed is out when that is answered; the last receipt says what was used to the byte', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  passed(g, 1234);
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' })));
  assert.is(g.kernel.held(key('a')), undefined);
  const [told] = examined(g, session).sessions;
  assert.equal([told?.counted.down, told?.final], [1234n, 'revoked']);
  assert.is(g.loop().table().size, 0);
  const again = await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' }));
  assert.is(!again.ok && again.fault.code, 'missing');
  assert.ok((await g.befriend('ann', draft('a'))).ok, 'and may come again');
});
friends('ends with the lifetime, by powered-on time alone', async () => {
  const g = await begun({ lifetime: seconds(3600) });
  const { session } = g.session('ann');
  await g.pass(hours(1) - 10_000);
  assert.is(g.session('ann').kind, 'open');
  await g.pass(20_000);
  assert.is(g.loop().table().size, 0);
  assert.is(examined(g, session).sessions[0]?.final, 'expired');
});
friends('is held by the kernel no longer than the owner lets it hold without us', async () => {
  const g = await begun();
  for (let i = 0; i < 10; i++) {
    await g.pass(hours(1));
    const left = Number(g.kernel.held(key('a'))?.ends) - g.clock.monotonic();
    assert.ok(left > hours(1) && left <= hours(2), `${left}`);
  }
});
friends('without a byte ends when that was agreed', async () => {
  const g = await begun({ idle: seconds(600) });
  const { session } = g.session('ann');
  for (let i = 0; i < 3; i++) {
    passed(g, 10);
    await g.pass(minutes(9));
  }
  assert.is(g.session('ann').kind, 'open');
  await g.pass(minutes(2));
  assert.is(examined(g, session).sessions[0]?.final, 'idle');
});
friends.run();

const owner = suite('the owner');
owner('pauses: everybody is out, and later in again with what was used', async () => {
  const g = await begun();
  passed(g, 5000);
  g.kernel.refuse(seats.paused);
  await g.pass(30_000);
  const out = g.session('ann');
  assert.ok(out.kind === 'paused' && out.why !== 'spent' && out.why.path === 'weir.share.paused');
  assert.is(billed(g), 5000n, 'the last bytes, of the departed');
  g.kernel.refuse(null);
  await g.pass(30_000);
  assert.is(g.session('ann').kind, 'open');
  assert.is(g.kernel.held(key('a'))?.used.down, 5000n);
  assert.ok(g.said.includes('session ann paused weir.share.paused: the owner has paused sharing (denied)'));
});
owner('is obeyed by whoever sits there unagreed', async () => {
  const g = await begun();
  const { slot: _, ...seat } = { slot: 0, ...draft('z') };
  g.kernel.order([
    {
      method: 'admit',
      item: {
        key: key('z'),
        quota: { kind: 'shared', bytes: seat.quota },
        rate: seat.rate,
        throttle: null,
        egress: { kind: 'internet' },
        seconds: 60n,
        used: { up: 0n, down: 0n },
      },
    },
  ]);
  await g.pass(20_000);
  assert.is(g.kernel.held(key('z')), undefined);
  assert.is.not(g.kernel.held(key('a')), undefined);
});
owner.run();

const deaths = suite('after a');
deaths('kill, it adopts who is seated, to the byte', async () => {
  const g = await begun();
  passed(g, 5000);
  await g.pass(minutes(1));
  passed(g, 700);
  const before = g.kernel.orders.length;
  await g.start();
  await g.pass(10_000);
  assert.is(g.session('ann').kind, 'open');
  assert.is(billed(g), 5700n);
  assert.equal(g.kernel.orders.slice(before), ['change a'], 'nobody is evicted, nobody admitted twice');
  assert.is(g.attended().length, 0);
});
deaths('power cut, it admits again with what was sealed, and bills no more', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  passed(g, 5_000_000);
  await g.pass(minutes(6));
  passed(g, 300_000);
  await g.pass(10_000);
  await g.reboot();
  await g.pass(10_000);
  assert.is(g.kernel.held(key('a'))?.used.down, 5_000_000n);
  assert.is(g.session('ann').slot, 2);
  passed(g, 40);
  await g.pass(minutes(10));
  const [told] = examined(g, session).sessions;
  assert.equal([told?.receipts, told?.counted.down], [2, 5_000_040n]);
  assert.ok(5_000_040n <= g.kernel.carried(key('a')));
});
deaths('power cut, everybody has the addresses of before', async () => {
  const g = ground();
  await g.start();
  for (const letter of ['a', 'b', 'c']) must(await g.befriend(letter, draft(letter)));
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'a' })));
  await g.pass(minutes(30));
  await g.reboot();
  await g.pass(10_000);
  assert.equal(
    ['b', 'c'].map((letter) => g.kernel.held(key(letter))?.slot),
    [3, 4],
  );
});
for (const death of ['kill', 'power cut'] as const)
  for (const more of [{}, { consumer, witness: 'optional' }] as const)
    deaths(`${death} in the midst of an end that the owner asked for, it ends${'consumer' in more ? ', countersigned' : ''}`, async () => {
      const g = await begun(more);
      const { session } = g.session('ann');
      passed(g, 5000);
      await g.pass(minutes(6));
      passed(g, 300);
      // Asked, and not a turn of the loop later it is dead.
      void g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' }));
      if (death === 'kill') await g.start();
      else await g.reboot();
      await g.pass(10_000);
      assert.is(passed(g, 1), 0n, 'nothing passes any more');
      await g.pass(minutes(3));
      assert.is(g.loop().table().size, 0);
      assert.is(g.kernel.held(key('a')), undefined);
      const [told] = examined(g, session).sessions;
      assert.equal([told?.final, told?.counted.down], ['revoked', death === 'kill' ? 5300n : 5000n]);
    });
deaths('power cut, the lifetime goes on', async () => {
  const g = await begun({ lifetime: seconds(36_000) });
  await g.pass(hours(4));
  await g.reboot();
  await g.pass(hours(5));
  assert.is(g.session('ann').kind, 'open');
  // Noted every five minutes, and written a quarter of an hour later at the latest.
  await g.pass(hours(1) + minutes(20));
  assert.is(g.loop().table().size, 0);
});
deaths('clean stop, nothing is lost', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  passed(g, 5000);
  await g.pass(20_000);
  g.loop().happened({ kind: 'stopped', signal: 'SIGTERM' });
  assert.ok(g.said.includes('exit 0'));
  assert.is(examined(g, session).sessions[0]?.counted.down, 5000n);
  await g.reboot();
  await g.pass(10_000);
  assert.is(g.kernel.held(key('a'))?.used.down, 5000n);
});
deaths('full flash, it seals when there is room again', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  passed(g, 5_000_000);
  g.files.set('full');
  await g.pass(minutes(20));
  assert.is(g.session('ann').head.sequence, 0);
  assert.ok(g.said.some((line) => line.startsWith('receipts: could not be sealed')));
  g.files.set('none');
  await g.pass(minutes(20));
  assert.is(examined(g, session).sessions[0]?.counted.down, 5_000_000n);
});
deaths('full flash, whoever ends a session hears that it cannot be written yet; it ends all the same', async () => {
  const g = await begun();
  const { session } = g.session('ann');
  passed(g, 5000);
  g.files.set('full');
  const got = await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' }));
  assert.is(!got.ok && got.fault.code, 'ENOSPC');
  assert.is(g.kernel.held(key('a')), undefined);
  g.files.set('none');
  await g.pass(minutes(1));
  assert.equal([g.loop().table().size, examined(g, session).sessions[0]?.final], [0, 'revoked']);
});
deaths.run();

const clocks = suite('the clock');
const noon = 1_795_176_000;
clocks('in 1970 ends nothing, and the receipts say so', async () => {
  const g = ground();
  g.trust('unknown', 60);
  await g.start();
  must(await g.befriend('ann', draft('a', { until: seconds(noon) })));
  passed(g, 5_000_000);
  await g.pass(hours(1));
  const { session } = g.session('ann');
  assert.equal(g.chain(session)[0]?.wall.trust, 'unknown');
  // Set wrongly by hand, beyond the end: nobody vouches for it.
  g.trust('unknown', noon + 86_400);
  await g.pass(minutes(1));
  assert.is(g.session('ann').kind, 'open');
  // Time servers, before the end; then a jump back; then beyond it.
  g.trust('network', noon - 3600);
  passed(g, 5_000_000);
  await g.pass(minutes(20));
  assert.equal(g.chain(session).at(-1)?.wall.trust, 'network');
  const held = Number(g.kernel.held(key('a'))?.ends) - g.clock.monotonic();
  assert.ok(held <= hours(1), 'the kernel holds the end as well');
  g.trust('network', noon - 86_400);
  await g.pass(hours(2));
  assert.is(g.session('ann').kind, 'open');
  g.trust('network', noon + 1);
  await g.pass(minutes(1));
  assert.is(examined(g, session).sessions[0]?.final, 'expired');
});
clocks.run();

/** The last receipt, as who has the tunnel's other end would. */
function countersign(g: Ground): void {
  const { session, head } = g.session('ann');
  const signed = must(cose.decode(must(lastOf(g, session))));
  const signature = cose.witness(must(cose.verify(signed, signer.key, portable)), story.signers.consumer);
  g.loop().happened({ kind: 'witnessed', link: head, signature });
}
function lastOf(g: Ground, session: SessionId): Result<Uint8Array> {
  const kept = g.store().state().accounts.get(session)?.kept.at(-1);
  return kept === undefined ? fail('missing', session, 'no receipt') : ok(kept.receipt);
}
const countersigned = suite('a consumer with a key');
countersigned('is heard, shown each receipt, and noted with its countersignature', async () => {
  const g = await begun({ consumer, witness: 'required', credit: mib(8) });
  const { session } = g.session('ann');
  assert.equal(
    g.attended().map(({ session, addresses }) => [session, ...addresses]),
    [[session, '10.213.0.2', 'fd00::2']],
  );
  passed(g, 3 << 20);
  await g.pass(30_000);
  assert.equal(g.shown, [session]);
  countersign(g);
  passed(g, 3 << 20);
  await g.pass(30_000);
  assert.equal(
    g.chain(session).map(({ witnessed }) => witnessed),
    [null, 1],
  );
});
/** As the consumer's end of UDP 4720 does: each receipt countersigned, each tally vouched for. */
function answer(g: Ground, from: number): number {
  const { head, witnessed } = g.session('ann');
  if (head.sequence > 0 && witnessed?.sequence !== head.sequence) countersign(g);
  for (const voucher of g.tallies.slice(from)) {
    const message = cose.encode(cose.sign('voucher', wire.voucher.write(voucher), story.signers.consumer, portable));
    g.loop().happened({ kind: 'vouched', voucher, message });
  }
  return g.tallies.length;
}
const needy = { consumer, witness: 'required', credit: mib(8), quota: mib(8192) } as const;
countersigned('that answers is served in full by a credit of a minute’s traffic, whatever the flash allows', async () => {
  const g = await begun(needy);
  let heard = 0;
  for (let round = 0; round < 720; round++) {
    passed(g, 2 << 20);
    await g.pass(10_000);
    assert.is(g.session('ann').kind, 'open', `round ${round}`);
    heard = answer(g, heard);
  }
  assert.ok(heard > 100, `${heard} tallies`);
  assert.ok(g.store().spent().writes < 100, `${g.store().spent().writes} writes`);
  assert.is(g.store().state().accounts.get(g.session('ann').session)?.voucher, null, 'nothing of it is written');
});
countersigned('that vouches and countersigns nothing is cut beyond twice the credit, and its word is kept', async () => {
  const g = await begun(needy);
  const { session } = g.session('ann');
  let heard = 0;
  for (let round = 0; round < 60 && g.session('ann').head.sequence < 3; round++) {
    passed(g, 2 << 20);
    await g.pass(10_000);
    heard = answer(g, heard);
  }
  // From here on it only vouches; before the next receipt, while the flash allows none.
  g.files.set('full');
  let vouched = 0n;
  for (let round = 0; round < 30; round++) {
    passed(g, 2 << 20);
    await g.pass(10_000);
    for (const voucher of g.tallies.slice(heard)) {
      const message = cose.encode(cose.sign('voucher', wire.voucher.write(voucher), story.signers.consumer, portable));
      g.loop().happened({ kind: 'vouched', voucher, message });
      vouched = sumOf(voucher.counted);
    }
    heard = g.tallies.length;
  }
  assert.is(g.session('ann').kind, 'open');
  assert.ok(vouched > mib(50), `${vouched}`);
  g.files.set('none');
  for (let round = 0; round < 30 && g.kernel.held(key('a')) !== undefined; round++) {
    passed(g, 2 << 20);
    await g.pass(10_000);
  }
  assert.is(g.tallies.length, heard, 'whoever leaves a receipt open is asked for no less');
  assert.is(g.loop().table().size, 0);
  assert.ok(g.kernel.carried(key('a')) <= vouched + 2n * mib(8) + mib(24), 'twice the credit, a minute and a round');
  const voucher = g.store().state().accounts.get(session)?.voucher ?? null;
  assert.ok(voucher !== null);
  const [told] = examined(g, session).sessions;
  assert.equal([told?.final, told?.vouched], ['unwitnessed', vouched]);
});
countersigned('that disputes is told of with both figures, after a restart and after its end, too', async () => {
  const g = await begun({ consumer, witness: 'optional' });
  const { session } = g.session('ann');
  const dispute = async (counted: Dispute['counted'], reason: Dispute['reason']): Promise<void> => {
    passed(g, 5_000_000);
    await g.pass(minutes(6));
    const { head } = g.session('ann');
    g.loop().happened({ kind: 'disputed', dispute: { ...head, reason, counted }, bytes: new Uint8Array() });
  };
  await dispute({ up: 0n as ByteCount, down: 7n as ByteCount }, 'bytes');
  await dispute(null, 'chain');
  await dispute({ up: 1n as ByteCount, down: 4_000_000n as ByteCount }, 'bytes');
  const disputed = (): unknown => {
    const kept = g.store().state();
    return must(decodeSessions(encodeSessions(g.loop().table().values(), over(kept), now, kept))).map((one) => one.disputed);
  };
  const now = { at: g.clock.monotonic(), wall: { at: seconds(0), trust: 'unknown' } } as const;
  const want = [{ receipt: 3, reason: 'bytes', up: 0n, down: 15_000_000n, own_up: 1n, own_down: 4_000_000n }];
  assert.equal(disputed(), want);
  await g.pass(minutes(20));
  await g.start();
  await g.pass(10_000);
  assert.equal(disputed(), want);
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' })));
  await g.pass(minutes(2));
  assert.is(g.loop().table().size, 0);
  assert.equal(disputed(), want);
  assert.is(examined(g, session).sessions[0]?.final, 'revoked');
});
countersigned('that signs nothing is slowed beyond its credit, and cut beyond twice of it', async () => {
  const g = await begun({ consumer, witness: 'required', credit: mib(8), rate: { up: 8_000_000n, down: 400_000n } });
  const { session } = g.session('ann');
  passed(g, 9 << 20);
  await g.pass(20_000);
  assert.is(g.session('ann').kind, 'throttled');
  assert.equal(g.kernel.held(key('a'))?.wish.rate, { up: 500_000n, down: 64_000n });
  countersign(g);
  await g.pass(20_000);
  assert.is(g.session('ann').kind, 'open');
  assert.equal(g.kernel.held(key('a'))?.wish.rate.up, 8_000_000n);
  passed(g, 17 << 20);
  await g.pass(50_000);
  assert.is(g.session('ann').kind, 'throttled', 'it has a minute to answer');
  await g.pass(30_000);
  assert.is(g.session('ann').kind, 'draining');
  assert.is(passed(g, 1), 0n);
  await g.pass(minutes(2));
  assert.is(g.loop().table().size, 0);
  assert.is(g.kernel.held(key('a')), undefined);
  const [told] = examined(g, session).sessions;
  assert.equal([told?.final, told?.counted.down], ['unwitnessed', BigInt(26 << 20)]);
});
countersigned('has a minute for its last word, and keeps its place so long', async () => {
  const g = await begun({ consumer, witness: 'optional' });
  passed(g, 5000);
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' })));
  const last = g.session('ann');
  assert.ok(last.kind === 'draining' && typeof last.stage === 'object');
  assert.is(passed(g, 1), 0n, 'nothing passes any more');
  assert.is.not(g.kernel.held(key('a')), undefined);
  assert.equal(g.shown, [last.session]);
  countersign(g);
  await g.pass(10_000);
  assert.is(g.loop().table().size, 0);
  assert.is(g.kernel.held(key('a')), undefined);
});
countersigned('has given its last word for good, whatever happens to the power then', async () => {
  const g = await begun({ consumer, witness: 'required', credit: mib(8) });
  passed(g, 5000);
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' })));
  const { session } = g.session('ann');
  countersign(g);
  await g.start();
  assert.is(examined(g, session).sessions[0]?.witnessed, 1);
});
countersigned('that comes back at once with the same key is billed for nothing of the session before', async () => {
  const g = await begun({ consumer, witness: 'optional' });
  passed(g, 5000);
  must(await g.ask((ticket) => ({ kind: 'dismissed', ticket, name: 'ann' })));
  countersign(g);
  // The seat of the session that is over is still there.
  assert.is(g.kernel.held(key('a'))?.passed.down, 5000n);
  const back = g.befriend('bea', draft('a'));
  await g.pass(20_000);
  must(await back);
  passed(g, 70);
  await g.pass(10_000);
  assert.equal([g.session('bea').kind, billed(g, 'bea'), g.kernel.held(key('a'))?.used.down], ['open', 70n, 0n]);
});
countersigned.run();
