// The demo's stage without power over this machine: agent and command line in WebAssembly, on a bus that is a stand-in, over a kernel and
// a tunnel that are numbers.

import { appendFileSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ubus from '../agent/adapters/ubus-client.ts';
import * as client from '../agent/consumer/client.ts';
import * as configuration from '../agent/consumer/configuration.ts';
import * as keys from '../agent/consumer/keys.ts';
import * as terms from '../agent/consumer/terms.ts';
import { type ByteCount, millis } from '../agent/core/brand.ts';
import { ok, text } from '../agent/core/result.ts';
import type { Pair } from '../agent/core/seat.ts';
import { host } from '../agent/host/node.ts';
import type { Host, Net } from '../agent/ports/host.ts';
import * as evidence from '../agent/wire/evidence.ts';
import { bundle } from '../build/bundle.ts';
import { lying } from '../test/consumer/liar.ts';
import * as enforcer from '../test/fakes/enforcer.ts';
import * as guests from '../test/fakes/guest.ts';
import * as mosquitto from '../test/fakes/mosquitto.ts';
import * as router from '../test/fakes/router.ts';
import * as seats from '../test/fakes/seats.ts';
import { startUbusd } from '../test/fakes/ubusd.ts';
import { must, peerOf, type Stage } from './demo-stage.ts';

/** Of the tunnel's end on the router, beyond what seats.ts gives away; and a public address of the router, which nobody calls. */
const tunnel = { address4: '10.213.255.254', address6: 'fd00::fffe' };
const uplink = { name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: [], dns: [] };
const packet = 1400;
const config = "config limits 'limits'\n\toption session_rate_up '20000'\n\toption session_rate_down '20000'\n";

/** UDP among those who have bound an address here. */
function ether(): Net['bindUdp'] {
  const bound = new Map<string, Parameters<Net['bindUdp']>[1]>();
  return ({ address, port }, events) => {
    const place = `${address} ${port}`;
    bound.set(place, events);
    return ok({
      port,
      send(bytes, to) {
        setImmediate(() => bound.get(`${to.address} ${to.port}`)?.received(bytes, { address, port }));
        return ok(undefined);
      },
      close: () => void bound.delete(place),
    });
  };
}

export async function open(): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-demo-'));
  const own = join(folder, 'agent');
  mkdirSync(own, { mode: 0o700 });
  const socket = join(folder, 'ubus.sock');
  const made = await bundle();
  const broker = await mosquitto.start();
  const authority = join(folder, 'authority.pem');
  writeFileSync(authority, broker.authority);
  const ubusd = await startUbusd({ path: socket });
  const fakes = await router.start(socket, host.clock, {
    ...router.configs,
    weir: `${config}${mosquitto.section(broker, '127.0.0.1', authority)}`,
  });
  const connect = async (): Promise<ubus.Bus> =>
    must(await ubus.open(host, { path: socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
  const [bus, enforcing] = [await connect(), await connect()];
  const kernel = seats.seats(host.clock.monotonic);
  const ground: Host = { ...host, net: { ...host.net, bindUdp: ether() } };
  const env = { UBUS_SOCKET: socket, WEIR_FOLDER: own };
  const running = new Set<guests.Guest>();
  const consumers = new Set<client.Client>();
  let agent: guests.Guest | null = null;

  async function run(role: 'agent' | 'cli', ...args: readonly string[]): Promise<guests.Guest> {
    const guest = await guests.inWasm(made, ground, { role, args, env, onLine: () => undefined });
    running.add(guest);
    return guest;
  }
  const restart = async (): Promise<void> => {
    agent = await run('agent');
    await agent.says(/link: connected to/);
  };

  return {
    scene: [
      'in WebAssembly: the agent and the command line, as a router runs them',
      'Mosquitto on loopback, with TLS and a password, to which the agent is connected',
      'numbers only: kernel, enforcer, tunnel, Internet; a stand-in: the bus',
    ],
    hints: ['Nothing of it can be seen from outside.'],
    async begin() {
      must(
        await enforcing.publish(
          'weir.enforcer',
          enforcer.methods(enforcing, kernel, { ...tunnel, key: 'A'.repeat(43).concat('='), uplinks: [uplink] }),
        ),
      );
      await restart();
    },
    share: async () => undefined,
    bus,
    async weir(...args) {
      const ran = await run('cli', ...args);
      const ended = await ran.ended;
      running.delete(ran);
      return { code: ended.ok ? ended.value : text(ended.fault), stdout: ran.printed(), stderr: ran.lines.join('\n') };
    },
    async join(ticket, lie) {
      const { signer } = must(keys.read(host, ticket.keys));
      const key = peerOf(ticket);
      const lines: string[] = [];
      const heard = new Set<() => void>();
      let counted: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
      const count = () => ok(counted);
      const mine = lie === null ? { net: ground.net, count } : lying(lie, ground, signer, count);
      const started = must(
        client.start(
          { ...ground, net: mine.net },
          {
            learn: (grant) => appendFileSync(ticket.grant, evidence.render([grant])),
            terms: () => must(terms.parse(readFileSync(ticket.grant, 'utf8'), [], signer.key, host)),
            signer,
            addresses: must(configuration.parse(readFileSync(ticket.config, 'utf8'))).addresses.map((address) =>
              address.replace(/\/.*/, ''),
            ),
            path: `${ticket.grant}.book`,
            count: mine.count,
          },
          {
            heard({ sequence }, opinion) {
              if (opinion.kind === 'known') return;
              lines.push(`receipt ${sequence}: ${opinion.kind}${opinion.kind === 'disputed' ? ` because of its ${opinion.reason}` : ''}`);
              for (const check of [...heard]) check();
            },
            failed: (why) => lines.push(text(why)),
          },
        ),
      );
      consumers.add(started);
      return {
        async download(bytes) {
          let arrived = 0;
          for (let passed = true; passed && arrived < bytes; ) {
            const { down } = kernel.pass(key, 0, packet);
            passed = down > 0n;
            counted = { ...counted, down: (counted.down + down) as ByteCount };
            arrived += Number(down);
          }
          return arrived;
        },
        says: (pattern) =>
          new Promise((resolve) => {
            const check = (): void => {
              const line = lines.find((l) => pattern.test(l));
              if (line === undefined) return;
              heard.delete(check);
              resolve(line);
            };
            heard.add(check);
            check();
          }),
        async leave() {
          consumers.delete(started);
          started.close();
        },
      };
    },
    async kill() {
      agent?.stop();
    },
    restart,
    says: async (pattern) => {
      if (agent === null) throw new Error('the agent has not begun');
      return agent.says(pattern);
    },
    async close() {
      for (const consumer of consumers) consumer.close();
      for (const guest of running) guest.stop();
      for (const one of [bus, enforcing]) one.close();
      fakes.stop();
      await ubusd.stop();
      await broker.stop();
    },
  };
}
