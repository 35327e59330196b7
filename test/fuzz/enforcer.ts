// What a hostile agent may ask of the enforcer: a method (the first byte), a table (the rest). It is answered by values or Faults, it comes
// back the same when encoded, and whatever is granted is within the owner's limits.

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
import type { Table } from '../../agent/wire/blobmsg.ts';
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
  const none: Have = { kernel: { held: new Map(), strays: [] }, ended: new Map(), now, isMonthSpent: false };
  return [...admission.admit(rules, none, [{ ok: true, value: request }]).want.values()].map(
    ({ key, slot, terms, used: counted }): Held => ({ key, slot, terms, counted, generation: 1 as Generation, left: millis(5) }),
  );
})();
const have: Have = { kernel: { held: new Map(held.map((h) => [h.slot, h])), strays: [] }, ended: new Map(), now, isMonthSpent: false };

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

function isSpan(t: Table): boolean {
  const span = enforcer.decodeSpan(t);
  assert.ok(isTyped(span));
  if (span.ok) assert.ok(span.value.from >= 1 && span.value.most >= 1 && span.value.most <= 256);
  return span.ok;
}

const methods: readonly ((t: Table) => boolean)[] = [
  (t) => isAsked('admit', t, admission.admit),
  (t) => isAsked('renew', t, admission.renew),
  (t) => isAsked('change', t, admission.change),
  (t) => isAsked('evict', t, admission.evict),
  isSpan,
];

export const target: Target = {
  name: 'enforcer',
  check(input) {
    const method = methods[(input[0] ?? 0) % methods.length];
    const t = blobmsg.decode(input.subarray(1));
    return method !== undefined && t.ok && method(t.value);
  },
};
