// scripts/consumer in its namespace, through wireguard-go and the rules of the enforcer: what each end counts of the same packets, and what
// the consumer says to it. The receipts are sealed by a stand-in for the agent, from what the enforcer counted.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as keys from '../../agent/consumer/keys.ts';
import type { PublicKey } from '../../agent/core/brand.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { SessionId } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import { host } from '../../agent/host/node.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';
import { lies } from '../consumer/liar.ts';
import * as story from '../wire/story.ts';
import * as at from './ground/addresses.ts';
import { gigabit, session, token, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

/** Ended with their test, whatever became of it. */
const running: ChildProcess[] = [];
type Program = Readonly<{ child: ChildProcess; says(pattern: RegExp): Promise<string>; lines: readonly string[] }>;

/** Lines that were waited for are not found again. */
function follow(child: ChildProcess): Program {
  running.push(child);
  const lines: string[] = [];
  let [rest, from] = ['', 0];
  const waiting = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      const parts = (rest + chunk.toString()).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
      for (const check of [...waiting]) check();
    });
  const says = (pattern: RegExp): Promise<string> =>
    new Promise((done, reject) => {
      const timer = setTimeout(() => reject(new Error(`never said ${pattern}:\n${lines.join('\n')}`)), 60_000);
      const check = (): void => {
        const found = lines.findIndex((line, i) => i >= from && pattern.test(line));
        if (found < 0) return;
        from = found + 1;
        clearTimeout(timer);
        waiting.delete(check);
        done(String(lines[found]));
      };
      waiting.add(check);
      check();
    });
  return { child, says, lines };
}

type Stage = Readonly<{
  it: Post;
  folder: string;
  key: PeerKey;
  config: string;
  grant: string;
  grantHex: string;
  v4: string;
  v6: string;
  session: SessionId;
  consumer: PublicKey;
}>;
const grantOf = ({ key, consumer }: Pick<Stage, 'key' | 'consumer'>): Grant => ({
  ...story.first,
  peer: key,
  consumer,
  quota: { kind: 'shared', bytes: gigabit },
});
const consumer = suite<{ stage: Stage }>('scripts/consumer');

consumer.before(async (context) => {
  const it = await post.open();
  await it.begin();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
  // The ground's own tunnel makes way.
  const place = it.ground.in('c');
  await place.run(['ip', 'link', 'delete', 'wg0']);
  for (const family of ['-4', '-6']) await place.run(['ip', family, 'rule', 'delete', 'not', 'fwmark', '51820', 'lookup', '51820']);
  const folder = mkdtempSync(join(tmpdir(), 'weir-consumer-'));
  const [keyFile, config, grant] = ['keys', 'wg.conf', 'grant'].map((name) => join(folder, name)) as [string, string, string];
  post.must(keys.create(host, keyFile));
  const { tunnel, signer } = post.must(keys.read(host, keyFile)).public;
  const key = Buffer.from(tunnel).toString('base64') as PeerKey;
  // No faster than either end keeps up with on a busy machine: what wireguard-go drops behind the meter is billed.
  const rate = { up: 10_000_000n, down: 10_000_000n };
  const [seated] = await it.items('admit', { ...session('c'), key, rate });
  assert.ok(seated?.ok);
  const { address4, address6 } = seated.value;
  const secret = readFileSync(join(it.folder, 'key')).toString('base64');
  const router = (await it.ground.in('router').run(['wg', 'pubkey'], { input: secret })).trim();
  const profile = { secret: null, address4, address6, dns: [], mtu: 1420, key: router, endpoint: `${at.wan.v4}:${at.tunnel.port}` };
  writeFileSync(config, wgquick.render(profile));
  const signed = story.sign('grant', grantOf({ key, consumer: signer }), 'node');
  const grantHex = hexOf(cose.encode(signed));
  const birth = cose.encode(story.sign('birth', story.birth, 'node'));
  writeFileSync(grant, `# of the node\n${hexOf(birth)}\n${grantHex}\n`);
  context.stage = {
    it,
    folder,
    key,
    config,
    grant,
    grantHex,
    v4: address4,
    v6: address6,
    session: grantId(cose.digestOf(signed, host)),
    consumer: signer,
  };
});
consumer.after.each(async () => {
  for (const child of running.splice(0)) {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
});
consumer.after(async ({ stage }) => {
  await stage.it.close();
  rmSync(stage.folder, { recursive: true });
});

const start = ({ it, folder, config, grant }: Stage, book: string, ...more: readonly string[]): Program => {
  const files = ['--keys', join(folder, 'keys'), '--config', config, '--grant', grant, '--book', join(folder, book)];
  return follow(it.ground.in('c').spawn([process.execPath, resolve('scripts/run.mjs'), 'scripts/consumer.ts', 'run', ...files, ...more]));
};
const startRouter = async ({ it, grantHex, v4, v6 }: Stage): Promise<Program> => {
  const args = [grantHex, `${v4},${v6}`, `${at.tunnel.v4},${at.tunnel.v6}`];
  const router = follow(it.ground.in('router').spawn([process.execPath, resolve('scripts/run.mjs'), 'test/consumer/router.ts', ...args]));
  await router.says(/^ready$/);
  return router;
};
const rowOf = async ({ it, key }: Stage) => {
  const row = (await it.rows()).find((r) => r.key === key);
  if (row === undefined) throw new Error('the session is gone');
  return row;
};
async function exitOf({ child }: Program): Promise<unknown> {
  if (child.exitCode === null) await once(child, 'exit');
  return child.exitCode;
}
const traffic = async ({ it }: Stage): Promise<void> => {
  const to = { to: at.internet.v4, port: 443, intervalMs: 100, withinMs: 20_000 };
  const moved = await it.ground.in('c').ask('tcpTransfer', { ...to, token: token(), up: 1_000_000, down: 6_000_000 });
  assert.is(moved.end, 'complete');
  for (const size of [40, 1300]) {
    const flow = { to: at.internet.v6, port: 443, total: 300, size, perSecond: 500 };
    // Some may be lost on a busy machine, which is what the band is for.
    assert.ok((await it.ground.in('c').ask('udpFetch', { ...flow, token: token(), withinMs })).datagrams > 200);
  }
};

consumer('both ends count the same packets; an honest receipt is countersigned, one with more is not', async ({ stage }) => {
  const mine = start(stage, 'book', '--json', '--save', join(stage.folder, 'receipts'));
  await mine.says(/"begun"/);
  await traffic(stage);
  const router = await startRouter(stage);
  const { up, down } = (await rowOf(stage)).counted;
  router.child.stdin?.write(`${up} ${down}\n`);
  assert.is(await router.says(/./), 'witnessed 1');
  const told = JSON.parse(await mine.says(/"receipt".*"agreed"/)) as { counted: { up: string; down: string } };
  assert.equal(told.counted, { up: String(up), down: String(down) });
  const shown = JSON.parse(await mine.says(/"usage"/)) as { counted: { up: string; down: string }; cost: { amount: string } };
  const own = { up: BigInt(shown.counted.up), down: BigInt(shown.counted.down) };
  const figures = `up ${own.up} counted, ${up} billed; down ${own.down} counted, ${down} billed`;
  // Up, the meter stands behind the sender and refuses what is too fast. Down, it stands before the way on which packets may get lost.
  assert.ok(own.up >= up && own.up < up + up / 4n, figures);
  assert.ok(own.down >= down - down / 20n && own.down <= down + down / 20n, figures);
  assert.ok(BigInt(shown.cost.amount) > 0n);
  const mebibyte = 1n << 20n;
  router.child.stdin?.write(`${up} ${down + down / 20n + 2n * mebibyte}\n`);
  assert.match(await router.says(/./), /^disputed 2 bytes \d+ \d+$/);
  router.child.stdin?.write(`${up} ${down + mebibyte}\n`);
  assert.is(await router.says(/./), 'disputed 3 chain - -', 'figures went back');
  mine.child.kill('SIGINT');
  const end = await mine.says(/"ended"/);
  assert.match(end, /"why":"stopped".*"agreed":1,"disputed":2/);
  assert.is(await exitOf(mine), 1);
  assert.is(readFileSync(join(stage.folder, 'receipts'), 'utf8').split('\n').length, 4);
  const left = await stage.it.ground.in('c').run(['ip', '-brief', 'link']);
  assert.not.match(left, /weirnet/);
  for (const family of ['-4', '-6']) assert.not.match(await stage.it.ground.in('c').run(['ip', family, 'rule']), /4720|suppress/);
  router.child.stdin?.end();
  await exitOf(router);
});

consumer('ends with the last receipt, and goes on where it was after a restart', async ({ stage }) => {
  const router = await startRouter(stage);
  const before = (await rowOf(stage)).counted;
  const once_ = start(stage, 'second');
  await once_.says(/^session /);
  await traffic(stage);
  const { counted } = await rowOf(stage);
  const passed = { up: counted.up - before.up, down: counted.down - before.down };
  router.child.stdin?.write(`${passed.up} ${passed.down}\n`);
  assert.is(await router.says(/./), 'witnessed 1');
  once_.child.kill('SIGTERM');
  assert.is(await exitOf(once_), 0);
  const again = start(stage, 'second');
  await again.says(/^session /);
  // The grant of a top-up comes with the receipt that names it.
  const topUp = story.sign('grant', { ...grantOf(stage), session: stage.session, revision: 1 }, 'node');
  router.child.stdin?.write(`${passed.up} ${passed.down} ${hexOf(cose.encode(topUp))}\n`);
  assert.is(await router.says(/./), 'wanted 2');
  assert.is(await router.says(/^witnessed/), 'witnessed 2');
  assert.ok(readFileSync(stage.grant, 'utf8').includes(hexOf(cose.encode(topUp))));
  router.child.stdin?.write(`${passed.up} ${passed.down} spent\n`);
  assert.is(await router.says(/^witnessed/), 'witnessed 3');
  assert.match(
    await again.says(/^spent; /),
    new RegExp(`receipt 3 is the last: ${passed.up} bytes up, ${passed.down} down, 0\\.\\d{6} EUR`),
  );
  assert.is(await exitOf(again), 0, 'nothing was disputed');
  router.child.stdin?.end();
  await exitOf(router);
});

consumer('the coordinator is reached outside of the tunnel, and nobody else', async ({ stage }) => {
  const place = stage.it.ground.in('c');
  const wayTo = async (address: string): Promise<string> => /dev (\S+)/.exec(await place.run(['ip', 'route', 'get', address]))?.[1] ?? '';
  const before = [await wayTo(at.internet.v4), await wayTo(at.internet.v6)];
  for (const address of [at.internet.v4, at.internet.v6]) {
    const url = `http://${address.includes(':') ? `[${address}]` : address}`;
    const mine = start(stage, 'outside', '--from', url, '--key', hexOf(story.signerOf('root').key));
    await mine.says(/^session /);
    const ways = [await wayTo(at.internet.v4), await wayTo(at.internet.v6), await wayTo(at.hop.v4)];
    assert.equal(ways, [...before.map((way, i) => ([at.internet.v4, at.internet.v6][i] === address ? way : 'weirnet')), 'weirnet']);
    mine.child.kill('SIGINT');
    assert.is(await exitOf(mine), 0);
    for (const family of ['-4', '-6']) assert.not.match(await place.run(['ip', family, 'rule']), /4720|suppress|11\.0\.0\.2|2a11:0:0:1::2/);
  }
});

const caught: Readonly<Record<(typeof lies)[number], RegExp | null>> = {
  less: /^disputed 2 bytes \d+ \d+$/,
  silent: null,
  vouching: null,
  replay: null,
  other: null,
};
for (const lie of lies)
  consumer(
    `--lie ${lie}: ${caught[lie] === null ? 'is no countersignature' : 'is a signed word against the router’s'}`,
    async ({ stage }) => {
      const router = await startRouter(stage);
      const mine = start(stage, `lie-${lie}`, '--lie', lie);
      await mine.says(/^session /);
      const before = (await rowOf(stage)).counted;
      router.child.stdin?.write('0 0\n');
      // The first is true in two of these lies.
      if (lie === 'less' || lie === 'replay') assert.is(await router.says(/./), 'witnessed 1');
      await traffic(stage);
      const { counted } = await rowOf(stage);
      router.child.stdin?.write(`${counted.up - before.up} ${counted.down - before.down}\n`);
      const expected = caught[lie];
      if (expected !== null) assert.match(await router.says(/./), expected);
      else {
        await mine.says(/^receipt 2: agreed$/);
        mine.child.kill('SIGINT');
        await exitOf(mine);
      }
      mine.child.kill('SIGINT');
      await exitOf(mine);
      router.child.stdin?.end();
      await exitOf(router);
      assert.ok(!router.lines.includes('witnessed 2'), router.lines.join(', '));
    },
  );

consumer.run();
