// A real NATS for a test: its gateway for MQTT 3.1.1, with JetStream under it. Its gateway has one door, so there are two servers, one of
// them with TLS; they know nothing of one another.

import type { ChildProcess } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { makeCertificates, name } from './certificates.ts';
import { type Broker, begin, ended, here, stopped } from './mosquitto.ts';
import { freePort } from './port.ts';

const servers = ['plain', 'secure'] as const;
const [user, password] = ['weir', 'correct horse'];

export async function start(): Promise<Broker> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-nats-'));
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const [port, tlsPort] = [await freePort(), await freePort()];
  const certificates = makeCertificates();
  for (const [file, text] of [
    ['broker.crt', certificates.of.good],
    ['broker.key', certificates.key],
    ['plain.conf', conf(dir, 'plain', port, '')],
    ['secure.conf', conf(dir, 'secure', tlsPort, `tls { cert_file: "${dir}/broker.crt", key_file: "${dir}/broker.key" }`)],
  ] as const)
    writeFileSync(join(dir, file), text);
  const run = (): Promise<ChildProcess[]> =>
    Promise.all(servers.map((which) => begin(here, ['nats-server', '-c', join(dir, `${which}.conf`)], /Server is ready/)));
  let children = await run();
  const all = async (signal: NodeJS.Signals): Promise<void> => {
    await Promise.all(children.map((child) => ended(child, signal)));
  };
  const wake = (): void => {
    for (const child of children) child.kill('SIGCONT');
  };
  return {
    port,
    tlsPort,
    user,
    password,
    folder: dir,
    name,
    authority: certificates.authority,
    pin: certificates.pin,
    stranger: makeCertificates().authority,
    async kill() {
      await all('SIGKILL');
      // It writes everything at once, and loses nothing by itself.
      for (const which of servers) rmSync(join(dir, which), { recursive: true, force: true });
    },
    end: () => all('SIGTERM'),
    async restart() {
      children = await run();
    },
    async stall() {
      await Promise.all(children.map(stopped));
    },
    wake,
    async stop() {
      wake();
      await all('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Its own clients' door is not used; -1 is a port of the kernel's choice. */
const conf = (dir: string, which: string, port: number, tls: string): string => `
server_name: ${which}
listen: "127.0.0.1:-1"
jetstream { store_dir: "${dir}/${which}" }
mqtt {
  listen: "127.0.0.1:${port}"
  authorization { username: "${user}", password: "${password}" }
  # By default it waits half a minute before it says again what a client that is gone has not answered.
  ack_wait: "3s"
  ${tls}
}
`;
