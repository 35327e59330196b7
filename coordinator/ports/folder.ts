// A folder of small files that only their owner may read.

import type { Result } from '../../agent/core/result.ts';

export type Folder = Readonly<{
  read(name: string): Result<Uint8Array>;
  /** Exclusively: never over another. */
  create(name: string, bytes: Uint8Array): Result<void>;
  /** Names of this pattern, in their order. */
  list(pattern: RegExp): readonly string[];
}>;
