// A node and its consumer as the coordinator sees them: what they sign. Honest, until a test makes them say something else.

import type { Birth } from '../../agent/core/birth.ts';
import type { ByteCount } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Link, Receipt, Standing } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import type { Root } from '../../agent/core/root.ts';
import * as roots from '../../agent/core/root.ts';
import type { Generation, Pair, PeerKey } from '../../agent/core/seat.ts';
import type { BootId, Digest, KeyId, Nonce, SessionId } from '../../agent/core/signed.ts';
import * as x25519 from '../../agent/crypto/x25519.ts';
import * as base64 from '../../agent/wire/base64.ts';
import * as command from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as wire from '../../agent/wire/receipt.ts';
import type { Authority } from '../../coordinator/authority.ts';
import * as authority from '../../coordinator/authority.ts';
import { hashes } from '../../coordinator/hashes.ts';
import type { Wanted } from '../../coordinator/orders.ts';
import { secretOf, signerOf } from '../wire/story.ts';

export const some = (name: string, size: number): string => hexOf(hashes.sha256(new TextEncoder().encode(name)).slice(0, size));
export const both = (up: number, down: number): Pair<ByteCount> => ({ up: BigInt(up) as ByteCount, down: BigInt(down) as ByteCount });

/** A root with one command key, as `coordinator init` makes them. */
export function authorityOf(name: string, until = 4_000_000_000): Authority {
  const [root, signer] = [signerOf(`${name} root`), signerOf(`${name} command`)];
  const certificate = { key: signer.key, serial: 1, least: 1, until: seconds(until), may: ['grant', 'command'] as const };
  const bytes = authority.certify(root, certificate);
  return { root: cose.keyIdOf(root.key, hashes), rootKey: root.key, held: [{ signer, certificate, bytes }], signed: [bytes] };
}

export type Node = ReturnType<typeof nodeOf>;

export function nodeOf(name: string) {
  const signer = signerOf(name);
  const id: KeyId = cose.keyIdOf(signer.key, hashes);
  const birth = {
    key: signer.key,
    version: '0.1.0',
    host: 'node',
    epoch: some(`${name} epoch`, 16) as Nonce,
    starts: 1,
    sequence: 1,
    boot: some(`${name} boot`, 8) as BootId,
    up: seconds(60),
    wall: { at: seconds(1_795_176_000), trust: 'network' },
    tunnel: { key: peerOf(name), port: 51_820, addresses: ['203.0.113.2'] },
  } satisfies Birth;
  return {
    id,
    key: signer.key,
    signer,
    birth,
    born: (more: Partial<Birth> = {}): cose.Verified => cose.sign('birth', command.birth.write({ ...birth, ...more }), signer, hashes),
    sign: (receipt: Receipt): cose.Verified => cose.sign('receipt', wire.receipt.write(receipt), signer, hashes),
  };
}

export const peerOf = (name: string): PeerKey => base64.encode(x25519.publicKey(secretOf(name))) as PeerKey;

export const wantedOf = (node: Node, consumer: string, more: Partial<Grant> = {}): Wanted => ({
  node: node.id,
  peer: peerOf(consumer),
  consumer: signerOf(consumer).key,
  quota: { kind: 'shared', bytes: 1_000_000_000n },
  rate: { up: 2_000_000n, down: 10_000_000n },
  throttle: null,
  egress: { kind: 'internet' },
  lifetime: seconds(86_400),
  until: null,
  idle: null,
  witness: 'required',
  credit: (16n << 20n) as ByteCount,
  price: { micro: 1200n as never, currency: 'EUR' },
  ...more,
});

export type Told = Readonly<{ receipt: Receipt; signed: cose.Verified; link: Link }>;

/** The next receipt of a chain, after `before` or its beginning. `lie`: what is said instead. */
export function tell(
  node: Node,
  anchor: Link,
  price: Grant['price'],
  before: Told | null,
  counted: Pair<ByteCount>,
  standing: Partial<Standing> = {},
  lie: Partial<Receipt> = {},
): Told {
  const honest = receipts.next(
    before?.link ?? anchor,
    {
      boot: node.birth.boot,
      up: millis((before?.receipt.up ?? 0) + 10_000),
      wall: node.birth.wall,
      counted,
      packets: { up: counted.up / 1000n, down: counted.down / 1000n },
      generation: 1 as Generation,
      tunnel: counted,
      gap: null,
      left: { kind: 'shared', bytes: 0n as ByteCount },
    },
    price,
    { terms: null, witnessed: null, final: null, ...standing },
  );
  const receipt = { ...honest, ...lie };
  const signed = node.sign(receipt);
  return { receipt, signed, link: { session: receipt.session, sequence: receipt.sequence, digest: cose.digestOf(signed, hashes) } };
}

export const witnessed = ({ signed }: Told, consumer: string): cose.Verified =>
  ({ ...signed, witness: cose.witness(signed, signerOf(consumer)) }) as cose.Verified;

export function disputeOf(consumer: string, { link }: Told, reason: 'bytes' | 'chain', counted: Pair<ByteCount> | null): cose.Verified {
  return cose.sign('dispute', wire.dispute.write({ ...link, reason, counted }), signerOf(consumer), hashes);
}

export const voucherOf = (consumer: string, { link: { session } }: Told, counted: Pair<ByteCount>): cose.Verified =>
  cose.sign('voucher', wire.voucher.write({ session, counted }), signerOf(consumer), hashes);

/** Over chains that end with these, signed just after the last of them. */
export function rootOf(node: Node, ends: readonly Told[], more: Partial<Root> = {}): cose.Verified {
  const { epoch, boot, wall } = node.birth;
  const links = ends.map(({ link }) => link);
  const heads = hexOf(roots.headsOf(links, wire.encodeHead, hashes.sha256)) as Digest;
  const up = millis(Math.max(...ends.map(({ receipt }) => receipt.up)) + 1);
  const root: Root = { number: 1, previous: null, epoch, boot, up, wall, size: links.length, heads, ...more };
  return cose.sign('root', wire.root.write(root), node.signer, hashes);
}

export const anchorOf = (grant: Uint8Array): Link => {
  const signed = cose.decode(grant);
  if (!signed.ok) throw new Error('no grant');
  const digest = cose.digestOf(signed.value, hashes);
  return { session: digest.slice(0, 32) as unknown as SessionId, sequence: 0, digest };
};
