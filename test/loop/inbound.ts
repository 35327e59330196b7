// The whole way of what comes in by the link, from bytes to what is done and said, without a loop, a link or a clock of its own: a node with two
// coordinators, and what each of them could send it.

import * as agent from '../../agent/core/agent.ts';
import { type ByteCount, millis, type SecretKey, seconds } from '../../agent/core/brand.ts';
import type { Command, Order } from '../../agent/core/command.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Event } from '../../agent/core/event.ts';
import type { Grant } from '../../agent/core/grant.ts';
import * as journal from '../../agent/core/journal.ts';
import { ok, type Result } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import { type Broker, type Ceilings, permissions } from '../../agent/core/settings.ts';
import type { KeyId, Nonce, SessionId, Wall } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as office from '../../agent/office.ts';
import { command } from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { grant as grants } from '../../agent/wire/grant.ts';
import { identityOf } from '../../agent/wire/identity.ts';
import type { Keys } from '../fakes/coordinator.ts';
import * as coordinator from '../fakes/coordinator.ts';
import { keysOf, sign } from '../fakes/coordinator.ts';

export const [one, other, stranger] = [keysOf('one'), keysOf('other'), keysOf('stranger')];
const identity = identityOf(new Uint8Array(32).fill(7) as SecretKey, portable);
export const node: KeyId = identity.id;
/** As a coordinator whose key is the node's own. */
export const itself: Keys = { ...one, key: identity.signer };
export const epoch = 'e'.repeat(32) as Nonce;
export const peer = (letter: string): PeerKey => `${letter.repeat(42)}A=` as PeerKey;
const self = { boot: '0'.repeat(32), epoch };
const ceilings = { rate: { up: 10_000_000n, down: 10_000_000n }, quota: (1n << 40n) as ByteCount, lifetime: seconds(7200) } as Ceilings;

export const grantOf = (more: Partial<Grant> = {}): Grant =>
  coordinator.grantOf(node, '0'.repeat(32) as Nonce, peer('a'), { quota: { kind: 'shared', bytes: (1n << 30n) as ByteCount }, ...more });
export const signedGrant = (more: Partial<Grant> = {}, by: Keys = one): Uint8Array => sign('grant', grants, grantOf(more), by.key);
export const sessionOf = (bytes: Uint8Array): SessionId => {
  const signed = cose.decode(bytes);
  if (!signed.ok) throw new Error(signed.fault.reason);
  return grantId(cose.digestOf(signed.value, portable));
};
export const commandOf = (order: Order, more: Partial<Command> = {}): Command => ({
  node,
  epoch,
  sequence: 1,
  expires: null,
  order,
  ...more,
});
export const signedCommand = (order: Order, more: Partial<Command> = {}, by: Keys = one): Uint8Array =>
  sign('command', command, commandOf(order, more), by.key);

export type Node = Readonly<{
  state(): agent.State;
  /** What was done and said because of it. */
  receive(topic: string, payload: Uint8Array): readonly Effect[];
  happen(event: Event): readonly Effect[];
  /** Those are the coordinators in the owner's settings from now on. */
  pin(...whom: readonly Keys[]): void;
  pass(ms: number): void;
  /** So many sessions of a root's that had no end are over. */
  forget(root: KeyId, count: number): void;
  /** Times something was refused, by its name. */
  refused(name: string): number;
}>;

export function begin(wall: Wall = { at: seconds(0), trust: 'unknown' }, brokers: readonly Broker[] = []): Node {
  let now = 100_000;
  let tickets = 0;
  let book = journal.empty;
  const moment = (): agent.Moment => ({ at: millis(now), luck: 0, wall, journal: book });
  let { state } = agent.begin(self, [], book, millis(0));

  function happen(event: Event): readonly Effect[] {
    const step = agent.update(self, state, event, moment());
    state = step.state;
    return step.effects.flatMap(follow);
  }
  /** What the loop answers at once. */
  function follow(effect: Effect): readonly Effect[] {
    switch (effect.kind) {
      case 'hear': {
        tickets += 1;
        const whose = { ring: state.orders.ring, earliest: earliest() };
        return happen(office.hear({ topic: effect.topic, payload: effect.payload, ticket: tickets }, whose, portable));
      }
      case 'agree': {
        const { granted } = effect;
        const kept = keep(effect.marks);
        return [effect, ...happen(kept.ok ? { kind: 'agreed', granted } : { kind: 'disagreed', granted, fault: kept.fault })];
      }
      case 'note': {
        const kept = keep(effect.marks);
        if (!kept.ok) throw new Error(kept.fault.reason);
        return [effect];
      }
      default:
        return [effect];
    }
  }
  function keep(marks: readonly journal.Mark[]): Result<void> {
    let next = book;
    for (const mark of marks) {
      const taken = journal.take(next, mark);
      if (!taken.ok) return taken;
      next = taken.value;
    }
    book = next;
    return ok(undefined);
  }
  const earliest = () => seconds(Math.max(wall.trust === 'unknown' ? 0 : wall.at, Math.floor(now / 1000)));

  const settings = { node: { id: null, prefix: 'weir' }, brokers, coordinators: [] } as const;
  function pin(...whom: readonly Keys[]): void {
    const pinned = whom.map(({ root, rootId }) => ({ id: rootId, root: root.key, may: permissions, least: 1 }));
    happen({ kind: 'configured', node, id: node, settings, ceilings, pinned, tunnel: null });
  }
  pin(one, other);
  return {
    state: () => state,
    receive: (topic, payload) => happen({ kind: 'received', topic, payload }),
    happen,
    pin,
    pass(ms) {
      now += ms;
    },
    forget(root, count) {
      const past = Array.from({ length: count }, (_, n) => ({ session: `${n}`.padStart(32, 'f') as SessionId, root, until: null }));
      keep(past.map((one) => ({ kind: 'past', ...one })));
    },
    refused: (name) => state.orders.refusals.get(name) ?? 0,
  };
}
