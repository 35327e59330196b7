// procd's ubus object `system`: which router this is, how busy and how full. Decides nothing.

import { type Millis, millis, type Seconds, seconds } from '../core/brand.ts';
import { fail, ok, type Result, under } from '../core/result.ts';
import type { Table } from '../wire/blobmsg.ts';
import * as fields from '../wire/fields.ts';

type Call = (path: string, method: string, args: Table, deadline: Millis) => Promise<Result<Table>>;

export type Board = Readonly<{ model: string; name: string; system: string; kernel: string; release: string; target: string }>;

/** Of one kind of store, in bytes. */
export type Room = Readonly<{ total: bigint; available: bigint }>;
export type Load = Readonly<{
  uptime: Seconds;
  /** Processes that run or want to, on average over 1, 5 and 15 minutes. */
  load: readonly number[];
  memory: Room;
  /** The flash that keeps what is written. */
  flash: Room;
}>;

const patience = millis(5000);

export async function read(call: Call): Promise<Result<Board>> {
  const answer = await call('system', 'board', [], patience);
  if (!answer.ok) return answer;
  const parsed = parseBoard(answer.value);
  return parsed.ok ? parsed : { ok: false, fault: under('system.board', parsed.fault) };
}

export async function load(call: Call): Promise<Result<Load>> {
  const answer = await call('system', 'info', [], patience);
  if (!answer.ok) return answer;
  const parsed = parseLoad(answer.value);
  return parsed.ok ? parsed : { ok: false, fault: under('system.info', parsed.fault) };
}

function parseBoard(table: Table): Result<Board> {
  const own = strings(table, 'system', 'kernel');
  if (!own.ok) return own;
  // Where nobody has given it a name, as in a container, procd leaves these out.
  const named = (key: string): Result<string> => (fields.has(table, key) ? fields.string(table, key) : ok(''));
  const [model, name] = [named('model'), named('board_name')];
  if (!model.ok) return model;
  if (!name.ok) return name;
  const inner = fields.table(table, 'release');
  if (!inner.ok) return inner;
  const release = strings(inner.value, 'description', 'target');
  if (!release.ok) return { ok: false, fault: under('release', release.fault) };
  return ok({ ...own.value, model: model.value, name: name.value, release: release.value.description, target: release.value.target });
}

function strings<K extends string>(table: Table, ...names: readonly K[]): Result<Readonly<Record<K, string>>> {
  const out: Partial<Record<K, string>> = {};
  for (const name of names) {
    const value = fields.string(table, name);
    if (!value.ok) return value;
    out[name] = value.value;
  }
  return ok(out as Record<K, string>);
}

function parseLoad(table: Table): Result<Load> {
  const uptime = fields.number(table, 'uptime');
  if (!uptime.ok) return uptime;
  const averages = fields.array(table, 'load');
  if (!averages.ok) return averages;
  const load: number[] = [];
  for (const value of averages.value) {
    if (value.kind !== 'int32') return fail('malformed', 'load', `expected int32, got ${value.kind}`);
    load.push(value.value / 65_536);
  }
  const memory = room(table, 'memory', 'available', 1n);
  if (!memory.ok) return memory;
  // What statvfs gives is told in KiB.
  const flash = room(table, 'root', 'avail', 1024n);
  return flash.ok ? ok({ uptime: seconds(uptime.value), load, memory: memory.value, flash: flash.value }) : flash;
}

function room(outer: Table, name: string, available: string, unit: bigint): Result<Room> {
  const table = fields.table(outer, name);
  if (!table.ok) return table;
  const [total, left] = [fields.integer(table.value, 'total'), fields.integer(table.value, available)];
  if (!total.ok) return { ok: false, fault: under(name, total.fault) };
  if (!left.ok) return { ok: false, fault: under(name, left.fault) };
  return ok({ total: total.value * unit, available: left.value * unit });
}
