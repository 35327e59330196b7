// Ports for servers that begin later, or come again.

import { createServer } from 'node:net';

const given = new Set<number>();

/** Below those that the kernel gives to whoever wants any: nobody takes it before its broker is there, nor while that is away. */
export async function freePort(): Promise<number> {
  for (;;) {
    const port = 10_000 + Math.floor(Math.random() * 22_000);
    const server = createServer();
    const isFree = await new Promise<boolean>((resolve) =>
      server.once('error', () => resolve(false)).listen(port, '127.0.0.1', () => resolve(true)),
    );
    if (isFree) await new Promise((resolve) => server.close(resolve));
    if (!isFree || given.has(port)) continue;
    given.add(port);
    return port;
  }
}
