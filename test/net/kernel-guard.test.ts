// The guard on the real kernel: no rules, or none any more, and only routing between a guest and the LAN.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { GuardWanted, Surroundings } from '../../agent/ports/router.ts';
import * as at from './ground/addresses.ts';
import { createGround, type Ground } from './ground/ground.ts';
import type { Options } from './ground/topology.ts';
import { type Remote, start } from './kernel/remote.ts';
import { prefix } from './kernel/setting.ts';
import { runProbes } from './probes.ts';

const withinMs = 20_000;
const wanted: GuardWanted = { device: 'weir0', uplinks: ['wan'], open: [] };

async function on(options: Options, body: (ground: Ground, it: Remote) => Promise<void>): Promise<void> {
  const ground = await createGround(options);
  try {
    const it = await start(ground.in('router'));
    await it.ask('routes.watch');
    await ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
    await body(ground, it);
  } finally {
    await ground.close();
  }
}

const ip = (ground: Ground, ...words: readonly string[]): Promise<string> => ground.in('router').run(['ip', ...words]);
const greet = async (ground: Ground, to: string, ms = withinMs): Promise<boolean> =>
  'by' in (await ground.in('c').ask('tcpGreet', { to, port: 443, withinMs: ms }));
const show = async (ground: Ground): Promise<string> =>
  (
    await Promise.all([
      ip(ground, '-4', 'rule'),
      ip(ground, '-6', 'rule'),
      // No such table, no routes.
      ...['-4', '-6'].map(async (family) => (await ground.in('router').attempt(['ip', family, 'route', 'show', 'table', '47200'])).stdout),
    ])
  ).join('\n');
/** Until the guard has followed what happened so far, and says so. */
async function follows(it: Remote, isDone: () => Promise<boolean>): Promise<void> {
  while (!(await isDone())) await it.wait('routes.changed');
}

const guard = suite('guard');

guard('without rules, probes reach the Internet, the router, and nothing else', () =>
  on({}, async (ground, it) => {
    await it.ask('routes.keep', wanted);
    const rows = await runProbes(ground, { rules: true });
    const breached = rows.filter((r) => r.reached && r.probe.want === 'blocked');
    const kept = rows.filter((r) => !r.reached && r.probe.want === 'allowed');
    assert.equal(
      kept.map((r) => `${r.probe.name}: ${r.said}`),
      [],
    );
    // Where a guest may go in the Internet, and what the router itself answers, is for rules alone; so is what comes from elsewhere.
    const notRouted =
      /^(owner's deny|SMTP|mail submission|hop session: (another port|the port|ping|Internet)|from |forged source|range: (documentation|bench|reserved|protocol|6to4|Teredo|NAT64|local NAT64|discard))/;
    assert.equal(
      breached.filter((r) => r.probe.to !== 'router' && !notRouted.test(r.probe.name)).map((r) => r.probe.name),
      [],
    );
    assert.ok(rows.some((r) => r.probe.name === 'LAN host global v6: tcp' && !r.reached));
  }),
);

guard('told again it changes nothing; who comes after takes over; released, nothing is left', () =>
  on({ consumers: ['c'] }, async (ground, it) => {
    const before = await show(ground);
    await it.ask('routes.keep', wanted);
    const kept = await show(ground);
    assert.match(kept, /472:\s+from all iif weir0 lookup 47200 proto 47/);
    assert.match(kept, /473:\s+from all iif weir0 prohibit proto 47/);
    assert.match(kept, /default via 11\.1\.0\.1 dev wan proto 47/);
    assert.match(kept, /default via 2a11:1::1 dev wan proto 47/);
    assert.match(kept, 'prohibit 192.168.1.0/24');
    assert.match(kept, 'prohibit 2a11:f:0:1::/64');
    await it.ask('routes.keep', wanted);
    assert.is(await show(ground), kept);
    await it.kill();
    assert.is(await show(ground), kept);
    const next = await start(ground.in('router'));
    await next.ask('routes.keep', wanted);
    assert.is(await show(ground), kept);
    await next.ask('routes.release');
    assert.is(await show(ground), before);
  }),
);

guard('follows the default route, a new LAN, a meddler', () =>
  on({ consumers: ['c'], secondUplink: true }, async (ground, it) => {
    await it.ask('routes.keep', wanted);
    assert.ok(await greet(ground, at.internet.v4));
    await ip(ground, 'route', 'replace', 'default', 'via', '11.1.0.9', 'dev', 'wan');
    await follows(it, async () => (await show(ground)).includes('default via 11.1.0.9 dev wan proto 47'));
    assert.not.match(await show(ground), 'via 11.1.0.1');
    await ip(ground, 'route', 'replace', 'default', 'via', at.gateway.v4, 'dev', 'wan');
    await follows(it, async () => (await show(ground)).includes('default via 11.1.0.1 dev wan proto 47'));
    assert.ok(await greet(ground, at.internet.v4));

    await ip(ground, 'address', 'add', '11.77.0.1/24', 'dev', 'br-lan');
    await follows(it, async () => (await show(ground)).includes('prohibit 11.77.0.0/24'));
    await ip(ground, 'address', 'del', '11.77.0.1/24', 'dev', 'br-lan');
    await follows(it, async () => !(await show(ground)).includes('11.77'));

    const kept = await show(ground);
    for (const line of [
      ['rule', 'del', 'pref', '473'],
      ['-6', 'rule', 'del', 'pref', '472'],
      ['route', 'flush', 'table', '47200'],
    ]) {
      await ip(ground, ...line);
      await follows(it, async () => (await show(ground)) === kept);
    }
  }),
);

guard('follows a gateway in no network of its link, as providers with single addresses have it', () =>
  on({ consumers: ['c'] }, async (ground, it) => {
    const far = { v4: '10.255.0.1', v6: '2a11:ff::1' };
    await ground.in('uplink').run(['ip', 'address', 'add', `${far.v4}/32`, 'dev', 'to-r']);
    await ground.in('uplink').run(['ip', 'address', 'add', `${far.v6}/128`, 'dev', 'to-r', 'nodad']);
    await it.ask('routes.keep', wanted);
    await ip(ground, 'route', 'replace', 'default', 'via', far.v4, 'dev', 'wan', 'onlink');
    await ip(ground, '-6', 'route', 'replace', 'default', 'via', far.v6, 'dev', 'wan', 'onlink');
    await follows(it, async () => (await show(ground)).match(/via (10\.255\.0\.1|2a11:ff::1) dev wan proto 47 .*onlink/g)?.length === 2);
    for (const to of [at.internet.v4, at.internet.v6]) assert.ok(await greet(ground, to));
  }),
);

guard('ends in refusal when the uplink goes, though there is another', () =>
  on({ consumers: ['c'], secondUplink: true }, async (ground, it) => {
    await it.ask('routes.keep', wanted);
    assert.ok(await greet(ground, at.internet.v4));
    // Its tunnel comes by the first uplink, its way out is the second.
    await it.ask('routes.keep', { ...wanted, uplinks: ['wan2'] });
    assert.ok(await greet(ground, at.internet.v4));
    assert.ok(await greet(ground, at.internet.v6));
    await ip(ground, 'link', 'set', 'wan2', 'down');
    await follows(it, async () => !(await show(ground)).includes('dev wan2'));
    for (const to of [at.internet.v4, at.internet.v6]) assert.not(await greet(ground, to, 700));
    // The household goes on.
    assert.is('by' in (await ground.in('router').ask('tcpGreet', { to: at.internet.v4, port: 443, withinMs })), true);
    await it.ask('routes.keep', { ...wanted, uplinks: [] });
    for (const to of [at.internet.v4, at.internet.v6]) assert.not(await greet(ground, to, 700));
    await it.ask('routes.keep', wanted);
    assert.ok(await greet(ground, at.internet.v4));
  }),
);

guard('serves IPv6 by a default route that is only for others', () =>
  on({ consumers: ['c'], sourceSpecific: true }, async (ground, it) => {
    assert.not(await greet(ground, at.internet.v6, 700));
    await it.ask('routes.keep', wanted);
    assert.ok(await greet(ground, at.internet.v6));
    assert.ok(await greet(ground, at.internet.v4));
  }),
);

guard('opens what the owner opens', () =>
  on({ consumers: ['c'] }, async (ground, it) => {
    const mesh = at.special4['private 10/8'];
    await it.ask('routes.keep', wanted);
    assert.not(await greet(ground, mesh, 700));
    await it.ask('routes.keep', { ...wanted, open: [prefix('10.9.0.0/16'), prefix('192.168.1.0/24')] });
    assert.ok(await greet(ground, mesh));
    assert.not(await greet(ground, at.special4["the modem's own network"], 700));
    await ground.in('lan').ask('serve', { name: 'lan', ports: [443] });
    assert.not(await greet(ground, at.lan.v4, 700));
  }),
);

guard('keeps IPv4 where there is no IPv6', () =>
  on({ consumers: ['c'], ipv6: false }, async (ground, it) => {
    await it.ask('routes.keep', wanted);
    assert.ok(await greet(ground, at.internet.v4));
    assert.match(await show(ground), 'prohibit 192.168.1.0/24');
  }),
);

guard('hears that the device is gone, and tells what is around', () =>
  on({ consumers: ['c'] }, async (ground, it) => {
    await it.ask('routes.keep', wanted);
    const around = await it.ask<Surroundings>('routes.read');
    assert.ok(around.links.some((l) => l.name === 'weir0' && l.isUp && l.kind === 'tun' && l.mtu === 1420));
    assert.ok(around.addresses.some((a) => a.device === 'br-lan' && a.prefix === `${at.home.global}/64`));
    assert.ok(around.routes.some((r) => r.device === 'wan' && r.gateway === at.gateway.v4 && r.destination.length === 0));
    assert.not(around.routes.some((r) => r.table === 47_200));
    assert.is(await it.ask('routes.makeDevice', 'weir0', 1380), around.links.find((l) => l.name === 'weir0')?.index);
    assert.match(await ip(ground, 'link', 'show', 'weir0'), 'mtu 1380');
    await it.ask('routes.removeDevice', 'weir0');
    await it.wait('routes.gone');
    await it.ask('routes.removeDevice', 'weir0');
    // This kernel has no WireGuard of its own; where there is one, the device is there again.
    const made = await it.attempt<{ ok: boolean; fault: { code: string; reason: string } }>('routes.makeDevice', 'weir0', 1420);
    if (!made.ok)
      assert.equal([made.fault.code, made.fault.reason], ['unsupported', 'the kernel has no WireGuard: install kmod-wireguard']);
  }),
);
guard.run();
