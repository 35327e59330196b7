// Runs on QuickJS in the router's namespace: seats, clears and reads sessions as the enforcer does, or has nft do the same, and says what
// processor time it took. One argument, a list of orders:
//
//   ["prepare", SESSIONS]                                       the static rules, with room for so many
//   ["add" | "remove" | "nft add" | "nft remove", SLOT, COUNT]  one session after the other; "nft add all": in one transaction
//   ["nft drop"]                                                both tables
//   ["meter" | "read" | "nft meter" | "nft read", TIMES]        counters alone; everything, held against what it should be
//
// Times what is done, not what it takes to get ready. Prints {"ms": one of each order, "rss_kb": the most memory it ever had}.

import '../../agent/host/globals.ts';
import * as sockets from '../../agent/adapters/netlink.ts';
import * as adapter from '../../agent/adapters/nftables.ts';
import { type ByteCount, millis } from '../../agent/core/brand.ts';
import * as ip from '../../agent/core/ip.ts';
import * as pools from '../../agent/core/pool.ts';
import { fault, type Result, text } from '../../agent/core/result.ts';
import type { ByteRate, PeerKey, Slot, Terms } from '../../agent/core/seat.ts';
import { host } from '../../agent/host/quickjs.ts';
import * as nftables from '../../agent/wire/nftables.ts';
import * as rules from './enforce-rules.ts';

export type Order = readonly [kind: string, first?: number, count?: number];

function expect<T>(result: Result<T>): T {
  if (!result.ok) throw new Error(text(result.fault));
  return result.value;
}

const nft = '/usr/sbin/nft';
const pool = expect(pools.parse(expect(ip.parsePrefix(rules.network)), expect(ip.parsePrefix(rules.network6)), rules.most));
const ours = adapter.open(host, {
  nft,
  connect: () => sockets.open(host, nftables.protocol),
  listen: () => ({ ok: false, fault: fault('unsupported', '', 'nobody listens here') }),
});

const rate = rules.plenty.rate as ByteRate;
const terms: Terms = {
  quota: { kind: 'shared', bytes: rules.plenty.bytes as ByteCount },
  rate: { up: rate, down: rate },
  spent: null,
  egress: { kind: 'internet' },
};
const used = { up: 0n as ByteCount, down: 0n as ByteCount };
const left = millis(3_600_000);

const slots = (first: number, count: number): Slot[] => Array.from({ length: count }, (_, i) => (first + i) as Slot);
const written = (verb: 'add' | 'delete', first: number, count: number): string[] =>
  slots(first, count).map((slot) => rules.seat(verb, slot));
const times = async (count: number, act: () => Promise<unknown>): Promise<void> => {
  for (let i = 0; i < count; i++) await act();
};

function spawn(args: readonly string[], input = ''): Promise<void> {
  const stdin = Uint8Array.from(input, (c) => c.charCodeAt(0));
  return new Promise((resolve, reject) => {
    host.process.spawn({ argv: [nft, ...args], stdin, deadline: millis(60_000), most: 1 << 27 }, (ended) => {
      const { how, status, stderr } = expect(ended);
      if (how === 'exited' && status === 0) resolve();
      else reject(new Error(`nft: ${how} ${status}: ${String.fromCharCode(...stderr.subarray(0, 400))}`));
    });
  });
}

/** Prepares what is not to be timed, and gives what is. */
const orders: Readonly<Record<string, (first: number, count: number) => Promise<() => Promise<unknown>>>> = {
  prepare: async (sessions) => async () =>
    expect(await ours.prepare({ text: rules.ours({ sessions }), device: 'weir0', uplinks: ['wan'], pool })),
  add: async (first, count) => async () => {
    for (const slot of slots(first, count)) {
      const seat = { key: `${slot}` as PeerKey, slot, terms, used, ends: left };
      expect(await ours.apply({ kind: 'seat', seat, left }));
    }
  },
  async remove(first, count) {
    const { held } = expect(await ours.read([]));
    const steps = slots(first, count).map((slot) => {
      const found = held.get(slot);
      if (found === undefined) throw new Error(`slot ${slot} is not there`);
      return { kind: 'clear', held: found } as const;
    });
    return async () => {
      for (const step of steps) expect(await ours.apply(step));
    };
  },
  meter: async (count) => () => times(count, async () => expect(await ours.meter())),
  read: async (count) => () => times(count, async () => expect(await ours.read([]))),
  async 'nft add'(first, count) {
    const texts = written('add', first, count);
    return async () => {
      for (const one of texts) await spawn(['-f', '-'], one);
    };
  },
  async 'nft add all'(first, count) {
    const all = written('add', first, count).join('');
    return () => spawn(['-f', '-'], all);
  },
  async 'nft remove'(first, count) {
    const texts = written('delete', first, count);
    return async () => {
      for (const one of texts) await spawn(['-f', '-'], one);
    };
  },
  'nft drop': async () => () => spawn(['-f', '-'], 'delete table netdev weir_m\ndelete table inet weir_p\n'),
  'nft meter': async (count) => () => times(count, () => spawn(['-j', 'list counters table netdev weir_m'])),
  'nft read': async (count) => () => times(count, () => spawn(['-j', 'list ruleset'])),
};

const readText = (path: string): string => String.fromCharCode(...expect(host.files.read(path, 1 << 16)));
/** Processor time of this process and of the children it has had, in milliseconds: what happens beside them does not count. */
function spent(): number {
  const own = Number(readText('/proc/self/schedstat').split(' ')[0]);
  const [user, system] = readText('/proc/self/stat').split(') ')[1]?.split(' ').slice(13, 15).map(Number) ?? [];
  // The kernel tells hundredths of a second of children.
  return own / 1e6 + 10 * (Number(user) + Number(system));
}

const ms: number[] = [];
for (const [kind, first = 0, count = 0] of JSON.parse(host.process.args[0] ?? '[]') as Order[]) {
  const prepared = orders[kind];
  if (prepared === undefined) throw new Error(`no order "${kind}"`);
  const act = await prepared(first, count);
  const begun = spent();
  await act();
  ms.push(spent() - begun);
}
host.print(`${JSON.stringify({ ms, rss_kb: Number(/VmHWM:\s+(\d+)/.exec(readText('/proc/self/status'))?.[1]) })}\n`);
host.process.exit(0);
