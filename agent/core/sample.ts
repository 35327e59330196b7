// What a look at the sessions finds, as telemetry's fields. Knows no router and no clock.

import type { ByteCount } from './brand.ts';
import type { Pair } from './seat.ts';
import { sizeOf, sumOf } from './seat.ts';
import type { Session } from './serving.ts';
import * as serving from './serving.ts';
import type { SessionId } from './signed.ts';
import type { Sample } from './telemetry.ts';

/** Of one session, open or over. */
export type Counted = Readonly<{ session: SessionId; counted: Pair<ByteCount>; gap: Pair<ByteCount> | null }>;
/** What all sessions have passed since the first look, whoever has come and gone meanwhile. */
export type Passed = Readonly<{ last: ReadonlyMap<SessionId, Figures>; sums: Figures }>;
type Figures = Readonly<{ up: bigint; down: bigint; gap: bigint }>;

const none: Figures = { up: 0n, down: 0n, gap: 0n };
const grown = (from: bigint, to: bigint): bigint => (to > from ? to - from : 0n);

/** `before` null: whoever is there at the first look has passed what he has in front of us. */
export function pass(before: Passed | null, now: readonly Counted[]): Passed {
  const last = new Map(
    now.map(({ session, counted, gap }) => [session, { ...counted, gap: gap === null ? 0n : sumOf(gap) } satisfies Figures] as const),
  );
  if (before === null) return { last, sums: none };
  const sums = [...last].reduce<Figures>((sum, [session, { up, down, gap }]) => {
    const was = before.last.get(session) ?? none;
    return { up: sum.up + grown(was.up, up), down: sum.down + grown(was.down, down), gap: sum.gap + grown(was.gap, gap) };
  }, before.sums);
  return { last, sums };
}

export const sampleOf = (sessions: readonly Session[], { sums: { up, down, gap } }: Passed): Sample => {
  const many = (kind: Session['kind']): number => sessions.filter((s) => s.kind === kind).length;
  const left = sessions.flatMap((s) => (s.kind === 'open' || s.kind === 'throttled' ? [serving.quotaLeft(s)] : []));
  return {
    waiting: many('waiting'),
    open: many('open'),
    throttled: many('throttled'),
    draining: many('draining'),
    paused: many('paused'),
    up: Number(up),
    down: Number(down),
    gap: Number(gap),
    left: mebi(left.reduce((sum, quota) => sum + sizeOf(quota), 0n)),
  };
};

/** Whole ones: what is told when it changes should not do so with each byte. */
export const mebi = (bytes: bigint): number => Number(bytes >> 20n);
