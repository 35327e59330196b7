// What the agent tells the enforcer of the line ↔ tables of the bus: by how much it is slower than idle, and on whom that is measured.

import { type Millis, millis } from '../core/brand.ts';
import type { Address } from '../core/ip.ts';
import * as ip from '../core/ip.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Table } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as fields from './fields.ts';

const longest = 60_000;

/** null: nothing was measured. */
export function decodeDelay(t: Table): Result<Millis | null> {
  if (t.length === 0) return ok(null);
  const delay = fields.number(t, 'delay');
  if (!delay.ok) return delay;
  if (t.length > 1) return fail('unsupported', '', 'takes delay and nothing else');
  return delay.value >= 0 && delay.value <= longest
    ? ok(millis(delay.value))
    : fail('malformed', 'delay', `expected milliseconds, 0 to ${longest}`);
}

export const encodeDelay = (delay: Millis | null): Table =>
  delay === null ? [] : blobmsg.table({ delay: blobmsg.int32(Math.round(delay)) });

export const encodeServers = (servers: readonly Address[]): Table =>
  blobmsg.table({ servers: blobmsg.array(servers.map((a) => blobmsg.string(ip.renderAddress(a)))) });

export function decodeServers(t: Table): Result<readonly Address[]> {
  const list = fields.array(t, 'servers');
  if (!list.ok) return list;
  const servers: Address[] = [];
  for (const [i, value] of list.value.entries()) {
    const address = ip.parseAddress(value.kind === 'string' && typeof value.value === 'string' ? value.value : '');
    if (!address.ok) return { ok: false, fault: under(`servers.${i}`, address.fault) };
    servers.push(address.value);
  }
  return ok(servers);
}
