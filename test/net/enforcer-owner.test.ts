// The owner's words, other people's deeds, and whoever asks for what they may not have.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis } from '../../agent/core/brand.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as fields from '../../agent/wire/fields.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import * as at from './ground/addresses.ts';
import { admit, both, echoes, echoesOnce, key, pass, quiet, rowOf, session, silent, token, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const within = async (work: (it: Post) => Promise<void>, config?: string): Promise<void> => {
  const it = await post.open(config, { consumers: ['c', 'd'] });
  try {
    await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
    await work(it);
  } catch (e) {
    process.stderr.write(`${it.lines.join('\n')}\n`);
    throw e;
  } finally {
    await it.close();
  }
};
const uci = async (it: Post, method: string, args: Fields): Promise<Table> =>
  post.must(await it.root.call('uci', method, plain.table(args), millis(5000)));
const commit = (it: Post, config: string): Promise<Table> => uci(it, 'commit', { config });
const links = (it: Post): Promise<string> => it.ground.in('router').run(['ip', '-brief', 'link']);
const codeOf = (r: Result<Table>): string => {
  if (!r.ok) return r.fault.code;
  const fault = fields.table(r.value, 'fault');
  const code = fault.ok ? fields.string(fault.value, 'code') : fault;
  return code.ok ? code.value : 'ok';
};

const recovery = suite('recovery');

recovery('deleted tables: everybody out, rules back, seats as strict as before', () =>
  within(async (it) => {
    // Tables that somebody else has made cannot be owned, as on kernels before 6.9.
    await it.ground.in('router').run(['nft', 'add table netdev weir_m; add table inet weir_p']);
    await it.begin();
    assert.match(it.lines.at(-1) ?? '', 'rules watched');
    await admit(it, session('c', { quota: { kind: 'shared', bytes: 3_000_000n } }));
    const flow = { to: at.internet.v4, port: 443, total: 500, size: 1000, perSecond: 2000, token: token() };
    await it.ground.in('c').ask('udpSend', flow);
    assert.is((await it.ground.in('internet').ask('counted', { token: flow.token, datagrams: 500, withinMs })).datagrams, 500);
    const before = await rowOf(it, 'c');
    const from = it.lines.length;
    await it.ground.in('router').run(['nft', 'delete table netdev weir_m; delete table inet weir_p']);
    await it.says(/shares on .*, 1 sessions$/, from);
    const after = await rowOf(it, 'c');
    assert.equal([after.counted, after.packets], [before.counted, { up: 500n, down: 0n }]);
    assert.is.not(after.generation, before.generation);
    await it.connect('c');
    assert.ok(await echoes(it, 'c'));
    // What it used before still counts.
    await it.ground
      .in('c')
      .ask('tcpTransfer', { token: token(), to: at.internet.v4, port: 443, up: 9_000_000, down: 0, intervalMs: 100, withinMs: 2500 });
    const used = both((await rowOf(it, 'c')).counted);
    assert.ok(used <= 3_000_000n && used > 2_000_000n, `${used}`);
  }),
);

recovery('a deleted device: made again, rules on it, the same sessions with the same counters', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'));
    assert.ok(await echoesOnce(it, 'c'));
    const before = await rowOf(it, 'c');
    const from = it.lines.length;
    await it.ground.in('router').run(['ip', 'link', 'del', 'weir0']);
    await it.says(/shares nothing: weir0/, from);
    // The kernel's WireGuard would be back by itself.
    await it.ground.startDevice();
    await it.says(/shares on .*, 1 sessions$/, from);
    await it.address();
    await it.connect('c');
    assert.ok(await echoesOnce(it, 'c'));
    const after = await rowOf(it, 'c');
    assert.is(after.generation, before.generation);
    assert.is(both(after.counted), both(before.counted) + 184n);
  }),
);

recovery('a removed peer comes back with the next command', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'), session('d'));
    await it.ground.removePeer('c');
    await it.items('renew', { key: key('d'), seconds: 100n });
    await it.connect('c');
    assert.ok(await echoes(it, 'c'));
  }),
);

recovery('tables deleted while nobody looked: strangers, and out', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'));
    await it.kill();
    await it.ground.in('router').run(['nft', 'delete table netdev weir_m; delete table inet weir_p']);
    const from = it.lines.length;
    await it.start();
    await it.says(/shares on .*, 0 sessions$/, from);
    assert.not(await echoes(it, 'c', at.internet.v4, quiet));
    assert.equal(await it.rows(), []);
  }),
);
recovery.run();

const owner = suite('the owner');

owner('pauses, with and without the enforcer; who was in stays out', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'));
    assert.ok(await echoesOnce(it, 'c'));
    assert.is((await it.weir('pause')).code, 0);
    assert.not.match(await links(it), 'weir0');
    const [refused] = await it.items('admit', session('d'));
    assert.equal(refused?.ok === false && [refused.fault.code, refused.fault.path], ['denied', 'weir.share.paused']);
    const figures = [
      { up: 92n, down: 92n },
      { up: 1n, down: 1n },
    ];
    assert.equal(
      (await it.departed()).map(({ key: k, why, counted, packets }) => [k, why, counted, packets]),
      [[key('c'), 'owner', ...figures]],
    );
    const [gone] = await it.items('evict', { key: key('c') });
    assert.equal(gone?.ok && [gone.value.counted, gone.value.packets], figures);
    assert.equal(await it.departed(), []);
    const from = it.lines.length;
    await it.ground.startDevice();
    assert.is((await it.weir('resume')).code, 0);
    await it.says(/shares on .*, 0 sessions$/, from);
    await it.address();
    assert.equal(await it.rows(), []);
    await admit(it, session('c'));
    assert.ok(await echoes(it, 'c'));
    await it.kill();
    assert.ok(await echoes(it, 'c'));
    assert.is((await it.weir('pause')).code, 0);
    assert.not.match(await links(it), 'weir0');
    assert.match(`${it.fakes.files.get('weir')}`, "paused '1'");
    await it.start();
    await it.says(/the owner has paused/, from);
  }),
);

owner('says no while no enforcer runs: the next one loads what it takes to put everybody out', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'));
    await it.kill();
    assert.ok(await echoes(it, 'c'));
    await uci(it, 'set', { config: 'weir', section: 'share', values: { accepted: '0' } });
    await commit(it, 'weir');
    const from = it.lines.length;
    await it.start();
    await it.says(/shares nothing: weir\.share\.accepted/, from);
    assert.not.match(await links(it), 'weir0');
  }),
);

owner('takes a section away and means it; tears down and leaves nothing', () =>
  within(async (it) => {
    const before = { network: it.fakes.files.get('network'), firewall: it.fakes.files.get('firewall') };
    await it.begin();
    await admit(it, session('c'));
    assert.match(`${it.fakes.files.get('network')}`, 'weir0');
    const from = it.lines.length;
    await uci(it, 'delete', { config: 'network', section: 'weir0' });
    await commit(it, 'network');
    await it.says(/network\.weir0: the section is not there/, from);
    assert.not.match(await links(it), 'weir0');
    assert.not.match(`${it.fakes.files.get('network')}`, 'weir0');
    assert.is((await it.weir('teardown')).code, 0);
    assert.equal({ network: it.fakes.files.get('network'), firewall: it.fakes.files.get('firewall') }, before);
    assert.is((await it.ground.in('router').run(['nft', 'list', 'tables'])).includes('weir'), false);
    for (const family of ['-4', '-6']) assert.not.match(await it.ground.in('router').run(['ip', family, 'rule']), 'weir0');
  }),
);

owner('lowers a limit: who is above it goes, and who asks for more is told the field', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'), session('d', { rate: { up: 1_000_000n, down: 1_000_000n } }));
    await uci(it, 'set', { config: 'weir', section: 'limits', values: { session_rate_up: '5000' } });
    await commit(it, 'weir');
    const [refused] = await it.items('change', session('d', { rate: { up: 6_000_000n, down: 1n } }));
    assert.equal(refused?.ok === false && [refused.fault.code, refused.fault.path, refused.fault.reason], [
      'denied',
      'rate_up',
      'at most 5000000 bit/s',
    ]);
    assert.equal(
      (await it.rows()).map((row) => row.key),
      [key('d')],
    );
    // A slip of the pen ends nobody's session, and the owner's no counts all the same.
    await uci(it, 'set', { config: 'weir', section: 'limits', values: { sessions: 'many' } });
    await commit(it, 'weir');
    await it.says(/weir\.limits\.sessions: set it to/);
    assert.is((await it.rows()).length, 1);
    const from = it.lines.length;
    await uci(it, 'set', { config: 'weir', section: 'share', values: { accepted: '0' } });
    await commit(it, 'weir');
    await it.says(/shares nothing: weir\.share\.accepted/, from);
  }),
);

owner('has hours: outside of them everybody is out, and may come back', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('c'));
    // A day that is neither today nor next to it, in whatever zone.
    const day = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'][(new Date().getUTCDay() + 3) % 7];
    await uci(it, 'set', { config: 'weir', section: 'limits', values: { schedule: [`${day} 08:00-09:00`] } });
    const from = it.lines.length;
    await commit(it, 'weir');
    assert.ok(await silent(it, 'c'));
    assert.equal(await it.rows(), []);
    const [refused] = await it.items('admit', session('c'));
    assert.equal(refused?.ok === false && [refused.fault.code, refused.fault.path], ['denied', 'weir.limits.schedule']);
    const why = fields.string(post.must(await it.ask('facts')), 'why');
    assert.match(why.ok ? why.value : '', 'weir.limits.schedule: the owner shares at other hours');
    await uci(it, 'set', { config: 'weir', section: 'limits', values: { schedule: ['mon-sun 00:00-24:00'] } });
    await commit(it, 'weir');
    for (let tries = 0; tries < 40 && !(await it.items('admit', session('c')))[0]?.ok; tries++) await pass(it, 200);
    await it.connect('c');
    assert.ok(await echoes(it, 'c'));
    // A zone that nobody can read ends nobody's session, and is told.
    await uci(it, 'set', { config: 'system', section: 'system', values: { timezone: 'Europe/Berlin' } });
    await commit(it, 'system');
    await it.says(/system\.timezone: expected such as/, from);
    assert.ok(await echoes(it, 'c'));
  }),
);

owner('has a month: it ends in the kernel, is remembered, and a damaged ledger is a matter for the owner', () =>
  within(
    async (it) => {
      await it.begin();
      await admit(it, session('c'));
      const cap = 8n << 20n;
      const flow = { to: at.internet.v4, port: 443, up: 20_000_000, down: 0, intervalMs: 100, withinMs: 3000 };
      // It is given out in 64ths, and TCP takes its time after each.
      for (let tries = 0; tries < 10 && (await it.month()) < cap - 20_000n; tries++)
        await it.ground.in('c').ask('tcpTransfer', { ...flow, token: token() });
      const used = await it.month();
      assert.ok(used <= cap + 20_000n && used > (cap * 8n) / 10n, `${used} of ${cap} line bytes`);
      assert.not(await echoes(it, 'c', at.internet.v4, quiet));
      const [refused] = await it.items('admit', session('d'));
      // Not quite the month: what is left is less than a packet.
      if (refused?.ok === false) assert.is(refused.fault.path, 'weir.limits.monthly_cap');
      await it.kill();
      await it.start();
      await it.says(/shares on .*, \d sessions$/);
      const kept = await it.month();
      assert.ok(kept >= used, `${kept}, and ${used} before`);
      await it.kill();
      writeFileSync(join(it.folder, 'ledger'), 'weir ledger 1\nmonth nonsense\n');
      const from = it.lines.length;
      await it.start();
      await it.says(/shares nothing: .*ledger: damaged; weir resume/, from);
      assert.is((await it.weir('resume')).code, 0);
      await it.says(/shares on /, from);
      const begun = await it.month();
      assert.ok(begun < used, `${begun}, and ${used} before`);
    },
    post.config({ 'limits.monthly_cap': '8' }),
  ),
);
owner.run();

const strangers = suite('strangers');
const one: Fields = { key: key('c'), quota: 1000, rate_up: 1000, rate_down: 1000, seconds: 60, egress: 'internet' };
const wrong: readonly (readonly [method: string, args: Fields, code: string])[] = [
  ['admit', {}, 'missing'],
  ['admit', { ...one, key: 'x' }, 'malformed'],
  ['admit', { ...one, key: 'A'.repeat(44) }, 'malformed'],
  ['admit', { ...one, key: 7 }, 'malformed'],
  ['admit', { ...one, quota: -1 }, 'malformed'],
  ['admit', { ...one, quota: 0 }, 'malformed'],
  ['admit', { ...one, quota: 2n ** 63n - 1n }, 'denied'],
  ['admit', { ...one, quota: { up: 2n ** 62n, down: 2n ** 62n } }, 'denied'],
  ['admit', { ...one, quota: { up: 1 } }, 'missing'],
  ['admit', { ...one, quota: [1, 2] }, 'malformed'],
  ['admit', { ...one, rate_up: 0 }, 'malformed'],
  ['admit', { ...one, rate_down: -5n }, 'malformed'],
  ['admit', { ...one, rate_up: 2n ** 62n }, 'denied'],
  ['admit', { ...one, throttle_up: 5 }, 'missing'],
  ['admit', { ...one, throttle_up: 2000, throttle_down: 8 }, 'denied'],
  ['admit', { ...one, seconds: 0 }, 'malformed'],
  ['admit', { ...one, seconds: 2n ** 62n }, 'denied'],
  ['admit', { ...one, seconds: 'soon' }, 'malformed'],
  ['admit', { ...one, used_up: -1, used_down: 0 }, 'malformed'],
  ['admit', { ...one, used_up: 2n ** 60n, used_down: 0 }, 'denied'],
  ['admit', { ...one, mark: 1 }, 'unsupported'],
  ['admit', { ...one, egress: 'everywhere' }, 'malformed'],
  ['admit', { ...one, egress: { hop: { address: '192.168.1.1', protocol: 'udp', port: 53 } } }, 'denied'],
  ['admit', { ...one, egress: { hop: { address: at.tunnel.v4, protocol: 'udp', port: 53 } } }, 'denied'],
  ['admit', { ...one, egress: { hop: { address: '1.1.1.1; flush ruleset', protocol: 'udp', port: 53 } } }, 'malformed'],
  ['admit', { ...one, egress: { hop: { address: '1.1.1.1', protocol: 'icmp', port: 53 } } }, 'malformed'],
  ['admit', { ...one, egress: { hop: { address: '1.1.1.1', protocol: 'tcp', port: 25 } } }, 'denied'],
  ['admit', { ...one, egress: { hop: { address: '1.1.1.1', protocol: 'tcp', port: 65_536 } } }, 'malformed'],
  ['admit', { ...one, egress: { list: [] } }, 'limit'],
  ['admit', { ...one, egress: { list: [{ address: '1.0.0.0', length: 33, protocol: 'tcp', first: 1, last: 2 }] } }, 'malformed'],
  ['admit', { ...one, egress: { list: [{ address: '1.0.0.1', length: 8, protocol: 'tcp', first: 1, last: 2 }] } }, 'malformed'],
  ['admit', { ...one, egress: { list: [{ address: at.denied.v4, length: 32, protocol: 'tcp', first: 1, last: 2 }] } }, 'denied'],
  ['admit', { sessions: [] }, 'limit'],
  ['admit', { sessions: 'all' }, 'malformed'],
  ['admit', { sessions: Array.from({ length: 65 }, () => one) }, 'limit'],
  ['admit', { sessions: [one], key: 'x' }, 'unsupported'],
  ['renew', { key: key('c'), seconds: 60 }, 'missing'],
  ['renew', { key: key('d'), seconds: -1 }, 'malformed'],
  ['renew', { key: key('d') }, 'missing'],
  ['change', { key: key('d') }, 'missing'],
  ['change', { ...one, seconds: 5 }, 'unsupported'],
  ['evict', {}, 'missing'],
  ['evict', { key: 'weir0' }, 'malformed'],
  ['evict', { key: key('c') }, 'missing'],
  ['evict', { sessions: [[]] }, 'malformed'],
  ['read', { from: 0 }, 'malformed'],
  ['read', { from: -1n }, 'malformed'],
  ['read', { most: 100_000 }, 'limit'],
  ['read', { password: 1 }, 'unsupported'],
  ['strain', { delay: -1 }, 'malformed'],
  ['strain', { delay: 60_001 }, 'malformed'],
  ['strain', { delay: 'long' }, 'malformed'],
  ['strain', { rate: 5 }, 'missing'],
  ['setup', {}, 'denied'],
  ['teardown', {}, 'denied'],
  ['share', {}, 'denied'],
  ['pause', {}, 'denied'],
  ['resume', {}, 'denied'],
  ['doctor', {}, 'denied'],
  ['reboot', {}, 'denied'],
];

strangers('are told what is wrong with what they ask, and the kernel stays as it is', () =>
  within(async (it) => {
    await it.begin();
    await admit(it, session('d'));
    const before = await it.ruleset();
    for (const [method, args, code] of wrong) {
      const answer = await it.ask(method, plain.table(args));
      // Of a batch, each has its own answer.
      const items = answer.ok ? fields.array(answer.value, 'sessions') : answer;
      const [item] = items.ok && method !== 'read' ? items.value : [];
      const got = item?.kind === 'table' ? codeOf({ ok: true, value: item.fields }) : codeOf(answer);
      assert.is(got, code, `${method} ${JSON.stringify(args, (_, v) => (typeof v === 'bigint' ? `${v}` : v)).slice(0, 200)}: ${got}`);
      assert.is(await it.ruleset(), before, method);
    }
    for (const method of ['setup', 'pause']) assert.is(codeOf(await it.order(method, plain.table({ force: true }))), 'malformed');
    assert.is(await it.ruleset(), before);
    assert.is((await it.rows()).length, 1);
  }),
);

strangers('get no answer longer than a page, however many sessions there are', () =>
  within(
    async (it) => {
      await it.begin();
      const many = Array.from({ length: 300 }, (_, n) => {
        const bytes = Buffer.alloc(32, 1);
        bytes.writeUInt32BE(n);
        return { ...session('c'), key: bytes.toString('base64') as ReturnType<typeof key> };
      });
      for (let from = 0; from < many.length; from += 60)
        for (const item of await it.items('admit', ...many.slice(from, from + 60))) assert.ok(item.ok);
      const page = post.must(await it.ask('read'));
      const next = post.must(fields.number(page, 'next'));
      assert.is(post.must(fields.array(page, 'sessions')).length, 256);
      const rest = post.must(await it.ask('read', plain.table({ from: next })));
      assert.is(post.must(fields.array(rest, 'sessions')).length, 44);
      assert.not(fields.has(rest, 'next'));
    },
    post.config({ 'limits.sessions': '500' }),
  ),
);
strangers.run();
