// The enforcer, as its client on the bus: readings a page at a time, orders in batches. Decides nothing.

import { type Millis, millis } from '../core/brand.ts';
import type { Answer } from '../core/event.ts';
import { type Fault, fail, ok, type Result } from '../core/result.ts';
import type { Slot } from '../core/seat.ts';
import type { Asked } from '../core/serving.ts';
import type { Departed, Row } from '../core/session.ts';
import type { Table } from '../wire/blobmsg.ts';
import * as wire from '../wire/enforcer.ts';
import * as fields from '../wire/fields.ts';

export type Call = (path: string, method: string, args: Table, deadline: Millis) => Promise<Result<Table>>;

const path = 'weir.enforcer';
/** It does one thing at a time, and nft takes seconds on a router. */
const patience = millis(30_000);
const mostItems = 64;
const rowsAtOnce = 128;

export async function ask(call: Call, method: string, args: Table): Promise<Result<Table>> {
  const answer = await call(path, method, args, patience);
  if (!answer.ok || !fields.has(answer.value, 'fault')) return answer;
  const told = wire.decodeRefusal(answer.value);
  return told.ok ? { ok: false, fault: told.value } : told;
}

export async function read(call: Call): Promise<Result<Readonly<{ rows: readonly Row[]; gone: readonly Departed[] }>>> {
  const rows: Row[] = [];
  const gone: Departed[] = [];
  for (let from: Slot | null = 1 as Slot; from !== null; ) {
    const answer = await ask(call, 'read', wire.encodeSpan({ from, most: rowsAtOnce }));
    const page = answer.ok ? wire.decodePage(answer.value) : answer;
    if (!page.ok) return page;
    rows.push(...page.value.rows);
    gone.push(...page.value.gone);
    from = page.value.next;
  }
  return ok({ rows, gone });
}

/** Evictions first: others may need their places. */
export async function order(call: Call, asked: readonly Asked[]): Promise<readonly Answer[]> {
  return [
    ...(await batches(call, 'evict', pick(asked, 'evict'))),
    ...(await batches(call, 'change', pick(asked, 'change'))),
    ...(await batches(call, 'renew', pick(asked, 'renew'))),
    ...(await batches(call, 'admit', pick(asked, 'admit'))),
  ];
}

type Of<M extends wire.Method> = Extract<Asked, { method: M }>;
const pick = <M extends wire.Method>(asked: readonly Asked[], method: M): readonly Of<M>[] =>
  asked.filter((one): one is Of<M> => one.method === method);

async function batches<M extends wire.Method>(call: Call, method: M, asked: readonly Of<M>[]): Promise<readonly Answer[]> {
  const answers: Answer[] = [];
  for (let at = 0; at < asked.length; at += mostItems) {
    const some = asked.slice(at, at + mostItems);
    const results = await batch(call, method, some);
    // Type and method of an order are those of its answer.
    for (const [i, one] of some.entries()) answers.push({ asked: one, result: results[i] ?? unanswered } as unknown as Answer);
  }
  return answers;
}

const unanswered: Result<never> = fail('malformed', path, 'answered to fewer than were asked');

async function batch<M extends wire.Method>(call: Call, method: M, asked: readonly Of<M>[]): Promise<readonly Result<wire.Answers[M]>[]> {
  const items = asked.map(({ item }) => item as unknown as wire.Asked[M]);
  const answer = await ask(call, method, wire.encodeAsked(method, { isBatch: true, items }));
  const decoded = answer.ok ? wire.decodeAnswers(method, answer.value) : answer;
  return decoded.ok ? decoded.value.items : items.map(() => refused(decoded.fault));
}

const refused = (fault: Fault): Result<never> => ({ ok: false, fault });
