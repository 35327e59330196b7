import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import * as told from '../../agent/wire/told.ts';
import type { Fields } from '../fakes/plain.ts';
import * as plain from '../fakes/plain.ts';

const pathOf = (r: Result<unknown>): string => (r.ok ? 'ok' : `${r.fault.code} ${r.fault.path}`);

const session: Fields = {
  session: '00112233445566778899aabbccddeeff',
  name: 'ann',
  condition: 'open',
  key: 'K',
  up: 1n,
  down: 2n,
  quota: 10n,
  left: 7n,
  seconds: 60n,
  sequence: 3n,
  witnessed: 2n,
  address4: '10.213.0.2',
  address6: 'fd00::2',
};
const disputed: Fields = { receipt: 3n, reason: 'bytes', up: 1n, down: 2n, own_up: 0n, own_down: 1n };
const sessions = suite('told.decodeSessions');
sessions('whole', () => {
  const { key: _, ...want } = session;
  assert.equal(told.decodeSessions(plain.table({ sessions: [{ ...session, disputed }] })), {
    ok: true,
    value: [{ ...want, root: null, reason: null, seconds: 60, sequence: 3, witnessed: 2, disputed: { ...disputed, receipt: 3 } }],
  });
});
sessions('what is not known is null, and a quota for each direction is none for both', () => {
  const { name, witnessed, address4, address6, ...least } = session;
  const got = told.decodeSessions(plain.table({ sessions: [{ ...least, quota: { up: 1n, down: 2n }, left: { up: 0n, down: 0n } }] }));
  assert.ok(got.ok);
  const [one] = got.ok ? got.value : [];
  assert.equal([one?.name, one?.witnessed, one?.address4, one?.address6, one?.quota, one?.left], [null, null, null, null, null, null]);
});
sessions('nothing for a terminal to obey', () => {
  const got = told.decodeSessions(plain.table({ sessions: [{ ...session, reason: 'no\x1b[2J' }] }));
  assert.is(got.ok && got.value[0]?.reason, 'no?[2J');
});
for (const [name, change, want] of [
  ['no list', null, 'missing sessions'],
  ['a session that is no table', 'x', 'missing sessions.0.session'],
  ['a field too few', { up: null }, 'malformed sessions.0.up'],
  ['a dispute of no receipt', { disputed: { reason: 'bytes' } }, 'missing sessions.0.disputed.receipt'],
  ['a quota that is a text', { quota: '10' }, 'malformed sessions.0.quota'],
] as const)
  sessions(name, () => {
    const t = change === null ? {} : { sessions: [typeof change === 'string' ? change : { ...session, ...change }] };
    assert.is(pathOf(told.decodeSessions(plain.table(t))), want);
  });
sessions.run();

const receipts = suite('told.decodeReceipts');
receipts('messages', () =>
  assert.equal(told.decodeReceipts(plain.table({ receipts: ['Zm9v', ''], more: true })), {
    ok: true,
    value: { messages: [Uint8Array.of(102, 111, 111), new Uint8Array(0)], more: true },
  }),
);
for (const [name, t, want] of [
  ['no base64', { receipts: ['Zm9v', '?'], more: false }, 'malformed receipts.1'],
  ['no text', { receipts: [1], more: false }, 'malformed receipts.0'],
  ['an end that is not told', { receipts: [] }, 'missing more'],
] as const)
  receipts(name, () => assert.is(pathOf(told.decodeReceipts(plain.table(t))), want));
receipts.run();

const opened = suite('told.decodeOpened');
const whole: Fields = { session: 'ab', address4: '10.213.0.2', address6: 'FD00::2', birth: 'Zg==', grant: 'Zm9v' };
opened('whole', () =>
  assert.equal(told.decodeOpened(plain.table(whole)), {
    ok: true,
    value: { session: 'ab', address4: '10.213.0.2', address6: 'fd00::2', birth: Uint8Array.of(102), grant: Uint8Array.of(102, 111, 111) },
  }),
);
// It becomes a line of a configuration.
for (const [name, change, want] of [
  ['an address with a line of its own', { address4: '10.0.0.2\nDNS = 6.6.6.6' }, 'malformed address4'],
  ['no grant', { grant: null }, 'malformed grant'],
] as const)
  opened(name, () => assert.is(pathOf(told.decodeOpened(plain.table({ ...whole, ...change }))), want));
opened.run();
