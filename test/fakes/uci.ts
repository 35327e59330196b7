// rpcd's `uci` object, its status codes included: configs in memory, a delta for the command line and everybody without a session, one
// for each session, and the rollback of LuCI's "Save & Apply". The quirks are rpcd's own; fakes.test.ts holds both to one table.

import { millis } from '../../agent/core/brand.ts';
import type { Clock, Timer } from '../../agent/ports/host.ts';
import type { Table, Value } from '../../agent/wire/blobmsg.ts';
import type { Answer, Args, FakeObject } from './object.ts';
import { answer, done, elements, entries, reply, status, text } from './object.ts';
import type { Fields, Plain } from './plain.ts';
import type { Sessions } from './rpcd-session.ts';
import * as uciFile from './uci-file.ts';

type Package = uciFile.Package;
type Section = uciFile.Section;
type Change = uciFile.Change;
type Deltas = Map<string, Change[]>;
type Stage = (c: Change) => void;
/** Which delta: of which config, in which session. */
type At = Readonly<{ config: string; sid: string }>;
type Pending = { sid: string; timer: Timer; files: Map<string, string>; deltas: Deltas };

export type Uci = Readonly<{
  object: FakeObject;
  /** The configs as they stand in /etc/config. */
  files: Map<string, string>;
  /** A config without anybody's staged changes; null when there is no readable one. */
  read(config: string): Package | null;
}>;

/** Where changes without a session are staged: the command line's /tmp/.uci. */
const shared = '';
const applySeconds = 60;

export function uci(
  files: Map<string, string>,
  sessions: Sessions,
  clock: Pick<Clock, 'after'>,
  /** rpcd calls `service event` after every commit, also after one that changed nothing. */
  committed: (config: string) => void,
): Uci {
  const staged = new Map<string, Deltas>();
  let pending: Pending | null = null;

  sessions.onDestroy((sid) => staged.delete(sid));

  const deltasOf = (sid: string): Deltas => {
    const have = staged.get(sid) ?? new Map<string, Change[]>();
    staged.set(sid, have);
    return have;
  };
  const deltaOf = (sid: string, config: string): Change[] => {
    const deltas = deltasOf(sid);
    const have = deltas.get(config) ?? [];
    deltas.set(config, have);
    return have;
  };

  const load = (config: string, delta: readonly Change[]): Package | number => {
    const file = files.get(config);
    if (file === undefined) return status.notFound;
    const parsed = uciFile.parse(file);
    if (!parsed.ok) return status.unknown;
    for (const c of delta) uciFile.apply(parsed.value, c);
    return parsed.value;
  };

  function commit(sid: string, config: string): number {
    const delta = deltaOf(sid, config);
    const p = load(config, delta);
    if (typeof p === 'number') return p;
    if (delta.length > 0) files.set(config, uciFile.render(p));
    deltasOf(sid).delete(config);
    committed(config);
    return status.ok;
  }

  function rollBack(was: Pending): void {
    const alive = mayApply(was.sid, [...was.files.keys()]) === status.ok;
    pending = null;
    was.timer.cancel();
    for (const [config, file] of was.files) {
      files.set(config, file);
      committed(config);
    }
    if (alive) for (const [config, delta] of was.deltas) deltasOf(was.sid).set(config, delta);
  }

  const mayApply = (sid: string, configs: readonly string[]): number => {
    if (configs.length === 0) return status.noData;
    return configs.every((c) => sessions.allows(sid, 'uci', c, 'write')) ? status.ok : status.denied;
  };

  /** Hands over the config with the caller's delta replayed; what `then` stages is kept when it answers 0. */
  function within(args: Args, right: 'read' | 'write', wellFormed: boolean, then: (p: Package, stage: Stage, at: At) => Answer): Answer {
    const config = text(args['config']);
    const sid = text(args['ubus_rpc_session']);
    if (config === undefined) return answer(status.invalid);
    if (sid !== undefined && !sessions.allows(sid, 'uci', config, right)) return answer(status.denied);
    if (!wellFormed) return answer(status.invalid);
    const delta = deltaOf(sid ?? shared, config);
    const p = load(config, delta);
    if (typeof p === 'number') return answer(p);
    const made: Change[] = [];
    const stage: Stage = (c) => {
      uciFile.apply(p, c);
      made.push(c);
    };
    const given = then(p, stage, { config, sid: sid ?? shared });
    if (given.status === status.ok) delta.push(...made);
    return given;
  }

  const object: FakeObject = {
    path: 'uci',
    methods: {
      configs: { takes: {}, run: () => reply({ configs: [...files.keys()].sort() }) },
      get: {
        takes: { ...of, section: 'string', option: 'string', type: 'string', match: 'table' },
        run: (args) =>
          within(args, 'read', true, (p) => {
            const name = text(args['section']);
            const option = text(args['option']);
            if (name === undefined) return reply({ values: dumpAll(p, args) });
            // rpcd answers 0 and nothing for what is not there.
            const section = lookup(p, name);
            if (section === undefined) return done;
            if (option === undefined) return reply({ values: dump(section) });
            const value = section.options.get(option);
            return value === undefined ? done : reply({ value });
          }),
      },
      add: {
        takes: { ...of, type: 'string', name: 'string', values: 'table' },
        run: (args) => {
          const type = text(args['type']);
          const name = text(args['name']);
          if (type === undefined) return answer(status.invalid);
          const wellFormed = isType(type) && (name === undefined || uciFile.isName(name));
          return within(args, 'write', wellFormed, (p, stage) => {
            const section = name ?? uciFile.anonymousName(p, type);
            if (uciFile.find(p, section)?.type !== type) stage({ verb: name === undefined ? 'add' : 'set', section, value: type });
            for (const { name: option, value } of entries(args['values'])) {
              const items = value.kind === 'array' ? elements(value) : [value];
              const values = items.flatMap((v) => format(v) ?? []);
              if (!uciFile.isName(option) || values.length < items.length) return answer(status.invalid);
              for (const v of values) {
                if (value.kind === 'array') stage({ verb: 'list-add', section, option, value: v });
                else setOption(p, section, option, v, stage);
              }
            }
            return reply({ section });
          });
        },
      },
      set: {
        takes: { ...of, section: 'string', type: 'string', match: 'table', values: 'table' },
        run: (args) => {
          if (args['values'] === undefined || !selects(args)) return answer(status.invalid);
          return within(args, 'write', isSection(args['section']), (p, stage) => {
            const values = entries(args['values']);
            const sections = selected(p, args);
            if (sections.length === 0 || values.length === 0) return answer(status.notFound);
            const failed = sections.flatMap((s) => values.map((v) => setValue(p, s.name, v.name, v.value, stage))).findLast((s) => s !== 0);
            return failed === undefined ? done : answer(failed);
          });
        },
      },
      delete: {
        takes: { ...of, section: 'string', type: 'string', match: 'table', option: 'string', options: 'array' },
        run: (args) => {
          if (!selects(args)) return answer(status.invalid);
          const type = text(args['type']);
          const wellFormed = isSection(args['section']) && (type === undefined || isType(type));
          return within(args, 'write', wellFormed, (p, stage) => {
            const option = text(args['option']);
            const options =
              args['options'] === undefined
                ? option === undefined
                  ? undefined
                  : [option]
                : elements(args['options']).flatMap((v) => text(v) ?? []);
            const sections = selected(p, args);
            let last: number = sections.length === 0 ? status.notFound : status.ok;
            for (const section of sections) {
              const there = options?.filter((o) => section.options.has(o));
              last = there?.length === 0 ? status.notFound : status.ok;
              if (there === undefined) stage({ verb: 'remove', section: section.name });
              else for (const o of there) stage({ verb: 'remove', section: section.name, option: o });
            }
            return last === status.ok ? done : answer(last);
          });
        },
      },
      rename: {
        takes: { ...of, section: 'string', option: 'string', name: 'string' },
        run: (args) => {
          const name = text(args['section']);
          const value = text(args['name']);
          const option = text(args['option']);
          if (name === undefined || value === undefined) return answer(status.invalid);
          return within(args, 'write', uciFile.isName(value), (p, stage) => {
            const section = uciFile.find(p, name);
            // Also 0 when there is nothing to rename: unloading the package clears libuci's error before rpcd reads it.
            if (section !== undefined && (option === undefined || section.options.has(option)))
              stage({ verb: 'rename', section: name, option, value });
            return done;
          });
        },
      },
      order: {
        takes: { ...of, sections: 'array' },
        run: (args) => {
          if (args['sections'] === undefined) return answer(status.invalid);
          return within(args, 'write', true, (p, stage) => {
            let at = 0;
            for (const v of elements(args['sections'])) {
              const section = text(v);
              if (section === undefined) return answer(status.invalid);
              const found = uciFile.find(p, section);
              if (found === undefined) return answer(status.notFound);
              if (p.sections.indexOf(found) !== at) stage({ verb: 'order', section, value: `${at}` });
              at += 1;
            }
            return done;
          });
        },
      },
      changes: {
        takes: of,
        run: (args) => {
          const sid = text(args['ubus_rpc_session']);
          const delta = (config: string): Plain[] => deltaOf(sid ?? shared, config).map(dumpChange);
          if (args['config'] !== undefined) return within(args, 'read', true, (_p, _stage, at) => reply({ changes: delta(at.config) }));
          const visible = [...files.keys()].sort().filter((c) => sid === undefined || sessions.allows(sid, 'uci', c, 'read'));
          return reply({ changes: Object.fromEntries(visible.map((c) => [c, delta(c)] as const).filter(([, d]) => d.length > 0)) });
        },
      },
      revert: {
        takes: of,
        run: (args) => {
          if (pending !== null) return answer(status.denied);
          return within(args, 'write', true, (_p, _stage, { config, sid }) => {
            deltasOf(sid).delete(config);
            return done;
          });
        },
      },
      commit: {
        takes: of,
        run: (args) => {
          if (pending !== null) return answer(status.denied);
          return within(args, 'write', true, (_p, _stage, { config, sid }) => answer(commit(sid, config)));
        },
      },
      apply: {
        takes: { rollback: 'int8', timeout: 'int32', ...session },
        run: (args) => {
          const rollback = args['rollback']?.kind === 'int8' && args['rollback'].value !== 0;
          const sid = text(args['ubus_rpc_session']);
          if (pending !== null && rollback) return answer(status.denied);
          if (sid === undefined) return answer(status.invalid);
          // An apply without rollback in between does nothing but throw the snapshot away.
          pending?.files.clear();
          if (pending !== null) return done;
          const deltas = new Map([...deltasOf(sid)].filter(([, d]) => d.length > 0).sort(([a], [b]) => (a < b ? -1 : 1)));
          const may = mayApply(sid, [...deltas.keys()]);
          if (may !== status.ok) return answer(may);
          const before = new Map([...deltas.keys()].map((c) => [c, files.get(c) ?? '']));
          for (const config of deltas.keys()) commit(sid, config);
          if (!rollback) return done;
          const seconds = args['timeout']?.kind === 'int32' ? args['timeout'].value : applySeconds;
          const timer = clock.after(millis(seconds * 1000), () => pending && rollBack(pending));
          pending = { sid, timer, files: before, deltas };
          return done;
        },
      },
      confirm: {
        takes: session,
        run: (args) => {
          if (args['ubus_rpc_session'] === undefined) return answer(status.invalid);
          if (pending === null) return answer(status.noData);
          if (pending.sid !== text(args['ubus_rpc_session'])) return answer(status.denied);
          pending.timer.cancel();
          pending = null;
          return done;
        },
      },
      rollback: {
        takes: session,
        run: (args) => {
          if (pending === null) return answer(status.noData);
          if (args['ubus_rpc_session'] === undefined) return answer(status.invalid);
          if (pending.sid !== text(args['ubus_rpc_session'])) return answer(status.denied);
          rollBack(pending);
          return done;
        },
      },
    },
  };
  return {
    object,
    files,
    read: (config) => {
      const p = load(config, []);
      return typeof p === 'number' ? null : p;
    },
  };
}

const session = { ubus_rpc_session: 'string' } as const;
const of = { config: 'string', ...session } as const;

const lookup = (p: Package, name: string): Section | undefined =>
  name.startsWith('@') ? (uciFile.findExtended(p, name) ?? undefined) : uciFile.find(p, name);

const isType = (s: string): boolean => /^[A-Za-z0-9_-]+$/.test(s);
const isSection = (v: Value | undefined): boolean => {
  const name = text(v);
  return name === undefined || uciFile.isName(name) || /^@[A-Za-z0-9_-]*\[-?\d+\]$/.test(name);
};

const selects = (args: Args): boolean => ['section', 'type', 'match'].some((name) => args[name] !== undefined);

function selected(p: Package, args: Args): Section[] {
  const name = text(args['section']);
  if (name !== undefined) return [lookup(p, name) ?? []].flat();
  const type = text(args['type']);
  return p.sections.filter((s) => (type === undefined || s.type === type) && isMatch(s, entries(args['match'])));
}

// A list matches by an element, a string by one of its words; options the section does not have are passed over as long as one is there.
function isMatch(s: Section, wanted: Table): boolean {
  const checks = wanted.flatMap(({ name, value }) => {
    const want = format(value);
    const have = s.options.get(name);
    if (want === undefined) return [];
    return [have === undefined ? null : (typeof have === 'string' ? have.split(/[ \t]+/) : have).includes(want)];
  });
  return !checks.includes(false) && (checks.length === 0 || checks.includes(true));
}

/** UCI knows only strings; integers of any sign are printed unsigned. */
function format(v: Value): string | undefined {
  switch (v.kind) {
    case 'string':
      return text(v);
    case 'int64':
      return `${BigInt.asUintN(64, v.value)}`;
    case 'int32':
      return `${v.value >>> 0}`;
    case 'int16':
      return `${v.value & 0xffff}`;
    case 'int8':
      return v.value === 0 ? '0' : '1';
    default:
      return undefined;
  }
}

function setOption(p: Package, section: string, option: string, value: string, stage: Stage): void {
  const old = uciFile.find(p, section)?.options.get(option);
  if (value !== '' && value !== old) stage({ verb: 'set', section, option, value });
  if (value === '' && old !== undefined) stage({ verb: 'remove', section, option });
}

function setValue(p: Package, section: string, option: string, value: Value, stage: Stage): number {
  if (!uciFile.isName(option)) return status.invalid;
  const old = uciFile.find(p, section)?.options.get(option);
  const values = (value.kind === 'array' ? elements(value) : [value]).flatMap((v) => format(v) ?? []);
  if (values.length === 0) return status.invalid;
  if (old !== undefined && (value.kind === 'array' || Array.isArray(old))) stage({ verb: 'remove', section, option });
  for (const v of values) {
    if (value.kind === 'array') stage({ verb: 'list-add', section, option, value: v });
    else setOption(p, section, option, v, stage);
  }
  return status.ok;
}

const dump = (s: Section, index?: number): Fields => ({
  '.anonymous': s.anonymous,
  '.type': s.type,
  '.name': s.name,
  ...(index === undefined ? {} : { '.index': index }),
  ...Object.fromEntries(s.options),
});

const dumpAll = (p: Package, args: Args): Fields =>
  Object.fromEntries(selected(p, args).map((s) => [s.name, dump(s, p.sections.indexOf(s))]));

const dumpChange = (c: Change): Plain =>
  [c.verb, c.section, c.option, c.verb === 'order' ? Number(c.value) : c.value].filter((v) => v !== undefined);
