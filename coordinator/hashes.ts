// SHA-2 of Node's own, twenty times as fast as the portable one.

import { createHash } from 'node:crypto';
import type { Hash, Hashes } from '../agent/core/hash.ts';

const by =
  (name: 'sha256' | 'sha512'): Hash =>
  (bytes) =>
    new Uint8Array(createHash(name).update(bytes).digest());

export const hashes: Hashes = { sha256: by('sha256'), sha512: by('sha512') };
