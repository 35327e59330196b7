// An enforcer with a kernel of numbers: who is seated, what has passed, what was refused. It answers as the real one does on the bus
// (agent/adapters/enforcer-client.ts), and lets pass what quotas and ends let pass.

import type { Alteration, Request } from '../../agent/core/admission.ts';
import type { ByteCount, Millis } from '../../agent/core/brand.ts';
import { millis } from '../../agent/core/brand.ts';
import type { Answer } from '../../agent/core/event.ts';
import { isSame } from '../../agent/core/grant.ts';
import type { Wish } from '../../agent/core/limits.ts';
import { type Fault, fail, fault, ok, type Result } from '../../agent/core/result.ts';
import type { Generation, Pair, PeerKey, Quota, Slot } from '../../agent/core/seat.ts';
import { isSpent, sumOf } from '../../agent/core/seat.ts';
import type { Asked } from '../../agent/core/serving.ts';
import type { Departed, Gone, Row, Seated } from '../../agent/core/session.ts';

type Seat = {
  slot: Slot;
  wish: Wish;
  used: Pair<ByteCount>;
  packets: Pair<bigint>;
  passed: Pair<ByteCount>;
  ends: Millis;
  generation: Generation;
};
export type Seats = Readonly<{
  read(): Result<Readonly<{ rows: readonly Row[]; gone: readonly Departed[] }>>;
  order(asked: readonly Asked[]): readonly Answer[];
  /** What of it has passed. */
  pass(key: PeerKey, up: number, down: number): Pair<ByteCount>;
  /** By the kernel's own count, of all seats a key ever had. */
  carried(key: PeerKey): bigint;
  held(key: PeerKey): Readonly<Seat> | undefined;
  /** The owner's no: whoever is in is out, and nobody gets in; null: yes again. */
  refuse(why: Fault | null): void;
  /** It does not answer. */
  hush(why: Fault | null): void;
  /** The kernel forgets all, as in a reboot. */
  reboot(): void;
  /** Orders so far, in short. */
  orders: string[];
}>;

const none: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
const plus = (a: Pair<ByteCount>, b: Pair<ByteCount>): Pair<ByteCount> => ({
  up: (a.up + b.up) as ByteCount,
  down: (a.down + b.down) as ByteCount,
});
const wishOf = ({ quota, rate, throttle, egress }: Alteration | Request): Wish => ({ quota, rate, throttle, egress });

export function seats(now: () => Millis): Seats {
  const held = new Map<PeerKey, Seat>();
  const carried = new Map<PeerKey, bigint>();
  const gone = new Map<PeerKey, Departed>();
  const orders: string[] = [];
  let refusal: Fault | null = null;
  let silence: Fault | null = null;
  let made = 0;

  const figures = ({ used, packets, passed }: Seat) => ({ counted: plus(used, passed), packets, gap: none });
  const seatedAt = (key: PeerKey, { slot, generation }: Seat): Seated => ({
    key,
    slot,
    generation,
    address4: `10.213.0.${slot}`,
    address6: `fd00::${slot}`,
  });
  const missing = fail('missing', 'key', 'no such session');

  function one(asked: Asked): Result<Seated | Gone> {
    const { key } = asked.item;
    const seat = held.get(key);
    orders.push(`${asked.method} ${key.slice(0, 1)}`);
    if (silence !== null) return { ok: false, fault: silence };
    if (asked.method === 'evict') {
      const left = gone.get(key);
      gone.delete(key);
      if (seat === undefined) return left === undefined ? missing : ok(left);
      held.delete(key);
      return ok({ key, slot: seat.slot, generation: seat.generation, ...figures(seat) });
    }
    if (refusal !== null) return { ok: false, fault: refusal };
    if (asked.method === 'admit') {
      const { item } = asked;
      if (seat !== undefined && !isSame(seat.wish, wishOf(item))) return fail('exists', 'key', 'is seated with other terms');
      if (seat !== undefined) {
        seat.ends = millis(now() + Number(item.seconds) * 1000);
        return ok(seatedAt(key, seat));
      }
      made += 1;
      const fresh: Seat = {
        slot: (item.slot ?? held.size + 2) as Slot,
        wish: wishOf(item),
        used: item.used as Pair<ByteCount>,
        packets: item.packets ?? { up: 0n, down: 0n },
        passed: none,
        ends: millis(now() + Number(item.seconds) * 1000),
        generation: made as Generation,
      };
      held.set(key, fresh);
      return ok(seatedAt(key, fresh));
    }
    if (seat === undefined) return missing;
    if (asked.method === 'change') seat.wish = wishOf(asked.item);
    else seat.ends = millis(now() + Number(asked.item.seconds) * 1000);
    return ok(seatedAt(key, seat));
  }

  return {
    orders,
    read() {
      if (silence !== null) return { ok: false, fault: silence };
      const rows = [...held].map(
        ([key, seat]): Row => ({
          key,
          slot: seat.slot,
          generation: seat.generation,
          ...figures(seat),
          quota: seat.wish.quota,
          left: millis(Math.max(0, seat.ends - now())),
          handshake: null,
          endpoint: '192.0.2.9:51820',
          tunnel: seat.passed,
        }),
      );
      return ok({ rows, gone: [...gone.values()] });
    },
    order: (asked) => asked.map((a) => ({ asked: a, result: one(a) }) as unknown as Answer),
    pass(key, up, down) {
      const seat = held.get(key);
      if (seat === undefined || seat.ends <= now()) return none;
      const want = { up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount };
      const after = plus(plus(seat.used, seat.passed), want);
      const isOver = isSpent(seat.wish.quota as Quota, plus(seat.used, seat.passed));
      const { quota } = seat.wish;
      // nft's quota lets nothing pass that would exceed it.
      const isBeyond = quota.kind === 'shared' ? sumOf(after) > quota.bytes : after.up > quota.up || after.down > quota.down;
      if ((isOver || isBeyond) && seat.wish.throttle === null) return none;
      seat.passed = plus(seat.passed, want);
      seat.packets = { up: seat.packets.up + 1n, down: seat.packets.down + 1n };
      carried.set(key, (carried.get(key) ?? 0n) + sumOf(want));
      return want;
    },
    carried: (key) => carried.get(key) ?? 0n,
    held: (key) => held.get(key),
    refuse(why) {
      refusal = why;
      if (why === null) return;
      for (const [key, seat] of held) gone.set(key, { key, slot: seat.slot, generation: seat.generation, ...figures(seat), why: 'owner' });
      held.clear();
    },
    hush(why) {
      silence = why;
    },
    reboot() {
      held.clear();
      gone.clear();
    },
  };
}

export const paused = fault('denied', 'weir.share.paused', 'the owner has paused sharing');
