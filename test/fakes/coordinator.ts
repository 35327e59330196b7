// A coordinator for a test: signs certificates, grants and commands, and hears births, states, receipts and replies of one node. What a test
// wants signed wrongly it signs itself and sends with `send`.

import { connect } from '../../agent/adapters/mqtt-link.ts';
import type { Birth } from '../../agent/core/birth.ts';
import { type ByteCount, type Millis, millis, type PublicKey, type SecretKey, seconds } from '../../agent/core/brand.ts';
import type { Command, Order, Outcome, Reply } from '../../agent/core/command.ts';
import type { Grant } from '../../agent/core/grant.ts';
import type { Certificate } from '../../agent/core/keyring.ts';
import type { Receipt } from '../../agent/core/receipt.ts';
import type { Result } from '../../agent/core/result.ts';
import type { PeerKey } from '../../agent/core/seat.ts';
import type { Digest, KeyId, Nonce } from '../../agent/core/signed.ts';
import type { Signer } from '../../agent/crypto/ed25519.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { host } from '../../agent/host/node.ts';
import type { TlsOptions } from '../../agent/ports/host.ts';
import type { Message } from '../../agent/ports/link.ts';
import * as cbor from '../../agent/wire/cbor.ts';
import * as commands from '../../agent/wire/command.ts';
import * as cose from '../../agent/wire/cose.ts';
import type { Form } from '../../agent/wire/form.ts';
import { hexOf } from '../../agent/wire/form.ts';
import * as grants from '../../agent/wire/grant.ts';
import { receipt as receipts } from '../../agent/wire/receipt.ts';

const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
const signerOf = (name: string): Signer => ed25519.signer(host.sha256(new TextEncoder().encode(name)) as SecretKey, host.sha512);
export const idOf = ({ key }: Readonly<{ key: PublicKey }>): KeyId => cose.keyIdOf(key, host);

/** By its name, always the same. */
export type Keys = Readonly<{ root: Signer; key: Signer; rootId: KeyId }>;
export const keysOf = (name: string): Keys => {
  const [root, key] = [signerOf(`${name} root`), signerOf(`${name} key`)];
  return { root, key, rootId: idOf(root) };
};
/** What an owner writes to trust it. */
export const section = (name: string, ...may: readonly string[]): string =>
  `config coordinator '${name}'\n\toption root '${hexOf(keysOf(name).root.key)}'\n${may.map((m) => `\tlist may '${m}'\n`).join('')}\n`;

export const sign = <T>(kind: cose.Kind, form: Form<T>, value: T, signer: Signer): Uint8Array =>
  cose.encode(cose.sign(kind, form.write(value), signer, host));

export const certificateOf = ({ key }: Keys, more: Partial<Certificate> = {}): Certificate => ({
  key: key.key,
  serial: 1,
  least: 1,
  until: seconds(4_000_000_000),
  may: ['grant', 'command'],
  ...more,
});

export type Told = Readonly<{ receipt: Receipt; digest: Digest; isWitnessed: boolean }>;
export type Coordinator = Keys &
  Readonly<{
    /** The next birth, or the one that the broker has kept. */
    born(): Promise<Birth>;
    /** The next, by the names of a state. */
    state(): Promise<'here' | 'gone'>;
    certify(more?: Partial<Certificate>): Promise<void>;
    /** Under the epoch of the last birth; signed and numbered as a coordinator does. */
    commandOf(order: Order, more?: Partial<Command>): Command;
    signed(order: Order, more?: Partial<Command>): Uint8Array;
    /** Sent, and answered. */
    order(order: Order, more?: Partial<Command>): Promise<Outcome>;
    /** The next reply, to whatever. */
    reply(): Promise<Reply>;
    grant(peer: PeerKey, more?: Partial<Grant>): Uint8Array;
    /** The next one. */
    receipt(within?: Millis): Promise<Told>;
    /** The newest root over all chains. */
    summit(): Promise<Uint8Array>;
    send(topic: string, payload: Uint8Array): Promise<void>;
    close(): void;
  }>;

const patience = millis(120_000);
/** A command that is not answered is said again. */
const period = millis(8000);
let opened = 0;

/** For an hour and 100 MiB, with nothing required. */
export const grantOf = (node: KeyId, nonce: Nonce, peer: PeerKey, more: Partial<Grant> = {}): Grant => ({
  node,
  nonce,
  peer,
  consumer: null,
  quota: { kind: 'shared', bytes: (100n << 20n) as ByteCount },
  rate: { up: 4_000_000n, down: 8_000_000n },
  throttle: null,
  egress: { kind: 'internet' },
  lifetime: seconds(3600),
  until: null,
  idle: null,
  witness: 'none',
  credit: null,
  price: null,
  session: null,
  revision: 0,
  ...more,
});

/** `broker`: on loopback. */
export async function open(
  name: string,
  broker: Readonly<{ port: number; user: string; password: string; tls?: TlsOptions }>,
  base: string,
  version: '5' | '3.1.1' = '5',
): Promise<Coordinator> {
  const keys = keysOf(name);
  const boxes = new Map<string, { waiting: ((m: Message) => void)[]; inbox: Message[] }>();
  const boxOf = (topic: string) => {
    const box = boxes.get(topic) ?? { waiting: [], inbox: [] };
    boxes.set(topic, box);
    return box;
  };
  const next = (topic: string, within = patience): Promise<Uint8Array> =>
    new Promise((resolve, reject) => {
      const box = boxOf(topic);
      const first = box.inbox.shift();
      if (first !== undefined) return resolve(first.payload);
      const timer = host.clock.after(within, () => reject(new Error(`${name}: nothing came on ${topic}`)));
      box.waiting.push(({ payload }) => {
        timer.cancel();
        resolve(payload);
      });
    });
  opened += 1;
  const link = await new Promise<ReturnType<typeof connect>>((resolve, reject) => {
    const made = connect(
      host,
      {
        to: { address: '127.0.0.1', port: broker.port },
        version,
        clientId: `coordinator-${process.pid}-${opened}`,
        user: broker.user,
        password: broker.password,
        ...(broker.tls !== undefined && { tls: broker.tls }),
        keepAlive: seconds(30),
        patience: seconds(15),
      },
      {
        connected: () => resolve(made),
        closed: (why) => reject(new Error(`${name}: ${why?.reason}`)),
        received(message) {
          const box = boxOf(message.topic.slice(base.length + 1));
          const taker = box.waiting.shift();
          if (taker === undefined) box.inbox.push(message);
          else taker(message);
        },
      },
    );
  });
  const done = <T>(ask: (answer: (r: Result<T>) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => ask((r) => (r.ok ? resolve(r.value) : reject(new Error(r.fault.reason)))));
  await done((answer) => link.subscribe(`${base}/#`, 1, answer));

  let birth: Birth | null = null;
  let sequence = 0;
  const known = (): Birth => {
    if (birth === null) throw new Error('the node was not born yet');
    return birth;
  };
  const send = (topic: string, payload: Uint8Array): Promise<void> =>
    done((answer) => link.publish({ topic: `${base}/${topic}`, payload, qos: 1, retain: false }, answer));
  const commandOf = (order: Order, more: Partial<Command> = {}): Command => {
    sequence += 1;
    return { node: idOf(known()), epoch: known().epoch, sequence, expires: null, order, ...more };
  };
  const signed = (order: Order, more: Partial<Command> = {}): Uint8Array =>
    sign('command', commands.command, commandOf(order, more), keys.key);
  const reply = async (): Promise<Reply> => {
    const message = must(cose.decode(await next(`replies/${keys.rootId}`)));
    return must(cose.read(must(cose.verify(message, known().key, host)), 'reply', commands.reply));
  };

  return {
    ...keys,
    async born() {
      const told = must(commands.readBirth(must(cose.decode(await next('birth'))), host));
      if (told.epoch !== birth?.epoch) sequence = 0;
      birth = told;
      return told;
    },
    state: async () => must(commands.state.read(must(cbor.decode(await next('state'))))).isHere,
    certify: (more) => send('certificates', sign('certificate', grants.certificate, certificateOf(keys, more), keys.root)),
    commandOf,
    signed,
    async order(order, more) {
      const command = commandOf(order, more);
      const payload = sign('command', commands.command, command, keys.key);
      // NATS keeps no order between topics: a certificate may come behind the command that needs it.
      const say = (): void => {
        link.publish({ topic: `${base}/commands`, payload, qos: 1, retain: false }, () => undefined);
        again = host.clock.after(period, say);
      };
      let again = host.clock.after(millis(0), say);
      try {
        for (;;) {
          const said = await reply();
          if (said.sequence === command.sequence) return said.outcome;
        }
      } finally {
        again.cancel();
      }
    },
    reply,
    grant: (peer, more = {}) => sign('grant', grants.grant, grantOf(idOf(known()), hexOf(host.random(16)) as Nonce, peer, more), keys.key),
    async receipt(within) {
      const message = must(cose.decode(await next(`receipts/${keys.rootId}`, within)));
      const verified = must(cose.verify(message, known().key, host));
      return {
        receipt: must(cose.read(verified, 'receipt', receipts)),
        digest: cose.digestOf(verified, host),
        isWitnessed: message.witness !== null,
      };
    },
    summit: () => next('roots'),
    send,
    close: () => link.end(),
  };
}
