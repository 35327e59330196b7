// A real Mosquitto for a test: on loopback, on ports of its own, with a password, and over TLS with certificates made on the spot.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './port.ts';

/** The section of /etc/config/weir that leads here. `authority`: the path of its PEM. */
export const section = ({ tlsPort, user, password }: Broker, host: string, authority: string): string => `
config broker 'broker'
	option host '${host}'
	option port '${tlsPort}'
	option user '${user}'
	option password '${password}'
	option authority '${authority}'
	option spread '0'
`;

export type Broker = Readonly<{
  port: number;
  tlsPort: number;
  user: string;
  password: string;
  /** Its files. */
  folder: string;
  /** What its certificate is for. */
  name: string;
  /** PEM of the authority that signed it, and of one that did not. */
  authority: string;
  stranger: string;
  /** SHA-256 of its public key, in hexadecimal. */
  pin: string;
  /** `kill -9`, which loses what it had; an orderly end, which stores it; and again on the same ports. */
  kill(): Promise<void>;
  end(): Promise<void>;
  restart(): Promise<void>;
  /** SIGSTOP and SIGCONT: it holds its connections and says nothing. */
  stall(): Promise<void>;
  wake(): void;
  stop(): Promise<void>;
}>;

const user = 'weir';
const password = 'correct horse';
const name = 'broker.test';

/** Starts a program somewhere, in an environment that finds it. */
export type Launch = (argv: readonly [string, ...string[]]) => ChildProcess;

export const here: Launch = ([command, ...args]) =>
  spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: `${process.env['PATH']}:/usr/sbin` } });

/** `address`: where its clients find it; its certificate is for that, too. */
export async function start(address = '127.0.0.1', launch = here): Promise<Broker> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-mosquitto-'));
  const path = (file: string): string => join(dir, file);
  // Also when a test fails in the middle.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const [port, tlsPort] = [await freePort(), await freePort()];
  makeCertificates(dir, address);
  execFileSync('mosquitto_passwd', ['-b', '-c', path('passwords'), user, password]);
  writeFileSync(
    path('conf'),
    `user ${userInfo().username}
per_listener_settings false
allow_anonymous false
password_file ${path('passwords')}
persistence true
persistence_location ${dir}/
autosave_interval 0
log_dest stderr
log_type all
listener ${port} 127.0.0.1
listener ${tlsPort} 127.0.0.1
certfile ${path('broker.crt')}
keyfile ${path('broker.key')}
`,
  );
  const run = (): Promise<ChildProcess> => begin(launch, ['mosquitto', '-c', path('conf')], / running$/m);
  let child = await run();
  const { publicKey } = new X509Certificate(readFileSync(path('broker.crt')));
  return {
    port,
    tlsPort,
    user,
    password,
    folder: dir,
    name,
    authority: readFileSync(path('authority.crt'), 'utf8'),
    stranger: readFileSync(path('stranger.crt'), 'utf8'),
    pin: createHash('sha256')
      .update(publicKey.export({ type: 'spki', format: 'der' }))
      .digest('hex'),
    kill: () => ended(child, 'SIGKILL'),
    end: () => ended(child, 'SIGTERM'),
    async restart() {
      child = await run();
    },
    stall: () => stopped(child),
    wake: () => void child.kill('SIGCONT'),
    async stop() {
      child.kill('SIGCONT');
      await ended(child, 'SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

/** Until it says that it is ready. */
export function begin(launch: Launch, argv: Parameters<Launch>[0], ready: RegExp): Promise<ChildProcess> {
  const child = launch(argv);
  const kill = (): unknown => child.kill('SIGKILL');
  process.once('exit', kill);
  child.on('exit', () => process.off('exit', kill));
  return new Promise((resolve, reject) => {
    let said = '';
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
      if (ready.test(said)) resolve(child);
    });
    child.on('error', reject);
    child.on('exit', (code) => reject(new Error(`${argv[0]} ended with ${code}:\n${said}`)));
  });
}

export function ended(child: ChildProcess, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once('exit', () => resolve());
    child.kill(signal);
  });
}

/** Until each of its threads stands still: one goes on until it is told, and may answer meanwhile. */
export async function stopped(child: ChildProcess): Promise<void> {
  child.kill('SIGSTOP');
  const threads = `/proc/${child.pid}/task`;
  const isStill = (thread: string): boolean => /\) T [^)]*$/.test(readFileSync(join(threads, thread, 'stat'), 'utf8'));
  for (let tries = 0; !readdirSync(threads).every(isStill); tries++) {
    if (tries === 4000) throw new Error(`process ${child.pid} does not stop`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

function makeCertificates(dir: string, address: string): void {
  const openssl = (...args: string[]): void => void execFileSync('openssl', args, { cwd: dir, stdio: ['ignore', 'ignore', 'pipe'] });
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  for (const who of ['authority', 'stranger'])
    openssl('req', '-x509', ...key, '-keyout', `${who}.key`, '-out', `${who}.crt`, '-days', '2', '-subj', `/CN=${who}`);
  openssl('req', ...key, '-keyout', 'broker.key', '-out', 'broker.csr', '-subj', `/CN=${name}`);
  writeFileSync(join(dir, 'san'), `subjectAltName=DNS:${name},IP:${address}\n`);
  const signer = ['-CA', 'authority.crt', '-CAkey', 'authority.key', '-CAcreateserial'];
  openssl('x509', '-req', '-in', 'broker.csr', ...signer, '-out', 'broker.crt', '-days', '2', '-extfile', 'san');
}
