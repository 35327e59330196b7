// A whole coordinator, and a node that talks to it over MQTT the way docs/PROTOCOL.md says: it obeys what a certified key orders, once, and
// keeps its receipts until they are acknowledged.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import mqtt from 'mqtt';
import { seconds } from '../../agent/core/brand.ts';
import type { Command, Outcome } from '../../agent/core/command.ts';
import type { Code } from '../../agent/core/enrol.ts';
import type { Epoch } from '../../agent/core/epoch.ts';
import * as epochs from '../../agent/core/epoch.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Keyring } from '../../agent/core/keyring.ts';
import * as keyring from '../../agent/core/keyring.ts';
import type { KeyId, SessionId } from '../../agent/core/signed.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as enrol from '../../agent/wire/enrol.ts';
import { hexOf } from '../../agent/wire/form.ts';
import { certificate, grant } from '../../agent/wire/grant.ts';
import * as requests from '../../agent/wire/request.ts';
import * as authority from '../../coordinator/authority.ts';
import * as coordinator from '../../coordinator/coordinator.ts';
import * as desk from '../../coordinator/desk.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as operators from '../../coordinator/operators.ts';
import { secretOf, signerOf } from '../wire/story.ts';
import type { Node, Told } from './node.ts';
import * as nodes from './node.ts';

export const fleet = 'the fleet’s password';

export type Live = Readonly<{
  options: coordinator.Options;
  running: coordinator.Running;
  authority: authority.Authority;
  tokens: Readonly<Record<'viewer' | 'operator' | 'admin', string>>;
  log: readonly string[];
  stop(): Promise<void>;
}>;

/** Files as `init` makes them, without a second process. */
export async function prepare(dir: string, database: string | null): Promise<Live['tokens']> {
  const [root, signer] = [signerOf('live root'), signerOf('live command')];
  const write = (name: string, bytes: Uint8Array | string): void => writeFileSync(join(dir, name), bytes, { mode: 0o600 });
  write('root.pub', hexOf(root.key));
  write('command-1.key', authority.renderKey('command', secretOf('live command')));
  const certified = { key: signer.key, serial: 1, least: 1, until: seconds(4_000_000_000), may: ['grant', 'command'] as const };
  write('command-1.certificate', authority.certify(root, certified));
  write('fleet.password', fleet);
  const opened = await coordinator.openDatabase({ dir, database }, () => undefined);
  if (!opened.ok) throw new Error(opened.fault.reason);
  const tokenOf = (name: 'viewer' | 'operator' | 'admin'): Promise<string> =>
    opened.value.transaction(async (query) => {
      const token = await operators.add(query, { name, role: name, until: 4_000_000_000 }, coordinator.random);
      if (!token.ok) throw new Error(token.fault.reason);
      return token.value;
    });
  const tokens = { viewer: await tokenOf('viewer'), operator: await tokenOf('operator'), admin: await tokenOf('admin') };
  await opened.value.end();
  return tokens;
}

/** `port`: where it is asked; 0 is one of the kernel's choice. */
export async function begin(database: string | null, broker?: coordinator.Options['broker'], port = 0): Promise<Live> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-coordinator-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const tokens = await prepare(dir, database);
  const options: coordinator.Options = {
    dir,
    database,
    prefix: 'weir',
    http: { host: '127.0.0.1', port, proxy: null },
    broker: broker ?? { kind: 'embedded', at: { host: '127.0.0.1', port: 0 }, tls: null },
  };
  const log: string[] = [];
  const running = await coordinator.start(options, (line) => void log.push(line));
  if (!running.ok) throw new Error(running.fault.reason);
  return {
    options,
    running: running.value,
    authority: nodes.authorityOf('live'),
    tokens,
    log,
    async stop() {
      await running.value.end();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** As a process of its own; resolves when it says where it can be asked. `heard`: what it writes. */
export async function spawnOne(
  dir: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  heard: (bytes: Buffer) => void = () => undefined,
): Promise<Readonly<{ child: ChildProcess; http: number }>> {
  const argv = ['scripts/run.mjs', 'coordinator/cli.ts', 'run', '--dir', dir, ...args];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, ...env } });
  const kill = (): unknown => child.kill('SIGKILL');
  process.once('exit', kill);
  child.on('exit', () => process.off('exit', kill));
  let failed = '';
  child.stdout.on('data', heard);
  child.stderr.on('data', heard).on('data', (bytes: Buffer) => {
    failed += bytes.toString();
  });
  const said = await new Promise<string>((resolve, reject) => {
    child.stdout.once('data', (bytes: Buffer) => resolve(bytes.toString()));
    child.once('exit', (code) => reject(new Error(`the coordinator ended with ${code}:\n${failed}`)));
  });
  return { child, http: (JSON.parse(said) as { http: number }).http };
}

// ── HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Answer = Readonly<{ status: number; text: string; json: Readonly<Record<string, unknown>> }>;

export async function ask(
  port: number,
  method: string,
  path: string,
  authorization: string | null,
  body?: object | string,
): Promise<Answer> {
  const sent = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body);
  const answer = await fetch(`http://127.0.0.1:${port}${desk.base}${path}`, {
    method,
    headers: authorization === null ? {} : { authorization },
    ...(sent === undefined ? {} : { body: sent }),
  });
  const text = await answer.text();
  const isJson = answer.headers.get('content-type')?.startsWith('application/json') === true;
  return { status: answer.status, text, json: isJson ? (JSON.parse(text) as Answer['json']) : {} };
}

/** What a consumer says in the header. */
export function signedBy(name: string, method: string, path: string, body?: object, at = Math.floor(Date.now() / 1000)): string {
  const signer = signerOf(name);
  const bytes = new TextEncoder().encode(body === undefined ? '' : JSON.stringify(body));
  return requests.authorization({ root: signerOf('live root').key, method, url: desk.base + path, body: bytes }, `${at}`, signer, hashes);
}

// ── A node ───────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Talker = Readonly<{
  node: Node;
  /** Grants it was given, and what it was ordered. */
  grants: ReadonlyMap<SessionId, Readonly<{ grant: Grant; bytes: Uint8Array }>>;
  ordered: readonly string[];
  refused: readonly string[];
  /** Receipts that are not acknowledged. */
  waiting: readonly Told[];
  enrol(code: string): Promise<string>;
  birth(more?: Partial<Node['birth']>): Promise<void>;
  /** Sealed: it is sent until it is acknowledged. */
  seal(told: Told, signed?: cose.Verified): Promise<void>;
  /** What a node does after an hour without an acknowledgement: a broker that was killed may have lost what it had confirmed. */
  again(): void;
  publish(name: string, payload: Uint8Array): Promise<void>;
  until(what: string, holds: () => boolean): Promise<void>;
  end(): Promise<void>;
}>;

export async function talk(port: number, node: Node, root: KeyId, rootKey: Uint8Array, password = fleet): Promise<Talker> {
  const client = await mqtt.connectAsync(`mqtt://127.0.0.1:${port}`, {
    clientId: node.id,
    username: 'weir',
    password,
    protocolVersion: 4,
    reconnectPeriod: 200,
  });
  let ring: Keyring = new Map([[root, { key: rootKey as Node['key'], least: 1, keys: [] }]]);
  let epoch: Epoch = epochs.begin(node.id, node.birth.epoch);
  const [grants, ordered, refused] = [new Map<SessionId, Readonly<{ grant: Grant; bytes: Uint8Array }>>(), [] as string[], [] as string[]];
  const replies = new Map<string, Uint8Array>();
  let waiting: { told: Told; signed: cose.Verified }[] = [];
  let enrolled: (answer: string) => void = () => undefined;
  const watchers = new Set<() => void>();
  const publish = async (name: string, payload: Uint8Array): Promise<void> =>
    void (await client.publishAsync(`weir/${node.id}/${name}`, Buffer.from(payload), { qos: 1, retain: name === 'birth' }));
  const send = (signed: cose.Verified): Promise<void> => publish(`receipts/${root}`, cose.encode(signed));

  function obey({ order }: Command): Outcome {
    ordered.push(order.kind);
    if (order.kind === 'acknowledge')
      waiting = waiting.filter(
        ({ told }) => !order.receipts.some((r) => r.session === told.link.session && r.sequence >= told.link.sequence),
      );
    if (order.kind === 'send')
      for (const { told, signed } of waiting)
        if (told.link.session === order.session && told.link.sequence >= order.from) void send(signed);
    if (order.kind !== 'open') return { kind: 'done' };
    const signed = cose.decode(order.grant);
    const read = signed.ok ? grant.read(signed.value.body) : signed;
    if (!read.ok) return { kind: 'refused', ...read.fault };
    const { session } = nodes.anchorOf(order.grant);
    grants.set(session, { grant: read.value, bytes: order.grant });
    return { kind: 'opened', session, address4: '100.64.0.9', address6: 'fd00::9' };
  }

  function hear(topic: string, bytes: Uint8Array): void {
    const signed = cose.decode(bytes);
    if (!signed.ok) return void refused.push(signed.fault.path);
    if (topic === 'certificates') {
      const held = cose.verify(signed.value, rootKey as Node['key'], hashes);
      const read = held.ok ? cose.read(held.value, 'certificate', certificate) : held;
      if (!read.ok) return void refused.push(read.fault.path);
      const taken = keyring.take(ring, { ...read.value, id: cose.keyIdOf(read.value.key, hashes), root });
      if (taken.ok) ring = taken.value;
      return;
    }
    const key = keyring.find(ring, signed.value.signer, 'command', seconds(0));
    const held = key.ok ? cose.verify(signed.value, key.value.key, hashes) : key;
    if (!held.ok) return void refused.push(`${held.fault.code} ${held.fault.path}`);
    if (topic === 'enrolled') {
      const answered = enrol.answered.read(signed.value.body);
      if (answered.ok) enrolled(answered.value.answer.kind === 'refused' ? answered.value.answer.reason : 'enrolled');
      return;
    }
    const read = cose.read(held.value, 'command', command.command);
    if (!read.ok) return void refused.push(read.fault.path);
    const name = `${signed.value.signer} ${read.value.sequence}`;
    const verdict = epochs.judge(epoch, { ...read.value, signer: signed.value.signer }, seconds(100));
    if (verdict.kind === 'refused') return void refused.push(`${verdict.fault.code} ${verdict.fault.path}`);
    if (verdict.kind === 'fresh') {
      epoch = verdict.epoch;
      const body = { epoch: epoch.nonce, to: signed.value.signer, sequence: read.value.sequence, outcome: obey(read.value) };
      replies.set(name, cose.encode(cose.sign('reply', command.reply.write(body), node.signer, hashes)));
    }
    const reply = replies.get(name);
    if (reply !== undefined) void publish(`replies/${root}`, reply);
  }

  client.on('message', (topic, payload) => {
    hear(topic.split('/').at(-1) ?? '', new Uint8Array(payload));
    for (const watch of watchers) watch();
  });
  const again = (): void => {
    for (const { signed } of waiting) void send(signed);
  };
  client.on('connect', again);
  await client.subscribeAsync(
    ['certificates', 'commands', 'enrolled'].map((name) => `weir/${node.id}/${name}`),
    { qos: 1 },
  );
  return {
    node,
    grants,
    ordered,
    refused,
    get waiting() {
      return waiting.map(({ told }) => told);
    },
    again,
    publish,
    async enrol(code) {
      const answer = new Promise<string>((resolve) => {
        enrolled = resolve;
      });
      const asked = { key: node.key, epoch: epoch.nonce, starts: node.birth.starts, root };
      await publish('enrol', enrol.ask(code as Code, asked, node.signer, hashes));
      return answer;
    },
    async birth(more = {}) {
      if (more.epoch !== undefined && more.epoch !== epoch.nonce) {
        // A restarted agent knows no certificate.
        epoch = epochs.begin(node.id, more.epoch);
        ring = new Map([[root, { key: rootKey as Node['key'], least: 1, keys: [] }]]);
      }
      await publish('birth', cose.encode(node.born(more)));
    },
    async seal(told, signed = told.signed) {
      waiting.push({ told, signed });
      await send(signed);
    },
    until: (what, holds) =>
      new Promise((resolve, reject) => {
        const timer = setTimeout(
          () => reject(new Error(`${what}: never; ordered ${ordered.join(' ')}; refused ${refused.join(', ')}`)),
          60_000,
        );
        const look = (): void => {
          if (!holds()) return;
          clearTimeout(timer);
          watchers.delete(look);
          resolve();
        };
        watchers.add(look);
        look();
      }),
    end: () => client.endAsync(true),
  };
}
