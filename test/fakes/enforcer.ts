// The enforcer on a bus, over a kernel of numbers: what the agent and the command line ask of the real one. Checks no limits; whoever shares
// is let in.

import type { Bus, Methods } from '../../agent/adapters/ubus-client.ts';
import * as uci from '../../agent/adapters/uci.ts';
import { ok, type Result } from '../../agent/core/result.ts';
import type { Asked } from '../../agent/core/serving.ts';
import type { Table } from '../../agent/wire/blobmsg.ts';
import * as wire from '../../agent/wire/enforcer.ts';
import * as nameplate from '../../agent/wire/nameplate.ts';
import * as sections from '../../agent/wire/sections.ts';
import * as strain from '../../agent/wire/strain.ts';
import type { Fields } from './plain.ts';
import * as plain from './plain.ts';
import type { Seats } from './seats.ts';
import * as seats from './seats.ts';

/** `facts`: of the router, as far as somebody asks. Nobody is let in before `share`. */
export function methods({ call }: Bus, kernel: Seats, facts: Fields): Methods {
  const batch = <M extends wire.Method>(method: M): Methods[string] => ({
    args: {},
    run({ args }) {
      const asked = wire.decodeAsked(method, args);
      if (!asked.ok) return asked;
      const { isBatch, items } = asked.value;
      const results = items.map((item) => {
        if (!item.ok) return item;
        const [answer] = kernel.order([{ method, item: item.value } as unknown as Asked]);
        if (answer === undefined) throw new Error('no answer to an order');
        return answer.result;
      });
      return ok(wire.encodeAnswers(method, { isBatch, items: results as readonly Result<wire.Answers[M]>[] }));
    },
  });
  const says = (answer: (args: Table) => Table): Methods[string] => ({ args: {}, run: ({ args }) => ok(answer(args)) });
  kernel.refuse(seats.paused);
  return {
    settings: { args: {}, run: async () => ok(sections.answer(await uci.read(call, 'weir'))) },
    facts: says(() => plain.table(facts)),
    nameplate: says(() => nameplate.encode({ model: 'Test router', name: 'test,router', addresses: ['02:00:5e:10:00:01'] })),
    strain: says(() => strain.encodeServers([])),
    share: says(() => {
      kernel.refuse(null);
      return plain.table({ changed: true });
    }),
    read: says((args) => {
      const [read, span] = [kernel.read(), wire.decodeSpan(args)];
      if (!read.ok) return wire.encodeRefusal(read.fault);
      return span.ok ? wire.encodePage(wire.pageOf({ ...read.value, faults: [] }, span.value)) : wire.encodeRefusal(span.fault);
    }),
    admit: batch('admit'),
    renew: batch('renew'),
    change: batch('change'),
    evict: batch('evict'),
  };
}
