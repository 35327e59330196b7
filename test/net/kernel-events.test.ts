// What others do to our tables, and what many sessions are.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import type { Step } from '../../agent/core/reconcile.ts';
import type { Slot } from '../../agent/core/seat.ts';
import type { Meter, Reading } from '../../agent/ports/router.ts';
import { createGround, type Ground } from './ground/ground.ts';
import { type Remote, start } from './kernel/remote.ts';
import { bytes, quotas, seatAt, statics } from './kernel/setting.ts';

type Context = { ground: Ground; it: Remote };
type Faulty = { ok: boolean; fault: { code: string; path: string } };
const left = millis(3_600_000);
const nft = (ground: Ground, ...lines: readonly string[]): Promise<string> =>
  ground.in('router').run(['nft', '-f', '-'], { input: `${lines.join('\n')}\n` });

const others = suite<Context>('what others do');
others.before(async (context) => {
  context.ground = await createGround({ consumers: ['c'], tunnel: 'device' });
});
others.after(({ ground }) => ground.close());
others.before.each(async (context) => {
  context.it = await start(context.ground.in('router'));
});
others.after.each(async ({ ground, it }) => {
  await it.kill();
  for (const table of ['netdev weir_m', 'inet weir_p', 'inet foreign']) await ground.in('router').attempt(['nft', `delete table ${table}`]);
});

/** Without "persist", as every table is before kernel 6.9. */
async function prepareWatched({ ground, it }: Context): Promise<void> {
  await nft(ground, 'add table netdev weir_m', 'add table inet weir_p');
  assert.is(await it.ask('rules.prepare', statics()), 'watched');
  await it.ask('rules.watch');
}

others('delete every table: told, and made anew', async (context) => {
  const { ground, it } = context;
  await prepareWatched(context);
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
  await nft(ground, 'flush ruleset');
  await it.wait('rules.gone');
  for (const verb of ['rules.meter', 'rules.read']) {
    const r = await it.attempt<Faulty>(verb, []);
    assert.equal([r.ok, r.fault.code, r.fault.path], [false, 'missing', 'weir_m']);
  }
  assert.is(await it.ask('rules.prepare', statics()), 'owned');
  assert.is((await it.ask<Reading>('rules.read', [])).held.size, 0);
});

others('delete one of them: told', async (context) => {
  const { ground, it } = context;
  await prepareWatched(context);
  await nft(ground, 'delete table inet weir_p');
  await it.wait('rules.gone');
  assert.is((await it.attempt<Faulty>('rules.read', [])).fault.code, 'ENOENT');
});

const meddling: readonly { name: string; lines: readonly string[]; strict?: true }[] = [
  { name: 'empty a set', lines: ['flush set inet weir_p internet6'], strict: true },
  { name: 'take an element', lines: ['delete element netdev weir_m lu4 { 10.64.0.2 }'], strict: true },
  { name: 'put somebody in', lines: ['add element inet weir_p internet4 { 10.64.0.7 }'] },
  {
    name: 'swap a quota',
    lines: [
      'delete element netdev weir_m qu4 { 10.64.0.2 }',
      'add quota netdev weir_m big { 1 bytes }',
      'add element netdev weir_m qu4 { 10.64.0.2 : "big" }',
    ],
    strict: true,
  },
];
for (const { name, lines, strict } of meddling)
  others(`${name}: told, found, swept away`, async (context) => {
    const { ground, it } = context;
    await prepareWatched(context);
    await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
    await it.ask('rules.apply', { kind: 'seat', seat: seatAt(3), left });
    await it.ask('rules.meter');
    // Not of what we do ourselves, nor of what others do elsewhere.
    await nft(ground, 'add table inet foreign', 'add counter inet foreign c');
    await it.ask('rules.meter');
    assert.equal(it.told(), ['ready']);
    await nft(ground, ...lines);
    await it.wait('rules.stale');
    const found = await it.ask<Reading>('rules.read', []);
    assert.ok(found.debris.length > 0);
    assert.is(found.held.has(2 as Slot), strict === undefined);
    await it.ask('rules.sweep');
    const swept = await it.ask<Reading>('rules.read', []);
    assert.equal(swept.debris, []);
    assert.equal([...swept.held.keys()], [...found.held.keys()]);
    if (!strict) return;
    await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
    assert.ok((await it.ask<Reading>('rules.read', [])).held.has(2 as Slot));
  });

others('are told from what we do ourselves, in a jail, too', async ({ ground }) => {
  const it = await start(ground.in('router'), ['unshare', '--pid', '--fork', '--kill-child']);
  await it.ask('rules.prepare', statics());
  await it.ask('rules.watch');
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
  await it.ask('rules.meter');
  assert.equal(it.told(), ['ready']);
  await it.kill();
});

others('say more than we can hear', async (context) => {
  const { ground, it } = context;
  await it.ask('rules.prepare', statics());
  await it.ask('rules.watch');
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
  await it.ask('rules.meter');
  const elements = Array.from({ length: 65_536 }, (_, i) => `11.0.${i >> 8}.${i & 255}`);
  process.kill(it.pid, 'SIGSTOP');
  await nft(
    ground,
    'add table inet foreign',
    'add set inet foreign s { type ipv4_addr; }',
    `add element inet foreign s { ${elements.join(', ')} }`,
  );
  process.kill(it.pid, 'SIGCONT');
  await it.wait('rules.stale');
  assert.is((await it.ask<Reading>('rules.read', [])).held.size, 1);
});

others('change tables all the time: what is read is whole all the same', async ({ ground, it }) => {
  await it.ask('rules.prepare', statics());
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2), left });
  const busy = Array.from({ length: 30 }, async (_, i) => nft(ground, `add table inet foreign`, `add counter inet foreign c${i}`));
  for (let i = 0; i < 10; i++) assert.is((await it.ask<Reading>('rules.read', [])).held.size, 1);
  await Promise.all(busy);
});

others('reset quotas: what is to spare says so', async (context) => {
  const { ground, it } = context;
  await prepareWatched(context);
  await it.ask('rules.apply', { kind: 'seat', seat: seatAt(2, {}, { up: bytes(1000), down: bytes(0) }), left });
  const spare = async (): Promise<unknown> => (await it.ask<Reading>('rules.read', [])).spare.get(2 as Slot);
  assert.equal(await spare(), { kind: 'shared', bytes: 999_999_000n });
  await ground.in('router').run(['nft', 'reset', 'quotas']);
  assert.equal(await spare(), quotas[0]);
});
others.run();

const many = suite<Context>('a thousand seats');
many('taken, read, left', async () => {
  const ground = await createGround({ consumers: ['c'], tunnel: 'device' });
  try {
    const it = await start(ground.in('router'));
    await it.ask('rules.prepare', statics({ sessions: 1000 }));
    const steps = (from: number, to: number): Step[] =>
      Array.from({ length: to - from }, (_, i) => ({ kind: 'seat', seat: seatAt(2 + from + i), left }));
    for (let from = 0; from < 1000; from += 250) await it.ask('rules.applyAll', steps(from, from + 250));
    assert.is((await it.ask<Meter>('rules.meter')).sessions.size, 1000);
    const reading = await it.ask<Reading>('rules.read', []);
    assert.is(reading.held.size, 1000);
    assert.equal(reading.debris, []);
    for (const held of [...reading.held.values()].slice(0, 10)) await it.ask('rules.apply', { kind: 'clear', held });
    assert.is((await it.ask<Reading>('rules.read', [])).held.size, 990);
    await it.kill();
  } finally {
    await ground.close();
  }
});
many.run();
