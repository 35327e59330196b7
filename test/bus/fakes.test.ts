// The fakes of rpcd, netifd and procd behind the fake ubusd, and, where the real ones are on PATH, those too: one set of stories for both.

import { isDeepStrictEqual } from 'node:util';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as bareUbus from '../fakes/bare-ubus.ts';
import type { Answer } from '../fakes/object.ts';
import type { Fields, Plain } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';
import { type Ground, grounds } from './router-ground.ts';
import { configs, type Step, stories } from './router-stories.ts';

type Told = 'network.interface' | 'interfaces' | 'service';
/** Enough for a trigger's second and a rollback's, on a slow machine. */
const patience = 300;

const fill = (value: Plain, sessions: ReadonlyMap<string, string>): Plain => {
  if (typeof value === 'string') return value.startsWith('$') ? (sessions.get(value.slice(1)) ?? value) : value;
  if (plain.isTable(value)) return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, fill(v, sessions)]));
  return Array.isArray(value) ? value.map((v: Plain) => fill(v, sessions)) : value;
};
const part = (whole: Fields, of: Fields): Fields => Object.fromEntries(Object.keys(of).map((name) => [name, whole[name] ?? '(not there)']));

function tell(ground: Ground, bus: bareUbus.BareUbus): void {
  const test = suite(ground.title);
  const heard: Record<Told, string[]> = { 'network.interface': [], interfaces: [], service: [] };
  const last = new Map<Told, string>();
  const note = (to: Told, ...what: Plain[]): void => {
    const line = what.join(' ');
    if (last.get(to) !== line) heard[to].push(line);
    last.set(to, line);
  };

  test.before(async () => {
    for (const name of ['lan', 'wan']) await wait({ until: `network.interface.${name} status`, some: { up: true } }, new Map());
    await bus.listen('network.interface', (told) => {
      const { action, interface: name } = plain.fields(told.body);
      note('network.interface', action ?? null, name ?? null);
    });
    await bus.subscribe('network.interface', ({ event, body }) => {
      const { interface: name, updated } = plain.fields(body);
      note('interfaces', event, name ?? null, ...(Array.isArray(updated) ? updated : []));
    });
    await bus.subscribe('service', ({ event, body }) => {
      const { type, config, service } = plain.fields(body);
      note('service', event, type ?? config ?? service ?? null);
    });
  });
  test.after(async () => {
    bus.close();
    await ground.stop();
  });

  async function ask(call: string, args: Fields | undefined, sessions: ReadonlyMap<string, string>): Promise<Answer> {
    const [path = '', method = ''] = call.split(' ');
    return bus.call(path, method, plain.table(fill(args ?? {}, sessions) as Fields));
  }

  async function wait(step: Extract<Step, { until: string }>, sessions: ReadonlyMap<string, string>): Promise<void> {
    let last: unknown;
    for (let n = 0; n < patience; n += 1) {
      const { status, data } = await ask(step.until, step.with, sessions);
      const have = plain.fields(data[0] ?? []);
      last = { status, some: part(have, step.some ?? {}) };
      if (status === (step.status ?? 0) && isDeepStrictEqual(part(have, step.some ?? {}), step.some ?? {})) return;
      await ground.pass();
    }
    assert.equal(last, { status: step.status ?? 0, some: step.some ?? {} }, step.until);
  }

  async function take(step: Step, sessions: Map<string, string>): Promise<void> {
    if ('call' in step) {
      const { status, data } = await ask(step.call, step.with, sessions);
      const have = data.map(plain.fields);
      assert.is(status, step.status ?? 0, 'status');
      if (step.get !== undefined) assert.equal(have, step.get === null ? [] : [fill(step.get, sessions)]);
      if (step.some !== undefined) assert.equal(part(have[0] ?? {}, step.some), fill(step.some, sessions));
      if (step.has !== undefined)
        assert.equal(
          step.has.filter((name) => !(name in (have[0] ?? {}))),
          [],
        );
      if (step.keep !== undefined) sessions.set(step.keep, `${have[0]?.['ubus_rpc_session']}`);
    } else if ('until' in step) await wait(step, sessions);
    else if ('file' in step) assert.is(ground.read(step.file), step.is);
    else if ('device' in step) ground.device(step.device, step.there);
    else {
      for (let n = 0; n < patience && heard[step.told].length < step.is.length; n += 1) await ground.pass();
      assert.equal(heard[step.told].splice(0), step.is);
    }
  }

  for (const story of stories) {
    test(story.name, async () => {
      const sessions = new Map<string, string>();
      for (const heardOf of Object.values(heard)) heardOf.length = 0;
      for (const [n, step] of story.steps.entries()) {
        try {
          await take(step, sessions);
        } catch (error) {
          if (error instanceof Error)
            error.message = `row ${n + 1}, ${JSON.stringify(step, (_, v) => (typeof v === 'bigint' ? `${v}n` : v))}: ${error.message}`;
          throw error;
        }
      }
    });
  }
  test.run();
}

const ready = await Promise.all((await grounds(configs)).map(async (ground) => ({ ground, bus: await bareUbus.open(ground.socket) })));
// All at once: uvu runs one after the other only what is there when it begins.
for (const { ground, bus } of ready) tell(ground, bus);
