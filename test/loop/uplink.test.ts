// A day behind an uplink that drops, repeats and reorders, in virtual time: the agent's loop, journal and signatures are real; the line, the
// broker behind it and the coordinator's memory are a few maps.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Order } from '../../agent/core/command.ts';
import * as journal from '../../agent/core/journal.ts';
import { fail, fault, ok } from '../../agent/core/result.ts';
import type { Digest, Nonce, SessionId } from '../../agent/core/signed.ts';
import { portable } from '../../agent/crypto/sha.ts';
import * as office from '../../agent/office.ts';
import type { Clock } from '../../agent/ports/host.ts';
import type { Link, LinkEvents, Message } from '../../agent/ports/link.ts';
import * as commands from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as grants from '../../agent/wire/grant.ts';
import * as owner from '../../agent/wire/owner.ts';
import { receipt as receipts } from '../../agent/wire/receipt.ts';
import * as seals from '../../agent/wire/seal.ts';
import { brokerAt } from '../core/broker.ts';
import * as coordinator from '../fakes/coordinator.ts';
import { certificateOf, keysOf, sign } from '../fakes/coordinator.ts';
import { ceilings, type Ground, ground, key, mib, must, signer } from './ground.ts';

const node = cose.keyIdOf(signer.key, portable);
const epoch = '0'.repeat(32) as Nonce;
const keys = keysOf('one');
const broker = { ...brokerAt('broker.test', 5), keepAlive: seconds(60) };

/** mulberry32: the same luck in every run. */
function luckOf(seed: number): () => number {
  let a = seed;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** What the coordinator remembers of a chain. */
type Chain = { head: Readonly<{ sequence: number; digest: Digest }>; taken: number[] };

type World = Readonly<{
  chains: ReadonlyMap<SessionId, Chain>;
  /** What the line did, and the most that the agent had under way. */
  seen: Record<'lost' | 'repeated' | 'reordered' | 'broken' | 'mostWaiting', number>;
  connect(options: object, events: LinkEvents): Link;
  order(order: Order): void;
  certify(): void;
  is(how: 'bad' | 'good' | 'gone'): void;
}>;

function world(clock: Pick<Clock, 'after' | 'monotonic'>, luck: () => number): World {
  const chains = new Map<SessionId, Chain>();
  const seen = { lost: 0, repeated: 0, reordered: 0, broken: 0, mostWaiting: 0 };
  const early = new Map<string, Uint8Array>();
  let line: 'bad' | 'good' | 'gone' = 'bad';
  let down: ((topic: string, payload: Uint8Array) => void) | null = null;
  let newest = 0;
  let sequence = 0;
  const chance = (of: number): boolean => line === 'bad' && luck() < of;
  const later = (most: number, act: () => void) => clock.after(millis(1 + Math.floor(luck() * most)), act);

  /** Takes each receipt once, in its order, and says so until the node knows. */
  function hear(payload: Uint8Array): void {
    const message = must(cose.verify(must(cose.decode(payload)), signer.key, portable));
    const told = must(cose.read(message, 'receipt', receipts));
    const chain = chains.get(told.session) ?? { head: { sequence: 0, digest: told.previous }, taken: [] };
    chains.set(told.session, chain);
    if (told.sequence > chain.head.sequence + 1) early.set(`${told.session} ${told.sequence}`, payload);
    if (told.sequence !== chain.head.sequence + 1) return;
    assert.is(told.previous, chain.head.digest);
    chain.taken.push(told.sequence);
    chain.head = { sequence: told.sequence, digest: cose.digestOf(message, portable) };
    const next = early.get(`${told.session} ${told.sequence + 1}`);
    if (next !== undefined) hear(next);
  }
  function arrive({ topic, payload }: Message, number: number): void {
    if (number < newest) seen.reordered += 1;
    newest = Math.max(newest, number);
    if (topic.includes('/receipts/')) hear(payload);
  }
  const send = (topic: string, payload: Uint8Array): void => {
    for (let times = chance(0.1) ? 2 : chance(0.1) ? 0 : 1; times > 0; times--) later(20_000, () => down?.(topic, payload));
  };

  let count = 0;
  return {
    chains,
    seen,
    is(how) {
      line = how;
    },
    certify: () => send('certificates', sign('certificate', grants.certificate, certificateOf(keys), keys.root)),
    order(order) {
      sequence += 1;
      send('commands', sign('command', commands.command, { node, epoch, sequence, expires: null, order }, keys.key));
    },
    connect(_, events) {
      const waiting = new Set<(answer: ReturnType<typeof lost>) => void>();
      let isOpen = false;
      let isOver = false;
      const lost = () => fail('timeout', 'link', 'Keepalive timeout');
      const close = (why: ReturnType<typeof fault> | null): void => {
        if (isOver) return;
        isOver = true;
        isOpen = false;
        down = null;
        for (const tell of waiting) tell(lost());
        events.closed(why);
      };
      const cut = (): void => {
        seen.broken += 1;
        close(fault('timeout', 'link', 'Keepalive timeout'));
      };
      later(3000, () => {
        if (line === 'gone' || chance(0.3)) return cut();
        isOpen = true;
        down = (topic, payload) => events.received({ topic: `weir/${node}/${topic}`, payload, qos: 1, retain: false });
        events.connected(false);
        const live = (): void => {
          if (line === 'gone' || chance(0.05)) cut();
          else if (!isOver) later(60_000, live);
        };
        live();
      });
      return {
        subscribe: (_filter, qos, done) => later(1000, () => done(ok(qos))),
        publish(message, done) {
          if (!isOpen) return void Promise.resolve().then(() => done(lost()));
          waiting.add(done);
          seen.mostWaiting = Math.max(seen.mostWaiting, waiting.size);
          count += 1;
          const number = count;
          const answer = (): void => {
            if (waiting.delete(done)) done(ok(undefined));
          };
          if (chance(0.1)) {
            seen.lost += 1;
            return void later(30_000, cut);
          }
          // It may be on its way still when its connection is long gone.
          later(line === 'bad' ? 40_000 : 1000, () => {
            arrive(message, number);
            if (chance(0.1)) {
              seen.repeated += 1;
              later(60_000, () => arrive(message, number));
            }
            if (chance(0.1)) later(10_000, cut);
            else later(1000, answer);
          });
        },
        end: () => void Promise.resolve().then(() => close(null)),
      };
    },
  };
}

/** An agent with a broker behind that line, and sessions of the coordinator's. */
async function begin(): Promise<Readonly<{ g: Ground; w: World }>> {
  const worlds: World[] = [];
  const g = ground(({ clock }) => {
    const w = world(clock, luckOf(5));
    worlds.push(w);
    const coordinator = { root: keys.root.key, may: ['sessions'] } as const;
    return {
      ask: async () => ({
        ok: true,
        value: {
          id: node,
          settings: { node: { id: null, prefix: 'weir' }, brokers: [broker], coordinators: [{ ...coordinator, claim: null }] },
          ceilings: { ...ceilings, quota: mib(200_000), lifetime: seconds(400_000) },
          pinned: [{ ...coordinator, id: keys.rootId, least: 1 }],
          tunnel: null,
        },
      }),
      resolve: async () => ok(['192.0.2.1']),
      connect: w.connect,
      hear: async (message, whose) => office.hear(message, whose(), portable),
      compose(word) {
        if (word.kind === 'receipt') return owner.witnessed(word);
        if (word.kind === 'root') return word.root;
        if (word.kind === 'voucher') return word.voucher;
        return word.kind === 'reply' ? seals.reply(word.reply, signer, portable) : new Uint8Array();
      },
    };
  });
  await g.start();
  const [w] = worlds;
  if (w === undefined) throw new Error('started, and nobody asked for the world');
  // Said again until it is so: to open what is open changes nothing.
  while (g.loop().table().size < letters.length) {
    w.certify();
    await g.pass(60_000);
    for (const [n, letter] of letters.entries()) w.order({ kind: 'open', grant: grantOf(letter, n) });
    await g.pass(60_000);
  }
  return { g, w };
}

const letters = [...'abcdef'];
const grantOf = (letter: string, n: number): Uint8Array =>
  sign(
    'grant',
    grants.grant,
    coordinator.grantOf(node, `${n}`.padStart(32, '0') as Nonce, key(letter), {
      quota: { kind: 'shared', bytes: mib(100_000) },
      rate: { up: 8_000_000n, down: 8_000_000n },
      lifetime: seconds(200_000),
    }),
    keys.key,
  );
const minute = 60_000;

const uplink = suite('an uplink');
uplink('that is bad for a day: each receipt arrives once, in its order, and the journal stays small', async () => {
  const { g, w } = await begin();
  const live = async (minutes: number): Promise<void> => {
    for (let left = minutes; left > 0; left -= 5) {
      for (const letter of letters) g.kernel.pass(key(letter), 100_000, 5_000_000);
      const heads = [...w.chains].map(([session, { head }]) => ({ session, ...head }));
      w.order({ kind: 'acknowledge', receipts: heads, root: null });
      await g.pass(5 * minute);
    }
  };
  await live(10 * 60);
  w.is('gone');
  await live(2 * 60);
  w.is('bad');
  await live(12 * 60);
  w.is('good');
  await live(60);
  const accounts = [...g.store().state().accounts];
  assert.is(accounts.length, letters.length);
  for (const [session, account] of accounts) {
    const { sequence } = journal.headOf(account);
    assert.ok(sequence > 40, `${sequence} receipts of a day`);
    assert.equal(
      w.chains.get(session)?.taken,
      Array.from({ length: sequence }, (_, n) => n + 1),
    );
    assert.ok(account.acknowledged >= sequence - 1, 'the last one is a moment old');
  }
  const { mostWaiting, ...happened } = w.seen;
  for (const [what, times] of Object.entries(happened)) assert.ok(times > 10, `${what}: ${times} times`);
  assert.ok(mostWaiting <= 8, `${mostWaiting} messages at once`);
  const largest = Math.max(...g.files.writes.map(({ after }) => after.length));
  assert.ok(largest <= 2 * journal.mostKept, `${largest} bytes on flash`);
});
uplink.run();
