// What the rules take of a tunnel's throughput, and what the package's hotplug script gives back: kernel WireGuard on an emulated router whose
// clock counts instructions, so that the figures do not depend on what else this machine does. Both ends of the tunnel and of the connection
// run on the one emulated core as well.

import * as at from '../../test/net/ground/addresses.ts';
import { render as rules } from '../../test/net/ground/rules.ts';
import { createGround, offloaded } from '../../test/vm/ground/enforce.ts';
import * as acts from '../../test/vm/ground/enforce-acts.ts';
import { render } from './bench.ts';
import { median, type Part } from './enforce-tools.ts';

const machine = 'x86_64-6.12';
const rounds = 7;
/** Long enough that the spread of one transfer is below what is looked for: at 8 MB it was several hundredths. */
const bytes = 24_000_000;
const least = 0.97;
const ways = ['pull', 'push'] as const;

const hook = (chain: string, of: string, device: string): string =>
  `chain ${chain} { type filter hook ${of} device "${device}" priority -500; policy accept; }`;
/** What no rules of this kind can do without, and nothing in it. */
const hooks = `table netdev weir_m {
  ${hook('guest_up', 'ingress', 'weir0')}
  ${hook('guest_dn', 'egress', 'weir0')}
  ${hook('line_in', 'ingress', 'wan')}
  ${hook('line_out', 'egress', 'wan')}
}
table inet weir_p { }
`;

type Ratios = Readonly<Record<'rules' | 'hooks' | 'whole', number>>;

export async function measure(): Promise<Part> {
  const ratios = await compare();
  const row = (name: string, { rules: all, hooks: bare, whole }: Ratios): string[] => [
    name,
    ...[all, bare, whole].map((n) => n.toFixed(3)),
  ];
  return {
    body: [
      render([
        ['tunnel, kernel WireGuard', 'rules / none', 'four hooks, no rule / none', 'rules and hotplug script / neither'],
        row('download', ratios.pull),
        row('upload', ratios.push),
        ['limit', `${least}`, '', ''],
      ]),
      `Throughput. Linux 6.12 in QEMU, time counted in instructions, every flow offloaded, ${bytes / 1e6} MB by TCP, median of ${rounds}. ` +
        'Both ends and all between them share one core, which hands on each packet of a tunnel by itself; the package has a hotplug script ' +
        'with which packets of one flow go on as one, at the router and not at the guest. Two runs differ by up to a hundredth.',
    ].join('\n\n'),
    // Three sessions have a seat, one of them talks.
    numbers: {
      wg_ratio: { 3: Math.min(ratios.pull.rules, ratios.push.rules) },
      wg_whole_ratio: { 3: Math.min(ratios.pull.whole, ratios.push.whole) },
    },
    broken: ways.filter((way) => ratios[way].rules < least).map((way) => `tunnel, ${way}: ${ratios[way].rules.toFixed(3)}, limit ${least}`),
  };
}

async function compare(): Promise<Readonly<Record<acts.Way, Ratios>>> {
  const ground = await createGround(machine, { countsInstructions: true, timeoutMs: 1_800_000 });
  try {
    await acts.startTunnel(ground);
    const took = async (way: acts.Way, text: string): Promise<number> => {
      await acts.load(ground, `${offloaded}${acts.unload}${text}`);
      await ground.connect();
      await acts.shoot(ground, { to: at.internet.v4, total: 1, size: 100, perSecond: 10 });
      const { ms, end } = await acts.transfer(ground, way, at.internet.v4, bytes);
      if (end !== 'complete') throw new Error(`wg: a ${way} ended: ${end}`);
      return ms;
    };
    /** In turns, the median of each. */
    const medians = async (way: acts.Way, texts: readonly string[]): Promise<readonly number[]> => {
      const all = texts.map((): number[] => []);
      for (let round = 0; round < rounds; round++) for (const [n, text] of texts.entries()) all[n]?.push(await took(way, text));
      return all.map(median);
    };
    const [plainPull = Number.NaN] = await medians('pull', ['']);
    const [plainPush = Number.NaN] = await medians('push', ['']);
    await acts.plug(ground);
    const ratios = async (way: acts.Way, plain: number): Promise<Ratios> => {
      const [none = Number.NaN, bare = Number.NaN, all = Number.NaN] = await medians(way, ['', hooks, rules(1e9)]);
      return { rules: none / all, hooks: none / bare, whole: plain / all };
    };
    return { pull: await ratios('pull', plainPull), push: await ratios('push', plainPush) };
  } finally {
    await ground.close();
  }
}
