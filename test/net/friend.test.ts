// A friend by the owner's own words: what `weir friend add` prints is taken by wg-quick and wg as it is, over IPv4 and IPv6.

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as at from './ground/addresses.ts';
import { echoes, quiet, silent, take, token } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const order = async (it: Post, ...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await it.weir(...args);
  assert.is(code, 0, `weir ${args.join(' ')}: ${stderr}`);
  return stdout;
};

const friend = suite<{ it: Post }>('weir friend');
friend.before(async (context) => {
  const it = await post.open(undefined, { consumers: ['c', 'd'] });
  context.it = it;
  await it.begin();
  await it.served.start();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
});
friend.after(({ it }) => it.close());

const usual = ['--quota', '3M', '--rate', '100M', '--days', '1'];

friend('in at the uplink’s address, up to the quota; more of it; out', async ({ it }) => {
  const printed = await order(it, 'friend', 'add', 'ann', ...usual);
  assert.match(printed, `\nEndpoint = ${at.wan.v4}:${at.tunnel.port}\n`);
  await take(it, 'c', printed);
  for (const to of [at.internet.v4, at.internet.v6]) assert.ok(await echoes(it, 'c', to), to);
  assert.match(await order(it, 'friend', 'list'), / open .* ann\n/);
  const transfer = { token: token(), up: 20_000_000, down: 0, intervalMs: 100, withinMs: 2500, to: at.internet.v4, port: 443 };
  assert.is((await it.ground.in('c').ask('tcpTransfer', transfer)).end, 'timeout');
  assert.not(await echoes(it, 'c', at.internet.v4, quiet));
  await order(it, 'friend', 'top-up', 'ann', '--quota', '1M');
  assert.ok(await echoes(it, 'c'));
  const folder = mkdtempSync(join(tmpdir(), 'weir-friend-'));
  try {
    const file = join(folder, 'receipts');
    writeFileSync(file, await order(it, 'receipts', 'ann', '--hex'));
    assert.match(await order(it, 'verify', file), 'everything holds');
  } finally {
    rmSync(folder, { recursive: true });
  }
  await order(it, 'friend', 'remove', 'ann');
  assert.ok(await silent(it, 'c'));
});

friend('in by IPv6, where the owner says so', async ({ it }) => {
  const printed = await order(it, 'friend', 'add', 'bob', ...usual, '--endpoint', at.wan.v6);
  assert.match(printed, `\nEndpoint = [${at.wan.v6}]:${at.tunnel.port}\n`);
  await take(it, 'd', printed);
  for (const to of [at.internet.v4, at.internet.v6]) assert.ok(await echoes(it, 'd', to), to);
});

friend('twice the same name, more than the owner allows: refused with the field, and nobody is in', async ({ it }) => {
  const before = (await it.rows()).length;
  for (const [args, said] of [
    [['bob', ...usual], /name.*\(exists\)/],
    [['eve', ...usual.with(1, '20G')], /quota: at most .*\n {2}mend: .*session_quota=20480/],
  ] as const) {
    const { code, stdout, stderr } = await it.weir('friend', 'add', ...args);
    assert.equal([code, stdout], [1, '']);
    assert.match(stderr, said);
  }
  assert.is((await it.rows()).length, before);
});
friend.run();
