// What a route is: who may ask it, what it takes and what it does, within one transaction. The OpenAPI document is made of the same words.
// Knows no socket, no token and no route.

import type { Order } from '../agent/core/command.ts';
import { fail, ok, type Result } from '../agent/core/result.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import { hexOf } from '../agent/wire/form.ts';
import type { Authority } from './authority.ts';
import type { Rule, Who } from './core/access.ts';
import * as access from './core/access.ts';
import * as orders from './orders.ts';
import * as paging from './paging.ts';
import type { Query, Row } from './ports/database.ts';
import * as registry from './registry.ts';
import type { Fields, Values } from './shape.ts';
import * as shape from './shape.ts';

/** Of one request. `nudge`: what waits for this node is sent once the transaction has held. */
export type Tools = Readonly<{
  query: Query;
  who: Who;
  now: number;
  authority: Authority;
  random(size: number): Uint8Array;
  nudge(node: KeyId): void;
}>;

/** Text is sent as it is, all else as JSON. */
export type Answer = string | Readonly<Record<string, unknown>>;

type Asked<P extends Fields, S extends Fields, B extends Fields> = Readonly<{ path: Values<P>; search: Values<S>; body: Values<B> }>;
type Described<P extends Fields, S extends Fields, B extends Fields> = Readonly<{
  method: 'GET' | 'POST' | 'PUT' | 'DELETE';
  /** Parts in braces are read by `path`. */
  at: string;
  rule: Rule;
  says: string;
  answers: string;
  path: P;
  search: S;
  body: B;
  handle(tools: Tools, asked: Asked<P, S, B>): Promise<Result<Answer>>;
}>;
export type Route = Described<Fields, Fields, Fields>;

type Optional<T, K extends keyof T> = Omit<T, K> & Partial<Pick<T, K>>;

export const route = <P extends Fields, S extends Fields, B extends Fields>(
  described: Optional<Described<P, S, B>, 'path' | 'search' | 'body'>,
): Route => ({ path: {}, search: {}, body: {}, ...described }) as unknown as Route;

type Listing<P extends Fields, S extends Fields> = Optional<
  Omit<Described<P, S, Fields>, 'method' | 'answers' | 'body' | 'handle'>,
  'path' | 'search'
> &
  Readonly<{
    /** What its rows are called, and what is in one. */
    of: string;
    holds: string;
    list(tools: Tools, asked: Omit<Asked<P, S, Fields>, 'body'>): paging.List;
    /** Whose it is. */
    allow?(tools: Tools, asked: Omit<Asked<P, S, Fields>, 'body'>): Promise<Result<unknown>>;
    /** As it is answered. */
    show?(row: Row): object;
  }>;

/** A list goes by pages, every one in the same way. */
export const list = <P extends Fields, S extends Fields>({ of, holds, list, allow, show, ...described }: Listing<P, S>): Route =>
  route({
    ...described,
    method: 'GET',
    search: { ...described.search, ...paging.search },
    answers: `${of}: ${holds}; next: for the page behind it, as \`after\`; null: there is none`,
    async handle(tools, { path, search }) {
      const asked = { path, search } as unknown as Asked<P, S, Fields>;
      const allowed = await allow?.(tools, asked);
      if (allowed?.ok === false) return allowed;
      const page = await paging.read(tools.query, list(tools, asked), search);
      if (!page.ok) return page;
      const { rows, next } = page.value;
      return ok({ [of]: show === undefined ? rows : rows.map(show), next });
    },
  });

// ── Who may ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const everybody: Rule = { operators: 'viewer', consumers: true, everybody: true };
export const viewers: Rule = { operators: 'viewer', consumers: false };
export const operators: Rule = { operators: 'operator', consumers: false };
export const admins: Rule = { operators: 'admin', consumers: false };
export const parties: Rule = { operators: 'viewer', consumers: true };
export const operatingParties: Rule = { operators: 'operator', consumers: true };

// ── What many of them need ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

export const amount = paging.whole;
export const span = shape.whole(1, 10 * 365 * 86_400);
export const bitRate = shape.whole(8, 1e12);

export const done: Result<Answer> = ok({});
export const missing = (what: string): Result<never> => fail('missing', what, 'is not known');

export const fromOf = ({ who, now, random }: Tools): orders.From => ({ by: access.nameOf(who), now, nonce: hexOf(random(16)) });

export async function command(tools: Tools, node: KeyId, order: Order): Promise<Result<Answer>> {
  if ((await registry.nodeOf(tools.query, node)) === null) return missing('node');
  const { by, now } = fromOf(tools);
  const added = await orders.add(tools.query, node, order, { session: null, by, now });
  if (!added.ok) return added;
  tools.nudge(node);
  return ok({ command: added.value });
}

/** The node of a session that is this one's to see; somebody else's is as if it were not there. */
export async function nodeOfOwn({ query, who }: Tools, session: SessionId): Promise<Result<KeyId>> {
  const [row] = await query<{ node: KeyId; consumer: string }>('select node, consumer from session where id = $1', [session]);
  return row !== undefined && access.owns(who, row.consumer) ? ok(row.node) : missing('session');
}
