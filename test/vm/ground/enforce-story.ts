// What the enforcer has to hold on a router's kernel, told to one router from its first boot on: WireGuard in the kernel, every flow offloaded,
// and somebody who deletes what he finds.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as counters from '../../../agent/consumer/counters.ts';
import type { ByteCount } from '../../../agent/core/brand.ts';
import type { Pair } from '../../../agent/core/seat.ts';
import type { Asked } from '../../../agent/wire/enforcer.ts';
import * as at from '../../net/ground/addresses.ts';
import * as topology from '../../net/ground/topology.ts';
import { config } from '../../net/post.ts';
import { input, ip, offloaded } from './enforce.ts';
import * as acts from './enforce-acts.ts';
import { type BusOfRouter, key, open, type Post, startBus } from './enforce-post.ts';
import type { Machine } from './machines.ts';

type Context = { it: Post; bus: BusOfRouter };

export type Kernel = Readonly<{
  machine: Machine;
  hold: 'owned' | 'watched';
}>;

const gigabit = 1_000_000_000n;
export const session = (bytes: bigint): Asked['admit'] => ({
  key,
  quota: { kind: 'shared', bytes },
  rate: { up: gigabit, down: gigabit },
  throttle: null,
  egress: { kind: 'internet' },
  seconds: 3600n,
  used: { up: 0n, down: 0n },
});

export const wish = ({ key, quota, rate, throttle, egress }: Asked['admit']): Asked['change'] => ({ key, quota, rate, throttle, egress });

/** A new session, with a tunnel of its own. */
export async function begin(it: Post, bytes: bigint): Promise<void> {
  await it.items('evict', { key });
  const [seated] = await it.items('admit', session(bytes));
  assert.ok(seated?.ok, JSON.stringify(seated));
  await it.connect();
}

/** What a forward hook sees. */
const blind = `table inet blind {
  counter seen { }
  chain forward { type filter hook forward priority -20; policy accept;
    iifname "weir0" counter name "seen";
    oifname "weir0" counter name "seen";
  }
}
`;

const megabytes = 8_000_000n;
/** The largest packet that the kernel makes of several. */
const largest = 65_536n;
/** WireGuard's handshake: what the one who asks sends, and what is answered. */
const handshake = { up: 148n, down: 92n };

// Inside 128 bytes, outside 160; half a second of them is more than one may pass unseen.
// An emulated machine takes a second for what a router does in hundredths.
const flood = { to: at.internet.v4, size: 100, perSecond: 500 };
const inside = 128;

/** Until the tunnel has taken so many more bytes of c than now. */
const taken = (it: Post, bytes: number): Promise<string> =>
  it.ground.in('router').run(`
    now() { wg show weir0 transfer 2>/dev/null | cut -f2; }
    before=$(now)
    for try in $(seq 500); do [ "$(now)" -gt $((before + ${bytes})) ] && exit 0; usleep 10000; done
    echo "WireGuard hears nothing of c"; exit 1`);

/** c calls its router again and again: whoever gets a peer too early is heard of at once. */
const redial = (publicKey: string): string => `while usleep 300000; do
  wg set wg0 peer ${publicKey} remove
  wg set wg0 peer ${publicKey} allowed-ips 0.0.0.0/0,::/0 endpoint ${at.wan.v4}:${at.tunnel.port}
done`;

export function story({ machine, hold }: Kernel): void {
  const rows = suite<Context>(`enforcer on ${machine}`);
  rows.before(async (context) => {
    context.bus = await startBus(config());
    context.it = await open(machine, context.bus);
    await context.it.begin();
    await acts.load(context.it.ground, `${offloaded}${blind}`);
  });
  rows.after(async ({ it, bus }) => {
    await it?.ground.close();
    await bus?.stop();
  });

  rows('holds the tables as this kernel lets it', async ({ it }) => {
    assert.match(await it.lines(), `shares on weir0 (kernel), rules ${hold}`);
  });

  rows('finds who takes packets before they are counted', async ({ it }) => {
    const router = it.ground.in('router');
    const left = (): Promise<string> => router.run(`nft list tables; ${ip} -brief link; wg show weir0 peers`);
    assert.not.match(await left(), /weir_?c|=/);
    await it.kill();
    await acts.load(
      it.ground,
      `table netdev thief {
        chain c { type filter hook egress device "weir0" priority -510; meta protocol ip6 fwd to "br-lan"; }
      }`,
    );
    const lines = await it.start().then(() => it.says('canary.down6'));
    await router.run('nft delete table netdev thief; kill -HUP $(cat /run/enforcer.pid)');
    await it.says('shares on weir0', lines);
    assert.not.match(await left(), /weir_?c|=/);
  });

  rows('counts datagrams exactly, as the tunnel does', async ({ it }) => {
    await begin(it, gigabit);
    const total = 300;
    const before = (await acts.arrived(it.ground)).packets;
    const volley = { to: at.internet.v4, total, size: 1392, perSecond: 300 };
    assert.equal(await acts.shoot(it.ground, volley), { sent: total, back: total });
    assert.is((await acts.arrived(it.ground)).packets - before, total);
    const { counted, tunnel } = await it.row();
    const bytes = BigInt(total * 1420);
    assert.equal(counted, { up: bytes, down: bytes });
    const outside = BigInt(total * 1452);
    assert.equal(tunnel, { up: outside + handshake.up, down: outside + handshake.down });
    // And as the consumer's own kernel does, less what WireGuard adds.
    const own = async (): Promise<Pair<ByteCount>> => {
      const read = counters.parse(await it.ground.in('c').run('cat /proc/net/dev'), 'wg0', 'kernel');
      if (!read.ok) throw new Error(read.fault.reason);
      return read.value;
    };
    const mine = await own();
    assert.equal(await acts.shoot(it.ground, volley), { sent: total, back: total });
    const now = await own();
    assert.equal({ up: now.up - mine.up, down: now.down - mine.down }, { up: bytes, down: bytes });
  });

  rows('hands on what comes of a guest by a thread of its own', async ({ it }) => {
    for (let n = 0; n < 2; n++) {
      await begin(it, gigabit);
      assert.is((await it.ground.root.run("ps | grep -c '[n]api/weir0'")).trim(), '1');
    }
  });

  for (const way of ['pull', 'push'] as const)
    rows(`bills most of a ${way} whose packets are merged, and charges the month all that the line carries of it`, async ({ it }) => {
      await begin(it, gigabit);
      // Outside of the router's tunnel nothing is merged. c's own end counts 32 bytes more of each packet.
      const carried = async (): Promise<Readonly<{ packets: number; bytes: number }>> => {
        const shown = await it.ground.in('c').run(`${ip} -json -statistics link show wg0`);
        const [{ stats64 }] = JSON.parse(shown) as [{ stats64: Record<'rx' | 'tx', { bytes: number; packets: number }> }];
        const packets = stats64.rx.packets + stats64.tx.packets;
        return { packets, bytes: stats64.rx.bytes + stats64.tx.bytes - 32 * packets };
      };
      const before = { own: await carried(), month: await it.month() };
      assert.is((await acts.transfer(it.ground, way, at.internet.v4, 4_000_000)).end, 'complete');
      // What c has not waited for is still on its way.
      let own = await carried();
      let row = await it.row();
      for (let now = await carried(); now.packets !== own.packets; now = await carried()) [own, row] = [now, await it.row()];
      const month = Number((await it.month()) - before.month);
      const bytes = own.bytes - before.own.bytes;
      const billed = Number(row.counted.up + row.counted.down);
      assert.ok(billed <= bytes && billed > 0.963 * bytes, `${billed} billed of ${bytes}`);
      // Inside and outside of the tunnel, where WireGuard, UDP and IPv4 take 60 bytes.
      const line = 2 * bytes + 60 * (own.packets - before.own.packets);
      assert.ok(Math.abs(month - line) < line / 100, `${month} bytes charged, ${line} on the line`);
    });

  const publicKey = async (it: Post): Promise<string> => (await it.ground.in('router').run('wg show weir0 public-key')).trim();

  /** c floods, and calls; how many of its datagrams arrive from when something is done to the router until c is heard again. */
  const leaked = async (it: Post, mischief: string, done: () => Promise<unknown> = async () => undefined): Promise<number> => {
    const c = it.ground.in('c');
    const background = (script: string): Promise<string> => c.run(`( ${script} ) >/dev/null 2>&1 & echo $!`);
    const its = await publicKey(it);
    const flooding = await background(`exec traffic shoot ${flood.to} 443 1000000 ${flood.size} ${flood.perSecond}`);
    await taken(it, 50_000);
    const before = (await acts.arrived(it.ground)).packets;
    await it.ground.in('router').run(mischief);
    const dialling = await background(redial(its));
    await done();
    await taken(it, 300_000);
    await c.run(`kill ${flooding.trim()} ${dialling.trim()}`);
    // It may have been about to dial.
    await it.connect();
    return (await acts.arrived(it.ground)).packets - before;
  };
  /** A session of which nothing passes any more. */
  const spend = async (it: Post): Promise<bigint> => {
    await begin(it, 20_000n);
    await acts.shoot(it.ground, { ...flood, total: 200, perSecond: 300 });
    const { counted } = await it.row();
    const used = counted.up + counted.down;
    // A server that has not heard of an older session's end may still send it something large.
    assert.ok(used <= 20_000n, `${used} bytes passed`);
    assert.is((await acts.shoot(it.ground, { ...flood, total: 20 })).back, 0);
    return used;
  };

  rows('whoever flushes the ruleset opens nothing', async ({ it }) => {
    const used = await spend(it);
    const lines = await it.says('weir0');
    const again = async (): Promise<unknown> => (hold === 'watched' ? it.says('shares on weir0', lines) : undefined);
    const passed = await leaked(it, 'nft flush ruleset', again);
    assert.ok(passed <= (hold === 'owned' ? 0 : 1000), `${passed} packets passed`);
    const { counted } = await it.row();
    assert.is(counted.up + counted.down, used);
    await acts.load(it.ground, `${offloaded}${blind}`);
  });

  rows('a flushed ruleset gives nobody more than the quota', async ({ it }) => {
    const quota = 600_000n;
    await begin(it, quota);
    const before = (await acts.arrived(it.ground)).packets;
    const flushed = async (): Promise<void> => {
      await taken(it, 100_000);
      const lines = await it.says('weir0');
      await it.ground.in('router').run('nft flush ruleset');
      if (hold === 'watched') await it.says('shares on weir0', lines);
      await it.connect();
    };
    const other = await it.ground.open('c');
    const [first] = await Promise.all([acts.shoot(it.ground, { ...flood, total: 3000 }, other), flushed()]);
    const then = await acts.shoot(it.ground, { ...flood, total: 3000 });
    const arrived = (await acts.arrived(it.ground)).packets - before;
    const passed = BigInt((arrived + first.back + then.back) * inside);
    const { counted } = await it.row();
    assert.ok(passed <= quota && passed > quota / 2n, `${passed} of ${quota} bytes passed`);
    assert.ok(counted.up + counted.down <= passed, 'what nobody counted is not billed');
    await acts.load(it.ground, `${offloaded}${blind}`);
  });

  rows('a device made anew lets nothing pass unmetered', async ({ it }) => {
    const used = await spend(it);
    const lines = await it.says('weir0');
    assert.is(await leaked(it, `${ip} link del weir0`, () => it.says('shares on weir0', lines)), 0);
    // Nor too little.
    await it.address();
    const [changed] = await it.items('change', wish(session(gigabit)));
    assert.ok(changed?.ok, JSON.stringify(changed));
    await it.connect();
    assert.equal(await acts.shoot(it.ground, { ...flood, total: 100 }), { sent: 100, back: 100 });
    const { counted } = await it.row();
    assert.is(counted.up + counted.down, used + BigInt(200 * inside));
  });

  rows('8 MB are 8 MB, of which a forward hook sees nothing', async ({ it }) => {
    await begin(it, megabytes);
    const before = (await acts.counter(it.ground, 'inet blind', 'seen')).bytes;
    assert.is((await acts.transfer(it.ground, 'pull', at.internet.v4, 12_000_000)).end, 'idle');
    const { counted, tunnel } = await it.row();
    const used = counted.up + counted.down;
    assert.ok(used <= megabytes && used > megabytes - largest, `${used} bytes passed`);
    const seen = (await acts.counter(it.ground, 'inet blind', 'seen')).bytes - before;
    assert.ok(BigInt(seen) < used / 10n, `the forward hook saw ${seen} bytes`);
    // What was refused had come through the tunnel; nothing that went into it was not counted.
    assert.ok(counted.up <= tunnel.up && counted.down <= tunnel.down, `${counted.down} bytes for ${tunnel.down} in the tunnel`);
    assert.ok(tunnel.down < (counted.down * 11n) / 10n, `${counted.down} bytes for ${tunnel.down} in the tunnel`);
  });

  rows('without the enforcer both let everything pass', async ({ it }) => {
    await spend(it);
    await it.kill();
    const anew = `
      umask 077; wg show weir0 private-key >/run/weir0.key
      ${ip} link del weir0
      ${ip} link add weir0 type wireguard
      ${ip} -batch - ${input(topology.tunnel.join('\n'))}
      wg set weir0 private-key /run/weir0.key listen-port ${at.tunnel.port} peer ${key} allowed-ips ${at.consumer(0).v4}/32,${at.consumer(0).v6}/128`;
    // Kernels from 6.16 on hook the chain again; no router has one of them.
    const remade = await leaked(it, anew);
    assert.ok(remade > 1000, `${remade} packets passed`);
    const flushed = await leaked(it, 'nft flush ruleset');
    assert.ok(flushed > 1000, `${flushed} packets passed`);
  });

  rows.run();
}
