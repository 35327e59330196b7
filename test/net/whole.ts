// The whole loop with real parts only: native agent and enforcer, nft, wireguard-go, Mosquitto over TLS, PostgreSQL, the coordinator as a process,
// scripts/consumer, and a host of the Internet, whose address is looked for afterwards in every byte that was stored, logged or sent. What
// passes between agent and broker is seen where it comes out of the broker: on the coordinator's line, which leads through this program.

import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as keys from '../../agent/consumer/keys.ts';
import { host } from '../../agent/host/node.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wgquick from '../../agent/wire/wgquick.ts';
import * as ground from '../coordinator/ground.ts';
import * as live from '../coordinator/live.ts';
import * as nodes from '../coordinator/node.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import { echoes, key, quiet, token, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';
import { traces } from './privacy.ts';

/** Of the Internet host, and drawn by lot: their bytes are found nowhere by chance. */
const far = { v4: '45.83.219.77', v6: '2a0d:5c3e:91b7:4f2a:8d1e:63b9:f407:1e52' } as const;
const patience = 120_000;
const rates = { up: 20_000_000, down: 20_000_000 } as const;

type Pair = Readonly<{ up: number; down: number }>;
type Row = Readonly<{
  session: string;
  condition: string;
  outcome: string;
  tunnel: Readonly<{ key: string; port: number; addresses: readonly string[] }>;
  receipts: number;
  agreed: number;
  up: number;
  down: number;
  final: string | null;
  broken: string | null;
}>;

type Stage = Readonly<{
  it: Post;
  database: ground.Server;
  broker: mosquitto.Broker;
  dir: string;
  root: string;
  /** What no log may hold. */
  secrets: readonly string[];
  admin(method: string, path: string, body?: object): Promise<live.Answer>;
  /** What was heard so far, by whom. */
  heard: ReadonlyMap<string, readonly Buffer[]>;
  /** Hears a program out. */
  listen(who: string, child: ChildProcess): ChildProcess;
  close(): Promise<void>;
}>;

async function begin(): Promise<Stage> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-whole-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const heard = new Map<string, Buffer[]>();
  const hear =
    (who: string) =>
    (said: Buffer | string): void =>
      void heard.set(who, [...(heard.get(who) ?? []), typeof said === 'string' ? Buffer.from(said) : said]);
  const listen = (who: string, child: ChildProcess): ChildProcess => {
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', hear(who));
    return child;
  };
  const database = await ground.serve();
  const tokens = await live.prepare(dir, database.url);
  const limits = Object.fromEntries(
    ['rate_up', 'rate_down', 'session_rate_up', 'session_rate_down'].map((name) => [`limits.${name}`, '100000000']),
  );
  const config = post.config(limits);
  const it = await post.open(config);
  const router = it.ground.in('router');
  const broker = await mosquitto.start('127.0.0.1', (argv) => listen('broker', router.spawn(argv)));

  // The coordinator is no part of the router: its line enters there by a program that copies.
  const copying = `const line = require('net').connect(${broker.port}, '127.0.0.1'); process.stdin.pipe(line); line.pipe(process.stdout)`;
  const line = createServer((socket) => {
    const copy = router.spawn([process.execPath, '-e', copying]);
    socket.on('data', hear('line')).on('error', () => socket.destroy());
    copy.stdout?.on('data', hear('line'));
    socket.on('close', () => copy.kill());
    // The broker ends before the coordinator does.
    copy.on('exit', () => socket.destroy());
    copy.stdin?.on('error', () => socket.destroy());
    if (copy.stdin !== null) socket.pipe(copy.stdin);
    copy.stdout?.pipe(socket);
  });
  await new Promise<void>((done) => line.listen(0, '127.0.0.1', done));
  const { child, http } = await live.spawnOne(
    dir,
    [
      ...['--http', '127.0.0.1:0', '--database', database.url],
      ...['--broker', `mqtt://127.0.0.1:${(line.address() as AddressInfo).port}`, '--user', broker.user],
    ],
    { WEIR_BROKER_PASSWORD: broker.password },
    hear('coordinator'),
  );
  const admin = async (method: string, path: string, body?: object): Promise<live.Answer> => {
    const answer = await live.ask(http, method, path, `Bearer ${tokens.admin}`, body);
    hear('HTTP')(Buffer.from(answer.text));
    return answer;
  };

  const root = hexOf(nodes.authorityOf('live').rootKey);
  const { code } = (await admin('POST', '/tickets', { kind: 'claim', seconds: 3600 })).json;
  const authority = join(dir, 'broker.pem');
  writeFileSync(authority, broker.authority);
  it.fakes.files.set(
    'weir',
    `${config.replace(/config broker 'broker'\n+/, '')}${mosquitto.section(broker, '127.0.0.1', authority)}
config coordinator 'one'\n\toption root '${root}'\n\tlist may 'sessions'\n\toption claim '${code}'\n`,
  );
  const addresses = [`address add ${far.v4}/32 dev lo`, `address add ${far.v6}/128 dev lo nodad`].join('\n');
  await it.ground.in('internet').run(['ip', '-batch', '-'], { input: addresses });
  await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
  await it.begin();
  await it.served.start();
  const offer = { micro: 1200, currency: 'EUR', rate_up: rates.up, rate_down: rates.down };
  await admin('PUT', '/offers/roof', { ...offer, most_bytes: 1e9, most_seconds: 3600, credit: 1 << 20 });
  const stage: Stage = {
    it,
    database,
    broker,
    dir,
    root,
    secrets: [...Object.values(tokens), `${code}`, live.fleet, broker.password, readFileSync(join(it.folder, 'key')).toString('base64')],
    admin,
    heard,
    listen,
    async close() {
      line.close();
      child.kill('SIGKILL');
      await it.close();
      await broker.stop();
      await database.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
  await seen(stage, '/nodes', (json) => (json['nodes'] as readonly { starts: number }[]).some(({ starts }) => starts > 0));
  return stage;
}

async function seen(
  { admin, it, heard }: Stage,
  path: string,
  holds: (json: live.Answer['json']) => boolean,
): Promise<live.Answer['json']> {
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((done) => setTimeout(done, 100))) {
    const { json } = await admin('GET', path);
    if (holds(json)) return json;
  }
  const logs = [...it.served.lines, ...it.lines, Buffer.concat(heard.get('coordinator') ?? []).toString()];
  throw new Error(`${path}: never; ${(await admin('GET', path)).text}\n${logs.join('\n')}`);
}

type Opened = Readonly<{ session: string; address4: string; address6: string; row: Row }>;

/** `consumer`: who countersigns; null: a stock app. */
async function open(stage: Stage, peer: string, consumer: string | null): Promise<Opened> {
  const body = { offer: 'roof', peer, bytes: 1e9, seconds: 3600, ...(consumer === null ? {} : { consumer }) };
  const asked = await stage.admin('POST', '/sessions', body);
  assert.is(asked.status, 200, asked.text);
  const session = `${asked.json['session']}`;
  const row = (await seen(stage, `/sessions/${session}`, (json) => json['condition'] !== 'asked')) as unknown as Row;
  assert.is(row.condition, 'open', row.outcome);
  const { address4, address6 } = JSON.parse(row.outcome) as { address4: string; address6: string };
  return { session, address4, address6, row };
}

async function close(stage: Stage, { session }: Opened): Promise<Row> {
  assert.is((await stage.admin('DELETE', `/sessions/${session}`)).status, 200);
  return (await seen(stage, `/sessions/${session}`, (json) => json['final'] !== null)) as unknown as Row;
}

type Listed = Readonly<{
  nftables: readonly Readonly<{ map?: { name: string; elem?: [string, string][] }; counter?: { name: string; bytes: number } }>[];
}>;

/** By nft itself; null: it knows no such session. */
async function countersOf({ it }: Stage, { address4, address6 }: Opened): Promise<Pair | null> {
  const shown = JSON.parse(await it.ground.in('router').run(['nft', '--json', 'list', 'table', 'netdev', 'weir_m'])) as Listed;
  const nameIn = (map: string, address: string): string | undefined =>
    shown.nftables.find((one) => one.map?.name === map)?.map?.elem?.find(([from]) => from === address)?.[1];
  const bytesOf = (name: string | undefined): number | undefined =>
    shown.nftables.find((one) => one.counter !== undefined && one.counter.name === name)?.counter?.bytes;
  for (const way of ['cu', 'cd']) assert.is(nameIn(`${way}4`, address4), nameIn(`${way}6`, address6));
  const [up, down] = [bytesOf(nameIn('cu4', address4)), bytesOf(nameIn('cd4', address4))];
  return up === undefined || down === undefined ? null : { up, down };
}

const header = { v4: 20 + 8, v6: 40 + 8 } as const;
type Flow = Readonly<{ total: number; size: number; perSecond: number }>;

/** Datagrams both ways; what of them has arrived, as IP packets. */
async function datagrams({ it }: Stage, name: string, version: keyof typeof far, flow: Flow): Promise<Pair> {
  const [sent, fetched] = [token(), token()];
  const place = it.ground.in(name);
  const to = { to: far[version], port: 443, ...flow };
  await place.ask('udpSend', { ...to, token: sent });
  const up = await it.ground.in('internet').ask('counted', { token: sent, datagrams: flow.total, withinMs });
  const down = await place.ask('udpFetch', { ...to, token: fetched, withinMs: (2000 * flow.total) / flow.perSecond + withinMs });
  const size = header[version];
  // A download is ordered by a datagram of 128 bytes.
  return { up: up.bytes + up.datagrams * size + 128 + size, down: down.bytes + down.datagrams * size };
}

/** Every file below a folder, one after the other. A database that runs takes some away meanwhile. */
const stored = (dir: string): Buffer =>
  Buffer.concat(
    readdirSync(dir, { recursive: true, encoding: 'utf8' })
      .map((name) => join(dir, name))
      .flatMap((path) => {
        try {
          return statSync(path).isFile() ? [readFileSync(path)] : [];
        } catch (error) {
          if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
          return [];
        }
      }),
  );

export function play(megabytes: number): void {
  const whole = suite<{ stage: Stage }>('the whole loop');
  const done: { opened: Opened; row: Row }[] = [];
  const kept = new Map<string, Buffer>();
  /** Two sessions share them; the third is cut off. */
  const half = Math.round((megabytes * 1e6) / 2);

  whole.before(async (context) => {
    context.stage = await begin();
  });
  whole.after(({ stage }) => stage.close());

  whole('a consumer that countersigns: what it used is booked for the router, as nft has counted it', async ({ stage }) => {
    const { it, dir } = stage;
    const place = it.ground.in('c');
    await it.ground.bare('c');
    const [keyFile, config, grant] = ['keys', 'wg.conf', 'grant'].map((name) => join(dir, name)) as [string, string, string];
    post.must(keys.create(host, keyFile));
    const { tunnel, signer } = post.must(keys.read(host, keyFile)).public;
    const opened = await open(stage, Buffer.from(tunnel).toString('base64'), hexOf(signer));
    const { address4, address6 } = opened;
    const { key: router, port, addresses } = opened.row.tunnel;
    writeFileSync(
      config,
      wgquick.render({ secret: null, address4, address6, dns: [], mtu: 1420, key: router, endpoint: `${addresses[0]}:${port}` }),
    );
    writeFileSync(grant, (await stage.admin('GET', `/sessions/${opened.session}/evidence`)).text);
    const files = ['--keys', keyFile, '--config', config, '--grant', grant, '--save', join(dir, 'receipts')];
    const argv = [resolve('scripts/run.mjs'), 'scripts/consumer.ts', 'run', ...files, '--key', stage.root];
    const consumer = stage.listen('consumer', place.spawn([process.execPath, ...argv]));
    const ended = once(consumer, 'exit');
    const [first] = (await once(consumer.stdout ?? consumer, 'data')) as [Buffer];
    assert.match(first.toString(), /^session /);
    for (const to of [far.v4, far.v6]) {
      const transfer = { to, port: 443, intervalMs: 1000, withinMs: patience, token: token() };
      const moved = await place.ask('tcpTransfer', { ...transfer, up: Math.round(half / 8), down: Math.round((half * 3) / 8) });
      assert.is(moved.end, 'complete');
    }
    await seen(stage, `/sessions/${opened.session}`, (json) => Number(json['agreed']) > 0);
    const counted = await countersOf(stage, opened);
    const row = await close(stage, opened);
    assert.equal({ up: row.up, down: row.down }, counted);
    assert.equal(await ended, [0, null]);
    await seen(stage, `/sessions/${opened.session}`, (json) => json['agreed'] === json['receipts']);
    done.push({ opened, row });
  });

  whole('a stock app: to the byte what was sent and received', async ({ stage }) => {
    const opened = await open(stage, key('d'), null);
    await stage.it.connect('d');
    await stage.it.ground.agree('d');
    const flow = { total: Math.round(half / 4000), size: 1000, perSecond: 1000 };
    const [four, six] = [await datagrams(stage, 'd', 'v4', flow), await datagrams(stage, 'd', 'v6', flow)];
    const passed = { up: four.up + six.up, down: four.down + six.down };
    assert.equal(await countersOf(stage, opened), passed);
    const row = await close(stage, opened);
    assert.equal({ up: row.up, down: row.down }, passed);
    done.push({ opened, row });
  });

  whole('revoked over MQTT, it is dead in the kernel at once', async ({ stage }) => {
    const { it } = stage;
    const opened = await open(stage, key('e'), null);
    await it.connect('e');
    const flow = { to: far.v4, port: 443, size: 1000, perSecond: 1000, token: token(), total: 6000 };
    const before = 500;
    const sending = it.ground.in('e').ask('udpSend', flow);
    const arrived = (datagrams: number, withinMs: number): Promise<Readonly<{ datagrams: number; bytes: number }>> =>
      it.ground.in('internet').ask('counted', { token: flow.token, datagrams, withinMs });
    assert.ok((await arrived(before, patience)).datagrams >= before);
    const row = await close(stage, opened);
    assert.is(await countersOf(stage, opened), null);
    assert.not.match(await it.ground.in('router').run(['wg', 'show', 'weir0', 'peers']), key('e'));
    const { datagrams } = await arrived(0, 0);
    assert.ok((await sending).datagrams === flow.total && datagrams < flow.total, 'it was sending all the while');
    assert.not(await echoes(it, 'e', far.v4, quiet));
    // Nothing has passed since, and all that has is billed.
    assert.is((await arrived(flow.total, 1000)).datagrams, datagrams);
    assert.is(row.up, datagrams * (flow.size + header.v4));
    assert.is(row.final, 'revoked');
    done.push({ opened, row });
  });

  whole('the ledger is what nft has counted, and whoever has the messages needs nobody', async ({ stage }) => {
    const { admin, dir, root } = stage;
    assert.is(done.length, 3);
    assert.equal((await admin('GET', '/ledger/check')).json, { wrong: [] });
    const accounts = (await admin('GET', '/ledger')).json['accounts'] as readonly { account: string; unit: string; amount: number }[];
    const booked = accounts.filter(({ account, unit }) => account.startsWith('node/') && unit === 'bytes');
    const sum = done.reduce((all, { row }) => all + row.up + row.down, 0);
    assert.equal(
      booked.map(({ amount }) => amount),
      [sum],
    );
    assert.ok(sum > megabytes * 1e6, `${sum} bytes`);
    for (const { opened, row } of done) {
      assert.is(row.broken, null);
      const file = join(dir, `${opened.session}.evidence`);
      writeFileSync(file, (await admin('GET', `/sessions/${opened.session}/evidence`)).text);
      const said = execFileSync(process.execPath, ['scripts/run.mjs', 'scripts/verify.ts', '--key', root, file], { encoding: 'utf8' });
      assert.match(said, 'everything holds');
      assert.match(said, `${row.up} bytes up, ${row.down} down`);
    }
    for (const path of ['/findings', '/refusals', '/disputes'])
      assert.equal(Object.values((await admin('GET', path)).json), [[], null], path);
  });

  whole('where they went is written nowhere', async ({ stage }) => {
    const { it, admin, database, broker, dir, heard } = stage;
    for (const path of ['/overview', '/nodes', '/sessions', '/audit', '/traffic']) await admin('GET', path);
    kept.set('dump of the database', database.dump());
    kept.set('files of the database', stored(database.folder));
    await it.served.kill();
    await it.kill();
    await broker.end();
    kept.set('files of the broker', stored(broker.folder));
    kept.set('files of the agent and the enforcer', stored(dirname(it.folder)));
    kept.set('files of coordinator and consumer', stored(dir));
    kept.set('log of the agent', Buffer.from(it.served.lines.join('\n')));
    kept.set('log of the enforcer', Buffer.from(it.lines.join('\n')));
    for (const [who, pieces] of heard) kept.set(who, Buffer.concat(pieces));
    const { opened } = done[0] ?? {};
    assert.ok(opened !== undefined);
    // They are what they are called: what must be there is.
    for (const name of ['dump of the database', 'files of the database', 'HTTP', 'consumer'])
      assert.ok(kept.get(name)?.includes(opened.session), name);
    const sizes = [...kept].map(([name, bytes]) => `${name}: ${bytes.length}`);
    for (const [name, bytes] of kept) assert.ok(bytes.length > 50, `${name}: nothing there; ${sizes.join(', ')}`);
    assert.equal(traces(kept, Object.values(far)), []);
    for (const log of ['coordinator', 'consumer', 'broker', 'log of the agent', 'log of the enforcer'])
      for (const [i, secret] of stage.secrets.entries()) assert.is(kept.get(log)?.includes(secret), false, `${log}: secret ${i}`);
    // And who writes it down is found.
    for (const [name, bytes] of kept)
      assert.ok(traces(new Map([[name, Buffer.concat([bytes, Buffer.from(far.v4)])]]), [far.v4]).length === 1, name);
  });
  whole.run();
}
