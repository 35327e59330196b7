// The coordinator: who is here and how they are put together.

import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fail, ok, type Result } from '../agent/core/result.ts';
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
import type { Database } from './ports/database.ts';
import type { Transport } from './ports/transport.ts';
import * as schema from './schema.ts';

export type Place = Readonly<{ host: string; port: number }>;
export type Options = Readonly<{
  dir: string;
  /** null: PGlite, in the folder. */
  database: string | null;
  prefix: string;
  http: Place;
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
  const { dir, prefix } = options;
  const files = folder.open(dir);
  const read = authority.read(files);
  if (!read.ok) return read;
  const password = files.read('fleet.password');
  if (!password.ok) return password;
  const opened = await openDatabase(options, log);
  if (!opened.ok) return opened;
  const database = opened.value;
  const link = await meet(options, read.value, database, new TextDecoder().decode(password.value).trim(), log);
  const answer = desk.start({ database, authority: read.value, now: Date.now, random, nudge: link.heard.nudge, log });
  const server = await http.serve(options.http.host, options.http.port, page.before(page.bundle(), answer));
  let isOver = false;
  let turning = Promise.resolve();
  const timer = setInterval(() => {
    turning = turning.then(() => (isOver ? undefined : link.heard.turn())).catch((error: unknown) => log(`turn: ${String(error)}`));
  }, turnEvery);
  log(`root ${read.value.root}, HTTP on ${server.port}${link.port === null ? '' : `, MQTT on ${link.port}`}, topics ${prefix}/…`);
  return ok({
    http: server.port,
    mqtt: link.port,
    root: read.value.root,
    async end() {
      isOver = true;
      clearInterval(timer);
      await server.end();
      await turning;
      await link.end();
      await database.end();
    },
  });
}

async function meet(
  options: Options,
  auth: Authority,
  database: Database,
  password: string,
  log: (line: string) => void,
): Promise<Readonly<{ heard: intake.Intake; port: number | null; end(): Promise<void> }>> {
  const { prefix } = options;
  const own = Buffer.from(random(24)).toString('hex');
  const embedded =
    options.broker.kind === 'embedded'
      ? await broker.start({ ...options.broker.at, prefix, user: 'weir', password, tls: tlsOf(options.broker.tls) }, own)
      : null;
  const connection: mqtt.Options =
    options.broker.kind === 'elsewhere'
      ? { ...options.broker, authority: options.broker.authority === null ? null : readFileSync(options.broker.authority) }
      : {
          url: `${options.broker.tls === null ? 'mqtt' : 'mqtts'}://${options.broker.at.host}:${embedded?.port}`,
          user: broker.ownUser,
          password: own,
          authority: options.broker.tls === null ? null : readFileSync(options.broker.tls.certificate),
        };
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
  const missed = (): void => void heard.missed().catch((error: unknown) => log(`broker: ${String(error)}`));
  const transport = await mqtt.connect(connection, prefix, heard.hear, missed, log);
  connected(transport);
  return {
    heard,
    port: embedded?.port ?? null,
    async end() {
      await transport.end();
      await embedded?.end();
    },
  };
}

const tlsOf = (tls: Readonly<{ certificate: string; key: string }> | null): broker.Options['tls'] =>
  tls === null ? null : { certificate: readFileSync(tls.certificate), key: readFileSync(tls.key) };
