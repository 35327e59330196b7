// The coordinator's command line: keys and certificates, the process itself, and whatever an operator asks of it over HTTP.
// `scripts/coordinator --help`.

import { writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import * as argv from '../agent/core/argv.ts';
import type { PublicKey } from '../agent/core/brand.ts';
import { seconds } from '../agent/core/brand.ts';
import * as ip from '../agent/core/ip.ts';
import { type Errno, type Fault, fail, ok, type Result, text, under } from '../agent/core/result.ts';
import { bytesOf, hexOf } from '../agent/wire/form.ts';
import * as folder from './adapters/folder.ts';
import * as authority from './authority.ts';
import * as coordinator from './coordinator.ts';
import * as access from './core/access.ts';
import * as desk from './desk.ts';
import * as openapi from './openapi.ts';
import * as operators from './operators.ts';
import type { Folder } from './ports/folder.ts';
import { routes } from './routes.ts';
import * as shape from './shape.ts';

const help = `usage: scripts/coordinator COMMAND

  init      makes a folder with everything a small fleet needs
  run       is the coordinator
  operator  makes another operator's token, when there is none to ask with
  key       makes another command key
  certify   signs a command key, where the root key is
  ask       asks the running coordinator for something, as an operator
  openapi   prints all that can be asked

scripts/coordinator COMMAND --help says more. Ends with 0, with 1 when it was refused, with 2 when it could not begin.`;

const helps = {
  init: `usage: scripts/coordinator init --dir DIR [--days 365] [--database URL]

Makes DIR with the root key, a command key with its certificate, the fleet's password for the broker, the database, and an operator's token, which
is shown once. Take root.key off the machine afterwards: run does not need it.
  --days      so long certificate and token hold
  --database  postgresql://…, for run to be told, too; without it DIR has a PostgreSQL of its own`,
  run: `usage: scripts/coordinator run --dir DIR [--http HOST:PORT [--proxy ADDRESS]] [--mqtt HOST:PORT [--cert FILE --key FILE]] [--database URL]
       scripts/coordinator run --dir DIR [--http HOST:PORT [--proxy ADDRESS]] --broker URL [--user NAME] [--authority FILE] [--database URL]

Is the coordinator. Its page is at --http, for whoever has a token or a consumer's keys.
  --http       127.0.0.1:4780, unless said otherwise; TLS is for a reverse proxy in front of it
  --proxy      where such a proxy asks from (127.0.0.1), which has to add to X-Forwarded-For: callers are then told apart by the last address
               there, or else all that come by it share one limit of requests
  --mqtt       127.0.0.1:1883: where its own broker listens (MQTT 3.1.1), with TLS by --cert and --key (PEM)
  --broker     mqtts://… or mqtt://…: another broker in its place; its password is in the environment as WEIR_BROKER_PASSWORD
  --user       its name at that broker; --authority FILE: whom that broker's certificate has to be signed by (PEM)
  --prefix     of all topics: weir
  --database   as it was said to init`,
  operator: `usage: scripts/coordinator operator --dir DIR --name NAME [--role admin] [--days 365] [--database URL]

Makes an operator and shows the token, this once: for who holds DIR, when all tokens are lost or have ended (else: ask POST /operators). An embedded
database is open to one process: end run before.
  --role  viewer, operator or admin`,
  key: `usage: scripts/coordinator key --dir DIR

Makes another command key in DIR and prints the public one, which certify signs.`,
  certify: `usage: scripts/coordinator certify --root FILE --for KEY --serial N [--void N] [--days 90] --out FILE

Signs a command key, on the machine where the root key is. FILE goes into the coordinator's folder as NAME.certificate, and run is started anew.
  --root    the root's key: root.key of init
  --for     the public key that key has printed
  --serial  higher than that of any certificate before
  --void    all with a lower serial end, at every router that hears of it, whatever its clock says`,
  ask: `usage: scripts/coordinator ask METHOD PATH [FIELD=VALUE ...] [--url http://127.0.0.1:4780]

The HTTP API by hand (scripts/coordinator openapi), with an operator's token in the environment as WEIR_TOKEN:
  ask GET /nodes                              ask POST /tickets kind=claim seconds=86400
  ask PUT /nodes/NODE/name name='north roof'  ask POST /consumers name=ann key=KEY
  ask POST /sessions offer=roof bytes=1000000000 seconds=86400 peer=KEY consumer=KEY
  ask POST /sessions/SESSION/change rate_down=4000000 seconds=3600
A list says in \`next\` where it goes on: ask GET '/sessions?after=NEXT'.`,
  openapi: 'usage: scripts/coordinator openapi\n\nPrints the OpenAPI document of the HTTP API.',
} as const;
type Name = keyof typeof helps;

const say = (line: string): void => console.error(`coordinator: ${line}`);
function refuse(why: Fault, status = 2): number {
  say(text(why));
  return status;
}
const encoder = new TextEncoder();
const now = (): number => Math.floor(Date.now() / 1000);

// ── Options ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

// The programs here run in the project's folder; names are of the folder it was called from.
const path = (given: string): Result<string> => ok(resolve(process.env['WEIR_FROM'] ?? '.', given));
const hexKey = (given: string): Result<PublicKey> => {
  const hex = argv.matching(/^[0-9a-f]{64}$/, '32 bytes in hex')(given);
  return hex.ok ? ok(bytesOf(hex.value) as PublicKey) : hex;
};
const whole =
  (least: number, most: number) =>
  (given: string): Result<number> =>
    /^\d{1,10}$/.test(given) && Number(given) >= least && Number(given) <= most
      ? ok(Number(given))
      : fail('malformed', '', `expected ${least} to ${most}`);
const days = whole(1, 36_500);
const serial = whole(1, 4_294_967_295);
const name = (given: string): Result<string> => shape.name.read(given);
const role = (given: string): Result<access.Role> => shape.choice(access.roles).read(given);
// Never repeated: there may be a password in it.
const database = argv.matching(/^postgres(ql)?:\/\//, 'postgresql://USER:PASSWORD@HOST/NAME');
const broker = argv.matching(/^(mqtts?|wss?):\/\/[^/]/, 'mqtts://HOST:PORT');
const url = argv.matching(/^https?:\/\/[^/]+\/?$/, 'http://HOST:PORT');
function place(given: string): Result<coordinator.Place> {
  const [, host, port] = /^\[?([0-9A-Za-z.:-]+?)\]?:(\d{1,5})$/.exec(given) ?? [];
  if (host === undefined || port === undefined || Number(port) > 65_535) return fail('malformed', '', 'expected HOST:PORT');
  return ok({ host, port: Number(port) });
}

// ── Commands ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Command = (args: readonly string[]) => Promise<number>;
const command =
  <S extends argv.Shape, W extends keyof S & string = never>(
    grammar: argv.Grammar<S, W>,
    act: (options: argv.Arguments<S, W>['options'], words: readonly string[]) => Promise<number>,
  ): Command =>
  async (args) => {
    const given = argv.parse(args, grammar);
    return given.ok ? act(given.value.options, given.value.words) : refuse(given.fault);
  };

function makeKey(files: Folder, kind: 'root' | 'command', name: string): Result<PublicKey> {
  const bytes = authority.renderKey(kind, coordinator.random(32));
  const made = files.create(name, bytes);
  const signer = made.ok ? authority.readKey(kind, bytes) : made;
  return signer.ok ? ok(signer.value.key) : signer;
}

type Terms = Readonly<{ serial: number; least: number; days: number }>;
function certificate(rootFile: string, key: PublicKey, { serial, least, days }: Terms): Result<Uint8Array> {
  const bytes = folder.readFile(rootFile);
  const root = bytes.ok ? authority.readKey('root', bytes.value) : bytes;
  if (!root.ok) return { ok: false, fault: under('--root', root.fault) };
  return ok(authority.certify(root.value, { key, serial, least, until: seconds(until(days)), may: ['grant', 'command'] }));
}

const until = (days: number): number => now() + days * 86_400;

async function addOperator(dir: string, database: string | null, operator: operators.Operator): Promise<Result<string>> {
  const opened = await coordinator.openDatabase({ dir, database }, say);
  if (!opened.ok) return opened;
  const token = await opened.value.transaction((query) => operators.add(query, operator, coordinator.random));
  await opened.value.end();
  return token;
}

async function init(dir: string, days: number, database: string | null): Promise<number> {
  const made = folder.make(dir);
  if (!made.ok) return refuse(under('--dir', made.fault));
  const files = made.value;
  if (files.list(/^root\.pub$/).length > 0)
    return refuse({ code: 'exists', path: dir, reason: 'is a coordinator’s folder already: run takes it' });
  // What may fail comes first, so that init can be tried again.
  const token = await addOperator(dir, database, { name: 'admin', role: 'admin', until: until(days) });
  if (!token.ok && token.fault.path !== 'name') return refuse(token.fault);
  if (!token.ok) return refuse({ ...token.fault, path: 'database', reason: 'is another coordinator’s: it has an admin' });
  const [root, key] = [makeKey(files, 'root', 'root.key'), makeKey(files, 'command', 'command-1.key')];
  if (!root.ok) return refuse(root.fault);
  if (!key.ok) return refuse(key.fault);
  const certified = certificate(join(dir, 'root.key'), key.value, { serial: 1, least: 1, days });
  if (!certified.ok) return refuse(certified.fault);
  const fleet = hexOf(coordinator.random(16));
  const contents: readonly (readonly [string, Uint8Array])[] = [
    ['command-1.certificate', certified.value],
    ['fleet.password', encoder.encode(`${fleet}\n`)],
    ['root.pub', encoder.encode(`${hexOf(root.value)}\n`)],
  ];
  for (const [name, bytes] of contents) {
    const written = files.create(name, bytes);
    if (!written.ok) return refuse(written.fault);
  }
  console.log(`root   ${hexOf(root.value)}\ntoken  ${token.value}\nfleet  ${fleet}`);
  return 0;
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

async function certify(out: string, certified: Result<Uint8Array>): Promise<number> {
  if (!certified.ok) return refuse(certified.fault);
  try {
    writeFileSync(out, certified.value, { flag: 'wx', mode: 0o600 });
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    return refuse({ code: code as Errno, path: '--out', reason: message });
  }
  return 0;
}

async function ask(method: string, path: string, fields: readonly string[], url: string): Promise<number> {
  if (!path.startsWith('/')) return refuse({ code: 'malformed', path: 'PATH', reason: 'expected /…' });
  const token = process.env['WEIR_TOKEN'] ?? '';
  if (!/^[\x21-\x7e]+$/.test(token)) return refuse({ code: 'missing', path: 'WEIR_TOKEN', reason: 'has to hold an operator’s token' });
  const body: [string, unknown][] = [];
  for (const field of fields) {
    const [, name, value] = /^([a-z_]+)=(.*)$/su.exec(field) ?? [];
    if (name === undefined || value === undefined) return refuse({ code: 'malformed', path: '', reason: 'expected FIELD=VALUE' });
    body.push([name, /^\d{1,16}$/.test(value) ? Number(value) : value === 'true' || value === 'false' ? value === 'true' : value]);
  }
  const init = body.length === 0 ? {} : { body: JSON.stringify(Object.fromEntries(body)) };
  let answer: Response;
  try {
    answer = await fetch(`${url.replace(/\/$/, '')}${desk.base}${path}`, {
      method,
      headers: { authorization: `Bearer ${token}` },
      ...init,
    });
  } catch (error) {
    const { cause } = error as Readonly<{ cause?: Readonly<{ message?: string; code?: string }> }>;
    return refuse({ code: 'closed', path: url, reason: `no coordinator answers: ${cause?.code ?? String(error)}` });
  }
  const said = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
  console.log(isJson ? JSON.stringify(JSON.parse(said), null, 2) : said.trimEnd());
  return answer.ok ? 0 : 1;
}

const commands: Readonly<Record<Name, Command>> = {
  init: command({ options: { dir: path, days, database }, wanted: ['dir'] }, (v) => init(v.dir, v.days ?? 365, v.database ?? null)),
  run: command(
    {
      options: {
        dir: path,
        database,
        http: place,
        proxy: ip.parseAddress,
        mqtt: place,
        cert: path,
        key: path,
        broker,
        user: argv.text,
        authority: path,
        prefix: argv.matching(/^[\w-]+(\/[\w-]+)*$/, 'a topic'),
      },
      wanted: ['dir'],
    },
    async (v) => {
      const apart = v.broker === undefined ? (['user', 'authority'] as const) : (['mqtt', 'cert', 'key'] as const);
      for (const name of apart)
        if (v[name] !== undefined)
          return refuse({
            code: 'unsupported',
            path: `--${name}`,
            reason: `is said ${v.broker === undefined ? 'of a --broker elsewhere' : 'of a broker of its own, without --broker'}`,
          });
      if ((v.cert === undefined) !== (v.key === undefined))
        return refuse({ code: 'missing', path: '--cert and --key', reason: 'go together' });
      return run({
        dir: v.dir,
        database: v.database ?? null,
        prefix: v.prefix ?? 'weir',
        http: { ...(v.http ?? { host: '127.0.0.1', port: 4780 }), proxy: v.proxy ?? null },
        broker:
          v.broker === undefined
            ? {
                kind: 'embedded',
                at: v.mqtt ?? { host: '127.0.0.1', port: 1883 },
                tls: v.cert === undefined || v.key === undefined ? null : { certificate: v.cert, key: v.key },
              }
            : {
                kind: 'elsewhere',
                url: v.broker,
                user: v.user ?? null,
                password: process.env['WEIR_BROKER_PASSWORD'] ?? null,
                authority: v.authority ?? null,
              },
      });
    },
  ),
  operator: command({ options: { dir: path, name, role, days, database }, wanted: ['dir', 'name'] }, async (v) => {
    const files = folder.open(v.dir);
    if (!files.ok) return refuse(under('--dir', files.fault));
    const made = await addOperator(v.dir, v.database ?? null, { name: v.name, role: v.role ?? 'admin', until: until(v.days ?? 365) });
    if (!made.ok) return refuse(made.fault);
    console.log(`token  ${made.value}`);
    return 0;
  }),
  key: command({ options: { dir: path }, wanted: ['dir'] }, async ({ dir }) => {
    const files = folder.open(dir);
    if (!files.ok) return refuse(under('--dir', files.fault));
    const number = files.value.list(/^command-\d+\.key$/).length + 1;
    const key = makeKey(files.value, 'command', `command-${number}.key`);
    if (!key.ok) return refuse(key.fault);
    console.log(hexOf(key.value));
    return 0;
  }),
  certify: command(
    { options: { root: path, for: hexKey, serial, void: serial, days, out: path }, wanted: ['root', 'for', 'serial', 'out'] },
    async (v) => {
      const least = v.void ?? 1;
      if (least > v.serial)
        return refuse({ code: 'malformed', path: '--void', reason: 'would end this certificate, too: at most its --serial' });
      return certify(v.out, certificate(v.root, v.for, { serial: v.serial, least, days: v.days ?? 90 }));
    },
  ),
  ask: command(
    {
      options: { url },
      words: {
        METHOD: argv.matching(/^(GET|POST|PUT|DELETE)$/, 'GET, POST, PUT or DELETE'),
        // And fields.
        'PATH...': argv.text,
      },
    },
    (v, [method = '', path = '', ...fields]) => ask(method, path, fields, v.url ?? 'http://127.0.0.1:4780'),
  ),
  openapi: command({ options: {} }, async () => {
    console.log(JSON.stringify(openapi.render(routes, desk.base), null, 2));
    return 0;
  }),
};

async function main([name = '--help', ...args]: readonly string[]): Promise<number> {
  if (name === '--help') {
    console.log(help);
    return 0;
  }
  if (!Object.hasOwn(commands, name)) {
    say(`no such command\n\n${help}`);
    return 2;
  }
  if (!args.includes('--help')) return commands[name as Name](args);
  console.log(helps[name as Name]);
  return 0;
}

process.exitCode = await main(process.argv.slice(2));
