// Our two tables in the kernel: made, filled once by nft, then owned, changed and read by netlink. Knows what a session is made of only
// through wire/seating, and no rule.
//
// A table that has an owner refuses everybody else, the nft that we start included. So before rules are loaded our socket is closed: the
// kernel (6.9 and later) leaves a table with "persist" in force when its owner goes, and it can be owned again. Nothing is unenforced
// meanwhile; for the moment of loading somebody else could change the tables, and verification, which follows ownership, would see it.

import type { ByteCount } from '../core/brand.ts';
import { millis } from '../core/brand.ts';
import { all, type Fault, fail, ok, type Result, under } from '../core/result.ts';
import type { Generation } from '../core/seat.ts';
import type { Host } from '../ports/host.ts';
import type { Hold, Meter, Rules, Statics } from '../ports/router.ts';
import * as canary from '../wire/canary.ts';
import type { Fold, Message, Socket } from '../wire/netlink.ts';
import type { Chain, Change, Content, Query, Table, TableFlags } from '../wire/nftables.ts';
import * as nftables from '../wire/nftables.ts';
import * as pace from '../wire/pace.ts';
import { meter, policy } from '../wire/ruleset.ts';
import * as seating from '../wire/seating.ts';

type Ground = Pick<Host, 'process' | 'random'>;

/** `connect`: a new socket of the family; `listen`: to its group. */
export type Wiring = Readonly<{
  nft: string;
  connect(): Result<Socket>;
  listen(heard: Readonly<{ told(m: Message): void; overrun(): void; deaf(why: Fault): void }>): Result<unknown>;
}>;

const tables = [meter, policy] as const;
const none: TableFlags = { dormant: false, owner: false, persist: false };
const done = ok(undefined);
const loading = millis(30_000);

export function open(host: Ground, wiring: Wiring): Rules {
  let socket: Result<Socket> = fail('missing', 'rules', 'nothing is prepared yet');
  let pool: Statics['pool'] | null = null;
  let debris: readonly Change[] = [];
  let isLeaving = false;
  /** Our socket's number, by its answers. Our process has another number to the kernel than in its jail. */
  let own = 0;

  const change = async (changes: readonly Change[]): Promise<Result<void>> => {
    if (!socket.ok) return socket;
    if (changes.length === 0) return done;
    const asked = await socket.value.ask((d, seq) => nftables.encodeBatch(d, seq, changes));
    return asked.ok ? done : asked;
  };
  const query = async <T>(q: Query, decode: (m: Message) => Result<T>): Promise<Result<readonly T[]>> =>
    socket.ok ? socket.value.dump((d, seq) => nftables.encodeQuery(d, seq, q), decode) : socket;
  const flag = (flags: Partial<TableFlags>): Promise<Result<void>> =>
    change(tables.map((table) => ({ kind: 'add-table', table, flags: { ...none, ...flags } })));

  const load = (text: string, ...flags: readonly string[]): Promise<Result<void>> =>
    new Promise((resolve) => {
      const stdin = Uint8Array.from(text, (c) => c.charCodeAt(0));
      host.process.spawn({ argv: [wiring.nft, ...flags, '-f', '-'], stdin, deadline: loading, most: 65_536 }, (ended) => {
        if (!ended.ok) return resolve(ended);
        const { how, status, stderr } = ended.value;
        if (how === 'exited' && status === 0) return resolve(done);
        const said = String.fromCharCode(...stderr.subarray(0, mostSaid)).trim();
        resolve(fail('foreign', wiring.nft, `${how} ${status}${said === '' ? '' : `: ${said}`}`));
      });
    });

  /** Base chains hear what they are there for; a chain whose device went is gone with it up to 6.1. */
  async function verify({ device, uplinks }: Statics): Promise<Result<void>> {
    const chains: Chain[] = [];
    for (const { family } of tables) {
      const found = await query({ kind: 'chains', family }, (m) => {
        own = nftables.portOf(m);
        return nftables.decodeChain(m);
      });
      if (!found.ok) return found;
      chains.push(...found.value);
    }
    const missing = hooks(device, uplinks).find(
      ({ table, name, on }) =>
        !chains.some((c) => c.table.name === table.name && c.name === name && c.isBase && [...c.devices].sort().join() === on.join()),
    );
    return missing === undefined
      ? done
      : fail('missing', `${missing.table.name}.${missing.name}`, `the chain is not on ${missing.on.join(', ') || 'its hook'}`);
  }

  async function prepare(statics: Statics): Promise<Result<Hold>> {
    if (socket.ok) socket.value.close();
    socket = wiring.connect();
    pool = statics.pool;
    const lasting = await flag({ persist: true });
    // Not so on kernels before 6.9, nor for a table that somebody has made without.
    const made = lasting.ok || !isUnsupported(lasting.fault) ? lasting : await flag({});
    if (!made.ok) return at('table', made);
    isLeaving = false;
    const loaded = await load(statics.text);
    if (!loaded.ok) return loaded;
    const owned = lasting.ok ? await flag({ persist: true, owner: true }) : lasting;
    if (!owned.ok && !isUnsupported(owned.fault)) return at('owner', owned);
    const verified = await verify(statics);
    return verified.ok ? ok(owned.ok ? 'owned' : 'watched') : verified;
  }

  async function counted(table: Table, name: string): Promise<Result<Counted>> {
    const found = await query({ kind: 'object', table, of: 'counter', name }, nftables.decodeObject);
    if (!found.ok) return at(name, found);
    const counter = counterOf(found.value[0]?.content);
    return counter === undefined ? fail('missing', name, 'not there') : ok(counter);
  }

  async function charged(): Promise<Result<ByteCount | null>> {
    const found = await query({ kind: 'object', table: meter, of: 'quota', name: 'node_q' }, nftables.decodeObject);
    if (found.ok) return ok(nodeOf(found.value[0]?.content));
    return found.fault.code === 'ENOENT' ? ok(null) : at('node_q', found);
  }

  /** Keeps nothing of a dump but what `begin` makes of it. */
  const take = async <T>(q: Query, decode: (m: Message) => Result<T>, begin: () => (value: T) => void): Promise<Result<unknown>> => {
    const fold = (): Fold => {
      const each = begin();
      return {
        picks: null,
        take(m) {
          const value = decode(m);
          if (value.ok) each(value.value);
          return value.ok ? null : value.fault;
        },
      };
    };
    return socket.ok ? socket.value.fold((d, seq) => nftables.encodeQuery(d, seq, q), fold) : socket;
  };

  return {
    prepare,
    async read(peers) {
      if (pool === null) return fail('missing', 'rules', 'nothing is prepared yet');
      const gathering = seating.gather(pool);
      for (const of of seating.kinds) {
        const read = await take({ kind: 'objects', table: meter, of }, nftables.decodeObject, () => gathering.objects(of));
        if (!read.ok) return at(of, read);
      }
      const line = lineOf((name) => counterOf(gathering.others.get(name)));
      if (!line.ok) return line;
      for (const [i, { table, set }] of seating.sets.entries()) {
        const read = await take({ kind: 'elements', table, set }, nftables.decodeElements, () => {
          const each = gathering.elements(i);
          return ({ elements }) => elements.forEach(each);
        });
        if (!read.ok) return at(set, read);
      }
      const { debris: left, ...found } = gathering.found(peers);
      debris = left.changes;
      return ok({ ...found, ...line.value, node: nodeOf(gathering.others.get('node_q')), debris: left.words });
    },
    async meter() {
      const counters = { kind: 'objects', table: meter, of: 'counter' } as const;
      const read = socket.ok ? await socket.value.fold((d, seq) => nftables.encodeQuery(d, seq, counters), seating.meters) : socket;
      if (!read.ok) return at('counter', read);
      const line = lineOf((name) => read.value.others.get(name));
      if (!line.ok) return line;
      const node = await charged();
      return node.ok ? ok({ sessions: read.value.sessions(), ...line.value, node: node.value }) : node;
    },
    async apply(step) {
      if (pool === null) return fail('missing', 'rules', 'nothing is prepared yet');
      const drawn = new DataView(host.random(4).buffer).getUint32(0) as Generation;
      return at(step.kind, await change(seating.changesFor(step, pool, drawn)));
    },
    check: (text) => load(text, '-c'),
    async allow(bytes) {
      const content = { kind: 'quota', bytes, used: 0n, over: false } as const;
      return at('allow', await change([{ kind: 'add-object', table: meter, name: 'node_q', content }]));
    },
    charged,
    async passed() {
      const inside = await counted(meter, 'inside');
      return inside.ok ? ok(inside.value.bytes as ByteCount) : inside;
    },
    async dropped() {
      const each = all({
        metered: await counted(meter, 'refused'),
        judged: await counted(policy, 'refused'),
        spent: await counted(meter, 'spent'),
      });
      if (!each.ok) return each;
      const { metered, judged, spent } = each.value;
      return ok({ refused: metered.packets + judged.packets, spent: spent.packets });
    },
    pace: async (level) => at('pace', await change(pace.changes(level))),
    async sweep() {
      const swept = await change(debris);
      if (swept.ok) debris = [];
      return at('sweep', swept);
    },
    async detour(text) {
      if (text !== null) return load(text);
      const removed = await change([{ kind: 'delete-table', table: canary.table }]);
      return removed.ok || removed.fault.code === 'ENOENT' ? done : at(canary.table.name, removed);
    },
    async remove() {
      isLeaving = true;
      // Tables of an enforcer that is no more.
      if (!socket.ok) socket = wiring.connect();
      for (const table of [...tables, canary.table]) {
        const removed = await change([{ kind: 'delete-table', table }]);
        if (!removed.ok && removed.fault.code !== 'ENOENT') return at(table.name, removed);
      }
      return done;
    },
    watch(events) {
      // A transaction announces each of its changes, then whose it was.
      let isTouched = false;
      const listening = wiring.listen({
        told(m) {
          if (!nftables.isAbout(m, 'weir_')) return;
          const event = nftables.decodeEvent(m);
          if (!event.ok) return events.stale();
          if (event.value.kind === 'generation') {
            if (isTouched && nftables.portOf(m) !== own) events.stale();
            isTouched = false;
            return;
          }
          const { kind, thing, table, family } = event.value;
          if (!tables.some((t) => t.name === table && nftables.families[t.family] === family)) return;
          if (kind === 'deleted' && thing === 'table') {
            if (!isLeaving) events.gone();
            // nft_quota.c tells so.
          } else if (nftables.portOf(m) === 0) events.spent();
          else isTouched = true;
        },
        overrun: events.stale,
        deaf: events.deaf,
      });
      return listening.ok ? done : listening;
    },
  };
}

const mostSaid = 400;

const at = <T>(outer: string, r: Result<T>): Result<T> => (r.ok ? r : { ok: false, fault: under(outer, r.fault) });
const isUnsupported = ({ code }: Fault): boolean => code === 'EOPNOTSUPP' || code === 'EINVAL';

const hooks = (device: string, uplinks: readonly string[]): readonly Readonly<{ table: Table; name: string; on: readonly string[] }>[] => [
  ...['guest_up', 'guest_dn'].map((name) => ({ table: meter, name, on: [device] })),
  ...(uplinks.length === 0 ? [] : ['line_in', 'line_out'].map((name) => ({ table: meter, name, on: [...uplinks].sort() }))),
  ...['forward_', 'input_', 'output_'].map((name) => ({ table: policy, name, on: [] })),
];

/** A dump of a table that is gone is empty and no error; these counters are always there. */
function lineOf(named: (name: string) => Counted | undefined): Result<Pick<Meter, 'line' | 'merged'>> {
  const [down, up, inside, refused, spent] = ['line_in', 'line_out', 'inside', 'refused', 'spent'].map(named);
  if (down === undefined || up === undefined || inside === undefined || refused === undefined || spent === undefined)
    return fail('missing', meter.name, 'the rules are not there');
  // What was not let pass has not crossed the line a second time.
  const merged = down.packets + up.packets - inside.packets - refused.packets - spent.packets;
  return ok({ line: { up: up.bytes as ByteCount, down: down.bytes as ByteCount }, merged });
}

type Counted = Readonly<{ bytes: bigint; packets: bigint }>;
const counterOf = (c: Content | undefined): Counted | undefined => (c?.kind === 'counter' ? c : undefined);

const nodeOf = (c: Content | undefined): ByteCount | null => (c?.kind === 'quota' ? (c.used as ByteCount) : null);
