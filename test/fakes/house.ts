// All that surrounds Weir's processes, on one machine: a ubusd with a router's objects on it, Mosquitto, a name server that knows only the
// broker; and the processes themselves, each in a WebAssembly engine of its own.

import { createSocket } from 'node:dgram';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { millis } from '../../agent/core/brand.ts';
import { ok, type Result } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import type { Datagram, Host, Signal } from '../../agent/ports/host.ts';
import { bundle, type Role } from '../../build/bundle.ts';
import * as mosquitto from './mosquitto.ts';
import * as router from './router.ts';
import { startUbusd } from './ubusd.ts';

export type Guest = Readonly<{
  ended: Promise<Result<number>>;
  /** Lines of its log so far, and what it printed. */
  lines: readonly string[];
  printed(): string;
  /** Resolves with the first line, past or future, that matches; fails when the process ends without one. */
  says(pattern: RegExp): Promise<string>;
  signal(name: Signal): void;
  /** As by SIGKILL. */
  stop(): void;
}>;

export type House = Readonly<{
  broker: mosquitto.Broker;
  /** What stands in /etc/config/weir. */
  config: string;
  run(role: Role, ...args: string[]): Promise<Guest>;
  cutBus(): Promise<void>;
  restoreBus(): Promise<void>;
  close(): Promise<void>;
}>;

/** Several times what an agent uses when it is connected. */
const memoryLimit = 4 << 20;

export async function open(onLine: (role: Role, line: string) => void = () => undefined, config?: string): Promise<House> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-house-'));
  // Also when it does not come to `close`.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const socket = join(dir, 'ubus.sock');
  const broker = await mosquitto.start();
  const authority = join(dir, 'authority.pem');
  writeFileSync(authority, broker.authority);
  const weir = config ?? configOf(broker, authority);
  const names = await nameServer(broker.name);
  const made = await bundle();
  const modules = new Map(made.modules.map((module) => [module.name, module.source]));
  let bus = await openBus(socket, weir);
  const guests = new Set<Guest>();

  return {
    broker,
    config: weir,
    async run(role, ...args) {
      const signals = new Map<Signal, () => void>();
      const lines: string[] = [];
      const waiting = new Set<() => void>();
      let printed = '';
      const running = await runWasm({
        host: {
          ...names.under(host),
          process: {
            ...host.process,
            env: (name) => (name === 'UBUS_SOCKET' ? socket : null),
            onSignal: (name, fire) => void signals.set(name, fire),
          },
          log(line) {
            lines.push(line);
            onLine(role, line);
            for (const check of [...waiting]) check();
          },
          print(text) {
            printed += text;
          },
        },
        modules,
        entry: made.entries[role],
        args,
        memoryLimit,
        deadline: millis(5000),
      });
      const guest: Guest = {
        ended: running.ended,
        lines,
        printed: () => printed,
        says: (pattern) =>
          new Promise((resolve, reject) => {
            const check = (): void => {
              const line = lines.find((l) => pattern.test(l));
              if (line !== undefined) resolve(line);
            };
            waiting.add(check);
            check();
            running.ended.then((how) =>
              reject(new Error(`${role} ended (${JSON.stringify(how)}) and never said ${pattern}:\n${lines.join('\n')}`)),
            );
          }),
        signal: (name) => signals.get(name)?.(),
        stop: running.stop,
      };
      guests.add(guest);
      return guest;
    },
    cutBus: () => bus.close(),
    async restoreBus() {
      bus = await openBus(socket, weir);
    },
    async close() {
      for (const guest of guests) guest.stop();
      await bus.close();
      names.close();
      await broker.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const configOf = (broker: mosquitto.Broker, authority: string): string => `
config node 'node'
	option id 'roof-1'

config broker 'broker'
	option host '${broker.name}'
	option port '${broker.tlsPort}'
	option user '${broker.user}'
	option password '${broker.password}'
	option authority '${authority}'
	option spread '0'
`;

async function openBus(socket: string, weir: string): Promise<{ close(): Promise<void> }> {
  const ubusd = await startUbusd({ path: socket });
  const objects = await router.start(socket, host.clock, { ...router.configs, weir });
  return {
    async close() {
      objects.stop();
      await ubusd.stop();
    },
  };
}

/** Answers every question for an IPv4 address with 127.0.0.1 when it is about `name`, and with "no such name" otherwise. `under` gives a
 *  host whose resolv.conf and port 53 lead here. */
async function nameServer(name: string): Promise<{ under(host: Host): Host; close(): void }> {
  const socket = createSocket('udp4');
  const label = Buffer.from(
    name
      .split('.')
      .map((part) => String.fromCharCode(part.length) + part)
      .join(''),
    'latin1',
  );
  socket.on('message', (query, from) => {
    const known = query.subarray(12, 12 + label.length).equals(label);
    const isFour = query.at(-3) === 1;
    const flags = known ? [0x81, 0x80] : [0x81, 0x83];
    const head = Buffer.from([...query.subarray(0, 2), ...flags, 0, 1, 0, known && isFour ? 1 : 0, 0, 0, 0, 0]);
    const question = query.subarray(12);
    const answer = known && isFour ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]) : Buffer.alloc(0);
    socket.send(Buffer.concat([head, question, answer]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address();
  const conf = new TextEncoder().encode('nameserver 127.0.0.1\n');
  return {
    under: (host) => ({
      ...host,
      files: { ...host.files, read: (path, most) => (path === '/etc/resolv.conf' ? ok(conf) : host.files.read(path, most)) },
      net: {
        ...host.net,
        bindUdp(at, events) {
          const bound = host.net.bindUdp(at, { ...events, received: (bytes, from) => events.received(bytes, { ...from, port: 53 }) });
          if (!bound.ok) return bound;
          const datagram: Datagram = { ...bound.value, send: (bytes, to) => bound.value.send(bytes, { ...to, port }) };
          return ok(datagram);
        },
      },
    }),
    close: () => socket.close(),
  };
}
