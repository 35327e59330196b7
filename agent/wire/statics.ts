// Where the router stands → the text of the static rules (ruleset.ts), and back to nobody: what is wrong with it is a Fault.

import * as home from '../core/home.ts';
import * as ip from '../core/ip.ts';
import * as limits from '../core/limits.ts';
import * as pools from '../core/pool.ts';
import { ok, type Result } from '../core/result.ts';
import type { Situation } from '../core/standing.ts';
import * as ruleset from './ruleset.ts';

export function render(device: string, s: Situation): Result<string> {
  const { owner, pool, agent } = s;
  const { limits: l, tunnel } = owner;
  const router = pools.router(pool);
  const config = ruleset.parse({
    device,
    uplinks: s.uplinks,
    address4: ip.renderAddress(router.four),
    address6: ip.renderAddress(router.six),
    listenPort: tunnel.port,
    sessions: l.sessions,
    // An allowed range may hold the pool; another guest is nobody's Internet.
    deny: [...l.deny, pool.four, pool.six].map(ip.renderPrefix),
    allow: l.allow.map(ip.renderPrefix),
    blockSmtp: l.blockSmtp,
    flows: l.flows,
    connections: s.canCountConnections ? l.connections : null,
    agent: { uid: agent.uid, dns: agent.dns.map(ip.renderAddress), brokers: agent.brokers.flatMap(placesOf) },
    lowerEffort: l.lowerEffort,
    line: {
      quota: { bytes: s.quota, used: 0n },
      guests: limits.guests(l),
      pace: l.home === null ? [] : home.units(l.home),
      tunnel: l.line,
      household: l.month.household,
    },
  });
  return config.ok ? ok(ruleset.render(config.value)) : config;
}

function placesOf({ host, port }: Readonly<{ host: string; port: number }>): { prefix: string; port: number }[] {
  const prefixes = ip.parseAddress(host).ok ? [host] : ['0.0.0.0/0', '::/0'];
  return prefixes.map((prefix) => ({ prefix, port }));
}
