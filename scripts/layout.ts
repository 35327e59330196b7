// Makes build/layout.ld anew: the functions that an enforcer asleep and an agent connected by TLS have run, which the linker then puts side
// by side. Both run under qemu-user, which writes down what it translates; bus and broker stand beside them.

import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { host } from '../agent/host/node.ts';
import { layout, nativeWithSymbols } from '../build/native.ts';
import * as mosquitto from '../test/fakes/mosquitto.ts';
import * as objects from '../test/fakes/router.ts';
import { startUbusd } from '../test/fakes/ubusd.ts';

const folder = mkdtempSync(join(tmpdir(), 'weir-layout-'));
const [socket, authority] = [join(folder, 'ubus.sock'), join(folder, 'authority.pem')];
const broker = await mosquitto.start();
writeFileSync(authority, broker.authority);
const ubusd = await startUbusd({ path: socket });
const weir = `
config node 'node'
	option id 'roof-1'

config broker 'broker'
	option host '127.0.0.1'
	option port '${broker.tlsPort}'
	option user '${broker.user}'
	option password '${broker.password}'
	option authority '${authority}'
	option spread '0'
`;
const router = await objects.start(socket, host.clock, { ...objects.configs, weir });
const binary = await nativeWithSymbols('mipsel_24kc');
const functions = symbols(binary);

try {
  const enforcer = run('enforcer');
  await enforcer.says('weir.enforcer is there');
  const agent = run('agent');
  await agent.says('published .*/state');
  const [one, other] = [await enforcer.stop(), await agent.stop()];
  const groups = [one.filter((f) => other.includes(f)), one.filter((f) => !other.includes(f)), other.filter((f) => !one.includes(f))];
  writeFileSync(layout, render(groups.flat()));
} finally {
  router.stop();
  await ubusd.stop();
  await broker.stop();
  rmSync(folder, { recursive: true });
}

function render(names: readonly string[]): string {
  const head =
    '/* Written by scripts/layout.ts: functions that an enforcer asleep and an agent connected by TLS have run, side by side. A kernel maps 16\n' +
    '   pages for each that is touched, so what is touched should be neighbours. */\n';
  // MIPS procedure descriptors are a debugger's; `-s` leaves them.
  return `${head}SECTIONS { /DISCARD/ : { *(.pdr) } .text.near : {\n${names.map((name) => `*(.text.${name})\n`).join('')}} } INSERT BEFORE .text;\n`;
}

type Running = Readonly<{ says(what: string): Promise<void>; stop(): Promise<string[]> }>;

function run(role: string): Running {
  const log = join(folder, role);
  const child = spawn('qemu-mipsel-static', ['-d', 'in_asm', '-D', log, binary, role], {
    env: { UBUS_SOCKET: socket, WEIR_FOLDER: folder },
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  let said = '';
  let heard = (): void => undefined;
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said += text;
    heard();
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    says: (what) =>
      new Promise((resolve, reject) => {
        heard = () => new RegExp(what).test(said) && resolve();
        void ended.then(() => reject(new Error(`${role} never said ${what}\n${said}`)));
        heard();
      }),
    async stop() {
      child.kill('SIGTERM');
      await ended;
      const addresses = [...readFileSync(log, 'utf8').matchAll(/^0x([0-9a-f]{8}):/gm)].map(([, hex = '']) => Number.parseInt(hex, 16));
      const starts = new Set(addresses.map((address) => functions.findLast(({ start }) => start <= address)?.start));
      // Of several names of one function any may be its section's.
      return functions.filter(({ start }) => starts.has(start)).map(({ name }) => name);
    },
  };
}

function symbols(path: string): readonly Readonly<{ start: number; name: string }>[] {
  const table = execFileSync('nm', ['-n', path], { encoding: 'utf8', maxBuffer: 1 << 26 });
  return [...table.matchAll(/^([0-9a-f]{8}) [tTW] (\w+)$/gm)].map(([, hex = '', name = '']) => ({ start: Number.parseInt(hex, 16), name }));
}
