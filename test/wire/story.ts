// One session from end to end in signed messages, the same on every run: what test/vectors/signed.json is made of, and what the tests of
// the codecs begin with.

import type { Birth } from '../../agent/core/birth.ts';
import type { ByteCount, PublicKey, SecretKey } from '../../agent/core/brand.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Command, Order, Outcome } from '../../agent/core/command.ts';
import type { Answer, Code, Enrolment } from '../../agent/core/enrol.ts';
import type { Grant, Micro } from '../../agent/core/grant.ts';
import type { Certificate } from '../../agent/core/keyring.ts';
import type { Dispute, Link, Reading, Receipt, Voucher } from '../../agent/core/receipt.ts';
import * as receipts from '../../agent/core/receipt.ts';
import type { Root } from '../../agent/core/root.ts';
import * as roots from '../../agent/core/root.ts';
import type { Generation, Pair, PeerKey } from '../../agent/core/seat.ts';
import type { BootId, Digest, Nonce, SessionId } from '../../agent/core/signed.ts';
import { grantId } from '../../agent/core/signed.ts';
import type { Signer } from '../../agent/crypto/ed25519.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { portable as hashes } from '../../agent/crypto/sha.ts';
import * as command from '../../agent/wire/command.ts';
import type { Kind, Verified } from '../../agent/wire/cose.ts';
import * as cose from '../../agent/wire/cose.ts';
import * as enrol from '../../agent/wire/enrol.ts';
import type { Form } from '../../agent/wire/form.ts';
import * as form from '../../agent/wire/form.ts';
import * as grant from '../../agent/wire/grant.ts';
import * as receipt from '../../agent/wire/receipt.ts';

const encoder = new TextEncoder();
/** SHA-256 of the name. */
export const secretOf = (name: string): SecretKey => hashes.sha256(encoder.encode(name)) as SecretKey;
export const signerOf = (name: string): Signer => ed25519.signer(secretOf(name), hashes.sha512);

export const signers = {
  root: signerOf('root'),
  coordinator: signerOf('coordinator'),
  node: signerOf('node'),
  consumer: signerOf('consumer'),
  stranger: signerOf('stranger'),
} as const;
export type Who = keyof typeof signers;
export const idOf = (who: Who) => cose.keyIdOf(signers[who].key, hashes);

export const forms = {
  certificate: grant.certificate,
  grant: grant.grant,
  command: command.command,
  reply: command.reply,
  birth: command.birth,
  receipt: receipt.receipt,
  root: receipt.root,
  dispute: receipt.dispute,
  voucher: receipt.voucher,
  enrol: enrol.enrolment,
  enrolled: enrol.answered,
} satisfies Record<Kind, Form<unknown>>;

export const sign = <T>(kind: Kind, body: T, who: Who): Verified =>
  cose.sign(kind, (forms[kind] as Form<T>).write(body), signers[who], hashes);

const some = <T extends string>(name: string, size: number): T => form.hexOf(hashes.sha256(encoder.encode(name)).slice(0, size)) as T;
const bytes = (n: number | bigint): ByteCount => BigInt(n) as ByteCount;
const both = (up: number, down: number): Pair<ByteCount> => ({ up: bytes(up), down: bytes(down) });

export const epoch: Nonce = some('epoch', 16);
export const boot: BootId = some('boot', 8);
/** 2026-11-20 12:00 UTC. */
export const noon = seconds(1_795_176_000);

export const certificate: Certificate = {
  key: signers.coordinator.key,
  serial: 7,
  least: 6,
  until: seconds(noon + 90 * 86_400),
  may: ['grant', 'command'],
};

export const birth: Birth & Readonly<{ starts: number }> = {
  key: signers.node.key,
  version: '0.1.0',
  host: 'quickjs',
  epoch,
  starts: 12,
  sequence: 1,
  boot,
  up: seconds(61),
  wall: { at: seconds(1_767_225_600), trust: 'unknown' },
  tunnel: { key: 'm0jc8+cGlTDYgxDFkx0WdUASHYbDNOmqQdrGKiNqoSU=' as PeerKey, port: 51_820, addresses: ['203.0.113.2', '2001:db8::2'] },
};

export const first: Grant = {
  node: idOf('node'),
  nonce: some('first grant', 16),
  peer: 'dGhpcnR5LXR3byBieXRlcyBvZiBhIHB1YmxpYyBrZXk=' as PeerKey,
  consumer: signers.consumer.key,
  quota: { kind: 'shared', bytes: bytes(1_000_000_000) },
  rate: { up: 2_000_000n, down: 10_000_000n },
  throttle: null,
  egress: { kind: 'internet' },
  lifetime: seconds(86_400),
  until: seconds(noon + 7 * 86_400),
  idle: seconds(3600),
  witness: 'required',
  credit: bytes(16 << 20),
  price: { micro: 1200n as Micro, currency: 'EUR' },
  session: null,
  revision: 0,
};
export const signedFirst = sign('grant', first, 'coordinator');
export const anchor: Digest = cose.digestOf(signedFirst, hashes);
export const session: SessionId = grantId(anchor);

export const second: Grant = {
  ...first,
  nonce: some('second grant', 16),
  quota: { kind: 'shared', bytes: bytes(5_000_000_000) },
  session,
  revision: 1,
};
export const signedSecond = sign('grant', second, 'coordinator');
export const topped = grantId(cose.digestOf(signedSecond, hashes));

/** As small and as large as a grant gets. */
export const friend: Grant = {
  ...first,
  nonce: some('friend', 16),
  consumer: null,
  throttle: null,
  until: null,
  idle: null,
  witness: 'none',
  credit: null,
  price: null,
};
export const listed: Grant = {
  ...first,
  nonce: some('list', 16),
  quota: { kind: 'split', up: bytes(1 << 30), down: bytes(8n << 30n) },
  throttle: { up: 64_000n, down: 64_000n },
  witness: 'optional',
  egress: {
    kind: 'list',
    flows: [
      { address: '203.0.113.0', length: 24, protocol: 'tcp', ports: { first: 443, last: 443 } },
      { address: '2001:db8:5::', length: 48, protocol: 'udp', ports: { first: 1, last: 65_535 } },
    ],
  },
};
export const hop: Grant = {
  ...first,
  nonce: some('hop', 16),
  egress: { kind: 'hop', address: '2001:db8::51', protocol: 'udp', port: 51_820 },
};

export const orderOf = (order: Order, sequence: number): Command => ({
  node: idOf('node'),
  epoch,
  sequence,
  expires: seconds(3600),
  order,
});
export const orders: readonly Order[] = [
  { kind: 'open', grant: cose.encode(signedFirst) },
  { kind: 'change', grant: cose.encode(signedSecond) },
  { kind: 'topUp', grant: cose.encode(signedSecond) },
  { kind: 'close', session },
  { kind: 'list', after: null },
  { kind: 'limit', rate: { up: 1_000_000n, down: 8_000_000n }, sessions: 4, isPaused: false },
  { kind: 'send', session, from: 2 },
  { kind: 'acknowledge', receipts: [{ session, sequence: 3, digest: some('acknowledged', 32) }], root: null },
  { kind: 'probe', protocol: 'udp', address: '203.0.113.9', port: 7, times: 10, size: 64 },
  { kind: 'quarantine', isOn: true },
  { kind: 'restart' },
  {
    kind: 'move',
    brokers: [
      { host: 'broker.example', port: 8883, pin: null },
      { host: '203.0.113.8', port: 8883, pin: secretOf('pin') },
    ],
  },
  { kind: 'reboot' },
];
export const outcomes: readonly Outcome[] = [
  { kind: 'done' },
  { kind: 'refused', code: 'denied', path: 'order.open.quota', reason: 'at most 53687091200 bytes' },
  { kind: 'opened', session, address4: '100.64.90.7', address6: 'fd00:5:5:5::7' },
  { kind: 'listed', sessions: [{ session, terms: topped, condition: 'open', counted: both(1, 2), sequence: 3 }], more: false },
  { kind: 'probed', sent: 10, received: 9, times: { least: 8000, median: 9500, most: 41_000 } },
  { kind: 'probed', sent: 3, received: 0, times: null },
];

const reading = (up: number, counted: Pair<ByteCount>, left: bigint, more: Partial<Reading> = {}): Reading => ({
  boot,
  up: millis(up),
  wall: { at: noon, trust: 'network' },
  counted,
  packets: { up: counted.up / 900n, down: counted.down / 1100n },
  generation: 0x8123_4567 as Generation,
  tunnel: { up: bytes(counted.up + 5000n), down: bytes(counted.down + 9000n) },
  gap: null,
  left: { kind: 'shared', bytes: bytes(left) },
  ...more,
});

/** A chain: begun, topped up, gone on after a reboot with a gap, ended. */
export const chain: readonly Readonly<{ value: Receipt; signed: Verified; witness: Uint8Array }>[] = (() => {
  const readings: readonly (readonly [Reading, receipts.Standing])[] = [
    [reading(400_000, both(1_500_000, 60_000_000), 938_500_000n), { terms: null, witnessed: null, final: null }],
    [reading(700_000, both(9_000_000, 640_000_000), 4_351_000_000n), { terms: topped, witnessed: 1, final: null }],
    [
      reading(95_000, both(9_100_000, 700_000_000), 4_290_000_000n, {
        boot: some('next boot', 8),
        wall: { at: seconds(1_767_225_700), trust: 'unknown' },
        generation: 0x1234 as Generation,
        gap: both(400_000, 500_000),
      }),
      { terms: topped, witnessed: 2, final: null },
    ],
    [
      reading(395_000, both(20_000_000, 4_979_000_000), 0n, {
        boot: some('next boot', 8),
        generation: 0x1234 as Generation,
        gap: both(400_000, 500_000),
      }),
      { terms: topped, witnessed: 3, final: 'spent' },
    ],
  ];
  const made: { value: Receipt; signed: Verified; witness: Uint8Array }[] = [];
  let link: Link = { session, sequence: 0, digest: anchor };
  for (const [read, standing] of readings) {
    const value = receipts.next(link, read, first.price, standing);
    const signed = sign('receipt', value, 'node');
    made.push({ value, signed, witness: cose.witness(signed, signers.consumer) });
    link = { session, sequence: value.sequence, digest: cose.digestOf(signed, hashes) };
  }
  return made;
})();

export const heads: readonly Link[] = [
  ...chain.slice(-1).map(({ value, signed }) => ({ session, sequence: value.sequence, digest: cose.digestOf(signed, hashes) })),
  ...[1, 2, 3, 4].map((n) => ({ session: some<SessionId>(`session ${n}`, 16), sequence: 10 * n, digest: some<Digest>(`head ${n}`, 32) })),
];
export const root: Root = {
  number: 5,
  previous: some('root 4', 32),
  epoch,
  boot,
  up: millis(3_600_000),
  wall: { at: noon, trust: 'network' },
  size: heads.length,
  heads: form.hexOf(roots.headsOf(heads, receipt.encodeHead, hashes.sha256)) as Digest,
};

export const dispute: Dispute = {
  session,
  sequence: 4,
  digest: heads[0]?.digest ?? anchor,
  reason: 'bytes',
  counted: both(20_000_000, 2_000_000_000),
};

export const code = 'abcdefgh2345wxyzmnop' as Code;
const asked = { key: signers.node.key, epoch, starts: 12, root: idOf('root') };
export const enrolment: Enrolment = { ...asked, name: 'abcd', proof: enrol.proofOf(code, asked, hashes) };
export const answers: readonly Answer[] = [
  { kind: 'enrolled' },
  { kind: 'refused', code: 'expired', path: 'code', reason: 'was good until yesterday' },
];

export const voucher: Voucher = { session, counted: both(19_000_000, 1_999_000_000) };

/** Everything that is signed, with its name. */
export const messages: readonly Readonly<{ name: string; kind: Kind; by: Who; signed: Verified }>[] = [
  { name: 'certificate', kind: 'certificate', by: 'root', signed: sign('certificate', certificate, 'root') },
  { name: 'birth', kind: 'birth', by: 'node', signed: sign('birth', birth, 'node') },
  {
    name: 'birth of a start that is not written down',
    kind: 'birth',
    by: 'node',
    signed: sign('birth', { ...birth, starts: null }, 'node'),
  },
  { name: 'birth without a tunnel', kind: 'birth', by: 'node', signed: sign('birth', { ...birth, sequence: 2, tunnel: null }, 'node') },
  { name: 'grant', kind: 'grant', by: 'coordinator', signed: signedFirst },
  { name: 'grant that follows', kind: 'grant', by: 'coordinator', signed: signedSecond },
  { name: 'grant of the owner', kind: 'grant', by: 'node', signed: sign('grant', friend, 'node') },
  { name: 'grant with a list', kind: 'grant', by: 'coordinator', signed: sign('grant', listed, 'coordinator') },
  { name: 'grant with a hop', kind: 'grant', by: 'coordinator', signed: sign('grant', hop, 'coordinator') },
  ...orders.map((order, i) => ({
    name: `command ${order.kind}`,
    kind: 'command' as const,
    by: 'coordinator' as const,
    signed: sign('command', orderOf(order, i + 1), 'coordinator'),
  })),
  ...outcomes.map((outcome, i) => ({
    name: `reply ${i}: ${outcome.kind}`,
    kind: 'reply' as const,
    by: 'node' as const,
    signed: sign('reply', { epoch, to: idOf('coordinator'), sequence: i + 1, outcome }, 'node'),
  })),
  ...chain.map(({ value, signed, witness }) => ({
    name: `receipt ${value.sequence}`,
    kind: 'receipt' as const,
    by: 'node' as const,
    signed: { ...signed, witness },
  })),
  { name: 'root', kind: 'root', by: 'node', signed: sign('root', root, 'node') },
  { name: 'dispute', kind: 'dispute', by: 'consumer', signed: sign('dispute', dispute, 'consumer') },
  { name: 'voucher', kind: 'voucher', by: 'consumer', signed: sign('voucher', voucher, 'consumer') },
  { name: 'enrol', kind: 'enrol', by: 'node', signed: sign('enrol', enrolment, 'node') },
  ...answers.map((answer) => ({
    name: `enrolled: ${answer.kind}`,
    kind: 'enrolled' as const,
    by: 'coordinator' as const,
    signed: sign('enrolled', { node: idOf('node'), epoch, answer }, 'coordinator'),
  })),
];

export const keyOf = (who: Who): PublicKey => signers[who].key;
