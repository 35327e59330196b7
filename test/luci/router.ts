// A router with LuCI on it, for a browser: the gateway over the bus with its fakes, the native agent, and an enforcer over a kernel of
// numbers.

import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis } from '../../agent/core/brand.ts';
import { ok } from '../../agent/core/result.ts';
import { host } from '../../agent/host/node.ts';
import * as guests from '../fakes/guest.ts';
import * as plain from '../fakes/plain.ts';
import * as routers from '../fakes/router.ts';
import * as seats from '../fakes/seats.ts';
import { startUbusd } from '../fakes/ubusd.ts';
import * as enforcer from './enforcer.ts';
import * as gateway from './gateway.ts';

const { must } = gateway;

export type Router = Omit<gateway.Gateway, 'close'> &
  Readonly<{
    /** As root. */
    bus: ubus.Bus;
    kernel: seats.Seats;
    /** /etc/config, as it stands. */
    files: Map<string, string>;
    /** Somebody takes from the network what is ours. */
    unsettle(): void;
    startAgent(): Promise<void>;
    stopAgent(): void;
    /** As procd does after a commit. */
    restartAgent(): Promise<void>;
    /** In the agent's place: answers as it is told to. */
    impersonate(answers: Readonly<Record<string, plain.Fields>>): Promise<void>;
    close(): Promise<void>;
  }>;

const patience = millis(20_000);

export async function open(weir: string): Promise<Router> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-luci-'));
  // Also when it does not come to `close`.
  process.once('exit', () => rmSync(folder, { recursive: true, force: true }));
  const own = join(folder, 'agent');
  mkdirSync(own, { mode: 0o700 });
  const socket = join(folder, 'ubus.sock');
  const ubusd = await startUbusd({ path: socket });
  const fakes = await routers.start(socket, host.clock, { ...routers.configs, weir });
  const connect = async (): Promise<ubus.Bus> =>
    must(await ubus.open(host, { path: socket, deadline: patience, whenLost: 'end', lost: () => undefined }));
  const [bus, enforcing] = [await connect(), await connect()];
  const kernel = seats.seats(host.clock.monotonic);
  const ground = { isSetUp: false };
  must(await enforcing.publish('weir.enforcer', enforcer.methods(enforcing, kernel, ground)));

  let agent: guests.Guest | null = null;
  const door = await gateway.open(bus, gateway.grantAll);

  async function startAgent(): Promise<void> {
    const env = { UBUS_SOCKET: socket, WEIR_FOLDER: own };
    agent = await guests.asProgram({ role: 'agent', args: [], env, onLine: () => undefined });
    await agent.says(/link:/);
  }

  return {
    ...door,
    bus,
    kernel,
    files: fakes.files,
    startAgent,
    unsettle() {
      ground.isSetUp = false;
    },
    stopAgent: () => agent?.stop(),
    restartAgent() {
      agent?.stop();
      return startAgent();
    },
    async impersonate(answers) {
      const methods = Object.entries(answers).map(([name, answer]) => [name, { args: {}, run: () => ok(plain.table(answer)) }]);
      must(await enforcing.publish('weir', Object.fromEntries(methods) as ubus.Methods));
    },
    async close() {
      agent?.stop();
      door.close();
      for (const one of [bus, enforcing]) one.close();
      fakes.stop();
      await ubusd.stop();
    },
  };
}
