import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, type PublicKey, seconds } from '../../agent/core/brand.ts';
import type { Ordering } from '../../agent/core/event.ts';
import type { Certified } from '../../agent/core/keyring.ts';
import * as keyring from '../../agent/core/keyring.ts';
import * as orders from '../../agent/core/orders.ts';
import { type Ceilings, permissions, type Settings } from '../../agent/core/settings.ts';
import type { KeyId, Nonce, Wall } from '../../agent/core/signed.ts';

const key = new Uint8Array(32) as PublicKey;
const [root, node, signer] = ['root'.padEnd(16, '2'), 'node'.padEnd(16, '2'), 'key'.padEnd(16, '2')] as [KeyId, KeyId, KeyId];
const epoch = 'e'.repeat(32) as Nonce;
const at = millis(100_000);

const certified = (until: number): Ordering & { certified: Certified } => ({
  kind: 'certified',
  certified: { id: signer, root, key, serial: 1, least: 1, until: seconds(until), may: ['grant', 'command'] },
});
const commanded: Ordering = {
  kind: 'commanded',
  ticket: 1,
  signer,
  root,
  command: { node, epoch, sequence: 1, expires: null, order: { kind: 'list', after: null } },
  granted: null,
};
const begin = (time: number): orders.State =>
  orders.configure(
    orders.begin(seconds(time), millis(0)),
    {
      kind: 'configured',
      node,
      id: node,
      settings: {} as Settings,
      ceilings: {} as Ceilings,
      pinned: [{ id: root, root: key, may: permissions, least: 1 }],
      tunnel: null,
    },
    epoch,
  );
/** What is written down of the time, by each of them. */
const written = (time: number, events: readonly Ordering[], wall: Wall): readonly number[] => {
  let state = begin(time);
  return events.flatMap((event) => {
    const step = orders.update(state, event, { at, wall });
    state = step.state;
    return step.effects.flatMap((e) => (e.kind === 'note' ? e.marks.flatMap((m) => (m.kind === 'timed' ? [m.time] : [])) : []));
  });
};

const network = (of: number): Wall => ({ at: seconds(of), trust: 'network' });
const rows: readonly Readonly<{ name: string; had?: number; in: readonly Ordering[]; wall: Wall; want: readonly number[] }>[] = [
  { name: 'with a certificate', in: [certified(9_000_000)], wall: network(5_000_000), want: [5_000_000] },
  { name: 'once', in: [certified(9_000_000), certified(9_000_000), commanded], wall: network(5_000_000), want: [5_000_000] },
  { name: 'not for less than a day', had: 4_950_000, in: [certified(9_000_000), commanded], wall: network(5_000_000), want: [] },
  { name: 'not where nobody vouches for it', in: [certified(9_000_000)], wall: { at: seconds(5_000_000), trust: 'unknown' }, want: [] },
  {
    name: 'never beyond what a root has certified',
    in: [certified(6_000_000), commanded],
    wall: network(9_000_000_000),
    want: [6_000_001],
  },
  { name: 'never back', had: 6_000_000, in: [certified(9_000_000)], wall: network(5_000_000), want: [] },
];
const time = suite('orders: the time is written down');
for (const { name, had = 0, in: events, wall, want } of rows) time(name, () => assert.equal(written(had, events, wall), want));

time('with a command, when a day has passed since the certificate', () => {
  const wall = (days: number): Wall => network(5_000_000 + days * 86_400);
  const first = orders.update(begin(0), certified(9_000_000), { at, wall: wall(0) });
  const later = orders.update(first.state, commanded, { at: millis(at + 86_400_000), wall: wall(1) });
  assert.equal(
    later.effects.filter(({ kind }) => kind === 'note'),
    [{ kind: 'note', marks: [{ kind: 'timed', time: 5_086_400 }], urgent: false }],
  );
});

// Somebody in the place of a time server has ended all that was certified then.
time('a clock that was far ahead once is mended by a certificate that ends later', () => {
  const now = { at, wall: network(5_000_000) };
  const found = (until: number): boolean => {
    const { state } = orders.update(begin(6_000_001), certified(until), now);
    return keyring.find(state.ring, signer, 'command', orders.earliest(state, now)).ok;
  };
  assert.equal([found(6_000_000), found(6_100_000)], [false, true]);
});
time.run();
