// The router's nameplate ↔ a table of the bus. Decides nothing.

import type { Nameplate } from '../core/nameplate.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Table } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as fields from './fields.ts';

export const encode = ({ model, name, addresses }: Nameplate): Table =>
  blobmsg.table({
    model: blobmsg.string(model),
    name: blobmsg.string(name),
    addresses: blobmsg.array(addresses.map(blobmsg.string)),
  });

export function decode(t: Table): Result<Nameplate> {
  const [model, name, list] = [fields.string(t, 'model'), fields.string(t, 'name'), fields.array(t, 'addresses')];
  if (!model.ok) return model;
  if (!name.ok) return name;
  if (!list.ok) return list;
  const addresses = list.value.flatMap((v) => (v.kind === 'string' && typeof v.value === 'string' ? [v.value] : []));
  // One that is left out would make another router of this one.
  return addresses.length === list.value.length
    ? ok({ model: model.value, name: name.value, addresses })
    : fail('malformed', 'addresses', 'expected texts');
}
