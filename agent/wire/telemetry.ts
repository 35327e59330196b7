// Telemetry as docs/PROTOCOL.md writes it: fields by their numbers.

import type { Seconds } from '../core/brand.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Name, Report, Sample, Value as Told } from '../core/telemetry.ts';
import { fields } from '../core/telemetry.ts';
import type { Value } from './cbor.ts';
import * as form from './form.ts';

const byId = new Map(Object.entries(fields).map(([name, { id, unit }]) => [id as number, { name: name as Name, isText: unit === 'text' }]));
const most = Number.MAX_SAFE_INTEGER;

const values: form.Form<Sample> = {
  write: (sample) => new Map(Object.entries(sample).map(([name, value]) => [fields[name as Name].id, value])),
  read(v) {
    if (!(v instanceof Map)) return fail('malformed', '', 'expected a map');
    const read: [Name, Told][] = [];
    for (const [id, value] of v as ReadonlyMap<number, Value>) {
      const known = byId.get(id);
      // A later version has told more.
      if (known === undefined) continue;
      const told = one(value, known.isText);
      if (!told.ok) return { ok: false, fault: { ...told.fault, path: known.name } };
      read.push([known.name, told.value]);
    }
    return ok(Object.fromEntries(read));
  },
};

function one(value: Value, isText: boolean): Result<Told> {
  if (isText) return typeof value === 'string' && value.length <= 64 ? ok(value) : fail('malformed', '', 'expected a text of 64 at most');
  return typeof value === 'number' && value >= -most ? ok(value) : fail('malformed', '', 'expected a number');
}

const span: form.Form<Seconds> = form.seconds;

export const report: form.Form<Report> = form.record({
  at: [1, form.seconds],
  span: [2, span],
  isWhole: [3, form.truth],
  values: [4, values],
});
