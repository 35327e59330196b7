// A coordinator that is killed in the midst of its work, and what must hold then: nothing that a node was told has arrived is lost, nothing is
// counted twice, and every receipt arrives in the end.

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as assert from 'uvu/assert';
import type { SessionId } from '../../agent/core/signed.ts';
import { hexOf } from '../../agent/wire/form.ts';
import type { Broker } from '../fakes/mosquitto.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import { freePort } from '../fakes/port.ts';
import { signerOf } from '../wire/story.ts';
import * as ground from './ground.ts';
import * as live from './live.ts';
import * as nodes from './node.ts';
import { both, tell, witnessed } from './node.ts';

const ended = (child: ChildProcess, signal: NodeJS.Signals): Promise<void> =>
  new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });

/** Null: the one within. `trouble`: what else happens at the n-th kill. */
export type Under = Readonly<{ database: string | null; broker: Broker | null; trouble(n: number): Promise<void> }>;
export const alone: Under = { database: null, broker: null, trouble: async () => undefined };

export async function play(times: number, { database, broker, trouble }: Under): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-kill-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const tokens = await live.prepare(dir, database);
  const [mqtt, http] = [broker?.port ?? (await freePort()), await freePort()];
  const authority = nodes.authorityOf('live');
  const admin = (method: string, path: string, body?: object): Promise<live.Answer> =>
    live.ask(http, method, path, `Bearer ${tokens.admin}`, body);
  const args = [
    ...['--http', `127.0.0.1:${http}`],
    ...(broker === null ? ['--mqtt', `127.0.0.1:${mqtt}`] : ['--broker', `mqtt://127.0.0.1:${mqtt}`, '--user', broker.user]),
    ...(database === null ? [] : ['--database', database]),
  ];
  const env: Readonly<Record<string, string>> = broker === null ? {} : { WEIR_BROKER_PASSWORD: broker.password };
  const begin = async (): Promise<ChildProcess> => (await live.spawnOne(dir, args, env)).child;
  let child = await begin();

  const node = nodes.nodeOf('kill node');
  assert.is((await admin('POST', '/nodes', { key: hexOf(node.key) })).status, 200);
  const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e12, most_seconds: 86_400, credit: 1 << 24 };
  assert.is((await admin('PUT', '/offers/roof', offer)).status, 200);
  const talker = await live.talk(mqtt, node, authority.root, authority.rootKey, broker?.password);
  await talker.birth();
  const sessions: SessionId[] = [];
  for (const who of ['ann', 'bob']) {
    // The birth may still be on its way.
    for (let opened: live.Answer | null = null; opened?.status !== 200; await new Promise((resolve) => setTimeout(resolve, 50))) {
      opened = await admin('POST', '/sessions', {
        offer: 'roof',
        peer: nodes.peerOf(who),
        consumer: hexOf(signerOf(who).key),
        bytes: 1e12,
        seconds: 3600,
      });
      if (opened.status === 200) sessions.push(opened.json['session'] as SessionId);
    }
  }
  await talker.until('grants', () => sessions.every((session) => talker.grants.has(session)));

  let isOver = false;
  const sealed = new Map<SessionId, nodes.Told>();
  const work = async (): Promise<void> => {
    for (let n = 1; !isOver; n++) {
      for (const [i, session] of sessions.entries()) {
        const given = talker.grants.get(session);
        if (given === undefined) throw new Error('no grant');
        const told = tell(
          node,
          nodes.anchorOf(given.bytes),
          given.grant.price,
          sealed.get(session) ?? null,
          both(n * 1_000_000, n * 3_000_000),
        );
        sealed.set(session, told);
        // While nobody is there, it waits in the client; the connection that follows says all again.
        void talker.seal(told, i === 0 || n % 2 === 0 ? witnessed(told, i === 0 ? 'ann' : 'bob') : told.signed).catch(() => undefined);
      }
      // As many as a journal of its size keeps, and no more under way than a broker takes.
      while (!isOver && talker.waiting.length > 16) await new Promise((resolve) => setTimeout(resolve, 20));
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const working = work();
  const hours = setInterval(() => talker.again(), 5000);
  for (let i = 0; i < times; i++) {
    const acknowledged = (): number => talker.ordered.filter((kind) => kind === 'acknowledge').length;
    const before = acknowledged();
    await talker.until('acknowledged', () => acknowledged() > before);
    await new Promise((resolve) => setTimeout(resolve, Math.random() * 700));
    await ended(child, 'SIGKILL');
    await trouble(i);
    child = await begin();
  }
  isOver = true;
  await working;
  await talker.until('all', () => talker.waiting.length === 0);
  clearInterval(hours);
  assert.equal((await admin('GET', '/ledger/check')).json, { wrong: [] });
  for (const session of sessions) {
    const told = sealed.get(session)?.receipt;
    const row = (await admin('GET', `/sessions/${session}`)).json;
    assert.equal(
      [row['receipts'], row['up'], row['down'], row['broken'], row['gap']],
      [told?.sequence, Number(told?.counted.up), Number(told?.counted.down), null, false],
    );
  }
  assert.equal((await admin('GET', '/findings')).json['findings'], []);
  await talker.end();
  await ended(child, 'SIGTERM');
  rmSync(dir, { recursive: true, force: true });
}

/** On PostgreSQL and Mosquitto, which die with it now and then. */
export async function playOnServers(times: number): Promise<void> {
  const [server, broker] = [await ground.serve(), await mosquitto.start()];
  await play(times, {
    database: server.url,
    broker,
    async trouble(n) {
      if (n % 3 === 0) {
        await server.kill();
        await server.restart();
      }
      if (n % 4 !== 1) return;
      await broker.kill();
      await broker.restart();
    },
  });
  await broker.stop();
  await server.stop();
}
