// The conversation of router and consumer on UDP: what is answered, what is ignored, and what it may cost.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as countersign from '../../../agent/adapters/countersign.ts';
import { millis } from '../../../agent/core/brand.ts';
import { fail, fault, ok } from '../../../agent/core/result.ts';
import { portable as hashes } from '../../../agent/crypto/sha.ts';
import type { Host, Net } from '../../../agent/ports/host.ts';
import * as cose from '../../../agent/wire/cose.ts';
import type { Datagram } from '../../../agent/wire/receipt.ts';
import * as wire from '../../../agent/wire/receipt.ts';
import type { ManualClock } from '../../fakes/clock.ts';
import * as clocks from '../../fakes/clock.ts';
import * as story from '../../wire/story.ts';
import { must } from './journal.ts';

type Told = (typeof story.chain)[number];
const told = (n: number): Told => {
  const found = story.chain[n];
  if (found === undefined) throw new Error('story: no such receipt');
  return found;
};
const [one, two] = [told(0), told(1)];
const openOf = ({ value, signed }: Told): countersign.Open => ({
  link: { session: value.session, sequence: value.sequence, digest: cose.digestOf(signed, hashes) },
  signed,
});
const consumer: countersign.Consumer = { session: story.session, key: story.signers.consumer.key, addresses: ['100.64.0.2', 'fd00::2'] };
const { session } = story;
const witnessed = (sequence: number, signature: Uint8Array): Datagram => ({ kind: 'witnessed', session, sequence, signature });
const good = wire.encodeDatagram(witnessed(1, one.witness));
const wrong = wire.encodeDatagram(witnessed(1, two.witness));
const disputeOf = (by: story.Who, more = {}): Uint8Array => {
  const dispute = { ...openOf(one).link, reason: 'bytes' as const, counted: one.value.counted, ...more };
  return wire.encodeDatagram({ kind: 'disputed', dispute: cose.encode(story.sign('dispute', dispute, by)) });
};

const voucherOf = (by: story.Who, change = (signed: cose.Signed): cose.Signed => signed): Uint8Array =>
  wire.encodeDatagram({ kind: 'vouched', voucher: cose.encode(change(story.sign('voucher', story.voucher, by))) });

type Stage = Readonly<{
  clock: ManualClock;
  adapter: countersign.Countersign;
  sent: string[];
  said: string[];
  hashed(): number;
  hear(bytes: Uint8Array, from?: string): void;
  /** One of the two sockets ends by itself. */
  end(): void;
}>;

function stage(): Stage {
  const sent: string[] = [];
  const said: string[] = [];
  let hashed = 0;
  let received: (bytes: Uint8Array, from: string) => void = () => undefined;
  let end: () => void = () => undefined;
  const bindUdp: Net['bindUdp'] = (at, events) => {
    end = () => events.closed(fault('ENETDOWN', 'udp', 'the device is gone'));
    received = (bytes, address) => events.received(bytes, { address, port: 4720 });
    return ok({
      port: at.port,
      send(bytes, to) {
        const datagram = must(wire.decodeDatagram(bytes));
        sent.push(`${at.address} → ${to.address} ${datagram.kind}`);
        return fail('ENETUNREACH', 'udp', 'lost on the way');
      },
      close: () => said.push('closed'),
    });
  };
  const clock = clocks.manual();
  const ground = {
    net: { bindUdp } as Net,
    clock,
    sha256: hashes.sha256,
    sha512(bytes: Uint8Array) {
      hashed += 1;
      return hashes.sha512(bytes);
    },
  };
  const adapter = must(
    countersign.start(ground, ['100.64.0.1', 'fd00::1'], {
      witnessed: ({ sequence }) => said.push(`witnessed ${sequence}`),
      disputed: ({ sequence, reason }) => said.push(`disputed ${sequence} ${reason}`),
      vouched: ({ counted }) => said.push(`vouched ${counted.up}`),
      wanted: (_, from) => said.push(`wanted ${from}`),
      closed: ({ code }) => said.push(code),
    }),
  );
  adapter.admit(consumer);
  return {
    clock,
    adapter,
    sent,
    said,
    hashed: () => hashed,
    hear: (bytes, from = '100.64.0.2') => received(bytes, from),
    end: () => end(),
  };
}

export function testCountersign(host: Host): void {
  const asking = suite('countersign: asks');
  asking('again and again, and no more once it is answered', () => {
    const { adapter, clock, sent, said, hear } = stage();
    adapter.ask(openOf(one));
    assert.equal(sent, ['100.64.0.1 → 100.64.0.2 sealed']);
    clock.advance(millis(7000));
    assert.is(sent.length, 4);
    hear(good, 'fd00::2');
    assert.equal(said, ['witnessed 1']);
    clock.advance(millis(600_000));
    assert.is(sent.length, 4);
    adapter.ask(openOf(two));
    assert.is(sent.at(-1), 'fd00::1 → fd00::2 sealed', 'where it was last heard');
  });
  asking('for the newest alone', () => {
    const { adapter, clock, sent, said, hear } = stage();
    adapter.ask(openOf(one));
    adapter.ask(openOf(two));
    hear(good);
    hear(wire.encodeDatagram(witnessed(2, two.witness)));
    assert.equal(said, ['witnessed 2']);
    adapter.ask(openOf(one));
    adapter.dismiss(session);
    clock.advance(millis(60_000));
    assert.is(sent.length, 3);
    hear(good);
    assert.equal(said, ['witnessed 2']);
  });
  asking('nobody, and holds no address, once one of its sockets has ended', () => {
    const { adapter, clock, sent, said, end } = stage();
    adapter.ask(openOf(one));
    end();
    clock.advance(millis(60_000));
    assert.equal([said, sent.length], [['closed', 'closed', 'ENETDOWN'], 1]);
  });
  asking('on with a consumer whose address changed', () => {
    const { adapter, said, sent, hear } = stage();
    adapter.ask(openOf(one));
    adapter.admit({ ...consumer, addresses: ['100.64.0.9'] });
    assert.is(sent.at(-1), '100.64.0.1 → 100.64.0.9 sealed');
    hear(good);
    assert.equal(said, []);
    hear(good, '100.64.0.9');
    assert.equal(said, ['witnessed 1']);
  });
  asking('closed: no port and no timer', () => {
    const { adapter, clock, sent, said } = stage();
    adapter.ask(openOf(one));
    adapter.close();
    clock.advance(millis(600_000));
    assert.equal(said, ['closed', 'closed']);
    assert.is(sent.length, 1);
  });
  asking.run();

  const hearing = suite('countersign: hears');
  const rows: readonly Readonly<{ name: string; from?: string; bytes: Uint8Array; said: readonly string[]; isHashed: boolean }>[] = [
    { name: 'a countersignature', bytes: good, said: ['witnessed 1'], isHashed: true },
    { name: 'a dispute', bytes: disputeOf('consumer'), said: ['disputed 1 bytes'], isHashed: true },
    { name: 'what is wanted', bytes: wire.encodeDatagram({ kind: 'wanted', from: 1 }), said: ['wanted 1'], isHashed: false },
    { name: 'a stranger’s address', from: '100.64.0.3', bytes: good, said: [], isHashed: false },
    { name: 'nothing', bytes: new Uint8Array(), said: [], isHashed: false },
    { name: 'noise', bytes: new Uint8Array(300).fill(0x9f), said: [], isHashed: false },
    { name: 'too much', bytes: new Uint8Array(1233), said: [], isHashed: false },
    { name: 'a receipt', bytes: wire.encodeDatagram({ kind: 'sealed', receipt: cose.encode(one.signed) }), said: [], isHashed: false },
    { name: 'another number', bytes: wire.encodeDatagram(witnessed(2, two.witness)), said: [], isHashed: false },
    {
      name: 'another session',
      bytes: wire.encodeDatagram({ kind: 'witnessed', session: story.topped, sequence: 1, signature: one.witness }),
      said: [],
      isHashed: false,
    },
    { name: 'a signature that does not hold', bytes: wrong, said: [], isHashed: true },
    { name: 'a dispute by a stranger', bytes: disputeOf('stranger'), said: [], isHashed: false },
    { name: 'a dispute about another number', bytes: disputeOf('consumer', { sequence: 2 }), said: [], isHashed: false },
    { name: 'a dispute about another receipt', bytes: disputeOf('consumer', { digest: story.anchor }), said: [], isHashed: false },
  ];
  for (const row of rows)
    hearing(row.name, () => {
      const { adapter, said, hashed, hear } = stage();
      adapter.ask(openOf(one));
      hear(row.bytes, row.from);
      assert.equal(said, row.said);
      assert.is(hashed() > 0, row.isHashed, `${hashed()} hashes`);
      hear(row.bytes, row.from);
      assert.equal(said, row.said, 'twice is once');
    });
  const vouchers: readonly Readonly<{ name: string; bytes: Uint8Array; said: readonly string[]; isHashed: boolean }>[] = [
    { name: 'of the tally', bytes: voucherOf('consumer'), said: ['vouched 19000000'], isHashed: true },
    { name: 'by a stranger', bytes: voucherOf('stranger'), said: [], isHashed: false },
    {
      name: 'with another signature',
      bytes: voucherOf('consumer', (signed) => ({ ...signed, signature: one.witness })),
      said: [],
      isHashed: true,
    },
    {
      name: 'for less',
      bytes: wire.encodeDatagram({
        kind: 'vouched',
        voucher: cose.encode(story.sign('voucher', { ...story.voucher, counted: one.value.counted }, 'consumer')),
      }),
      said: [],
      isHashed: false,
    },
    { name: 'a dispute in its place', bytes: disputeOf('consumer'), said: [], isHashed: false },
  ];
  for (const row of vouchers)
    hearing(`a voucher: ${row.name}`, () => {
      const { adapter, sent, said, hashed, hear } = stage();
      hear(row.bytes);
      assert.equal([said, hashed()], [[], 0], 'nothing was asked');
      adapter.tally(story.voucher);
      assert.equal(sent, ['100.64.0.1 → 100.64.0.2 tally']);
      hear(row.bytes);
      assert.equal([said, hashed() > 0], [row.said, row.isHashed]);
      const spent = hashed();
      hear(row.bytes);
      assert.equal([said, hashed()], [row.said, spent], 'one answer is verified');
    });
  hearing('with nothing open: nothing is verified', () => {
    const { said, hashed, hear } = stage();
    hear(good);
    hear(disputeOf('consumer'));
    assert.equal([said, hashed()], [[], 0]);
  });
  hearing('a flood of wrong answers: one verification for each sending, and the right one still counts', () => {
    const { adapter, clock, sent, said, hashed, hear } = stage();
    adapter.ask(openOf(one));
    for (let n = 0; n < 10_000; n++) {
      hear(wrong);
      clock.advance(millis(10));
    }
    assert.ok(hashed() <= sent.length, `${hashed()} verifications, ${sent.length} sent`);
    assert.equal(said, []);
    clock.advance(millis(60_000));
    hear(good);
    assert.equal(said, ['witnessed 1']);
  });
  hearing('a flood of questions: an answer a second at most, and few are looked at', () => {
    const { clock, said, hear } = stage();
    for (let n = 0; n < 10_000; n++) {
      hear(wire.encodeDatagram({ kind: 'wanted', from: null }));
      clock.advance(millis(10));
    }
    assert.ok(said.length > 0 && said.length <= 80, `${said.length}`);
  });
  hearing.run();

  const real = suite('countersign: on sockets');
  real('a receipt there, a countersignature back', async () => {
    const [router, there] = ['127.0.0.1', '127.0.0.2'];
    const verdict = await new Promise<string>((settle) => {
      const timer = host.clock.after(millis(20_000), () => settle('nothing came'));
      const other = must(
        host.net.bindUdp(
          { address: there, port: 0 },
          {
            received(bytes, from) {
              const heard = must(wire.decodeDatagram(bytes));
              if (heard.kind === 'sealed') must(other.send(good, from));
            },
            closed: (why) => settle(why.reason),
          },
        ),
      );
      const adapter = must(
        countersign.start(
          host,
          [router],
          {
            witnessed({ sequence }) {
              timer.cancel();
              adapter.close();
              other.close();
              settle(`witnessed ${sequence}`);
            },
            disputed: () => settle('disputed'),
            vouched: () => settle('vouched'),
            wanted: () => settle('wanted'),
            closed: (why) => settle(why.reason),
          },
          other.port,
        ),
      );
      adapter.admit({ ...consumer, addresses: [there] });
      adapter.ask(openOf(one));
    });
    assert.is(verdict, 'witnessed 1');
  });
  real('a port that is taken', () => {
    const taken = must(host.net.bindUdp({ address: '127.0.0.1', port: 0 }, { received: () => undefined, closed: () => undefined }));
    const unused = (): void => undefined;
    const events = { witnessed: unused, disputed: unused, vouched: unused, wanted: unused, closed: unused };
    const got = countersign.start(host, ['127.0.0.2', '127.0.0.1'], events, taken.port);
    taken.close();
    assert.ok(!got.ok && got.fault.code === 'EADDRINUSE' && got.fault.path.startsWith('countersign'), JSON.stringify(got));
  });
  real.run();
}
