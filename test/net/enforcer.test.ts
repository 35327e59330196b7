import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as fields from '../../agent/wire/fields.ts';
import * as at from './ground/addresses.ts';
import { readLine } from './ground/ground.ts';
import { nat } from './ground/topology.ts';
import { admit, both, change, echoes, echoesOnce, key, pass, quiet, rowOf, session, silent, token, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';
import { type Row as Probed, runProbes } from './probes.ts';

const enforcer = suite<{ it: Post }>('weir enforcer');
enforcer.before(async (context) => {
  const it = await post.open();
  context.it = it;
  await it.begin();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
});
enforcer.after(({ it }) => it.close());
enforcer.after.each(async ({ it }) => {
  if (!it.isThere()) await it.start();
  await it.items('evict', ...(['c', 'd', 'e'] as const).map((name) => ({ key: key(name) })));
});

enforcer('admits a session: traffic passes and is counted, until it is evicted', async ({ it }) => {
  const [seated] = await it.items('admit', session('c'));
  await it.connect('c');
  assert.ok(seated?.ok);
  assert.equal([seated.value.slot, seated.value.address4, seated.value.address6], [2, at.consumer(0).v4, at.consumer(0).v6]);
  assert.ok(await echoesOnce(it, 'c'));
  const row = await rowOf(it, 'c');
  assert.equal(
    [row.counted, row.packets, row.gap],
    [
      { up: 92n, down: 92n },
      { up: 1n, down: 1n },
      { up: 0n, down: 0n },
    ],
  );
  assert.ok(row.tunnel.up >= 92n && row.handshake !== null && row.endpoint?.startsWith('11.0.16.2:'));
  const [gone] = await it.items('evict', { key: key('c') });
  assert.ok(gone?.ok);
  assert.equal([gone.value.counted, gone.value.packets, gone.value.generation], [row.counted, row.packets, row.generation]);
  assert.not(await echoes(it, 'c', at.internet.v4, quiet));
  const [again] = await it.items('evict', { key: key('c') });
  assert.is(again?.ok === false && again.fault.code, 'missing');
});

const sizes = [
  { name: 'v4, small', to: at.internet.v4, header: 28, size: 40 },
  { name: 'v4, full', to: at.internet.v4, header: 28, size: 1392 },
  { name: 'v6, full', to: at.internet.v6, header: 48, size: 1372 },
];
for (const { name, to, header, size } of sizes) {
  enforcer(`counts datagrams exactly: ${name}`, async ({ it }) => {
    await admit(it, session('c'));
    const flow = { to, port: 443, total: 500, size, perSecond: 1000 };
    const up = token();
    await it.ground.in('c').ask('udpSend', { ...flow, token: up });
    assert.is((await it.ground.in('internet').ask('counted', { token: up, datagrams: 500, withinMs })).datagrams, 500);
    const whole = BigInt(500 * (size + header));
    const sent = await rowOf(it, 'c');
    assert.equal(
      [sent.counted, sent.packets],
      [
        { up: whole, down: 0n },
        { up: 500n, down: 0n },
      ],
    );
    assert.is((await it.ground.in('c').ask('udpFetch', { ...flow, token: token(), withinMs })).datagrams, 500);
    // The order for them was one datagram of 128 bytes.
    const fetched = await rowOf(it, 'c');
    assert.equal(
      [fetched.counted, fetched.packets],
      [
        { up: whole + BigInt(128 + header), down: whole },
        { up: 501n, down: 500n },
      ],
    );
  });
}

const dropped = async (it: Post): Promise<Readonly<{ refused: bigint; spent: bigint }>> => {
  const facts = post.must(await it.ask('facts'));
  return { refused: post.must(fields.integer(facts, 'dropped_refused')), spent: post.must(fields.integer(facts, 'dropped_spent')) };
};
const transfer = { down: 0, intervalMs: 100, withinMs: 2500, to: at.internet.v4, port: 443 };
const oneSkb = 65_536n;
enforcer('stops an established TCP flow at its quota; the countersign port stays reachable', async ({ it }) => {
  const quota = 3_000_000n;
  await admit(it, session('c', { quota: { kind: 'shared', bytes: quota } }));
  const sent = await it.ground.in('c').ask('tcpTransfer', { ...transfer, token: token(), up: 20_000_000 });
  assert.is(sent.end, 'timeout');
  const used = both((await rowOf(it, 'c')).counted);
  assert.ok(used <= quota && used > quota - oneSkb, `${used} of ${quota} bytes passed`);
  const before = await dropped(it);
  assert.not(await echoes(it, 'c', at.internet.v4, quiet));
  assert.ok((await dropped(it)).spent > before.spent);
  await it.ground.in('router').ask('serve', { name: 'router', ports: [at.countersignPort] });
  for (const to of [at.tunnel.v4, at.tunnel.v6]) assert.ok(await echoes(it, 'c', to, withinMs, at.countersignPort));
  assert.is(both((await rowOf(it, 'c')).counted), used);
  // More of it opens it again, and what was used stays used.
  await change(it, session('c', { quota: { kind: 'shared', bytes: 2n * quota } }));
  await it.ground.in('c').ask('tcpTransfer', { ...transfer, token: token(), up: 20_000_000 });
  const more = both((await rowOf(it, 'c')).counted);
  assert.ok(more <= 2n * quota && more > used + 1_000_000n, `${more} of ${2n * quota} bytes passed`);
});

enforcer('holds rates, and changes them while a transfer runs', async ({ it }) => {
  const rate = (bits: bigint) => ({ rate: { up: bits, down: bits } });
  await admit(it, session('c', rate(8_000_000n)));
  assert.ok(await echoes(it, 'c'));
  const id = token();
  const running = it.ground.in('c').ask('tcpTransfer', { ...transfer, token: id, up: 30_000_000, withinMs });
  // By the server's clock, which begins with the first of it.
  const look = () => it.ground.in('internet').ask('transferred', { token: id, withinMs: 100 });
  for (let seen = await look(); seen.end === 'running' && (seen.log.at(-1)?.ms ?? 0) < 1000; ) seen = await look();
  await change(it, session('c', rate(80_000_000n)));
  await running;
  const { log } = await it.ground.in('internet').ask('transferred', { token: id, withinMs });
  const until = (ms: number): number => log.findLast((p) => p.ms <= ms)?.received ?? 0;
  // The kernel's bucket holds a second of the rate and the burst (nft_limit.c).
  assert.ok(until(1000) < 2_000_000 + 200_000, `${until(1000)} bytes in the first second`);
  // At the first rate three million is the most in two seconds. TCP takes its time to find out that there is more.
  const most = Math.max(...log.map(({ ms, received }) => received - until(ms - 2000)));
  assert.ok(most > 4_000_000, `${most} bytes in two seconds`);
});

enforcer('throttles what is spent, when that was asked for', async ({ it }) => {
  const spent = { quota: { kind: 'shared', bytes: 200_000n }, throttle: { up: 800_000n, down: 800_000n } } as const;
  await admit(it, session('c', spent));
  await it.ground.in('c').ask('tcpTransfer', { ...transfer, token: token(), up: 20_000_000 });
  const used = both((await rowOf(it, 'c')).counted);
  assert.ok(used > 300_000n && used < 1_500_000n, `${used} bytes passed`);
  assert.ok(await echoes(it, 'c'));
});

enforcer('lets a session expire with the enforcer killed, keeps limits meanwhile, and adopts what it finds to the byte', async ({ it }) => {
  await admit(it, session('c', { seconds: 4n }));
  const quota = 3_000_000n;
  await admit(it, session('d', { quota: { kind: 'shared', bytes: quota } }));
  const id = token();
  const running = it.ground.in('d').ask('tcpTransfer', { ...transfer, token: id, up: 20_000_000 });
  await pass(it, 50);
  await it.kill();
  assert.is((await running).end, 'timeout');
  assert.ok(await silent(it, 'c'));
  const counters = JSON.parse(await it.ground.in('router').run(['nft', '-j', 'list', 'counters', 'table', 'netdev', 'weir_m'])) as {
    nftables: { counter?: { name: string; bytes: number } }[];
  };
  const counted = (letter: string): bigint =>
    BigInt(counters.nftables.find(({ counter }) => new RegExp(`^s3_.*_c${letter}$`).test(counter?.name ?? ''))?.counter?.bytes ?? 0);
  await it.start();
  await it.says(/shares on weir0 .*, 2 sessions$/);
  const row = await rowOf(it, 'd');
  assert.equal(row.counted, { up: counted('u'), down: counted('d') });
  assert.ok(both(row.counted) <= quota && both(row.counted) > quota - oneSkb, `${both(row.counted)} of ${quota} bytes passed`);
  assert.is((await rowOf(it, 'c')).left, 0);
  const [renewed] = await it.items('renew', { key: key('c'), seconds: 60n });
  assert.ok(renewed?.ok);
  assert.ok(await echoes(it, 'c'));
});

const failures = (rows: readonly Probed[]): string[] =>
  rows.filter((r) => !r.ok).map((r) => `${r.probe.name}: ${r.reached ? 'reached' : 'not reached'} (${r.said})`);
enforcer('keeps sessions away from everything but the Internet', async ({ it }) => {
  const hop = { kind: 'hop', address: at.hop.v4, protocol: 'udp', port: 51820 } as const;
  const answers = await it.items('admit', session('c'), session('d'), session('e', { egress: hop }));
  assert.equal(
    answers.map((a) => a.ok && a.value.slot),
    [2, 3, 4],
  );
  await it.connect('c', 'd', 'e');
  const before = await dropped(it);
  assert.equal(failures(await runProbes(it.ground, { rules: true })), []);
  assert.ok((await dropped(it)).refused > before.refused);
});

enforcer('nobody else changes its rules, where the kernel can refuse it', async ({ it }) => {
  await admit(it, session('c'));
  const before = await it.ruleset();
  const nft = (input: string) => it.ground.in('router').attempt(['nft', '-f', '-'], { input });
  for (const input of ['delete table netdev weir_m', 'delete table inet weir_p', 'add set netdev weir_m odd { type ipv4_addr; }'])
    assert.is.not((await nft(input)).code, 0, input);
  // This one passes over what others own.
  await nft(`flush ruleset\n${nat}`);
  assert.is(await it.ruleset(), before);
  assert.ok(await echoes(it, 'c'));
});

enforcer('charges both crossings to the line, as the provider counts them', async ({ it }) => {
  await admit(it, session('c'));
  assert.ok(await echoes(it, 'c'));
  const monthBefore = await it.month();
  const before = await readLine(it.ground);
  const id = token();
  const flow = { to: at.internet.v4, port: 443, total: 2000, size: 1300, perSecond: 2000 };
  await it.ground.in('c').ask('udpSend', { ...flow, token: id });
  assert.is((await it.ground.in('internet').ask('counted', { token: id, datagrams: 2000, withinMs })).datagrams, 2000);
  const after = await readLine(it.ground);
  const line = Number(after.up - before.up + after.down - before.down);
  const charged = Number((await it.month()) - monthBefore);
  assert.ok(Math.abs(charged - line) < line / 100, `${charged} bytes charged, ${line} on the line`);
});

enforcer.run();
