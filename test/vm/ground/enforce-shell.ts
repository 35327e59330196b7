// A router at hand: boots one and lends shells on it, which call back here. A test then speaks with it line by line, as with a namespace of
// its own machine. Knows nothing of what is asked.

import { randomBytes } from 'node:crypto';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { host, type Order, runRouter } from './router.ts';

export type Shell = Readonly<{
  /** Runs a script of busybox's sh and gives back what it printed. Throws when it fails. */
  run(script: string): Promise<string>;
}>;

export type Router = Readonly<{
  root: Shell;
  /** Another one, under a command that starts it: `nsenter …`, say. */
  open(under?: string): Promise<Shell>;
  /** Ends the script of the router and waits for its power to be off. */
  close(): Promise<void>;
}>;

export async function bootRouter(order: Omit<Order, 'script'>): Promise<Router> {
  const callers: ((socket: Socket) => void)[] = [];
  const sockets: Socket[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    // What a router that is off has to say nobody waits for.
    socket.on('error', () => socket.destroy());
    sockets.push(socket);
    callers.shift()?.(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const called = (): Promise<Socket> => new Promise((resolve) => callers.push(resolve));

  const first = called();
  const running = runRouter({ ...order, script: `exec nc ${host} ${port} -e sh` });
  const failed = running.then(
    ({ output }) => Promise.reject(new Error(`the router is off: ${output}`)),
    (error: unknown) => Promise.reject(error),
  );
  // Whoever waits for a shell hears of it; nobody may be waiting.
  failed.catch(() => undefined);
  failed.catch(() => server.close());
  const root = shellOn(await Promise.race([first, failed]), failed);
  return {
    root,
    async open(under = '') {
      const next = called();
      await root.run(`nc ${host} ${port} -e ${under} sh >/dev/null 2>&1 &`);
      return shellOn(await Promise.race([next, failed]), failed);
    },
    async close() {
      for (const socket of sockets) socket.end();
      // One that has failed was heard of by whoever waited for a shell.
      await running.catch(() => undefined);
      server.close();
    },
  };
}

function shellOn(socket: Socket, failed: Promise<never>): Shell {
  let turn: Promise<unknown> = Promise.resolve();
  const converse = (script: string): Promise<string> => {
    const mark = randomBytes(8).toString('hex');
    return new Promise((resolve, reject) => {
      const chunks: Buffer[] = [];
      const take = (bytes: Buffer): void => {
        chunks.push(bytes);
        // The mark is not in what was sent, so that no echo of it can end the answer.
        const said = Buffer.concat(chunks).toString();
        const end = new RegExp(`^([^]*)${mark}=(\\d+)\n$`).exec(said);
        if (end === null) return;
        socket.off('data', take);
        const [, output = '', status] = end;
        if (status === '0') resolve(output);
        else reject(new Error(`${script.slice(0, 200)}\n… ended with ${status}\n${output.slice(-2000)}`));
      };
      socket.on('data', take);
      socket.write(`( ${script}\n) 2>&1 </dev/null; echo ${mark}=$?\n`);
    });
  };
  return {
    run(script) {
      const mine = turn.then(() => Promise.race([converse(script), failed]));
      turn = mine.catch(() => undefined);
      return mine;
    },
  };
}
