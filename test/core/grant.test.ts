import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { ByteCount, PublicKey } from '../../agent/core/brand.ts';
import { seconds } from '../../agent/core/brand.ts';
import type { Grant, Micro } from '../../agent/core/grant.ts';
import * as grant from '../../agent/core/grant.ts';
import type { Fault } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { KeyId, SessionId } from '../../agent/core/signed.ts';

const bytes = (n: bigint): ByteCount => n as ByteCount;
const session = 'ab'.repeat(16) as SessionId;
const first: Grant = {
  node: 'nodenodenodenode' as KeyId,
  nonce: '00',
  peer: 'peer' as PeerKey,
  consumer: new Uint8Array(32) as PublicKey,
  quota: { kind: 'shared', bytes: bytes(100n) },
  rate: { up: 8n, down: 8n },
  throttle: null,
  egress: { kind: 'internet' },
  lifetime: seconds(100),
  until: null,
  idle: null,
  witness: 'required',
  credit: bytes(10n),
  price: { micro: 5n as Micro, currency: 'EUR' },
  session: null,
  revision: 0,
};
const next: Grant = { ...first, nonce: '01', session, revision: 1 };
const said = (faults: readonly Fault[]): string => faults.map((f) => `${f.code} ${f.path}`).join(', ');

const alone: readonly Readonly<{ name: string; in: Grant; want: string }>[] = [
  { name: 'the first', in: first, want: '' },
  { name: 'one that follows', in: next, want: '' },
  { name: 'a first with a revision', in: { ...first, revision: 1 }, want: 'malformed revision' },
  { name: 'one that follows, without', in: { ...next, revision: 0 }, want: 'malformed revision' },
  { name: 'nobody to countersign', in: { ...first, consumer: null }, want: 'missing consumer' },
  { name: 'nobody who could, if he liked', in: { ...first, consumer: null, witness: 'optional' }, want: 'missing consumer' },
  { name: 'nobody, and none wanted', in: { ...first, consumer: null, witness: 'none' }, want: '' },
  { name: 'no credit', in: { ...first, credit: null }, want: 'missing credit' },
  { name: 'no credit needed', in: { ...first, credit: null, witness: 'optional' }, want: '' },
];
const itself = suite('grant: in itself');
for (const c of alone) itself(c.name, () => assert.is(said(grant.faultsOf(c.in)), c.want));
itself.run();

const split = (up: bigint, down: bigint): Grant['quota'] => ({ kind: 'split', up: bytes(up), down: bytes(down) });
const after: readonly Readonly<{ name: string; now?: Grant; next: Grant; change: string; topUp: string }>[] = [
  { name: 'the same again', next, change: '', topUp: '' },
  {
    name: 'of another session',
    next: { ...next, session: 'cd'.repeat(16) as SessionId },
    change: 'denied session',
    topUp: 'denied session',
  },
  { name: 'a first one', next: first, change: 'denied session, stale revision', topUp: 'denied session, stale revision' },
  {
    name: 'an older one',
    now: { ...next, revision: 3 },
    next: { ...next, revision: 2 },
    change: 'stale revision',
    topUp: 'stale revision',
  },
  { name: 'the one in force', now: next, next, change: 'stale revision', topUp: 'stale revision' },
  { name: 'another node', next: { ...next, node: 'strangerstranger' as KeyId }, change: 'denied node', topUp: 'denied node' },
  { name: 'another peer', next: { ...next, peer: 'other' as PeerKey }, change: 'denied peer', topUp: 'denied peer' },
  {
    name: 'another consumer',
    next: { ...next, consumer: new Uint8Array(32).fill(1) as PublicKey },
    change: 'denied consumer',
    topUp: 'denied consumer',
  },
  { name: 'no consumer', next: { ...next, consumer: null }, change: 'denied consumer', topUp: 'denied consumer' },
  {
    name: 'another price',
    next: { ...next, price: { micro: 6n as Micro, currency: 'EUR' } },
    change: 'denied price',
    topUp: 'denied price',
  },
  {
    name: 'another currency',
    next: { ...next, price: { micro: 5n as Micro, currency: 'USD' } },
    change: 'denied price',
    topUp: 'denied price',
  },
  { name: 'for nothing', next: { ...next, price: null }, change: 'denied price', topUp: 'denied price' },
  { name: 'no witness', next: { ...next, witness: 'none' }, change: 'denied witness', topUp: 'denied witness' },
  { name: 'more quota', next: { ...next, quota: { kind: 'shared', bytes: bytes(101n) } }, change: '', topUp: '' },
  { name: 'less quota', next: { ...next, quota: { kind: 'shared', bytes: bytes(99n) } }, change: '', topUp: 'denied quota' },
  { name: 'another kind of quota', next: { ...next, quota: split(100n, 100n) }, change: '', topUp: 'denied quota' },
  { name: 'more of both', now: { ...first, quota: split(5n, 5n) }, next: { ...next, quota: split(6n, 5n) }, change: '', topUp: '' },
  {
    name: 'more of one, less of the other',
    now: { ...first, quota: split(5n, 5n) },
    next: { ...next, quota: split(9n, 4n) },
    change: '',
    topUp: 'denied quota',
  },
  { name: 'longer', next: { ...next, lifetime: seconds(101) }, change: '', topUp: '' },
  { name: 'shorter', next: { ...next, lifetime: seconds(99) }, change: '', topUp: 'denied lifetime' },
  { name: 'an end, where there was none', next: { ...next, until: seconds(9) }, change: '', topUp: 'denied until' },
  { name: 'no end any more', now: { ...first, until: seconds(9) }, next, change: '', topUp: '' },
  { name: 'an earlier end', now: { ...first, until: seconds(9) }, next: { ...next, until: seconds(8) }, change: '', topUp: 'denied until' },
  { name: 'a later end', now: { ...first, until: seconds(9) }, next: { ...next, until: seconds(10) }, change: '', topUp: '' },
  { name: 'faster', next: { ...next, rate: { up: 9n, down: 8n } }, change: '', topUp: 'denied rate' },
  { name: 'a throttle', next: { ...next, throttle: { up: 8n, down: 8n } }, change: '', topUp: 'denied throttle' },
  {
    name: 'another way out',
    next: { ...next, egress: { kind: 'hop', address: '192.0.2.1', protocol: 'tcp', port: 1 } },
    change: '',
    topUp: 'denied egress',
  },
  { name: 'an idle time', next: { ...next, idle: seconds(5) }, change: '', topUp: 'denied idle' },
  { name: 'more credit', next: { ...next, credit: bytes(11n) }, change: '', topUp: 'denied credit' },
];
const follows = suite('grant: what may follow');
for (const c of after) {
  follows(`change: ${c.name}`, () => assert.is(said(grant.faultsBetween(session, c.now ?? first, c.next)), c.change));
  follows(`top-up: ${c.name}`, () => assert.is(said(grant.faultsOfTopUp(session, c.now ?? first, c.next)), c.topUp));
}
follows.run();

const most = suite('grant: all that may pass');
most('the largest', () => assert.is(grant.mostOf([first, { ...next, quota: { kind: 'shared', bytes: bytes(300n) } }]), 300n));
most('both directions', () => assert.is(grant.mostOf([{ ...first, quota: split(30n, 60n) }]), 90n));
most('no end of it, where it goes on slower', () => assert.is(grant.mostOf([first, { ...next, throttle: { up: 1n, down: 1n } }]), null));
most.run();
