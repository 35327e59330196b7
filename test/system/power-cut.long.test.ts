// The native agent killed a hundred times, at any moment, under traffic on a real kernel: no receipt is told in two ways or forgotten, what
// was agreed is kept, what is billed was carried, and the kernel lets nothing pass above what was granted.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as enforcer from '../../agent/adapters/enforcer-client.ts';
import type { Result } from '../../agent/core/result.ts';
import { sumOf } from '../../agent/core/seat.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import * as receipts from '../../agent/wire/receipt.ts';
import * as told from '../../agent/wire/told.ts';
import * as at from '../net/ground/addresses.ts';
import { key, rowOf, token } from '../net/guests.ts';
import * as post from '../net/post.ts';

const lives = 100;
const first = 2_000_000n;
const more = 100_000n;
const { must } = post;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const kills = suite('SIGKILL');
kills('a hundred lives of the agent, one session', async () => {
  const it = await post.open(undefined, { consumers: ['c'] });
  const ask = (method: string, args: Table = []): Promise<Result<Table>> =>
    enforcer.ask((_, ...call) => it.root.call('weir', ...call), method, args);
  const name = { name: blobmsg.string('ann') };
  const sessionOf = async (): Promise<told.Session> => {
    const [found] = must(told.decodeSessions(must(await ask('sessions'))));
    if (found === undefined) throw new Error('the session is forgotten');
    return found;
  };
  const chain = async (session: string): Promise<readonly Uint8Array[]> => {
    const messages: Uint8Array[] = [];
    for (let [from, isMore] = [1n, true]; isMore; ) {
      const asked = blobmsg.table({ session: blobmsg.string(session), from: blobmsg.int64(from) });
      const page = must(told.decodeReceipts(must(await ask('receipts', asked))));
      messages.push(...page.messages.filter((bytes) => !messages.some((known) => Buffer.compare(known, bytes) === 0)));
      isMore = page.more;
      from = BigInt(Math.max(...receiptsIn(page.messages).keys()) + 1);
    }
    return messages;
  };
  try {
    await it.begin();
    await it.served.start();
    await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
    const rate = blobmsg.int64(50_000_000n);
    const wish = {
      key: blobmsg.string(key('c')),
      quota: blobmsg.int64(first),
      rate_up: rate,
      rate_down: rate,
      seconds: blobmsg.int64(86_400n),
    };
    must(await ask('friend_add', blobmsg.table({ ...name, ...wish })));
    await it.connect('c');
    const { session } = await sessionOf();
    const seen = new Map<number, string>();
    let [asked, agreed] = [first, first];
    for (let life = 1; life <= lives; life++) {
      const flow = { to: at.internet.v4, port: 443, total: 300, size: 1000, perSecond: 300, token: token() };
      const flowing = it.ground.in('c').ask('udpSend', flow);
      // More of the quota is a receipt, too, which is sealed while the kill is on its way.
      const topping = ask('friend_top_up', blobmsg.table({ ...name, quota: blobmsg.int64(more) }));
      asked += more;
      await pause(Math.random() * 1000);
      await it.served.kill();
      if ((await topping).ok) agreed += more;
      await flowing;
      await it.served.start();
      const found = await sessionOf();
      assert.is(found.session, session);
      assert.ok(
        found.quota !== null && found.quota >= agreed && found.quota <= asked,
        `life ${life}: ${found.quota} of ${agreed} to ${asked}`,
      );
      agreed = found.quota;
      asked = found.quota;
      for (const [number, digest] of receiptsIn(await chain(session))) {
        assert.is(seen.get(number) ?? digest, digest, `life ${life}: receipt ${number} is told in two ways`);
        seen.set(number, digest);
      }
      assert.ok(found.sequence >= Math.max(0, ...seen.keys()), `life ${life}: ${found.sequence} of ${seen.size}`);
      const carried = sumOf((await rowOf(it, 'c')).counted);
      assert.ok(carried <= asked, `life ${life}: ${carried} bytes of ${asked}`);
      assert.ok(found.up + found.down <= carried, `life ${life}: ${found.up + found.down} billed, ${carried} carried`);
    }
    assert.ok(seen.size > lives / 10, `${seen.size} receipts`);
    const carried = sumOf((await rowOf(it, 'c')).counted);
    must(await ask('friend_remove', blobmsg.table(name)));
    const report = evidence.examine(await chain(session), [], portable);
    assert.equal(report.findings, []);
    const [last] = report.sessions;
    assert.is(last && sumOf(last.counted), carried, 'to the byte');
    assert.is(last?.final, 'revoked');
  } finally {
    await it.close();
  }
});
kills.run();

/** Digests by number. */
function receiptsIn(messages: readonly Uint8Array[]): ReadonlyMap<number, string> {
  const found = new Map<number, string>([[0, '']]);
  for (const bytes of messages) {
    const signed = must(cose.decode(bytes));
    if (signed.kind === 'receipt') found.set(must(receipts.receipt.read(signed.body)).sequence, cose.digestOf(signed, portable));
  }
  return found;
}
