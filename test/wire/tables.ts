// A model of nf_tables: objects, elements, references, timeouts, and what the kernel refuses. All of a batch happens or nothing.

import { type Millis, millis } from '../../agent/core/brand.ts';
import type { Dialect } from '../../agent/wire/netlink.ts';
import * as netlink from '../../agent/wire/netlink.ts';
import type { Change, Content, ElementFound, Table } from '../../agent/wire/nftables.ts';
import * as nftables from '../../agent/wire/nftables.ts';
import { meter as metering } from '../../agent/wire/ruleset.ts';
import * as seating from '../../agent/wire/seating.ts';
import { hexOf } from './hex.ts';

export type Entry = Readonly<{ element: ElementFound; until: Millis | null }>;
export type Tables = {
  objects: Map<string, Content>;
  sets: Map<string, Map<string, Entry>>;
  now: Millis;
};

export const empty = (): Tables => ({ objects: new Map(), sets: new Map(seating.sets.map(({ set }) => [set, new Map()])), now: millis(0) });

const copy = (t: Tables): Tables => ({
  objects: new Map(t.objects),
  sets: new Map([...t.sets].map(([name, set]) => [name, new Map(set)])),
  now: t.now,
});

const setOf = (t: Tables, table: Table, name: string): Map<string, Entry> => {
  const found = t.sets.get(name);
  const home = seating.sets.find(({ set }) => set === name)?.table.name;
  if (found === undefined || home !== table.name) throw new Error(`ENOENT ${table.name} ${name}`);
  // What has timed out is not there.
  for (const [id, { until }] of found) if (until !== null && until <= t.now) found.delete(id);
  return found;
};

export const idOf = ({ key, keyEnd = key }: ElementFound): string => hexOf(key) + hexOf(keyEnd);

/** The tables after a batch; throws what the kernel would answer. */
export function apply(before: Tables, changes: readonly Change[]): Tables {
  const t = copy(before);
  for (const change of changes) {
    switch (change.kind) {
      case 'add-object': {
        const old = t.objects.get(change.name);
        const { content } = change;
        if (content.kind === 'quota' && old?.kind === 'quota') t.objects.set(change.name, { ...old, bytes: content.bytes });
        else if (old === undefined) {
          // The codec writes no more than there is.
          const isOver = content.kind === 'quota' && content.used > content.bytes;
          t.objects.set(change.name, isOver ? { ...content, used: content.bytes } : content);
        } else throw new Error(`passed over: ${change.name}`);
        break;
      }
      case 'delete-object': {
        const isUsed = [...t.sets.values()].some((set) => [...set.values()].some(({ element }) => element.object === change.name));
        if (isUsed) throw new Error(`EBUSY ${change.name}`);
        if (t.objects.get(change.name)?.kind !== change.of) throw new Error(`ENOENT ${change.name}`);
        t.objects.delete(change.name);
        break;
      }
      case 'add-elements':
        for (const element of change.elements) {
          const set = setOf(t, change.table, change.set);
          const id = idOf(element);
          if (element.object !== undefined && !t.objects.has(element.object)) throw new Error(`ENOENT ${element.object}`);
          const old = set.get(id);
          if (old !== undefined && old.element.object !== element.object) throw new Error(`EEXIST ${change.set}`);
          const until = element.timeout === undefined ? null : millis(t.now + Number(element.timeout));
          if (old === undefined) set.set(id, { element, until });
        }
        break;
      case 'delete-elements':
        for (const element of change.elements)
          if (!setOf(t, change.table, change.set).delete(idOf(element))) throw new Error(`ENOENT ${change.set}`);
        break;
      default:
        throw new Error(`no session makes a ${change.kind}`);
    }
  }
  return t;
}

/** Everything as dumps would say it. With `isTorn` each begins again after its first half. */
export function dump(t: Tables, gathering: seating.Gathering, isTorn = false): void {
  const tell = <T>(all: readonly T[], begin: () => (one: T) => void): void => {
    if (isTorn) all.slice(0, Math.ceil(all.length / 2)).forEach(begin());
    all.forEach(begin());
  };
  for (const of of seating.kinds) {
    const objects = [...t.objects].filter(([, { kind }]) => kind === of);
    tell(
      objects.map(([name, content]) => ({ table: metering, name, of, content })),
      () => gathering.objects(of),
    );
  }
  for (const [i, { table, set }] of seating.sets.entries()) {
    const elements = [...setOf(t, table, set).values()].map(({ element, until }) => ({
      ...element,
      ...(until === null ? {} : { expires: BigInt(until - t.now) }),
    }));
    tell(elements, () => gathering.elements(i));
  }
}

/** The counters as the kernel would say them. */
export function meter(t: Tables, d: Dialect): seating.Meters {
  const counters = [...t.objects].filter(([, { kind }]) => kind === 'counter');
  const changes = counters.map(([name, content]): Change => ({ kind: 'add-object', table: metering, name, content }));
  const meters = seating.meters();
  const broken = netlink.walk(
    nftables.encodeBatch(d, 1, changes).bytes,
    d,
    (m) => {
      // The batch has a beginning and an end.
      const refused = m.type === 0x0a12 ? meters.take(m) : null;
      if (refused !== null) throw new Error(refused.reason);
    },
    meters.picks,
  );
  if (broken !== null) throw new Error(broken.reason);
  return meters;
}
