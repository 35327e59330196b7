// Whatever a broker, or whoever may publish there, could send: refused by a name of its own, counted, and nothing changed.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { seconds } from '../../agent/core/brand.ts';
import type { Outcome, Place } from '../../agent/core/command.ts';
import type { Effect } from '../../agent/core/effect.ts';
import * as journal from '../../agent/core/journal.ts';
import * as orders from '../../agent/core/orders.ts';
import type { Broker } from '../../agent/core/settings.ts';
import type { Nonce, Wall } from '../../agent/core/signed.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import { command } from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { certificate } from '../../agent/wire/grant.ts';
import { brokerAt } from '../core/broker.ts';
import { certificateOf, idOf, type Keys, keysOf, sign } from '../fakes/coordinator.ts';
import * as inbound from './inbound.ts';
import { commandOf, itself, one, other, sessionOf, signedCommand, signedGrant, stranger } from './inbound.ts';

const certify = (by: Keys, more: Parameters<typeof certificateOf>[1] = {}): Uint8Array =>
  sign('certificate', certificate, certificateOf(by, more), by.root);
const list = { kind: 'list', after: null } as const;
const open = (more: Parameters<typeof signedGrant>[0] = {}) => ({ kind: 'open', grant: signedGrant(more) }) as const;
const soon: Wall = { at: seconds(5_000_000), trust: 'network' };

const said = (effects: readonly Effect[]): readonly Outcome[] =>
  effects.flatMap((e) => (e.kind === 'publish' && e.publication.word.kind === 'reply' ? [e.publication.word.reply.outcome] : []));
const refusal = (outcome: Outcome | undefined): string =>
  outcome?.kind === 'refused' ? `${outcome.code} ${outcome.path}` : `${outcome?.kind}`;

/** With both certified, and a session of each. */
function ready(wall?: Wall): inbound.Node {
  const it = inbound.begin(wall);
  for (const who of [one, other]) it.receive('certificates', certify(who));
  it.receive('commands', signedCommand(open({ peer: inbound.peer('m') }), { sequence: 100 }));
  it.receive('commands', signedCommand({ kind: 'open', grant: signedGrant({ peer: inbound.peer('o') }, other) }, { sequence: 100 }, other));
  assert.is(it.state().sessions.table.size, 2);
  return it;
}
const theirs = sessionOf(signedGrant({ peer: inbound.peer('o') }, other));
const ours = sessionOf(signedGrant({ peer: inbound.peer('m') }));

/** As `payload` was signed, with something else in its envelope. */
const resealed = (bytes: Uint8Array, part: 0 | 3, change: (b: Uint8Array) => Uint8Array): Uint8Array => {
  const parts = cbor.decode(bytes);
  if (!parts.ok || !Array.isArray(parts.value)) throw new Error('no message');
  return cbor.encode((parts.value as readonly cbor.Value[]).map((p, i) => (i === part ? change(p as Uint8Array) : p)));
};
const flipped = (b: Uint8Array): Uint8Array => b.map((byte, i) => (i === 5 ? byte ^ 1 : byte));
/** By an algorithm that is weaker, or none at all: -8 becomes -7 in the protected header. */
const weaker = (b: Uint8Array): Uint8Array => b.map((byte) => (byte === 0x27 ? 0x26 : byte));

type Row = Readonly<{
  name: string;
  in: (it: inbound.Node) => readonly [topic: 'commands' | 'certificates', payload: Uint8Array];
  /** How it is counted. */
  as: string;
  /** What is answered; null: nothing. */
  want: string | null;
  wall?: Wall;
}>;
const rows: readonly Row[] = [
  { name: 'forged', in: () => ['commands', resealed(signedCommand(open()), 3, flipped)], as: 'forged signature', want: null },
  {
    name: 'replayed',
    in(it) {
      it.receive('commands', signedCommand({ kind: 'restart' }, { sequence: 99, expires: seconds(0) }));
      it.receive('commands', signedCommand(list, { sequence: 101 }));
      return ['commands', signedCommand(list, { sequence: 101 })];
    },
    as: 'exists sequence',
    want: 'listed',
  },
  {
    name: 'expired',
    in: () => ['commands', signedCommand(open(), { sequence: 101, expires: seconds(99) })],
    as: 'expired expires',
    want: 'expired expires',
  },
  {
    name: 'reordered, too far',
    in: () => ['commands', signedCommand(open(), { sequence: 68 })],
    as: 'stale sequence',
    want: 'stale sequence',
  },
  { name: 'truncated', in: () => ['commands', signedCommand(open()).slice(0, -1)], as: 'malformed', want: null },
  {
    name: "another node's",
    in: () => ['commands', signedCommand(open(), { sequence: 101, node: idOf(stranger.root) })],
    as: 'denied node',
    want: null,
  },
  {
    name: "a grant of another node's",
    in: () => ['commands', signedCommand(open({ node: idOf(stranger.root) }), { sequence: 101 })],
    as: 'denied grant.node',
    want: 'denied grant.node',
  },
  {
    name: "another coordinator's session",
    in: () => ['commands', signedCommand({ kind: 'close', session: theirs }, { sequence: 101 })],
    as: 'denied session',
    want: 'denied session',
  },
  {
    name: "another coordinator's session, changed",
    in: () => [
      'commands',
      signedCommand({ kind: 'change', grant: signedGrant({ peer: inbound.peer('o'), session: theirs, revision: 1 }) }, { sequence: 101 }),
    ],
    as: 'denied grant.session',
    want: 'denied grant.session',
  },
  {
    name: "another coordinator's grant",
    in: () => ['commands', signedCommand({ kind: 'open', grant: signedGrant({}, other) }, { sequence: 101 })],
    as: 'denied order.grant',
    want: 'denied order.grant',
  },
  {
    name: "another epoch's",
    in: () => ['commands', signedCommand(open(), { sequence: 101, epoch: 'd'.repeat(32) as Nonce })],
    as: 'stale epoch',
    want: null,
  },
  {
    name: 'downgraded',
    in: () => ['commands', resealed(signedCommand(open(), { sequence: 101 }), 0, weaker)],
    as: 'unsupported',
    want: null,
  },
  {
    name: 'downgraded to earlier terms',
    in: () => [
      'commands',
      signedCommand(
        { kind: 'change', grant: signedGrant({ peer: inbound.peer('m'), session: ours, revision: 1, node: inbound.node }) },
        { sequence: 102 },
      ),
    ],
    as: 'stale grant.revision',
    want: 'stale grant.revision',
  },
  { name: 'by an uncertified key', in: () => ['commands', signedCommand(open(), {}, stranger)], as: 'stranger key', want: null },
  {
    name: 'a grant by an uncertified key',
    in: () => ['commands', signedCommand({ kind: 'open', grant: signedGrant({}, stranger) }, { sequence: 101 })],
    as: 'stranger order.grant.key',
    want: 'stranger order.grant.key',
  },
  { name: 'certified by nobody here', in: () => ['certificates', certify(stranger)], as: 'stranger root', want: null },
  {
    name: 'a forged certificate',
    in: () => ['certificates', resealed(certify(one, { serial: 2 }), 3, flipped)],
    as: 'forged signature',
    want: null,
  },
  // With it friends' grants would be a coordinator's.
  { name: "a certificate of the node's own key", in: () => ['certificates', certify(itself)], as: 'denied certificate.key', want: null },
  {
    name: 'a certificate that was taken back',
    in(it) {
      it.receive('certificates', certify(other, { serial: 9, least: 9 }));
      return ['certificates', certify(other, { serial: 8 })];
    },
    as: 'stale certificate.serial',
    want: null,
  },
  {
    name: 'by an expired certificate',
    in(it) {
      it.receive('certificates', certify(one, { serial: 2, least: 2, until: seconds(4_999_999) }));
      return ['commands', signedCommand(open(), { sequence: 101 })];
    },
    as: 'expired certificate',
    want: null,
    wall: soon,
  },
  {
    name: 'by a key that may only grant',
    in(it) {
      it.receive('certificates', certify(one, { serial: 2, least: 2, may: ['grant'] }));
      return ['commands', signedCommand(open(), { sequence: 101 })];
    },
    as: 'denied certificate',
    want: null,
  },
  { name: 'a grant in place of a command', in: () => ['commands', signedGrant()], as: 'unsupported', want: null },
  {
    name: 'an order that nobody knows',
    in() {
      const body = command.write(commandOf(list, { sequence: 101 })) as ReadonlyMap<number, cbor.Value>;
      return ['commands', cose.encode(cose.sign('command', new Map(body).set(5, [99, new Map()]), one.key, hashes))];
    },
    as: 'unsupported',
    want: null,
  },
  { name: 'too long', in: () => ['commands', new Uint8Array(9000)], as: 'limit', want: null },
  {
    name: 'a restart, ten minutes after a start',
    in(it) {
      it.pass(499_999);
      return ['commands', signedCommand({ kind: 'restart' }, { sequence: 101 })];
    },
    as: 'denied uptime',
    want: 'denied uptime',
  },
];

const hostile = suite('hostile messages');
for (const row of rows)
  hostile(row.name, () => {
    const it = ready(row.wall);
    if (row.name.startsWith('downgraded to'))
      it.receive(
        'commands',
        signedCommand({ kind: 'change', grant: signedGrant({ peer: inbound.peer('m'), session: ours, revision: 2 }) }, { sequence: 101 }),
      );
    const [topic, payload] = row.in(it);
    const [before, sessions, ring] = [it.refused(row.as), it.state().sessions.table, it.state().orders.ring];
    const effects = it.receive(topic, payload);
    assert.is(it.refused(row.as), before + 1, `${row.as} of ${[...it.state().orders.refusals].join(' ')}`);
    assert.equal(said(effects).map(refusal), row.want === null ? [] : [row.want]);
    assert.equal(
      effects.filter(({ kind }) => kind !== 'publish'),
      [],
    );
    assert.is(it.state().sessions.table, sessions);
    assert.is(it.state().orders.ring, ring);
  });
hostile.run();

const limits = suite('limits of a coordinator');
const paused = { kind: 'limit', rate: { up: 1_000_000n, down: 2_000_000n }, sessions: 2, isPaused: true } as const;
const limited = (it: inbound.Node): string | undefined => orders.status(it.state().orders)['limited'];
limits('are told to the owner, until they are lifted', () => {
  const it = ready();
  it.receive('commands', signedCommand(paused, { sequence: 101 }));
  it.receive('commands', signedCommand({ kind: 'quarantine', isOn: true }, { sequence: 101 }, other));
  const until = 'until it says otherwise or the agent starts anew';
  assert.is(limited(it), `${one.rootId}: paused, 2 sessions, 1000000/2000000 bit/s; ${other.rootId}: quarantined; ${until}`);
  it.receive('commands', signedCommand({ kind: 'limit', rate: null, sessions: null, isPaused: false }, { sequence: 102 }));
  it.receive('commands', signedCommand({ kind: 'quarantine', isOn: false }, { sequence: 102 }, other));
  assert.is(limited(it), undefined);
});
limits('go with the coordinator', () => {
  const it = ready();
  it.receive('commands', signedCommand(paused, { sequence: 101 }));
  it.pin(other);
  assert.is(limited(it), undefined);
  it.pin(one, other);
  it.receive('certificates', certify(one));
  const effects = it.receive('commands', signedCommand(open({ peer: inbound.peer('n') }), { sequence: 102 }));
  assert.equal(said(effects).map(refusal), [], 'it waits for the enforcer');
  assert.is(it.state().sessions.bounds.size, 0);
});
limits.run();

const endless = suite('grants without an end');
endless('are refused where so many are known that another could be forgotten', () => {
  const it = ready();
  it.forget(one.rootId, journal.mostPast - 1);
  const { table } = it.state().sessions;
  assert.equal(said(it.receive('commands', signedCommand(open(), { sequence: 101 }))).map(refusal), ['limit grant.until']);
  assert.equal([it.refused('limit grant.until'), it.state().sessions.table], [1, table]);
  it.receive('commands', signedCommand(open({ until: seconds(9_000_000) }), { sequence: 102 }));
  assert.is(it.state().sessions.table.size, table.size + 1);
});
endless.run();

const restarting = suite('a restart');
restarting('is obeyed when the last start is ten minutes ago', () => {
  const it = ready();
  it.pass(500_000);
  const effects = it.receive('commands', signedCommand({ kind: 'restart' }, { sequence: 101 }));
  assert.equal(said(effects).map(refusal), ['done']);
  assert.ok(effects.some(({ kind }) => kind === 'exit'));
});
restarting.run();

const plain = brokerAt('near.example', 0);
const secure = { ...plain, tls: { authority: '/a', pin: null } };
const pin = new Uint8Array(32);
const bare: Place = { host: 'far.example', port: 8883, pin: null };
const pinned: Place = { ...bare, pin };
const moves: readonly (readonly [name: string, from: Broker, to: readonly Place[], want: string, tls: Broker['tls'] | undefined])[] = [
  ['with TLS, by the same authority', secure, [bare], 'done', secure.tls],
  ['with TLS, by a pin', secure, [pinned], 'done', { authority: null, pin }],
  ['without TLS, by a pin', plain, [pinned], 'done', { authority: null, pin }],
  ['without TLS, to anybody', plain, [bare], 'denied order.brokers', undefined],
  ['without TLS, one of two by a pin', plain, [pinned, bare], 'denied order.brokers', undefined],
];
const moving = suite('a move');
for (const [name, from, to, want, tls] of moves)
  moving(name, () => {
    const it = inbound.begin(undefined, [from]);
    it.happen({ kind: 'resolved', addresses: ['192.0.2.1'] });
    it.happen({ kind: 'connected' });
    it.receive('certificates', certify(one));
    const effects = it.receive('commands', signedCommand({ kind: 'move', brokers: to }));
    assert.equal(said(effects).map(refusal), [want]);
    const { contact } = it.state();
    assert.equal(contact.kind === 'moving' ? contact.to.tls : undefined, tls);
  });
moving.run();

const door = suite('at the door');
door('a flood is dropped unread, and others are heard again later', () => {
  const it = ready();
  let dropped = 0;
  for (let n = 0; n < 500; n++) dropped += it.receive('commands', new Uint8Array(3)).length;
  assert.is(dropped, 0);
  assert.ok(it.refused('malformed') <= 64, `${it.refused('malformed')} were read`);
  assert.equal(said(it.receive('commands', signedCommand(list, { sequence: 101 }))), []);
  it.pass(1000);
  assert.equal(said(it.receive('commands', signedCommand(list, { sequence: 101 }))).map(refusal), ['listed']);
  assert.is(it.refused('limit door') + it.refused('malformed'), 501);
});
door('names of refusals are few, whatever is sent', () => {
  const it = ready();
  for (let n = 0; n < 60; n++) {
    it.pass(1000);
    it.receive('commands', cbor.encode([cbor.encode(new Map([[n + 20, 1]])), new Map(), new Uint8Array(), new Uint8Array(64)]));
  }
  assert.ok(it.state().orders.refusals.size < 3, [...it.state().orders.refusals.keys()].join());
});
door('answers are kept for as many commands as may overtake one another', () => {
  const it = ready();
  for (let sequence = 101; sequence < 300; sequence++) {
    it.pass(1000);
    it.receive('commands', signedCommand(list, { sequence }));
  }
  const kept = it.state().orders.answers.get(idOf(one.key));
  assert.is(kept?.size, 32);
  assert.is(it.state().orders.tickets.size, 2, 'those that wait for an enforcer');
});
door('and for no more keys than are certified', () => {
  const it = ready();
  for (let serial = 2; serial < 20; serial++) {
    it.pass(1000);
    const by = { ...one, key: keysOf(`key ${serial}`).key };
    it.receive('certificates', certify(by, { serial }));
    assert.equal(said(it.receive('commands', signedCommand(list, {}, by))).map(refusal), ['listed']);
  }
  assert.is(it.state().orders.answers.size, 5, 'four of one root, and one of the other');
});
door.run();
