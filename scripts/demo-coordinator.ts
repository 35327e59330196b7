// The demo's coordinator: the program itself on loopback, with its own broker over TLS and its own database in the demo's folder.

import { type ChildProcess, execFile, execFileSync, spawn } from 'node:child_process';
import { createHash, X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { base } from '../coordinator/desk.ts';

export type Coordinator = Readonly<{
  /** Its address here: the page, and what consumers ask. */
  url: string;
  ports: Readonly<{ http: number; mqtt: number }>;
  /** In hex. */
  root: string;
  /** An operator's. */
  token: string;
  ask(method: string, path: string, body?: object): Promise<unknown>;
  /** What of /etc/config/weir leads a router here. */
  settings(at: Readonly<{ host: string; port: number }>, code: string): string;
  close(): Promise<void>;
}>;

// They end with the demo, however it ends.
const program = ['--pdeathsig', 'KILL', process.execPath, 'scripts/run.mjs', 'coordinator/cli.ts'] as const;

/** `addresses`: where routers find it. */
export async function start(folder: string, addresses: readonly string[]): Promise<Coordinator> {
  const [dir, certificate, key] = [join(folder, 'coordinator'), join(folder, 'coordinator.crt'), join(folder, 'coordinator.key')];
  const names = addresses.map((address) => `IP:${address}`).join();
  const curve = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-subj', '/CN=coordinator'];
  execFileSync(
    'openssl',
    ['req', '-x509', ...curve, '-days', '2', '-addext', `subjectAltName=${names}`, '-keyout', key, '-out', certificate],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  const { stdout } = await promisify(execFile)('setpriv', [...program, 'init', '--dir', dir]);
  const said = (name: string): string => new RegExp(`^${name} +(\\S+)$`, 'm').exec(stdout)?.[1] ?? '';
  const [root, token, password] = [said('root'), said('token'), said('fleet')];
  const places = ['--http', '127.0.0.1:0', '--mqtt', '127.0.0.1:0', '--cert', certificate, '--key', key];
  const child = spawn('setpriv', [...program, 'run', '--dir', dir, ...places], { stdio: ['ignore', 'pipe', 'pipe'] });
  const ports = await begun(child);
  const url = `http://127.0.0.1:${ports.http}`;
  const pin = createHash('sha256')
    .update(new X509Certificate(readFileSync(certificate)).publicKey.export({ type: 'spki', format: 'der' }))
    .digest('hex');
  return {
    url,
    ports,
    root,
    token,
    async ask(method, path, body) {
      const sent = body === undefined ? {} : { body: JSON.stringify(body) };
      const answer = await fetch(url + base + path, { method, headers: { authorization: `Bearer ${token}` }, ...sent });
      const text = await answer.text();
      if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status}: ${text}`);
      return answer.headers.get('content-type')?.startsWith('application/json') === true ? JSON.parse(text) : text;
    },
    settings: ({ host, port }, code) => `
config broker 'broker'
	option host '${host}'
	option port '${port}'
	option version '3.1.1'
	option user 'weir'
	option password '${password}'
	option pin '${pin}'
	option keepalive '5'
	option spread '0'

config coordinator 'neighbours'
	option claim '${code}@${root}'
`,
    async close() {
      child.kill('SIGTERM');
      if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
    },
  };
}

function begun(child: ChildProcess): Promise<Coordinator['ports']> {
  let [said, heard] = ['', ''];
  child.stderr?.on('data', (text: Buffer) => {
    said += text.toString();
  });
  return new Promise((resolve, reject) => {
    child.stdout?.on('data', (text: Buffer) => {
      heard += text.toString();
      if (heard.includes('\n')) resolve(JSON.parse(heard) as Coordinator['ports']);
    });
    child.on('exit', (code) => reject(new Error(`the coordinator ended with ${code}:\n${said}`)));
  });
}
