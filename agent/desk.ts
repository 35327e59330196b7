// The agent's object on the bus: how the owner speaks to it, and where it tells what happens. Part of the agent's root: tables in, requests to
// the loop, tables out.

import type { Call, Method, Methods } from './adapters/ubus-client.ts';
import type { Book } from './book.ts';
import type { Event, Ticket } from './core/event.ts';
import { fail, ok, type Result } from './core/result.ts';
import type { Clock } from './core/serving.ts';
import type { Ceilings } from './core/settings.ts';
import type { SessionId } from './core/signed.ts';
import type { Loop } from './loop.ts';
import type { Host } from './ports/host.ts';
import type { Tidings } from './tidings.ts';
import type { Table } from './wire/blobmsg.ts';
import * as blobmsg from './wire/blobmsg.ts';
import * as enforcer from './wire/enforcer.ts';
import { hexOf } from './wire/form.ts';
import * as owner from './wire/owner.ts';
import { over } from './wire/recall.ts';

export type Desk = Readonly<{ host: Host; loop: Loop; book: Book; clock(): Clock; ceilings(): Ceilings | null; tidings(): Tidings | null }>;

const likeOthers = 'has no hardware address to be known by: a copy on another router of this model would not be noticed';

export function methods({ host, loop, book, clock, ceilings, tidings }: Desk): Methods {
  /** `users`: ubusd's ACL has let them through already; a mistake in it must not be ours. */
  const method = (name: owner.Method, users: readonly string[], run: (t: Table) => Result<Table> | Promise<Result<Table>>): Method => ({
    args: owner.args[name],
    async run({ args, user }: Call) {
      if (!users.includes(user)) return fail('denied', '', `not for ${user}`);
      const known = owner.only(name, args);
      const answer = known.ok ? await run(args) : known;
      return answer.ok ? answer : ok(enforcer.encodeRefusal(answer.fault));
    },
  });
  const all = ['root', 'weir'];
  const root = ['root'];

  async function settled<T>(asked: Result<T>, event: (ticket: Ticket, asked: T) => Event): Promise<Result<Table>> {
    if (!asked.ok) return asked;
    const { value } = asked;
    const outcome = await loop.request((ticket) => event(ticket, value));
    if (!outcome.ok) return outcome;
    const grant = outcome.value.kind === 'opened' ? grantOf(outcome.value.session) : null;
    return ok(owner.encodeSettled(outcome.value, { birth: book.birth(), grant }));
  }
  const grantOf = (session: SessionId): Uint8Array | null => {
    const account = book.store.state().accounts.get(session);
    return account === undefined ? null : (account.terms ?? account.grant);
  };
  const nonce = (): string => hexOf(host.random(16));

  return {
    status: method('status', all, () => {
      const { starts } = book.store.state();
      const { writes } = book.store.spent();
      const enrolled = tidings()?.enrolled();
      return ok([
        ...owner.encodeText({ ...loop.status(), clock: clock().wall.trust }),
        ...blobmsg.table({ key_saved: blobmsg.boolean(book.isSaved()), starts: blobmsg.int32(starts), writes: blobmsg.int32(writes) }),
        ...owner.encodeText(enrolled === undefined || enrolled.length === 0 ? {} : { enrolled: enrolled.join('; ') }),
        ...owner.encodeText(book.plate()?.addresses.length === 0 ? { board: likeOthers } : {}),
      ]);
    }),
    telemetry: method('telemetry', root, () => {
      const told = tidings()?.told();
      if (told === undefined) return fail('missing', 'broker', 'none is set, so nothing is told');
      return ok(owner.encodeTold(told, host.clock.monotonic()));
    }),
    limits: method('limits', all, () => {
      const known = ceilings();
      return known === null ? fail('missing', 'limits', 'the enforcer has not said yet') : ok(owner.encodeCeilings(known));
    }),
    sessions: method('sessions', all, () =>
      ok(owner.encodeSessions(loop.table().values(), over(book.store.state()), clock(), book.store.state())),
    ),
    friend_list: method('friend_list', root, () =>
      ok(
        owner.encodeSessions(
          [...loop.table().values()].filter(({ name }) => name !== null),
          [],
          clock(),
          book.store.state(),
        ),
      ),
    ),
    receipts: method('receipts', root, (t) => {
      const span = owner.decodeSpan(t);
      if (!span.ok) return span;
      const account = book.store.state().accounts.get(span.value.session);
      if (account === undefined) return fail('missing', 'session', 'nothing is kept of it here');
      const { messages, more } = owner.chainOf(account, span.value.from);
      const birth = book.birth();
      return ok(owner.encodeReceipts({ messages: birth === null ? messages : [birth, ...messages], more }));
    }),
    friend_add: method('friend_add', root, (t) =>
      settled(owner.decodeInvitation(t), (ticket, { name, draft }) => ({ kind: 'invited', ticket, nonce: nonce(), name, draft })),
    ),
    friend_top_up: method('friend_top_up', root, (t) =>
      settled(owner.decodeTopUp(t), (ticket, more) => ({ kind: 'topped', ticket, ...more, nonce: more.nonce ?? nonce() })),
    ),
    friend_remove: method('friend_remove', root, (t) =>
      settled(owner.decodeName(t), (ticket, name) => ({ kind: 'dismissed', ticket, name })),
    ),
  };
}
