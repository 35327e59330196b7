import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import type { Birth } from '../../agent/core/birth.ts';
import { millis } from '../../agent/core/brand.ts';
import { bootOf } from '../../agent/core/signed.ts';
import { host } from '../../agent/host/node.ts';
import type { Message } from '../../agent/ports/link.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as messages from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import type { Guest } from '../fakes/guest.ts';
import * as house from '../fakes/house.ts';
import { fields } from '../fakes/plain.ts';
import { type Talk, talk } from './conversation/talk.ts';

/** A state without the nonce of its epoch. */
const read = ({ topic, payload, retain }: Message): unknown => {
  const value = cbor.decode(payload);
  assert.ok(value.ok, `${topic}: deterministic CBOR`);
  const told = value.ok ? messages.state.read(value.value) : value;
  assert.ok(told.ok, `${topic}: a state`);
  return [topic, retain, told.ok && told.value.isHere, told.ok && told.value.birth];
};
const state = (retain: boolean, is: 'here' | 'gone', birth = 1): unknown => ['weir/roof-1/state', retain, is, birth];
/** A birth whose signature holds. */
function born({ topic, payload, retain }: Message): Birth & Readonly<{ isRetained: boolean }> {
  assert.is(topic, 'weir/roof-1/birth');
  const signed = cose.decode(payload);
  const birth = signed.ok ? messages.readBirth(signed.value, host) : signed;
  if (!birth.ok) throw new Error(birth.fault.reason);
  return { ...birth.value, isRetained: retain };
}

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
    const { isRetained, starts, sequence, boot, ...birth } = born(await watcher.next());
    assert.equal([isRetained, starts, sequence, boot, birth.host], [false, 1, 1, bootOf(host.clock.bootId()), 'wasm']);
    assert.equal(read(await watcher.next()), state(false, 'here'));
    const late = await watch(h);
    assert.equal(born(await late.next()).isRetained, true);
    assert.equal(read(await late.next()), state(true, 'here'));
    const status = await h.run('cli', 'status');
    assert.equal(await status.ended, { ok: true, value: 0 });
    assert.match(
      status.printed(),
      /^enforcer: settings: in order\nenforcer: shares nothing: weir\.share\.accepted: .*\nagent: link: connected\nagent: node: roof-1\nagent: broker: broker\.test:\d+\nagent: for: \d+ s\nagent: clock: unknown\nagent: key_saved: no\nagent: starts: 1\nagent: writes: 1\n/,
    );
    agent.signal('SIGTERM');
    assert.equal(await agent.ended, { ok: true, value: 0 });
    assert.equal(read(await watcher.next()), state(false, 'gone'));
    assert.not.match(agent.lines.join('\n'), h.broker.password);
  }),
);

life('leaves a will when it is killed', () =>
  within(async (h) => {
    const { agent } = await both(h);
    await agent.says(/published .*state/);
    const watcher = await watch(h);
    await watcher.next();
    assert.equal(read(await watcher.next()), state(true, 'here'));
    agent.stop();
    assert.equal(read(await watcher.next()), state(false, 'gone'));
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
    assert.is(born(await watcher.next()).sequence, 2);
    const told = await watcher.next();
    // It may be back before who watches is, and the broker has kept what it said.
    assert.equal(read(told), state(told.retain, 'here', 2));
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
  [['version', '--help'], 0, /^usage: weir COMMAND/, /^$/],
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
