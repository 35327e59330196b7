// SHA-2 in TypeScript, for programs that have no host to ask. A host's own is twenty times as fast.

import { sha256, sha512 } from '@noble/hashes/sha2.js';
import type { Hashes } from '../core/hash.ts';

export const portable: Hashes = { sha256, sha512 };
export { sha256 };
