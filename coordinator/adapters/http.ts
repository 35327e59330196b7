// HTTP, by Node. Behind a reverse proxy that speaks TLS, or on loopback.

import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Address } from '../../agent/core/ip.ts';
import { type Errno, fail, ok, type Result } from '../../agent/core/result.ts';
import { callerOf } from '../core/access.ts';
import type { Request, Response, Server } from '../ports/http.ts';

const mostBody = 65_536;

/** A browser runs nothing but the page's own files, asks nobody else, and shows it within no other page. */
const policy = ['script-src', 'worker-src', 'style-src', 'img-src', 'connect-src'].map((what) => `${what} 'self'`);
const headers = {
  'cache-control': 'no-store',
  'content-security-policy': ["default-src 'none'", ...policy, "base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"].join(
    '; ',
  ),
  'referrer-policy': 'no-referrer',
  'x-content-type-options': 'nosniff',
};

/** null: more than we take. */
async function bodyOf(message: IncomingMessage): Promise<Uint8Array | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of message as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > mostBody) return null;
    chunks.push(chunk);
  }
  return new Uint8Array(Buffer.concat(chunks));
}

/** `proxy`: the one in front, which says for whom it asks. */
export type Door = Readonly<{ host: string; port: number; proxy: Address | null }>;

export async function serve({ host, port, proxy }: Door, answer: (request: Request) => Promise<Response>): Promise<Result<Server>> {
  const server = createServer({ requestTimeout: 15_000, headersTimeout: 10_000, maxHeaderSize: 8192 }, (message, response) => {
    const say = ({ status, type, body }: Response): void => {
      response.writeHead(status, { 'content-type': type, ...headers });
      response.end(body);
    };
    const work = async (): Promise<void> => {
      const body = await bodyOf(message);
      if (body === null) {
        response.setHeader('connection', 'close');
        return say({
          status: 413,
          type: 'application/json',
          body: `{"error":{"code":"limit","path":"body","reason":"at most ${mostBody} bytes"}}`,
        });
      }
      const { method = '', url = '', socket } = message;
      const { authorization = null, 'x-forwarded-for': forwarded } = message.headers;
      const caller = callerOf({ from: socket.remoteAddress ?? '', forwarded: forwarded?.toString() }, proxy);
      say(await answer({ method, url, authorization, caller, body }));
    };
    // A request that broke off has nobody to be answered.
    work().catch(() => response.destroy());
  });
  const failed = await new Promise<NodeJS.ErrnoException | null>((resolve) => {
    server.once('error', resolve);
    server.listen(port, host, () => resolve(null));
  });
  if (failed !== null) return fail(failed.code as Errno, 'http', failed.message);
  return ok({
    port: (server.address() as AddressInfo).port,
    end: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  });
}
