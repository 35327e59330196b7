// Asks the router: answers become the tables that agent/wire reads on the bus too, so that the command line and these pages take the same for
// an answer. Refusals are Faults.

import { type Fault, fail, ok, type Result } from '../../../agent/core/result.ts';
import type { Section } from '../../../agent/core/settings.ts';
import type { Table, Value } from '../../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../../agent/wire/blobmsg.ts';
import { decodeRefusal } from '../../../agent/wire/enforcer.ts';
import * as fields from '../../../agent/wire/fields.ts';
import * as sections from '../../../agent/wire/sections.ts';

type Name = 'weir' | 'weir.enforcer' | 'uci';
type Argument = string | number | readonly string[] | Readonly<Record<string, string | readonly string[]>>;

const notThere: Readonly<Record<Name, string>> = {
  weir: 'the agent is not running: weir doctor says why',
  'weir.enforcer': 'the enforcer is not running: weir doctor says why',
  uci: 'there is no /etc/config/weir',
};

export async function ask(of: Name, method: string, args: Readonly<Record<string, Argument>> = {}): Promise<Result<Table>> {
  try {
    const answer = await rpc.declare({ object: of, method, params: Object.keys(args) })(...Object.values(args));
    if (answer === 0) return ok([]);
    if (answer === 7) return fail('timeout', of, 'no answer in time');
    if (answer === 6)
      return fail(
        'denied',
        of,
        of === 'uci'
          ? _('changes wait to be confirmed (Save & Apply): confirm or revert them, then try again')
          : _('the router does not allow it'),
      );
    if (typeof answer === 'number') return fail('foreign', of, answer === 4 ? notThere[of] : `ubus status ${answer}`);
    const table = jsonToValue(answer);
    if (table.kind !== 'table') return fail('malformed', of, 'no answer');
    if (!fields.has(table.fields, 'fault')) return ok(table.fields);
    const told = decodeRefusal(table.fields);
    return told.ok ? { ok: false, fault: told.value } : told;
  } catch (error) {
    const [says = ''] = `${error instanceof Error ? error.message : error}`.split('\n');
    if (/-32002/.test(says))
      return fail('denied', of, _('this login may not do it, or has ended. Log in anew in another window: what was typed here stays'));
    return fail('foreign', of, /not found/i.test(says) ? notThere[of] : says);
  }
}

function jsonToValue(json: unknown): Value {
  switch (typeof json) {
    case 'string':
      return blobmsg.string(json);
    case 'boolean':
      return blobmsg.boolean(json);
    case 'number':
      // As whoever turns JSON into blobmsg has it.
      if (!Number.isSafeInteger(json)) return blobmsg.double(json);
      return json === (json | 0) ? blobmsg.int32(json) : blobmsg.int64(BigInt(json));
    case 'object':
      if (json === null) return blobmsg.nothing;
      if (Array.isArray(json)) return blobmsg.array(json.map(jsonToValue));
      return blobmsg.nested(Object.entries(json).map(([name, value]) => ({ name, value: jsonToValue(value) })));
    default:
      return blobmsg.nothing;
  }
}

// ── /etc/config/weir ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export async function config(): Promise<Result<readonly Section[]>> {
  const answer = await ask('uci', 'get', { config: 'weir' });
  if (!answer.ok) return answer;
  const values = fields.table(answer.value, 'values');
  if (!values.ok) return values;
  const texts = values.value.map(({ name, value }) => ({
    name,
    // rpcd adds where a section stands, as a number and a boolean.
    value: value.kind === 'table' ? blobmsg.nested(value.fields.filter((f) => !['.anonymous', '.name', '.index'].includes(f.name))) : value,
  }));
  return sections.decode(blobmsg.table({ values: blobmsg.nested(texts) }));
}

/** `options` null: the section goes; an option with nothing goes. */
export type Edit = Readonly<{ section: string; type: string; options: ReadonlyMap<string, string | readonly string[]> | null }>;

/** Commits `weir` alone: what its user has staged elsewhere stays staged. */
export async function save(have: readonly Section[], edits: readonly Edit[]): Promise<Fault | null> {
  const calls = edits.flatMap((edit) => callsOf(have, edit));
  if (calls.length === 0) return null;
  for (const [method, args] of [...calls, ['commit', {}] as const]) {
    const done = await ask('uci', method, { config: 'weir', ...args });
    if (!done.ok) {
      // Half of it would be committed by whoever commits next.
      await ask('uci', 'revert', { config: 'weir' });
      return done.fault;
    }
  }
  return null;
}

type Write = readonly [method: string, args: Readonly<Record<string, Argument>>];

function callsOf(have: readonly Section[], { section, type, options }: Edit): readonly Write[] {
  const there = have.find(({ name }) => name === section);
  if (options === null) return there === undefined ? [] : [['delete', { section }]];
  const set = [...options].filter(([name, value]) => value.length > 0 && !isSame(there?.options.get(name), value));
  const gone = [...options].filter(([name, value]) => value.length === 0 && there?.options.has(name)).map(([name]) => name);
  return [
    ...(there === undefined && set.length > 0 ? ([['add', { type, name: section }]] as const) : []),
    ...(set.length > 0 ? ([['set', { section, values: Object.fromEntries(set) }]] as const) : []),
    ...(gone.length > 0 ? ([['delete', { section, options: gone }]] as const) : []),
  ];
}

const isSame = (a: string | readonly string[] | undefined, b: string | readonly string[]): boolean =>
  a !== undefined && [a].flat().join('\n') === [b].flat().join('\n') && typeof a === typeof b;
