// What the enforcer finds around it (`facts`, report.ts) → telemetry's fields. What is not told, or not understood, is left out.

import { mebi } from '../core/sample.ts';
import type { Sample } from '../core/telemetry.ts';
import type { Table, Value } from './blobmsg.ts';
import * as fields from './fields.ts';

export function decode(facts: Table): Sample {
  const [board, load] = [tableIn(facts, 'board'), tableIn(facts, 'load')];
  const ups = list(facts, 'uplinks').map((v) => (v.kind === 'table' ? v.fields : []));
  const isUp = (t: Table): boolean => {
    const up = fields.boolean(t, 'up');
    return up.ok && up.value;
  };
  const [average] = list(load, 'load');
  const [used, cap] = [integer(facts, 'month_used'), integer(facts, 'month_cap')];
  return known({
    release: text(board, 'release'),
    kernel: text(board, 'kernel'),
    load: average?.kind === 'int32' ? average.value : undefined,
    memory: usage(tableIn(load, 'memory')),
    flash: usage(tableIn(load, 'flash')),
    temperature: highest(list(facts, 'temperatures').flatMap((v) => (v.kind === 'int32' ? [v.value] : []))),
    uplink: fields.has(facts, 'uplinks') ? Number(ups.some(isUp)) : undefined,
    speed: highest(ups.flatMap((t) => (isUp(t) ? (number(t, 'speed') ?? []) : []))),
    month: used === undefined || cap === undefined ? undefined : mebi(cap > used ? cap - used : 0n),
    refused: number(facts, 'dropped_refused'),
    spent: number(facts, 'dropped_spent'),
    troubles: fields.has(facts, 'troubles') ? list(facts, 'troubles').length : undefined,
    ledger: number(facts, 'writes'),
  });
}

const known = (values: Readonly<Record<string, number | string | undefined>>): Sample =>
  Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined && value !== -1));

const highest = (values: readonly number[]): number | undefined => (values.length === 0 ? undefined : Math.max(...values));

function usage(room: Table): number | undefined {
  const [total, available] = [integer(room, 'total'), integer(room, 'available')];
  if (total === undefined || available === undefined || total <= 0n) return undefined;
  return Number(((total - available) * 1000n) / total);
}

const value = <T>(r: Readonly<{ ok: true; value: T }> | Readonly<{ ok: false }>): T | undefined => (r.ok ? r.value : undefined);
const integer = (t: Table, name: string): bigint | undefined => value(fields.integer(t, name));
const number = (t: Table, name: string): number | undefined => value(fields.number(t, name));
/** As long as a report takes it. */
const text = (t: Table, name: string): string | undefined => value(fields.string(t, name))?.slice(0, 64);
const tableIn = (t: Table, name: string): Table => value(fields.table(t, name)) ?? [];
const list = (t: Table, name: string): readonly Value[] => value(fields.array(t, name)) ?? [];
