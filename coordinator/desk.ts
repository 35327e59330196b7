// The desk: a request in, a response out. Who asks is told by a token or a signature, never by an address; each may ask so often; each change is
// in the audit log; a refusal is a Fault with its status. Knows no socket.

import type { PublicKey } from '../agent/core/brand.ts';
import { type Code, type Fault, fail, fault, ok, type Result, under } from '../agent/core/result.ts';
import type { KeyId } from '../agent/core/signed.ts';
import * as ed25519 from '../agent/crypto/ed25519.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import { toBeSigned } from '../agent/wire/request.ts';
import type { Authority } from './authority.ts';
import type { Bucket, Who } from './core/access.ts';
import * as access from './core/access.ts';
import { hashes } from './hashes.ts';
import * as openapi from './openapi.ts';
import * as operators from './operators.ts';
import type { Database, Query } from './ports/database.ts';
import type { Request, Response } from './ports/http.ts';
import type { Answer, Route, Tools } from './route.ts';
import { routes } from './routes.ts';
import * as shape from './shape.ts';

export type Outside = Readonly<{
  database: Database;
  authority: Authority;
  /** In milliseconds. */
  now(): number;
  random(size: number): Uint8Array;
  nudge(node: KeyId): Promise<void>;
  log(line: string): void;
}>;

export const base = '/api/v1';

/** How far a consumer's clock may be off, in seconds. */
const drift = 60;
const mostCallers = 10_000;

const statuses: Readonly<Partial<Record<Code, number>>> = {
  malformed: 400,
  missing: 404,
  unsupported: 400,
  stranger: 401,
  forged: 401,
  // Of ours: who asks has been let in by then.
  expired: 503,
  denied: 403,
  exists: 409,
  stale: 409,
  closed: 409,
  limit: 429,
};
const statusOf = ({ code, path }: Fault, isInput: boolean): number =>
  isInput && code === 'missing' && path !== '' ? 400 : (statuses[code] ?? 500);

const json = (status: number, body: object): Response => ({
  status,
  type: 'application/json',
  body: JSON.stringify(body, (_, v: unknown) => (typeof v !== 'bigint' ? v : v > -maxSafe && v < maxSafe ? Number(v) : v.toString())),
});
const maxSafe = BigInt(Number.MAX_SAFE_INTEGER);
const refusal = (why: Fault, isInput = false): Response => json(statusOf(why, isInput), { error: why });

export function start(outside: Outside): (request: Request) => Promise<Response> {
  const { database, authority, now, random, nudge, log } = outside;
  const buckets = new Map<string, Bucket>();
  const seen = new Map<string, number>();

  const bucketOf = (caller: string): Bucket => buckets.get(caller) ?? access.begin(now());
  /** A caller who has been silent for long is forgotten, with a full bucket. */
  function keep(caller: string, bucket: Bucket): void {
    buckets.delete(caller);
    buckets.set(caller, bucket);
    const [oldest] = buckets.keys();
    if (buckets.size > mostCallers && oldest !== undefined) buckets.delete(oldest);
  }
  /** false: asked too often. */
  function mayAsk(caller: string): boolean {
    const next = access.take(bucketOf(caller), now());
    if (next !== null) keep(caller, next);
    return next !== null;
  }
  /** Guessing costs more than asking. */
  const penalize = (caller: string): void => keep(caller, access.drain(bucketOf(caller), now()));

  async function whoIs(query: Query, request: Request): Promise<Result<Who>> {
    const [scheme, ...parts] = (request.authorization ?? '').split(' ');
    const at = Math.floor(now() / 1000);
    if (scheme === '') return ok({ kind: 'nobody' });
    if (scheme === 'Bearer' && parts[0] !== undefined) {
      const found = await operators.find(query, parts[0], at);
      return found.ok ? ok({ kind: 'operator', name: found.value.name, role: found.value.role }) : found;
    }
    if (scheme === 'Weir') return signer(query, request, parts, at);
    return fail('malformed', 'authorization', 'expected Bearer TOKEN, or Weir KEY SECONDS SIGNATURE');
  }

  /** A consumer signs each request, so that nothing of it can be used by who has seen it. */
  async function signer(query: Query, request: Request, [key, time, signature]: readonly string[], at: number): Promise<Result<Who>> {
    if (!/^[0-9a-f]{64}$/.test(key ?? '') || !/^\d{1,12}$/.test(time ?? '') || !/^[0-9a-f]{128}$/.test(signature ?? ''))
      return fail('malformed', 'authorization', 'expected Weir KEY SECONDS SIGNATURE, in hex');
    if (Math.abs(at - Number(time)) > drift) return fail('expired', 'authorization', `the time is ${at}`);
    const [row] = await query<{ name: string }>('select name from consumer where id = $1 and not void', [`${key}`]);
    if (row === undefined) return fail('stranger', 'authorization', 'no such consumer');
    const message = toBeSigned({ ...request, root: authority.rootKey }, `${time}`, hashes);
    if (!ed25519.verify(bytesOf(`${signature}`), message, bytesOf(`${key}`) as PublicKey, hashes.sha512))
      return fail('forged', 'authorization', 'the signature does not hold');
    for (const [one, until] of seen) if (until < at) seen.delete(one);
    if (seen.has(`${signature}`)) return fail('forged', 'authorization', 'this request was made before');
    seen.set(`${signature}`, at + 2 * drift);
    return ok({ kind: 'consumer', id: `${key}`, name: row.name });
  }

  async function answer(request: Request): Promise<Response> {
    if (!URL.canParse(request.url, 'http://desk')) return refusal(fault('malformed', 'path', 'is no address'));
    const { pathname, searchParams } = new URL(request.url, 'http://desk');
    if (request.method === 'GET' && pathname === `${base}/openapi.json`) return json(200, openapi.render(routes, base));
    if (!mayAsk(`address/${request.caller}`)) return refusal(fault('limit', '', 'too many requests'));
    const who = await database.transaction((query) => whoIs(query, request));
    if (!who.ok) {
      penalize(`address/${request.caller}`);
      return json(401, { error: who.fault });
    }
    if (who.value.kind !== 'nobody' && !mayAsk(access.nameOf(who.value))) return refusal(fault('limit', '', 'too many requests'));
    const found = find(request.method, pathname);
    if (!found.ok) return found.fault.code === 'unsupported' ? json(405, { error: found.fault }) : refusal(found.fault);
    const { route, parts } = found.value;
    const [denied] = access.faultsOf(route.rule, who.value);
    if (denied !== undefined) return refusal(denied);
    const asked = read(route, parts, searchParams, request.body);
    if (!asked.ok) return refusal(asked.fault, true);
    return carryOut(route, who.value, asked.value);
  }

  async function carryOut(route: Route, who: Who, asked: Parameters<Route['handle']>[1]): Promise<Response> {
    const nudged = new Set<KeyId>();
    const at = Math.floor(now() / 1000);
    const isChange = route.method !== 'GET';
    let result: Result<Answer>;
    try {
      result = await database.transaction(async (query) => {
        const tools: Tools = { query, who, now: at, authority, random, nudge: (node) => void nudged.add(node) };
        const done = await route.handle(tools, asked);
        // What was refused may have begun: nothing of it is kept.
        if (!done.ok) throw new Refused(done.fault);
        if (isChange) await audit(query, at, who, route, asked.path, 'done');
        return done;
      });
    } catch (error) {
      if (!(error instanceof Refused)) throw error;
      result = { ok: false, fault: error.fault };
      if (isChange)
        await database.transaction((query) => audit(query, at, who, route, asked.path, `${error.fault.code} ${error.fault.path}`));
    }
    if (!result.ok) return refusal(result.fault);
    for (const node of nudged) nudge(node).catch((error: unknown) => log(`${node}: ${String(error)}`));
    return typeof result.value === 'string'
      ? { status: 200, type: 'text/plain; charset=utf-8', body: result.value }
      : json(200, result.value);
  }

  return async (request) => {
    try {
      return await answer(request);
    } catch (error) {
      log(`${request.method} ${request.url.replace(/\?.*/, '')}: ${String(error)}`);
      return json(503, { error: fault('foreign', '', 'the database does not answer; try again') });
    }
  };
}

/** Rolls a transaction back: the only way out of one that keeps nothing. */
class Refused extends Error {
  readonly fault: Fault;
  constructor(why: Fault) {
    super(why.reason);
    this.fault = why;
  }
}

async function audit(query: Query, at: number, who: Who, route: Route, path: object, outcome: string): Promise<void> {
  const what = Object.values(path).map((part: unknown) => (part instanceof Uint8Array ? hexOf(part) : String(part)));
  await query('insert into audit (at, who, did, what, outcome) values ($1, $2, $3, $4, $5)', [
    at,
    access.nameOf(who),
    `${route.method} ${route.at}`,
    what.join(' '),
    outcome,
  ]);
}

function find(method: string, pathname: string): Result<Readonly<{ route: Route; parts: Readonly<Record<string, string>> }>> {
  const given = pathname.startsWith(`${base}/`) ? pathname.slice(base.length).split('/') : [];
  const there = routes.flatMap((route) => {
    const wanted = route.at.split('/');
    const parts: [string, string][] = [];
    const fits =
      wanted.length === given.length &&
      wanted.every((part, i) => {
        const [, name] = /^\{(.*)\}$/.exec(part) ?? [];
        if (name !== undefined) parts.push([name, decoded(given[i] ?? '')]);
        return name !== undefined || part === given[i];
      });
    return fits ? [{ route, parts: Object.fromEntries(parts) }] : [];
  });
  const found = there.find(({ route }) => route.method === method);
  if (found !== undefined) return ok(found);
  return there.length > 0
    ? fail('unsupported', 'method', `expected ${there.map(({ route }) => route.method).join(', ')}`)
    : fail('missing', 'path', 'there is nothing here');
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    // Of another's choice: as it is, it fits no shape.
    return part;
  }
}

function read(route: Route, parts: object, search: URLSearchParams, body: Uint8Array): Result<Parameters<Route['handle']>[1]> {
  const path = shape.read(route.path, parts);
  if (!path.ok) return path;
  const searched = shape.read(route.search, Object.fromEntries(search));
  if (!searched.ok) return searched;
  if (Object.keys(route.body).length === 0)
    return body.length === 0 ? ok({ path: path.value, search: searched.value, body: {} }) : fail('unsupported', 'body', 'expected none');
  const value = body.length === 0 ? ok({}) : parse(body);
  const wanted = value.ok ? shape.read(route.body, value.value) : value;
  return wanted.ok
    ? ok({ path: path.value, search: searched.value, body: wanted.value })
    : { ok: false, fault: under('body', wanted.fault) };
}

function parse(body: Uint8Array): Result<unknown> {
  try {
    return ok(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body)));
  } catch {
    // What JSON.parse says repeats what it was given, and that may be a secret.
    return fail('malformed', '', 'expected JSON');
  }
}
