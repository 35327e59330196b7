import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { page, place, render, rows, seldom } from './lies.ts';
import { grant, live } from './world.ts';

const lies = suite('lies');
const all = rows();
lies(`${page} says what came of them`, () =>
  assert.is(place.exec(readFileSync(page, 'utf8'))?.[1], render(all), 'run: node scripts/run.mjs scripts/lies.ts'),
);
lies('a consumer that lies is carried for nothing by twice the credit, and what passes in a round', () => {
  const most = 2n * BigInt(grant.credit ?? 0n) + ((grant.rate.up + grant.rate.down) / 8n) * 10n;
  for (const { who, lie, stake } of all) if (who === 'consumer') assert.ok(stake <= most, `${lie}: ${stake}`);
});
lies('a router that lies is agreed with up to a twentieth and a MiB', () => {
  for (const { who, lie, seen, stake } of all) if (who === 'router' && seen !== 'nobody') assert.ok(stake <= 2n << 20n, `${lie}: ${stake}`);
});
lies('without lies everything is countersigned, and nothing is asked twice', () => {
  const { disputed, throttled, witnessed, wanted, chain } = live({ rounds: 60 });
  assert.equal([disputed, throttled, wanted, witnessed?.sequence], [null, null, 0, chain.length]);
  assert.ok(chain.length > 5);
});
lies('a router that may seldom write serves whoever vouches in full, and slows whoever does not', () => {
  const served = live({ rounds: 120, writes: seldom });
  assert.equal([served.throttled, served.witnessed?.sequence, served.chain.length], [null, 4, 4]);
  assert.is.not(live({ rounds: 120, writes: seldom, lie: 'silent' }).throttled, null);
});
lies('a receipt that is left out is asked for and disputed, and then the chain goes on', () => {
  const { disputed, witnessed, wanted, chain } = live({ rounds: 120, shows: (sequence) => sequence !== 5 });
  assert.equal([disputed?.sequence, disputed?.reason], [6, 'chain']);
  assert.ok(wanted > 0 && wanted <= 8, `${wanted}`);
  assert.is(witnessed?.sequence, chain.length);
});
lies.run();
