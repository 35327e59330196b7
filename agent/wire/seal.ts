// What is signed by the node itself: grants for the owner's friends, receipts, and the root over all chains. Values → messages and the marks
// that keep them. Knows no file; nothing of this counts before it was written.

import type { Birth } from '../core/birth.ts';
import type { Millis } from '../core/brand.ts';
import type { Reply } from '../core/command.ts';
import type { Grant } from '../core/grant.ts';
import type { Hashes } from '../core/hash.ts';
import type { Journal, Mark } from '../core/journal.ts';
import type { Link, Receipt } from '../core/receipt.ts';
import * as roots from '../core/root.ts';
import type { BootId, Digest, GrantId, Nonce, Wall } from '../core/signed.ts';
import { grantId } from '../core/signed.ts';
import type { Signer } from '../crypto/ed25519.ts';
import { birth as births, reply as replies } from './command.ts';
import * as cose from './cose.ts';
import { hexOf } from './form.ts';
import * as grants from './grant.ts';
import * as wire from './receipt.ts';

type Message = Readonly<{ digest: Digest; bytes: Uint8Array }>;

const messageOf = (signed: cose.Verified, hashes: Hashes): Message => ({
  digest: cose.digestOf(signed, hashes),
  bytes: cose.encode(signed),
});

export function grant(value: Grant, signer: Signer, hashes: Hashes): Message & Readonly<{ id: GrantId }> {
  const message = messageOf(cose.sign('grant', grants.grant.write(value), signer, hashes), hashes);
  return { ...message, id: grantId(message.digest) };
}

export function birth(value: Birth, signer: Signer, hashes: Hashes): Uint8Array {
  return cose.encode(cose.sign('birth', births.write(value), signer, hashes));
}

export function reply(value: Reply, signer: Signer, hashes: Hashes): Uint8Array {
  return cose.encode(cose.sign('reply', replies.write(value), signer, hashes));
}

export type Moment = Readonly<{ epoch: Nonce; boot: BootId; up: Millis; wall: Wall }>;
export type Sealed = Readonly<{ marks: readonly Mark[]; links: readonly Link[] }>;

/** `others`: heads of open chains that get none now. */
export function seal(
  drafts: readonly Receipt[],
  others: readonly Link[],
  { root }: Journal,
  m: Moment,
  signer: Signer,
  hashes: Hashes,
): Sealed {
  const sealed = drafts.map((receipt) => ({
    receipt,
    ...messageOf(cose.sign('receipt', wire.receipt.write(receipt), signer, hashes), hashes),
  }));
  const links = sealed.map(({ receipt: { session, sequence }, digest }): Link => ({ session, sequence, digest }));
  const heads = [...others, ...links];
  const number = (root?.number ?? 0) + 1;
  const drawn: roots.Root = {
    ...m,
    number,
    previous: root?.digest ?? null,
    size: heads.length,
    heads: hexOf(roots.headsOf(heads, wire.encodeHead, hashes.sha256)) as Digest,
  };
  const rooted = messageOf(cose.sign('root', wire.root.write(drawn), signer, hashes), hashes);
  const marks = sealed.map(({ receipt: { session, sequence, final }, digest, bytes }): Mark => {
    return { kind: 'sealed', session, sequence, digest, receipt: bytes, isLast: final !== null };
  });
  return { marks: [...marks, { kind: 'rooted', number, ...rooted }], links };
}
