// When to connect, and to which broker: what is remembered of brokers, the broker to take next, and how long to wait for it. A fleet that
// loses its broker must not come back as one, and a broker that accepts and then kicks must not be hammered. Knows no clock: the moment
// and its luck come with the question.

import { type Millis, millis, type Seconds } from './brand.ts';
import type { Code } from './result.ts';
import type { Broker, Tls } from './settings.ts';

/** `at`: on a clock that never jumps. `luck`: a fraction from 0 up to 1 of the kernel's randomness. */
export type Moment = Readonly<{ at: Millis; luck: number }>;

/** Failures since a connection to it last held; and until when it would not have us. */
export type Mark = Readonly<{ failures: number; until: Millis }>;
/** By `nameOf`, because the owner may reorder the brokers meanwhile. A broker that is not there has nothing against it. */
export type Trail = ReadonlyMap<string, Mark>;

/** A connection that lived for less came to nothing. */
const settled = 60_000;
const shortest = 1000;
const longest = 900_000;
/** Twice, because a name may have two addresses and only one of them may lead anywhere. */
const patience = 2;

export const nameOf = ({ host, port }: Pick<Broker, 'host' | 'port'>): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`;

const blank: Mark = { failures: 0, until: millis(0) };
const markOf = (trail: Trail, broker: Broker): Mark => trail.get(nameOf(broker)) ?? blank;

/** After an attempt or a connection ended. `lived`: since the broker's welcome; null: there was none. */
export function ended(trail: Trail, broker: Broker, why: Code | null, lived: Millis | null, { at, luck }: Moment): Trail {
  const { failures } = markOf(trail, broker);
  const held = lived !== null && lived >= settled;
  // A wrong password stays wrong for a while, and a quota spent. Where somebody else uses our name, one of the two has to give way.
  const until = why === 'denied' ? millis(Math.floor(at + (longest * (1 + luck)) / 2)) : millis(0);
  return new Map([...trail, [nameOf(broker), { failures: held ? 0 : failures + 1, until }]]);
}

/** The preferred one of those that failed least, two failures a time; of those that would not have us, who may be asked first. */
export function choose(trail: Trail, brokers: readonly [Broker, ...Broker[]], at: Millis): Broker {
  const rank = (broker: Broker): readonly [until: number, rounds: number] => {
    const { failures, until } = markOf(trail, broker);
    return [until > at ? until : 0, Math.floor(failures / patience)];
  };
  const isBetter = (a: Broker, b: Broker): boolean => {
    const [[untilA, roundsA], [untilB, roundsB]] = [rank(a), rank(b)];
    return untilA === untilB ? roundsA < roundsB : untilA < untilB;
  };
  return brokers.reduce((best, broker) => (isBetter(broker, best) ? broker : best));
}

/** How long to wait for it. Anywhere between nothing and a bound that doubles with each failure: who failed together does not return
 *  together. A broker that nothing is held against is waited for, too: the others come from the same one. */
export function pause(trail: Trail, broker: Broker, { at, luck }: Moment): Millis {
  const { failures, until } = markOf(trail, broker);
  const spread = broker.spread * 1000;
  const bound = failures === 0 ? spread : Math.min(longest, Math.max(shortest, spread) * 2 ** Math.min(failures, 16));
  return millis(Math.max(Math.floor(luck * bound), until - at));
}

/** Between half and the whole of a time that doubles with each failure of the better broker. */
const soonest = 900_000;
const latest = 28_800_000;

/** While another one serves us: a broker to go back to, and when. null: there is no better one. */
export function back(
  trail: Trail,
  brokers: readonly Broker[],
  now: Broker,
  { at, luck }: Moment,
): Readonly<{ to: Broker; pause: Millis }> | null {
  const place = brokers.findIndex((broker) => nameOf(broker) === nameOf(now));
  const [first, ...others] = brokers.slice(0, Math.max(place, 0));
  if (first === undefined) return null;
  const to = others.reduce((best, broker) => (markOf(trail, broker).failures < markOf(trail, best).failures ? broker : best), first);
  const { failures, until } = markOf(trail, to);
  const bound = Math.min(latest, soonest * 2 ** Math.min(failures, 16));
  return { to, pause: millis(Math.max(Math.floor((bound * (1 + luck)) / 2), until - at)) };
}

/** Where a whole town's power returns, each node comes at a moment of its own. Not drawn: a kernel that has just started has no luck. */
export const first = (id: string, boot: string, spread: Seconds): Millis =>
  millis(Math.floor((hash(`${id} ${boot}`) / 2 ** 32) * spread * 1000));

/** FNV-1a with MurmurHash3's last step, without which names that differ in their last digit alone lie side by side. */
function hash(text: string): number {
  let h = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** Faults that say: no broker heard of this. Another address of the same name may be tried at once, and costs nobody anything. */
const unheard: readonly Code[] = ['timeout', 'ETIMEDOUT', 'ENETUNREACH', 'EHOSTUNREACH', 'EADDRNOTAVAIL', 'EAFNOSUPPORT'];
export const isUnheard = (why: Code): boolean => unheard.includes(why);

/** Without a clock no certificate can be judged by its dates. A pinned key needs none; without a pin there is no way in. */
export const trust = (tls: Tls, isClockSet: boolean): Tls => (isClockSet || tls.pin === null ? tls : { ...tls, authority: null });
