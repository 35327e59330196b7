import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import { type Change, plan, type Step } from '../../agent/core/reconcile.ts';
import type { Held, Quota, Seat, Slot, Terms } from '../../agent/core/seat.ts';
import type { Meter, Reading } from '../../agent/ports/router.ts';
import { createGround, type Ground } from './ground/ground.ts';
import { type Remote, start } from './kernel/remote.ts';
import { bytes, egresses, quotas, rate, rates, seatAt, statics } from './kernel/setting.ts';

type Context = { ground: Ground; it: Remote };
const left = millis(3_600_000);

/** What was held just now; `left` is compared apart, because it runs. */
async function read(it: Remote): Promise<Reading> {
  const reading = await it.ask<Reading>('rules.read', []);
  assert.equal(reading.debris, []);
  return reading;
}
const one = async (it: Remote, slot = 2): Promise<Held> => {
  const held = (await read(it)).held.get(slot as Slot);
  if (held === undefined) throw new Error(`nobody has slot ${slot}`);
  return held;
};
const seat = (it: Remote, s: Seat): Promise<void> => it.ask('rules.apply', { kind: 'seat', seat: s, left });
/** What nobody owns any more. */
async function flush(ground: Ground): Promise<void> {
  for (const table of ['netdev weir_m', 'inet weir_p']) await ground.in('router').attempt(['nft', `delete table ${table}`]);
}

const rules = suite<Context>('rules');
rules.before(async (context) => {
  context.ground = await createGround({ consumers: ['c'], tunnel: 'device' });
});
rules.after(({ ground }) => ground.close());
rules.before.each(async (context) => {
  context.it = await start(context.ground.in('router'));
  await context.it.ask('rules.prepare', statics());
});
rules.after.each(async ({ ground, it }) => {
  await it.kill();
  await flush(ground);
});

rules('are there, ours alone, and empty', async ({ ground, it }) => {
  assert.is(await it.ask('rules.prepare', statics()), 'owned');
  const reading = await read(it);
  assert.equal([...reading.held], []);
  assert.equal(reading.line, { up: 0n, down: 0n });
  assert.is(reading.node, null);
  assert.equal(await it.ask('rules.dropped'), { refused: 0n, spent: 0n });
  const refused = await ground.in('router').attempt(['nft', 'add', 'counter', 'netdev', 'weir_m', 'mine']);
  assert.is(refused.code, 1);
  assert.match(refused.stderr, 'Operation not permitted');
  for (const line of ['flush ruleset', 'delete table inet weir_p', 'flush table netdev weir_m', 'delete chain netdev weir_m guest_up']) {
    const tried = await ground.in('router').attempt(['nft', line]);
    assert.is(tried.code === 0, line === 'flush ruleset', `${line}: ${tried.stderr}`);
  }
  assert.is((await read(it)).held.size, 0);
});

for (const quota of quotas)
  for (const egress of egresses)
    rules(`seat and clear: ${quota.kind} ${'bytes' in quota ? quota.bytes : quota.up}, ${JSON.stringify(egress)}`, async ({ it }) => {
      const spent = quota.kind === 'split' ? rate(1000) : null;
      const used = { up: bytes(70), down: bytes(7) };
      const packets = { up: 5n, down: 6n };
      const wanted = { ...seatAt(2, { quota, egress, spent, rate: rates[1] as Terms['rate'] }, used), packets };
      await seat(it, wanted);
      const reading = await read(it);
      const held = await one(it);
      assert.equal(held.terms, wanted.terms);
      assert.equal([held.counted, held.packets], [used, packets]);
      assert.equal(
        reading.spare.get(2 as Slot),
        quota.kind === 'shared' ? { ...quota, bytes: quota.bytes - 77n } : { ...quota, up: quota.up - 70n, down: quota.down - 7n },
      );
      assert.ok(held.left <= left && held.left > left - 60_000);
      assert.equal(
        plan(new Map([[wanted.key, { ...wanted, ends: held.left }]]), reading, millis(0)).map((s) => s.kind),
        ['welcome'],
      );
      const { sessions } = await it.ask<Meter>('rules.meter');
      assert.equal([...sessions], [[2, { generation: held.generation, counted: used, packets }]]);
      await it.ask('rules.apply', { kind: 'clear', held });
      assert.is((await read(it)).held.size, 0);
    });

const alterations: readonly { name: string; changes: readonly [Change, ...Change[]]; want: Partial<Terms> }[] = [
  ...quotas.map((quota) => ({
    name: `replace ${quota.kind}`,
    changes: [{ kind: 'replace-quota', quota }] as const,
    want: { quota },
  })),
  { name: 'resize', changes: [{ kind: 'resize-quota', quota: quotas[1] as Quota }], want: { quota: quotas[1] as Quota } },
  ...rates.map((r) => ({ name: `rate ${r.up} ${r.down}`, changes: [{ kind: 'set-rate', rate: r }] as const, want: { rate: r } })),
  { name: 'throttle', changes: [{ kind: 'set-spent', spent: rate(1, 2) }], want: { spent: rate(1, 2) } },
  ...egresses.map((egress) => ({ name: JSON.stringify(egress), changes: [{ kind: 'set-egress', egress }] as const, want: { egress } })),
];
for (const { name, changes, want } of alterations)
  rules(`alter: ${name}`, async ({ it }) => {
    await seat(it, seatAt(2, { egress: egresses[4] as Terms['egress'] }, { up: bytes(11), down: bytes(22) }));
    const before = await one(it);
    await it.ask('rules.apply', { kind: 'alter', held: before, changes });
    const after = await one(it);
    assert.equal(after.terms, { ...before.terms, ...want });
    assert.equal({ ...after, terms: 0, left: 0 }, { ...before, terms: 0, left: 0 });
  });

for (const next of [0, 1, 20_000])
  rules(`alter: an end in ${next} ms`, async ({ it }) => {
    await seat(it, seatAt(2));
    const held = await one(it);
    await it.ask('rules.apply', { kind: 'alter', held, changes: [{ kind: 'set-end', left: millis(next) }] });
    const after = await one(it);
    assert.ok(after.left <= Math.max(next, 100) && after.left >= next - 10_000, `${after.left}`);
    // And back again, with the countersign port's minute.
    await it.ask('rules.apply', { kind: 'alter', held: after, changes: [{ kind: 'set-end', left }] });
    assert.ok((await one(it)).left > left - 10_000);
  });

rules('all at once, in full sets', async ({ it }) => {
  // As many as the rules have room for: sixteen, and the canary.
  for (let slot = 2; slot < 19; slot++) await seat(it, seatAt(slot, { egress: egresses[slot % 2] as Terms['egress'] }));
  const refused = await it.attempt<{ ok: boolean; fault: { code: string; path: string } }>('rules.apply', {
    kind: 'seat',
    seat: seatAt(19),
    left,
  });
  assert.not(refused.ok);
  assert.is(refused.fault.code, 'ENFILE');
  assert.match(refused.fault.path, /^seat\.message \d+$/);
  const held = await one(it, 17);
  const changes: readonly Change[] = [
    { kind: 'set-egress', egress: egresses[2] as Terms['egress'] },
    { kind: 'replace-quota', quota: quotas[2] as Quota },
    { kind: 'set-rate', rate: rate(5, 6) },
    { kind: 'set-spent', spent: rate(1, 2) },
    { kind: 'set-end', left: millis(5000) },
  ];
  await it.ask('rules.apply', { kind: 'alter', held, changes });
  const after = await one(it, 17);
  assert.equal(after.terms, { egress: egresses[2], quota: quotas[2], rate: rate(5, 6), spent: rate(1, 2) });
  assert.is((await read(it)).held.size, 17);
});

rules('a batch with one bad change changes nothing', async ({ it }) => {
  await seat(it, seatAt(2));
  const before = await one(it);
  // It has another rate by now, so the limit that is to go is not there.
  const stale: Held = { ...before, terms: { ...before.terms, rate: rate(7) } };
  const steps: readonly Step[] = [
    { kind: 'clear', held: stale },
    { kind: 'alter', held: stale, changes: [{ kind: 'set-rate', rate: rate(8) }] },
    { kind: 'seat', seat: seatAt(2, { rate: rate(9) }), left },
  ];
  for (const step of steps) {
    const r = await it.attempt<{ ok: boolean; fault: { code: string; path: string } }>('rules.apply', step);
    assert.not(r.ok, step.kind);
    assert.is(r.fault.code, step.kind === 'seat' ? 'EEXIST' : 'ENOENT');
    const after = await one(it);
    assert.equal({ ...after, left: 0 }, { ...before, left: 0 });
  }
});

rules('kill -9: the next one finds all, and owns it', async (context) => {
  await seat(context.it, seatAt(2, { egress: egresses[4] as Terms['egress'] }, { up: bytes(5), down: bytes(6) }));
  const before = await one(context.it);
  await context.it.kill();
  const shown = await context.ground.in('router').run(['nft', 'list', 'table', 'netdev', 'weir_m']);
  assert.match(shown, 's2_');
  context.it = await start(context.ground.in('router'));
  assert.is(await context.it.ask('rules.prepare', statics({ blockSmtp: false })), 'owned');
  assert.equal({ ...(await one(context.it)), left: 0 }, { ...before, left: 0 });
  assert.is((await context.ground.in('router').attempt(['nft', 'delete', 'table', 'netdev', 'weir_m'])).code, 1);
});

rules('nft says what it does not like', async ({ it }) => {
  const bad = { ...statics(), text: `${statics().text}\nadd rule inet weir_p in_tun no such thing\n` };
  const r = await it.attempt<{ ok: boolean; fault: { code: string; path: string; reason: string } }>('rules.prepare', bad);
  assert.not(r.ok);
  assert.is(r.fault.code, 'foreign');
  assert.is(r.fault.path, '/usr/sbin/nft');
  assert.match(r.fault.reason, /^exited 1: .*syntax error/);
  assert.is(await it.ask('rules.prepare', statics()), 'owned');
});

rules('a chain that is not on its device is missed', async ({ it }) => {
  const r = await it.attempt<{ ok: boolean; fault: { code: string; path: string } }>('rules.prepare', {
    ...statics(),
    uplinks: ['wan', 'wan9'],
  });
  assert.not(r.ok);
  assert.is(r.fault.code, 'missing');
  assert.is(r.fault.path, 'weir_m.line_in');
});

rules('removed when told so, without an alarm', async ({ ground, it }) => {
  await it.ask('rules.watch');
  await seat(it, seatAt(2));
  await it.ask('rules.remove');
  assert.not.match(await ground.in('router').run(['nft', 'list', 'ruleset']), 'weir_');
  await it.ask('rules.remove');
  assert.equal(it.told(), ['ready']);
});

rules.run();
