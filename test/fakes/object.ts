// A fake daemon's object: its path, its methods, its answers. It sits behind ubusd.ts, which carries it over the wire; it knows no socket.

import type { Kind, Table, Value } from '../../agent/wire/blobmsg.ts';
import type { Fields } from './plain.ts';
import * as plain from './plain.ts';

/** The DATA messages and then the STATUS. */
export type Answer = Readonly<{ status: number; data: readonly Table[] }>;
export type Args = Readonly<Record<string, Value | undefined>>;
export type Method = Readonly<{ takes: Readonly<Record<string, Kind>>; run(args: Args, message: Table): Answer }>;
export type FakeObject = Readonly<{ path: string; methods: Readonly<Record<string, Method>> }>;

export const status = { ok: 0, invalid: 2, noMethod: 3, notFound: 4, noData: 5, denied: 6, unsupported: 8, unknown: 9 } as const;

export const reply = (data: Fields): Answer => ({ status: status.ok, data: [plain.table(data)] });
export const done: Answer = { status: status.ok, data: [] };
export const answer = (code: number): Answer => ({ status: code, data: [] });

export function call(object: FakeObject, name: string, args: Table): Answer {
  const method = object.methods[name];
  return method === undefined ? answer(status.noMethod) : method.run(parse(method.takes, args), args);
}

// blobmsg_parse: an argument of another type than the method's policy says is as good as absent, and of two the first counts.
const parse = (takes: Method['takes'], args: Table): Args =>
  Object.fromEntries(Object.keys(takes).map((name) => [name, args.find((f) => f.name === name && f.value.kind === takes[name])?.value]));

export const text = (v: Value | undefined): string | undefined =>
  v?.kind === 'string' && typeof v.value === 'string' ? v.value : undefined;
export const elements = (v: Value | undefined): readonly Value[] => (v?.kind === 'array' ? v.fields.map((f) => f.value) : []);
export const entries = (v: Value | undefined): Table => (v?.kind === 'table' ? v.fields : []);

/** What a daemon says unasked. */
export type Outlet = Readonly<{
  notify(path: string, event: string, body: Table): void;
  send(event: string, body: Table): void;
  /** Objects that come and go, as one for each interface does. */
  add(object: FakeObject): void;
  remove(path: string): void;
}>;
