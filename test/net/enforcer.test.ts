import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Asked } from '../../agent/wire/enforcer.ts';
import * as at from './ground/addresses.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const withinMs = 5000;
const key = (name: keyof typeof post.keys): PeerKey => post.keys[name].public as PeerKey;
const session = (name: keyof typeof post.keys, more: Partial<Asked['admit']> = {}): Asked['admit'] => ({
  key: key(name),
  quota: { kind: 'shared', bytes: 1_000_000_000n },
  rate: { up: 1_000_000_000n, down: 1_000_000_000n },
  throttle: null,
  egress: { kind: 'internet' },
  seconds: 3600n,
  used: { up: 0n, down: 0n },
  ...more,
});

const enforcer = suite<{ it: Post }>('weir enforcer');
enforcer.before(async (context) => {
  const it = await post.open();
  context.it = it;
  await it.begin();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
  await it.connect('c', 'd', 'e');
});
enforcer.after(async ({ it }) => {
  process.stdout.write(it.lines.map((l) => `  | ${l}\n`).join(''));
  await it.close();
});

enforcer('admits a session: traffic passes and is counted, until it is evicted', async ({ it }) => {
  const [seated] = await it.items('admit', session('c'));
  assert.ok(seated?.ok);
  assert.equal([seated.value.slot, seated.value.address4, seated.value.address6], [2, at.consumer(0).v4, at.consumer(0).v6]);
  const echo = { to: at.internet.v4, port: 443, withinMs };
  assert.equal(await it.ground.in('c').ask('udpEcho', { ...echo, token: 'in' }), { by: 'internet' });
  const [row] = await it.rows();
  assert.equal(row?.counted, { up: 92n, down: 92n });
  const [gone] = await it.items('evict', { key: key('c') });
  assert.ok(gone?.ok);
  assert.equal(await it.ground.in('c').ask('udpEcho', { ...echo, token: 'out', withinMs: 600 }), { why: 'timeout' });
});

enforcer.run();
