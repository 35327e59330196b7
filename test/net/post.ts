// The enforcer at its post: the native `weir enforcer` in the ground's router, on a bus with a router's daemons, with a client for the agent
// (user weir, under the package's ACL) and one for root. netifd's part, the addresses of weir0, is done here; wireguard-go serves the device.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '../../agent/adapters/ubus-client.ts';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import type { Result } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import type { Batch, Method } from '../../agent/wire/enforcer.ts';
import * as wire from '../../agent/wire/enforcer.ts';
import * as fields from '../../agent/wire/fields.ts';
import { native } from '../../build/native.ts';
import * as network from '../fakes/network.ts';
import type { Router } from '../fakes/router.ts';
import * as router from '../fakes/router.ts';
import { startUbusd } from '../fakes/ubusd.ts';
import * as at from './ground/addresses.ts';
import { createGround, type Ground } from './ground/ground.ts';
import type { Namespace } from './ground/namespace.ts';
import type { Options } from './ground/topology.ts';

/** Whose public keys begin their search for a slot at 2, 3 and 4: the ground's consumers then have the addresses that they believe in. */
export const keys = {
  c: { secret: 'kGZa0cg1uDh1/UC564vkPjeQY7PUajpO1wlwHFYLcm0=', public: 'MWFT46JCPUopQBsEmnOPXtg2o1RYQK/ZxaHMlg9PDSQ=' },
  d: { secret: '2GDyz5ijz+T3hI8rFTTr9Ywd/8LKrkyoACs3o1WVxnA=', public: 'RkEFj+a77iHEG0B2ALkQsyoc4SR+nTPAb2jhrOPmmiQ=' },
  e: { secret: '0O9yHkxWLAJodzCop2IIplNYz4snr0TagfZa+czl33U=', public: 'GTxIplSv53rCV1r6+kEyYrXJt9lqfdq5+5SVHED2Bzc=' },
} as const;

export type Program = Readonly<{
  /** What it has logged so far, in all its lives. */
  lines: readonly string[];
  start(): Promise<void>;
  isThere(): boolean;
  /** SIGKILL. */
  kill(): Promise<void>;
  signal(name: NodeJS.Signals): void;
  /** The line after the first `after` lines that matches. */
  says(pattern: RegExp, after?: number): Promise<string>;
}>;

/** The enforcer itself, and all around it. */
export type Post = Program &
  Readonly<{
    ground: Ground;
    fakes: Router;
    root: Bus;
    agent: Bus;
    folder: string;
    /** The agent, as user weir on the bus, without a broker. */
    served: Program;
    weir(...args: string[]): Promise<Readonly<{ code: number | NodeJS.Signals; stdout: string; stderr: string }>>;
    /** As user weir. */
    ask(method: string, args?: Table): Promise<Result<Table>>;
    /** As root. */
    order(method: string, args?: Table): Promise<Result<Table>>;
    items<M extends Method>(method: M, ...asked: readonly wire.Asked[M][]): Promise<Batch<Result<wire.Answers[M]>>['items']>;
    rows(): Promise<wire.Page['rows']>;
    departed(): Promise<wire.Page['gone']>;
    /** What the owner's month has used, in line bytes. */
    month(): Promise<bigint>;
    /** Our tables, without the values of counters. */
    ruleset(): Promise<string>;
    /** From the first start to sharing, as an owner does it. */
    begin(): Promise<void>;
    /** As netifd does once the network is claimed and the device there. */
    address(): Promise<void>;
    /** Tells consumers the router's key. */
    connect(...names: readonly string[]): Promise<void>;
    close(): Promise<void>;
  }>;

const patience = millis(30_000);

/** `begun`: what it says once it can be asked. */
export function programOf(place: Namespace, argv: readonly string[], env: Readonly<Record<string, string>>, begun: RegExp): Program {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  let child: ChildProcess | null = null;
  const says = (pattern: RegExp, after = 0): Promise<string> =>
    new Promise((resolve, reject) => {
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        waiting.delete(check);
        act();
      };
      const check = (): void => {
        const line = lines.slice(after).find((l) => pattern.test(l));
        if (line !== undefined) finish(() => resolve(line));
      };
      const never = (): void => reject(new Error(`${argv.at(-1)} never said ${pattern}:\n${lines.join('\n')}`));
      const timer = setTimeout(() => finish(never), patience);
      waiting.add(check);
      check();
    });
  return {
    lines,
    says,
    async start() {
      const after = lines.length;
      const started = place.spawn(argv, env);
      child = started;
      let rest = '';
      started.stderr?.on('data', (chunk: Buffer) => {
        const parts = (rest + chunk.toString()).split('\n');
        rest = parts.pop() ?? '';
        lines.push(...parts);
        for (const check of [...waiting]) check();
      });
      await says(begun, after);
    },
    isThere: () => child !== null && child.exitCode === null && child.signalCode === null,
    async kill() {
      const was = child;
      child = null;
      if (was === null || was.exitCode !== null || was.signalCode !== null) return;
      const gone = once(was, 'exit');
      was.kill('SIGKILL');
      await gone;
    },
    signal: (name) => void child?.kill(name),
  };
}

const value = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};

/** What the tests want of the owner; each can be changed. */
export const config = (changed: Readonly<Record<string, string>> = {}): string => {
  const options: Readonly<Record<string, string>> = {
    'tunnel.pool4': at.pool.v4,
    'tunnel.pool6': at.pool.v6,
    'limits.rate_up': '10000000',
    'limits.rate_down': '10000000',
    'limits.session_rate_up': '10000000',
    'limits.session_rate_down': '10000000',
    'limits.flows_session': '200',
    'limits.flows_all': '1000',
    'limits.monthly_cap': 'none',
    ...changed,
  };
  const section = (name: string): string =>
    [
      `config ${name} '${name}'`,
      ...Object.entries(options).flatMap(([path, text]) =>
        path.startsWith(`${name}.`) ? [`\toption ${path.slice(name.length + 1)} '${text}'`] : [],
      ),
      ...(name === 'limits' ? [`\tlist deny '${at.denied.v4}'`, `\tlist deny '${at.denied.v6}'`] : []),
      '',
      '',
    ].join('\n');
  return ['node', 'broker', 'share', 'tunnel', 'limits'].map(section).join('');
};

export const configs: Readonly<Record<string, string>> = {
  network: `
config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	list ipaddr '${at.home.v4}/24'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	option ipaddr '${at.wan.v4}'
	option netmask '255.255.255.0'
	option gateway '${at.gateway.v4}'
	list dns '${at.gateway.v4}'

`,
  firewall: String(router.configs['firewall']),
  system: "\nconfig system 'system'\n\toption timezone 'CET-1CEST,M3.5.0,M10.5.0/3'\n\n",
};

export async function open(weir = config(), options: Options = {}): Promise<Post> {
  const binary = await native('host');
  const dir = mkdtempSync(join(tmpdir(), 'weir-post-'));
  const [folder, acl] = [join(dir, 'enforcer'), join(dir, 'acl')];
  mkdirSync(folder, { mode: 0o700 });
  mkdirSync(acl);
  copyFileSync('openwrt/weir/files/weir.acl.json', join(acl, 'weir.json'));
  const socket = join(dir, 'root.sock');
  const door = { path: join(dir, 'weir.sock'), user: 'weir', group: 'weir' };
  const ubusd = await startUbusd({ path: socket, acl, others: [door] });
  const fakes = await router.start(socket, host.clock, { ...configs, weir });
  for (const name of ['wan', 'br-lan']) fakes.link(name, network.ethernet);
  const client = async (path: string): Promise<Bus> =>
    value(await ubus.open(host, { path, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
  const [root, agent] = [await client(socket), await client(door.path)];
  const ground = await createGround({ tunnel: 'none', keys, ...options });
  const place = ground.in('router');
  const own = join(dir, 'agent');
  mkdirSync(own, { mode: 0o700 });
  const env = { UBUS_SOCKET: socket, WEIR_FOLDER: folder };

  const call = async (bus: Bus, method: string, args: Table): Promise<Result<Table>> => bus.call('weir.enforcer', method, args, patience);

  const post = programOf(place, [binary, 'enforcer'], env, /weir\.enforcer is there/);
  const { lines, says, start } = post;
  const served = programOf(place, [binary, 'agent'], { UBUS_SOCKET: door.path, WEIR_FOLDER: own }, /link: (no broker is set|connected to)/);

  const address = async (): Promise<void> => {
    const addresses = [`${at.tunnel.v4}/16`, `${at.tunnel.v6}/64`, `${at.tunnel.local}/64`];
    const input = addresses.map((a) => `address replace ${a} dev weir0${a.includes(':') ? ' nodad' : ''}`).join('\n');
    await place.run(['ip', '-batch', '-'], { input });
  };
  const order = (method: string, args: Table = []): Promise<Result<Table>> => call(root, method, args);

  return {
    ground,
    fakes,
    root,
    agent,
    folder,
    lines,
    start,
    isThere: post.isThere,
    kill: post.kill,
    signal: post.signal,
    served,
    says,
    weir: (...args) => place.attempt(['env', `UBUS_SOCKET=${socket}`, `WEIR_FOLDER=${folder}`, binary, ...args], { withinMs: patience }),
    ask: (method, args = []) => call(agent, method, args),
    order,
    async items(method, ...asked) {
      const isBatch = asked.length !== 1;
      const answer = value(await call(agent, method, wire.encodeAsked(method, { isBatch, items: asked })));
      return value(wire.decodeAnswers(method, answer)).items;
    },
    async rows() {
      return value(wire.decodePage(value(await call(agent, 'read', [])))).rows;
    },
    async departed() {
      return value(wire.decodePage(value(await call(agent, 'read', [])))).gone;
    },
    async month() {
      // A look at the sessions counts the line as well.
      value(await call(agent, 'read', []));
      return value(fields.integer(value(await call(agent, 'facts', [])), 'month_used'));
    },
    async ruleset() {
      const list = (table: string): Promise<string> => place.run(['nft', '-s', `list table ${table}`]);
      return (await list('netdev weir_m')) + (await list('inet weir_p'));
    },
    async begin() {
      await start();
      value(await order('setup'));
      await ground.startDevice();
      value(await order('share'));
      await says(/shares on weir0/);
      await address();
    },
    address,
    async connect(...names) {
      const secret = readFileSync(join(folder, 'key')).toString('base64');
      const key = (await place.run(['wg', 'pubkey'], { input: secret })).trim();
      for (const name of names) await ground.connect(name, key);
    },
    async close() {
      await served.kill();
      await post.kill();
      await ground.close();
      root.close();
      agent.close();
      fakes.stop();
      await ubusd.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

export const must = value;
