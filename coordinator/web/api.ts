// Asks the coordinator that has served this page: what it answers is of the same version, and is taken as the types say. Knows how who asks is
// told, and keeps no secret.

import type { PublicKey, SecretKey } from '../../agent/core/brand.ts';
import { type Fault, fail, ok, type Result } from '../../agent/core/result.ts';
import * as ed25519 from '../../agent/crypto/ed25519.ts';
import { portable } from '../../agent/crypto/sha.ts';
import { bytesOf } from '../../agent/wire/form.ts';
import * as request from '../../agent/wire/request.ts';

const base = '/api/v1';

/** The header for a GET of this address. */
export type Credentials = (url: string) => string;
export type Api = Readonly<{
  get<T extends object>(path: string): Promise<Result<T>>;
  text(path: string): Promise<Result<string>>;
}>;

export const byToken =
  (token: string): Credentials =>
  () =>
    `Bearer ${token}`;

/** Of the coordinator's clock against this one's, in seconds: a signature holds for a minute of the coordinator's. */
let ahead = 0;

/** `secret`, `root`: in hex. A signature is taken once, so that the same request within a second is of the next one. */
export function byKey(secret: string, root: string): Credentials {
  const signer = ed25519.signer(bytesOf(secret) as SecretKey, portable.sha512);
  const last = new Map<string, number>();
  return (url) => {
    const time = Math.max(Math.floor(Date.now() / 1000) + ahead, (last.get(url) ?? 0) + 1);
    last.set(url, time);
    return request.authorization(
      { root: bytesOf(root) as PublicKey, method: 'GET', url, body: new Uint8Array() },
      `${time}`,
      signer,
      portable,
    );
  };
}

export function open(credentials: Credentials | null): Api {
  async function ask(path: string): Promise<Result<Response>> {
    const url = base + path;
    let response: Response;
    try {
      response = await fetch(url, { headers: credentials === null ? {} : { authorization: credentials(url) } });
    } catch {
      return fail('closed', '', 'the coordinator does not answer');
    }
    const date = Date.parse(response.headers.get('date') ?? '');
    if (!Number.isNaN(date)) ahead = Math.round((date - Date.now()) / 1000);
    if (response.ok) return ok(response);
    if (response.headers.get('content-type') !== 'application/json')
      return fail('foreign', '', `there is an answer ${response.status}, and not the coordinator’s`);
    const { error } = (await response.json()) as { error: Fault };
    return { ok: false, fault: error };
  }
  return {
    async get<T extends object>(path: string) {
      const answer = await ask(path);
      return answer.ok ? ok((await answer.value.json()) as T) : answer;
    },
    async text(path) {
      const answer = await ask(path);
      return answer.ok ? ok(await answer.value.text()) : answer;
    },
  };
}
