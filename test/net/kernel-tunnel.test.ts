// Peers and packets: wireguard-go's device, our rules, a guest's real traffic.

import { chmodSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import * as pools from '../../agent/core/pool.ts';
import { type Change, plan } from '../../agent/core/reconcile.ts';
import type { Held, PeerKey, Seat, Slot } from '../../agent/core/seat.ts';
import type { Meter, PeerFound, Reading, Surroundings, TunnelReady } from '../../agent/ports/router.ts';
import * as at from './ground/addresses.ts';
import { createGround, type Ground } from './ground/ground.ts';
import * as topology from './ground/topology.ts';
import { type Remote, start } from './kernel/remote.ts';
import { bytes, key, pool, seatAt, slotOf, statics } from './kernel/setting.ts';

type Context = { ground: Ground; it: Remote; folder: string; keyPath: string };
type Faulty = { ok: boolean; fault: { code: string; path: string } };
const left = millis(3_600_000);
const withinMs = 20_000;

const tunnel = suite<Context>('tunnel');
tunnel.before.each(async (context) => {
  context.folder = mkdtempSync(join(tmpdir(), 'weir-tunnel-'));
  context.keyPath = join(context.folder, 'key');
  context.ground = await createGround({ consumers: ['c'], tunnel: 'device' });
  context.it = await start(context.ground.in('router'));
});
tunnel.after.each(async ({ ground, it, folder }) => {
  await it.kill();
  await ground.close();
  rmSync(folder, { recursive: true });
});

async function prepare({ it, keyPath }: Context): Promise<TunnelReady> {
  const { links } = await it.ask<Surroundings>('routes.read');
  const index = links.find((l) => l.name === 'weir0')?.index;
  return it.ask('tunnel.prepare', { name: 'weir0', index, port: at.tunnel.port, keyPath });
}
const show = async ({ ground }: Context, what: string): Promise<string> =>
  (await ground.in('router').run(['wg', 'show', 'weir0', what])).trim();

tunnel('its key is made once, and for root alone', async (context) => {
  const { it, keyPath } = context;
  const ready = await prepare(context);
  const secret = readFileSync(keyPath);
  const key = await context.ground.in('router').run(['wg', 'pubkey'], { input: secret.toString('base64') });
  assert.equal(ready, { by: 'wireguard-go', key: key.trim() });
  assert.is(statSync(keyPath).mode & 0o777, 0o600);
  assert.is(secret.length, 32);
  assert.equal([secret.readUInt8(0) & 7, secret.readUInt8(31) & 0xc0], [0, 0x40]);
  assert.is(await show(context, 'private-key'), secret.toString('base64'));
  assert.is(await show(context, 'listen-port'), String(at.tunnel.port));
  await prepare(context);
  assert.equal(readFileSync(keyPath), secret);
  chmodSync(keyPath, 0o640);
  const refuse = async (): Promise<unknown> => {
    const r = await it.attempt<Faulty>('tunnel.prepare', { name: 'weir0', index: 1, port: 1, keyPath });
    return [r.ok, r.fault.code, r.fault.path];
  };
  assert.equal(await refuse(), [false, 'denied', keyPath]);
  writeFileSync(keyPath, secret.subarray(1));
  chmodSync(keyPath, 0o600);
  assert.equal(await refuse(), [false, 'malformed', keyPath]);
});

tunnel('welcomes and expels, several at once', async (context) => {
  const { it } = context;
  await prepare(context);
  const keys = Array.from({ length: 300 }, (_, i) => Buffer.alloc(32, `key ${i}`).toString('base64') as PeerKey);
  await it.ask(
    'tunnel.apply',
    keys.map((k, i) => ({ kind: 'welcome', key: k, slot: 2 + i })),
    pool,
  );
  const found = await it.ask<readonly PeerFound[]>('tunnel.read');
  assert.equal(found.map((p) => p.key).sort(), [...keys].sort());
  for (const { key: k, allowed, endpoint, handshake, counted } of found) {
    const { four, six } = pools.addresses(pool, (2 + keys.indexOf(k)) as Slot);
    assert.equal(allowed.map(ip.renderPrefix).sort(), [ip.renderAddress(four), ip.renderAddress(six)].sort());
    assert.equal([endpoint, handshake, counted], [null, null, { up: 0n, down: 0n }]);
  }
  // Another key in a slot takes its addresses; who had them has none then, and is a stray.
  await it.ask('rules.prepare', statics());
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
  await it.ask('tunnel.apply', [...keys.slice(1).map((k) => ({ kind: 'expel', key: k })), { kind: 'welcome', key: key(9), slot: 2 }], pool);
  const reading = await it.ask<Reading>('rules.read', await it.ask('tunnel.read'));
  assert.equal(reading.strays, [keys[0]]);
  assert.is(reading.held.get(2 as Slot)?.key, key(9));
  // Expelled twice is expelled.
  await it.ask(
    'tunnel.apply',
    [1, 2].map(() => ({ kind: 'expel', key: keys[0] })),
    pool,
  );
  assert.equal(
    (await it.ask<readonly PeerFound[]>('tunnel.read')).map((p) => p.key),
    [key(9)],
  );
});

/** A guest with rules, peer and all. */
async function admit(context: Context, more: Partial<Seat> = {}): Promise<Seat> {
  const { ground, it } = context;
  await prepare(context);
  await ground.in('router').run(['ip', '-batch', '-'], { input: topology.tunnel.join('\n') });
  await it.ask('rules.prepare', statics());
  const guest = ground.consumers.get('c');
  if (guest === undefined) throw new Error('no guest');
  const seat: Seat = { ...seatAt(slotOf(0)), key: guest.keys.public as PeerKey, ...more };
  await it.ask('rules.apply', { kind: 'seat', seat, left });
  await it.ask('tunnel.apply', [{ kind: 'welcome', key: seat.key, slot: seat.slot }], pool);
  await ground.connect('c', await show(context, 'public-key'));
  await ground.agree('c');
  await ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
  return seat;
}
const greet = async ({ ground }: Context, ms = withinMs): Promise<boolean> =>
  'by' in (await ground.in('c').ask('tcpGreet', { to: at.internet.v4, port: 443, withinMs: ms }));
const held = async (it: Remote): Promise<Held> => {
  const one = (await it.ask<Reading>('rules.read', await it.ask('tunnel.read'))).held.get(slotOf(0));
  if (one === undefined) throw new Error('nobody is held');
  return one;
};

tunnel('a guest is counted to the byte, also by who comes after a kill', async (context) => {
  const { ground } = context;
  const seat = await admit(context, { used: { up: bytes(1_000_000), down: bytes(7) } });
  const send = async (token: string, to: string): Promise<void> => {
    await ground.in('c').ask('udpSend', { to, port: 443, token, total: 200, size: 500, perSecond: 2000 });
    assert.is((await ground.in('internet').ask('counted', { token, datagrams: 200, withinMs })).datagrams, 200);
  };
  await send('four', at.internet.v4);
  const { sessions } = await context.it.ask<Meter>('rules.meter');
  const after = bytes(1_000_000 + 200 * 528);
  assert.equal(sessions.get(seat.slot)?.counted, { up: after, down: bytes(7) });
  const [peer] = await context.it.ask<readonly PeerFound[]>('tunnel.read');
  assert.ok(peer !== undefined && peer.counted.up > 200n * 528n && peer.handshake !== null);
  assert.is(peer?.endpoint?.address, at.consumer(0).outside.v4);
  await context.it.kill();
  await send('dead', at.internet.v4);
  context.it = await start(ground.in('router'));
  await prepare(context);
  await context.it.ask('rules.prepare', statics());
  await send('six', at.internet.v6);
  const now = await held(context.it);
  assert.equal(now.counted, { up: bytes(1_000_000 + 2 * 200 * 528 + 200 * 548), down: bytes(7) });
  assert.equal(now.terms, seat.terms);
  assert.is(now.key, seat.key);
  assert.equal(plan(new Map([[seat.key, { ...seat, ends: now.left }]]), { held: new Map([[seat.slot, now]]), strays: [] }, millis(0)), []);
});

tunnel('alterations and other rules lose no packet', async (context) => {
  const { ground, it } = context;
  const seat = await admit(context);
  const sending = ground.in('c').ask('udpSend', { to: at.internet.v4, port: 443, token: 'all', total: 2000, size: 100, perSecond: 1000 });
  const changes: readonly Change[] = [
    { kind: 'set-end', left: millis(3_000_000) },
    { kind: 'resize-quota', quota: { kind: 'shared', bytes: bytes(900_000_000) } },
    { kind: 'set-rate', rate: { ...seat.terms.rate, up: seat.terms.rate.down } },
    { kind: 'replace-quota', quota: { kind: 'split', up: bytes(1_000_000_000), down: bytes(1_000_000_000) } },
    { kind: 'set-end', left },
    { kind: 'replace-quota', quota: seat.terms.quota },
    {
      kind: 'set-egress',
      egress: { kind: 'list', flows: [{ address: '0.0.0.0', length: 0, protocol: 'udp', ports: { first: 1, last: 65_535 } }] },
    },
    { kind: 'set-egress', egress: { kind: 'internet' } },
  ];
  for (const change of changes) await it.ask('rules.apply', { kind: 'alter', held: await held(it), changes: [change] });
  // Other rules, and ours again: the tables change hands twice.
  await it.ask('rules.prepare', statics({ blockSmtp: false, sessions: 20 }));
  assert.is(await it.ask('rules.prepare', statics()), 'owned');
  for (const change of changes) await it.ask('rules.apply', { kind: 'alter', held: await held(it), changes: [change] });
  assert.is((await sending).datagrams, 2000);
  const got = await ground.in('internet').ask('counted', { token: 'all', datagrams: 2000, withinMs });
  assert.is(got.datagrams, 2000);
  assert.is((await held(it)).counted.up, bytes(2000 * 128));
});

tunnel('ends when it shall: expelled, cleared, spent, expired', async (context) => {
  const { it } = context;
  const seat = await admit(context);
  assert.ok(await greet(context));
  await it.ask('rules.apply', {
    kind: 'alter',
    held: await held(it),
    changes: [{ kind: 'replace-quota', quota: { kind: 'shared', bytes: bytes(1) } }],
  });
  await it.ask('rules.watch');
  assert.not(await greet(context, 500));
  await it.wait('rules.spent');
  await it.ask('rules.apply', { kind: 'alter', held: await held(it), changes: [{ kind: 'replace-quota', quota: seat.terms.quota }] });
  assert.ok(await greet(context));
  await it.ask('rules.apply', { kind: 'alter', held: await held(it), changes: [{ kind: 'set-end', left: millis(0) }] });
  assert.not(await greet(context, 500));
  await it.ask('rules.apply', { kind: 'alter', held: await held(it), changes: [{ kind: 'set-end', left }] });
  assert.ok(await greet(context));
  await it.ask('rules.apply', { kind: 'clear', held: await held(it) });
  assert.not(await greet(context, 500));
  await it.ask('rules.apply', { kind: 'seat', seat, left });
  assert.ok(await greet(context));
  await it.ask('tunnel.apply', [{ kind: 'expel', key: seat.key }], pool);
  assert.not(await greet(context, 500));
});

tunnel('without any WireGuard, says what to do', async (context) => {
  await context.ground.in('router').run(['rm', '/var/run/wireguard/weir0.sock']);
  const { links } = await context.it.ask<Surroundings>('routes.read');
  const index = links.find((l) => l.name === 'weir0')?.index;
  const r = await context.it.attempt<{ ok: boolean; fault: { code: string; path: string; reason: string } }>('tunnel.prepare', {
    name: 'weir0',
    index,
    port: 1,
    keyPath: context.keyPath,
  });
  assert.not(r.ok);
  assert.equal([r.fault.code, r.fault.path], ['unsupported', 'weir0']);
  assert.match(r.fault.reason, 'install kmod-wireguard');
});
tunnel.run();
