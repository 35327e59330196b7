// Sections of a UCI config ↔ blobmsg: as rpcd's `uci get` answers, and the same form between enforcer and agent, with faults in its place
// when the config is not as it should be. Knows no option's meaning.

import { type Code, type Fault, fail, ok, type Result, under } from '../core/result.ts';
import type { Ceilings, Parsed, Section, Settings, Telling } from '../core/settings.ts';
import * as settings from '../core/settings.ts';
import type { Field, Table } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as fields from './fields.ts';

/** `{ values: { NAME: { ".type": TYPE, OPTION: TEXT or [TEXT] } } }` */
export function decode(answer: Table): Result<readonly Section[]> {
  const values = fields.table(answer, 'values');
  if (!values.ok) return values;
  const sections: Section[] = [];
  for (const { name, value } of values.value) {
    if (value.kind !== 'table') return fail('malformed', name, `expected table, got ${value.kind}`);
    const type = fields.string(value.fields, '.type');
    if (!type.ok) return { ok: false, fault: under(name, type.fault) };
    const options = new Map<string, string | readonly string[]>();
    for (const option of value.fields.filter((f) => !f.name.startsWith('.'))) {
      const read = text(option);
      if (!read.ok) return { ok: false, fault: under(name, read.fault) };
      options.set(option.name, read.value);
    }
    sections.push({ name, type: type.value, options });
  }
  return ok(sections);
}

function text({ name, value }: Field): Result<string | readonly string[]> {
  const list = value.kind === 'array' ? value.fields.map((f) => f.value) : [value];
  const texts = list.map((v) => (v.kind === 'string' && typeof v.value === 'string' ? v.value : null));
  const whole = texts.filter((t) => t !== null);
  const [first] = whole;
  if (first === undefined || whole.length < list.length) return fail('malformed', name, 'expected text, or a list of texts');
  return ok(value.kind === 'array' ? whole : first);
}

export function encode(sections: readonly Section[]): Table {
  const values = sections.map(({ name, type, options }) => {
    const value = blobmsg.nested([...blobmsg.table({ '.type': blobmsg.string(type) }), ...encodeOptions(options)]);
    return { name, value };
  });
  return blobmsg.table({ values: blobmsg.nested(values) });
}

export const encodeOptions = (options: Section['options']): Table =>
  [...options].map(([name, value]) => ({
    name,
    value: typeof value === 'string' ? blobmsg.string(value) : blobmsg.array(value.map(blobmsg.string)),
  }));

/** What the enforcer answers: the agent's part of a config that is in order, or `{ faults: [{ code, path, reason }] }`. */
export function answer(sections: Result<readonly Section[]>): Table {
  if (!sections.ok) return faultsTable([sections.fault]);
  const [parsed, telling] = [settings.parse(sections.value), settings.parseTelling(sections.value)];
  const faults = [...(parsed.ok ? [] : parsed.faults), ...(telling.ok ? [] : telling.faults)];
  return faults.length === 0 ? encode(settings.ours(sections.value)) : faultsTable(faults);
}

const faultsTable = (faults: readonly Fault[]): Table => {
  const tables = faults.map(({ code, path, reason }) =>
    blobmsg.nested(blobmsg.table({ code: blobmsg.string(code), path: blobmsg.string(path), reason: blobmsg.string(reason) })),
  );
  return blobmsg.table({ faults: blobmsg.array(tables) });
};

export type Told = Readonly<{ settings: Settings; ceilings: Ceilings; telling: Telling }>;

/** The other end of `answer`. */
export function parse(answer: Table): Parsed<Told> {
  if (fields.has(answer, 'faults')) {
    const faults = parseFaults(answer);
    return { ok: false, faults: faults.ok ? faults.value : [faults.fault] };
  }
  const sections = decode(answer);
  if (!sections.ok) return { ok: false, faults: [sections.fault] };
  const [own, ceilings] = [settings.parse(sections.value), settings.parseCeilings(sections.value)];
  const telling = settings.parseTelling(sections.value);
  if (!own.ok) return own;
  if (!ceilings.ok) return ceilings;
  return telling.ok ? { ok: true, value: { settings: own.value, ceilings: ceilings.value, telling: telling.value } } : telling;
}

function parseFaults(answer: Table): Result<readonly Fault[]> {
  const list = fields.array(answer, 'faults');
  if (!list.ok) return list;
  const faults: Fault[] = [];
  for (const value of list.value) {
    const table = value.kind === 'table' ? value.fields : [];
    const [code, path, reason] = [fields.string(table, 'code'), fields.string(table, 'path'), fields.string(table, 'reason')];
    if (!code.ok || !path.ok || !reason.ok) return fail('malformed', 'faults', 'expected code, path and reason');
    faults.push({ code: code.value as Code, path: path.value, reason: reason.value });
  }
  return ok(faults);
}
