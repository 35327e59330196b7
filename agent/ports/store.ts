// What survives, as the agent's loop sees it.

import type { Journal, Mark } from '../core/journal.ts';
import type { Fault, Result } from '../core/result.ts';

export type Store = Readonly<{
  state(): Journal;
  /** Written, with everything noted before, when this returns; on a Fault none of it counts. Nothing is done and nothing sent before. */
  commit(marks: readonly Mark[]): Result<void>;
  /** Goes with the next write, a quarter of an hour from now at the latest: for what may be lost. */
  note(marks: readonly Mark[]): Result<void>;
  /** May receipts be sealed now, or would it wear the flash out? `isStep`: because of their bytes, not of the time. */
  isTime(isStep: boolean): boolean;
  /** Since the start. */
  spent(): Readonly<{ writes: number; bytes: number }>;
  /** Writes what was noted. */
  close(): Result<void>;
}>;

/** What was found at the start. `damage`: marks behind a damaged place are lost, so no chain may be gone on with. */
export type Opened = Readonly<{ store: Store; cut: number; damage: Fault | null }>;
