// What the rules take of a tunnel's throughput: kernel WireGuard on an emulated router whose clock counts instructions, so that the figure
// does not depend on what else this machine does. Both ends of the tunnel and of the connection run on the one emulated core as well.

import * as at from '../../test/net/ground/addresses.ts';
import { render as rules } from '../../test/net/ground/rules.ts';
import { createGround, offloaded } from '../../test/vm/ground/enforce.ts';
import * as acts from '../../test/vm/ground/enforce-acts.ts';
import { render } from './bench.ts';
import { median, type Part } from './enforce-tools.ts';

const machine = 'x86_64-6.12';
const rounds = 9;
const bytes = 8_000_000;
const least = 0.97;
const ways = ['pull', 'push'] as const;

export async function measure(): Promise<Part> {
  const ratios = await compare();
  return {
    body: [
      render([
        ['tunnel, kernel WireGuard', 'throughput with the rules against without'],
        ['download', ratios.pull.toFixed(3)],
        ['upload', ratios.push.toFixed(3)],
      ]),
      `Linux 6.12 in QEMU, time counted in instructions, every flow offloaded, ${bytes / 1e6} MB by TCP, median of ${rounds}. One core merges ` +
        'no packets that come out of a tunnel, so that an upload is metered packet by packet.',
    ].join('\n\n'),
    // Three sessions have a seat, one of them talks.
    numbers: { wg_ratio: { 3: Math.min(ratios.pull, ratios.push) } },
    broken: ways.filter((way) => ratios[way] < least).map((way) => `tunnel, ${way}: ${ratios[way].toFixed(3)}, limit ${least}`),
  };
}

async function compare(): Promise<Readonly<Record<acts.Way, number>>> {
  const ground = await createGround(machine, { countsInstructions: true, timeoutMs: 1_200_000 });
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
    const ratio = async (way: acts.Way): Promise<number> => {
      const [without, held]: [number[], number[]] = [[], []];
      for (let round = 0; round < rounds; round++) {
        without.push(await took(way, ''));
        held.push(await took(way, rules(1e9)));
      }
      return median(without) / median(held);
    };
    return { pull: await ratio('pull'), push: await ratio('push') };
  } finally {
    await ground.close();
  }
}
