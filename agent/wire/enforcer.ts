// The tables of the ubus object `weir.enforcer` ↔ values, both ways: what agent and command line ask, what the enforcer answers. Decoding a
// request trusts nobody: it takes the fields that are named here and no others, each once. Knows no limit; core/admission.ts does.

import type { Alteration, Eviction, Renewal, Request } from '../core/admission.ts';
import { type ByteCount, millis, seconds } from '../core/brand.ts';
import type { Wish } from '../core/limits.ts';
import { all, type Code, type Fault, fail, ok, type Result, under, type Values } from '../core/result.ts';
import type { Egress, Flow, Generation, Pair, PeerKey, Slot } from '../core/seat.ts';
import type { Departed, Figures, Gone, Row, Seated } from '../core/session.ts';
import { reasons } from '../core/session.ts';
import type { Table, Value } from './blobmsg.ts';
import * as blobmsg from './blobmsg.ts';
import * as fields from './fields.ts';

type Form<T> = Readonly<{ decode: (t: Table) => Result<T>; encode: (value: T) => Table }>;

// ── Parts ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const at = <T>(path: string, result: Result<T>): Result<T> => (result.ok ? result : { ok: false, fault: under(path, result.fault) });

/** A misspelt field would be a limit that nobody hears of. */
function only(t: Table, names: readonly string[]): Result<void> {
  const other = t.find(({ name }) => !names.includes(name));
  if (other === undefined) return ok(undefined);
  const name = /^\w{1,32}$/.test(other.name) ? other.name : '';
  return fail('unsupported', name, `no such field; there are ${names.join(', ')}`);
}

function tableIn(value: Value): Result<Table> {
  return value.kind === 'table' ? ok(value.fields) : fail('malformed', '', `expected table, got ${value.kind}`);
}

function each<T>(values: readonly Value[], decode: (t: Table) => Result<T>): Result<readonly T[]> {
  const items: T[] = [];
  for (const [i, value] of values.entries()) {
    const t = tableIn(value);
    const item = at(`${i}`, t.ok ? decode(t.value) : t);
    if (!item.ok) return item;
    items.push(item.value);
  }
  return ok(items);
}

const optional = <T>(t: Table, name: string, read: (t: Table, name: string) => Result<T>): Result<T | undefined> =>
  fields.has(t, name) ? read(t, name) : ok(undefined);

const pair = (t: Table, up: string, down: string): Result<Pair<bigint>> =>
  all({ up: fields.integer(t, up), down: fields.integer(t, down) });

const none: Pair<bigint> = { up: 0n, down: 0n };
/** Where one of the two is there, both have to be. */
const optionalPair = (t: Table, name: string): Result<Pair<bigint>> =>
  fields.has(t, `${name}_up`) || fields.has(t, `${name}_down`) ? pair(t, `${name}_up`, `${name}_down`) : ok(none);

const bytes = (t: Table, name: string): Result<ByteCount> => {
  const n = fields.integer(t, name);
  return !n.ok || n.value >= 0n ? (n as Result<ByteCount>) : fail('malformed', name, 'below zero');
};

// ── What is asked ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Asked = Readonly<{ admit: Request; renew: Renewal; change: Alteration; evict: Eviction }>;
export type Method = keyof Asked;
/** A batch is answered by a batch. */
export type Batch<T> = Readonly<{ isBatch: boolean; items: readonly T[] }>;

const wishNames = ['quota', 'rate_up', 'rate_down', 'throttle_up', 'throttle_down', 'egress'];

const asked: { readonly [M in Method]: Form<Asked[M]> & Readonly<{ names: readonly string[] }> } = {
  admit: {
    names: ['key', ...wishNames, 'seconds', 'used_up', 'used_down', 'used_packets_up', 'used_packets_down', 'slot'],
    decode(t) {
      const [used, packets] = [optionalPair(t, 'used'), optionalPair(t, 'used_packets')];
      const slot = optional(t, 'slot', fields.number);
      const parts = all({ key: fields.string(t, 'key'), wish: decodeWish(t), seconds: fields.integer(t, 'seconds'), used, packets, slot });
      if (!parts.ok) return parts;
      const { wish, slot: before, ...rest } = parts.value;
      return ok({ ...wish, ...rest, ...(before !== undefined && { slot: before }) });
    },
    encode: ({ key, seconds, used, packets = none, slot, ...wish }) =>
      blobmsg.table({
        key: blobmsg.string(key),
        ...encodeWish(wish),
        seconds: blobmsg.int64(seconds),
        used_up: blobmsg.int64(used.up),
        used_down: blobmsg.int64(used.down),
        used_packets_up: blobmsg.int64(packets.up),
        used_packets_down: blobmsg.int64(packets.down),
        ...(slot !== undefined && { slot: blobmsg.int64(BigInt(slot)) }),
      }),
  },
  renew: {
    names: ['key', 'seconds'],
    decode: (t) => all({ key: fields.string(t, 'key'), seconds: fields.integer(t, 'seconds') }),
    encode: ({ key, seconds }) => blobmsg.table({ key: blobmsg.string(key), seconds: blobmsg.int64(seconds) }),
  },
  change: {
    names: ['key', ...wishNames],
    decode(t) {
      const parts = all({ key: fields.string(t, 'key'), wish: decodeWish(t) });
      return parts.ok ? ok({ ...parts.value.wish, key: parts.value.key }) : parts;
    },
    encode: ({ key, ...wish }) => blobmsg.table({ key: blobmsg.string(key), ...encodeWish(wish) }),
  },
  evict: {
    names: ['key'],
    decode: (t) => all({ key: fields.string(t, 'key') }),
    encode: ({ key }) => blobmsg.table({ key: blobmsg.string(key) }),
  },
};

const mostItems = 64;

/** One session's fields, or `sessions`: a list of such. What is wrong with one of them is that one's answer. */
export function decodeAsked<M extends Method>(method: M, t: Table): Result<Batch<Result<Asked[M]>>> {
  const { names, decode } = asked[method];
  const item = (fieldsOfOne: Table): Result<Asked[M]> => {
    const known = only(fieldsOfOne, names);
    return known.ok ? decode(fieldsOfOne) : known;
  };
  return decodeBatch(t, item);
}

export const encodeAsked = <M extends Method>(method: M, { isBatch, items }: Batch<Asked[M]>): Table =>
  encodeBatch(isBatch, items.map(asked[method].encode));

function decodeBatch<T>(t: Table, decode: (one: Table) => Result<T>): Result<Batch<Result<T>>> {
  if (!fields.has(t, 'sessions')) return ok({ isBatch: false, items: [decode(t)] });
  const known = only(t, ['sessions']);
  if (!known.ok) return known;
  const values = fields.array(t, 'sessions');
  if (!values.ok) return values;
  const { length } = values.value;
  if (length < 1 || length > mostItems) return fail('limit', 'sessions', `1 to ${mostItems} at a time`);
  const items = values.value.map((value) => {
    const one = tableIn(value);
    return one.ok ? decode(one.value) : one;
  });
  return ok({ isBatch: true, items });
}

/** One that is no batch is its only item. */
const encodeBatch = (isBatch: boolean, items: readonly Table[]): Table =>
  isBatch ? blobmsg.table({ sessions: blobmsg.array(items.map(blobmsg.nested)) }) : items.flat();

function decodeWish(t: Table): Result<Wish> {
  const throttle =
    fields.has(t, 'throttle_up') || fields.has(t, 'throttle_down')
      ? pair(t, 'throttle_up', 'throttle_down')
      : ok<Pair<bigint> | null>(null);
  return all({ quota: decodeQuota(t), rate: pair(t, 'rate_up', 'rate_down'), throttle, egress: decodeEgress(t) });
}

const encodeWish = ({ quota, rate, throttle, egress }: Wish): Readonly<Record<string, Value>> => ({
  quota: encodeQuota(quota),
  rate_up: blobmsg.int64(rate.up),
  rate_down: blobmsg.int64(rate.down),
  ...(throttle === null ? {} : { throttle_up: blobmsg.int64(throttle.up), throttle_down: blobmsg.int64(throttle.down) }),
  egress: encodeEgress(egress),
});

function decodeQuota(t: Table): Result<Wish['quota']> {
  const value = fields.value(t, 'quota');
  if (!value.ok) return value;
  if (value.value.kind !== 'table') {
    const shared = fields.integer(t, 'quota');
    return shared.ok ? ok({ kind: 'shared', bytes: shared.value }) : shared;
  }
  const known = only(value.value.fields, ['up', 'down']);
  const split = at('quota', known.ok ? pair(value.value.fields, 'up', 'down') : known);
  return split.ok ? ok({ kind: 'split', ...split.value }) : split;
}

const encodeQuota = (quota: Wish['quota']): Value =>
  quota.kind === 'shared'
    ? blobmsg.int64(quota.bytes)
    : blobmsg.nested(blobmsg.table({ up: blobmsg.int64(quota.up), down: blobmsg.int64(quota.down) }));

/** "internet", or a table of one field: `hop` or `list`. */
function decodeEgress(t: Table): Result<Egress> {
  const value = fields.value(t, 'egress');
  if (!value.ok) return value;
  const choice = value.value;
  if (choice.kind === 'string' && choice.value === 'internet') return ok({ kind: 'internet' });
  const [way, ...more] = choice.kind === 'table' ? choice.fields : [];
  if (way?.name === 'hop' && way.value.kind === 'table' && more.length === 0) return at('egress.hop', decodeHop(way.value.fields));
  if (way?.name !== 'list' || way.value.kind !== 'array' || more.length > 0)
    return fail('malformed', 'egress', 'expected "internet", a table hop or an array list');
  const flows = at(
    'egress.list',
    each(
      way.value.fields.map((f) => f.value),
      decodeFlow,
    ),
  );
  return flows.ok ? ok({ kind: 'list', flows: flows.value }) : flows;
}

function encodeEgress(egress: Egress): Value {
  switch (egress.kind) {
    case 'internet':
      return blobmsg.string(egress.kind);
    case 'hop': {
      const { address, protocol, port } = egress;
      const hop = blobmsg.table({ address: blobmsg.string(address), protocol: blobmsg.string(protocol), port: blobmsg.int32(port) });
      return blobmsg.nested(blobmsg.table({ hop: blobmsg.nested(hop) }));
    }
    case 'list':
      return blobmsg.nested(blobmsg.table({ list: blobmsg.array(egress.flows.map((f) => blobmsg.nested(encodeFlow(f)))) }));
  }
}

function decodeHop(t: Table): Result<Egress> {
  const known = only(t, ['address', 'protocol', 'port']);
  if (!known.ok) return known;
  const hop = all({ address: fields.string(t, 'address'), protocol: decodeProtocol(t), port: fields.number(t, 'port') });
  return hop.ok ? ok({ kind: 'hop', ...hop.value }) : hop;
}

function decodeFlow(t: Table): Result<Flow> {
  const known = only(t, ['address', 'length', 'protocol', 'first', 'last']);
  if (!known.ok) return known;
  const flow = all({
    address: fields.string(t, 'address'),
    length: fields.number(t, 'length'),
    protocol: decodeProtocol(t),
    first: fields.number(t, 'first'),
    last: fields.number(t, 'last'),
  });
  if (!flow.ok) return flow;
  const { address, length, protocol, first, last } = flow.value;
  return ok({ address, length, protocol, ports: { first, last } });
}

const encodeFlow = ({ address, length, protocol, ports }: Flow): Table =>
  blobmsg.table({
    address: blobmsg.string(address),
    length: blobmsg.int32(length),
    protocol: blobmsg.string(protocol),
    first: blobmsg.int32(ports.first),
    last: blobmsg.int32(ports.last),
  });

function decodeProtocol(t: Table): Result<'tcp' | 'udp'> {
  const word = fields.string(t, 'protocol');
  if (!word.ok) return word;
  return word.value === 'tcp' || word.value === 'udp' ? ok(word.value) : fail('malformed', 'protocol', 'expected tcp or udp');
}

// ── What is answered ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Answers = Readonly<{ admit: Seated; renew: Seated; change: Seated; evict: Gone }>;

const named = (t: Table): Result<Values<{ key: Result<PeerKey>; slot: Result<Slot>; generation: Result<Generation> }>> =>
  all({
    key: fields.string(t, 'key') as Result<PeerKey>,
    slot: fields.number(t, 'slot') as Result<Slot>,
    generation: fields.id(t, 'generation') as Result<Generation>,
  });
const encodeName = (of: Readonly<{ key: PeerKey; slot: Slot; generation: Generation }>): Readonly<Record<string, Value>> => ({
  key: blobmsg.string(of.key),
  slot: blobmsg.int32(of.slot),
  // 32 bits, which the bus shows signed.
  generation: blobmsg.int32(of.generation | 0),
});
const counts = (t: Table, up: string, down: string): Result<Pair<ByteCount>> => all({ up: bytes(t, up), down: bytes(t, down) });

const seated: Form<Seated> = {
  decode(t) {
    const name = named(t);
    const addresses = all({ address4: fields.string(t, 'address4'), address6: fields.string(t, 'address6') });
    if (!name.ok) return name;
    return addresses.ok ? ok({ ...name.value, ...addresses.value }) : addresses;
  },
  encode: (s) => blobmsg.table({ ...encodeName(s), address4: blobmsg.string(s.address4), address6: blobmsg.string(s.address6) }),
};
const decodeFigures = (t: Table): Result<Figures> =>
  all({ counted: counts(t, 'up', 'down'), packets: counts(t, 'packets_up', 'packets_down'), gap: counts(t, 'gap_up', 'gap_down') });
const encodeFigures = ({ counted, packets, gap }: Figures): Readonly<Record<string, Value>> => ({
  up: blobmsg.int64(counted.up),
  down: blobmsg.int64(counted.down),
  packets_up: blobmsg.int64(packets.up),
  packets_down: blobmsg.int64(packets.down),
  gap_up: blobmsg.int64(gap.up),
  gap_down: blobmsg.int64(gap.down),
});

const gone: Form<Gone> = {
  decode(t) {
    const name = named(t);
    const figures = decodeFigures(t);
    if (!name.ok) return name;
    return figures.ok ? ok({ ...name.value, ...figures.value }) : figures;
  },
  encode: (g) => blobmsg.table({ ...encodeName(g), ...encodeFigures(g) }),
};
const answers: { readonly [M in Method]: Form<Answers[M]> } = { admit: seated, renew: seated, change: seated, evict: gone };

/** In the order of what was asked. A Fault's path begins where the request did. */
export const encodeAnswers = <M extends Method>(method: M, { isBatch, items }: Batch<Result<Answers[M]>>): Table =>
  encodeBatch(
    isBatch,
    items.map((item, i) => {
      if (item.ok) return answers[method].encode(item.value);
      return blobmsg.table({ fault: encodeFault(isBatch ? under(`sessions.${i}`, item.fault) : item.fault) });
    }),
  );

export function decodeAnswers<M extends Method>(method: M, t: Table): Result<Batch<Result<Answers[M]>>> {
  const item = (one: Table): Result<Answers[M]> => {
    if (!fields.has(one, 'fault')) return answers[method].decode(one);
    const fault = decodeRefusal(one);
    return fault.ok ? { ok: false, fault: fault.value } : fault;
  };
  return decodeBatch(t, item);
}

/** When there is nothing else to answer. */
export const encodeRefusal = (fault: Fault): Table => blobmsg.table({ fault: encodeFault(fault) });

export function decodeRefusal(t: Table): Result<Fault> {
  const told = fields.table(t, 'fault');
  return told.ok ? decodeFault(told.value) : told;
}

const encodeFault = ({ code, path, reason }: Fault): Value =>
  blobmsg.nested(blobmsg.table({ code: blobmsg.string(code), path: blobmsg.string(path), reason: blobmsg.string(reason) }));

function decodeFault(t: Table): Result<Fault> {
  return all({ code: fields.string(t, 'code') as Result<Code>, path: fields.string(t, 'path'), reason: fields.string(t, 'reason') });
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Span = Readonly<{ from: Slot; most: number }>;
/** All that there is to read. */
export type Register = Readonly<{ rows: readonly Row[]; gone: readonly Departed[]; faults: readonly Fault[] }>;
/** `next`: where the next page begins; null: this was the last. `gone` is on the first alone: the oldest, until they have been asked for. */
export type Page = Register & Readonly<{ next: Slot | null }>;

// Of some 400 bytes and 16 values, of which a message holds 8,192.
const mostRows = 256;
const mostGone = 128;

export function decodeSpan(t: Table): Result<Span> {
  const known = only(t, ['from', 'most']);
  if (!known.ok) return known;
  const span = all({ from: optional(t, 'from', fields.number), most: optional(t, 'most', fields.number) });
  if (!span.ok) return span;
  const { from = 1, most = mostRows } = span.value;
  if (from < 1) return fail('malformed', 'from', 'slots begin at 1');
  return most >= 1 && most <= mostRows ? ok({ from: from as Slot, most }) : fail('limit', 'most', `1 to ${mostRows} at a time`);
}

export const encodeSpan = ({ from, most }: Span): Table => blobmsg.table({ from: blobmsg.int32(from), most: blobmsg.int32(most) });

/** Of all that there is, what was asked for. */
export function pageOf({ rows, gone, faults }: Register, { from, most }: Span): Page {
  const rest = rows.filter(({ slot }) => slot >= from).toSorted((a, b) => a.slot - b.slot);
  return { rows: rest.slice(0, most), next: rest[most]?.slot ?? null, gone: from === 1 ? gone.slice(0, mostGone) : [], faults };
}

export const encodePage = ({ rows, next, gone, faults }: Page): Table =>
  blobmsg.table({
    sessions: blobmsg.array(rows.map((row) => blobmsg.nested(encodeRow(row)))),
    gone: blobmsg.array(
      gone.map((one) => blobmsg.nested([...answers.evict.encode(one), ...blobmsg.table({ why: blobmsg.string(one.why) })])),
    ),
    ...(next === null ? {} : { next: blobmsg.int32(next) }),
    faults: blobmsg.array(faults.map(encodeFault)),
  });

export function decodePage(t: Table): Result<Page> {
  const list = <T>(name: string, decode: (t: Table) => Result<T>): Result<readonly T[]> => {
    const values = fields.array(t, name);
    return values.ok ? at(name, each(values.value, decode)) : values;
  };
  const page = all({
    rows: list('sessions', decodeRow),
    next: optional(t, 'next', fields.number),
    gone: list('gone', decodeDeparted),
    faults: list('faults', decodeFault),
  });
  return page.ok ? ok({ ...page.value, next: (page.value.next ?? null) as Slot | null }) : page;
}

function decodeDeparted(t: Table): Result<Departed> {
  const one = gone.decode(t);
  const word = fields.string(t, 'why');
  if (!one.ok) return one;
  if (!word.ok) return word;
  const why = reasons.find((reason) => reason === word.value);
  return why === undefined ? fail('malformed', 'why', `expected one of ${reasons.join(', ')}`) : ok({ ...one.value, why });
}

const encodeRow = (r: Row): Table =>
  blobmsg.table({
    slot: blobmsg.int32(r.slot),
    generation: blobmsg.int32(r.generation | 0),
    ...(r.key === null ? {} : { key: blobmsg.string(r.key) }),
    ...encodeFigures(r),
    quota: encodeQuota(r.quota),
    left: blobmsg.int64(BigInt(r.left)),
    ...(r.handshake === null ? {} : { handshake: blobmsg.int64(BigInt(r.handshake)) }),
    ...(r.endpoint === null ? {} : { endpoint: blobmsg.string(r.endpoint) }),
    tunnel_up: blobmsg.int64(r.tunnel.up),
    tunnel_down: blobmsg.int64(r.tunnel.down),
  });

function decodeRow(t: Table): Result<Row> {
  const row = all({
    slot: fields.number(t, 'slot') as Result<Slot>,
    generation: fields.id(t, 'generation') as Result<Generation>,
    key: optional(t, 'key', fields.string),
    figures: decodeFigures(t),
    quota: decodeQuota(t),
    left: fields.number(t, 'left'),
    handshake: optional(t, 'handshake', fields.number),
    endpoint: optional(t, 'endpoint', fields.string),
    tunnel: counts(t, 'tunnel_up', 'tunnel_down'),
  });
  if (!row.ok) return row;
  const { key, left, handshake, endpoint, figures, ...rest } = row.value;
  return ok({
    ...rest,
    ...figures,
    key: (key ?? null) as PeerKey | null,
    left: millis(left),
    handshake: handshake === undefined ? null : seconds(handshake),
    endpoint: endpoint ?? null,
  });
}
