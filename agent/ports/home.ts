// What the enforcer asks of whoever keeps the household first. An interface only.

import type { Millis } from '../core/brand.ts';
import type { Line } from '../core/home.ts';
import type { Result } from '../core/result.ts';
import type { ByteRate } from '../core/seat.ts';

/** `devices`: those of the uplinks. */
export type Sharing = Readonly<{ line: Line; devices: readonly string[]; isAnybodyIn(): boolean }>;

export type Home = Readonly<{
  /** From now on so, over rules that have just been made or were there; null: guests need not yield. */
  keep(sharing: Sharing | null): Promise<Result<void>>;
  /** What somebody has measured: by how much the line is slower than when it is idle; null: they cannot say. Answers whether it is worth
   *  the while to go on measuring. */
  strain(delay: Millis | null): Result<boolean>;
  /** The rate of all guests together; null: it is not kept. */
  rate(): ByteRate | null;
}>;
