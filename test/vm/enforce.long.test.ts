import { closeSync, ftruncateSync, mkdtempSync, openSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as at from '../net/ground/addresses.ts';
import { config } from '../net/post.ts';
import { offloaded } from './ground/enforce.ts';
import * as acts from './ground/enforce-acts.ts';
import { open, type Post, startBus } from './ground/enforce-post.ts';
import { begin, session, wish } from './ground/enforce-story.ts';
import type { Machine } from './ground/machines.ts';

const far = suite('the enforcer further on routers');

/** The largest packet that the kernel makes of several. */
const largest = 65_536n;
const mebibyte = 1_048_576n;

/** What the provider has seen on its cable, without Ethernet's headers. */
async function lineOf({ ground }: Post): Promise<bigint> {
  const shown = await ground.in('uplink').run('/usr/sbin/ip -json -statistics link show to-r');
  const [{ stats64 }] = JSON.parse(shown) as [{ stats64: Record<'rx' | 'tx', { bytes: number; packets: number }> }];
  return [stats64.rx, stats64.tx].reduce((sum, { bytes, packets }) => sum + BigInt(bytes - 14 * packets), 0n);
}

for (const machine of ['x86_64-6.1', 'x86_64-6.12'] satisfies Machine[]) {
  far(`a power cut on ${machine} makes nobody a present`, async () => {
    const folder = mkdtempSync(join(tmpdir(), 'weir-flash-'));
    const disk = join(folder, 'image');
    const file = openSync(disk, 'w');
    ftruncateSync(file, 8 << 20);
    closeSync(file);
    const cap = 40n * mebibyte;
    const bus = await startBus(config({ 'limits.monthly_cap': String(cap / mebibyte) }));
    const booted: Post[] = [];
    try {
      const boot = async (prepare: string): Promise<Post> => {
        const post = await open(machine, bus, { disk }, `mkdir -p /etc/weir; ${prepare} mount /dev/vda /etc/weir`);
        booted.push(post);
        return post;
      };
      const quota = 6_000_000n;

      const first = await boot('mke2fs /dev/vda >/dev/null;');
      await first.begin();
      await acts.load(first.ground, offloaded);
      await begin(first, quota);
      assert.is((await acts.transfer(first.ground, 'pull', at.internet.v4, 4_000_000)).end, 'complete');
      const used = (await first.row()).counted;
      const month = await first.month();
      const line = await lineOf(first);
      const key = await first.ground.in('router').run('wg show weir0 public-key');
      await first.close();

      const second = await boot('');
      await second.start();
      await second.says('shares on weir0');
      await second.address();
      await acts.load(second.ground, offloaded);
      assert.is(await second.ground.in('router').run('wg show weir0 public-key'), key);
      const ahead = (await second.month()) - month;
      assert.ok(ahead >= 0n && ahead <= 16n * mebibyte, `${ahead} bytes more than before`);

      const [seated] = await second.items('admit', { ...session(quota), used });
      assert.ok(seated?.ok, JSON.stringify(seated));
      await second.connect();
      assert.equal((await second.row()).counted, used);
      assert.is((await acts.transfer(second.ground, 'pull', at.internet.v4, 4_000_000)).end, 'idle');
      const { counted } = await second.row();
      const all = counted.up + counted.down;
      assert.ok(all <= quota && all > quota - largest, `${all} of ${quota} bytes passed`);

      // More of a session, and still no more of a month.
      const [changed] = await second.items('change', wish(session(1_000_000_000n)));
      assert.ok(changed?.ok, JSON.stringify(changed));
      assert.is((await acts.transfer(second.ground, 'pull', at.internet.v4, 20_000_000)).end, 'idle');
      const both = line + (await lineOf(second));
      assert.ok(both <= cap && both > cap / 2n, `${both} of ${cap} bytes crossed the line`);
    } finally {
      for (const post of booted) await post.close();
      await bus.stop();
      rmSync(folder, { recursive: true });
    }
  });
}

far('a session on a MIPS router, from admission to the end of its quota', async () => {
  const bus = await startBus(config());
  try {
    const it = await open('mipsel', bus);
    await it.begin();
    await acts.load(it.ground, offloaded);
    const quota = 1_000_000n;
    await begin(it, quota);
    const total = 100;
    assert.equal(await acts.shoot(it.ground, { to: at.internet.v4, total, size: 972, perSecond: 100 }), { sent: total, back: total });
    const bytes = BigInt(total * 1000);
    assert.equal((await it.row()).counted, { up: bytes, down: bytes });
    assert.is((await acts.transfer(it.ground, 'pull', at.internet.v4, 2_000_000)).end, 'idle');
    const { counted, tunnel } = await it.row();
    const used = counted.up + counted.down;
    assert.ok(used <= quota && used > quota - largest, `${used} of ${quota} bytes passed`);
    assert.ok(counted.up <= tunnel.up && counted.down <= tunnel.down);
    assert.is((await acts.shoot(it.ground, { to: at.internet.v4, total: 20, size: 972, perSecond: 100 })).back, 0);
    await it.close();
  } finally {
    await bus.stop();
  }
});

far.run();
