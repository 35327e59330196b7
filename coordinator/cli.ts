// The coordinator's command line: keys and certificates, the process itself, and whatever an operator asks of it over HTTP.
// `scripts/coordinator --help`.

import { readFileSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import type { PublicKey } from '../agent/core/brand.ts';
import { seconds } from '../agent/core/brand.ts';
import { type Fault, type Result, text } from '../agent/core/result.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import { certificate as certificateForm } from '../agent/wire/grant.ts';
import * as folder from './adapters/folder.ts';
import * as authority from './authority.ts';
import * as coordinator from './coordinator.ts';
import * as desk from './desk.ts';
import * as openapi from './openapi.ts';
import * as operators from './operators.ts';
import type { Folder } from './ports/folder.ts';
import { routes } from './routes.ts';

const help = `usage: scripts/coordinator init --dir DIR [--days 365] [--database URL]
       scripts/coordinator run --dir DIR [--http HOST:PORT] [--mqtt HOST:PORT [--cert FILE --key FILE]]
                               [--broker URL [--user NAME] [--authority FILE]] [--database URL] [--prefix weir]
       scripts/coordinator key --dir DIR
       scripts/coordinator certify --root FILE --for KEY --serial N [--void N] [--days 90] --out FILE
       scripts/coordinator ask METHOD PATH [FIELD=VALUE ...] [--url URL]
       scripts/coordinator openapi

init makes DIR with everything a small fleet needs: the root key, a command key with its certificate, the fleet's password for the broker, the
database, and an operator's token, which is shown once. Take root.key off the machine afterwards: run does not need it.

run is the coordinator; its page is at --http, for whoever has a token or a consumer's keys. Without --broker it is its own broker (MQTT
3.1.1), without --database it has its own PostgreSQL in DIR.
The password of --broker is in the environment as WEIR_BROKER_PASSWORD.

key makes another command key and shows the public one; certify signs it, where the root key is; its file goes into DIR as NAME.certificate,
and run is started anew. --void N ends all certificates with a lower serial, at every router, whatever its clock says.

ask is the HTTP API (coordinator/openapi.json) by hand, with the token in the environment as WEIR_TOKEN:
  ask GET /nodes                         ask POST /tickets kind=claim seconds=86400
  ask POST /sessions offer=roof bytes=1000000000 seconds=86400 peer=KEY consumer=KEY

Ends with 0, with 1 when it was refused, with 2 when it could not begin.`;

const say = (line: string): void => console.error(`coordinator: ${line}`);
function refuse(why: Fault | string, status = 2): number {
  say(typeof why === 'string' ? why : text(why));
  return status;
}
// The programs here run in the project's folder; names are of the folder it was called from.
const at = (path: string): string => resolve(process.env['WEIR_FROM'] ?? '.', path);
const encoder = new TextEncoder();
const now = (): number => Math.floor(Date.now() / 1000);

function makeKey(files: Folder, kind: 'root' | 'command', name: string): Result<PublicKey> {
  const bytes = authority.renderKey(kind, coordinator.random(32));
  const made = files.create(name, bytes);
  const signer = made.ok ? authority.readKey(kind, bytes) : made;
  return signer.ok ? { ok: true, value: signer.value.key } : signer;
}

async function init(dir: string, days: number, database: string | null): Promise<number> {
  const files = folder.open(dir);
  const root = makeKey(files, 'root', 'root.key');
  if (!root.ok) return refuse(root.fault);
  const command = makeKey(files, 'command', 'command-1.key');
  if (!command.ok) return refuse(command.fault);
  const written = [
    files.create('root.pub', encoder.encode(`${hexOf(root.value)}\n`)),
    files.create('fleet.password', encoder.encode(`${hexOf(coordinator.random(16))}\n`)),
  ].find(({ ok }) => !ok);
  if (written !== undefined && !written.ok) return refuse(written.fault);
  const certified = certify(join(dir, 'root.key'), command.value, { serial: 1, least: 1, days }, join(dir, 'command-1.certificate'));
  if (certified !== null) return refuse(certified);
  const opened = await coordinator.openDatabase({ dir, database }, say);
  if (!opened.ok) return refuse(opened.fault);
  const token = await opened.value.transaction((query) =>
    operators.add(query, { name: 'admin', role: 'admin', until: now() + days * 86_400 }, coordinator.random),
  );
  await opened.value.end();
  if (!token.ok) return refuse(token.fault);
  console.log(
    `root   ${hexOf(root.value)}\ntoken  ${token.value}\nfleet  ${new TextDecoder().decode(readFileSync(join(dir, 'fleet.password'))).trim()}`,
  );
  return 0;
}

function certify(
  rootFile: string,
  key: PublicKey,
  { serial, least, days }: Readonly<{ serial: number; least: number; days: number }>,
  out: string,
): Fault | null {
  const root = authority.readKey('root', readFileSync(rootFile));
  if (!root.ok) return root.fault;
  const certificate = { key, serial, least, until: seconds(now() + days * 86_400), may: ['grant', 'command'] as const };
  writeFileSync(out, authority.certify(root.value, certificate), { flag: 'wx', mode: 0o600 });
  return null;
}

async function run(options: coordinator.Options): Promise<number> {
  const started = await coordinator.start(options, say);
  if (!started.ok) return refuse(started.fault);
  console.log(JSON.stringify({ http: started.value.http, mqtt: started.value.mqtt, root: started.value.root }));
  await new Promise<void>((done) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => done());
  });
  await started.value.end();
  return 0;
}

async function ask(method: string, path: string, fields: readonly string[], url: string): Promise<number> {
  const token = process.env['WEIR_TOKEN'];
  if (token === undefined) return refuse('WEIR_TOKEN has to hold a token');
  const body: [string, unknown][] = [];
  for (const field of fields) {
    const [, name, value] = /^([a-z_]+)=(.*)$/su.exec(field) ?? [];
    if (name === undefined || value === undefined) return refuse(`${field}: expected FIELD=VALUE`);
    body.push([name, /^\d{1,16}$/.test(value) ? Number(value) : value === 'true' || value === 'false' ? value === 'true' : value]);
  }
  const init = body.length === 0 ? {} : { body: JSON.stringify(Object.fromEntries(body)) };
  const answer = await fetch(`${url}${desk.base}${path}`, { method, headers: { authorization: `Bearer ${token}` }, ...init }).catch(
    (error: unknown) => (error as Error).message,
  );
  if (typeof answer === 'string') return refuse(`${url}: ${answer}`);
  const said = await answer.text();
  console.log(
    answer.headers.get('content-type')?.startsWith('application/json') === true
      ? JSON.stringify(JSON.parse(said), null, 2)
      : said.trimEnd(),
  );
  return answer.ok ? 0 : 1;
}

function placeOf(name: string, value: string): coordinator.Place | null {
  const [, host, port] = /^\[?([0-9A-Za-z.:-]+?)\]?:(\d{1,5})$/.exec(value) ?? [];
  if (host !== undefined && port !== undefined && Number(port) <= 65_535) return { host, port: Number(port) };
  refuse(`--${name}: expected HOST:PORT`);
  return null;
}

async function main(): Promise<number> {
  const { values: v, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      dir: { type: 'string' },
      days: { type: 'string', default: '365' },
      database: { type: 'string' },
      http: { type: 'string', default: '127.0.0.1:4780' },
      mqtt: { type: 'string', default: '127.0.0.1:1883' },
      cert: { type: 'string' },
      key: { type: 'string' },
      broker: { type: 'string' },
      user: { type: 'string' },
      authority: { type: 'string' },
      prefix: { type: 'string', default: 'weir' },
      root: { type: 'string' },
      for: { type: 'string' },
      serial: { type: 'string' },
      void: { type: 'string', default: '1' },
      out: { type: 'string' },
      url: { type: 'string', default: 'http://127.0.0.1:4780' },
      help: { type: 'boolean' },
    },
  });
  const [verb, ...rest] = positionals;
  if (v.help === true) {
    console.log(help);
    return 0;
  }
  const database = v.database ?? null;
  const days = Number(v.days);
  if (!Number.isInteger(days) || days < 1 || days > 36_500) return refuse('--days: expected 1 to 36500');
  if (verb === 'openapi') {
    console.log(JSON.stringify(openapi.render(routes, desk.base), null, 2));
    return 0;
  }
  if (verb === 'ask' && rest[0] !== undefined && rest[1] !== undefined) return ask(rest[0], rest[1], rest.slice(2), v.url);
  if (verb === 'init' && v.dir !== undefined) return init(at(v.dir), days, database);
  if (verb === 'key' && v.dir !== undefined) return addKey(folder.open(at(v.dir)));
  if (verb === 'certify' && v.root !== undefined && v.for !== undefined && v.serial !== undefined && v.out !== undefined) {
    if (!/^[0-9a-f]{64}$/.test(v.for)) return refuse('--for: expected 32 bytes in hex');
    const [serial, least] = [Number(v.serial), Number(v.void)];
    const wrong = certificateForm.read(
      certificateForm.write({ key: bytesOf(v.for) as PublicKey, serial, least, until: seconds(0), may: ['grant'] }),
    );
    if (!wrong.ok) return refuse(wrong.fault);
    const failed = certify(at(v.root), bytesOf(v.for) as PublicKey, { serial, least, days }, at(v.out));
    return failed === null ? 0 : refuse(failed);
  }
  if (verb !== 'run' || v.dir === undefined) return refuse(`\n${help}`);
  const [http, mqtt] = [placeOf('http', v.http), placeOf('mqtt', v.mqtt)];
  if (http === null || mqtt === null) return 2;
  const tls = v.cert !== undefined && v.key !== undefined ? { certificate: at(v.cert), key: at(v.key) } : null;
  return run({
    dir: at(v.dir),
    database,
    prefix: v.prefix,
    http,
    broker:
      v.broker === undefined
        ? { kind: 'embedded', at: mqtt, tls }
        : {
            kind: 'elsewhere',
            url: v.broker,
            user: v.user ?? null,
            password: process.env['WEIR_BROKER_PASSWORD'] ?? null,
            authority: v.authority === undefined ? null : at(v.authority),
          },
  });
}

function addKey(files: Folder): number {
  const key = makeKey(files, 'command', `command-${files.list(/^command-\d+\.key$/).length + 1}.key`);
  if (!key.ok) return refuse(key.fault);
  console.log(hexOf(key.value));
  return 0;
}

process.exitCode = await main();
