// What the agent tells its owner over the bus: tables → values, the other end of owner.ts. The command line's; the agent is believed no more
// than any peer is.

import type { Seconds } from '../core/brand.ts';
import * as ip from '../core/ip.ts';
import { all, ok, type Result, under } from '../core/result.ts';
import type { Report } from '../core/telemetry.ts';
import * as base64 from './base64.ts';
import type { Table } from './blobmsg.ts';
import * as cbor from './cbor.ts';
import * as fields from './fields.ts';
import * as telemetry from './telemetry.ts';

/** null: not known, or not agreed. */
export type Session = Readonly<{
  session: string;
  name: string | null;
  /** The coordinator's, by its root; null: the owner's. */
  root: string | null;
  condition: string;
  reason: string | null;
  up: bigint;
  down: bigint;
  /** Both directions together; null: each has its own. */
  quota: bigint | null;
  left: bigint | null;
  seconds: number;
  sequence: number;
  witnessed: number | null;
  address4: string | null;
  address6: string | null;
  disputed: Dispute | null;
}>;
/** The newest word of its consumer against a receipt. `own`: its figures, where they are the reason. */
export type Dispute = Readonly<{
  receipt: number;
  reason: string;
  up: bigint;
  down: bigint;
  own_up: bigint | null;
  own_down: bigint | null;
}>;

type Read<T> = (t: Table, name: string) => Result<T>;
const maybe = <T>(t: Table, name: string, read: Read<T>): Result<T | null> => (fields.has(t, name) ? read(t, name) : ok(null));
/** A table where each direction has its own amount. */
const amount: Read<bigint | null> = (t, name) => (fields.table(t, name).ok ? ok(null) : fields.integer(t, name));
const at = <T>(path: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(path, r.fault) });
const address: Read<string> = (t, name) => {
  const text = fields.string(t, name);
  const parsed = text.ok ? at(name, ip.parseAddress(text.value)) : text;
  return parsed.ok ? ok(ip.renderAddress(parsed.value)) : parsed;
};
/** It is shown on a terminal, which obeys more than letters. */
const word: Read<string> = (t, name) => {
  const text = fields.string(t, name);
  return text.ok ? ok(text.value.replace(/[^ -~]/g, '?').slice(0, 256)) : text;
};

const decodeSession = (t: Table): Result<Session> =>
  all({
    session: word(t, 'session'),
    name: maybe(t, 'name', word),
    root: maybe(t, 'root', word),
    condition: word(t, 'condition'),
    reason: maybe(t, 'reason', word),
    up: fields.integer(t, 'up'),
    down: fields.integer(t, 'down'),
    quota: amount(t, 'quota'),
    left: amount(t, 'left'),
    seconds: fields.number(t, 'seconds'),
    sequence: fields.number(t, 'sequence'),
    witnessed: maybe(t, 'witnessed', fields.number),
    address4: maybe(t, 'address4', word),
    address6: maybe(t, 'address6', word),
    disputed: maybe(t, 'disputed', (outer, name) => {
      const inner = fields.table(outer, name);
      return inner.ok ? at(name, decodeDispute(inner.value)) : inner;
    }),
  });

const decodeDispute = (t: Table): Result<Dispute> =>
  all({
    receipt: fields.number(t, 'receipt'),
    reason: word(t, 'reason'),
    up: fields.integer(t, 'up'),
    down: fields.integer(t, 'down'),
    own_up: maybe(t, 'own_up', fields.integer),
    own_down: maybe(t, 'own_down', fields.integer),
  });

export function decodeSessions(t: Table): Result<readonly Session[]> {
  const list = fields.array(t, 'sessions');
  if (!list.ok) return list;
  const sessions: Session[] = [];
  for (const [i, value] of list.value.entries()) {
    const session = decodeSession(value.kind === 'table' ? value.fields : []);
    if (!session.ok) return { ok: false, fault: under(`sessions.${i}`, session.fault) };
    sessions.push(session.value);
  }
  return ok(sessions);
}

/** Signed messages, and whether there are more. */
export function decodeReceipts(t: Table): Result<Readonly<{ messages: readonly Uint8Array[]; more: boolean }>> {
  const [list, more] = [fields.array(t, 'receipts'), fields.boolean(t, 'more')];
  if (!list.ok) return list;
  if (!more.ok) return more;
  const messages: Uint8Array[] = [];
  for (const [i, value] of list.value.entries()) {
    const bytes = base64.decode(value.kind === 'string' && typeof value.value === 'string' ? value.value : '?');
    if (!bytes.ok) return { ok: false, fault: under(`receipts.${i}`, bytes.fault) };
    messages.push(bytes.value);
  }
  return ok({ messages, more: more.value });
}

/** `birth`: by which the node's key is known. */
export type Opened = Readonly<{ session: string; address4: string; address6: string; birth: Uint8Array; grant: Uint8Array }>;

export function decodeOpened(t: Table): Result<Opened> {
  const message = (name: string): Result<Uint8Array> => {
    const text = fields.string(t, name);
    return text.ok ? at(name, base64.decode(text.value)) : text;
  };
  return all({
    session: word(t, 'session'),
    address4: address(t, 'address4'),
    address6: address(t, 'address6'),
    birth: message('birth'),
    grant: message('grant'),
  });
}

/** `report` null: nothing was sent yet. `waiting` more, that together span so long. */
export type Telemetry = Readonly<{ report: Report | null; ago: Seconds; waiting: number; span: Seconds }>;

export function decodeTelemetry(t: Table): Result<Telemetry> {
  const seconds = (name: string) => fields.number(t, name) as Result<Seconds>;
  const [waiting, span] = [fields.number(t, 'waiting'), seconds('span')];
  if (!fields.has(t, 'report')) return all({ report: ok(null), ago: ok(0 as Seconds), waiting, span });
  const text = fields.string(t, 'report');
  const bytes = text.ok ? base64.decode(text.value) : text;
  const value = bytes.ok ? cbor.decode(bytes.value) : bytes;
  const read = at('report', value.ok ? telemetry.report.read(value.value) : value);
  return all({ report: read, ago: seconds('ago'), waiting, span });
}
