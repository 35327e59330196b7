// The names of what is signed: keys, messages, sessions, starts of an agent. Text wherever it is compared or looked up, bytes on the wire.

import type { Brand, Seconds } from './brand.ts';

/** The first 10 bytes of a key's SHA-256 in base32: 16 letters and digits, and a node's name. */
export type KeyId = Brand<string, 'KeyId'>;
/** A message's SHA-256, in hex. */
export type Digest = Brand<string, 'Digest'>;
/** The first 16 bytes of a grant's digest: the name of what was agreed. */
export type GrantId = Brand<string, 'GrantId'>;
/** The id of a session's first grant, whatever came after it. */
export type SessionId = GrantId;
/** 16 random bytes, drawn at each start of the agent. */
export type Nonce = Brand<string, 'Nonce'>;
/** 8 bytes that differ after each boot. */
export type BootId = Brand<string, 'BootId'>;

/** Of the kernel's, which is 32 digits and dashes. */
export const bootOf = (kernels: string): BootId => kernels.replaceAll('-', '').slice(0, 16) as BootId;

export const grantId = (digest: Digest): GrantId => digest.slice(0, 32) as unknown as GrantId;

/** What a router believes about the time, and why: nobody, the network's time servers, or somebody who signed it. */
export const trusts = ['unknown', 'network', 'signed'] as const;
export type Wall = Readonly<{ at: Seconds; trust: (typeof trusts)[number] }>;
