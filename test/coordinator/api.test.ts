import { readFileSync } from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { PublicKey } from '../../agent/core/brand.ts';
import type { Outcome } from '../../agent/core/command.ts';
import type { Micro } from '../../agent/core/grant.ts';
import * as ip from '../../agent/core/ip.ts';
import type { KeyId, Nonce, SessionId } from '../../agent/core/signed.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as requests from '../../agent/wire/request.ts';
import * as book from '../../coordinator/book.ts';
import type { Bucket } from '../../coordinator/core/access.ts';
import * as access from '../../coordinator/core/access.ts';
import * as credit from '../../coordinator/credit.ts';
import * as desk from '../../coordinator/desk.ts';
import { hashes } from '../../coordinator/hashes.ts';
import * as openapi from '../../coordinator/openapi.ts';
import * as operators from '../../coordinator/operators.ts';
import * as orders from '../../coordinator/orders.ts';
import type { Query } from '../../coordinator/ports/database.ts';
import type { Response } from '../../coordinator/ports/http.ts';
import * as registry from '../../coordinator/registry.ts';
import { routes } from '../../coordinator/routes.ts';
import { signerOf } from '../wire/story.ts';
import * as ground from './ground.ts';
import * as nodes from './node.ts';
import { both, disputeOf, tell } from './node.ts';

const node = nodes.nodeOf('api node');
const authority = nodes.authorityOf('api');
const { rootKey } = authority;
const [ann, bob] = [hexOf(signerOf('ann').key), hexOf(signerOf('bob').key)];
const start = 1_800_000_000;
const offer = { micro: 1200, currency: 'EUR', rate_up: 1e6, rate_down: 8e6, most_bytes: 1e9, most_seconds: 86_400, credit: 1 << 24 };

let here: ground.Ground;
let answer: (request: Parameters<ReturnType<typeof desk.start>>[0]) => Promise<Response>;
let at = start * 1000;
const tokens = new Map<string, string>();
const log: string[] = [];
const nudged: KeyId[] = [];
const sessions = { ann: '' as SessionId, bob: '' as SessionId };

/** Who asks: an operator by its role, a consumer by its name. Time passes, so that nobody asks too often but who is meant to. */
async function ask(
  who: string,
  method: string,
  path: string,
  body?: object | string,
  more: Readonly<{ at?: number; authorization?: string }> = {},
) {
  at += 5000;
  const text = body === undefined ? '' : typeof body === 'string' ? body : JSON.stringify(body);
  const bytes = new TextEncoder().encode(text);
  const url = desk.base + path;
  const time = `${Math.floor((more.at ?? at) / 1000)}`;
  const signer = signerOf(who);
  const signed = (): string => requests.authorization({ root: rootKey, method, url, body: bytes }, time, signer, hashes);
  const authorization = more.authorization ?? (who === 'nobody' ? null : tokens.has(who) ? `Bearer ${tokens.get(who)}` : signed());
  const { status, body: said, type } = await answer({ method, url, authorization, caller: '192.0.2.1', body: bytes });
  return { status, said, json: (type === 'application/json' ? JSON.parse(said) : {}) as Record<string, unknown> };
}

const before = async (): Promise<void> => {
  here = await ground.begin('PGlite');
  const { database } = here;
  answer = desk.start({
    database,
    authority,
    now: () => at,
    random: (size) => crypto.getRandomValues(new Uint8Array(size)),
    nudge: async (id) => void nudged.push(id),
    log: (line) => void log.push(line),
  });
  await database.transaction(async (query) => {
    for (const role of access.roles) {
      const token = await operators.add(query, { name: role, role, until: start + 1e7 }, (size) =>
        crypto.getRandomValues(new Uint8Array(size)),
      );
      if (token.ok) tokens.set(role, token.value);
    }
    const old = await operators.add(query, { name: 'old', role: 'admin', until: start - 1 }, (size) => new Uint8Array(size));
    if (old.ok) tokens.set('old', old.value);
    await registry.admit(query, node.key, '', start);
    await registry.takeBirth(query, node.id, node.born(), start);
  });
  assert.is((await ask('admin', 'PUT', '/offers/roof', offer)).status, 200);
  for (const [name, key] of [
    ['ann', ann],
    ['bob', bob],
  ] as const) {
    assert.is((await ask('operator', 'POST', '/consumers', { key, name })).status, 200);
    const opened = await ask(name, 'POST', '/sessions', { offer: 'roof', peer: nodes.peerOf(name), bytes: 1e8, seconds: 3600 });
    assert.is(opened.status, 200, opened.said);
    sessions[name] = opened.json['session'] as SessionId;
  }
};
const after = (): Promise<void> => here.stop();

// ── Roles × endpoints ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** For each route: who gets in, in the order nobody, ann, viewer, operator, admin. A route without a row fails. */
const mayAsk: Readonly<Record<string, string>> = {
  'GET /health': 'nobody ann viewer operator admin',
  'GET /me': 'ann viewer operator admin',
  'GET /overview': 'viewer operator admin',
  'GET /traffic': 'viewer operator admin',
  'GET /nodes': 'viewer operator admin',
  'POST /nodes': 'admin',
  'GET /nodes/{node}': 'viewer operator admin',
  'GET /nodes/{node}/evidence': 'viewer operator admin',
  'PUT /nodes/{node}/name': 'operator admin',
  'PUT /nodes/{node}/standing': 'operator admin',
  'POST /nodes/{node}/commands': 'operator admin',
  'GET /tickets': 'admin',
  'POST /tickets': 'admin',
  'DELETE /tickets/{name}': 'admin',
  'GET /operators': 'admin',
  'POST /operators': 'admin',
  'DELETE /operators/{name}': 'admin',
  'GET /consumers': 'viewer operator admin',
  'POST /consumers': 'operator admin',
  'PUT /consumers/{key}/credit': 'admin',
  'DELETE /consumers/{key}': 'operator admin',
  'GET /offers': 'ann viewer operator admin',
  'PUT /offers/{name}': 'admin',
  'GET /sessions': 'ann viewer operator admin',
  'POST /sessions': 'ann operator admin',
  'GET /sessions/{session}': 'ann viewer operator admin',
  'GET /sessions/{session}/evidence': 'ann viewer operator admin',
  'GET /sessions/{session}/receipts': 'ann viewer operator admin',
  'POST /sessions/{session}/top-up': 'ann operator admin',
  'POST /sessions/{session}/change': 'operator admin',
  'DELETE /sessions/{session}': 'ann operator admin',
  'POST /sessions/{session}/decision': 'admin',
  'GET /disputes': 'viewer operator admin',
  'POST /disputes': 'ann viewer operator admin',
  'GET /findings': 'viewer operator admin',
  'GET /findings/{id}/evidence': 'viewer operator admin',
  'GET /refusals': 'viewer operator admin',
  'GET /ledger': 'ann viewer operator admin',
  'GET /ledger/check': 'viewer operator admin',
  'GET /ledger/entries': 'ann viewer operator admin',
  'POST /ledger/deposits': 'admin',
  'GET /audit': 'admin',
};
const concrete = (path: string): string =>
  path
    .replace('{node}', node.id)
    .replace('{session}', sessions.ann)
    .replace('{key}', 'ab'.repeat(32))
    .replace('{id}', '99')
    .replace('/tickets/{name}', '/tickets/abcd')
    .replace('{name}', 'none');

const rights = suite('api: roles × endpoints');
rights.before(before);
rights('every route has a row', () =>
  assert.equal(Object.keys(mayAsk).sort(), routes.map(({ method, at: path }) => `${method} ${path}`).sort()),
);
for (const [name, want] of Object.entries(mayAsk))
  rights(name, async () => {
    const [method = '', path = ''] = name.split(' ');
    const got: string[] = [];
    for (const who of ['nobody', 'ann', 'viewer', 'operator', 'admin']) {
      // A body of no sense: who gets in is told so, and nothing is done.
      const { status } = await ask(who, method, concrete(path), method === 'GET' || method === 'DELETE' ? undefined : '{"x":1}');
      if (method === 'DELETE' && path === '/sessions/{session}') assert.is([200, 401, 403].includes(status), true);
      if (status !== 401 && status !== 403) got.push(who);
    }
    assert.is(got.join(' '), want);
  });
rights.run();

// ── What belongs to whom ─────────────────────────────────────────────────────────────────────────────────────────────────────────────

const own = suite('api: a consumer sees its own');
own('another’s session is not there', async () => {
  for (const rest of ['', '/evidence', '/receipts']) {
    assert.is((await ask('bob', 'GET', `/sessions/${sessions.bob}${rest}`)).status, 200);
    assert.is((await ask('ann', 'GET', `/sessions/${sessions.bob}${rest}`)).status, 404);
  }
  assert.is((await ask('ann', 'DELETE', `/sessions/${sessions.bob}`)).status, 404);
  assert.is((await ask('ann', 'POST', `/sessions/${sessions.bob}/top-up`, { bytes: 1, seconds: 0 })).status, 404);
});
own('a session for a stock app is its own, and bears no key that countersigns', async () => {
  const wish = { offer: 'roof', peer: nodes.peerOf('ann’s phone'), bytes: 1e6, seconds: 60 };
  const opened = await ask('ann', 'POST', '/sessions', { ...wish, countersign: false });
  const { json } = await ask('ann', 'GET', `/sessions/${opened.json['session']}`);
  const { witness, credit } = json['grant'] as { witness: string; credit: null };
  assert.equal([json['consumer'], witness, credit], [ann, 'none', null]);
  assert.is((await ask('bob', 'GET', `/sessions/${opened.json['session']}`)).status, 404);
});
own('nothing of another is in any answer', async () => {
  await here.database.transaction(async (query) => {
    const [terms] = await query<{ bytes: Uint8Array }>('select bytes from terms where session = $1', [sessions.bob]);
    const [grant] = await book.grantsOf(query, sessions.bob);
    if (terms === undefined || grant === undefined) throw new Error('no terms');
    const told = tell(node, nodes.anchorOf(terms.bytes), grant.price, null, both(4_000_000, 6_000_000));
    assert.is((await book.takeReceipt(query, node.id, told.signed, start)).ok, true);
    assert.is((await book.takeDispute(query, disputeOf('bob', told, 'bytes', both(1, 1)), start)).ok, true);
  });
  for (const { method, at: path, rule, search } of routes.filter((r) => r.method === 'GET' && r.rule.consumers)) {
    const text = `?consumer=${bob}&account=consumer/${bob}`;
    const asked = Object.keys(search).includes('consumer')
      ? `?consumer=${bob}`
      : Object.keys(search).includes('account')
        ? `?account=consumer/${bob}`
        : '';
    const { said } = await ask('ann', method, concrete(path) + asked);
    assert.is(said.includes(bob) || said.includes(sessions.bob), false, `${path} ${text} ${JSON.stringify(rule)}`);
  }
  const { json } = await ask('bob', 'GET', '/ledger');
  assert.equal((json['accounts'] as readonly object[]).length, 2);
});
own.run();

// ── Pages ────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** Rows of one second, which nothing but their names tells apart. */
const furnish = (query: Query): Promise<unknown> =>
  Promise.all(
    [
      `insert into node (id, key, standing, fleet, enrolled) select 'aaaaaaaaaaaaaaa' || chr(96 + n), '', 'active', 'x', 1 from generate_series(1, 5) n`,
      `insert into session (id, node, consumer, opened) select lpad(n::text, 32, '0'), '${node.id}', '${ann}', 1 from generate_series(1, 5) n`,
      `insert into receipt select '${sessions.ann}', n, 'digest', (select bytes from receipt limit 1), false, 'waiting', 1 from generate_series(11, 15) n`,
      `insert into dispute (digest, session, sequence, reason, bytes, arrived) select 'd' || n, '${sessions.ann}', 1, 'bytes', '', 1 from generate_series(1, 5) n`,
      `insert into finding (node, code, path, reason, evidence, digest, at) select '${node.id}', 'c', 'p', 'r', '', n::text, 1 from generate_series(1, 5) n`,
      `insert into refusal select 'unknown', 'forged', 'field ' || n, 1, 1 from generate_series(1, 5) n`,
      `insert into ticket (name, code, kind, fleet, until, made_by) select 'aaa' || chr(96 + n), '', 'claim', '', 1, 'x' from generate_series(1, 5) n`,
      `insert into operator select 'o' || n, 'o' || n, 'viewer', 1 from generate_series(1, 5) n`,
      `insert into consumer select 'c' || n, 'c' || n, true, 1 from generate_series(1, 5) n`,
      `insert into offer select 'o' || n, 'x', 1, 'EUR', 8, 8, 1, 1, 1 from generate_series(1, 5) n`,
      `insert into transfer select 't' || n, 'bytes', 'consumer/${ann}', 'node/n' || n, 1, 1 from generate_series(1, 5) n`,
      `insert into balance select 'node/n' || n, 'bytes', 1 from generate_series(1, 5) n`,
    ].map((sql) => query(sql)),
  );

const listed = routes.filter(({ search }) => 'after' in search);
const pages = suite('api: pages');
pages.before(() => here.database.transaction(furnish).then(() => undefined));
pages('every list has them', () =>
  assert.equal(
    listed.map(({ at: path }) => path),
    routes.filter(({ answers }) => / next:/.test(answers)).map(({ at: path }) => path),
  ),
);
for (const { at: path } of listed)
  pages(`${path}: none is lost and none comes twice`, async () => {
    const rowsOf = (json: Record<string, unknown>): readonly unknown[] => Object.values(json).find(Array.isArray) ?? [];
    const all = rowsOf((await ask('admin', 'GET', `${concrete(path)}?limit=500`)).json);
    assert.ok(all.length >= 5, `${all.length} rows`);
    for (const limit of [1, 2, 5]) {
      const seen: unknown[] = [];
      for (let after: unknown = ''; after !== null; ) {
        const { json, said } = await ask('admin', 'GET', `${concrete(path)}?limit=${limit}${after === '' ? '' : `&after=${after}`}`);
        assert.ok(rowsOf(json).length <= limit, said);
        seen.push(...rowsOf(json));
        after = json['next'];
      }
      assert.equal(seen, all, `${limit} at a time`);
    }
  });
pages('what came meanwhile disturbs nobody', async () => {
  const first = await ask('admin', 'GET', '/sessions?limit=3');
  await ask('ann', 'POST', '/sessions', { offer: 'roof', peer: nodes.peerOf('ann'), bytes: 1e6, seconds: 60 });
  const rest = await ask('admin', 'GET', `/sessions?limit=500&after=${first.json['next']}`);
  const { json } = await ask('admin', 'GET', '/sessions?limit=500');
  assert.equal(
    [first, rest].flatMap(({ json }) => json['sessions']),
    (json['sessions'] as unknown[]).slice(1),
  );
});
for (const [name, after] of [
  ['no cursor', 'x'],
  ['no JSON', btoa('{')],
  ['another list’s', btoa('{"id":"7"}')],
  ['no number', btoa('{"opened":"x","id":"x"}')],
  ['a zero', btoa('{"opened":"1","id":"\\u0000"}')],
  ['a list', btoa('[1,2]')],
] as const)
  pages(`a cursor that is none: ${name}`, async () => {
    const { status, json } = await ask('admin', 'GET', `/sessions?after=${after.replaceAll('=', '')}`);
    assert.equal([status, (json['error'] as { path: string }).path], [400, 'after']);
  });
pages.run();

// ── A running session ────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const terms = suite('api: a session changes');
type Terms = Readonly<{ quota: { bytes: number }; rate: { up: number; down: number }; lifetime: number; until: number; revision: number }>;
const termsOf = async (): Promise<Terms> => (await ask('admin', 'GET', `/sessions/${sessions.ann}`)).json['grant'] as Terms;
const alter = (who: string, body: object) => ask(who, 'POST', `/sessions/${sessions.ann}/change`, body);
/** As the node answers the newest of its commands. */
async function answered(outcome: Outcome): Promise<void> {
  await here.database.transaction(async (query) => {
    await orders.due(query, node.id, nodes.authorityOf('api'), start);
    const [row] = await query<{ epoch: Nonce; signer: KeyId; sequence: bigint }>(
      'select epoch, signer, sequence from command order by id desc limit 1',
    );
    if (row === undefined) throw new Error('no command');
    const body = command.reply.write({ epoch: row.epoch, to: row.signer, sequence: Number(row.sequence), outcome });
    const signed = cose.sign('reply', body, node.signer, hashes);
    assert.is((await orders.takeReply(query, node.id, signed, start)).ok, true);
  });
}
terms.before(() => here.database.transaction((query) => query(`update command set outcome = '{"kind":"done"}'`)).then(() => undefined));
terms('what is named changes, and nothing else', async () => {
  const was = await termsOf();
  assert.is((await alter('operator', { rate_down: 4e6 })).status, 200);
  const next = await termsOf();
  assert.equal(next, { ...was, rate: { ...was.rate, down: 4e6 }, revision: was.revision + 1 });
  assert.is((await alter('operator', { bytes: 5e7, rate_up: 8000, seconds: 600 })).status, 200);
  const { quota, rate, lifetime, until } = await termsOf();
  const now = Math.floor(at / 1000) - 5;
  const { opened } = (await ask('admin', 'GET', `/sessions/${sessions.ann}`)).json as { opened: number };
  assert.equal([quota.bytes, rate, until, lifetime], [5e7, { up: 8000, down: 4e6 }, now + 600, now - opened + 600]);
});
terms('what the node did not take is no ground for what it is asked next', async () => {
  const was = await termsOf();
  assert.is((await alter('operator', { rate_down: 1e12 })).status, 200);
  assert.is((await termsOf()).rate.down, 1e12);
  await answered({ kind: 'refused', code: 'denied', path: 'order.rate.down', reason: 'at most 20000000' });
  assert.equal(await termsOf(), was);
  assert.is((await ask('ann', 'POST', `/sessions/${sessions.ann}/top-up`, { bytes: 1000, seconds: 0 })).status, 200);
  const { quota, rate, revision } = await termsOf();
  assert.equal([quota.bytes, rate, revision], [5e7 + 1000, was.rate, was.revision + 2]);
});
for (const c of [
  { name: 'nothing', who: 'operator', body: {}, want: '400 malformed body' },
  { name: 'by its consumer', who: 'ann', body: { bytes: 1e9 }, want: '403 denied role' },
  { name: 'by a viewer', who: 'viewer', body: { bytes: 1e9 }, want: '403 denied role' },
  { name: 'the price', who: 'admin', body: { price: 0 }, want: '400 unsupported body.price' },
  { name: 'to nothing', who: 'admin', body: { bytes: 0 }, want: '400 malformed body.bytes' },
  { name: 'of an unknown one', who: 'admin', body: { bytes: 1 }, path: `/sessions/${'0'.repeat(31)}a/change`, want: '404 missing session' },
  {
    name: 'of a session that was never granted',
    who: 'admin',
    body: { bytes: 1 },
    path: `/sessions/${'1'.padStart(32, '0')}/change`,
    want: '404 missing session',
  },
  { name: 'a top-up beyond the offer', who: 'ann', body: { bytes: 2e9, seconds: 0 }, path: 'top-up', want: '403 denied bytes' },
  {
    name: 'a top-up at a price of yesterday',
    who: 'ann',
    body: { bytes: 1, seconds: 0 },
    path: 'top-up',
    offer: { ...offer, micro: 1300 },
    want: '409 stale offer',
  },
  {
    name: 'a top-up in another currency',
    who: 'ann',
    body: { bytes: 1, seconds: 0 },
    path: 'top-up',
    offer: { ...offer, currency: 'CHF' },
    want: '409 stale offer',
  },
] as const)
  terms(`refused: ${c.name}`, async () => {
    assert.is((await ask('admin', 'PUT', '/offers/roof', 'offer' in c ? c.offer : offer)).status, 200);
    const path = !('path' in c) ? 'change' : c.path;
    const { status, json } = await ask(c.who, 'POST', path.startsWith('/') ? path : `/sessions/${sessions.ann}/${path}`, c.body);
    const { code, path: where } = json['error'] as { code: string; path: string };
    assert.is(`${status} ${code} ${where}`, c.want);
  });
terms('an operator tops up at no offer’s terms', async () => {
  assert.is((await ask('operator', 'POST', `/sessions/${sessions.ann}/top-up`, { bytes: 2e9, seconds: 0 })).status, 200);
  assert.is((await ask('admin', 'PUT', '/offers/roof', offer)).status, 200);
});
terms('it is in the audit log', async () => {
  const { json } = await ask('admin', 'GET', '/audit?limit=100');
  const lines = (json['audit'] as readonly { who: string; did: string; what: string; outcome: string }[]).filter(
    ({ did }) => did === 'POST /sessions/{session}/change',
  );
  assert.equal([...new Set(lines.map(({ outcome }) => outcome))].sort(), ['done', 'malformed body', 'missing session']);
  assert.ok(lines.some(({ who, what }) => who === 'operator' && what === sessions.ann));
});
terms.run();

// At the offer 1e6 bytes cost 1144 millionths.
const lent = suite('api: what a consumer may owe');
const carol = hexOf(signerOf('carol').key);
const lend = (amount?: number) => ask('admin', 'PUT', `/consumers/${carol}/credit`, amount === undefined ? undefined : { amount });
const buy = (who: string, bytes: number) =>
  ask(who, 'POST', '/sessions', {
    offer: 'roof',
    peer: nodes.peerOf(`carol ${bytes}`),
    bytes,
    seconds: 60,
    ...(who === 'carol' ? {} : { consumer: carol }),
  });
const refusedFor = ({ status, json }: Awaited<ReturnType<typeof ask>>): string =>
  status === 200 ? '' : `${status} ${Object.values(json['error'] as object).join(' ')}`;
const price = { micro: 1200n as Micro, currency: 'EUR' };
/** What open sessions may still cost. */
async function openOf(): Promise<[number]> {
  const refusal = await here.database.transaction((query) => credit.allows(query, carol, price, 10n ** 12n, Math.floor(at / 1000)));
  return [Number(/, (\d+) that open sessions/.exec(refusal.ok ? '' : refusal.fault.reason)?.[1])];
}
lent.before(() => here.database.transaction((query) => query(`update command set outcome = '{"kind":"done"}'`)).then(() => undefined));
lent('without a limit, as much as it asks for', async () => {
  assert.is((await ask('operator', 'POST', '/consumers', { key: carol, name: 'carol' })).status, 200);
  assert.is(refusedFor(await buy('carol', 1e6)), '');
});
lent('what is open counts as if it were used', async () => {
  assert.is((await lend(3000)).status, 200);
  assert.match(
    refusedFor(await buy('carol', 2e6)),
    '403 denied credit 2288 more, 0 owed, 1144 that open sessions may still cost, at most 3000',
  );
  assert.is(refusedFor(await buy('carol', 1.5e6)), '');
  const { json } = await ask('carol', 'GET', '/sessions');
  const [{ id }] = json['sessions'] as [{ id: SessionId }];
  const more = (bytes: number) => ask('carol', 'POST', `/sessions/${id}/top-up`, { bytes, seconds: 0 });
  assert.match(refusedFor(await more(1e6)), '403 denied credit 1144 more, 0 owed, 2860 that');
  assert.is(refusedFor(await more(1e5)), '');
});
lent('what was paid counts for it, and in no other currency', async () => {
  const pay = (id: string, currency: string) => ask('admin', 'POST', '/ledger/deposits', { id, consumer: carol, currency, amount: 2000 });
  assert.is((await pay('carol-1', 'USD')).status, 200);
  assert.match(refusedFor(await buy('carol', 1e6)), '403 denied credit');
  assert.is((await pay('carol-2', 'EUR')).status, 200);
  assert.is(refusedFor(await buy('carol', 1e6)), '');
});
lent('what nobody will bill any more is not owed', async () => {
  const [{ id, node: its }] = (await ask('carol', 'GET', '/sessions')).json['sessions'] as [{ id: SessionId; node: KeyId }];
  const change = (sql: string, value: string): Promise<unknown> => here.database.transaction((query) => query(sql, [value]));
  for (const [done, undone, value] of [
    [`update session set broken = 'x' where id = $1`, 'update session set broken = null where id = $1', id],
    [`update node set standing = 'revoked' where id = $1`, `update node set standing = 'active' where id = $1`, its],
  ] as const) {
    const [before] = await openOf();
    await change(done, value);
    const [after] = await openOf();
    await change(undone, value);
    assert.ok(after < before, `${after} of ${before}`);
  }
  // A router that is gone says nothing of a session whose time is over.
  const later = await here.database.transaction((query) => credit.allows(query, carol, price, 10n ** 12n, Math.floor(at / 1000) + 1000));
  assert.match(later.ok ? '' : later.fault.reason, ', 0 that open sessions');
});
lent('an operator may open more for it, and lift the limit', async () => {
  assert.match(refusedFor(await buy('carol', 3e6)), '403 denied credit');
  assert.is(refusedFor(await buy('operator', 3e6)), '');
  assert.is((await lend()).status, 200);
  assert.is(refusedFor(await buy('carol', 4e6)), '');
});
lent('nothing is lent to nobody', async () => {
  assert.is((await ask('admin', 'PUT', `/consumers/${'ab'.repeat(32)}/credit`, {})).status, 404);
});
lent.run();

const names = suite('api: names of nodes');
names('an operator gives one, and takes it', async () => {
  assert.is((await ask('operator', 'PUT', `/nodes/${node.id}/name`, { name: 'north roof' })).status, 200);
  assert.is((await ask('viewer', 'GET', `/nodes/${node.id}`)).json['name'], 'north roof');
  const nodeNameFor = async (who: string): Promise<unknown> => (await ask(who, 'GET', `/sessions/${sessions.ann}`)).json['node_name'];
  assert.equal([await nodeNameFor('viewer'), await nodeNameFor('ann')], ['north roof', null]);
  assert.is((await ask('operator', 'PUT', `/nodes/${node.id}/name`, {})).status, 200);
  assert.is((await ask('viewer', 'GET', `/nodes/${node.id}`)).json['name'], null);
  assert.is((await ask('operator', 'PUT', '/nodes/aaaabbbbccccdddd/name', { name: 'x' })).status, 404);
});
names('a node that is pinned by its key has one at once', async () => {
  const key = hexOf(signerOf('pinned').key);
  const { json } = await ask('admin', 'POST', '/nodes', { key, name: 'pinned' });
  assert.is((await ask('viewer', 'GET', `/nodes/${json['node']}`)).json['name'], 'pinned');
});
names.run();

// ── By the document alone ────────────────────────────────────────────────────────────────────────────────────────────────────────────

type Parameter = Readonly<{
  name: string;
  in: 'path' | 'query';
  schema: Readonly<{ type?: string; pattern?: string; enum?: readonly string[] }>;
}>;
type Body = Readonly<{ properties: Readonly<Record<string, object>>; required: readonly string[] }>;
type Operation = Readonly<{
  parameters: readonly Parameter[];
  requestBody?: Readonly<{ content: Readonly<{ 'application/json': Readonly<{ schema: Body }> }> }>;
  responses: Readonly<Record<string, object>>;
}>;
const document = JSON.parse(readFileSync('coordinator/openapi.json', 'utf8')) as Readonly<{
  paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}>;

const read = suite('api: malformed requests get the error that is documented');
for (const [path, operations] of Object.entries(document.paths))
  for (const [verb, { parameters, requestBody, responses }] of Object.entries(operations)) {
    const method = verb.toUpperCase();
    const schema = requestBody?.content['application/json'].schema;
    const fill = (body: Body, value: unknown): object => Object.fromEntries(body.required.map((name) => [name, value]));
    read(`${method} ${path}`, async () => {
      const good = concrete(path);
      const wrong: readonly Readonly<{ path: string; body?: object | string; want: RegExp }>[] = [
        ...parameters
          .filter(({ schema: { type, pattern, enum: choice } }) => type === 'integer' || pattern !== undefined || choice !== undefined)
          .map(({ name, in: where }) =>
            where === 'path'
              ? { path: concrete(path.replace(`{${name}}`, '~')), ...(schema === undefined ? {} : { body: {} }), want: /^malformed / }
              : { path: `${good}?${name}=~`, want: /^(malformed|missing) / },
          ),
        { path: `${good}?zzz=1`, ...(schema === undefined ? {} : { body: {} }), want: /^unsupported zzz$/ },
        ...(schema === undefined
          ? method === 'GET'
            ? []
            : [{ path: good, body: { zzz: 1 }, want: /^unsupported body$/ }]
          : [
              { path: good, body: '{', want: /^malformed body$/ },
              { path: good, body: '[]', want: /^malformed body$/ },
              { path: good, body: { ...fill(schema, 1), zzz: 1 }, want: /^unsupported body\.zzz$/ },
              ...schema.required.map((name) => ({
                path: good,
                body: Object.fromEntries(Object.entries(fill(schema, {})).filter(([other]) => other !== name)),
                want: /^(missing|malformed) body\./,
              })),
              ...Object.keys(schema.properties).map((name) => ({
                path: good,
                body: { ...fill(schema, {}), [name]: { deeper: [] } },
                want: /^malformed body\./,
              })),
            ]),
      ];
      for (const one of wrong) {
        const { status, json } = await ask('admin', method, one.path, one.body);
        const { code, path: where, reason, ...more } = json['error'] as Record<string, unknown>;
        const said = `${method} ${one.path} ${JSON.stringify(one.body)}: ${status} ${code} ${where}`;
        assert.is(status, 400, said);
        assert.match(`${code} ${where}`, one.want, said);
        assert.equal([typeof reason, more, String(status) in responses], ['string', {}, true], said);
      }
    });
  }
read.run();

// ── Refusals ─────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const session = { offer: 'roof', peer: nodes.peerOf('ann'), bytes: 1e6, seconds: 60 };
const refusals: readonly Readonly<{
  name: string;
  who?: string;
  method?: string;
  path: string;
  body?: object | string;
  more?: Parameters<typeof ask>[4];
  want: string;
}>[] = [
  { name: 'no such path', path: '/nothing', want: '404 missing path' },
  { name: 'another method', method: 'DELETE', path: '/nodes', want: '405 unsupported method' },
  { name: 'no JSON', who: 'ann', path: '/sessions', body: '{', want: '400 malformed body' },
  { name: 'no object', who: 'ann', path: '/sessions', body: '[]', want: '400 malformed body' },
  { name: 'a field is missing', who: 'ann', path: '/sessions', body: { ...session, peer: undefined }, want: '400 missing body.peer' },
  { name: 'a field nobody knows', who: 'ann', path: '/sessions', body: { ...session, price: 0 }, want: '400 unsupported body.price' },
  { name: 'a name of JavaScript’s', who: 'ann', path: '/sessions', body: '{"constructor":1}', want: '400 unsupported body.constructor' },
  { name: 'no WireGuard key', who: 'ann', path: '/sessions', body: { ...session, peer: 'x' }, want: '400 malformed body.peer' },
  { name: 'half a byte', who: 'ann', path: '/sessions', body: { ...session, bytes: 0.5 }, want: '400 malformed body.bytes' },
  { name: 'more than offered', who: 'ann', path: '/sessions', body: { ...session, bytes: 2e9 }, want: '403 denied bytes' },
  { name: 'for another consumer', who: 'ann', path: '/sessions', body: { ...session, consumer: bob }, want: '403 denied consumer' },
  { name: 'no such offer', who: 'ann', path: '/sessions', body: { ...session, offer: 'sea' }, want: '404 missing offer' },
  { name: 'no session’s id', method: 'GET', path: '/sessions/%00', want: '400 malformed session' },
  { name: 'broken percents', method: 'GET', path: '/sessions/%E0%A4', want: '400 malformed session' },
  { name: 'an unknown parameter', method: 'GET', path: '/sessions?x=1', want: '400 unsupported x' },
  { name: 'a body where none is', method: 'DELETE', path: '/operators/none', body: {}, want: '400 unsupported body' },
  { name: 'no dispute', who: 'ann', path: '/disputes', body: { message: '00'.repeat(64) }, want: '400 malformed byte 1' },
  {
    name: 'a token that was guessed',
    path: '/nodes',
    method: 'GET',
    more: { authorization: 'Bearer weir_00' },
    want: '401 stranger authorization',
  },
  { name: 'a token that is over', who: 'old', path: '/nodes', method: 'GET', want: '401 expired authorization' },
  { name: 'another scheme', path: '/nodes', method: 'GET', more: { authorization: 'Basic eA==' }, want: '401 malformed authorization' },
  { name: 'a consumer nobody knows', who: 'eve', method: 'GET', path: '/sessions', want: '401 stranger authorization' },
  {
    name: 'signed too early',
    who: 'ann',
    method: 'GET',
    path: '/sessions',
    more: { at: start * 1000 - 120_000 },
    want: '401 expired authorization',
  },
];
const refused = suite('api: refusals');
for (const c of refusals)
  refused(c.name, async () => {
    const { status, json } = await ask(c.who ?? 'admin', c.method ?? 'POST', c.path, c.body, c.more);
    const { code, path } = json['error'] as { code: string; path: string };
    assert.is(`${status} ${code} ${path}`, c.want);
  });
refused('a request that is made again, for something else, or for another coordinator', async () => {
  at += 5000;
  const time = `${Math.floor(at / 1000)}`;
  const url = `${desk.base}/sessions`;
  const signer = signerOf('ann');
  const none = new Uint8Array();
  const asked = { method: 'GET', url, body: none };
  const signed = (root: PublicKey): string => requests.authorization({ root, ...asked }, time, signer, hashes);
  const request = { ...asked, authorization: signed(rootKey), caller: '192.0.2.1' };
  assert.is((await answer({ ...request, url: `${url}?limit=5` })).status, 401);
  assert.is((await answer({ ...request, authorization: signed(node.key) })).status, 401);
  assert.is((await answer(request)).status, 200);
  assert.is((await answer(request)).status, 401);
});
refused('no address', async () => {
  for (const url of ['//', 'http://['])
    assert.is((await answer({ method: 'GET', url, authorization: null, caller: '192.0.2.1', body: new Uint8Array() })).status, 400, url);
});
refused('too often', async () => {
  at += 60_000;
  const statuses = new Set<number>();
  const request = { method: 'GET', url: `${desk.base}/health`, authorization: null, caller: '192.0.2.7', body: new Uint8Array() };
  for (let i = 0; i < 80; i++) statuses.add((await answer(request)).status);
  assert.equal([...statuses], [200, 429]);
});
refused('what was refused has left nothing but its line', async () => {
  const count = async (): Promise<unknown> => (await here.database.transaction((query) => query('select count(*) as n from session')))[0];
  const was = await count();
  for (let i = 0; i < 20; i++) await ask('ann', 'POST', '/sessions', session);
  const { json } = await ask('ann', 'POST', '/sessions', session);
  assert.is((json['error'] as { code: string }).code, 'limit');
  const [{ n }] = (await here.database.transaction((query) =>
    query<{ n: bigint }>(`select count(*) as n from command where outcome is null`),
  )) as [{ n: bigint }];
  assert.is(n, 16n);
  assert.is(was === (await count()), false);
  const { json: audit } = await ask('admin', 'GET', '/audit?limit=1');
  assert.equal((audit['audit'] as readonly { did: string; outcome: string }[])[0]?.outcome, 'limit command');
});
refused('no token and no body is in the log or in the audit', async () => {
  const { said } = await ask('admin', 'GET', '/audit?limit=500');
  for (const token of tokens.values()) assert.is(`${said}${log.join()}`.includes(token), false);
  assert.equal(log, []);
});
refused('the document is that of the routes', () => assert.equal(document, JSON.parse(JSON.stringify(openapi.render(routes, desk.base)))));
refused.after(after);
refused.run();

const callers: readonly Readonly<{ name: string; from: string; forwarded?: string; proxy?: string; want: string }>[] = [
  { name: 'nobody in between', from: '192.0.2.1', want: '192.0.2.1' },
  { name: 'a socket of both families', from: '::ffff:192.0.2.1', want: '192.0.2.1' },
  { name: 'a household of IPv6', from: '2001:db8:1:2:3:4:5:6', want: '2001:db8:1:2::/64' },
  { name: 'what a caller says itself', from: '192.0.2.1', forwarded: '198.51.100.7', want: '192.0.2.1' },
  { name: 'a proxy that is not ours', from: '192.0.2.1', forwarded: '198.51.100.7', proxy: '192.0.2.2', want: '192.0.2.1' },
  { name: 'our proxy', from: '127.0.0.1', forwarded: '198.51.100.7', proxy: '127.0.0.1', want: '198.51.100.7' },
  {
    name: 'our proxy, by both families',
    from: '::ffff:127.0.0.1',
    forwarded: '::ffff:c633:6407',
    proxy: '::ffff:127.0.0.1',
    want: '198.51.100.7',
  },
  { name: 'our proxy, by IPv6', from: '::1', forwarded: '2001:db8::7', proxy: '0::1', want: '2001:db8::/64' },
  {
    name: 'a caller that lies to our proxy',
    from: '127.0.0.1',
    forwarded: '10.0.0.1, 198.51.100.7',
    proxy: '127.0.0.1',
    want: '198.51.100.7',
  },
  { name: 'our proxy says nothing', from: '127.0.0.1', proxy: '127.0.0.1', want: '127.0.0.1' },
  { name: 'our proxy says what is no address', from: '127.0.0.1', forwarded: 'unknown', proxy: '127.0.0.1', want: '127.0.0.1' },
  { name: 'a socket that is gone', from: '', want: '' },
];
const caller = suite('access: caller');
for (const { name, want, proxy, from, forwarded } of callers)
  caller(name, () => {
    const parsed = proxy === undefined ? null : ip.parseAddress(proxy);
    assert.is(access.callerOf({ from, forwarded }, parsed?.ok ? parsed.value : null), want);
  });
caller.run();

const buckets: readonly Readonly<{ name: string; bucket: Bucket; now: number; want: number | null }>[] = [
  { name: 'full', bucket: access.begin(0), now: 0, want: 59 },
  { name: 'empty', bucket: { left: 0, at: 0 }, now: 0, want: null },
  { name: 'one came back', bucket: { left: 0, at: 0 }, now: 50, want: 0 },
  { name: 'never more than full', bucket: access.begin(0), now: 1e9, want: 59 },
  { name: 'a clock that goes back', bucket: { left: 1, at: 1000 }, now: 0, want: 0 },
];
const take = suite('access: take');
for (const c of buckets) take(c.name, () => assert.is(access.take(c.bucket, c.now)?.left ?? null, c.want));
for (const [left, want] of [
  [60, 50],
  [9, 0],
] as const)
  take(`who guesses has ${want} of ${left} left`, () => assert.is(access.drain({ left, at: 0 }, 0).left, want));
take.run();
