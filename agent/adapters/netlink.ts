// Netlink sockets: requests with their answers, one at a time, and what a multicast group tells. A request ends by its answer, by its
// deadline, or when the kernel says that it lost messages. Knows no family: who speaks one is handed a socket of it.

import { type Millis, millis } from '../core/brand.ts';
import { type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import type { Host, Timer } from '../ports/host.ts';
import type { Encode, Exchange, Fold, Message, Socket } from '../wire/netlink.ts';
import * as netlink from '../wire/netlink.ts';

type Ground = Pick<Host, 'net' | 'clock'>;

const deadline = millis(5000);

type Open = {
  exchange: Exchange;
  readonly fold: Fold;
  readonly timer: Timer;
  readonly done: (r: Result<void>) => void;
};

type Valued<D> = D extends (m: Message) => Result<infer T> ? T : never;

export function open(host: Ground, protocol: number): Result<Socket> {
  const d = netlink.hostDialect({ split: host.net.splitAttributes, pick: host.net.pickMessages });
  let now: Open | null = null;
  let next = 1;
  let turn: Promise<unknown> = Promise.resolve();
  let gone: Fault | null = null;

  const settle = (r: Result<void>): void => {
    const ended = now;
    now = null;
    ended?.timer.cancel();
    ended?.done(r);
  };
  function answered(m: Message): void {
    if (now === null || !netlink.isAnswer(now.exchange, m)) return;
    const bad = m.kind === 'data' ? now.fold.take(m) : null;
    if (bad !== null) now.exchange = { ...now.exchange, fault: now.exchange.fault ?? bad };
    now.exchange = netlink.answer(now.exchange, m);
    const { ended, fault: why } = now.exchange;
    if (ended) settle(why === null ? ok(undefined) : { ok: false, fault: why });
  }
  const opened = host.net.openNetlink(protocol, [], {
    received(bytes) {
      const broken = netlink.walk(bytes, d, answered, now?.fold.picks);
      if (broken !== null) settle({ ok: false, fault: broken });
    },
    // Whether the kernel did what it was asked is then unknown.
    overrun: () => settle(fail('ENOBUFS', '', 'the kernel lost messages')),
    closed(why) {
      gone = why;
      settle({ ok: false, fault: why });
    },
  });
  if (!opened.ok) return opened;

  /** Behind everything asked for before. */
  function queue<T>(work: () => Promise<T>): Promise<T> {
    const mine = turn.then(work);
    turn = mine;
    return mine;
  }

  function exchange(encode: Encode, patience: Millis, fold: Fold): Promise<Result<void>> {
    if (gone !== null) return Promise.resolve({ ok: false, fault: gone });
    const request = encode(d, next);
    // The end of a batch has a number of its own, which nobody answers.
    next = request.exchange.last > 0x7fff_0000 ? 1 : request.exchange.last + 2;
    return new Promise((done) => {
      const timer = host.clock.after(patience, () => settle(fail('timeout', '', `no answer within ${patience} ms`)));
      now = { exchange: request.exchange, fold, timer, done };
      const sent = opened.ok ? opened.value.send(request.bytes) : opened;
      if (!sent.ok) settle(sent);
    });
  }

  const fold = <T extends Fold>(encode: Encode, begin: () => T): Promise<Result<T>> =>
    queue(async () => {
      const until = host.clock.monotonic() + deadline;
      for (;;) {
        const folded = begin();
        const patience = millis(Math.max(1, until - host.clock.monotonic()));
        const ended = await exchange(encode, patience, folded);
        if (ended.ok) return ok(folded);
        const isTorn = ended.fault.code === 'EINTR' || ended.fault.code === 'ENOBUFS';
        if (!isTorn || host.clock.monotonic() >= until) return ended;
      }
    });

  return ok({
    ask: (encode) =>
      queue(async () => {
        const messages: Message[] = [];
        const take = (m: Message): null => {
          messages.push(m);
          return null;
        };
        const ended = await exchange(encode, deadline, { picks: null, take });
        return ended.ok ? ok(messages) : ended;
      }),
    fold,
    async dump(encode, decode) {
      const folded = await fold(encode, () => {
        const values: Valued<typeof decode>[] = [];
        return {
          values,
          picks: null,
          take(m: Message) {
            const value = decode(m);
            if (!value.ok) return value.fault;
            values.push(value.value);
            return null;
          },
        };
      });
      return folded.ok ? ok(folded.value.values) : folded;
    },
    close() {
      gone = fault('closed', '', 'we closed the socket');
      opened.value.close();
      settle({ ok: false, fault: gone });
    },
  });
}

/** For who has to begin without. */
export const absent = (why: Fault): Socket => {
  const refuse = async (): Promise<Result<never>> => ({ ok: false, fault: why });
  return { ask: refuse, dump: refuse, fold: refuse, close: () => undefined };
};

export type Heard = Readonly<{
  told(m: Message): void;
  /** The kernel lost messages for us, or sent what nobody can read: what is known is stale. */
  overrun(): void;
  deaf(why: Fault): void;
}>;

/** Listens to multicast groups, until it is deaf or closed. */
export function listen(host: Ground, protocol: number, groups: readonly number[], heard: Heard): Result<Readonly<{ close(): void }>> {
  const d = netlink.hostDialect({ split: host.net.splitAttributes, pick: host.net.pickMessages });
  return host.net.openNetlink(protocol, groups, {
    received(bytes) {
      const messages = netlink.decode(bytes, d);
      if (!messages.ok) return heard.overrun();
      for (const m of messages.value) heard.told(m);
    },
    overrun: heard.overrun,
    closed: heard.deaf,
  });
}
