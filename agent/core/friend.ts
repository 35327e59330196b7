// What the owner grants: a friend's session, and more of it. Signed by the node itself, so that no coordinator is needed. Nothing is signed that
// the owner's own ceilings would refuse. Knows no signature.

import type { ByteCount, PublicKey, Seconds } from './brand.ts';
import { seconds } from './brand.ts';
import type { Ticket } from './event.ts';
import type { Grant } from './grant.ts';
import * as limits from './limits.ts';
import { type Fault, fault } from './result.ts';
import type { Pair, PeerKey } from './seat.ts';
import type { Ceilings } from './settings.ts';
import type { Digest, GrantId, KeyId, SessionId } from './signed.ts';

/** A grant whose signature holds, with its bytes. `name`: the owner's for a friend. `root`: whose session it is; null: the owner's. */
export type Granted = Readonly<{
  grant: Grant;
  id: GrantId;
  digest: Digest;
  bytes: Uint8Array;
  name: string | null;
  root: KeyId | null;
  kind: 'open' | 'change' | 'topUp';
  ticket: Ticket | null;
}>;

/** What is asked for a friend; everything else is as a grant has it by itself. */
export type Draft = Readonly<{
  peer: PeerKey;
  consumer: PublicKey | null;
  witness: Grant['witness'];
  credit: ByteCount | null;
  quota: ByteCount;
  rate: Pair<bigint>;
  lifetime: Seconds;
  until: Seconds | null;
  idle: Seconds | null;
}>;

export const invite = (node: KeyId, nonce: string, { quota, ...draft }: Draft): Grant => ({
  ...draft,
  node,
  nonce,
  quota: { kind: 'shared', bytes: quota },
  throttle: null,
  egress: { kind: 'internet' },
  price: null,
  session: null,
  revision: 0,
});

/** Added to what there is. */
export function topUp(session: SessionId, now: Grant, nonce: string, quota: bigint, more: number): Grant {
  const { quota: had, lifetime, revision } = now;
  return {
    ...now,
    nonce,
    quota: had.kind === 'shared' ? { kind: 'shared', bytes: (had.bytes + quota) as ByteCount } : had,
    lifetime: seconds(lifetime + more),
    session,
    revision: revision + 1,
  };
}

/** A grant beyond the owner's ceilings. The enforcer would refuse it; but then it would be signed. */
export function beyond({ quota, rate, throttle }: Grant, ceilings: Ceilings): Fault | null {
  const [over] = limits.exceeding({ quota, rate, throttle }, ceilings);
  return over === undefined ? null : { ...over, path: `grant.${over.path}` };
}

const names = /^[A-Za-z0-9_.-]{1,32}$/;
export const misnamed = (name: string): Fault | null =>
  names.test(name) ? null : fault('malformed', 'name', '1 to 32 letters, digits, dashes, underscores or dots');
