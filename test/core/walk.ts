// Random lives of an agent: whatever happens to it, in whatever order, over an enforcer of numbers and a journal of marks. What must hold at
// every step is asserted at that step.

import * as assert from 'uvu/assert';
import * as agent from '../../agent/core/agent.ts';
import type { ByteCount, PublicKey } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Order } from '../../agent/core/command.ts';
import type { Effect } from '../../agent/core/effect.ts';
import type { Event } from '../../agent/core/event.ts';
import type { Draft, Granted } from '../../agent/core/friend.ts';
import * as friend from '../../agent/core/friend.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Journal, Mark } from '../../agent/core/journal.ts';
import * as journal from '../../agent/core/journal.ts';
import type { Link, Receipt } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import { fault, ok } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import { sumOf } from '../../agent/core/seat.ts';
import type { Recalled, Session } from '../../agent/core/serving.ts';
import { type Ceilings, permissions } from '../../agent/core/settings.ts';
import type { Digest, KeyId, Nonce, SessionId, Wall } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import * as seats from '../fakes/seats.ts';

/** mulberry32 */
function luckOf(seed: number): (below: number) => number {
  let a = seed;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) % below;
  };
}

/** The same content has the same digest; that is all that is asked of it here. */
function digestOf(value: unknown): Digest {
  const text = JSON.stringify(value, (_, v: unknown) => (typeof v === 'bigint' ? `${v}n` : v));
  let [a, b] = [0x811c9dc5, 0x1234567];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 0x01000193);
    b = Math.imul(b + text.charCodeAt(i), 0x5bd1e995) ^ (b >>> 13);
  }
  const hex = [a, b, a ^ b, a + b].map((n) => (n >>> 0).toString(16).padStart(8, '0')).join('');
  return (hex + hex) as Digest;
}

const id = 'a'.repeat(16) as KeyId;
const root = 'r'.repeat(16) as KeyId;
const epoch = 'e'.repeat(32) as Nonce;
const mib = (n: number): ByteCount => (BigInt(n) << 20n) as ByteCount;
const ceilings = { rate: { up: 10_000_000n, down: 10_000_000n }, quota: mib(64), lifetime: seconds(3600) } as Ceilings;
const settings = { node: { id: null, prefix: 'weir' }, brokers: [], coordinators: [] } as const;
const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const consumer = new Uint8Array(32) as PublicKey;

export function walk(seed: number, length: number): void {
  const pick = luckOf(seed);
  const chance = (percent: number): boolean => pick(100) < percent;
  let uptime = 0;
  let boot = 0;
  let wall: Wall = { at: seconds(60), trust: 'unknown' };
  const kernel = seats.seats(() => millis(uptime));
  let book: Journal = journal.empty;
  let isFull = false;
  const grants = new Map<number, Granted>();
  const sealed = new Map<Digest, Receipt>();
  const keys = new Map<SessionId, PeerKey>();
  let waiting = false;
  /** Answers under way. */
  let pending: Event[] = [];
  let open = new Set<number>();
  let tickets = 0;
  /** Commands without an answer, by their numbers. */
  let ordered = new Set<number>();
  let commands = 0;
  let invited = 0;
  let nonces = 0;
  let { state } = agent.begin({ boot: '', epoch: epoch }, [], journal.empty, millis(0));
  /** Noted, and not written yet. */
  let unwritten: readonly Mark[] = [];
  /** What an effect caused at once. */
  const queue: Event[] = [];

  const self = () => ({ epoch, boot: `${boot}`.padStart(32, '0').split('').reverse().join('') });

  function keep(fresh: readonly Mark[]): boolean {
    if (isFull) return false;
    const marks = [...unwritten, ...fresh];
    unwritten = [];
    for (const mark of marks) {
      const taken = journal.take(book, mark);
      assert.ok(taken.ok, `${mark.kind}: ${taken.ok ? '' : taken.fault.reason}`);
      if (taken.ok) book = taken.value;
    }
    // Twice is once.
    const once = book;
    for (const mark of marks) {
      const again = journal.take(book, mark);
      if (again.ok) book = again.value;
    }
    assert.equal([...book.accounts.values()].map(journal.headOf), [...once.accounts.values()].map(journal.headOf));
    return true;
  }

  function happen(event: Event): void {
    for (let next: Event | undefined = event; next !== undefined; next = queue.shift()) {
      const step = agent.update(self(), state, next, { at: millis(uptime), luck: 0, wall, journal: book });
      state = step.state;
      for (const effect of step.effects) act(effect);
    }
  }

  function sign(grant: Grant, rest: Pick<Granted, 'name' | 'root' | 'ticket' | 'kind'>): Granted {
    const digest = digestOf(grant);
    const number = grants.size + 1;
    const granted = { grant, id: grantId(digest), digest, bytes: Uint8Array.of(number >> 8, number & 255), ...rest };
    grants.set(number, granted);
    return granted;
  }
  const grantIn = (bytes: Uint8Array): Granted => {
    const found = grants.get((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0));
    if (found === undefined) throw new Error('no such grant');
    return found;
  };

  function act(effect: Effect): void {
    switch (effect.kind) {
      case 'ask':
        pending.push({
          kind: 'configured',
          node: id,
          id,
          settings,
          ceilings,
          pinned: [{ id: root, root: consumer, may: permissions, least: 1 }],
          tunnel: null,
        });
        return;
      case 'sign': {
        const { grant, name, ticket } = effect;
        assert.is(friend.beyond(grant, ceilings), null, 'nothing is signed beyond the ceilings');
        queue.push({
          kind: 'granted',
          granted: sign(grant, { name, root: null, ticket, kind: grant.session === null ? 'open' : 'topUp' }),
        });
        return;
      }
      case 'agree': {
        const { granted } = effect;
        if (granted.grant.session === null) keys.set(granted.id, granted.grant.peer);
        if (keep(effect.marks)) queue.push({ kind: 'agreed', granted });
        else queue.push({ kind: 'disagreed', granted, fault: fault('ENOSPC', '', 'full') });
        return;
      }
      case 'note':
        if (!keep(effect.marks)) unwritten = [...unwritten, ...effect.marks];
        return;
      case 'read': {
        const read = kernel.read();
        if (!read.ok) pending.push({ kind: 'unread', fault: read.fault });
        else pending.push({ kind: 'read', ...read.value, budget: { round: chance(50), step: chance(80) } });
        return;
      }
      case 'order': {
        for (const { method, item } of effect.asked) {
          if ('quota' in item) {
            const quota = item.quota.kind === 'shared' ? item.quota.bytes : item.quota.up + item.quota.down;
            assert.ok(
              quota >= 1n && quota <= ceilings.quota && item.rate.up <= ceilings.rate.up && item.rate.down <= ceilings.rate.down,
              method,
            );
          }
          if ('seconds' in item) assert.ok(item.seconds >= 1n && item.seconds <= BigInt(ceilings.lifetime), `${item.seconds} s`);
        }
        const answers = kernel.order(effect.asked);
        const after = snapshot();
        if (chance(10)) {
          kernel.order(effect.asked);
          assert.equal(snapshot(), after, 'ordered twice is ordered once');
        }
        pending.push({ kind: 'answered', answers });
        if (chance(5)) pending.push({ kind: 'answered', answers });
        return;
      }
      case 'seal':
        queue.push(seal(effect.receipts));
        return;
      case 'tally':
        assert.ok(sumOf(effect.tally.counted) <= kernel.carried(keys.get(effect.tally.session) ?? ('' as PeerKey)), 'no more than passed');
        if (chance(80)) pending.push({ kind: 'vouched', voucher: effect.tally, message: new Uint8Array(1) });
        return;
      case 'wait':
        waiting = true;
        return;
      case 'publish': {
        const { word } = effect.publication;
        if (word.kind === 'reply') assert.ok(ordered.delete(word.reply.sequence), 'a reply for each command, and one');
        return;
      }
      case 'answer':
        assert.ok(open.delete(effect.ticket), 'an answer for each who asked, and one');
        return;
      default:
        return;
    }
  }

  const snapshot = (): string =>
    [...keys.values()].map((key) => `${key}${kernel.held(key)?.slot}${kernel.held(key)?.ends}${kernel.held(key)?.wish.rate.up}`).join();

  function seal(drafts: readonly Receipt[]): Event {
    const links = drafts.map((r): Link => ({ session: r.session, sequence: r.sequence, digest: digestOf(r) }));
    for (const r of drafts) {
      const account = book.accounts.get(r.session);
      const key = keys.get(r.session);
      if (account === undefined || key === undefined) throw new Error('a receipt of nothing');
      assert.ok(sumOf(r.counted) <= kernel.carried(key), `${sumOf(r.counted)} billed, ${kernel.carried(key)} carried`);
      const { digest } = journal.headOf(account);
      const before = sealed.get(digest);
      const faults =
        before === undefined
          ? receipts.faultsOfFirst({ session: r.session, sequence: 0, digest: account.anchor }, grantIn(account.grant).grant, r)
          : receipts.faultsBetween(before, digest, r);
      assert.equal(faults, []);
    }
    const marks = drafts.map((r): Mark => {
      const { session, sequence } = r;
      return { kind: 'sealed', session, sequence, digest: digestOf(r), receipt: new Uint8Array(1), isLast: r.final !== null };
    });
    if (!keep(marks)) return { kind: 'unsealed', fault: fault('ENOSPC', '', 'full') };
    for (const r of drafts) sealed.set(digestOf(r), r);
    return { kind: 'sealed', links, took: millis(pick(50)) };
  }

  function recalled(): readonly Recalled[] {
    return [...book.accounts].flatMap(([session, account]): Recalled[] => {
      if (account.isClosed) return [];
      const { name, root, slot, lived, ending } = account;
      const inForce = grantIn(account.terms ?? account.grant);
      const head = { session, ...journal.headOf(account) };
      const last = sealed.get(head.digest) ?? null;
      const witnessed = last === null || last.witnessed === null ? null : { sequence: last.witnessed, bytes: sumOf(last.counted) };
      return [
        {
          session,
          name,
          root,
          grant: inForce.grant,
          terms: account.terms === null ? null : inForce.id,
          head,
          slot,
          last,
          witnessed,
          lived,
          ending,
        },
      ];
    });
  }

  function start(): void {
    pending = [];
    unwritten = [];
    waiting = false;
    open = new Set();
    ordered = new Set();
    const begun = agent.begin(self(), recalled(), book, millis(uptime));
    state = begun.state;
    for (const effect of begun.effects) act(effect);
  }

  const sessions = (): readonly Session[] => [...state.sessions.table.values()];
  const some = <T>(list: readonly T[]): T | undefined => list[list.length === 0 ? 0 : pick(list.length)];
  function ticket(): number {
    tickets += 1;
    open.add(tickets);
    return tickets;
  }
  function nonce(): string {
    nonces += 1;
    return `${nonces}`.padStart(32, '0');
  }

  function draft(): Draft {
    invited += 1;
    const hasKey = chance(50);
    const witness = hasKey ? ((['none', 'optional', 'required'] as const)[pick(3)] ?? 'none') : 'none';
    return {
      peer: `${letters.charAt(invited % 52).repeat(42)}A=` as PeerKey,
      consumer: hasKey ? consumer : null,
      witness,
      credit: witness === 'required' ? mib(1 + pick(4)) : null,
      quota: mib(1 + pick(80)),
      rate: { up: BigInt(1 + pick(12)) * 1_000_000n, down: 1_000_000n },
      lifetime: seconds(60 + pick(9000)),
      until: chance(20) ? seconds(pick(20_000)) : null,
      idle: chance(20) ? seconds(60 + pick(600)) : null,
    };
  }

  function order(asked: Order): void {
    // Before, nobody is certified.
    if (state.orders.own === null) return;
    tickets += 1;
    commands += 1;
    ordered.add(commands);
    const command = { node: id, epoch, sequence: commands, expires: null, order: asked };
    const draw = (): Granted => sign(friend.invite(id, nonce(), draft()), { name: null, root, ticket: null, kind: 'open' });
    happen({ kind: 'commanded', ticket: tickets, signer: root, root, command, granted: asked.kind === 'open' ? ok(draw()) : null });
  }

  const deeds: readonly (readonly [weight: number, deed: () => void])[] = [
    [20, () => void kernel.pass(some([...keys.values()]) ?? ('' as PeerKey), pick(1 << 20), pick(4 << 20))],
    [
      22,
      () => {
        uptime += 1000 * (chance(5) ? pick(4000) : pick(30));
        if (!waiting) return;
        waiting = false;
        happen({ kind: 'ticked' });
      },
    ],
    [8, () => happen({ kind: 'invited', ticket: ticket(), nonce: nonce(), name: `n${pick(6)}`, draft: draft() })],
    [4, () => happen({ kind: 'topped', ticket: ticket(), nonce: nonce(), name: `n${pick(6)}`, quota: mib(pick(20)), seconds: pick(2000) })],
    [3, () => happen({ kind: 'dismissed', ticket: ticket(), name: `n${pick(6)}` })],
    [
      5,
      () => {
        const grant = friend.invite(chance(90) ? id : ('b'.repeat(16) as KeyId), nonce(), draft());
        happen({ kind: 'granted', granted: sign(grant, { name: null, root, ticket: chance(50) ? ticket() : null, kind: 'open' }) });
      },
    ],
    [
      3,
      () => {
        const s = some(sessions());
        if (s === undefined) return;
        const quota = { kind: 'shared', bytes: mib(1 + pick(70)) } as const;
        const grant = { ...s.grant, nonce: nonce(), quota, session: s.session, revision: s.grant.revision + pick(2) };
        happen({
          kind: 'granted',
          granted: sign(grant, { name: null, root: chance(90) ? s.root : root, ticket: ticket(), kind: 'change' }),
        });
      },
    ],
    [
      8,
      () => {
        const s = some(sessions());
        const session = s?.session ?? ('0'.repeat(32) as SessionId);
        const told = { session, sequence: s?.head.sequence ?? 1, digest: s?.head.digest ?? digestOf('none') };
        const far = { ...told, sequence: told.sequence + 1 };
        order(
          some<Order>([
            { kind: 'open', grant: new Uint8Array() },
            { kind: 'open', grant: new Uint8Array() },
            { kind: 'close', session },
            { kind: 'list', after: null },
            { kind: 'limit', rate: chance(50) ? null : { up: 1_000_000n, down: 500_000n }, sessions: pick(4), isPaused: chance(30) },
            { kind: 'limit', rate: null, sessions: null, isPaused: false },
            { kind: 'send', session, from: 1 + pick(3) },
            { kind: 'acknowledge', receipts: [chance(95) ? told : far], root: null },
            { kind: 'quarantine', isOn: chance(20) },
          ]) ?? { kind: 'list', after: null },
        );
      },
    ],
    [2, () => happen({ kind: 'revoked', ticket: ticket(), session: some(sessions())?.session ?? ('0'.repeat(32) as SessionId), root })],
    [
      8,
      () => {
        const s = some(sessions());
        if (s !== undefined && s.head.sequence > 0 && s.grant.consumer !== null) {
          if (chance(80)) happen({ kind: 'witnessed', link: s.head, signature: new Uint8Array(64) });
          else happen({ kind: 'disputed', dispute: { ...s.head, reason: 'bytes', counted: null }, bytes: new Uint8Array(1) });
        }
      },
    ],
    [2, () => kernel.refuse(chance(50) ? seats.paused : null)],
    [2, () => kernel.hush(chance(50) ? fault('timeout', 'weir.enforcer', 'silent') : null)],
    [
      2,
      () => {
        isFull = chance(50);
      },
    ],
    [
      2,
      () => {
        wall = { at: seconds(pick(30_000)), trust: (['unknown', 'network', 'signed'] as const)[pick(3)] ?? 'unknown' };
      },
    ],
    [2, start],
    [
      1,
      () => {
        kernel.reboot();
        boot += 1;
        uptime = 0;
        start();
      },
    ],
  ];
  const total = deeds.reduce((sum, [weight]) => sum + weight, 0);

  start();
  for (let i = 0; i < length; i++) {
    if (pending.length > 0 && chance(60)) {
      const [event] = pending.splice(0, 1);
      if (event !== undefined) happen(event);
      continue;
    }
    let at = pick(total);
    for (const [weight, deed] of deeds) {
      if (at < weight) {
        deed();
        break;
      }
      at -= weight;
    }
  }

  // Everything ends.
  kernel.refuse(null);
  kernel.hush(null);
  isFull = false;
  keep([]);
  for (let rounds = 0; rounds < 400 && (rounds < 8 || sessions().length > 0 || pending.length > 0); rounds++) {
    for (let event = pending.shift(); event !== undefined; event = pending.shift()) happen(event);
    uptime += 120_000;
    if (waiting) {
      waiting = false;
      happen({ kind: 'ticked' });
    }
  }
  assert.equal(sessions(), [], 'every session ends');
  assert.is(open.size, 0, 'everybody was answered');
  assert.is(ordered.size, 0, 'every command was answered');
  const read = kernel.read();
  assert.equal(read.ok && read.value.rows.length, 0, 'nobody is left in');
  for (const [session, account] of book.accounts) assert.ok(account.isClosed, `${session} has no last receipt`);
}
