// What the demo's story needs of the place where it is told. Two keep it: demo-real.ts and demo-simulated.ts.

import { readFileSync } from 'node:fs';
import type { Bus } from '../agent/adapters/ubus-client.ts';
import * as keys from '../agent/consumer/keys.ts';
import type { SecretKey } from '../agent/core/brand.ts';
import { type Result, text } from '../agent/core/result.ts';
import type { PeerKey } from '../agent/core/seat.ts';
import * as x25519 from '../agent/crypto/x25519.ts';
import { host } from '../agent/host/node.ts';
import * as base64 from '../agent/wire/base64.ts';
import type { Lie } from '../test/consumer/liar.ts';

export const must = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(text(r.fault));
  return r.value;
};

export type Ran = Readonly<{ code: number | string; stdout: string; stderr: string }>;

/** Made by `weir friend add` and `scripts/consumer keys`. */
export type Ticket = Readonly<{ keys: string; config: string; grant: string }>;

/** Of the tunnel's end that it is for: the configuration's own, or the consumer's. */
export function peerOf({ config, keys: own }: Ticket): PeerKey {
  const [, secret] = /^PrivateKey = (.*)$/m.exec(readFileSync(config, 'utf8')) ?? [];
  const key = secret === undefined ? must(keys.read(host, own)).public.tunnel : x25519.publicKey(must(base64.decode(secret)) as SecretKey);
  return base64.encode(key) as PeerKey;
}

export type Consumer = Readonly<{
  /** What of so many bytes from the Internet arrives through the tunnel, until nothing comes any more. */
  download(bytes: number): Promise<number>;
  /** A line of its program, past or future. */
  says(pattern: RegExp): Promise<string>;
  leave(): Promise<void>;
}>;

export type Stage = Readonly<{
  /** What is real here, and what is not. */
  scene: readonly string[];
  /** Where to look while it stays up. */
  hints: readonly string[];
  /** Enforcer and agent start; all is made ready for the owner's yes. */
  begin(): Promise<void>;
  /** What follows the yes on a router, and has to be done by somebody here. */
  share(): Promise<void>;
  /** As root. */
  bus: Bus;
  weir(...args: readonly string[]): Promise<Ran>;
  join(ticket: Ticket, lie: Lie | null): Promise<Consumer>;
  /** The agent, by SIGKILL. */
  kill(): Promise<void>;
  restart(): Promise<void>;
  /** A line of the agent's log, past or future. */
  says(pattern: RegExp): Promise<string>;
  close(): Promise<void>;
}>;
