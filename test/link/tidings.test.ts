// What a node says of its own accord, over a real broker: whose it is, how it does, and how good its line is. The agent in a WebAssembly
// engine, the enforcer one of numbers.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Answer, Code, Enrolment } from '../../agent/core/enrol.ts';
import type { Result } from '../../agent/core/result.ts';
import type { Report } from '../../agent/core/telemetry.ts';
import { version } from '../../agent/core/version.ts';
import { host } from '../../agent/host/node.ts';
import * as base64 from '../../agent/wire/base64.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as enrol from '../../agent/wire/enrol.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as identity from '../../agent/wire/identity.ts';
import * as telemetry from '../../agent/wire/telemetry.ts';
import * as coordinators from '../fakes/coordinator.ts';
import * as enforcer from '../fakes/enforcer.ts';
import type { Guest } from '../fakes/guest.ts';
import * as house from '../fakes/house.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import * as seats from '../fakes/seats.ts';
import { type Talk, talk } from './conversation/talk.ts';

const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
const code = 'abcdefgh2345wxyzmnop' as Code;
const facts = {
  uplinks: [{ name: 'wan', up: true, speed: 100, addresses: [], hints: [], dns: [] }],
  board: { release: 'OpenWrt 24.10', kernel: '6.6.73' },
  load: { load: [42, 1, 1], memory: { total: 1000n, available: 600n } },
  temperatures: [51],
  writes: 7,
  troubles: [],
};

type Ground = Readonly<{
  h: house.House;
  one: coordinators.Coordinator;
  node: Talk;
  enrolments: Talk;
  agent: Guest;
  start(): Promise<Guest>;
}>;

async function within(more: string, work: (g: Ground) => Promise<void>, kind: 'wasm' | 'native' = 'wasm'): Promise<void> {
  const lines: string[] = [];
  const h = await house.open((_, line) => lines.push(line), {
    config: (broker, authority) =>
      `config node 'node'\n\toption id 'roof-1'\n${mosquitto.section(broker, kind === 'wasm' ? broker.name : '127.0.0.1', authority)}\n` +
      coordinators.section('one').replace(/\n$/, `\toption claim 'ABCD-efgh-2345-wxyz-mnop'\n\n${more}`),
  });
  let bus: Bus | null = null;
  let one: coordinators.Coordinator | null = null;
  try {
    bus = must(await ubus.open(host, { path: h.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
    await bus.publish(
      'weir.enforcer',
      enforcer.methods(
        bus,
        seats.seats(() => host.clock.monotonic()),
        facts,
      ),
    );
    const [node, enrolments] = [talk(host, h.broker), talk(host, h.broker)];
    for (const [t, topic] of [
      [node, 'telemetry'],
      [enrolments, 'enrol'],
    ] as const) {
      await t.connected();
      await t.subscribe(`weir/roof-1/${topic}`);
    }
    const start = async (): Promise<Guest> => {
      const agent = kind === 'wasm' ? await h.run('agent') : await h.runNative('agent');
      await agent.says(/published .*state/);
      return agent;
    };
    const agent = await start();
    one = await coordinators.open('one', h.broker, 'weir/roof-1');
    await work({ h, one, node, enrolments, agent, start });
    isSilent(lines, h);
  } finally {
    one?.close();
    bus?.close();
    await h.close();
  }
}

/** What nobody may read in a log: the broker's password, the code, the node's key. */
function isSilent(lines: readonly string[], { broker, socket }: house.House): void {
  const { secret } = must(identity.decode(readFileSync(join(dirname(socket), 'agent', 'key')), host));
  const said = lines.join('\n').toLowerCase();
  assert.ok(said.includes('link: connected'));
  for (const word of [broker.password, code, code.slice(4), 'efgh-2345', hexOf(secret), base64.encode(secret).toLowerCase()])
    assert.not.ok(said.includes(word), 'a secret is in the log');
}

const asked = async ({ enrolments }: Ground): Promise<Enrolment> =>
  must(enrol.readRequest(must(cose.decode((await enrolments.next()).payload)), host));
const answer = (
  g: Ground,
  to: Enrolment,
  said: Answer,
  more: Partial<{ by: coordinators.Keys; epoch: Enrolment['epoch'] }> = {},
): Promise<void> => {
  const body = { node: cose.keyIdOf(to.key, host), epoch: more.epoch ?? to.epoch, answer: said };
  return g.one.send('enrolled', coordinators.sign('enrolled', enrol.answered, body, (more.by ?? g.one).key));
};
async function status(g: Ground): Promise<string> {
  const ran = await g.h.run('cli', 'status');
  await ran.ended;
  return ran.printed();
}

const whose = suite('enrolment');
for (const kind of ['wasm', 'native'] as const)
  whose(`asks whose it is, believes its coordinator alone, and asks no more: ${kind}`, () =>
    within(
      '',
      async (g) => {
        const birth = await g.one.born();
        const request = await asked(g);
        assert.equal(request, {
          key: birth.key,
          epoch: birth.epoch,
          starts: 1,
          root: g.one.rootId,
          name: 'abcd',
          proof: enrol.proofOf(code, request, host),
        });
        const yes: Answer = { kind: 'enrolled' };
        // Not certified yet; then a stranger's; then one for another start.
        await answer(g, request, yes);
        await g.one.certify();
        await answer(g, request, yes, { by: coordinators.keysOf('stranger') });
        await answer(g, request, yes, { epoch: '0'.repeat(32) as Enrolment['epoch'] });
        // The orders of a coordinator are obeyed whether it has taken the node or not; the reply says that what came before was read.
        await g.one.order({ kind: 'list', after: null });
        assert.match(await status(g), `enrolled: ${g.one.rootId}: asked 1 times`);
        await answer(g, request, yes);
        assert.is(await g.agent.says(/^enrol: /), `enrol: enrolled by ${g.one.rootId}`);
        assert.match(await status(g), `enrolled: ${g.one.rootId}: enrolled`);
        g.agent.signal('SIGTERM');
        await g.agent.ended;
        await g.start();
        assert.match(await status(g), `enrolled: ${g.one.rootId}: enrolled`);
      },
      kind,
    ),
  );
whose('refused, it says why, and asks again with its next start', () =>
  within('', async (g) => {
    await g.one.born();
    await g.one.certify();
    await answer(g, await asked(g), { kind: 'refused', code: 'denied', path: 'code', reason: 'was used by another router' });
    assert.is(await g.agent.says(/^enrol: /), `enrol: refused by ${g.one.rootId}: code: was used by another router (denied)`);
    assert.match(await status(g), 'refused: code: was used by another router (denied)');
    g.agent.signal('SIGTERM');
    await g.agent.ended;
    await g.start();
    assert.is((await asked(g)).starts, 2);
  }),
);
whose.run();

const report = async ({ node }: Ground): Promise<Report> => must(telemetry.report.read(must(cbor.decode((await node.next()).payload))));
async function weir(g: Ground, ...args: string[]): Promise<string> {
  const ran = await g.h.run('cli', ...args);
  assert.equal(await ran.ended, { ok: true, value: 0 });
  return ran.printed();
}

const how = suite('telemetry');
how('is told, shown to the owner as it was sent, and left out where the owner says so', async () => {
  const echo = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => echo.once('listening', resolve));
  const bound = echo.address();
  const port = typeof bound === 'object' && bound !== null ? bound.port : 0;
  const probe = `config probe 'near'\n\toption kind 'tcp_connect'\n\toption host '127.0.0.1'\n\toption port '${port}'\n\toption period '10'\n`;
  try {
    await within(`config telemetry 'telemetry'\n\toption period '10'\n\tlist leave_out 'sharing'\n\n${probe}`, async (g) => {
      assert.match(await weir(g, 'telemetry'), /^nothing was sent yet; nothing waits\n$/);
      const first = await report(g);
      const { latency, probes: _, writes, written, temperature, ...values } = first.values;
      assert.equal(
        [first.isWhole, values],
        [
          true,
          {
            version,
            release: 'OpenWrt 24.10',
            kernel: '6.6.73',
            load: 42,
            memory: 400,
            boot: 0,
            uplink: 1,
            speed: 100,
            clock: 0,
            troubles: 0,
          },
        ],
      );
      assert.equal([temperature, Number(writes) > 0, Number(written) > 0], [51, true, true]);
      const shown = JSON.parse(await weir(g, 'telemetry', '--json'));
      assert.equal([shown.at, shown.span, shown.values], [first.at, first.span, first.values]);
      const second = await report(g);
      assert.equal(
        [second.isWhole, second.at - second.span, second.values.version, second.values.ledger],
        [false, first.at, undefined, undefined],
      );
      const both = [first, second].map((r) => r.values);
      // As many askings as fell into either span, each whole.
      const probes = both.map((v) => Number(v.probes ?? 0));
      assert.ok(probes.some((n) => n > 0) && probes.every((n) => n % 5 === 0), probes.join());
      assert.ok(both.every((v) => v.lost === undefined));
      assert.ok(Number(second.values.latency) < 1000);
      const human = await weir(g, 'telemetry');
      assert.match(human, /^sent \d+ s ago, of \d+ s; nothing waits\nload +42 {2}hundredths\n/);
    });
  } finally {
    echo.close();
  }
});
how('waits for a broker, and what was counted meanwhile is not lost', () =>
  within("config telemetry 'telemetry'\n\toption period '10'\n", async (g) => {
    // The broker stores who listens, and what comes before he is back: the agent may be first.
    const listener = { clientId: 'listener', session: seconds(600) };
    const before = talk(host, g.h.broker, listener);
    await before.connected();
    await before.subscribe('weir/roof-1/telemetry');
    const first = await report({ ...g, node: before });
    await g.h.broker.end();
    await g.agent.says(/goes on in/);
    for (let waiting = 0; waiting === 0; ) waiting = JSON.parse(await weir(g, 'telemetry', '--json')).waiting;
    await g.h.broker.restart();
    const after = talk(host, g.h.broker, listener);
    assert.is(await after.connected(), true);
    await g.agent.says(/connected to/, 2);
    let next = await report({ ...g, node: after });
    // What was said and not confirmed is said again.
    while (next.at === first.at) next = await report({ ...g, node: after });
    assert.equal([next.isWhole, next.at - next.span], [false, first.at]);
  }),
);
how.run();
