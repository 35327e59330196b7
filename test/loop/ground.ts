// The agent's loop on ground that a test controls: a clock, a flash, an enforcer of numbers, no broker. Everything between is real: decisions,
// journal, signatures.

import * as journals from '../../agent/adapters/journal.ts';
import type { ByteCount, SecretKey } from '../../agent/core/brand.ts';
import { type Millis, millis, seconds } from '../../agent/core/brand.ts';
import type { Settled } from '../../agent/core/effect.ts';
import type { Event, Ticket } from '../../agent/core/event.ts';
import type { Draft } from '../../agent/core/friend.ts';
import type { Receipt, Voucher } from '../../agent/core/receipt.ts';
import type { Result } from '../../agent/core/result.ts';
import { ok } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Consumer, Session } from '../../agent/core/serving.ts';
import type { Ceilings } from '../../agent/core/settings.ts';
import type { Nonce, SessionId, Wall } from '../../agent/core/signed.ts';
import { bootOf } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import type { Loop } from '../../agent/loop.ts';
import * as loops from '../../agent/loop.ts';
import type { Host } from '../../agent/ports/host.ts';
import type { Store } from '../../agent/ports/store.ts';
import { identityOf } from '../../agent/wire/identity.ts';
import { recall, receiptOf } from '../../agent/wire/recall.ts';
import * as seals from '../../agent/wire/seal.ts';
import { type ManualClock, manual } from '../fakes/clock.ts';
import { type Flash, flash } from '../fakes/flash.ts';
import { type Seats, seats } from '../fakes/seats.ts';

export const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
export const key = (letter: string): PeerKey => `${letter.repeat(42)}A=` as PeerKey;
export const mib = (n: number): ByteCount => (BigInt(n) << 20n) as ByteCount;
export const draft = (letter: string, more: Partial<Draft> = {}): Draft => ({
  peer: key(letter),
  consumer: null,
  witness: 'none',
  credit: null,
  quota: mib(100),
  rate: { up: 8_000_000n, down: 8_000_000n },
  lifetime: seconds(86_400),
  until: null,
  idle: null,
  ...more,
});
export const ceilings: Ceilings = {
  rate: { up: 10_000_000n, down: 10_000_000n },
  quota: mib(10_240),
  lifetime: seconds(7200),
} as Ceilings;

export type Ground = Readonly<{
  clock: ManualClock;
  files: Flash;
  kernel: Seats;
  loop: () => Loop;
  store: () => Store;
  /** What was logged and told, oldest first. */
  said: string[];
  attended: () => readonly Consumer[];
  shown: readonly SessionId[];
  tallies: readonly Voucher[];
  /** Starts it, or once more, as after a kill. */
  start(): Promise<void>;
  /** The kernel forgets all, and powered-on time begins anew; then it starts. */
  reboot(): Promise<void>;
  trust(wall: Wall['trust'], at: number): void;
  /** Time passes, in steps of a round. */
  pass(ms: number): Promise<void>;
  ask(of: (ticket: Ticket) => Event): Promise<Result<Settled>>;
  befriend(name: string, what: Draft): Promise<Result<Settled>>;
  session(name: string): Session;
  /** All that are kept of it, parsed. */
  chain(session: SessionId): readonly Receipt[];
}>;

const identity = identityOf(new Uint8Array(32).fill(7) as SecretKey, portable);
export const signer = identity.signer;

/** `more`: what else it has of the world than this ground, which has no broker. */
export function ground(more: (g: Pick<Ground, 'clock'>) => Partial<loops.World> = () => ({})): Ground {
  const inner = manual();
  let boots = { count: 0, at: 0 };
  const clock: ManualClock = {
    ...inner,
    monotonic: () => millis(inner.monotonic() - boots.at),
    bootId: () =>
      `${boots.count}`
        .padStart(32, '0')
        .replace(/^(.{8})(.{8})(.*)$/, '$1-$2-$3')
        .split('')
        .reverse()
        .join(''),
  };
  const files = flash();
  const kernel = seats(() => clock.monotonic());
  const said: string[] = [];
  const shown: SessionId[] = [];
  const tallies: Voucher[] = [];
  let attended: readonly Consumer[] = [];
  let loop: Loop | null = null;
  let store: Store | null = null;
  let life = 0;
  let wall: Readonly<{ trust: Wall['trust']; ahead: number }> = { trust: 'unknown', ahead: 0 };
  const wallNow = (): Wall => ({ at: seconds(Math.floor(clock.monotonic() / 1000) + wall.ahead), trust: wall.trust });
  const theLoop = (): Loop => {
    if (loop === null) throw new Error('not started');
    return loop;
  };
  const theStore = (): Store => {
    if (store === null) throw new Error('not started');
    return store;
  };
  /** Whatever was promised by then has happened. */
  const calm = async (): Promise<void> => {
    for (let i = 0; i < 20; i++) await Promise.resolve();
  };

  async function start(): Promise<void> {
    life += 1;
    const mine = life;
    // Timers and answers of an earlier life reach nobody.
    const alive =
      <A extends readonly unknown[]>(act: (...args: A) => void) =>
      (...args: A): void => {
        if (mine === life) act(...args);
      };
    const host = {
      kind: 'node',
      ...portable,
      clock: { ...clock, after: (delay: Millis, fire: () => void) => clock.after(delay, alive(fire)) },
      random: (size: number) => new Uint8Array(size).fill(9),
      log: (line: string) => void said.push(line),
      process: {
        exit(status: number): never {
          said.push(`exit ${status}`);
          life += 1;
          return undefined as never;
        },
      },
    } as unknown as Host;
    const opened = must(journals.open({ files, clock: host.clock, sha256: portable.sha256 }, '/agent', (why) => said.push(why.reason)));
    store = opened.store;
    must(store.commit([{ kind: 'started', starts: store.state().starts + 1 }]));
    const mineStore = store;
    loop = loops.start({
      host,
      version: '0',
      store,
      recalled: recall(store.state(), portable).map(must),
      ask: async () => ({
        ok: true,
        value: {
          id: identity.id,
          settings: { node: { id: null, prefix: 'weir' }, brokers: [], coordinators: [] },
          ceilings,
          pinned: [],
          tunnel: null,
        },
      }),
      resolve: async () => ok([]),
      connect: () => {
        throw new Error('there is no broker');
      },
      tell: (event, body) => void said.push([event, body['name'], body['condition'], body['reason']].filter((w) => w !== '').join(' ')),
      compose: () => new Uint8Array(),
      hear: async () => ({ kind: 'paced' }),
      survey: async () => null,
      probe: async () => ok({ kind: 'done' }),
      reboot: async () => ok({ kind: 'done' }),
      epoch: '0'.repeat(32) as Nonce,
      wall: wallNow,
      sign: (grant) => seals.grant(grant, signer, portable),
      seal: (receipts, others) => {
        const moment = { epoch: '0'.repeat(32) as Nonce, boot: bootOf(clock.bootId()), up: clock.monotonic(), wall: wallNow() };
        return seals.seal(receipts, others, mineStore.state(), moment, signer, portable);
      },
      read: async () => kernel.read(),
      // An earlier life orders nothing.
      order: (asked) => (mine === life ? Promise.resolve(kernel.order(asked)) : new Promise(() => undefined)),
      attend(consumers) {
        attended = consumers;
      },
      show: (session) => void shown.push(session),
      tally: (tally) => void tallies.push(tally),
      ...more({ clock: host.clock as ManualClock }),
    });
    await calm();
  }

  const ask = async (of: (ticket: Ticket) => Event): Promise<Result<Settled>> => theLoop().request(of);

  async function reboot(): Promise<void> {
    kernel.reboot();
    boots = { count: boots.count + 1, at: inner.monotonic() };
    await start();
  }

  return {
    clock,
    files,
    kernel,
    said,
    shown,
    tallies,
    attended: () => attended,
    loop: theLoop,
    store: theStore,
    start,
    reboot,
    trust(trust, at) {
      wall = { trust, ahead: at - Math.floor(clock.monotonic() / 1000) };
    },
    async pass(ms) {
      for (let left = ms; left > 0; left -= 10_000) {
        clock.advance(millis(Math.min(left, 10_000)));
        await calm();
      }
    },
    ask,
    befriend: (name, what) => ask((ticket) => ({ kind: 'invited', ticket, nonce: `${ticket}`.padStart(32, '0'), name, draft: what })),
    session(name) {
      const found = [...theLoop().table().values()].find((s) => s.name === name);
      if (found === undefined) throw new Error(`no session of ${name}:\n${said.join('\n')}`);
      return found;
    },
    chain: (session) => (theStore().state().accounts.get(session)?.kept ?? []).map((kept) => must(receiptOf(kept))),
  };
}
