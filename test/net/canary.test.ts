// The canary over the real enforcer: it flies before anybody is served, leaves nothing behind, and finds who takes packets before our rules.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as canary from '../../agent/core/canary.ts';
import * as ip from '../../agent/core/ip.ts';
import * as pools from '../../agent/core/pool.ts';
import * as fields from '../../agent/wire/fields.ts';
import { admit, echoes, key, session } from './guests.ts';
import { pool } from './kernel/setting.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const guest = pools.addresses(pool, canary.slotOf(pool));
const [four, six] = [guest.four, guest.six].map(ip.renderAddress);

/** What of it, or meant for it, goes anywhere else. */
const witness = `table netdev witness {
  counter strayed { }
  ${['wan', 'br-lan']
    .map(
      (device, n) => `chain c${n} { type filter hook egress device "${device}" priority 0; policy accept;
    ip saddr { ${four}, 192.0.2.0/24 } counter name "strayed"; ip daddr { ${four}, 192.0.2.0/24, 224.0.0.254 } counter name "strayed";
    ip6 saddr { ${six}, 2001:db8::/32 } counter name "strayed"; ip6 daddr { ${six}, 2001:db8::/32, ff02::114 } counter name "strayed"; }`,
    )
    .join('\n')}
}
`;

const flights = suite<{ it: Post }>('canary');
flights.before(async (context) => {
  // With one session it is full.
  const it = await post.open(post.config({ 'limits.sessions': '1' }), { consumers: ['c'] });
  context.it = it;
  await it.ground.in('router').run(['nft', '-f', '-'], { input: witness });
  await it.begin();
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
});
flights.after(({ it }) => it.close());

const run = (it: Post, ...argv: readonly string[]): Promise<string> => it.ground.in('router').run(argv);
const isUp = async (it: Post): Promise<boolean> => / UP| UNKNOWN/.test(await run(it, 'ip', '-brief', 'link', 'show', canary.device));
const isFlying = async (it: Post): Promise<boolean> => (await run(it, 'nft', 'list', 'tables')).includes('weir_c');
async function isGone(it: Post, peers: number): Promise<void> {
  assert.equal([await isFlying(it), await isUp(it)], [false, false]);
  assert.is((await run(it, 'wg', 'show', 'weir0', 'peers')).split('\n').filter((line) => line !== '').length, peers);
  for (const address of [four, six]) assert.not.match(await it.ruleset(), `${address} `);
}
async function restart(it: Post, says: RegExp, meanwhile: () => Promise<unknown> = async () => undefined): Promise<void> {
  await it.kill();
  await meanwhile();
  const from = it.lines.length;
  await it.start();
  await it.says(says, from);
}

flights('has flown before anybody is served, has gone, and has cost nobody a byte', async ({ it }) => {
  assert.is(post.must(fields.string(post.must(await it.ask('facts')), 'canary')), 'IPv4 IPv6');
  assert.is(await it.month(), 0n);
  await isGone(it, 0);
});

flights('flies beside as many sessions as there may be', async ({ it }) => {
  await admit(it, session('c'));
  assert.ok(await echoes(it, 'c'));
  await restart(it, /shares on .*, 1 sessions$/);
  await isGone(it, 1);
  assert.ok(await echoes(it, 'c'));
});

const strayed = async (it: Post): Promise<boolean> => !/packets 0 /.test(await run(it, 'nft', 'list counter netdev witness strayed'));
flights('not one packet of it went anywhere else', async ({ it }) => {
  assert.not(await strayed(it));
});

for (const { way, v, hook, word } of [
  { way: 'up', v: 4, hook: 'ingress', word: 'ip' },
  { way: 'down', v: 6, hook: 'egress', word: 'ip6' },
] as const)
  flights(`finds who takes IPv${v} ${way} before it is counted: nobody is served until they stop`, async ({ it }) => {
    // As an offload does: the packet goes on, and nobody behind hears of it.
    const thief = `table netdev thief { chain c {
        type filter hook ${hook} device "weir0" priority -510; policy accept; meta protocol ${word} fwd to "br-lan"; }
      }`;
    await restart(it, new RegExp(`shares nothing: canary\\.${way}${v}: `), () =>
      it.ground.in('router').run(['nft', '-f', '-'], { input: thief }),
    );
    assert.not.match(await run(it, 'wg', 'show', 'weir0', 'peers'), key('c'));
    assert.ok(await strayed(it));
    const [refused] = await it.items('admit', session('c'));
    assert.is(refused?.ok === false && refused.fault.path, `canary.${way}${v}`);
    await run(it, 'nft', 'delete table netdev thief');
    const from = it.lines.length;
    it.signal('SIGHUP');
    await it.says(/shares on .*, 1 sessions$/, from);
    await isGone(it, 1);
  });

flights('leaves nothing that the next start does not clear away, cut off in the midst', async ({ it }) => {
  for (let n = 0; n < 2; n++) {
    let cut = false;
    for (let tries = 0; tries < 20 && !cut; tries++) {
      await it.kill();
      // It answers before it flies, and is not waited for.
      const started = it.start();
      for (let looks = 0; looks < 100 && !cut; looks++) cut = await isFlying(it);
      await it.kill();
      await started;
      cut &&= await isFlying(it);
    }
    assert.ok(cut, 'never seen in flight');
    await restart(it, /shares on .*, 1 sessions$/);
    await isGone(it, 1);
  }
});

flights.run();
