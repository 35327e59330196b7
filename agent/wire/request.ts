// A request over HTTP as a consumer signs it for a coordinator: whole, for whom and when, so that nothing of it is of use to who has seen it.

import type { PublicKey } from '../core/brand.ts';
import type { Hashes } from '../core/hash.ts';
import type { Signer } from '../crypto/ed25519.ts';
import { hexOf } from './form.ts';

/** `root`: of the coordinator that is asked. */
export type Request = Readonly<{ root: PublicKey; method: string; url: string; body: Uint8Array }>;

/** `time`: seconds, in decimal. */
export const toBeSigned = ({ root, method, url, body }: Request, time: string, { sha256 }: Pick<Hashes, 'sha256'>): Uint8Array =>
  new TextEncoder().encode(`weir request\n${hexOf(root)}\n${method}\n${url}\n${time}\n${hexOf(sha256(body))}`);

/** The header of this name. */
export const authorization = (request: Request, time: string, { key, sign }: Signer, hashes: Pick<Hashes, 'sha256'>): string =>
  `Weir ${hexOf(key)} ${time} ${hexOf(sign(toBeSigned(request, time, hashes)))}`;
