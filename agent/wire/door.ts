// The enforcer's `facts` as who makes a consumer's configuration needs them. Apart from report.ts, so that the enforcer does not carry it.

import type { Way } from '../core/doorway.ts';
import * as ip from '../core/ip.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Hint } from '../core/uplink.ts';
import type { Table } from './blobmsg.ts';
import * as fields from './fields.ts';

/** What a consumer has to know of the router. `key` null: wireguard-go, which does not say it. `ways`: the uplinks that are up. */
export type Door = Readonly<{ key: string | null; ways: readonly Way[] }>;

export function decode(facts: Table): Result<Door> {
  const key = fields.has(facts, 'key') ? fields.string(facts, 'key') : ok(null);
  const list = fields.array(facts, 'uplinks');
  if (!key.ok) return key;
  if (!list.ok) return list;
  const ways: Way[] = [];
  for (const value of list.value) {
    const t = value.kind === 'table' ? value.fields : [];
    const [name, up, addresses] = [fields.string(t, 'name'), fields.boolean(t, 'up'), addressesIn(t, 'addresses')];
    const [hints, dns] = [textsIn(t, 'hints'), addressesIn(t, 'dns')];
    const wrong = [name, up, addresses, hints, dns].find((r) => !r.ok);
    if (wrong?.ok === false) return { ok: false, fault: under('uplinks', wrong.fault) };
    if (name.ok && up.ok && up.value && addresses.ok && hints.ok && dns.ok)
      ways.push({ name: name.value, addresses: addresses.value, hints: hints.value as readonly Hint[], dns: dns.value });
  }
  return ok({ key: key.value, ways });
}

function textsIn(t: Table, name: string): Result<readonly string[]> {
  const list = fields.array(t, name);
  if (!list.ok) return list;
  const words = list.value.flatMap((v) => (v.kind === 'string' && typeof v.value === 'string' ? [v.value] : []));
  return words.length === list.value.length ? ok(words) : fail('malformed', name, 'expected texts');
}

function addressesIn(t: Table, name: string): Result<readonly ip.Address[]> {
  const words = textsIn(t, name);
  if (!words.ok) return words;
  const addresses: ip.Address[] = [];
  for (const word of words.value) {
    // With the length of its network, or without.
    const address = ip.parseAddress(word.replace(/\/\d+$/, ''));
    if (!address.ok) return { ok: false, fault: under(name, address.fault) };
    addresses.push(address.value);
  }
  return ok(addresses);
}
