import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type ByteCount, type PublicKey, seconds } from '../../agent/core/brand.ts';
import type { Draft } from '../../agent/core/friend.ts';
import * as friend from '../../agent/core/friend.ts';
import type { Grant } from '../../agent/core/grant.ts';
import * as grants from '../../agent/core/grant.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Ceilings } from '../../agent/core/settings.ts';
import type { KeyId, SessionId } from '../../agent/core/signed.ts';

const draft: Draft = {
  peer: 'A'.repeat(43).concat('=') as PeerKey,
  consumer: new Uint8Array(32) as PublicKey,
  witness: 'required',
  credit: 5n as ByteCount,
  quota: 1000n as ByteCount,
  rate: { up: 100n, down: 200n },
  lifetime: seconds(60),
  until: seconds(99),
  idle: seconds(9),
};
const first = friend.invite('n'.repeat(16) as KeyId, '1'.repeat(32), draft);
const session = 's'.repeat(32) as SessionId;
const split: Grant = { ...first, quota: { kind: 'split', up: 5n as ByteCount, down: 6n as ByteCount } };

const inviting = suite('friend.invite');
inviting('is what was asked for, the first of its session, of no price', () => {
  const { quota, ...rest } = draft;
  const { node, nonce, throttle, egress, price, ...got } = first;
  assert.equal(got, { ...rest, quota: { kind: 'shared', bytes: quota }, session: null, revision: 0 });
  assert.equal([node, nonce, throttle, egress, price], ['n'.repeat(16), '1'.repeat(32), null, { kind: 'internet' }, null]);
  assert.equal(grants.faultsOf(first), []);
});
inviting.run();

const topping = suite('friend.topUp');
for (const { name, had, quota, more, want } of [
  { name: 'both', had: first, quota: 24n, more: 5, want: [{ kind: 'shared', bytes: 1024n }, 65] },
  { name: 'bytes', had: first, quota: 24n, more: 0, want: [{ kind: 'shared', bytes: 1024n }, 60] },
  { name: 'time, of a quota that is split', had: split, quota: 24n, more: 5, want: [split.quota, 65] },
])
  topping(name, () => {
    const got = friend.topUp(session, had, '2'.repeat(32), quota, more);
    assert.equal([got.quota, got.lifetime], want);
    assert.equal([got.session, got.revision, got.nonce], [session, 1, '2'.repeat(32)]);
    assert.equal(grants.faultsOfTopUp(session, had, got), [], 'takes nothing away and changes nothing else');
    assert.is(friend.topUp(session, got, '3'.repeat(32), 0n, 0).revision, 2);
  });
topping.run();

const ceilings = { quota: 1000n, rate: { up: 100n, down: 200n }, lifetime: seconds(1) } as Ceilings;
const beyond = suite('friend.beyond');
for (const { name, more, want } of [
  { name: 'all that is allowed', more: {}, want: null },
  { name: 'a byte more', more: { quota: { kind: 'shared', bytes: 1001n } }, want: 'grant.quota' },
  { name: 'nothing', more: { quota: { kind: 'shared', bytes: 0n } }, want: 'grant.quota' },
  { name: 'more in two parts', more: { quota: { kind: 'split', up: 501n, down: 500n } }, want: 'grant.quota' },
  { name: 'faster up', more: { rate: { up: 101n, down: 200n } }, want: 'grant.rate_up' },
  { name: 'faster down', more: { rate: { up: 100n, down: 201n } }, want: 'grant.rate_down' },
  { name: 'faster once it is spent', more: { throttle: { up: 101n, down: 1n } }, want: 'grant.throttle_up' },
] as const)
  beyond(name, () => assert.is(friend.beyond({ ...first, ...more }, ceilings)?.path ?? null, want));
beyond.run();

const names = suite('friend.misnamed');
for (const name of ['a', 'Ann_B.c-9', 'x'.repeat(32)]) names(name, () => assert.is(friend.misnamed(name), null));
for (const name of ['', 'x'.repeat(33), 'a b', 'a/b', 'a\n', 'ä', 'a\u202eb'])
  names(`not ${JSON.stringify(name)}`, () => assert.is(friend.misnamed(name)?.path, 'name'));
names.run();
