// Every fraud that the coordinator is there to catch, against the whole of it: what it does then, and what scripts/verify says to somebody who
// has the messages, the root's public key, and nothing else.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Nonce, SessionId } from '../../agent/core/signed.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as evidence from '../../agent/wire/evidence.ts';
import { hexOf } from '../../agent/wire/form.ts';
import { signerOf } from '../wire/story.ts';
import * as live from './live.ts';
import * as nodes from './node.ts';
import { both, disputeOf, tell, witnessed } from './node.ts';

type Verdict = Readonly<{ evidence: string; status: 0 | 1; says: RegExp }>;
type Json = live.Answer['json'];

/** A node of its own, with a session of its own, and what it would honestly say: 10 MB more with each of four receipts. */
type Scene = Readonly<{
  talker: live.Talker;
  node: nodes.Node;
  session: SessionId;
  told: readonly [nodes.Told, nodes.Told, nodes.Told, nodes.Told];
  row(holds: (row: Json) => boolean): Promise<Json>;
  /** Of this node, in megabytes. */
  paid(): Promise<number>;
  finding(): Promise<Readonly<{ what: string; evidence: string }>>;
  evidence(): Promise<string>;
  /** That it is a loss to nobody else. */
  refused(what: string): Promise<Json>;
}>;

let here: live.Live;
const admin = (method: string, path: string, body?: object): Promise<live.Answer> =>
  live.ask(here.running.http, method, path, `Bearer ${here.tokens.admin}`, body);
async function seen(path: string, holds: (json: Json) => boolean): Promise<Json> {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const { json } = await admin('GET', path);
    if (holds(json)) return json;
  }
  throw new Error(`${path}: never; ${(await admin('GET', path)).text}; ${here.log.join('; ')}`);
}
const talk = (node: nodes.Node): Promise<live.Talker> =>
  live.talk(here.running.mqtt ?? 0, node, here.authority.root, here.authority.rootKey);
const ann = hexOf(signerOf('ann').key);
const rows = (json: Json, name: string): readonly Record<string, unknown>[] => json[name] as readonly Record<string, unknown>[];

async function enter(name: string): Promise<Scene> {
  const node = nodes.nodeOf(name);
  assert.is((await admin('POST', '/nodes', { key: hexOf(node.key) })).status, 200);
  const talker = await talk(node);
  await talker.birth();
  await seen(`/nodes/${node.id}`, (json) => json['birth'] !== null);
  const asked = { offer: 'roof', node: node.id, consumer: ann, peer: nodes.peerOf(name), bytes: 1e9, seconds: 3600 };
  const opened = await admin('POST', '/sessions', asked);
  assert.is(opened.status, 200, opened.text);
  const session = opened.json['session'] as SessionId;
  await talker.until('a grant', () => talker.grants.has(session));
  const given = talker.grants.get(session);
  if (given === undefined) throw new Error('no grant');
  const anchor = nodes.anchorOf(given.bytes);
  const say = (n: number, before: nodes.Told | null): nodes.Told =>
    tell(node, anchor, given.grant.price, before, both(n * 4_000_000, n * 6_000_000));
  const first = say(1, null);
  const second = say(2, first);
  const third = say(3, second);
  return {
    talker,
    node,
    session,
    told: [first, second, third, say(4, third)],
    row: (holds) => seen(`/sessions/${session}`, holds),
    async paid() {
      const accounts = rows((await admin('GET', '/ledger')).json, 'accounts');
      const mine = accounts.find(({ account, unit }) => account === `node/${node.id}` && unit === 'bytes');
      return Number(mine?.['amount'] ?? 0) / 1e6;
    },
    async finding() {
      const mine = (json: Json) => rows(json, 'findings').filter((one) => one['node'] === node.id);
      const found = mine(await seen('/findings', (json) => mine(json).length > 0));
      assert.is(found.length, 1);
      const [one] = found;
      return { what: `${one?.['code']} ${one?.['path']}`, evidence: (await admin('GET', `/findings/${one?.['id']}/evidence`)).text };
    },
    evidence: async () => (await admin('GET', `/sessions/${session}/evidence`)).text,
    refused: (what) =>
      seen('/refusals', (json) =>
        rows(json, 'refusals').some((one) => `${one['code']} ${one['path']}` === what && one['node'] === node.id),
      ),
  };
}

/** Once a root of it is there. */
async function rootsOf({ id }: nodes.Node): Promise<string> {
  for (const end = Date.now() + 60_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 50))) {
    const { text } = await admin('GET', `/nodes/${id}/evidence`);
    const messages = evidence.parse(text);
    if (messages.ok && messages.value.some((bytes) => kindOf(bytes) === 'root')) return text;
  }
  throw new Error('no root');
}
const kindOf = (bytes: Uint8Array): cose.Kind | null => {
  const signed = cose.decode(bytes);
  return signed.ok ? signed.value.kind : null;
};

const frauds = {
  async 'a consumer signs too little'({ talker, told, row, paid, evidence }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    await talker.seal(told[1]);
    await row((json) => json['receipts'] === 2);
    const message = hexOf(cose.encode(disputeOf('ann', told[1], 'bytes', both(4_000_001, 6_000_002))));
    for (const _ of ['once', 'twice']) assert.is((await admin('POST', '/disputes', { message })).status, 200);
    // Nobody is paid with what is disputed, and both figures are there.
    assert.is(await paid(), 10);
    const disputes = rows(await row((json) => rows(json, 'disputes').length > 0), 'disputes');
    assert.equal(
      disputes.map((one) => ['told_up', 'told_down', 'own_up', 'own_down'].map((name) => one[name])),
      [[8_000_000, 12_000_000, 4_000_001, 6_000_002]],
    );
    return { evidence: await evidence(), status: 0, says: /disputes receipt 2: 4000001 bytes up, 6000002 down/ };
  },
  async 'a consumer stops'({ talker, told, row, paid, evidence }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    for (const one of told.slice(1)) await talker.seal(one);
    const { agreed } = await row((json) => json['receipts'] === 4);
    assert.equal([agreed, await paid()], [1, 10]);
    return { evidence: await evidence(), status: 0, says: /4 of 4 receipts, countersigned up to 1\n/ };
  },
  async 'a consumer vouches, and countersigns less'({ talker, told, row, paid, evidence }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    // As its router does: before the last receipt.
    await talker.publish(`receipts/${here.authority.root}`, cose.encode(nodes.voucherOf('ann', told[0], both(7_000_000, 11_000_000))));
    await talker.seal(told[1]);
    const { vouched_up, vouched_down } = await row((json) => json['receipts'] === 2);
    assert.equal([vouched_up, vouched_down, await paid()], [7_000_000, 11_000_000, 10]);
    return { evidence: await evidence(), status: 0, says: /its consumer vouched for 18000000 bytes/ };
  },
  async 'a consumer replays'({ talker, told, row, paid, evidence, refused }) {
    const old = witnessed(told[0], 'ann');
    await talker.seal(told[0], old);
    const replayed = { ...told[1].signed, witness: old.witness } as cose.Verified;
    await talker.seal(told[1], replayed);
    await refused('forged unprotected.12');
    const { receipts } = await row((json) => json['receipts'] !== 0);
    assert.equal([receipts, await paid()], [1, 10]);
    // What it asked for once is not done twice.
    const path = `/sessions?consumer=${ann}`;
    const once = live.signedBy('ann', 'GET', path);
    const statuses = [await live.ask(here.running.http, 'GET', path, once), await live.ask(here.running.http, 'GET', path, once)];
    assert.equal(
      statuses.map(({ status }) => status),
      [200, 401],
    );
    const shown = `${await evidence()}${hexOf(cose.encode(replayed))}\n`;
    return { evidence: shown, status: 1, says: /^BAD .*unprotected\.12: no countersignature of this session’s consumer/m };
  },
  async 'a router bills more than was granted'({ talker, node, told, row, paid, finding }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    const { link, receipt } = told[0];
    const inflated = tell(node, link, receipt.due?.price ?? null, told[0], both(500_000_000, 500_000_001));
    await talker.seal(inflated);
    const { broken, receipts } = await row((json) => json['broken'] !== null);
    assert.equal([broken, receipts, await paid()], ['counted: at most 1000000000 bytes were granted', 1, 10]);
    const { what, evidence } = await finding();
    assert.is(what, 'limit counted');
    return { evidence, status: 1, says: /^BAD .*counted: at most 1000000000 bytes were granted \(limit\)$/m };
  },
  async 'a router bills more than bytes times price'({ talker, node, told, row, finding }) {
    await talker.seal(told[0]);
    const { link, receipt } = told[0];
    const due = receipt.due === null ? null : { ...receipt.due, amount: (receipt.due.amount + 1_000_000n) as typeof receipt.due.amount };
    await talker.seal(tell(node, link, receipt.due?.price ?? null, told[0], both(8_000_000, 12_000_000), {}, { due }));
    await row((json) => json['broken'] !== null);
    const { what, evidence } = await finding();
    assert.is(what, 'denied due');
    return { evidence, status: 1, says: /^BAD .*due: is not bytes times price/m };
  },
  async 'a router takes back what it said'({ talker, node, told, row, finding }) {
    await talker.seal(told[0]);
    await talker.seal(tell(node, told[0].link, told[0].receipt.due?.price ?? null, told[0], both(4_000_000, 5_999_999)));
    await row((json) => json['broken'] !== null);
    const { what, evidence } = await finding();
    assert.is(what, 'denied counted.down');
    return { evidence, status: 1, says: /^BAD .*counted\.down/m };
  },
  async 'a router skips'({ talker, told, row, paid, evidence }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    await talker.publish(`receipts/${here.authority.root}`, cose.encode(witnessed(told[2], 'ann')));
    const { receipts } = await row((json) => json['gap'] === true);
    // It is asked for what is missing, and nothing behind it is billed.
    await talker.until('the question', () => talker.ordered.includes('send'));
    assert.equal([receipts, await paid()], [1, 10]);
    return { evidence: await evidence(), status: 1, says: /^BAD .*(missing)/m };
  },
  async 'a router forks'({ talker, node, told, row, paid, finding }) {
    await talker.seal(told[0], witnessed(told[0], 'ann'));
    await talker.seal(told[1]);
    await row((json) => json['receipts'] === 2);
    const price = told[0].receipt.due?.price ?? null;
    await talker.seal(tell(node, told[0].link, price, told[0], both(9_000_000, 13_000_000)));
    const { broken } = await row((json) => json['broken'] !== null);
    // Nothing behind a fork is billed any more.
    await talker.seal(told[2], witnessed(told[2], 'ann'));
    assert.equal([broken, await paid()], ['sequence: was told twice, within one boot', 10]);
    const { what, evidence } = await finding();
    assert.is(what, 'forged sequence');
    return { evidence, status: 1, says: /^BAD .*sequence: a second receipt 2, unlike/m };
  },
  async 'a router leaves its last receipt out'({ talker, node, told, row }) {
    for (const one of told.slice(0, 2)) await talker.seal(one);
    await talker.publish('roots', cose.encode(nodes.rootOf(node, [told[2]])));
    await row((json) => json['receipts'] === 2);
    // Whether it is only late is seen with time (`intake`).
    return { evidence: await rootsOf(node), status: 1, says: /^BAD .*heads: covers receipts that are not here \(missing\)$/m };
  },
  async 'a router’s receipt and its root disagree'({ talker, node, told, row }) {
    const [first, second] = told;
    const other = tell(node, first.link, first.receipt.due?.price ?? null, first, both(9_000_000, 13_000_000));
    for (const one of told.slice(0, 3)) await talker.seal(one);
    await talker.publish('roots', cose.encode(nodes.rootOf(node, [{ ...second, link: other.link }])));
    await row((json) => json['receipts'] === 3);
    return { evidence: await rootsOf(node), status: 1, says: /^BAD .*heads: says something else than the receipts \(forged\)$/m };
  },
  async 'a router tells its consumer something else'({ talker, node, told, row, finding }) {
    await talker.seal(told[0]);
    await row((json) => json['receipts'] === 1);
    const price = told[0].receipt.due?.price ?? null;
    const shown = tell(node, { ...told[0].link, sequence: 0, digest: told[0].receipt.previous }, price, null, both(1, 2));
    const message = hexOf(cose.encode(disputeOf('ann', shown, 'chain', null)));
    assert.is((await admin('POST', '/disputes', { message })).status, 200);
    const { what, evidence } = await finding();
    assert.is(what, 'forged dispute.digest');
    return { evidence, status: 1, says: /^BAD .*dispute\.digest: the consumer was shown another receipt/m };
  },
  async 'a stranger publishes on a node’s topics'({ talker, node, told, row, evidence, refused }) {
    await talker.seal(told[0]);
    await row((json) => json['receipts'] === 1);
    const thief = nodes.nodeOf('stranger');
    const stranger = await talk({ ...thief, id: node.id });
    const forged = cose.encode(thief.sign({ ...told[1].receipt, counted: both(5, 5) }));
    await stranger.publish(`receipts/${here.authority.root}`, forged);
    await refused('stranger protected.4');
    assert.is((await row(() => true))['receipts'], 1);
    await stranger.end();
    return { evidence: `${await evidence()}${hexOf(forged)}\n`, status: 1, says: /^BAD .*nobody here knows/m };
  },
  async 'a stranger forges a birth'({ node, refused }) {
    const before = (await admin('GET', `/nodes/${node.id}`)).json['birth'];
    const thief = nodes.nodeOf('forger');
    const stranger = await talk({ ...thief, id: node.id });
    // By its own key, and as if it were the node's.
    const own = thief.born({ starts: 9 });
    const forged = cose.encode({ ...node.born({ starts: 9 }), signature: own.signature });
    await stranger.publish('birth', cose.encode(own));
    await refused('stranger protected.4');
    await stranger.publish('birth', forged);
    await refused('forged signature');
    const { birth, standing } = (await admin('GET', `/nodes/${node.id}`)).json;
    assert.equal([birth, standing], [before, 'active']);
    await stranger.end();
    return { evidence: `${hexOf(forged)}\n`, status: 1, says: /^BAD .*\(forged\)$/m };
  },
  async 'a stolen claim code'() {
    const { code } = (await admin('POST', '/tickets', { kind: 'claim', seconds: 3600 })).json;
    const [owner, thief] = [await talk(nodes.nodeOf('owner')), await talk(nodes.nodeOf('thief'))];
    assert.is(await owner.enrol(`${code}`), 'enrolled');
    assert.is(await thief.enrol(`${code}`), 'was used by another node');
    assert.is((await admin('GET', `/nodes/${thief.node.id}`)).status, 404);
    // Who guesses its secret half is told as little.
    const guess = `${`${code}`.slice(0, 4)}${'a'.repeat(16)}`;
    assert.is(await thief.enrol(guess), 'is not known');
    for (const one of [owner, thief]) await one.end();
    const mine = (json: Json) => rows(json, 'findings').filter((one) => one['node'] === owner.node.id);
    const [found] = mine(await seen('/findings', (json) => mine(json).length > 0));
    assert.equal([found?.['code'], found?.['reason']], ['exists', `${thief.node.id} has shown its code, too`]);
    const { text } = await admin('GET', `/findings/${found?.['id']}/evidence`);
    assert.not.match(text, new RegExp(hexOf(new TextEncoder().encode(`${code}`))), 'the code is a secret');
    return { evidence: text, status: 1, says: /^BAD .*name: the code [a-z2-7]{4} is shown by a second key \(exists\)$/m };
  },
  async 'a cloned image'({ talker, node, finding }) {
    await talker.birth({ epoch: nodes.some('clone', 16) as Nonce });
    await seen(`/nodes/${node.id}`, (json) => json['standing'] === 'quarantined');
    const asked = { offer: 'roof', node: node.id, peer: nodes.peerOf('bob'), bytes: 1e6, seconds: 60 };
    assert.is((await admin('POST', '/sessions', asked)).status, 404);
    const { what, evidence } = await finding();
    assert.is(what, 'forged birth.starts');
    return { evidence, status: 1, says: /^BAD .*starts: .*\(forged\)$/m };
  },
} as const satisfies Readonly<Record<string, (scene: Scene) => Promise<Verdict>>>;

/** Whoever strikes a row has to strike the promise, too. */
const promised = [
  'a consumer signs too little',
  'a consumer stops',
  'a consumer vouches, and countersigns less',
  'a consumer replays',
  'a router bills more than was granted',
  'a router bills more than bytes times price',
  'a router takes back what it said',
  'a router skips',
  'a router forks',
  'a router leaves its last receipt out',
  'a router’s receipt and its root disagree',
  'a router tells its consumer something else',
  'a stranger publishes on a node’s topics',
  'a stranger forges a birth',
  'a stolen claim code',
  'a cloned image',
];

const verify = (evidence: string, name: string): Promise<Readonly<{ status: unknown; said: string }>> => {
  const file = join(here.options.dir, name.replaceAll(/\W/g, '-'));
  writeFileSync(file, evidence);
  const args = ['scripts/run.mjs', 'scripts/verify.ts', '--key', hexOf(here.authority.rootKey), file];
  return new Promise((resolve) =>
    execFile(process.execPath, args, (error, said) => resolve({ status: error === null ? 0 : error.code, said })),
  );
};

const caught = suite('frauds');
caught.before(async () => {
  here = await live.begin(null);
  const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e9, most_seconds: 86_400, credit: 1 << 24 };
  assert.is((await admin('PUT', '/offers/roof', offer)).status, 200);
  assert.is((await admin('POST', '/consumers', { key: ann, name: 'ann' })).status, 200);
});
caught.after(() => here.stop());
caught('each that is promised has a row', () => assert.equal(Object.keys(frauds).sort(), promised.toSorted()));
for (const [name, play] of Object.entries(frauds))
  caught(name, async () => {
    const scene = await enter(name);
    const verdict = await play(scene);
    await scene.talker.end();
    assert.equal((await admin('GET', '/ledger/check')).json, { wrong: [] });
    const { status, said } = await verify(verdict.evidence, name);
    assert.match(said, verdict.says);
    assert.is(status, verdict.status, said);
    assert.is(/nobody here knows/.test(said), /nobody here knows/.test(`${verdict.says}`), said);
  });
caught.run();
