// How commands ask: the bus, and the two of us who answer there. A refusal is an answer, too.

import * as ubus from './adapters/ubus-client.ts';
import { millis } from './core/brand.ts';
import { type Fault, fault, type Result, text } from './core/result.ts';
import type { Host } from './ports/host.ts';
import { busOf, die } from './role.ts';
import type { Table } from './wire/blobmsg.ts';
import { decodeRefusal } from './wire/enforcer.ts';
import * as fields from './wire/fields.ts';

export type Bus = ubus.Bus;
type Name = 'weir' | 'weir.enforcer';

const patience = millis(20_000);

/** null, and said: the bus is not there. */
export async function open(host: Host): Promise<Bus | null> {
  const bus = await ubus.open(host, { ...busOf(host), whenLost: 'end', lost: (why) => die(host, why) });
  if (bus.ok) return bus.value;
  host.log(`the bus is not there: ${text(bus.fault)}`);
  return null;
}

export async function ask(bus: Bus, of: Name, method: string, args: Table = [], within = patience): Promise<Result<Table>> {
  const answer = await bus.call(of, method, args, within);
  if (!answer.ok) return isAbsent(answer.fault, of) ? { ok: false, fault: fault('missing', of, 'is not running') } : answer;
  if (!fields.has(answer.value, 'fault')) return answer;
  const told = decodeRefusal(answer.value);
  return told.ok ? { ok: false, fault: told.value } : told;
}

export const isAbsent = ({ code, path }: Fault, of: Name): boolean => code === 'missing' && path === of;
