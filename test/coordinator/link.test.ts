import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Nonce, SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as coordinator from '../../coordinator/coordinator.ts';
import * as mosquitto from '../fakes/mosquitto.ts';
import { signerOf } from '../wire/story.ts';
import * as ground from './ground.ts';
import * as live from './live.ts';
import * as nodes from './node.ts';
import { both, tell, witnessed } from './node.ts';

/** What it stands on. */
type Under = Readonly<{
  database: string | null;
  broker: coordinator.Options['broker'] | undefined;
  port: number;
  password: string;
  /** The broker dies, and comes back without anything that it had; null: it is the coordinator's own. */
  lose: (() => Promise<void>) | null;
  stop(): Promise<void>;
}>;

const embedded = async (): Promise<Under> => ({
  database: null,
  broker: undefined,
  port: 0,
  password: live.fleet,
  lose: null,
  stop: async () => undefined,
});

async function servers(): Promise<Under> {
  const [database, broker] = [await ground.serve(), await mosquitto.start()];
  const { tlsPort, port, user, password } = broker;
  const authority = join(mkdtempSync(join(tmpdir(), 'weir-authority-')), 'pem');
  writeFileSync(authority, broker.authority);
  return {
    database: database.url,
    broker: { kind: 'elsewhere', url: `mqtts://127.0.0.1:${tlsPort}`, user, password, authority },
    port,
    password,
    async lose() {
      await broker.kill();
      await broker.restart();
    },
    async stop() {
      rmSync(dirname(authority), { recursive: true });
      await Promise.all([database.stop(), broker.stop()]);
    },
  };
}

for (const [name, make] of [
  ['its own broker and database', embedded],
  ['Mosquitto over TLS, and PostgreSQL', servers],
] as const) {
  const link = suite(`link: ${name}`);
  let here: live.Live;
  let one: live.Talker;
  let code = '';
  let under: Under;
  let session: SessionId;
  const told: nodes.Told[] = [];

  const admin = (method: string, path: string, body?: object): Promise<live.Answer> =>
    live.ask(here.running.http, method, path, `Bearer ${here.tokens.admin}`, body);
  const seen = async (path: string, holds: (answer: live.Answer) => boolean): Promise<live.Answer> => {
    for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
      const answer = await admin('GET', path);
      if (holds(answer)) return answer;
    }
    throw new Error(`${path}: never; ${JSON.stringify((await admin('GET', path)).json)}`);
  };
  const talk = (node: nodes.Node): Promise<live.Talker> =>
    live.talk(here.running.mqtt ?? under.port, node, here.authority.root, here.authority.rootKey, under.password);
  const claim = async (kind: 'claim' | 'fleet'): Promise<string> =>
    `${(await admin('POST', '/tickets', { kind, seconds: 3600 })).json['code']}`;

  link.before(async () => {
    under = await make();
    here = await live.begin(under.database, under.broker);
    one = await talk(nodes.nodeOf('one'));
  });
  link.after(async () => {
    await one.end();
    await here.stop();
    await under.stop();
  });

  link('a node that nobody let in is told nothing, and comes in by its code', async () => {
    await one.birth();
    await one.publish('state', command.encodeState({ isHere: true, epoch: one.node.birth.epoch, birth: one.node.birth.sequence }));
    assert.is(await one.enrol('aaaabbbbccccddddeeee'), 'is not known');
    code = await claim('claim');
    assert.is(await one.enrol(code), 'enrolled');
    await seen(`/nodes/${one.node.id}`, ({ json }) => json['birth'] !== null && json['here'] === true);
    // The answer was lost: asked again, it is the same.
    assert.is(await one.enrol(code), 'enrolled');
  });

  link('a stolen claim code, and a request of another node', async () => {
    const thief = await talk(nodes.nodeOf('thief'));
    assert.is(await thief.enrol(code), 'was used by another node');
    await thief.end();
    assert.equal((await admin('GET', `/nodes/${thief.node.id}`)).status, 404);
  });

  link('a session is opened, used, countersigned and acknowledged', async () => {
    const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e9, most_seconds: 86_400, credit: 1 << 24 };
    assert.is((await admin('PUT', '/offers/roof', offer)).status, 200);
    const asked = { offer: 'roof', consumer: hexOf(signerOf('ann').key), peer: nodes.peerOf('ann'), bytes: 1e8, seconds: 3600 };
    const opened = await admin('POST', '/sessions', asked);
    assert.is(opened.status, 200, opened.text);
    session = opened.json['session'] as SessionId;
    await one.until('a grant', () => one.grants.has(session));
    await seen(`/sessions/${session}`, ({ json }) => json['condition'] === 'open');
    const given = one.grants.get(session);
    if (given === undefined) throw new Error('no grant');
    for (const n of [1, 2, 3])
      told.push(tell(one.node, nodes.anchorOf(given.bytes), given.grant.price, told.at(-1) ?? null, both(n * 1_000_000, n * 5_000_000)));
    for (const t of told.slice(0, 2)) await one.seal(t);
    const [, , third] = told;
    if (third === undefined) throw new Error('no third receipt');
    await one.seal(third, witnessed(third, 'ann'));
    await one.until('acknowledged', () => one.waiting.length === 0);
    assert.equal((await admin('GET', '/ledger/check')).json, { wrong: [] });
    const { json } = await admin('GET', '/ledger');
    const accounts = json['accounts'] as readonly { account: string; unit: string; amount: number }[];
    assert.is(accounts.find(({ account, unit }) => account === `node/${one.node.id}` && unit === 'bytes')?.amount, 18_000_000);
  });

  link('a broker that has lost all: what nodes had told it is asked for', async () => {
    if (under.lose === null) return;
    const before = one.ordered.length;
    await under.lose();
    await one.until('the question', () => one.ordered.slice(before).includes('send'));
  });

  link('who has the messages needs nobody', async () => {
    const { text } = await admin('GET', `/sessions/${session}/evidence`);
    const messages = evidence.parse(text);
    if (!messages.ok) throw new Error(messages.fault.reason);
    const report = evidence.examine(messages.value, [here.authority.rootKey], portable);
    assert.equal(report.findings, []);
    assert.equal(
      report.sessions.map(({ last, witnessed }) => [last, witnessed]),
      [[3, 3]],
    );
  });

  link('a restarted node gets certificates and what waits under its new epoch', async () => {
    await admin('POST', `/nodes/${one.node.id}/commands`, { kind: 'restart' });
    await one.until('the restart', () => one.ordered.includes('restart'));
    const before = one.ordered.length;
    await one.birth({ epoch: nodes.some('second epoch', 16) as Nonce, starts: 2 });
    const topped = await admin('POST', `/sessions/${session}/top-up`, { bytes: 1e8, seconds: 0 });
    assert.is(topped.status, 200, topped.text);
    await one.until('a top-up', () => one.ordered.slice(before).includes('topUp'));
    assert.is((await admin('DELETE', `/sessions/${session}`)).status, 200);
    await one.until('a close', () => one.ordered.slice(before).includes('close'));
    assert.is(one.ordered.filter((kind) => kind === 'restart').length, 1);
  });

  link('what a stranger publishes in a node’s name changes nothing', async () => {
    // It has the fleet's password, and gives itself the node's name at the broker.
    const stranger = await talk({ ...nodes.nodeOf('stranger'), id: one.node.id });
    const { json: before } = await admin('GET', `/nodes/${one.node.id}`);
    await stranger.publish('birth', cose.encode(nodes.nodeOf('stranger').born({ starts: 9 })));
    const [first] = told;
    if (first === undefined) throw new Error('no receipt');
    const forged = nodes.nodeOf('stranger').sign({ ...first.receipt, sequence: 4, counted: both(1, 2) });
    await stranger.publish(`receipts/${here.authority.root}`, cose.encode(forged));
    await stranger.publish(`receipts/${here.authority.root}`, new Uint8Array([1, 2, 3]));
    await stranger.publish('roots', cose.encode({ ...first.signed, payload: new Uint8Array([0xa0]) }));
    await seen(
      '/refusals',
      ({ json }) => (json['refusals'] as readonly { count: number }[]).reduce((sum, { count }) => sum + count, 0) >= 4,
    );
    const { json: after } = await admin('GET', `/nodes/${one.node.id}`);
    assert.equal(after['birth'], before['birth']);
    assert.is((await admin('GET', `/sessions/${session}`)).json['receipts'], 3);
    await stranger.end();
  });

  link('a copied image is put into quarantine, and both births show it', async () => {
    await one.birth({ epoch: nodes.some('copy', 16) as Nonce, starts: 2 });
    await seen(`/nodes/${one.node.id}`, ({ json }) => json['standing'] === 'quarantined');
    const { json } = await admin('GET', '/findings');
    const [found] = json['findings'] as readonly { id: number; path: string }[];
    assert.is(found?.path, 'birth.starts');
    const messages = evidence.parse((await admin('GET', `/findings/${found?.id}/evidence`)).text);
    if (!messages.ok) throw new Error(JSON.stringify(messages.fault));
    const births = messages.value.filter((bytes) => {
      const signed = cose.decode(bytes);
      return signed.ok && signed.value.kind === 'birth';
    });
    assert.is(new Set(births.map(hexOf)).size, 2);
    const refused = await admin('POST', '/sessions', { offer: 'roof', peer: nodes.peerOf('eve'), bytes: 1e6, seconds: 60 });
    assert.is(refused.status, 404, refused.text);
  });

  link('a second process on the same database is refused', async () => {
    const second = await coordinator.openDatabase(here.options, () => undefined);
    assert.is(second.ok, under.database !== null);
    if (second.ok) await second.value.end();
  });

  link('no secret is in the log', () => {
    const text = here.log.join('\n');
    for (const secret of [code, live.fleet, here.tokens.admin]) assert.is(text.includes(secret), false);
  });

  link.run();
}
