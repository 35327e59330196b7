// Plain JavaScript ↔ blobmsg, so that a test's table reads like `ubus call`: an integer is an int32, a bigint an int64, a boolean an int8.
// Not for the agent: it takes fields one by one, because a foreign message is to be judged and not converted.

import * as blobmsg from '../../agent/wire/blobmsg.ts';

export type Plain = null | string | number | bigint | boolean | readonly Plain[] | Fields;
export type Fields = { readonly [name: string]: Plain };

export const table = (fields: Fields): blobmsg.Table => Object.entries(fields).map(([name, value]) => ({ name, value: encode(value) }));

function encode(value: Plain): blobmsg.Value {
  switch (typeof value) {
    case 'string':
      return blobmsg.string(value);
    case 'bigint':
      return blobmsg.int64(value);
    case 'boolean':
      return blobmsg.boolean(value);
    case 'number':
      return Number.isInteger(value) ? blobmsg.int32(value) : blobmsg.double(value);
    default:
      if (value === null) return blobmsg.nothing;
      return isList(value) ? blobmsg.array(value.map(encode)) : blobmsg.nested(table(value));
  }
}

export const fields = (from: blobmsg.Table): Fields => Object.fromEntries(from.map((f) => [f.name, decode(f.value)]));

function decode(v: blobmsg.Value): Plain {
  switch (v.kind) {
    case 'null':
      return null;
    case 'array':
      return v.fields.map((f) => decode(f.value));
    case 'table':
      return fields(v.fields);
    case 'string':
      return typeof v.value === 'string' ? v.value : [...v.value];
    case 'int8':
      return v.value !== 0;
    default:
      return v.value;
  }
}

export const isList = (value: Plain): value is readonly Plain[] => Array.isArray(value);
export const isTable = (value: Plain | undefined): value is Fields => typeof value === 'object' && value !== null && !isList(value);
