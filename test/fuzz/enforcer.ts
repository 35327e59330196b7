// What a hostile agent may ask of the enforcer: one table, tried with every method. It is answered by values or Faults, it comes back the same
// when encoded, and whatever is granted is within the owner's limits.

import * as assert from 'uvu/assert';
import type { Decision, Have, Rules } from '../../agent/core/admission.ts';
import * as admission from '../../agent/core/admission.ts';
import { millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import * as limits from '../../agent/core/limits.ts';
import * as pool from '../../agent/core/pool.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Generation, Held, PeerKey } from '../../agent/core/seat.ts';
import * as settings from '../../agent/core/settings.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { Asked, Method } from '../../agent/wire/enforcer.ts';
import * as enforcer from '../../agent/wire/enforcer.ts';
import type { Target } from './fuzz.ts';

function sure<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(result.fault.reason);
  return result.value;
}

function ownersRules(): Rules {
  const options = new Map([['sessions', '2']]);
  const share = { name: 'share', type: 'share', options: new Map([['accepted', '1']]) };
  const owner = settings.parseOwner([share, { name: 'limits', type: 'limits', options }]);
  if (!owner.ok) throw new Error('the safe defaults are none');
  const prefixes = [ip.parsePrefix('10.213.0.0/29'), ip.parsePrefix('fd00::/64')].map(sure) as [ip.Prefix, ip.Prefix];
  return admission.rules(owner.value, sure(pool.parse(...prefixes, 2)), 'own' as PeerKey);
}

const rules = ownersRules();
const now = millis(1000);
/** One session is there, under the key of the corpus. */
const held = ((): readonly Held[] => {
  const request: Asked['admit'] = {
    key: 'A'.repeat(43).concat('='),
    quota: { kind: 'shared', bytes: 1000n },
    rate: { up: 8000n, down: 8000n },
    throttle: null,
    egress: { kind: 'internet' },
    seconds: 60n,
    used: { up: 0n, down: 0n },
  };
  const none: Have = { kernel: { held: new Map(), strays: [] }, ended: new Map(), now, minute: 0, isMonthSpent: false };
  return [...admission.admit(rules, none, [{ ok: true, value: request }]).want.values()].map(
    ({ key, slot, terms, used: counted }): Held => ({
      key,
      slot,
      terms,
      counted,
      packets: { up: 0n, down: 0n },
      generation: 1 as Generation,
      left: millis(5),
    }),
  );
})();
const have: Have = {
  kernel: { held: new Map(held.map((h) => [h.slot, h])), strays: [] },
  ended: new Map(),
  now,
  minute: 0,
  isMonthSpent: false,
};

function isTyped(item: Result<unknown>): boolean {
  return item.ok || (/^[A-Za-z-]+$/.test(item.fault.code) && item.fault.path.length < 100 && item.fault.reason !== '');
}

function isAsked<M extends Method>(
  method: M,
  t: Table,
  decide: (r: Rules, have: Have, asked: readonly Result<Asked[M]>[]) => Decision,
): boolean {
  const decoded = enforcer.decodeAsked(method, t);
  assert.ok(isTyped(decoded));
  if (!decoded.ok) return false;
  const { isBatch, items } = decoded.value;
  assert.ok(items.length <= 64 && items.every(isTyped));
  const values = items.flatMap((item) => (item.ok ? [item.value] : []));
  const encoded = blobmsg.encode(enforcer.encodeAsked(method, { isBatch, items: values }));
  // Ports and lengths beyond 32 bits are decoded, to be refused by name, and never sent.
  if (encoded.ok && values.length === items.length)
    assert.equal(enforcer.decodeAsked(method, sure(blobmsg.decode(encoded.value))), decoded);
  const { want, answers } = decide(rules, have, items);
  assert.is(answers.length, items.length);
  assert.ok(answers.every(isTyped));
  const seats = [...want.values()];
  assert.ok(seats.length <= rules.limits.sessions && new Set(seats.map((s) => s.slot)).size === seats.length);
  for (const { slot, terms, ends } of seats) {
    assert.ok(slot >= 1 && slot <= rules.pool.slots && limits.isWithin(terms, rules.limits, rules.blocked));
    assert.ok(ends <= now + 1000 * rules.limits.session.lifetime);
  }
  return answers.some((a) => a.ok);
}

function trySpan(t: Table): void {
  const span = enforcer.decodeSpan(t);
  assert.ok(isTyped(span));
  if (span.ok) assert.ok(span.value.from >= 1 && span.value.most >= 1 && span.value.most <= 256);
}

function tryAll(t: Table): boolean {
  const only = (...names: string[]): Table => t.filter(({ name }) => names.includes(name));
  trySpan(t);
  assert.ok(isTyped(enforcer.decodePage(t)));
  isAsked('evict', only('sessions', 'key'), admission.evict);
  isAsked('renew', only('sessions', 'key', 'seconds'), admission.renew);
  const isChanged = isAsked('change', t, admission.change);
  return isAsked('admit', t, admission.admit) || isChanged;
}

export const target: Target = {
  name: 'enforcer',
  check(input) {
    const t = blobmsg.decode(input);
    return t.ok && tryAll(t.value);
  },
};

const hostile: readonly Value[] = [
  ...[0, -1, 1, 33, 129, 65_536, 2 ** 31 - 1, -(2 ** 31)].map(blobmsg.int32),
  ...[0n, -1n, 1n << 53n, (1n << 63n) - 1n, -(1n << 63n)].map(blobmsg.int64),
  ...['', '::', '0.0.0.0', 'internet', '\0', 'x'.repeat(5000)].map(blobmsg.string),
  { kind: 'string', value: Uint8Array.of(0xff, 0xfe) },
  blobmsg.boolean(true),
  blobmsg.double(Number.POSITIVE_INFINITY),
  blobmsg.nothing,
  blobmsg.nested([]),
  blobmsg.array([]),
];

/** The table with each value in turn, however deep, replaced by each hostile one, left out, or given twice. */
export function* variants(t: Table): Generator<Table> {
  for (const [i, field] of t.entries()) {
    const put = (...fields: Table): Table => [...t.slice(0, i), ...fields, ...t.slice(i + 1)];
    yield put();
    yield put(field, field);
    for (const value of hostile) yield put({ ...field, value });
    const { value } = field;
    if (value.kind === 'table' || value.kind === 'array')
      for (const fields of variants(value.fields)) yield put({ ...field, value: { ...value, fields } });
  }
}

/** Bytes mutated at random seldom stay a table; values do. Answers how many tables were tried. */
export function tryVariants(input: Uint8Array): number {
  const t = blobmsg.decode(input);
  const all = t.ok ? [...variants(t.value)] : [];
  for (const variant of all) tryAll(variant);
  return all.length;
}
