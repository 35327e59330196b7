// The static rules with three sessions in them, as text for the nft command line: what the enforcer does by netlink, for tests without one.

import { text } from '../../../agent/core/result.ts';
import * as ruleset from '../../../agent/wire/ruleset.ts';
import * as at from './addresses.ts';

const sessions = { c: at.consumer(0), d: at.consumer(1), e: at.consumer(2) } as const;
const names = ['c', 'd', 'e'] as const;

export const input: ruleset.Input = {
  device: 'weir0',
  uplinks: ['wan'],
  address4: at.tunnel.v4,
  address6: at.tunnel.v6,
  listenPort: at.tunnel.port,
  sessions: 16,
  deny: [`${at.denied.v4}/32`, `${at.denied.v6}/128`],
  allow: [],
  blockSmtp: true,
  flows: { session: 200, all: 1000 },
  connections: { session: 1000, all: 4000 },
  agent: { uid: 453, dns: [], brokers: [] },
  lowerEffort: true,
  line: { quota: null, guests: null, pace: [], tunnel: null, household: false },
};

/** Sessions c, d and e with `quota` bytes each, both ways together; e may only go to its hop. */
export function render(quota: number, changed: Partial<ruleset.Input> = {}): string {
  const config = ruleset.parse({ ...input, ...changed });
  if (!config.ok) throw new Error(text(config.fault));
  const element = (set: string, ...words: string[]): string => `add element netdev weir_m ${set} { ${words.join(', ')} }`;
  const each = (v: 'v4' | 'v6', of: (name: (typeof names)[number], address: string) => string): string[] =>
    names.map((name) => of(name, sessions[name][v]));
  return [
    'add table netdev weir_m',
    'add table inet weir_p',
    ruleset.render(config.value),
    ...names.flatMap((name) => [
      `add quota netdev weir_m ${name}_q { ${quota} bytes }`,
      ...['u', 'd'].flatMap((way) => [
        `add limit netdev weir_m ${name}_l${way} { rate 1000000000 bytes/second burst 50000000 bytes }`,
        `add counter netdev weir_m ${name}_${way}`,
      ]),
    ]),
    ...(['v4', 'v6'] as const).flatMap((v) => [
      ...[`live${v[1]}`, `drain${v[1]}`].map((set) => element(set, ...each(v, (_, address) => `${address} timeout 1h`))),
      ...['u', 'd'].flatMap((way) => [
        element(`l${way}${v[1]}`, ...each(v, (name, address) => `${address} : "${name}_l${way}"`)),
        element(`q${way}${v[1]}`, ...each(v, (name, address) => `${address} : "${name}_q"`)),
        element(`c${way}${v[1]}`, ...each(v, (name, address) => `${address} : "${name}_${way}"`)),
      ]),
      `add element inet weir_p internet${v[1]} { ${sessions.c[v]}, ${sessions.d[v]} }`,
    ]),
    `add element inet weir_p hop4 { ${sessions.e.v4} . ${at.hop.v4} . udp . 51820 }`,
    '',
  ].join('\n');
}
