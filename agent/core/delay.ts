// By how much a line is slower than when it is idle: round trips of late against the shortest in some minutes. Knows no packet and no clock.

import { type Millis, millis } from './brand.ts';

/** `least`: of each minute, the latest first. `late`: the last few; null: no answer. */
export type Trips = Readonly<{
  least: readonly Readonly<{ minute: number; trip: Millis }>[];
  late: readonly (Millis | null)[];
}>;

export const none: Trips = { least: [], late: [] };

const minutes = 10;
/** A queue delays each of them; radio, or a busy server, only some. */
const few = 3;

/** `trip` null: no answer within `patience`. */
export function take({ least, late }: Trips, at: Millis, trip: Millis | null): Trips {
  const minute = Math.floor(at / 60_000);
  const kept = least.filter((one) => one.minute > minute - minutes);
  const [latest, ...older] = kept;
  const all = { late: [trip, ...late].slice(0, few) };
  if (trip === null) return { ...all, least: kept };
  if (latest?.minute !== minute) return { ...all, least: [{ minute, trip }, ...kept] };
  return { ...all, least: [{ minute, trip: millis(Math.min(latest.trip, trip)) }, ...older] };
}

/** null: nobody can say. Where nobody has answered of late, there is no line or no server, which is no queue. */
export function of({ least, late }: Trips): Millis | null {
  const answered = late.filter((trip) => trip !== null);
  if (late.length < few || answered.length === 0 || least.length === 0) return null;
  return millis(Math.min(...answered) - Math.min(...least.map(({ trip }) => trip)));
}
