// procd on the bus: `service`, as far as configs, triggers and firewall data go (no process is ever started), and `system` board and info.

import { millis } from '../../agent/core/brand.ts';
import type { Clock, Timer } from '../../agent/ports/host.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import type { FakeObject, Outlet } from './object.ts';
import { answer, done, elements, entries, reply, status, text } from './object.ts';
import type { Fields } from './plain.ts';
import * as plain from './plain.ts';

type Instance = { data: Table };
type Service = { data: Table; instances: Map<string, Instance>; triggers: readonly Trigger[]; autostart: boolean };
type Trigger = Readonly<{ type: string; rule: Value; delay: number }>;

export type Services = Readonly<{
  object: FakeObject;
  /** What `service event` does, also for rpcd, which calls it after a commit. */
  event(type: string, data: Table): void;
}>;

/** `run` is what a trigger starts, an init script with its action; until then procd waits whether the same is asked for again. */
export function services(clock: Pick<Clock, 'after'>, outlet: Outlet, run: (argv: readonly string[]) => void): Services {
  const all = new Map<string, Service>();
  const waiting = new Map<string, Timer>();

  const event = (type: string, data: Table): void => {
    trigger(type, data);
    outlet.notify('service', 'event.trigger', [
      { name: 'type', value: blobmsg.string(type) },
      { name: 'data', value: blobmsg.nested(data) },
    ]);
    const config = text(data.find((f) => f.name === 'package')?.value);
    if (type === 'config.change' && config !== undefined) outlet.notify('service', 'config.change', plain.table({ config }));
  };

  function trigger(type: string, data: Table): void {
    for (const service of all.values()) {
      for (const t of service.triggers) {
        const isPrefix = t.type.endsWith('.*');
        if (isPrefix ? !type.startsWith(t.type.slice(0, -2)) : type !== t.type) continue;
        for (const argv of commands(t.rule, data)) {
          const key = argv.join(' ');
          waiting.get(key)?.cancel();
          const fire = (): void => {
            waiting.delete(key);
            run(argv);
          };
          waiting.set(key, clock.after(millis(t.delay), fire));
        }
      }
    }
  }

  function setData(service: Service, data: Table): void {
    if (JSON.stringify(plain.fields(data)) === JSON.stringify(plain.fields(service.data))) return;
    const changed = [...service.data, ...data].map((f) => f.name);
    service.data = data;
    for (const name of changed) trigger('service.data.update', plain.table({ name }));
  }

  const set: FakeObject['methods'][string] = {
    takes: { name: 'string', script: 'string', instances: 'table', triggers: 'array', validate: 'array', autostart: 'int8', data: 'table' },
    run: (args) => {
      const name = text(args['name']);
      if (name === undefined) return answer(status.invalid);
      const known = all.get(name);
      const service: Service = known ?? { data: [], instances: new Map(), triggers: [], autostart: true };
      all.set(name, service);
      if (args['autostart']?.kind === 'int8') service.autostart = args['autostart'].value !== 0;
      if (args['triggers'] !== undefined) service.triggers = elements(args['triggers']).flatMap(parseTrigger);
      if (args['instances'] !== undefined)
        service.instances = new Map(entries(args['instances']).map((f) => [f.name, { data: inner(f.value, 'data') }]));
      if (args['data'] !== undefined) setData(service, entries(args['data']));
      if (known === undefined) outlet.notify('service', 'service.start', plain.table({ service: name }));
      return done;
    },
  };

  const object: FakeObject = {
    path: 'service',
    methods: {
      set,
      list: {
        takes: { name: 'string', verbose: 'int8' },
        run: (args) => {
          const name = text(args['name']);
          const asked = [...all].filter(([n]) => name === undefined || n === name).sort(([a], [b]) => (a < b ? -1 : 1));
          return reply(Object.fromEntries(asked.map(([n, s]) => [n, dump(s)])));
        },
      },
      delete: {
        takes: { name: 'string', instance: 'string' },
        run: (args) => {
          const name = text(args['name']);
          const instance = text(args['instance']);
          const service = name === undefined ? undefined : all.get(name);
          if (name === undefined || service === undefined) return answer(status.notFound);
          if (instance !== undefined) return answer(service.instances.delete(instance) ? status.ok : status.notFound);
          all.delete(name);
          outlet.notify('service', 'service.stop', plain.table({ service: name }));
          return done;
        },
      },
      event: {
        takes: { type: 'string', data: 'table' },
        run: (args) => {
          const type = text(args['type']);
          if (type === undefined || args['data'] === undefined) return answer(status.invalid);
          event(type, entries(args['data']));
          return done;
        },
      },
      get_data: {
        takes: { name: 'string', instance: 'string', type: 'string' },
        run: (args) => {
          const [name, instance, type] = [text(args['name']), text(args['instance']), text(args['type'])];
          const pick = (data: Table): Fields => plain.fields(data.filter((f) => type === undefined || f.name === type));
          const out = [...all]
            .filter(([n]) => name === undefined || n === name)
            .map(([n, s]): [string, Fields] => {
              const parts = [...s.instances]
                .filter(([i]) => instance === undefined || i === instance)
                .map(([i, x]) => [i, pick(x.data)] as const);
              return [n, Object.fromEntries([['*', pick(s.data)] as const, ...parts].filter(([, d]) => Object.keys(d).length > 0))];
            })
            .filter(([, found]) => Object.keys(found).length > 0);
          return reply(Object.fromEntries(out));
        },
      },
      set_data: {
        takes: { name: 'string', instance: 'string', data: 'table' },
        run: (args) => {
          const [name, instance] = [text(args['name']), text(args['instance'])];
          if (name === undefined || args['data'] === undefined) return answer(status.invalid);
          const service = all.get(name);
          if (service === undefined) return answer(status.notFound);
          if (instance === undefined) setData(service, entries(args['data']));
          else if (service.instances.has(instance)) service.instances.set(instance, { data: entries(args['data']) });
          else return answer(status.notFound);
          return done;
        },
      },
    },
  };
  return { object, event };
}

const dump = (s: Service): Fields => ({
  ...(s.autostart ? {} : { autostart: false }),
  ...(s.data.length > 0 ? { data: plain.fields(s.data) } : {}),
  ...(s.instances.size > 0
    ? { instances: Object.fromEntries([...s.instances].map(([n, i]) => [n, { running: true, data: plain.fields(i.data) }])) }
    : {}),
});

const inner = (v: Value, name: string): Table => entries(entries(v).find((f) => f.name === name)?.value);

function parseTrigger(v: Value): Trigger[] {
  const [type, rule, delay] = elements(v);
  const name = text(type);
  if (name === undefined || rule?.kind !== 'array') return [];
  return [{ type: name, rule, delay: delay?.kind === 'int32' ? delay.value : 0 }];
}

// Of procd's json_script the words that init scripts use: if, eq, and run_script.
function commands(rule: Value, data: Table): string[][] {
  const [verb, ...rest] = elements(rule);
  switch (text(verb)) {
    case undefined:
      return elements(rule).flatMap((r) => commands(r, data));
    case 'if': {
      const [condition, then] = rest;
      return condition !== undefined && then !== undefined && holds(condition, data) ? commands(then, data) : [];
    }
    case 'run_script':
      return [rest.flatMap((v) => text(v) ?? [])];
    default:
      throw new Error(`the fake procd does not know the rule ${text(verb)}`);
  }
}

function holds(condition: Value, data: Table): boolean {
  const [verb, name, ...values] = elements(condition).map(text);
  if (verb !== 'eq') throw new Error(`the fake procd does not know the condition ${verb}`);
  const have = text(data.find((f) => f.name === name)?.value);
  return have !== undefined && values.includes(have);
}

export type Board = Readonly<{ kernel: string; hostname: string; system: string; model: string; board_name: string; release: Fields }>;

export const system = (board: Board, clock: Pick<Clock, 'wall' | 'monotonic'>): FakeObject => ({
  path: 'system',
  methods: {
    board: { takes: {}, run: () => reply(board) },
    // As far as who calls it is told.
    reboot: { takes: {}, run: () => done },
    info: {
      takes: {},
      run: () =>
        reply({
          localtime: Math.floor(clock.wall() / 1000),
          uptime: Math.floor(clock.monotonic() / 1000),
          // 16.16 fixed point
          load: [6553, 3276, 1638],
          memory: {
            total: 128n << 20n,
            free: 64n << 20n,
            shared: 1n << 20n,
            buffered: 4n << 20n,
            available: 80n << 20n,
            cached: 16n << 20n,
          },
          root: { total: 8192, free: 4096, used: 4096, avail: 4096 },
          tmp: { total: 62_464, free: 60_000, used: 2464, avail: 60_000 },
          swap: { total: 0n, free: 0n },
        }),
    },
  },
});
