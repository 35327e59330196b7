// SHA-2 in TypeScript, for programs that have no host to ask. A host's own is twenty times as fast: whoever hashes is handed a `Hashes`, and
// every Host is one.

import { sha256, sha512 } from '@noble/hashes/sha2.js';

export type Hash = (bytes: Uint8Array) => Uint8Array;
export type Hashes = Readonly<{ sha256: Hash; sha512: Hash }>;

export const portable: Hashes = { sha256, sha512 };
