// Meter and quota on the kernels that routers have, with WireGuard in the kernel and every flow offloaded. The rules are the enforcer's own
// text, with a session written in by hand.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as at from '../net/ground/addresses.ts';
import { render } from '../net/ground/rules.ts';
import { createGround, type Ground, offloaded, plain } from './ground/enforce.ts';
import * as acts from './ground/enforce-acts.ts';

/** What a forward hook would have counted and stopped. */
const blind = (quota: number): string => `table inet blind {
  counter seen { }
  quota most { over ${quota} bytes; }
  chain forward { type filter hook forward priority -20; policy accept;
    iifname "weir0" quota name "most" drop;
    oifname "weir0" quota name "most" drop;
    iifname "weir0" counter name "seen";
    oifname "weir0" counter name "seen";
  }
}
`;

const meter = 'netdev weir_m';
const quota = 8_000_000;
const transfer = 9_000_000;
/** The largest packet that the kernel makes of several. */
const largest = 65_536;

for (const machine of ['x86_64-6.1', 'x86_64-6.12'] as const) {
  const rows = suite<{ it: Ground }>(`rules on ${machine}`);
  rows.before(async (context) => {
    const it = await createGround(machine);
    context.it = it;
    await acts.startTunnel(it);
  });
  rows.after(({ it }) => it?.close());

  /** Answers what WireGuard had counted before. */
  const begin = async (it: Ground, rules: string, firewall = offloaded): Promise<acts.Line> => {
    const before = await acts.tunnelled(it);
    await acts.load(it, `${firewall}${acts.unload}add table inet blind; delete table inet blind;\n${rules}`);
    await it.connect();
    return before;
  };
  const passed = async (it: Ground): Promise<acts.Line> => ({
    up: (await acts.counter(it, meter, 'c_u')).bytes,
    down: (await acts.counter(it, meter, 'c_d')).bytes,
  });

  const datagrams = [
    { name: 'v4, small', to: at.internet.v4, size: 18, inside: 46, outside: 80 },
    { name: 'v4, full', to: at.internet.v4, size: 1392, inside: 1420, outside: 1452 },
    { name: 'v6, full', to: at.internet.v6, size: 1372, inside: 1420, outside: 1452 },
  ];
  for (const { name, to, size, inside, outside } of datagrams) {
    rows(`counts datagrams exactly, as the tunnel does: ${name}`, async ({ it }) => {
      const before = await begin(it, render(1e9));
      const here = (await acts.arrived(it)).packets;
      const total = 300;
      const shot = await acts.shoot(it, { to, total, size, perSecond: 300 });
      assert.equal(shot, { sent: total, back: total });
      assert.is((await acts.arrived(it)).packets - here, total);
      assert.equal(await passed(it), { up: total * inside, down: total * inside });
      // One handshake.
      assert.equal(acts.between(before, await acts.tunnelled(it)), { up: total * outside + 148, down: total * outside + 92 });
    });
  }

  for (const way of ['pull', 'push'] as const) {
    const counted = async (it: Ground, firewall: string) => {
      const before = await begin(it, `${render(1e9)}${blind(quota)}`, firewall);
      const moved = await acts.transfer(it, way, at.internet.v4, transfer);
      const seen = (await acts.counter(it, 'inet blind', 'seen')).bytes;
      return { moved, seen, meter: await passed(it), tunnel: acts.between(before, await acts.tunnelled(it)) };
    };
    rows(`a ${way} is metered as it is tunnelled, where a forward hook sees nothing of it`, async ({ it }) => {
      const { moved, seen, meter, tunnel } = await counted(it, offloaded);
      assert.is(moved.end, 'complete');
      const main = way === 'pull' ? 'down' : 'up';
      assert.ok(meter[main] > transfer, `${meter[main]} bytes of ${transfer}`);
      // The first packets of a flow, and what a server had not yet heard of an end.
      assert.ok(seen < transfer / 10, `the forward hook saw ${seen} bytes`);
      for (const side of ['up', 'down'] as const) assert.ok(meter[side] <= tunnel[side], `${side}: ${meter[side]} of ${tunnel[side]}`);
      assert.ok(tunnel[main] < meter[main] * 1.1, `${tunnel[main]} for ${meter[main]}`);
    });
    rows(`the forward hook sees and stops a ${way} that is not offloaded`, async ({ it }) => {
      const { moved, seen } = await counted(it, plain);
      assert.is(moved.end, 'idle');
      assert.ok(seen > quota - largest && seen <= quota, `the forward hook saw ${seen} bytes`);
    });
    rows(`a quota of 8 MB stops a ${way} that is offloaded`, async ({ it }) => {
      await begin(it, render(quota));
      const moved = await acts.transfer(it, way, at.internet.v4, transfer);
      const { up, down } = await passed(it);
      assert.is(moved.end, 'idle');
      assert.ok(up + down <= quota && up + down > quota - largest, `${up + down} of ${quota} bytes passed`);
      const later = await acts.transfer(it, way, at.internet.v4, transfer);
      assert.equal([later.bytes, later.end], [0, 'idle']);
      assert.equal(await passed(it), { up, down });
    });
  }
  rows.run();
}
