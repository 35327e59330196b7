// A session in virtual time: traffic that the router meters every ten seconds, its receipts, its adapter on UDP 4720, and the consumer's
// library at the other end. Either end may lie. There is no kernel: what passed is known exactly, so what a lie was worth is, too.

import * as countersign from '../../agent/adapters/countersign.ts';
import * as client from '../../agent/consumer/client.ts';
import type { Terms } from '../../agent/consumer/terms.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Grant, Micro } from '../../agent/core/grant.ts';
import type { Link, Receipt } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import { ok } from '../../agent/core/result.ts';
import type { Generation, Pair, Quota } from '../../agent/core/seat.ts';
import { sumOf } from '../../agent/core/seat.ts';
import { grantId } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import type { Datagram, Endpoint, Net } from '../../agent/ports/host.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as clocks from '../fakes/clock.ts';
import { flash } from '../fakes/flash.ts';
import { must } from '../host/kept/journal.ts';
import * as story from '../wire/story.ts';
import { type Lie, lying } from './liar.ts';

const quota: Quota = { kind: 'shared', bytes: (1n << 40n) as ByteCount };
export const grant: Grant = {
  ...story.first,
  quota,
  rate: { up: 500_000n, down: 2_000_000n },
  throttle: { up: 64_000n, down: 64_000n },
  lifetime: seconds(30 * 86_400),
};
/** Of sealing one receipt and checking its countersignature, on a router of 580 MHz. */
const cost = millis(200);
const round = 10;

export type Sealed = Readonly<{ receipt: Receipt; signed: cose.Verified; witness: Uint8Array | null }>;
export type Script = Readonly<{
  lie?: Lie;
  /** Until that many receipts are countersigned the consumer is honest. */
  honest?: number;
  /** What the router bills for what it counted. */
  bill?(counted: Pair<ByteCount>): Pair<ByteCount>;
  /** What the router makes of a receipt before it signs it. */
  write?(receipt: Receipt): Receipt;
  /** Which of its receipts the router shows or gives away; default all. */
  shows?(sequence: number): boolean;
  /** In which rounds the router may write receipts; default all. In the others it asks for vouchers. */
  writes?(round: number): boolean;
  /** Packets of the router's own that it sends down the tunnel, in a second. */
  noise?: bigint;
  grant?: Grant;
  /** Rounds of ten seconds after which it ends, when nothing else ended it. */
  rounds: number;
}>;

export type Told = Readonly<{
  /** Of the router: the first dispute that came. */
  disputed: Readonly<{ sequence: number; reason: string; billed: bigint; passed: bigint }> | null;
  /** Bytes that no countersignature covered when service was first throttled, and when it was cut. */
  throttled: bigint | null;
  cut: bigint | null;
  /** The newest countersigned receipt's bytes, and what had passed by then. */
  witnessed: Readonly<{ sequence: number; billed: bigint; passed: bigint }> | null;
  billed: bigint;
  passed: bigint;
  wanted: number;
  chain: readonly Sealed[];
  terms: Terms;
}>;

const zero: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
const plus = (a: Pair<ByteCount>, up: bigint, down: bigint): Pair<ByteCount> => ({
  up: (a.up + up) as ByteCount,
  down: (a.down + down) as ByteCount,
});

/** What one end sends the other hears a moment later. */
function network(clock: clocks.ManualClock): Net {
  const bound = new Map<string, (bytes: Uint8Array, from: Endpoint) => void>();
  const bindUdp: Net['bindUdp'] = (at, events) => {
    bound.set(at.address, events.received);
    const socket: Datagram = {
      port: at.port,
      send(bytes, to) {
        clock.after(millis(30), () => bound.get(to.address)?.(bytes.slice(), at));
        return ok(undefined);
      },
      close: () => void bound.delete(at.address),
    };
    return ok(socket);
  };
  return { bindUdp } as Net;
}

export function live(script: Script): Told {
  const agreed = script.grant ?? grant;
  const clock = clocks.manual();
  const ground = { net: network(clock), files: flash(), clock, ...hashes };
  const [router, consumer] = ['10.64.0.1', '10.64.0.2'];
  const granted = story.sign('grant', agreed, 'coordinator');
  const digest = cose.digestOf(granted, hashes);
  const session = grantId(digest);
  const anchor: Link = { session, sequence: 0, digest };
  const terms: Terms = { node: story.keyOf('node'), anchor, grant: agreed, later: new Set() };

  let passed = zero;
  let counted = zero;
  let link = anchor;
  let sealed = { at: 0, bytes: 0n };
  let vouched = 0n;
  const chain: Sealed[] = [];
  const passedAt: bigint[] = [];
  let told: Pick<Told, 'disputed' | 'throttled' | 'cut' | 'witnessed' | 'wanted'> = {
    disputed: null,
    throttled: null,
    cut: null,
    witnessed: null,
    wanted: 0,
  };
  const billedAt = (sequence: number): bigint => sumOf(chain[sequence - 1]?.receipt.counted ?? zero);
  const at = (sequence: number) => ({ sequence, billed: billedAt(sequence), passed: passedAt[sequence - 1] ?? 0n });

  const adapter = must(
    countersign.start(ground, [router], {
      witnessed({ sequence }, signature) {
        told = { ...told, witnessed: at(sequence) };
        const one = chain[sequence - 1];
        if (one !== undefined) chain[sequence - 1] = { ...one, witness: signature };
      },
      disputed: ({ sequence, reason }) => {
        told = { ...told, disputed: told.disputed ?? { ...at(sequence), reason } };
      },
      vouched: ({ counted }) => {
        vouched = sumOf(counted);
      },
      wanted(_, from) {
        told = { ...told, wanted: told.wanted + 1 };
        for (const { receipt, signed } of chain.slice((from ?? link.sequence) - 1))
          if (script.shows?.(receipt.sequence) ?? true) adapter.send(session, { kind: 'sealed', receipt: cose.encode(signed) });
      },
      closed: ({ reason }) => {
        throw new Error(reason);
      },
    }),
  );
  const count = () => ok(passed);
  const { lie, honest = 0 } = script;
  const liar = lie === undefined ? null : lying(lie, ground, story.signers.consumer, count);
  const isHonest = (): boolean => (told.witnessed?.sequence ?? 0) < honest;
  const sockets: Net['bindUdp'] = (where, events) => {
    const [plain, crooked] = [ground.net.bindUdp(where, events), liar?.net.bindUdp(where, events) ?? ground.net.bindUdp(where, events)];
    if (!plain.ok || !crooked.ok) return plain;
    return ok({ ...plain.value, send: (bytes, to) => (isHonest() ? plain : crooked).value.send(bytes, to) });
  };
  const mine = must(
    client.start(
      { ...ground, net: { ...ground.net, bindUdp: sockets } },
      {
        terms: () => terms,
        learn: () => undefined,
        signer: story.signers.consumer,
        addresses: [consumer],
        path: '/book',
        count: () => (isHonest() || liar === null ? count() : liar.count()),
      },
      {
        heard: () => undefined,
        failed: ({ reason }) => {
          throw new Error(reason);
        },
      },
    ),
  );
  if (agreed.consumer !== null) adapter.admit({ session, key: agreed.consumer, addresses: [consumer] });

  function seal(now: number, billed: Pair<ByteCount>): void {
    const reading: receipts.Reading = {
      boot: story.boot,
      up: millis(now),
      wall: { at: story.noon, trust: 'network' },
      counted: billed,
      packets: { up: billed.up / 900n, down: billed.down / 1100n },
      generation: 1 as Generation,
      tunnel: billed,
      gap: null,
      left: quota,
    };
    const standing = { terms: null, witnessed: told.witnessed?.sequence ?? null, final: null };
    const plain = receipts.next(link, reading, agreed.price, standing);
    const receipt = script.write?.(plain) ?? plain;
    const signed = story.sign('receipt', receipt, 'node');
    link = { session, sequence: receipt.sequence, digest: cose.digestOf(signed, hashes) };
    chain[receipt.sequence - 1] = { receipt, signed, witness: null };
    passedAt[receipt.sequence - 1] = sumOf(passed);
    sealed = { at: now, bytes: sumOf(billed) };
    if (agreed.consumer !== null && (script.shows?.(receipt.sequence) ?? true)) adapter.ask({ link, signed });
  }

  const pace = receipts.paceOf(1, cost, quota, agreed.credit);
  for (let n = 0; n < script.rounds && told.cut === null; n++) {
    const said = told.witnessed?.passed ?? 0n;
    const unwitnessed = sumOf(counted) - (vouched > said ? vouched : said);
    const service = receipts.serviceOf(agreed, unwitnessed);
    if (service !== 'full') told = { ...told, throttled: told.throttled ?? unwitnessed };
    if (service === 'cut') told = { ...told, cut: unwitnessed };
    const rate =
      service === 'full' ? agreed.rate : service === 'throttled' ? (agreed.throttle ?? { up: 0n, down: 0n }) : { up: 0n, down: 0n };
    const [up, down] = [(rate.up / 8n) * BigInt(round), (rate.down / 8n) * BigInt(round) + (script.noise ?? 0n) * BigInt(round)];
    passed = plus(passed, up, down);
    counted = plus(counted, up, down);
    clock.advance(millis(1000 * (round - 1)));
    const billed = script.bill?.(counted) ?? counted;
    const now = clock.monotonic();
    const isAnswered = link.sequence === (told.witnessed?.sequence ?? 0);
    if (!(script.writes?.(n) ?? true)) {
      if (isAnswered && agreed.consumer !== null) adapter.tally({ session, counted: billed });
    } else if (receipts.isTime(pace, { bytes: sumOf(billed) - sealed.bytes, time: now - sealed.at }, false)) seal(now, billed);
    // Answers come before anything more has passed.
    clock.advance(millis(1000));
  }
  mine.close();
  adapter.close();
  return { ...told, billed: sumOf(script.bill?.(counted) ?? counted), passed: sumOf(passed), chain, terms };
}

export const unwitnessed: Grant = { ...grant, consumer: null, witness: 'none', credit: null };
export const dear = (receipt: Receipt): Receipt =>
  receipt.due === null ? receipt : { ...receipt, due: { ...receipt.due, amount: (receipt.due.amount + 1n) as Micro } };
