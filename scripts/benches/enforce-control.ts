// The control plane: one session seated, cleared, all read, by the enforcer's own adapter on QuickJS and by the nft command line, on the
// same tables in turns. What is compared is processor time. nft's listings are only made, not read; ours are values.

import { openNamespace } from '../../test/net/ground/namespace.ts';
import { render } from './bench.ts';
import type { Order } from './enforce-seats.ts';
import { type ByCount, median, type Part, progress, type Tools } from './enforce-tools.ts';

/** How often something is done, so that hundredths of a second can measure it. */
type Plan = Readonly<{ sessions: number; rounds: number; single: number; nft: number; read: number }>;
const plans: readonly Plan[] = [
  { sessions: 1000, rounds: 3, single: 50, nft: 10, read: 5 },
  { sessions: 10_000, rounds: 2, single: 50, nft: 3, read: 1 },
];
const verbs = ['add', 'remove', 'meter', 'read'] as const;
type Verb = (typeof verbs)[number];
const words: Readonly<Record<Verb, string>> = {
  add: 'seat one session',
  remove: 'clear one session',
  meter: 'read all counters',
  read: 'read everything',
};
const least: Partial<Record<Verb, number>> = { add: 5, remove: 5, meter: 2 };

type Times = Readonly<Record<Verb, number>>;
type Found = Readonly<{
  ours: Times;
  nft: Times;
  fill: Readonly<{ ours: number; nft: number }>;
  rss: Readonly<{ meter: number; read: number }>;
}>;

export async function measure({ order }: Tools): Promise<Part> {
  const found = new Map<number, Found>();
  for (const plan of plans) {
    progress(`control: ${plan.sessions} sessions`);
    const router = await openNamespace('router');
    try {
      await router.run(['ip', '-batch', '-'], {
        input: ['weir0', 'wan'].map((device) => `link add ${device} type veth peer name ${device}-end`).join('\n'),
      });
      found.set(plan.sessions, await inTurns(plan, (orders) => order(router, orders)));
    } finally {
      await router.close();
    }
  }
  return report(found);
}

async function inTurns(
  { sessions, rounds, single, nft, read }: Plan,
  run: (orders: readonly Order[]) => ReturnType<Tools['order']>,
): Promise<Found> {
  const prepare: Order = ['prepare', sessions + single];
  const next = sessions + 1;
  // Who prepares owns the tables until it ends; nft would be refused.
  await run([prepare]);
  const [filledByNft = 0] = (await run([['nft add all', 1, sessions]])).ms;
  await run([['nft drop']]);
  const [, filled = 0] = (await run([prepare, ['add', 1, sessions]])).ms;
  const samples: Readonly<Record<'ours' | 'nft', Record<Verb, number[]>>> = {
    ours: { add: [], remove: [], meter: [], read: [] },
    nft: { add: [], remove: [], meter: [], read: [] },
  };
  const rss = { meter: 0, read: 0 };
  for (let round = 0; round < rounds; round++) {
    const cheap = await run([prepare, ['add', next, single], ['meter', 3 * read]]);
    const whole = await run([prepare, ['remove', next, single], ['read', read]]);
    const theirs = await run([
      ['nft add', next, nft],
      ['nft remove', next, nft],
      ['nft meter', nft],
      ['nft read', read],
    ]);
    const note = (who: 'ours' | 'nft', verb: Verb, ms: number | undefined, times: number): unknown =>
      samples[who][verb].push(Number(ms) / times);
    note('ours', 'add', cheap.ms[1], single);
    note('ours', 'meter', cheap.ms[2], 3 * read);
    note('ours', 'remove', whole.ms[1], single);
    note('ours', 'read', whole.ms[2], read);
    for (const [i, verb] of verbs.entries()) note('nft', verb, theirs.ms[i], verb === 'read' ? read : nft);
    rss.meter = Math.max(rss.meter, cheap.rss_kb);
    rss.read = Math.max(rss.read, whole.rss_kb);
  }
  const times = (who: 'ours' | 'nft'): Times => ({
    add: median(samples[who].add),
    remove: median(samples[who].remove),
    meter: median(samples[who].meter),
    read: median(samples[who].read),
  });
  return { ours: times('ours'), nft: times('nft'), fill: { ours: filled, nft: filledByNft }, rss };
}

function report(found: ReadonlyMap<number, Found>): Part {
  const by = (of: (f: Found) => number): ByCount => Object.fromEntries([...found].map(([sessions, f]) => [sessions, of(f)]));
  const round = (n: number): number => Number(n.toPrecision(3));
  const speedup = (verb: Verb): ByCount => by(({ ours, nft }) => round(nft[verb] / ours[verb]));
  const speedups: Readonly<Record<Verb, ByCount>> = {
    add: speedup('add'),
    remove: speedup('remove'),
    meter: speedup('meter'),
    read: speedup('read'),
  };
  const ms = (n: number): string => (n < 10 ? n.toFixed(2) : n.toFixed(0));
  const rows = [...found].flatMap(([sessions, { ours, nft, fill }]) => [
    ...verbs.map((verb) => [words[verb], `${sessions}`, ms(ours[verb]), ms(nft[verb]), `${speedups[verb][sessions]}`]),
    ['seat all: each by itself; nft at once', `${sessions}`, ms(fill.ours), ms(fill.nft), `${round(fill.nft / fill.ours)}`],
  ]);
  const memory = [...found].map(([sessions, { rss }]) => [`${sessions}`, `${rss.meter}`, `${rss.read}`]);
  const body = [
    render([['what', 'among sessions', 'Weir, ms', 'nft, ms', 'nft / Weir'], ...rows]),
    'Processor time. Weir: the adapter of the enforcer on QuickJS, a batch of netlink for each session. Reading everything also holds each ' +
      'session against what it should be; nft only prints.',
    render([['sessions', 'resident KB, seating and counters', 'resident KB, everything read'], ...memory]),
  ].join('\n\n');
  const broken = verbs.flatMap((verb) =>
    Object.entries(speedups[verb])
      .filter(([, ratio]) => ratio < (least[verb] ?? 0))
      .map(([sessions, ratio]) => `${words[verb]} at ${sessions}: ${ratio} times as fast as nft, at least ${least[verb]}`),
  );
  const numbers = {
    add_speedup: speedups.add,
    remove_speedup: speedups.remove,
    read_speedup: speedups.meter,
    read_all_speedup: speedups.read,
    rss_kb: by(({ rss }) => Math.max(rss.meter, rss.read)),
    rss_meter_kb: by(({ rss }) => rss.meter),
  };
  return { body, numbers, broken };
}
