import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as at from './ground/addresses.ts';
import { createGround, type Ground, readLine } from './ground/ground.ts';
import { inhabitants, spaceOf } from './ground/namespace.ts';
import { syn } from './ground/raw.ts';
import { render } from './ground/rules.ts';
import { type Probe, probes, type Row, runProbes } from './probes.ts';

const withinMs = 20_000;
const failures = (rows: readonly Row[]): string[] =>
  rows.filter((r) => !r.ok).map((r) => `${r.probe.name}: ${r.reached ? 'reached' : 'not reached'} (${r.said})`);

async function deserted(spaces: ReadonlySet<string>): Promise<boolean> {
  for (let tries = 0; tries < 1000 && inhabitants(spaces).length > 0; tries++) await new Promise((resolve) => setTimeout(resolve, 20));
  return inhabitants(spaces).length === 0;
}

const ground = suite<{ it: Ground }>('ground');
ground.before(async (context) => {
  context.it = await createGround();
  for (const place of ['internet', 'c']) await context.it.in(place).ask('serve', { name: place, ports: [443] });
});
ground.after(({ it }) => it.close());

ground('has probes enough, each with a name of its own', () => {
  assert.ok(probes.length >= 45);
  assert.is(new Set(probes.map((p) => p.name)).size, probes.length);
  assert.ok(probes.filter((p) => p.otherwise !== undefined).length <= 6);
});

ground('lets every probe through without rules', async ({ it }) => {
  assert.equal(failures(await runProbes(it, { rules: false })), []);
});

const nft = (it: Ground, input: string): Promise<string> => it.in('router').run(['nft', '-f', '-'], { input });
const unload = (it: Ground): Promise<string> =>
  nft(it, ['netdev weir_m', 'inet weir_p'].map((table) => `add table ${table}; delete table ${table};`).join(' '));
ground.after.each(async ({ it }) => {
  await unload(it);
});

ground('sees rules that hold', async ({ it }) => {
  await nft(it, render(1e9));
  assert.equal(failures(await runProbes(it, { rules: true })), []);
});

ground('sees which half of the rules is gone', async ({ it }) => {
  const wrong = async (open: readonly string[]): Promise<string[]> =>
    (await runProbes(it, { rules: true, open }))
      .filter((r) => !r.ok)
      .map((r) => r.probe.name)
      .sort();
  await nft(it, `${render(1e9)}delete table netdev weir_m`);
  assert.equal(await wrong([]), []);
  await unload(it);
  await nft(it, `${render(1e9)}delete table inet weir_p`);
  // The meter by itself stops strangers, and all talk with the router's tunnel address; where a session goes is not its business.
  const metered = ({ name, from, act }: Probe): boolean =>
    /^forged source|^router advertisement/.test(name) ||
    from === 'router' ||
    ('to' in act && [at.tunnel.v4, at.tunnel.v6].some((a) => a === act.to));
  const open = probes.filter((p) => p.want === 'blocked' && p.otherwise === undefined && !metered(p)).map((p) => p.name);
  assert.equal(await wrong(open), open.sort());
});

type Counter = { counter: { name: string; packets: number; bytes: number } };
async function counters(it: Ground): Promise<Map<string, { packets: number; bytes: number }>> {
  const shown = await it.in('router').run(['nft', '-j', 'list', 'counters', 'table', 'netdev', 'weir_m']);
  const { nftables } = JSON.parse(shown) as { nftables: (Counter | { metainfo: unknown })[] };
  return new Map(
    nftables.flatMap((o) => ('counter' in o ? [[o.counter.name, { packets: o.counter.packets, bytes: o.counter.bytes }]] : [])),
  );
}

const sizes = [
  { name: 'v4, small', to: at.internet.v4, header: 28, size: 40 },
  { name: 'v4, full', to: at.internet.v4, header: 28, size: 1392 },
  { name: 'v6, full', to: at.internet.v6, header: 48, size: 1372 },
];
for (const { name, to, header, size } of sizes) {
  ground(`counts datagrams exactly: ${name}`, async ({ it }) => {
    await nft(it, render(1e9));
    const flow = { to, port: 443, total: 500, size, perSecond: 1000 };
    assert.equal(await it.in('c').ask('udpSend', { ...flow, token: `up ${name}` }), { datagrams: 500, bytes: 500 * size });
    const got = await it.in('internet').ask('counted', { token: `up ${name}`, datagrams: 500, withinMs });
    assert.equal(got, { datagrams: 500, bytes: 500 * size });
    assert.equal((await counters(it)).get('c_u'), { packets: 500, bytes: 500 * (size + header) });
    const fetched = await it.in('c').ask('udpFetch', { ...flow, token: `down ${name}`, withinMs });
    assert.equal(fetched, { datagrams: 500, bytes: 500 * size });
    const after = await counters(it);
    assert.equal(after.get('c_d'), { packets: 500, bytes: 500 * (size + header) });
    // The order for them was one datagram of 128 bytes.
    assert.equal(after.get('c_u'), { packets: 501, bytes: 500 * (size + header) + 128 + header });
  });
}

ground('shows a TCP transfer stop at its quota', async ({ it }) => {
  const quota = 3_000_000;
  await nft(it, render(quota));
  const order = { token: 'stop', up: 20_000_000, down: 0, intervalMs: 100, withinMs: 2000 };
  const sent = await it.in('c').ask('tcpTransfer', { ...order, to: at.internet.v4, port: 443 });
  assert.is(sent.end, 'timeout');
  const served = await it.in('internet').ask('transferred', { token: 'stop', withinMs });
  const used = await counters(it);
  const counted = (used.get('c_u')?.bytes ?? 0) + (used.get('c_d')?.bytes ?? 0);
  assert.ok(counted <= quota && counted > quota - 65_536, `${counted} of ${quota} bytes passed`);
  assert.ok(served.received > quota * 0.8 && served.received < quota, `${served.received} bytes arrived`);
  const [before, last] = served.log.slice(-2);
  assert.is(before?.received, last?.received);
});

ground('carries a whole transfer both ways', async ({ it }) => {
  const order = { token: 'whole', up: 2_000_000, down: 3_000_000, intervalMs: 100, withinMs };
  const { log, ...ours } = await it.in('c').ask('tcpTransfer', { ...order, to: at.internet.v6, port: 443 });
  assert.equal(ours, { sent: 2_000_000, received: 3_000_000, end: 'complete' });
  assert.ok(log.length > 0);
  const { log: _, ...theirs } = await it.in('internet').ask('transferred', { token: 'whole', withinMs });
  assert.equal(theirs, { sent: 3_000_000, received: 2_000_000, end: 'complete' });
});

ground('floods with connects, flows and bare SYNs', async ({ it }) => {
  const to = at.internet.v4;
  assert.equal(await it.in('c').ask('tcpBurst', { to, port: 443, total: 100, withinMs }), { greeted: 100 });
  assert.equal(await it.in('c').ask('udpFlows', { to, port: 443, token: 'flows', total: 100, perSecond: 500 }), {
    datagrams: 100,
    bytes: 6400,
  });
  // A tunnel under load may lose one.
  const { datagrams } = await it.in('internet').ask('counted', { token: 'flows', datagrams: 100, withinMs });
  assert.ok(datagrams > 90 && datagrams <= 100, `${datagrams} arrived`);
  await it.in('internet').run(['nft', '-f', '-'], {
    input: `table inet t { counter answered { }
      chain o { type filter hook output priority 0; tcp flags & (syn|ack) == syn|ack tcp sport 443 counter name answered; }; }`,
  });
  const packets = Array.from({ length: 100 }, (_, i) => syn({ from: at.consumer(0).v4, fromPort: 20_000 + i, to, port: 443 }));
  assert.is(await it.in('c').ask('sendRaw', { link: 'wg0', to, packets }), null);
  // What follows the flood through the tunnel finds it delivered.
  assert.equal(await it.in('c').ask('tcpGreet', { to, port: 443, withinMs }), { by: 'internet' });
  const answered = /packets (\d+)/.exec(await it.in('internet').run(['nft', 'list', 'counter', 'inet', 't', 'answered']))?.[1];
  assert.ok(Number(answered) > 90 && Number(answered) <= 101, `${answered} were answered`);
});

ground('forgets a consumer and takes it back', async ({ it }) => {
  const echo = { to: at.internet.v4, port: 443 };
  await it.removePeer('d');
  assert.equal(await it.in('d').ask('udpEcho', { ...echo, token: 'gone', withinMs: 500 }), { why: 'timeout' });
  await it.addPeer('d');
  await it.connect('d');
  assert.equal(await it.in('d').ask('udpEcho', { ...echo, token: 'back', withinMs }), { by: 'internet' });
});

ground('reports what fails in a namespace', async ({ it }) => {
  const message = async (work: Promise<unknown>): Promise<string> => work.then(() => 'no error').catch(String);
  assert.match(
    await message(it.in('lan').run(['ip', 'link', 'show', 'weir0'])),
    'lan: ip link show weir0: 1: Device "weir0" does not exist.',
  );
  assert.match(await message(it.in('lan').run(['sleep', '9'], { withinMs: 50 })), 'still running after 50 ms');
  assert.match(await message(it.in('lan').ask('write', { path: '/nowhere/at/all', text: '' })), 'lan: Error: ENOENT');
  assert.is((await it.in('lan').attempt(['false'])).code, 1);
});

ground.run();

const variants = suite('kinds of ground');

async function withGround(options: Parameters<typeof createGround>[0], body: (it: Ground) => Promise<void>): Promise<void> {
  const it = await createGround(options);
  try {
    await body(it);
  } finally {
    await it.close();
  }
}

variants('a bare device, waiting for an enforcer', () =>
  withGround({ consumers: ['c'], tunnel: 'device' }, async (it) => {
    assert.is((await it.in('router').run(['wg', 'show', 'weir0', 'peers'])).trim(), '');
    assert.is((await it.in('router').run(['ls', '/var/run/wireguard'])).trim(), 'weir0.sock');
    assert.not.match(await it.in('router').run(['ip', 'address', 'show', 'weir0']), 'inet');
  }),
);

variants('no device at all', () =>
  withGround({ consumers: ['c'], tunnel: 'none' }, async (it) => {
    assert.is((await it.in('router').attempt(['ip', 'link', 'show', 'weir0'])).code, 1);
  }),
);

variants('without IPv6', () =>
  withGround({ consumers: ['c'], ipv6: false }, async (it) => {
    assert.is((await it.in('router').run(['ip', '-6', 'address'])).trim(), '');
    await it.in('internet').ask('serve', { name: 'internet', ports: [443] });
    assert.equal(await it.in('c').ask('tcpGreet', { to: at.internet.v4, port: 443, withinMs }), { by: 'internet' });
  }),
);

variants('two uplinks; IPv6 only for those who have an address of the provider', () =>
  withGround({ consumers: ['c'], secondUplink: true, sourceSpecific: true }, async (it) => {
    await it.in('internet').ask('serve', { name: 'internet', ports: [443] });
    const greet = (from: string, to: string, ms: number) => it.in(from).ask('tcpGreet', { to, port: 443, withinMs: ms });
    assert.equal(await greet('lan', at.internet.v6, withinMs), { by: 'internet' });
    assert.not.equal(await greet('c', at.internet.v6, 500), { by: 'internet' });
    await it.in('router').run(['ip', 'link', 'set', 'wan', 'down']);
    const before = await readLine(it, 'to-r2');
    assert.equal(await greet('lan', at.internet.v4, withinMs), { by: 'internet' });
    assert.ok((await readLine(it, 'to-r2')).up > before.up);
  }),
);

for (const singleSegments of [false, true]) {
  variants(`the provider counts ${singleSegments ? 'what a cable would carry' : 'merged segments'}`, () =>
    withGround({ consumers: ['c'], singleSegments }, async (it) => {
      await it.in('internet').ask('serve', { name: 'internet', ports: [443] });
      const before = await readLine(it);
      const order = { token: 't', up: 0, down: 1_000_000, intervalMs: 100, withinMs };
      assert.is((await it.in('lan').ask('tcpTransfer', { ...order, to: at.internet.v4, port: 443 })).end, 'complete');
      const down = Number((await readLine(it)).down - before.down);
      const leastOnCable = 1_000_000 + Math.ceil(1_000_000 / 1448) * 52;
      assert.is(down >= leastOnCable, singleSegments, `${down} bytes on the cable, at least ${leastOnCable} needed`);
    }),
  );
}

variants.run();

const cleanup = suite('cleaning up');

const links = ['weir0', 'wg0', 'wan', 'lan1', 'br-lan', 'to-r', 'to-i'];
const ofMachine = (): string[] => readdirSync('/sys/class/net').filter((link) => links.includes(link));

cleanup('closing leaves no process, and touches no link of the machine', async () => {
  const before = ofMachine();
  const it = await createGround({ consumers: ['c'] });
  const spaces = new Set(['router', 'lan', 'uplink', 'internet', 'c'].map((place) => spaceOf(it.in(place).pid)));
  assert.is(spaces.size, 5);
  assert.not(spaces.has(spaceOf(process.pid)));
  assert.equal(ofMachine(), before);
  const shell = it.in('lan').spawn(['sh', '-c', 'sleep 60 & echo started; wait']);
  await once(shell.stdout ?? shell, 'data');
  await it.close();
  assert.ok(await deserted(spaces), `still there: ${inhabitants(spaces).join(' ')}`);
  assert.equal(ofMachine(), before);
});

for (const signal of ['SIGINT', 'SIGKILL'] as const) {
  cleanup(`so does an owner ended by ${signal}`, async () => {
    const owner: ChildProcess = spawn(process.execPath, ['scripts/run.mjs', 'test/net/ground/leave.ts'], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const [line] = (await once(owner.stdout ?? owner, 'data')) as [Buffer];
    const spaces = new Set((JSON.parse(line.toString()) as number[]).map(spaceOf));
    assert.ok(inhabitants(spaces).length >= 7);
    owner.kill(signal);
    await once(owner, 'exit');
    assert.ok(await deserted(spaces), `still there: ${inhabitants(spaces).join(' ')}`);
    rmSync(`build/out/run/leave-${owner.pid}.mjs`, { force: true });
  });
}

cleanup.run();
