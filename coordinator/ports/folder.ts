// A folder of small files that only their owner may read.

import type { Result } from '../../agent/core/result.ts';

export type Folder = Readonly<{
  read(name: string): Result<Uint8Array>;
  /** Exclusively: never over another. */
  create(name: string, bytes: Uint8Array): Result<void>;
  /** Names that end so, in their order. */
  list(end: string): readonly string[];
}>;
