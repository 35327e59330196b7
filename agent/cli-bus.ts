// How commands that ask are made: arguments read, the bus opened, what it answers turned into a status.

import * as ubus from './adapters/ubus-client.ts';
import { misread, refuse } from './cli-say.ts';
import type { Arguments, Grammar, Shape } from './core/argv.ts';
import * as argv from './core/argv.ts';
import { type Millis, millis } from './core/brand.ts';
import { type Fault, fault, type Result, text } from './core/result.ts';
import type { Host } from './ports/host.ts';
import { busOf, die } from './role.ts';
import type { Table } from './wire/blobmsg.ts';
import { decodeRefusal } from './wire/enforcer.ts';
import * as fields from './wire/fields.ts';

export type Name = 'weir' | 'weir.enforcer';
export type Desk = Readonly<{
  host: Host;
  bus: ubus.Bus;
  /** A refusal is an answer, too, and a Fault. */
  ask(of: Name, method: string, args?: Table, within?: Millis): Promise<Result<Table>>;
}>;
export type Command = (host: Host, name: string, args: readonly string[]) => Promise<number>;

const patience = millis(20_000);

/** `mend`: what is said beside a Fault. */
export const command =
  <S extends Shape, W extends keyof S & string = never>(
    grammar: Grammar<S, W>,
    act: (desk: Desk, args: Arguments<S, W>) => Promise<Result<number>>,
    mend: (why: Fault, args: Arguments<S, W>) => string = () => '',
  ): Command =>
  async (host, name, args) => {
    const parsed = argv.parse(args, grammar);
    if (!parsed.ok) return misread(host, name, parsed.fault);
    const bus = await open(host);
    if (bus === null) return 1;
    const done = await act({ host, bus, ask: (...asked) => ask(bus, ...asked) }, parsed.value);
    return done.ok ? done.value : refuse(host, name, done.fault, mend(done.fault, parsed.value));
  };

/** null, and said: the bus is not there. */
export async function open(host: Host): Promise<ubus.Bus | null> {
  const bus = await ubus.open(host, { ...busOf(host), whenLost: 'end', lost: (why) => die(host, why) });
  if (bus.ok) return bus.value;
  host.log(`the bus is not there: ${text(bus.fault)}`);
  return null;
}

export async function ask(bus: ubus.Bus, of: Name, method: string, args: Table = [], within = patience): Promise<Result<Table>> {
  const answer = await bus.call(of, method, args, within);
  if (!answer.ok) return isAbsent(answer.fault, of) ? { ok: false, fault: fault('missing', of, 'is not running') } : answer;
  if (!fields.has(answer.value, 'fault')) return answer;
  const told = decodeRefusal(answer.value);
  return told.ok ? { ok: false, fault: told.value } : told;
}

export const isAbsent = ({ code, path }: Fault, of: Name): boolean => code === 'missing' && path === of;
