// What this router told its broker last: the very bytes, and what they say.

import { ok, type Result, text } from '../../../agent/core/result.ts';
import * as telemetry from '../../../agent/core/telemetry.ts';
import * as base64 from '../../../agent/wire/base64.ts';
import type { Table } from '../../../agent/wire/blobmsg.ts';
import * as fields from '../../../agent/wire/fields.ts';
import { hexOf } from '../../../agent/wire/form.ts';
import * as told from '../../../agent/wire/told.ts';
import { dialog } from './dialog.ts';
import { alert, el, rows } from './element.ts';
import { ask } from './router.ts';

export async function lastTold(): Promise<void> {
  const answer = await ask('weir', 'telemetry');
  const parts = answer.ok ? partsOf(answer.value) : answer;
  dialog(_('Sent to the broker'), parts.ok ? parts.value : [alert('error', text(parts.fault))]);
}

function partsOf(answer: Table): Result<readonly Node[]> {
  const shown = told.decodeTelemetry(answer);
  if (!shown.ok) return shown;
  const { report, ago, waiting, span } = shown.value;
  const waits = waiting === 0 ? [] : [el('p', {}, `${_('Reports that wait')}: ${waiting} (${span} s)`)];
  if (report === null) return ok([el('p', {}, _('Nothing was sent yet.')), ...waits]);
  const sent = fields.string(answer, 'report');
  const bytes = sent.ok ? base64.decode(sent.value) : sent;
  if (!bytes.ok) return bytes;
  const values = Object.entries(telemetry.fields).flatMap(([name, { unit }]) => {
    const value = report.values[name as telemetry.Name];
    return value === undefined ? [] : [[name, `${value}`, unit === 'text' ? '' : unit]];
  });
  return ok([
    el('p', {}, `${_('Seconds since then')}: ${ago}; ${_('seconds that it tells of')}: ${report.span}`),
    ...waits,
    rows([_('Field'), _('Value'), _('Unit')], values),
    el('p', {}, `${_('All that was sent, byte by byte')} (${bytes.value.length}):`),
    el('pre', { id: 'weir-bytes' }, hexOf(bytes.value)),
  ]);
}
