import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as at from '../net/ground/addresses.ts';
import { config } from '../net/post.ts';
import { ip, offloaded } from './ground/enforce.ts';
import * as acts from './ground/enforce-acts.ts';
import { open, type Post, startBus } from './ground/enforce-post.ts';
import { begin } from './ground/enforce-story.ts';

const card = suite('a month with the household, behind a card that counts each packet');

/** What the card has counted, without Ethernet's headers. */
async function crossed({ ground }: Post): Promise<number> {
  const shown = await ground.in('router').run(`${ip} -json -statistics link show wan`);
  const [{ stats64 }] = JSON.parse(shown) as [{ stats64: Record<'rx' | 'tx', { bytes: number; packets: number }> }];
  return [stats64.rx, stats64.tx].reduce((sum, { bytes, packets }) => sum + bytes - 14 * packets, 0);
}

for (const machine of ['x86_64-6.1', 'x86_64-6.12'] as const)
  card(`is what has crossed the line, on ${machine}`, async () => {
    const bus = await startBus(config({ 'limits.monthly_cap': '400', 'limits.household': '1' }));
    const it = await open(machine, bus, { cable: true });
    try {
      await it.begin();
      await acts.load(it.ground, offloaded);
      await begin(it, 1_000_000_000n);
      for (const who of ['lan', 'c'] as const)
        for (const way of ['pull', 'push'] as const) {
          const before = { line: await crossed(it), month: await it.month() };
          assert.is((await acts.transfer(it.ground, way, at.internet.v4, 8_000_000, who)).end, 'complete');
          const line = (await crossed(it)) - before.line;
          await it.row();
          const month = Number((await it.month()) - before.month);
          assert.ok(line > 8_000_000, `${line} on the line`);
          assert.ok(Math.abs(month - line) < line / 100, `${who}, ${way}: ${month} bytes charged, ${line} on the line`);
        }
    } finally {
      await it.ground.close();
      await bus.stop();
    }
  });
card.run();
