// A random walk of wanted states over the real enforcer, which is killed somewhere on the way. Then the kernel is read by nft and wg, and real
// packets are sent: each session is as it was before or as it was to be, and no more; and whoever comes back and asks again gets there.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Egress } from '../../agent/core/seat.ts';
import type { Asked } from '../../agent/wire/enforcer.ts';
import * as at from './ground/addresses.ts';
import { key, type Name, quiet, session, token, wish, withinMs } from './guests.ts';
import type { Post } from './post.ts';
import * as post from './post.ts';

const names = ['c', 'd', 'e'] as const;
type Seat = Readonly<{ egress: 'internet' | 'hop'; rate: number; quota: number }>;
type State = Readonly<Record<Name, Seat | null>>;

const nothing: State = { c: null, d: null, e: null };
const pick = <T>(random: () => number, of: readonly T[]): T => of[Math.floor(random() * of.length)] as T;

/** Mulberry32. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const draw = (random: () => number): State => {
  const seat = (): Seat | null =>
    random() < 0.3
      ? null
      : { egress: pick(random, ['internet', 'hop']), rate: pick(random, [1e6, 2e6, 9e7]), quota: pick(random, [5e6, 7e7, 9e8]) };
  return { c: seat(), d: seat(), e: seat() };
};

const hop: Egress = { kind: 'hop', address: at.hop.v4, protocol: 'udp', port: 51820 };
const asked = (name: Name, { egress, rate, quota }: Seat): Asked['admit'] =>
  session(name, {
    egress: egress === 'hop' ? hop : { kind: 'internet' },
    rate: { up: BigInt(rate), down: BigInt(rate) },
    quota: { kind: 'shared', bytes: BigInt(quota) },
  });

/** From whatever there is; every answer has to be a yes. Nothing more is asked once it is over. */
async function order(it: Post, want: State, there: ReadonlySet<Name>, isOver = () => false): Promise<void> {
  const leaving = names.filter((name) => want[name] === null && there.has(name));
  const seats = names.flatMap((name) => {
    const seat = want[name];
    return seat === null ? [] : [{ name, seat }];
  });
  const staying = seats.filter(({ name }) => there.has(name)).map(({ name, seat }) => wish(asked(name, seat)));
  const coming = seats.filter(({ name }) => !there.has(name)).map(({ name, seat }) => asked(name, seat));
  const work = [
    async () => (leaving.length === 0 ? [] : it.items('evict', ...leaving.map((name) => ({ key: key(name) })))),
    async () => (staying.length === 0 ? [] : it.items('change', ...staying)),
    async () => (coming.length === 0 ? [] : it.items('admit', ...coming)),
  ];
  for (const ask of work) {
    if (isOver()) return;
    for (const answer of await ask()) assert.ok(answer.ok, answer.ok ? '' : `${answer.fault.path}: ${answer.fault.reason}`);
  }
}

type Shown = Readonly<{
  set?: { name: string; elem?: readonly unknown[] };
  map?: { name: string; elem?: readonly (readonly [unknown, string])[] };
  quota?: { name: string; bytes: number };
  limit?: { name: string; rate: number };
}>;
/** By kinds: nft 1.0.6 breaks off in the midst of a table whose flags it does not know, and ends well. */
async function list(it: Post, table: string): Promise<readonly Shown[]> {
  const [family = ''] = table.split(' ');
  const all: Shown[] = [];
  for (const what of [`sets table ${table}`, `maps ${family}`, `quotas table ${table}`, `limits table ${table}`]) {
    const shown = await it.ground.in('router').run(['nft', '-j', `list ${what}`]);
    all.push(...(JSON.parse(shown) as { nftables: readonly Shown[] }).nftables);
  }
  return all;
}

/** What nft and wg say that a consumer may do; null: nothing. */
async function readKernel(it: Post): Promise<State> {
  const [meter, policy] = [await list(it, 'netdev weir_m'), await list(it, 'inet weir_p')];
  const peers = await it.ground.in('router').run(['wg', 'show', 'weir0', 'allowed-ips']);
  const text = (all: readonly Shown[], name: string): string => JSON.stringify(all.find((o) => o.set?.name === name)?.set?.elem ?? []);
  const of = (map: string, address: string): string | undefined =>
    meter.find((o) => o.map?.name === map)?.map?.elem?.find(([from]) => from === address)?.[1];
  const seat = (name: Name): Seat | null => {
    const { v4 } = at.consumer(names.indexOf(name));
    const [limit, quota, counter] = ['lu4', 'qu4', 'cu4'].map((map) => of(map, v4));
    const rate = meter.find((o) => o.limit?.name === limit)?.limit?.rate;
    const bytes = meter.find((o) => o.quota?.name === quota)?.quota?.bytes;
    const egress = text(policy, 'internet4').includes(`"${v4}"`) ? 'internet' : text(policy, 'hop4').includes(`"${v4}"`) ? 'hop' : null;
    const isPeer = peers.split('\n').some((line) => line.includes(key(name)) && line.includes(v4));
    const isLive = text(meter, 'live4').includes(`"${v4}"`);
    if (!isPeer || !isLive || rate === undefined || bytes === undefined || counter === undefined || egress === null) return null;
    return { egress, rate: rate * 8, quota: bytes };
  };
  return { c: seat('c'), d: seat('d'), e: seat('e') };
}

/** Whether packets do what the kernel was read to say. */
async function checkPackets(it: Post, state: State): Promise<void> {
  await it.connect(...names);
  await Promise.all(
    names.map(async (name) => {
      const echo = async (to: string, port: number, ms: number): Promise<boolean> =>
        'by' in (await it.ground.in(name).ask('udpEcho', { to, port, token: token(), withinMs: ms }));
      const seat = state[name];
      const [internet, next] = [seat?.egress === 'internet', seat !== null];
      assert.is(await echo(at.hop.v4, 51820, next ? withinMs : quiet), next, `${name} to its hop`);
      assert.is(await echo(at.internet.v4, 443, internet ? withinMs : quiet), internet, `${name} to the Internet`);
      assert.not(await echo(at.home.v4, 53, quiet), `${name} to the router`);
    }),
  );
}

export function walk(steps: number, seed: number): void {
  const test = suite(`a walk of ${steps} steps from ${seed}`);
  test('never opens more than before or after, and arrives', async () => {
    const it = await post.open();
    try {
      await it.begin();
      await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443, 51820] });
      await it.ground.in('router').ask('serve', { name: 'router', ports: [53] });
      const random = generator(seed);
      let before = nothing;
      let halfWay = 0;
      for (let step = 0; step < steps; step++) {
        const after = draw(random);
        const there = new Set(names.filter((name) => before[name] !== null));
        let isOver = false;
        // Whoever is killed does not answer.
        order(it, after, there, () => isOver).catch(() => undefined);
        // Some ends come before the first byte is written, some after the last.
        await new Promise((resolve) => setTimeout(resolve, random() * 60));
        isOver = true;
        await it.kill();
        const half = await readKernel(it);
        for (const name of names) {
          const choices = [null, before[name], after[name]].map((s) => JSON.stringify(s));
          assert.ok(choices.includes(JSON.stringify(half[name])), `step ${step}, ${name}: ${JSON.stringify(half[name])} of ${choices}`);
        }
        if (![before, after].some((s) => JSON.stringify(s) === JSON.stringify(half))) halfWay++;
        if (step % 5 === 0) await checkPackets(it, half);
        const from = it.lines.length;
        await it.start();
        await it.says(/shares on /, from);
        const rows = await it.rows();
        await order(it, after, new Set(names.filter((name) => rows.some((row) => row.key === key(name)))));
        assert.equal(await readKernel(it), after, `step ${step}`);
        before = after;
      }
      await checkPackets(it, before);
      // Or it was always killed too early or too late to prove anything.
      assert.ok(steps < 100 || halfWay > steps / 50, `${halfWay} of ${steps} half-way`);
      console.log(`${halfWay} of ${steps} ended half-way`);
    } finally {
      await it.close();
    }
  });
  test.run();
}
