// The tables of the agent's ubus object `weir` ↔ values: what the owner asks for, what is told of sessions. Decoding takes the fields that are
// named here and no others, each once. Knows no limit of the owner; core/friend.ts does.

import { parsePeerKey } from '../core/admission.ts';
import { type ByteCount, type Millis, type PublicKey, type Seconds, seconds } from '../core/brand.ts';
import type { Settled } from '../core/effect.ts';
import type { Draft } from '../core/friend.ts';
import { witnessings } from '../core/grant.ts';
import type { Account, Disputed, Journal, Kept } from '../core/journal.ts';
import * as receipts from '../core/receipt.ts';
import { fail, ok, type Result } from '../core/result.ts';
import type { Quota } from '../core/seat.ts';
import type { Session } from '../core/serving.ts';
import * as serving from '../core/serving.ts';
import { reasonOf } from '../core/sessions.ts';
import type { Ceilings } from '../core/settings.ts';
import type { SessionId } from '../core/signed.ts';
import type { Shown } from '../core/telemetry.ts';
import * as base64 from './base64.ts';
import type { Kind, Table, Value } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as cose from './cose.ts';
import * as fields from './fields.ts';
import { bytesOf } from './form.ts';
import type { Over } from './recall.ts';

/** Of each method; shown to who lists the object. */
export const args = {
  status: {},
  telemetry: {},
  limits: {},
  sessions: {},
  friend_list: {},
  receipts: { session: 'string', from: 'int64' },
  friend_add: {
    name: 'string',
    key: 'string',
    consumer: 'string',
    witness: 'string',
    credit: 'int64',
    quota: 'int64',
    rate_up: 'int64',
    rate_down: 'int64',
    seconds: 'int64',
    until: 'int64',
    idle: 'int64',
  },
  friend_top_up: { name: 'string', quota: 'int64', seconds: 'int64', nonce: 'string' },
  friend_remove: { name: 'string' },
} as const satisfies Readonly<Record<string, Readonly<Record<string, Kind>>>>;
export type Method = keyof typeof args;

/** A misspelt field would be a limit that nobody hears of. */
export function only(method: Method, t: Table): Result<void> {
  const known = Object.keys(args[method]);
  const other = t.find(({ name }) => !known.includes(name));
  if (other === undefined) return ok(undefined);
  const path = /^\w{1,32}$/.test(other.name) ? other.name : '';
  return fail('unsupported', path, known.length === 0 ? 'takes nothing' : `no such field; there are ${known.join(', ')}`);
}

type Read<T> = (t: Table, name: string) => Result<T>;
const maybe =
  <T>(read: Read<T>): Read<T | null> =>
  (t, name) =>
    fields.has(t, name) ? read(t, name) : ok(null);

const bytes: Read<ByteCount> = (t, name) => {
  const n = fields.integer(t, name);
  return !n.ok || n.value >= 0n ? (n as Result<ByteCount>) : fail('malformed', name, 'below zero');
};
const term =
  (least: number): Read<Seconds> =>
  (t, name) => {
    const n = fields.number(t, name);
    if (!n.ok) return n;
    return n.value >= least && n.value <= 2 ** 40 ? ok(seconds(n.value)) : fail('malformed', name, `expected seconds, ${least} to 2^40`);
  };
const consumer: Read<PublicKey> = (t, name) => {
  const hex = fields.string(t, name);
  if (!hex.ok) return hex;
  return /^[0-9a-f]{64}$/.test(hex.value)
    ? ok(bytesOf(hex.value) as PublicKey)
    : fail('malformed', name, 'expected 32 bytes in hexadecimal, in small letters');
};
const nonce: Read<string> = (t, name) => {
  const hex = fields.string(t, name);
  return !hex.ok || /^[0-9a-f]{32}$/.test(hex.value) ? hex : fail('malformed', name, 'expected 16 bytes in hexadecimal, in small letters');
};
const witness: Read<Draft['witness']> = (t, name) => {
  const word = fields.string(t, name);
  if (!word.ok) return word;
  const known = witnessings.find((w) => w === word.value);
  return known === undefined ? fail('malformed', name, `expected ${witnessings.join(', ')}`) : ok(known);
};

export function decodeInvitation(t: Table): Result<Readonly<{ name: string; draft: Draft }>> {
  const name = fields.string(t, 'name');
  if (!name.ok) return name;
  const key = fields.string(t, 'key');
  if (!key.ok) return key;
  const peer = parsePeerKey(key.value);
  if (!peer.ok) return peer;
  const parts = {
    consumer: maybe(consumer)(t, 'consumer'),
    witness: maybe(witness)(t, 'witness'),
    credit: maybe(bytes)(t, 'credit'),
    quota: bytes(t, 'quota'),
    up: fields.integer(t, 'rate_up'),
    down: fields.integer(t, 'rate_down'),
    lifetime: term(1)(t, 'seconds'),
    until: maybe(term(0))(t, 'until'),
    idle: maybe(term(1))(t, 'idle'),
  };
  const { consumer: who, witness: how, credit, quota, up, down, lifetime, until, idle } = parts;
  if (!who.ok) return who;
  if (!how.ok) return how;
  if (!credit.ok) return credit;
  if (!quota.ok) return quota;
  if (!up.ok) return up;
  if (!down.ok) return down;
  if (!lifetime.ok) return lifetime;
  if (!until.ok) return until;
  if (!idle.ok) return idle;
  const draft: Draft = {
    peer: peer.value,
    consumer: who.value,
    witness: how.value ?? (who.value === null ? 'none' : 'optional'),
    credit: credit.value,
    quota: quota.value,
    rate: { up: up.value, down: down.value },
    lifetime: lifetime.value,
    until: until.value,
    idle: idle.value,
  };
  return ok({ name: name.value, draft });
}

/** `nonce`: whoever asks again with the same one asks for the same. */
export function decodeTopUp(t: Table): Result<Readonly<{ name: string; quota: bigint; seconds: number; nonce: string | null }>> {
  const [name, quota, more, once] = [
    fields.string(t, 'name'),
    maybe(bytes)(t, 'quota'),
    maybe(term(0))(t, 'seconds'),
    maybe(nonce)(t, 'nonce'),
  ];
  if (!name.ok) return name;
  if (!quota.ok) return quota;
  if (!more.ok) return more;
  if (!once.ok) return once;
  if (quota.value === null && more.value === null) return fail('missing', 'quota', 'more of what: quota, seconds?');
  return ok({ name: name.value, quota: quota.value ?? 0n, seconds: more.value ?? 0, nonce: once.value });
}

export const decodeName = (t: Table): Result<string> => fields.string(t, 'name');

export function decodeSpan(t: Table): Result<Readonly<{ session: SessionId; from: number }>> {
  const [session, from] = [fields.string(t, 'session'), maybe(fields.number)(t, 'from')];
  if (!session.ok) return session;
  if (!from.ok) return from;
  if (!/^[0-9a-f]{32}$/.test(session.value)) return fail('malformed', 'session', 'expected 32 hexadecimal digits');
  return ok({ session: session.value as SessionId, from: from.value ?? 1 });
}

// ── What is answered ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** What is null is left out. */
const some = (values: Readonly<Record<string, Value | null>>): Table =>
  Object.entries(values).flatMap(([name, value]) => (value === null ? [] : [{ name, value }]));
const maybeText = (text: string | null): Value | null => (text === null ? null : blobmsg.string(text));
const whole = (n: number): Value => blobmsg.int64(BigInt(n));

const amount = (q: Quota): Value =>
  q.kind === 'shared' ? blobmsg.int64(q.bytes) : blobmsg.nested(blobmsg.table({ up: blobmsg.int64(q.up), down: blobmsg.int64(q.down) }));

export const encodeSettled = (settled: Settled, messages: Readonly<Record<string, Uint8Array | null>>): Table =>
  some({
    ...(settled.kind === 'opened' && {
      session: blobmsg.string(settled.session),
      address4: blobmsg.string(settled.address4),
      address6: blobmsg.string(settled.address6),
    }),
    ...Object.fromEntries(Object.entries(messages).map(([name, m]) => [name, m === null ? null : blobmsg.string(base64.encode(m))])),
  });

export const encodeSessions = (sessions: Iterable<Session>, ended: readonly Over[], now: serving.Clock, { accounts }: Journal): Table => {
  const disputed = (session: SessionId): Table => {
    const dispute = accounts.get(session)?.dispute ?? null;
    return dispute === null ? [] : blobmsg.table({ disputed: blobmsg.nested(encodeDispute(dispute)) });
  };
  const tables = [
    ...[...sessions].map((s) => [...encodeSession(s, now), ...disputed(s.session)]),
    ...ended.map((one) => [...encodeOver(one), ...disputed(one.session)]),
  ];
  return blobmsg.table({ sessions: blobmsg.array(tables.map(blobmsg.nested)) });
};

const encodeDispute = ({ sequence, reason, billed, counted }: Disputed): Table =>
  some({
    receipt: whole(sequence),
    reason: blobmsg.string(reason),
    up: blobmsg.int64(billed.up),
    down: blobmsg.int64(billed.down),
    own_up: counted === null ? null : blobmsg.int64(counted.up),
    own_down: counted === null ? null : blobmsg.int64(counted.down),
  });

function encodeOver({ session, name, root, grant, last }: Over): Table {
  const { counted, left, sequence, witnessed, due, final } = last;
  return some({
    session: blobmsg.string(session),
    name: maybeText(name),
    root: maybeText(root),
    condition: blobmsg.string('closed'),
    reason: maybeText(final),
    key: blobmsg.string(grant.peer),
    up: blobmsg.int64(counted.up),
    down: blobmsg.int64(counted.down),
    quota: amount(grant.quota as Quota),
    left: amount(left),
    seconds: whole(0),
    sequence: whole(sequence),
    witnessed: witnessed === null ? null : whole(witnessed),
    due: due === null ? null : blobmsg.int64(due.amount),
    currency: due === null ? null : blobmsg.string(due.price.currency),
  });
}

function encodeSession(s: Session, now: serving.Clock): Table {
  const { grant, seen, head, witnessed } = s;
  const place = serving.placeOf(s);
  return some({
    session: blobmsg.string(s.session),
    name: maybeText(s.name),
    root: maybeText(s.root),
    condition: blobmsg.string(s.kind),
    reason: maybeText(reasonOf(s)),
    key: blobmsg.string(grant.peer),
    up: blobmsg.int64(seen.counted.up),
    down: blobmsg.int64(seen.counted.down),
    quota: amount(grant.quota as Quota),
    left: amount(serving.quotaLeft(s)),
    rate_up: blobmsg.int64(grant.rate.up),
    rate_down: blobmsg.int64(grant.rate.down),
    seconds: whole(Math.max(0, serving.leftOf(s, now))),
    sequence: whole(head.sequence),
    witnessed: witnessed === null ? null : whole(witnessed.sequence),
    due: grant.price === null ? null : blobmsg.int64(receipts.amountOf(seen.counted, grant.price)),
    currency: grant.price === null ? null : blobmsg.string(grant.price.currency),
    until: grant.until === null ? null : whole(grant.until),
    endpoint: maybeText(place?.endpoint ?? null),
    address4: maybeText(place?.addresses?.[0] ?? null),
    address6: maybeText(place?.addresses?.[1] ?? null),
  });
}

export const encodeCeilings = ({ rate, quota, lifetime }: Ceilings): Table =>
  blobmsg.table({
    session_rate_up: blobmsg.int64(rate.up),
    session_rate_down: blobmsg.int64(rate.down),
    session_quota: blobmsg.int64(quota),
    session_seconds: whole(lifetime),
  });

/** So many messages at a time. */
const page = 32;
type Page = Readonly<{ messages: readonly Uint8Array[]; more: boolean }>;

/** Its grants and its receipts from that number on, as far as they are kept, with the countersignatures that came: what verifies them. */
export function chainOf({ grant, terms, kept, voucher }: Account, from: number): Page {
  const rest = kept.filter(({ sequence }) => sequence >= from);
  return {
    messages: [grant, ...(terms === null ? [] : [terms]), ...(voucher === null ? [] : [voucher]), ...rest.slice(0, page).map(witnessed)],
    more: rest.length > page,
  };
}

/** Outside of the signature, so that the message is the same to everybody who has it without. */
export function witnessed({ receipt, witness }: Pick<Kept, 'receipt' | 'witness'>): Uint8Array {
  const signed = cose.decode(receipt);
  if (!signed.ok) throw new Error(`a receipt of ours is none: ${signed.fault.reason}`);
  return witness === null ? receipt : cose.encode({ ...signed.value, witness });
}

export const encodeReceipts = ({ messages, more }: Page): Table =>
  blobmsg.table({ receipts: blobmsg.array(messages.map((m) => blobmsg.string(base64.encode(m)))), more: blobmsg.boolean(more) });

/** `now`: of the same clock as `last`. */
export const encodeTold = ({ last, waiting, span }: Shown, now: Millis): Table =>
  some({
    report: last === null ? null : blobmsg.string(base64.encode(last.bytes)),
    ago: last === null ? null : whole(Math.floor((now - last.at) / 1000)),
    waiting: whole(waiting),
    span: whole(span),
  });

export const encodeText = (values: Readonly<Record<string, string>>): Table =>
  Object.entries(values).map(([name, value]) => ({ name, value: blobmsg.string(value) }));
