// Where consumers call this router: where the owner says, or at an address of an uplink that the Internet can reach; and what to do when there
// is none. Knows no WireGuard.

import type { Endpoint } from './endpoint.ts';
import * as endpoint from './endpoint.ts';
import type { Address } from './ip.ts';
import * as ip from './ip.ts';
import * as reach from './reach.ts';
import { fail, ok, type Result } from './result.ts';
import type { Hint } from './uplink.ts';

export type Way = Readonly<{ name: string; addresses: readonly Address[]; hints: readonly Hint[]; dns: readonly Address[] }>;
/** `notes`: for the owner, in words. */
export type Choice = Readonly<{ at: string; notes: readonly string[] }>;

const elsewhere = reach.blocked([], []);
const isPublic = (address: Address): boolean => reach.wallOf(elsewhere, { address, length: 8 * address.length }) === null;

const causes: Readonly<Record<Hint, readonly [says: string, mend: (port: number) => string]>> = {
  'private-address': [
    'is behind another router',
    (port) => `forward UDP port ${port} there to this router, then say its public name or address`,
  ],
  'carrier-nat': [
    'has an address that its provider translates (CGNAT)',
    () => 'ask the provider for a public address or for IPv6; or say where a port is forwarded from',
  ],
  'shared-ipv4': [
    'shares its IPv4 address with others (DS-Lite, MAP)',
    () => 'ask the provider for IPv6 or an address of its own; or say where a port is forwarded from',
  ],
};
const say = '--endpoint HOST[:PORT], or for good the option weir.tunnel.endpoint';

/** `own`: the owner's word, which is not doubted. Ways: the preferred one first. */
export function choose(own: Endpoint | null, ways: readonly Way[], port: number): Result<Choice> {
  if (own !== null) return ok({ at: endpoint.render(own.host, own.port ?? port), notes: [] });
  for (const { addresses, hints } of ways) {
    // A shared address may look like one's own: of MAP's, only some ports lead here.
    const four = hints.includes('shared-ipv4') ? undefined : addresses.find((a) => ip.isV4(a) && isPublic(a));
    const found = four ?? addresses.find((a) => !ip.isV4(a) && isPublic(a));
    if (found === undefined) continue;
    const [hint] = hints;
    const why = hint === undefined ? 'there is no public IPv4 address' : `the uplink ${causes[hint][0]}`;
    const notes = [
      ...(four === undefined ? [`only IPv6 leads here, since ${why}: it works from networks that have IPv6`] : []),
      'when the provider changes this address, the configuration has to be changed; a name (dynamic DNS) spares that: --endpoint NAME',
    ];
    return ok({ at: endpoint.render(ip.renderAddress(found), port), notes });
  }
  const [way] = ways;
  if (way === undefined) return fail('missing', 'endpoint', 'no uplink is up: ifup wan; or say where guests should call');
  const [hint] = way.hints;
  const [says, mend] = hint === undefined ? ['has no public address', () => 'say where guests should call'] : causes[hint];
  return fail('missing', 'endpoint', `nobody can call this router: ${way.name} ${says}; ${mend(port)}: ${say}`);
}

/** Name servers of the uplinks that a session may ask. */
export function servers(ways: readonly Way[], blocked: reach.Blocked): readonly string[] {
  const open = ways.flatMap(({ dns }) => dns).filter((address) => reach.wallOf(blocked, { address, length: 8 * address.length }) === null);
  return [...new Set(open.map(ip.renderAddress))].slice(0, 3);
}
