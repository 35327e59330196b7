import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Grant, Micro } from '../../agent/core/grant.ts';
import type { Link, Reading, Receipt } from '../../agent/core/receipt.ts';
import * as receipt from '../../agent/core/receipt.ts';
import type { Fault } from '../../agent/core/result.ts';
import type { Generation, Pair } from '../../agent/core/seat.ts';
import type { BootId, Digest, SessionId } from '../../agent/core/signed.ts';

const bytes = (n: number | bigint): ByteCount => BigInt(n) as ByteCount;
const both = (up: number, down: number): Pair<ByteCount> => ({ up: bytes(up), down: bytes(down) });
const session = 'ab'.repeat(16) as SessionId;
const digest = (n: number): Digest => n.toString(16).padStart(64, '0') as Digest;
const price = { micro: 1200n as Micro, currency: 'EUR' };
const reading = (up: number, counted: Pair<ByteCount>, boot = 'aa'): Reading => ({
  boot: boot as BootId,
  up: millis(up),
  wall: { at: seconds(0), trust: 'unknown' },
  counted,
  packets: counted,
  generation: 1 as Generation,
  tunnel: counted,
  gap: null,
  left: { kind: 'shared', bytes: bytes(0) },
});
const anchor: Link = { session, sequence: 0, digest: digest(0) };
const still = { terms: null, witnessed: null, final: null } as const;
const one = receipt.next(anchor, reading(1000, both(1 << 20, 1 << 20)), price, still);
const two = receipt.next({ session, sequence: 1, digest: digest(1) }, reading(2000, both(1 << 20, 3 << 20)), price, still);
const said = (faults: readonly Fault[]): string => faults.map((f) => `${f.code} ${f.path}`).join(', ');

const amounts: readonly Readonly<{ name: string; counted: Pair<ByteCount>; micro: bigint; want: bigint }>[] = [
  { name: 'nothing', counted: both(0, 0), micro: 1200n, want: 0n },
  { name: 'a MiB', counted: both(0, 1 << 20), micro: 1200n, want: 1200n },
  { name: 'half each way', counted: both(1 << 19, 1 << 19), micro: 1200n, want: 1200n },
  { name: 'rounded down', counted: both((1 << 20) - 1, 0), micro: 1n, want: 0n },
  { name: 'rounded down once, not each way', counted: both((1 << 19) + 1, 1 << 19), micro: 1n, want: 1n },
  {
    name: 'a pebibyte each way at the highest price',
    counted: both(2 ** 50, 2 ** 50),
    micro: 2n ** 32n - 1n,
    want: (2n ** 32n - 1n) << 31n,
  },
];
const amount = suite('receipt: the amount');
for (const c of amounts) {
  amount(c.name, () => assert.is(receipt.amountOf(c.counted, { micro: c.micro as Micro, currency: 'EUR' }), c.want));
  amount(`${c.name}: fits 63 bits`, () => assert.ok(c.want < 1n << 63n));
}
amount.run();

const chains: readonly Readonly<{ name: string; before?: Receipt; digest?: Digest; after: Receipt; want: string }>[] = [
  { name: 'the next', after: two, want: '' },
  { name: 'the same again', after: { ...two, sequence: 1 }, want: 'stale sequence' },
  { name: 'one is missing', after: { ...two, sequence: 3 }, want: 'missing sequence' },
  { name: 'forked', digest: digest(9), after: two, want: 'forged previous' },
  { name: 'of another session', after: { ...two, session: 'cd'.repeat(16) as SessionId }, want: 'denied session' },
  { name: 'less up', after: { ...two, ...counted(both(1, 3 << 20)) }, want: 'denied counted.up' },
  { name: 'less down', after: { ...two, ...counted(both(1 << 20, 1)) }, want: 'denied counted.down' },
  { name: 'fewer packets', after: { ...two, packets: both(1, 1) }, want: 'denied packets.up, denied packets.down' },
  { name: 'a gap', after: { ...two, gap: both(1, 1) }, want: '' },
  { name: 'less of a gap', before: { ...one, gap: both(2, 2) }, after: { ...two, gap: both(1, 2) }, want: 'denied gap.up' },
  { name: 'no gap any more', before: { ...one, gap: both(2, 0) }, after: two, want: 'denied gap.up' },
  { name: 'back in time', after: { ...two, up: millis(999) }, want: 'denied up' },
  { name: 'after a reboot', after: { ...two, up: millis(5), boot: 'bb' as BootId }, want: '' },
  { name: 'the wall clock may do what it likes', before: { ...one, wall: { at: seconds(99), trust: 'network' } }, after: two, want: '' },
  { name: 'another amount', after: { ...two, due: { amount: 1n as Micro, price } }, want: 'denied due' },
  { name: 'another price', after: { ...two, due: due(two, 1300n) }, want: 'denied due.price' },
  { name: 'no price any more', after: { ...two, due: null }, want: 'denied due.price' },
  { name: 'after the end', before: { ...one, final: 'revoked' }, after: two, want: 'closed final' },
  { name: 'witnessed', after: { ...two, witnessed: 1 }, want: '' },
  { name: 'witnessed before it was', after: { ...two, witnessed: 2 }, want: 'denied witnessed' },
  { name: 'witnessed no more', before: { ...one, sequence: 5, witnessed: 3 }, after: { ...two, sequence: 6 }, want: 'denied witnessed' },
];
function due({ counted }: Receipt, micro: bigint): NonNullable<Receipt['due']> {
  const other = { micro: micro as Micro, currency: 'EUR' };
  return { amount: receipt.amountOf(counted, other), price: other };
}
function counted(of: Pair<ByteCount>): Partial<Receipt> {
  return { counted: of, packets: both(4 << 20, 4 << 20), due: { amount: receipt.amountOf(of, price), price } };
}
const chain = suite('receipt: the chain');
for (const c of chains)
  chain(c.name, () => assert.is(said(receipt.faultsBetween(c.before ?? one, c.digest ?? digest(1), c.after)), c.want));
chain('the first stands on its grant', () => {
  const granted = { price } as Grant;
  assert.is(said(receipt.faultsOfFirst(anchor, granted, one)), '');
  assert.is(said(receipt.faultsOfFirst({ ...anchor, digest: digest(7) }, granted, one)), 'forged previous');
  assert.is(said(receipt.faultsOfFirst(anchor, { price: null } as Grant, one)), 'denied due.price');
  assert.is(said(receipt.faultsOfFirst(anchor, granted, two)), 'missing sequence');
});
chain.run();

const quota = (n: number | bigint) => ({ kind: 'shared', bytes: bytes(n) }) as const;
const mib = 1 << 20;
const paces: readonly Readonly<{
  name: string;
  in: Parameters<typeof receipt.paceOf>;
  want: readonly [least: number, most: number, step: number];
}>[] = [
  { name: 'one session', in: [1, millis(8), quota(1 << 30), null], want: [10_000, 300_000, 64 * mib] },
  { name: 'a large quota', in: [1, millis(8), quota(100n << 30n), null], want: [10_000, 300_000, 1024 * mib] },
  { name: 'a small credit', in: [1, millis(8), quota(1 << 30), bytes(16 * mib)], want: [10_000, 300_000, 4 * mib] },
  { name: 'a large credit', in: [1, millis(8), quota(1 << 30), bytes(1 << 30)], want: [10_000, 300_000, 64 * mib] },
  { name: 'twenty on a slow router', in: [20, millis(280), quota(1 << 30), null], want: [560_000, 560_000, 64 * mib] },
  {
    name: 'each way its own',
    in: [1, millis(8), { kind: 'split', up: bytes(50n << 30n), down: bytes(50n << 30n) }, null],
    want: [10_000, 300_000, 1024 * mib],
  },
];
const pace = suite('receipt: the pace');
for (const c of paces)
  pace(c.name, () => {
    const { least, most, step } = receipt.paceOf(...c.in);
    assert.equal([least, most, Number(step)], c.want);
  });
pace('a hundredth of the time at most', () => {
  for (const [sessions, cost] of [
    [1, 5],
    [20, 280],
    [256, 280],
    [64, 1],
  ] as const) {
    const { least } = receipt.paceOf(sessions, millis(cost), quota(1 << 30), bytes(1));
    assert.ok(sessions * cost <= least / 100);
  }
});
const p = receipt.paceOf(1, millis(8), quota(1 << 30), null);
const times: readonly Readonly<{ name: string; bytes: number; time: number; turn?: true; want: boolean }>[] = [
  { name: 'nothing passed', bytes: 0, time: 1_000_000, want: false },
  { name: 'nothing passed, but it ends', bytes: 0, time: 0, turn: true, want: true },
  { name: 'a little, for long', bytes: 1, time: 300_000, want: true },
  { name: 'a little, not for long', bytes: 1, time: 299_999, want: false },
  { name: 'a step', bytes: 64 * mib, time: 10_000, want: true },
  { name: 'not quite a step', bytes: 64 * mib - 1, time: 10_000, want: false },
  { name: 'a step, too soon', bytes: 64 * mib, time: 9999, want: false },
];
for (const c of times) pace(c.name, () => assert.is(receipt.isTime(p, { bytes: BigInt(c.bytes), time: c.time }, c.turn ?? false), c.want));
pace.run();

const services: readonly Readonly<{ name: string; grant: Pick<Grant, 'witness' | 'credit'>; open: bigint; want: string }>[] = [
  { name: 'within', grant: { witness: 'required', credit: bytes(10) }, open: 10n, want: 'full' },
  { name: 'beyond', grant: { witness: 'required', credit: bytes(10) }, open: 11n, want: 'throttled' },
  { name: 'at twice', grant: { witness: 'required', credit: bytes(10) }, open: 20n, want: 'throttled' },
  { name: 'beyond twice', grant: { witness: 'required', credit: bytes(10) }, open: 21n, want: 'cut' },
  { name: 'optional', grant: { witness: 'optional', credit: bytes(10) }, open: 1000n, want: 'full' },
  { name: 'none', grant: { witness: 'none', credit: null }, open: 1000n, want: 'full' },
];
const service = suite('receipt: credit');
for (const c of services) service(c.name, () => assert.is(receipt.serviceOf(c.grant, c.open), c.want));
service.run();
