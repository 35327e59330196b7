import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Epoch, Ordered } from '../../agent/core/epoch.ts';
import * as epoch from '../../agent/core/epoch.ts';
import type { KeyId, Nonce } from '../../agent/core/signed.ts';

const node = 'nodenodenodenode' as KeyId;
const nonce = '00'.repeat(16) as Nonce;
const order = (sequence: number, more: Partial<Ordered> = {}): Ordered => ({
  signer: 'coordinatorone22' as KeyId,
  node,
  epoch: nonce,
  sequence,
  expires: null,
  ...more,
});
const other = { signer: 'coordinatortwo22' as KeyId };

/** What becomes of the last of these, at a powered-on time of 100 s. */
function last(orders: readonly Ordered[]): string {
  let e: Epoch = epoch.begin(node, nonce);
  let said = '';
  for (const one of orders) {
    const verdict = epoch.judge(e, one, seconds(100));
    said = verdict.kind === 'refused' ? `${verdict.fault.code} ${verdict.fault.path}` : verdict.kind;
    if (verdict.kind === 'fresh') e = verdict.epoch;
  }
  return said;
}

const cases: readonly Readonly<{ name: string; in: readonly Ordered[]; want: string }>[] = [
  { name: 'the first', in: [order(1)], want: 'fresh' },
  { name: 'the next', in: [order(1), order(2)], want: 'fresh' },
  { name: 'again', in: [order(1), order(1)], want: 'repeated' },
  { name: 'again, after others', in: [order(1), order(2), order(3), order(1)], want: 'repeated' },
  { name: 'out of order', in: [order(5), order(3)], want: 'fresh' },
  { name: 'out of order, again', in: [order(5), order(3), order(3)], want: 'repeated' },
  { name: 'as late as it may be', in: [order(epoch.width), order(1)], want: 'fresh' },
  { name: 'later', in: [order(epoch.width + 1), order(1)], want: 'stale sequence' },
  { name: 'repeated too late', in: [order(1), order(epoch.width + 1), order(1)], want: 'stale sequence' },
  { name: 'far ahead', in: [order(1), order(1_000_000)], want: 'fresh' },
  { name: "another's number is another's", in: [order(7), order(7, other)], want: 'fresh' },
  { name: "another's high number ends nothing", in: [order(9000, other), order(1)], want: 'fresh' },
  { name: 'another epoch', in: [order(1, { epoch: '11'.repeat(16) as Nonce })], want: 'stale epoch' },
  { name: 'another node', in: [order(1, { node: 'strangerstranger' as KeyId })], want: 'denied node' },
  { name: 'in time', in: [order(1, { expires: seconds(100) })], want: 'fresh' },
  { name: 'too late', in: [order(1, { expires: seconds(99) })], want: 'expired expires' },
  { name: 'what was refused as late takes no number', in: [order(1, { expires: seconds(99) }), order(1)], want: 'fresh' },
];
const judge = suite('epoch: judge');
for (const c of cases) judge(c.name, () => assert.is(last(c.in), c.want));
judge('obeyed in time, it is answered again later', () => {
  const once = epoch.judge(epoch.begin(node, nonce), order(1, { expires: seconds(50) }), seconds(50));
  if (once.kind !== 'fresh') throw new Error(once.kind);
  assert.is(epoch.judge(once.epoch, order(1, { expires: seconds(50) }), seconds(51)).kind, 'repeated');
});
judge('remembers no more than its width', () => {
  let e = epoch.begin(node, nonce);
  for (let n = 1; n <= 1000; n++) {
    const verdict = epoch.judge(e, order(n), seconds(0));
    if (verdict.kind === 'fresh') e = verdict.epoch;
  }
  assert.is(e.seen.get(order(1).signer)?.numbers.length, epoch.width);
});
judge.run();
