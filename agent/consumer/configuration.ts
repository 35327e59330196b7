// A WireGuard configuration as apps exchange it, taken apart: what `wg setconf` takes, and what is the device's and the routes'. Names of
// programs to run (PostUp and its like) are refused, not run. Knows no device.

import * as ip from '../core/ip.ts';
import { fail, ok, type Result } from '../core/result.ts';

export type Configuration = Readonly<{
  /** With their lengths, as `ip address add` takes them. */
  addresses: readonly string[];
  mtu: number;
  /** What goes into the tunnel. */
  allowed: readonly string[];
  /** For `wg setconf`: the lines below [Interface], which may hold the secret, and those below [Peer]. */
  device: string;
  peer: string;
  hasSecret: boolean;
}>;

type Section = 'interface' | 'peer';
const ours: Readonly<Record<Section, readonly string[]>> = { interface: ['address', 'dns', 'mtu'], peer: [] };
const theirs: Readonly<Record<Section, readonly string[]>> = {
  interface: ['privatekey', 'listenport', 'fwmark'],
  peer: ['publickey', 'presharedkey', 'allowedips', 'endpoint', 'persistentkeepalive'],
};

export function parse(text: string): Result<Configuration> {
  const kept: Record<Section, string[]> = { interface: [], peer: [] };
  const found = new Map<string, readonly string[]>();
  let section: Section | null = null;
  for (const [i, raw] of text.split('\n').entries()) {
    const line = raw.replace(/#.*/, '').trim();
    if (line === '') continue;
    const [, name] = /^\[(interface|peer)\]$/i.exec(line) ?? [];
    const [, word = '', value = ''] = /^(\w+)\s*=\s*(.+)$/.exec(line) ?? [];
    const key = word.toLowerCase();
    if (name !== undefined) section = name.toLowerCase() as Section;
    else if (section === null || key === '') return fail('malformed', `line ${i + 1}`, 'no line of a WireGuard configuration');
    else if (theirs[section].includes(key)) kept[section].push(`${word} = ${value}`);
    // What it says is not repeated: it may be a secret under a name that was typed wrongly.
    else if (!ours[section].includes(key)) return fail('unsupported', `line ${i + 1}`, 'a key that is not taken here');
    if (key !== '') found.set(key, [...(found.get(key) ?? []), ...value.split(',').map((part) => part.trim())]);
  }
  const [addresses, allowed, [mtu = '1420']] = [found.get('address') ?? [], found.get('allowedips') ?? [], found.get('mtu') ?? []];
  if (found.get('publickey')?.length !== 1) return fail('malformed', 'peer', 'expected one, with its public key');
  if (addresses.length === 0) return fail('missing', 'Address', 'has to be there');
  if (![...addresses, ...allowed].every(isPrefix)) return fail('malformed', 'Address', 'expected addresses, each with its length');
  if (!/^\d{3,5}$/.test(mtu)) return fail('malformed', 'MTU', 'expected a number');
  const [device, peer] = [kept.interface.join('\n'), kept.peer.join('\n')];
  return ok({ addresses, mtu: Number(mtu), allowed, device, peer, hasSecret: found.has('privatekey') });
}

function isPrefix(text: string): boolean {
  const [address = '', length = '0', ...more] = text.split('/');
  const parsed = ip.parseAddress(address);
  return parsed.ok && more.length === 0 && /^\d{1,3}$/.test(length) && Number(length) <= 8 * parsed.value.length;
}
