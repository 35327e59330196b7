// rpcd's `session` object: who may touch which config. Logins, passwords and session data are left out: nothing of ours uses them.

import { randomBytes } from 'node:crypto';
import { millis } from '../../agent/core/brand.ts';
import type { Clock, Timer } from '../../agent/ports/host.ts';
import type { Answer, Args, FakeObject } from './object.ts';
import { answer, done, elements, reply, status, text } from './object.ts';
import type { Fields, Plain } from './plain.ts';
import * as plain from './plain.ts';

type Grant = Readonly<{ scope: string; object: string; right: string }>;
type Session = { id: string; seconds: number; ends: number; timer: Timer | null; grants: Grant[] };

export type Sessions = Readonly<{
  object: FakeObject;
  /** As rpcd's own parts ask; like every use, it starts the session's time anew. */
  allows(id: string, scope: string, object: string, right: string): boolean;
  /** rpcd throws a session's staged changes away with it. */
  onDestroy(then: (id: string) => void): void;
}>;

const nobody = '0'.repeat(32);
const defaultSeconds = 300;

export function sessions(clock: Pick<Clock, 'monotonic' | 'after'>): Sessions {
  const all = new Map<string, Session>([[nobody, { id: nobody, seconds: 0, ends: 0, timer: null, grants: [] }]]);
  const watchers: ((id: string) => void)[] = [];

  const destroy = (s: Session): void => {
    s.timer?.cancel();
    all.delete(s.id);
    for (const then of watchers) then(s.id);
  };
  const touch = (s: Session): Session => {
    if (s.seconds === 0) return s;
    s.timer?.cancel();
    s.ends = clock.monotonic() + s.seconds * 1000;
    s.timer = clock.after(millis(s.seconds * 1000), () => destroy(s));
    return s;
  };
  const get = (id: string): Session | undefined => {
    const s = all.get(id);
    return s && touch(s);
  };
  const allows = (s: Session, scope: string, object: string, right: string): boolean =>
    s.grants.some((g) => g.scope === scope && matches(g.object, object) && matches(g.right, right));
  const dump = (s: Session): Fields => ({
    ubus_rpc_session: s.id,
    timeout: s.seconds,
    expires: BigInt(s.seconds === 0 ? 0 : Math.floor((s.ends - clock.monotonic()) / 1000)),
    acls: acls(s.grants),
    data: {},
  });

  const sid = { ubus_rpc_session: 'string' } as const;
  const rights = { ...sid, scope: 'string', objects: 'array' } as const;
  const withSession = (v: Parameters<typeof text>[0], then: (s: Session) => Answer): Answer => {
    const id = text(v);
    if (id === undefined) return answer(status.invalid);
    const s = get(id);
    return s === undefined ? answer(status.notFound) : then(s);
  };

  const object: FakeObject = {
    path: 'session',
    methods: {
      create: {
        takes: { timeout: 'int32' },
        run: ({ timeout }) => {
          const seconds = timeout?.kind === 'int32' ? timeout.value : defaultSeconds;
          const s = touch({ id: randomBytes(16).toString('hex'), seconds, ends: 0, timer: null, grants: [] });
          all.set(s.id, s);
          return reply(dump(s));
        },
      },
      list: {
        takes: sid,
        run: (args) =>
          args['ubus_rpc_session'] === undefined
            ? { status: status.ok, data: [...all.values()].sort((a, b) => (a.id < b.id ? -1 : 1)).map((s) => plain.table(dump(s))) }
            : withSession(args['ubus_rpc_session'], (s) => reply(dump(s))),
      },
      grant: {
        takes: rights,
        run: (args) =>
          withSession(args['ubus_rpc_session'], (s) => {
            if (args['objects'] === undefined) return answer(status.invalid);
            for (const g of pairs(args)) if (!s.grants.some((have) => same(have, g))) s.grants.push(g);
            return done;
          }),
      },
      revoke: {
        takes: rights,
        run: (args) =>
          withSession(args['ubus_rpc_session'], (s) => {
            const scope = text(args['scope']) ?? 'ubus';
            const gone = pairs(args);
            s.grants = s.grants.filter((g) => (args['objects'] === undefined ? g.scope !== scope : !gone.some((x) => same(g, x))));
            return done;
          }),
      },
      access: {
        takes: { ...sid, scope: 'string', object: 'string', function: 'string' },
        run: (args) =>
          withSession(args['ubus_rpc_session'], (s) => {
            const what = text(args['object']);
            const right = text(args['function']);
            if (what === undefined || right === undefined) return reply(acls(s.grants));
            return reply({ access: allows(s, text(args['scope']) ?? 'ubus', what, right) });
          }),
      },
      destroy: {
        takes: sid,
        run: (args) => {
          if (text(args['ubus_rpc_session']) === nobody) return answer(status.denied);
          return withSession(args['ubus_rpc_session'], (s) => {
            destroy(s);
            return done;
          });
        },
      },
    },
  };
  return {
    object,
    allows: (id, ...what) => {
      const s = get(id);
      return s !== undefined && allows(s, ...what);
    },
    onDestroy: (then) => {
      watchers.push(then);
    },
  };
}

const pairs = (args: Args): Grant[] =>
  elements(args['objects']).flatMap((pair) => {
    const [object, right] = elements(pair).flatMap((v) => text(v) ?? []);
    return object === undefined || right === undefined ? [] : [{ scope: text(args['scope']) ?? 'ubus', object, right }];
  });

const same = (a: Grant, b: Grant): boolean => a.scope === b.scope && a.object === b.object && a.right === b.right;

/** fnmatch without escapes. */
const matches = (pattern: string, s: string): boolean =>
  new RegExp(
    `^${pattern
      .replace(/[.+^${}()|\\]/g, '\\$&')
      .replaceAll('*', '[^]*')
      .replaceAll('?', '[^]')}$`,
  ).test(s);

// In the order of rpcd's trees: by scope, then by the object up to its first wildcard, then as granted.
function acls(grants: readonly Grant[]): Fields {
  const key = (g: Grant): string => `${g.scope}\n${g.object.replace(/[*?[].*$/, '')}`;
  const sorted = [...grants].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0));
  const group = (all: readonly Grant[], by: 'scope' | 'object', then: (some: Grant[]) => Plain): Fields =>
    Object.fromEntries([...new Set(all.map((g) => g[by]))].map((name) => [name, then(all.filter((g) => g[by] === name))]));
  return group(sorted, 'scope', (some) => group(some, 'object', (same) => same.map((g) => g.right)));
}
