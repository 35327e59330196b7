// The coordinator: who is here and how they are put together.

import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { all, fail, ok, under as outer, type Result } from '../agent/core/result.ts';
import * as broker from './adapters/broker.ts';
import * as folder from './adapters/folder.ts';
import * as http from './adapters/http.ts';
import * as mqtt from './adapters/mqtt.ts';
import * as page from './adapters/page.ts';
import * as pglite from './adapters/pglite.ts';
import * as postgres from './adapters/postgres.ts';
import type { Authority } from './authority.ts';
import * as authority from './authority.ts';
import * as desk from './desk.ts';
import * as intake from './intake.ts';
import * as orders from './orders.ts';
import type { Database } from './ports/database.ts';
import type { Transport } from './ports/transport.ts';
import * as schema from './schema.ts';

export type Place = Readonly<{ host: string; port: number }>;
export type Options = Readonly<{
  dir: string;
  /** null: PGlite, in the folder. */
  database: string | null;
  prefix: string;
  http: http.Door;
  /** A broker of its own here, or one elsewhere. */
  broker:
    | Readonly<{ kind: 'embedded'; at: Place; tls: Readonly<{ certificate: string; key: string }> | null }>
    | (Readonly<{ kind: 'elsewhere' } & Omit<mqtt.Options, 'authority'>> & Readonly<{ authority: string | null }>);
}>;
export type Running = Readonly<{ http: number; mqtt: number | null; root: string; end(): Promise<void> }>;

export const random = (size: number): Uint8Array => new Uint8Array(randomBytes(size));
const turnEvery = 1000;

export async function openDatabase(
  { dir, database }: Pick<Options, 'dir' | 'database'>,
  log: (line: string) => void,
): Promise<Result<Database>> {
  const opened =
    database === null ? await pglite.open(join(dir, 'database')) : ok(postgres.open(database, (why) => log(`database: ${why.message}`)));
  if (!opened.ok) return opened;
  try {
    await schema.migrate(opened.value);
  } catch (error) {
    await opened.value.end();
    return fail('foreign', 'database', (error as Error).message);
  }
  return opened;
}

export async function start(options: Options, log: (line: string) => void): Promise<Result<Running>> {
  const ends: (() => Promise<unknown>)[] = [];
  // Whoever came later goes first.
  const end = async (): Promise<void> => {
    for (const one of ends.splice(0).reverse()) await one();
  };
  const begun = await begin(options, log, ends);
  if (!begun.ok) await end();
  return begun.ok ? ok({ ...begun.value, end }) : begun;
}

async function begin(
  options: Options,
  log: (line: string) => void,
  ends: (() => Promise<unknown>)[],
): Promise<Result<Omit<Running, 'end'>>> {
  const { dir, prefix } = options;
  const files = folder.open(dir);
  if (!files.ok) return fail('missing', dir, 'is no coordinator’s folder: init makes one');
  const auth = authority.read(files.value);
  if (!auth.ok) return auth;
  const password = files.value.read('fleet.password');
  if (!password.ok) return password;
  const database = await openDatabase(options, log);
  if (!database.ok) return database;
  ends.push(database.value.end);
  await database.value.transaction((query) => orders.resume(query, Math.floor(Date.now() / 1000)));
  const link = await meet(options, auth.value, database.value, new TextDecoder().decode(password.value).trim(), log, ends);
  if (!link.ok) return link;
  const { heard, port } = link.value;
  const answer = desk.start({ database: database.value, authority: auth.value, now: Date.now, random, nudge: heard.nudge, log });
  const server = await http.serve(options.http, page.before(page.bundle(), answer));
  if (!server.ok) return server;
  let turning: Promise<void> | null = null;
  // One at a time: a database that is slow is not asked for more.
  const timer = setInterval(() => {
    turning ??= heard
      .turn()
      .catch((error: unknown) => log(`turn: ${String(error)}`))
      .finally(() => {
        turning = null;
      });
  }, turnEvery);
  ends.push(async () => {
    clearInterval(timer);
    await turning;
  }, server.value.end);
  log(`root ${auth.value.root}, HTTP on ${server.value.port}${port === null ? '' : `, MQTT on ${port}`}, topics ${prefix}/…`);
  log(authority.standing(auth.value, Math.floor(Date.now() / 1000)));
  return ok({ http: server.value.port, mqtt: port, root: auth.value.root });
}

async function meet(
  options: Options,
  auth: Authority,
  database: Database,
  password: string,
  log: (line: string) => void,
  ends: (() => Promise<unknown>)[],
): Promise<Result<Readonly<{ heard: intake.Intake; port: number | null }>>> {
  const { prefix } = options;
  const own = Buffer.from(random(24)).toString('hex');
  let port: number | null = null;
  let connection: mqtt.Options;
  if (options.broker.kind === 'embedded') {
    const { at, tls } = options.broker;
    const secured =
      tls === null
        ? ok(null)
        : all({ certificate: under('--cert', folder.readFile(tls.certificate)), key: under('--key', folder.readFile(tls.key)) });
    if (!secured.ok) return secured;
    const started = await broker.start({ ...at, prefix, user: 'weir', password, tls: secured.value }, own);
    if (!started.ok) return started;
    ends.push(started.value.end);
    port = started.value.port;
    connection = { url: `mqtt://127.0.0.1:${started.value.door}`, user: broker.ownUser, password: own, authority: null };
  } else {
    const { authority: path } = options.broker;
    const pem = path === null ? ok(null) : under('--authority', folder.readFile(path));
    if (!pem.ok) return pem;
    connection = { ...options.broker, authority: pem.value };
  }
  // What a broker has kept for us comes before the connection is handed over here.
  let connected: (transport: Transport) => void = () => undefined;
  const ready = new Promise<Transport>((resolve) => {
    connected = resolve;
  });
  const heard = intake.start({
    database,
    authority: auth,
    prefix,
    now: () => Math.floor(Date.now() / 1000),
    publish: (topic, payload) => void ready.then((to) => to.publish(topic, payload)),
    log,
  });
  const transport = await mqtt.connect(connection, prefix, heard.hear, heard.missed, log);
  ends.push(transport.end);
  connected(transport);
  return ok({ heard, port });
}

const under = <T>(option: string, read: Result<T>): Result<T> => (read.ok ? read : { ok: false, fault: outer(option, read.fault) });
