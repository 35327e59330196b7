// A clock that moves only when a test says so.

import { type Millis, millis } from '../../agent/core/brand.ts';
import type { Clock } from '../../agent/ports/host.ts';

export type ManualClock = Clock & Readonly<{ /** Fires what falls due on the way, in its order. */ advance(by: Millis): void }>;

export function manual(wall = millis(1_795_000_000_000)): ManualClock {
  const waiting = new Set<{ due: number; fire: () => void }>();
  let now = 0;
  return {
    wall: () => millis(wall + now),
    monotonic: () => millis(now),
    bootId: () => '00000000-0000-4000-8000-000000000000',
    after(delay, fire) {
      const timer = { due: now + delay, fire };
      waiting.add(timer);
      return { cancel: () => void waiting.delete(timer) };
    },
    advance(by) {
      const end = now + by;
      for (;;) {
        const next = [...waiting].filter((t) => t.due <= end).sort((a, b) => a.due - b.due)[0];
        if (next === undefined) break;
        waiting.delete(next);
        now = next.due;
        next.fire();
      }
      now = end;
    },
  };
}
