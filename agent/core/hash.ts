// SHA-2, as whoever hashes is handed it. Every host is one of these (ports/host.ts); crypto/sha.ts serves who has no host.

export type Hash = (bytes: Uint8Array) => Uint8Array;
export type Hashes = Readonly<{ sha256: Hash; sha512: Hash }>;
