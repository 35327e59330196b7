// From a consumer's wish to files that scripts/consumer can run, or a stock WireGuard app can read: asks a coordinator, sees that the answer is
// what was asked for, and writes it down.

import { existsSync } from 'node:fs';
import { encodeQR } from 'qr';
import * as keys from '../agent/consumer/keys.ts';
import * as opening from '../agent/consumer/opening.ts';
import * as terms from '../agent/consumer/terms.ts';
import { parseDays, parseSize, renderSize } from '../agent/core/amount.ts';
import type { PublicKey } from '../agent/core/brand.ts';
import type { Due } from '../agent/core/receipt.ts';
import { fail, ok, type Result, under } from '../agent/core/result.ts';
import type { PeerKey } from '../agent/core/seat.ts';
import type { KeyId, SessionId } from '../agent/core/signed.ts';
import { host } from '../agent/host/node.ts';
import * as base64 from '../agent/wire/base64.ts';
import * as console from '../agent/wire/console.ts';
import * as wgquick from '../agent/wire/wgquick.ts';
import * as desks from './desk.ts';

export type Files = Readonly<{ keys: string; config: string; grant: string }>;
/** `isForApp`: one that cannot countersign. */
export type Wish = Readonly<{ offer: string; node: string | null; quota: string; days: string; isForApp: boolean }>;
export type Opened = Readonly<{ session: SessionId; node: KeyId; text: string }>;

/** `root`: the coordinator's. */
export async function open(files: Files, url: string, wish: Wish, root: PublicKey): Promise<Result<Opened>> {
  const own = keys.read(host, files.keys);
  if (!own.ok) return own;
  const [quota, span] = [parseSize(wish.quota), parseDays(wish.days)];
  if (!quota.ok) return { ok: false, fault: under('--quota', quota.fault) };
  if (!span.ok) return { ok: false, fault: under('--days', span.fault) };
  for (const path of [files.config, files.grant]) if (existsSync(path)) return fail('exists', path, 'is it of another session?');
  const { tunnel, signer } = own.value;
  const { offer: name, node, isForApp } = wish;
  const asked = { peer: base64.encode(own.value.public.tunnel) as PeerKey, bytes: quota.value, seconds: span.value };
  const opened = await desks.open(desks.at(url, signer, root), { ...asked, offer: name, node, countersigns: !isForApp });
  if (!opened.ok) return opened;
  const { session, standing, evidence, offer } = opened.value;
  const profile = opening.profile(evidence, standing.node, standing, isForApp ? base64.encode(tunnel) : null, host);
  if (!profile.ok) return profile;
  if (!isForApp) {
    const agreed = terms.parse(evidence, [root], signer.key, host);
    const [wrong] = agreed.ok ? opening.faultsOf({ ...asked, offer }, agreed.value.grant) : [agreed.fault];
    if (wrong !== undefined) return { ok: false, fault: wrong };
  }
  const config = wgquick.render(profile.value);
  const written = [create(files.config, config), create(files.grant, evidence)].find((one) => !one.ok);
  if (written?.ok === false) return written;
  const { price } = offer;
  const cost = price === null ? 'free' : `${money({ amount: price.micro, price })} for a MiB`;
  const line = `session ${session} of ${standing.node}: ${renderSize(quota.value)}, ${wish.days} days, ${cost}`;
  return ok({ session, node: standing.node, text: isForApp ? `${line}\n\n${config}\n${codeOf(config)}` : line });
}

export const money = ({ amount, price }: Due): string =>
  `${amount / 1_000_000n}.${(amount % 1_000_000n).toString().padStart(6, '0')} ${price.currency}`;

const create = (path: string, text: string): Result<unknown> => host.files.create(path, new TextEncoder().encode(text), 0o600);

function codeOf(config: string): string {
  // The quiet zone is the console's to make.
  const framed = encodeQR(config, 'raw', { ecc: 'low', border: 1 });
  return console.pixels(framed.slice(1, -1).map((row) => row.slice(1, -1))) ?? 'too long for a QR code on this console: take the file';
}
