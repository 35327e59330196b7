// The demo's stage without power over this machine: agents and command line in WebAssembly, on buses that are stand-ins, over kernels and tunnels
// that are numbers. The coordinator is the real one.

import { appendFileSync, mkdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import * as ubus from '../agent/adapters/ubus-client.ts';
import * as client from '../agent/consumer/client.ts';
import * as configuration from '../agent/consumer/configuration.ts';
import * as keys from '../agent/consumer/keys.ts';
import * as terms from '../agent/consumer/terms.ts';
import { type ByteCount, millis, type PublicKey } from '../agent/core/brand.ts';
import { ok, text } from '../agent/core/result.ts';
import type { Pair, PeerKey } from '../agent/core/seat.ts';
import { host } from '../agent/host/node.ts';
import type { Host, Net } from '../agent/ports/host.ts';
import * as base64 from '../agent/wire/base64.ts';
import * as evidence from '../agent/wire/evidence.ts';
import { bytesOf } from '../agent/wire/form.ts';
import { type Bundle, bundle } from '../build/bundle.ts';
import { lying } from '../test/consumer/liar.ts';
import * as enforcer from '../test/fakes/enforcer.ts';
import * as guests from '../test/fakes/guest.ts';
import * as proxies from '../test/fakes/proxy.ts';
import * as fakes from '../test/fakes/router.ts';
import * as seats from '../test/fakes/seats.ts';
import { startUbusd } from '../test/fakes/ubusd.ts';
import * as opening from './consumer-open.ts';
import * as coordinators from './demo-coordinator.ts';
import { must, type Router, type Stage } from './demo-stage.ts';
import * as desk from './desk.ts';

/** Of the tunnel's end on the router, beyond what seats.ts gives away; and a public address of the router, which nobody calls. */
const facts = {
  address4: '10.213.255.254',
  address6: 'fd00::fffe',
  key: 'A'.repeat(43).concat('='),
  port: 51_820,
  uplinks: [{ name: 'wan', up: true, addresses: ['11.1.0.2/24'], hints: [], dns: [] }],
};
const packet = 1400;
const limits = "config limits 'limits'\n\toption session_rate_up '20000'\n\toption session_rate_down '20000'\n";

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

export async function open(folder: string): Promise<Stage> {
  const [made, coordinator] = await Promise.all([bundle(), coordinators.start(folder, ['127.0.0.1'])]);
  const houses: (Router & Closing)[] = [];
  for (const name of ['north', 'middle', 'south']) houses.push(await router(join(folder, name), made, coordinator));
  const [north, middle, south] = houses;
  if (north === undefined || middle === undefined || south === undefined) throw new Error('three routers that are not three');
  return {
    scene: [
      'real: the coordinator, its broker and its database; TLS to it',
      'in WebAssembly: the agents and the command line',
      'numbers only: kernels, enforcers, tunnels, Internet',
      'a stand-in: the bus of each router',
    ],
    hints: [],
    coordinator,
    routers: [north, middle, south],
    async close() {
      for (const house of houses) await house.close();
      await coordinator.close();
    },
  };
}

type Closing = Readonly<{ close(): Promise<void> }>;

async function router(folder: string, made: Bundle, { settings, ports, root, url }: coordinators.Coordinator): Promise<Router & Closing> {
  const own = join(folder, 'agent');
  mkdirSync(own, { recursive: true, mode: 0o700 });
  const socket = join(folder, 'ubus.sock');
  const ubusd = await startUbusd({ path: socket });
  const objects = await fakes.start(socket, host.clock, fakes.configs);
  const line = await proxies.start({ port: ports.mqtt });
  const connect = async (): Promise<ubus.Bus> =>
    must(await ubus.open(host, { path: socket, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
  const [bus, enforcing] = [await connect(), await connect()];
  const kernel = seats.seats(host.clock.monotonic);
  const ground: Host = { ...host, net: { ...host.net, bindUdp: ether() } };
  const env = { UBUS_SOCKET: socket, WEIR_FOLDER: own };
  const running = new Set<guests.Guest>();
  const consumers = new Set<client.Client>();
  let agent: guests.Guest | null = null;
  let isCut = false;

  async function run(role: 'agent' | 'cli', ...args: readonly string[]): Promise<guests.Guest> {
    const guest = await guests.inWasm(made, ground, { role, args, env, onLine: () => undefined });
    running.add(guest);
    return guest;
  }
  const says = async (pattern: RegExp, times = 1): Promise<string> => {
    if (agent === null) throw new Error('the agent has not begun');
    return agent.says(pattern, times);
  };
  const restart = async (): Promise<void> => {
    agent = await run('agent');
    await agent.says(/link: connected to/);
  };

  return {
    async begin(code) {
      objects.files.set('weir', `${limits}${settings({ host: '127.0.0.1', port: line.port }, code)}`);
      must(await enforcing.publish('weir.enforcer', enforcer.methods(enforcing, kernel, facts)));
    },
    share: restart,
    bus,
    async weir(...args) {
      const ran = await run('cli', ...args);
      const ended = await ran.ended;
      running.delete(ran);
      return { code: ended.ok ? ended.value : text(ended.fault), stdout: ran.printed(), stderr: ran.lines.join('\n') };
    },
    async join(files, wish, lie) {
      const rootKey = bytesOf(root) as PublicKey;
      const opened = must(await opening.open(files, url, wish, rootKey));
      const { signer, public: known } = must(keys.read(host, files.keys));
      const key = base64.encode(known.tunnel) as PeerKey;
      const lines: string[] = [];
      const heard = new Set<() => void>();
      let counted: Pair<ByteCount> = { up: 0n as ByteCount, down: 0n as ByteCount };
      const count = () => ok(counted);
      const mine = lie === null ? { net: ground.net, count } : lying(lie, ground, signer, count);
      const started = must(
        client.start(
          { ...ground, net: mine.net },
          {
            learn: (grant) => appendFileSync(files.grant, evidence.render([grant])),
            terms: () => must(terms.parse(readFileSync(files.grant, 'utf8'), [rootKey], signer.key, host)),
            signer,
            addresses: must(configuration.parse(readFileSync(files.config, 'utf8'))).addresses.map((address) =>
              address.replace(/\/.*/, ''),
            ),
            path: `${files.grant}.book`,
            count: mine.count,
          },
          {
            heard({ sequence }, opinion, _, dispute) {
              if (opinion.kind === 'known') return;
              if (dispute !== null) void desk.tell(desk.at(url, signer, rootKey), dispute);
              lines.push(`receipt ${sequence}: ${opinion.kind}${opinion.kind === 'disputed' ? ` because of its ${opinion.reason}` : ''}`);
              for (const check of [...heard]) check();
            },
            failed: (why) => lines.push(text(why)),
          },
        ),
      );
      consumers.add(started);
      return {
        opened: opened.text,
        async download(bytes) {
          let arrived = 0;
          for (let passed = !isCut; passed && arrived < bytes; ) {
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
              const found = lines.find((l) => pattern.test(l));
              if (found === undefined) return;
              heard.delete(check);
              resolve(found);
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
    says,
    async cut() {
      isCut = true;
      line.is('stalled');
      return says(/goes on in/);
    },
    async mend() {
      isCut = false;
      line.is('good');
      return says(/link: connected to/, 2);
    },
    async close() {
      for (const consumer of consumers) consumer.close();
      for (const guest of running) guest.stop();
      for (const one of [bus, enforcing]) one.close();
      objects.stop();
      line.close();
      await ubusd.stop();
    },
  };
}
