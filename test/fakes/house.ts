// All that surrounds Weir's processes, on one machine: a ubusd with a router's objects on it, Mosquitto, a name server that knows only the
// broker; and the processes themselves, each in a WebAssembly engine of its own, or as the native program.

import { createSocket } from 'node:dgram';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ok } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import type { Datagram, Host } from '../../agent/ports/host.ts';
import { bundle, type Role } from '../../build/bundle.ts';
import type { Guest } from './guest.ts';
import * as guests from './guest.ts';
import * as mosquitto from './mosquitto.ts';
import * as router from './router.ts';
import * as ubusd from './ubusd.ts';

export type House = Readonly<{
  broker: mosquitto.Broker;
  /** Where its ubusd is: for root, and for user weir with what the package's ACL lets it do. */
  socket: string;
  door: string;
  /** What was called, and by whom. */
  called: readonly ubusd.Called[];
  /** What stands in /etc/config/weir. */
  config: string;
  run(role: Role, ...args: string[]): Promise<Guest>;
  /** Without `names` it finds no name server: for brokers that are known by address. */
  runNative(role: Role, env?: Readonly<Record<string, string>>): Promise<Guest>;
  /** What the name server says from now on: the truth, or that it failed. */
  names(how: 'work' | 'fail'): void;
  cutBus(): Promise<void>;
  restoreBus(): Promise<void>;
  close(): Promise<void>;
}>;

/** `config`: of the broker and the path of its authority. `ground`: what the WebAssembly engines run on. `broker`: one that is there and
 *  stays. `names`: an address whose port 53 is free for the name server. */
export type Terms = Readonly<{
  config?: string | ((broker: mosquitto.Broker, authority: string) => string);
  ground?: Host;
  broker?: mosquitto.Broker;
  names?: string;
}>;

export async function open(
  onLine: (role: Role, line: string) => void = () => undefined,
  { config = configOf, ground = host, broker: given, names: at }: Terms = {},
): Promise<House> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-house-'));
  // Also when it does not come to `close`.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const socket = join(dir, 'ubus.sock');
  const [folder, acl, door] = [join(dir, 'agent'), join(dir, 'acl'), join(dir, 'weir.sock')];
  mkdirSync(folder, { mode: 0o700 });
  mkdirSync(acl);
  copyFileSync('openwrt/weir/files/weir.acl.json', join(acl, 'weir.json'));
  const broker = given ?? (await mosquitto.start());
  const authority = join(dir, 'authority.pem');
  writeFileSync(authority, broker.authority);
  const weir = typeof config === 'string' ? config : config(broker, authority);
  const names = await nameServer(broker.name, at);
  const resolv = join(dir, 'resolv.conf');
  writeFileSync(resolv, `nameserver ${at ?? '127.0.0.1'}\n`);
  const made = await bundle();
  const called: ubusd.Called[] = [];
  const others = [{ path: door, user: 'weir', group: 'weir' }];
  const onBus = () => openBus({ path: socket, acl, others, called: (call) => void called.push(call) }, weir);
  let bus = await onBus();
  const here = new Set<Guest>();
  const welcome = (guest: Guest): Guest => {
    here.add(guest);
    return guest;
  };
  const env = { UBUS_SOCKET: socket, WEIR_FOLDER: folder, RESOLV_CONF: resolv };
  const startOf = (role: Role, args: readonly string[], more: Readonly<Record<string, string>> = {}): guests.Start => ({
    role,
    args,
    env: { ...env, ...(role === 'agent' ? { UBUS_SOCKET: door } : {}), ...more },
    onLine: (line) => onLine(role, line),
  });

  return {
    broker,
    socket,
    door,
    called,
    config: weir,
    run: async (role, ...args) => welcome(await guests.inWasm(made, names.under(ground), startOf(role, args))),
    runNative: async (role, more) => welcome(await guests.asProgram(startOf(role, [], more))),
    names: names.how,
    cutBus: () => bus.close(),
    async restoreBus() {
      bus = await onBus();
    },
    async close() {
      for (const guest of here) guest.stop();
      await bus.close();
      names.close();
      if (given === undefined) await broker.stop();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

const configOf = (broker: mosquitto.Broker, authority: string): string =>
  `config node 'node'\n\toption id 'roof-1'\n${mosquitto.section(broker, broker.name, authority)}`;

async function openBus(options: ubusd.Options, weir: string): Promise<{ close(): Promise<void> }> {
  const daemon = await ubusd.startUbusd(options);
  const objects = await router.start(options.path, host.clock, { ...router.configs, weir });
  return {
    async close() {
      objects.stop();
      await daemon.stop();
    },
  };
}

/** Answers every question for an IPv4 address with 127.0.0.1 when it is about `name`, and with "no such name" otherwise. Where
 *  port 53 of no address is free, `under` gives a host whose port 53 is here. */
async function nameServer(name: string, at?: string): Promise<{ under(host: Host): Host; how(is: 'work' | 'fail'): void; close(): void }> {
  const socket = createSocket('udp4');
  let hasFailed = false;
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
    const code = hasFailed ? 2 : known ? 0 : 3;
    const isThere = code === 0 && isFour;
    const head = Buffer.from([...query.subarray(0, 2), 0x81, 0x80 | code, 0, 1, 0, isThere ? 1 : 0, 0, 0, 0, 0]);
    const question = query.subarray(12);
    const answer = isThere ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1]) : Buffer.alloc(0);
    socket.send(Buffer.concat([head, question, answer]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(at === undefined ? 0 : 53, at ?? '127.0.0.1', resolve));
  const { port } = socket.address();
  return {
    under: (host) => ({
      ...host,
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
    how(is) {
      hasFailed = is === 'fail';
    },
    close: () => socket.close(),
  };
}
