// What a hostile agent may say of the line's delay, and what a hostile enforcer may answer: a delay within its bounds, addresses, or Faults.

import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import * as strain from '../../agent/wire/strain.ts';
import type { Target } from './fuzz.ts';

function isSame<T>(got: Result<T>, encode: (value: T) => Table, decode: (t: Table) => Result<T>): boolean {
  assert.ok(got.ok || (/^[a-z]+$/.test(got.fault.code) && got.fault.reason !== ''));
  if (got.ok) assert.equal(decode(encode(got.value)), got);
  return got.ok;
}

function isHeard(t: Table): boolean {
  const delay = strain.decodeDelay(t);
  const inBounds = !delay.ok || delay.value === null || (delay.value >= 0 && delay.value <= 60_000);
  assert.ok(inBounds, 'a delay beyond a minute');
  const isDelay = isSame(delay, strain.encodeDelay, strain.decodeDelay);
  return isSame(strain.decodeServers(t), strain.encodeServers, strain.decodeServers) || isDelay;
}

export const target: Target = {
  name: 'strain',
  check(input) {
    const t = blobmsg.decode(input);
    // An empty one says that nothing was measured: the pool would soon hold nothing else.
    return t.ok && isHeard(t.value) && t.value.length > 0;
  },
};
