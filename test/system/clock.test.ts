// A session's life under a clock that is not set, set wrongly and set again, over a reboot: nothing is freed by it, nothing is cut early, and
// each receipt says what was known of the time.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { chainOf } from '../../agent/wire/owner.ts';
import { draft, type Ground, ground, key, mib, must, signer } from '../loop/ground.ts';

const minutes = (n: number): number => n * 60_000;
const hours = (n: number): number => minutes(60 * n);
const noon = 1_795_176_000;
const years = 365 * 86_400;

const use = async (g: Ground): Promise<void> => {
  g.kernel.pass(key('a'), 0, 5 << 20);
  await g.pass(minutes(20));
};
/** Powered on anew with the clock at 1970, as without a battery. */
async function reboot(g: Ground): Promise<void> {
  g.trust('unknown', Math.floor(g.clock.monotonic() / 1000));
  await g.reboot();
}
/** What whoever has the receipts, and nothing else, makes of them. */
function told(g: Ground, session: string): evidence.Report['sessions'][number] | undefined {
  const account = [...g.store().state().accounts].find(([id]) => id === session)?.[1];
  if (account === undefined) throw new Error('no account');
  const report = evidence.examine(chainOf(account, 1).messages, [signer.key], portable);
  assert.equal(report.findings, []);
  return report.sessions[0];
}

const clock = suite('clock');
clock('a reboot into 1970 keeps what was used and what is left, and does not end what has an end', async () => {
  const g = ground();
  g.trust('network', noon - 4 * 3600);
  await g.start();
  must(await g.befriend('ann', draft('a', { until: seconds(noon), quota: mib(20) })));
  const { session } = g.session('ann');
  await use(g);
  await reboot(g);
  await g.pass(minutes(1));
  assert.is(g.session('ann').kind, 'open');
  await use(g);
  // Somebody sets it by hand, beyond the end; then time servers say better, and at last that it is over.
  g.trust('unknown', noon + years);
  await use(g);
  assert.is(g.session('ann').kind, 'open');
  g.trust('network', noon - 1800);
  await use(g);
  assert.is(g.kernel.pass(key('a'), 0, 1).down, 0n, 'the quota is the same as ever');
  assert.equal(
    g.chain(session).map(({ wall }) => wall.trust),
    ['network', 'unknown', 'unknown', 'network'],
  );
  g.trust('network', noon + 1);
  await g.pass(minutes(1));
  assert.equal([told(g, session)?.final, told(g, session)?.counted.down], ['expired', BigInt(20 << 20)]);
});
for (const [way, jump] of [
  ['forward', 57 * years],
  ['back', -57 * years],
] as const)
  clock(`time servers set it ${way} by 57 years: a lifetime is powered-on time, before and after a reboot`, async () => {
    const g = ground();
    g.trust(jump > 0 ? 'unknown' : 'network', jump > 0 ? 0 : noon);
    await g.start();
    must(await g.befriend('ann', draft('a', { lifetime: seconds(6 * 3600) })));
    const { session } = g.session('ann');
    await use(g);
    g.trust('network', (jump > 0 ? 0 : noon) + jump);
    await g.pass(hours(2));
    assert.is(g.session('ann').kind, 'open');
    await reboot(g);
    g.trust('network', noon);
    await g.pass(hours(3));
    assert.is(g.session('ann').kind, 'open', 'nothing is cut early');
    // What a reboot forgets of a lifetime is at most what was not yet written.
    await g.pass(hours(1));
    assert.is(told(g, session)?.final, 'expired', 'nothing is freed');
  });
clock.run();
