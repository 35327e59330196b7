import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import type { Message } from '../../agent/ports/link.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import type { Guest } from '../fakes/guest.ts';
import * as house from '../fakes/house.ts';
import { fields } from '../fakes/plain.ts';
import { type Talk, talk } from './conversation/talk.ts';

const read = ({ topic, payload, retain }: Message): unknown => {
  const value = cbor.decode(payload);
  assert.ok(value.ok, `${topic}: deterministic CBOR`);
  return [topic, retain, value.ok && value.value];
};
const state = (retain: boolean, here: 0 | 1): unknown => ['weir/roof-1/state', retain, new Map([[1, here]])];

async function watch(h: house.House): Promise<Talk> {
  const t = talk(host, h.broker);
  await t.connected();
  await t.subscribe('weir/#');
  return t;
}

async function within(work: (h: house.House) => Promise<void>, config?: string): Promise<void> {
  const h = await house.open(undefined, config === undefined ? {} : { config });
  try {
    await work(h);
  } finally {
    await h.close();
  }
}

async function both(h: house.House): Promise<{ enforcer: Guest; agent: Guest }> {
  const enforcer = await h.run('enforcer');
  await enforcer.says(/weir\.enforcer is there/);
  const agent = await h.run('agent');
  return { enforcer, agent };
}

const life = suite('an agent');

life('is born, and says good-bye on SIGTERM', () =>
  within(async (h) => {
    const watcher = await watch(h);
    const { agent } = await both(h);
    const [, retained, birth] = read(await watcher.next()) as [string, boolean, Map<number, unknown>];
    assert.is(retained, false);
    assert.equal([...birth.keys()], [1, 2, 3, 4, 5, 6]);
    assert.equal([birth.get(1), birth.get(2), birth.get(4), birth.get(5)], [1, 'roof-1', 'wasm', host.clock.bootId()]);
    assert.equal(read(await watcher.next()), state(false, 1));
    const late = await watch(h);
    assert.equal(
      [read(await late.next()), read(await late.next())].map((m) => (m as unknown[])[1]),
      [true, true],
    );
    const status = await h.run('cli', 'status');
    assert.equal(await status.ended, { ok: true, value: 0 });
    assert.match(
      status.printed(),
      /^enforcer: settings: in order\nenforcer: shares nothing: weir\.share\.accepted: .*\nagent: link: connected\nagent: node: roof-1\nagent: broker: broker\.test:\d+\nagent: for: \d+ s\nagent: clock: unknown\nagent: key_saved: no\nagent: starts: 1\nagent: writes: 1\n/,
    );
    agent.signal('SIGTERM');
    assert.equal(await agent.ended, { ok: true, value: 0 });
    assert.equal(read(await watcher.next()), state(false, 0));
    assert.not.match(agent.lines.join('\n'), h.broker.password);
  }),
);

life('leaves a will when it is killed', () =>
  within(async (h) => {
    const { agent } = await both(h);
    await agent.says(/published .*state/);
    const watcher = await watch(h);
    await watcher.next();
    assert.equal(read(await watcher.next()), state(true, 1));
    agent.stop();
    assert.equal(read(await watcher.next()), state(false, 0));
  }),
);

life('comes back to a broker that was killed', () =>
  within(async (h) => {
    const { agent } = await both(h);
    await agent.says(/published .*state/);
    await h.broker.kill();
    await agent.says(/goes on in/);
    await h.broker.restart();
    const watcher = await watch(h);
    assert.is((read(await watcher.next()) as unknown[])[0], 'weir/roof-1/birth');
    assert.equal(read(await watcher.next()), state(false, 1));
  }),
);

life('tells who asked on the bus that its link comes and goes', () =>
  within(async (h) => {
    const { agent } = await both(h);
    await agent.says(/published .*state/);
    const opened = await ubus.open(host, { path: h.socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined });
    assert.ok(opened.ok);
    if (!opened.ok) return;
    const told: unknown[] = [];
    let twice = (): void => undefined;
    const heardBoth = new Promise<void>((resolve) => {
      twice = resolve;
    });
    const joined = await opened.value.subscribe('weir', {
      notified(event, body) {
        told.push([event, fields(body)]);
        if (told.length === 2) twice();
      },
      gone: () => undefined,
    });
    assert.ok(joined.ok);
    await h.broker.kill();
    await h.broker.restart();
    await heardBoth;
    const broker = `${h.broker.name}:${h.broker.tlsPort}`;
    assert.equal(told, [
      ['link', { link: 'down', broker }],
      ['link', { link: 'up', broker }],
    ]);
    opened.value.close();
  }),
);

life('waits for an enforcer that comes later', () =>
  within(async (h) => {
    const agent = await h.run('agent');
    assert.match(await agent.says(/weir\.enforcer/), 'missing');
    await h.run('enforcer');
    await agent.says(/published .*birth/);
  }),
);

life('ends when the bus is lost; the enforcer goes back', () =>
  within(async (h) => {
    const { enforcer, agent } = await both(h);
    await agent.says(/published .*birth/);
    await h.cutBus();
    assert.equal(await agent.ended, { ok: true, value: 1 });
    await agent.says(/^bus: lost/);
    await enforcer.says(/^bus: lost/);
    const alone = await h.run('cli', 'status');
    assert.equal(await alone.ended, { ok: true, value: 1 });
    await alone.says(/^the bus is not there/);
    await h.restoreBus();
    await enforcer.says(/^bus: back/);
    const next = await h.run('agent');
    await next.says(/published .*birth/);
  }),
);
life.run();

const broken =
  "config node 'node'\n\toption id 'a/b'\n\nconfig broker 'broker'\n\toption host 'b'\n\toption password 'hunter2'\n\toption port '0'\n";

const trouble = suite('an agent with wrong settings');
const faults = ['weir.node.id: set it to', 'weir.broker.port: set it to a port, 1 to 65535'];
trouble('says what to mend, and never a secret', () =>
  within(async (h) => {
    const { agent } = await both(h);
    await agent.says(/goes on in/);
    const status = await h.run('cli', 'status');
    assert.equal(await status.ended, { ok: true, value: 1 });
    for (const said of [agent.lines.join('\n'), status.printed()]) {
      for (const fault of faults) assert.match(said, fault);
      assert.not.match(said, 'hunter2');
    }
    assert.match(status.printed(), /agent: link: (asking|resting)/);
  }, broken),
);
trouble.run();

const cli = suite('weir');
const commands: readonly (readonly [args: readonly string[], status: number, printed: RegExp, logged: RegExp])[] = [
  [['--help'], 0, /^usage: weir COMMAND/, /^$/],
  [[], 0, /^usage: weir COMMAND/, /^$/],
  [['version'], 0, /^\d+\.\d+\.\d+\n$/, /^$/],
  [['status'], 1, /^enforcer: is not running\nagent: is not running\n$/, /^$/],
  [['reboot', 'now'], 2, /^$/, /^weir: no such command: reboot now\nusage/],
  [['version', 'please'], 2, /^$/, /^weir: no such command/],
];
cli('answers', () =>
  within(async (h) => {
    for (const [args, status, printed, logged] of commands) {
      const run = await h.run('cli', ...args);
      assert.equal(await run.ended, { ok: true, value: status }, args.join(' '));
      assert.match(run.printed(), printed);
      assert.match(run.lines.join('\n'), logged);
    }
  }),
);
cli.run();
