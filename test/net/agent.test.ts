// A friend on a real kernel: granted over the bus, counted by the rules, billed in receipts that whoever has them can verify. The native
// agent and enforcer, nft, wireguard-go.

import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as keys from '../../agent/consumer/keys.ts';
import { millis } from '../../agent/core/brand.ts';
import { portable } from '../../agent/crypto/sha.ts';
import { host } from '../../agent/host/node.ts';
import * as base64 from '../../agent/wire/base64.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import * as fields from '../../agent/wire/fields.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';
import * as at from './ground/addresses.ts';
import { echoes, key, quiet, silent, token, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const patience = millis(30_000);
const ask = async (it: Post, method: string, args: Readonly<Record<string, Value>> = {}): Promise<Table> =>
  post.must(await it.root.call('weir', method, blobmsg.table(args), patience));
const text = (t: Table, name: string): string => post.must(fields.string(t, name));
const count = (t: Table, name: string): bigint => post.must(fields.integer(t, name));
async function sessionOf(it: Post, name: string): Promise<Table | undefined> {
  const list = post.must(fields.array(await ask(it, 'sessions'), 'sessions'));
  return list.flatMap((v) => (v.kind === 'table' ? [v.fields] : [])).find((t) => fields.has(t, 'name') && text(t, 'name') === name);
}
/** Rounds are ten seconds apart. */
async function until(it: Post, name: string, is: (t: Table | undefined) => boolean): Promise<Table | undefined> {
  for (let tries = 0; tries < 60; tries++) {
    const found = await sessionOf(it, name);
    if (is(found)) return found;
    await it.ground.in('internet').ask('counted', { token: 'nobody', datagrams: 1, withinMs: 500 });
  }
  throw new Error(
    `never so:\n${JSON.stringify((await sessionOf(it, name)) ?? null, (_, v: unknown) => (typeof v === 'bigint' ? `${v}` : v))}\n${it.served.lines.join('\n')}\n${it.lines.join('\n')}`,
  );
}
async function report(it: Post, session: string): Promise<evidence.Report> {
  const list = post.must(fields.array(await ask(it, 'receipts', { session: blobmsg.string(session) }), 'receipts'));
  const messages = list.map((v) => post.must(base64.decode(v.kind === 'string' ? String(v.value) : '')));
  const found = evidence.examine(messages, [], portable);
  assert.equal(found.findings, []);
  return found;
}

const quota = 3_000_000n;
const rate = blobmsg.int64(100_000_000n);
const friend = (name: string, key: string, more: Readonly<Record<string, Value>> = {}): Readonly<Record<string, Value>> => ({
  name: blobmsg.string(name),
  key: blobmsg.string(key),
  quota: blobmsg.int64(quota),
  rate_up: rate,
  rate_down: rate,
  seconds: blobmsg.int64(86_400n),
  ...more,
});
const remove = (it: Post, name: string): Promise<Table> => ask(it, 'friend_remove', { name: blobmsg.string(name) });

const agent = suite<{ it: Post }>('weir agent');
agent.before(async (context) => {
  const it = await post.open();
  context.it = it;
  await it.begin();
  await it.served.start();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
});
agent.after(({ it }) => it.close());

agent('a friend: granted, counted, stopped at the quota, topped up, removed; receipts to the byte', async ({ it }) => {
  const opened = await ask(it, 'friend_add', friend('ann', key('c')));
  const session = text(opened, 'session');
  assert.equal([text(opened, 'address4'), text(opened, 'address6')], [at.consumer(0).v4, at.consumer(0).v6]);
  await it.connect('c');
  assert.ok(await echoes(it, 'c'));
  const transfer = { token: token(), up: 20_000_000, down: 0, intervalMs: 100, withinMs: 2500, to: at.internet.v4, port: 443 };
  assert.is((await it.ground.in('c').ask('tcpTransfer', transfer)).end, 'timeout');
  const spent = await until(it, 'ann', (t) => t !== undefined && text(t, 'condition') === 'paused');
  assert.is(spent && text(spent, 'reason'), 'spent');
  assert.not(await echoes(it, 'c', at.internet.v4, quiet));
  await ask(it, 'friend_top_up', { name: blobmsg.string('ann'), quota: blobmsg.int64(quota) });
  assert.ok(await echoes(it, 'c'));
  await remove(it, 'ann');
  assert.not(await echoes(it, 'c', at.internet.v4, quiet));
  const found = await report(it, session);
  const [told] = found.sessions;
  assert.is(told?.final, 'revoked');
  const billed = (told?.counted.up ?? 0n) + (told?.counted.down ?? 0n);
  assert.ok(billed > quota - 65_536n && billed <= quota + 10_000n, `${billed} bytes billed`);
});

agent('killed: the kernel holds the limits, and the next one bills on, to the byte', async ({ it }) => {
  await ask(it, 'friend_add', friend('dan', key('d')));
  await it.connect('d');
  assert.ok(await echoes(it, 'd'));
  await it.served.kill();
  const flow = { to: at.internet.v4, port: 443, total: 500, size: 1000, perSecond: 1000, token: token() };
  await it.ground.in('d').ask('udpSend', flow);
  assert.is((await it.ground.in('internet').ask('counted', { token: flow.token, datagrams: 500, withinMs })).datagrams, 500);
  await it.served.start();
  const [row] = await it.rows();
  const dan = await until(it, 'dan', (t) => t !== undefined && text(t, 'condition') === 'open' && count(t, 'up') === row?.counted.up);
  assert.ok(dan !== undefined && count(dan, 'up') > 500_000n);
  assert.is(count(await ask(it, 'status'), 'starts'), 2n);
  await remove(it, 'dan');
  assert.ok(await silent(it, 'd'));
});

agent('countersigned: a consumer with keys of its own agrees with each receipt, the last one, too', async ({ it }) => {
  // The ground's own tunnel makes way.
  const place = it.ground.in('e');
  await place.run(['ip', 'link', 'delete', 'wg0']);
  for (const family of ['-4', '-6']) await place.run(['ip', family, 'rule', 'delete', 'not', 'fwmark', '51820', 'lookup', '51820']);
  const folder = mkdtempSync(join(tmpdir(), 'weir-agent-'));
  const [keyFile, config, grant, book] = ['keys', 'wg.conf', 'grant', 'book'].map((name) => join(folder, name)) as [
    string,
    string,
    string,
    string,
  ];
  post.must(keys.create(host, keyFile));
  const { tunnel, signer } = post.must(keys.read(host, keyFile)).public;
  const required = { consumer: blobmsg.string(hexOf(signer)), witness: blobmsg.string('required'), credit: blobmsg.int64(400_000n) };
  const opened = await ask(it, 'friend_add', friend('eve', Buffer.from(tunnel).toString('base64'), required));
  const secret = readFileSync(join(it.folder, 'key')).toString('base64');
  const router = (await it.ground.in('router').run(['wg', 'pubkey'], { input: secret })).trim();
  const [address4, address6] = [text(opened, 'address4'), text(opened, 'address6')];
  writeFileSync(
    config,
    wgquick.render({ secret: null, address4, address6, dns: [], mtu: 1420, key: router, endpoint: `${at.wan.v4}:${at.tunnel.port}` }),
  );
  writeFileSync(grant, evidence.render(['birth', 'grant'].map((name) => post.must(base64.decode(text(opened, name))))));
  const argv = ['run', '--keys', keyFile, '--config', config, '--grant', grant, '--book', book];
  const consumer = place.spawn([process.execPath, resolve('scripts/run.mjs'), 'scripts/consumer.ts', ...argv]);
  let said = '';
  for (const stream of [consumer.stdout, consumer.stderr]) stream?.on('data', (chunk: Buffer) => (said += chunk.toString()));
  const ended = once(consumer, 'exit');
  try {
    await until(it, 'eve', (t) => t !== undefined && fields.has(t, 'endpoint'));
    assert.ok(await echoes(it, 'e'));
    const flow = { to: at.internet.v4, port: 443, total: 300, size: 1000, perSecond: 500, token: token() };
    await place.ask('udpSend', flow);
    await it.ground.in('internet').ask('counted', { token: flow.token, datagrams: 300, withinMs });
    // A quarter of the credit is a receipt.
    const agreed = await until(it, 'eve', (t) => t !== undefined && fields.has(t, 'witnessed'));
    assert.is(agreed && text(agreed, 'condition'), 'open');
    await place.ask('udpSend', { ...flow, token: token() });
    await remove(it, 'eve');
    await until(it, 'eve', (t) => t !== undefined && text(t, 'condition') === 'closed');
    await ended;
    const found = await report(it, text(opened, 'session'));
    const [told] = found.sessions;
    assert.is(told?.final, 'revoked');
    assert.is(told?.witnessed, told?.last, said);
  } finally {
    consumer.kill('SIGKILL');
    rmSync(folder, { recursive: true });
  }
});

agent('nobody but root grants, ends or reads', async ({ it }) => {
  for (const method of ['friend_add', 'friend_top_up', 'friend_remove', 'friend_list', 'receipts'])
    assert.is((await it.agent.call('weir', method, [], patience)).ok, false, method);
});

agent.run();
