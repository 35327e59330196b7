// The agent sounds the line: over a model of the enforcer's word and of a name server.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { type Millis, millis } from '../../agent/core/brand.ts';
import type { Address } from '../../agent/core/ip.ts';
import * as ip from '../../agent/core/ip.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import * as sounding from '../../agent/sounding.ts';
import { manual } from '../fakes/clock.ts';

const address = (text: string): Address => {
  const parsed = ip.parseAddress(text);
  if (!parsed.ok) throw new Error(text);
  return parsed.value;
};

type Model = { servers: Result<readonly Address[]>; trip: Result<Millis>; told: (Millis | null)[]; asked: string[] };
async function begin(): Promise<Readonly<{ m: Model; passing(seconds: number): Promise<void> }>> {
  const clock = manual();
  const m: Model = { servers: ok([]), trip: ok(millis(10)), told: [], asked: [] };
  const calm = async (): Promise<void> => {
    for (let n = 0; n < 20; n++) await Promise.resolve();
  };
  sounding.start({
    clock,
    strain: async (delay) => {
      m.told.push(delay);
      return m.servers;
    },
    trip: async (server) => {
      m.asked.push(server);
      return m.trip;
    },
  });
  await calm();
  return {
    m,
    async passing(seconds) {
      for (let n = 0; n < seconds; n++) {
        clock.advance(millis(1000));
        await calm();
      }
    },
  };
}

const test = suite('sounding');
test('asks nobody while it is not worth the while', async () => {
  const { m, passing } = await begin();
  await passing(30);
  assert.equal([m.asked, m.told], [[], [null, null, null, null]]);
});
test('measures each second, and tells by how much it is slower', async () => {
  const { m, passing } = await begin();
  m.servers = ok([address('192.0.2.1'), address('192.0.2.2')]);
  await passing(13);
  assert.equal([...new Set(m.asked)], ['192.0.2.1']);
  m.trip = ok(millis(50));
  await passing(4);
  assert.equal(m.told.slice(-6), [null, 0, 0, 0, 0, 40]);
});
test('begins anew with another server, and after a pause', async () => {
  const { m, passing } = await begin();
  m.servers = ok([address('192.0.2.1')]);
  await passing(13);
  m.servers = ok([address('2001:db8::1')]);
  m.trip = ok(millis(50));
  await passing(5);
  assert.is(m.asked.at(-1), '2001:db8::1');
  assert.is(m.told.at(-1), 0);
  m.servers = ok([]);
  await passing(11);
  assert.is(m.told.at(-1), null);
});
test('whom the enforcer refuses, or no server answers, tells nothing', async () => {
  const { m, passing } = await begin();
  m.servers = fail('denied', 'weir.share.accepted', 'no');
  await passing(20);
  m.servers = ok([address('192.0.2.1')]);
  m.trip = fail('timeout', '', 'no answer');
  await passing(20);
  assert.ok(m.asked.length > 5);
  assert.equal([...new Set(m.told)], [null]);
});
test.run();
