// rpcd's ubus object `uci`: reads a config. Knows no option's meaning.

import { millis } from '../core/brand.ts';
import { type Result, under } from '../core/result.ts';
import type { Section } from '../core/settings.ts';
import type { Table } from '../wire/blobmsg.ts';
import * as blobmsg from '../wire/blobmsg.ts';
import * as sections from '../wire/sections.ts';

type Call = (path: string, method: string, args: Table, deadline: ReturnType<typeof millis>) => Promise<Result<Table>>;

export async function read(call: Call, config: string): Promise<Result<readonly Section[]>> {
  const answer = await call('uci', 'get', blobmsg.table({ config: blobmsg.string(config) }), millis(5000));
  if (!answer.ok) return answer;
  const decoded = sections.decode(answer.value);
  return decoded.ok ? decoded : { ok: false, fault: under(`uci.${config}`, decoded.fault) };
}
