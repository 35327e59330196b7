// What Weir takes of a tunnel's throughput: kernel WireGuard on an emulated router whose clock counts instructions, so that the figures do not
// depend on what else this machine does. Both ends of the tunnel and of the connection run on the one emulated core as well.

import * as at from '../../test/net/ground/addresses.ts';
import { input, render as renderRules } from '../../test/net/ground/rules.ts';
import { createGround, offloaded } from '../../test/vm/ground/enforce.ts';
import * as acts from '../../test/vm/ground/enforce-acts.ts';
import { render } from './bench.ts';
import { median, type Part, progress } from './enforce-tools.ts';

const machine = 'x86_64-6.12';
/** What is the same in all rounds of a boot may differ by a hundredth in the next. */
const boots = 3;
const rounds = 3;
/** Long enough that the spread of one transfer is below what is looked for: at 8 MB it was several hundredths. */
const bytes = 24_000_000;
const least = 0.97;

/** As the enforcer has them: a month, the guests' rate and the tunnel's, none of which is reached. */
const rate = 12_500_000_000n;
const line = { ...input.line, quota: { bytes: 1n << 39n, used: 0n }, guests: rate, tunnel: { up: rate, down: rate } };
const rules = renderRules(1e9, { line });

/** `whole`: all that Weir does to a tunnel, against a router without it. `rules`: the rules alone, with the threads in both arms. */
type Ratios = Readonly<{ whole: number; rules: number }>;

export async function measure(): Promise<Part> {
  const all: Record<acts.Way, Ratios>[] = [];
  for (let boot = 0; boot < boots; boot++) all.push(await compare());
  const middle = (way: acts.Way, of: keyof Ratios): number => median(all.map((ratios) => ratios[way][of]));
  const table = [
    { name: 'download', way: 'pull' },
    { name: 'upload', way: 'push' },
  ] as const;
  const lowest = (of: keyof Ratios): number => Math.min(...table.map(({ way }) => middle(way, of)));
  return {
    body: [
      render([
        ['tunnel, kernel WireGuard', 'with Weir / without', 'of each boot', 'its rules / none, threads in both'],
        ...table.map(({ name, way }) => [
          name,
          middle(way, 'whole').toFixed(3),
          all.map((ratios) => ratios[way].whole.toFixed(3)).join(' '),
          middle(way, 'rules').toFixed(3),
        ]),
        ['limit', `${least}`, '', ''],
      ]),
      `Throughput. Linux 6.12 in QEMU, time counted in instructions, every flow offloaded, ${bytes / 1e6} MB by TCP, median of ${boots} boots, each with ` +
        `${rounds} rounds in turns. Both ends and all between them share one core, which hands on each packet of a tunnel by itself. Weir is its ` +
        "rules, with three sessions, a month and all rates, and the threads that the enforcer switches on for the router's own end of the tunnel, " +
        'which hand on many packets at a time; the last column is what the rules take by themselves.',
    ].join('\n\n'),
    // Three sessions have a seat, one of them talks.
    numbers: { wg_ratio: { 3: lowest('whole') }, wg_rules_ratio: { 3: lowest('rules') } },
    broken: table
      .filter(({ way }) => middle(way, 'whole') < least)
      .map(({ name, way }) => `tunnel, ${name}: ${middle(way, 'whole').toFixed(3)}, limit ${least}`),
  };
}

/** One boot: all arms in turns, the median of each. */
async function compare(): Promise<Record<acts.Way, Ratios>> {
  const ground = await createGround(machine, { countsInstructions: true, timeoutMs: 1_800_000 });
  try {
    await acts.startTunnel(ground);
    await acts.plug(ground);
    const took = async (way: acts.Way, text: string, threads: 0 | 1): Promise<number> => {
      await ground.in('router').run(`echo ${threads} >/sys/class/net/weir0/threaded`);
      await acts.load(ground, `${offloaded}${acts.unload}${text}`);
      await ground.connect();
      await acts.shoot(ground, { to: at.internet.v4, total: 1, size: 100, perSecond: 10 });
      const { ms, end } = await acts.transfer(ground, way, at.internet.v4, bytes);
      if (end !== 'complete') throw new Error(`wg: a ${way} ended: ${end}`);
      return ms;
    };
    const ratios = async (way: acts.Way): Promise<Ratios> => {
      const times: Record<'plain' | 'none' | 'all', number[]> = { plain: [], none: [], all: [] };
      for (let round = 0; round < rounds; round++) {
        times.plain.push(await took(way, '', 0));
        times.none.push(await took(way, '', 1));
        times.all.push(await took(way, rules, 1));
      }
      progress(`${way}: ${JSON.stringify(times)}`);
      const all = median(times.all);
      return { whole: median(times.plain) / all, rules: median(times.none) / all };
    };
    return { pull: await ratios('pull'), push: await ratios('push') };
  } finally {
    await ground.close();
  }
}
