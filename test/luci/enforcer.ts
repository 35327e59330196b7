// The enforcer of the fakes with what its owner asks of it besides: yes, no, facts that follow, an examination. Its kernel is of numbers.

import type { Bus, Methods } from '../../agent/adapters/ubus-client.ts';
import * as uci from '../../agent/adapters/uci.ts';
import { fault, ok, text } from '../../agent/core/result.ts';
import * as settings from '../../agent/core/settings.ts';
import * as standing from '../../agent/core/standing.ts';
import { host } from '../../agent/host/node.ts';
import * as report from '../../agent/wire/report.ts';
import * as enforcer from '../fakes/enforcer.ts';
import * as plain from '../fakes/plain.ts';
import * as seats from '../fakes/seats.ts';

const uplink = { name: 'wan', up: true, device: 'eth1', addresses: ['11.1.0.2/24'], hints: [], dns: ['9.9.9.9'] };

/** `ground`: whether network and firewall have what is ours. */
export function methods(bus: Bus, kernel: seats.Seats, ground: { isSetUp: boolean }): Methods {
  const order = (accepted: Readonly<Record<string, string>>, why: Parameters<seats.Seats['refuse']>[0]) => ({
    args: {},
    async run() {
      const set = await uci.set({ call: bus.call, clock: host.clock }, 'weir', 'share', new Map(Object.entries(accepted)));
      if (!set.ok) return set;
      kernel.refuse(why);
      return ok(plain.table({ changed: true }));
    },
  });
  return {
    ...enforcer.methods(bus, kernel, {}),
    setup: {
      args: {},
      run() {
        const changed = !ground.isSetUp;
        ground.isSetUp = true;
        return ok(plain.table({ changed }));
      },
    },
    share: order({ accepted: '1', paused: '0' }, null),
    pause: order({ paused: '1' }, seats.paused),
    resume: order({ paused: '0' }, null),
    facts: {
      args: {},
      async run() {
        const sections = await uci.read(bus.call, 'weir');
        if (!sections.ok) return sections;
        const bare = ground.isSetUp ? null : fault('missing', 'weir.tunnel.pool6', 'not drawn yet: weir setup');
        const [no, owner, rows] = [standing.refusal(sections.value) ?? bare, settings.parseOwner(sections.value), kernel.read()];
        const cap = owner.ok ? owner.value.limits.month.cap : null;
        const used = rows.ok ? rows.value.rows.reduce((sum, { counted: { up, down } }) => sum + 2n * (up + down), 0n) : 0n;
        return ok(
          plain.table({
            shares: no === null,
            ...(no !== null && { why: text(no) }),
            key: 'A'.repeat(43).concat('='),
            port: 51820,
            sessions: rows.ok ? rows.value.rows.length : 0,
            month_used: used,
            today_used: used,
            ...(cap !== null && { month_cap: BigInt(cap) }),
            guests_rate: 18_400_000n,
            canary: 'IPv4 IPv6',
            troubles: [],
            uplinks: [uplink],
          }),
        );
      },
    },
    doctor: {
      args: {},
      run: () =>
        ok(
          report.encodeFindings([
            { grade: 'good', about: 'settings', says: 'in order', mend: '' },
            { grade: 'bad', about: 'offload', says: 'packets pass by the rules', mend: 'uci set firewall.@defaults[0].flow_offloading=0' },
          ]),
        ),
    },
  };
}
