// The grounds of what speaks with a router's daemons: the fakes behind the fake ubusd, and the real rpcd, netifd and procd where those are
// on PATH.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Millis, millis } from '../../agent/core/brand.ts';
import { host } from '../../agent/host/node.ts';
import type { Clock } from '../../agent/ports/host.ts';
import { manual } from '../fakes/clock.ts';
import * as network from '../fakes/network.ts';
import * as realRouter from '../fakes/real-router.ts';
import * as router from '../fakes/router.ts';
import { startUbusd } from '../fakes/ubusd.ts';

export type Ground = Readonly<{
  title: string;
  socket: string;
  /** The daemons' own, as far as the test can tell. */
  clock: Clock;
  /** What stands in /etc/config. */
  read(config: string): string;
  device(name: string, there: boolean): void;
  /** Lets some time pass. */
  pass(): Promise<void>;
  stop(): Promise<void>;
}>;

/** How much time passes at a time on the fakes. */
const step = 100;

export async function fake(configs: Readonly<Record<string, string>>): Promise<Ground> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-fakes-'));
  const socket = join(dir, 'ubus.sock');
  const ubusd = await startUbusd({ path: socket });
  const clock = manual();
  const made = await router.start(socket, clock, configs);
  return {
    title: 'fake rpcd, netifd, procd',
    socket,
    clock,
    read: (config) => made.files.get(config) ?? '',
    device: (name, there) => made.link(name, there ? network.ethernet : null),
    async pass() {
      clock.advance(millis(step));
      await new Promise((resolve) => setImmediate(resolve));
    },
    async stop() {
      made.stop();
      await ubusd.stop();
      rmSync(dir, { recursive: true });
    },
  };
}

async function real(configs: Readonly<Record<string, string>>): Promise<Ground> {
  const made = await realRouter.start(configs);
  return {
    title: 'real rpcd, netifd, procd',
    socket: made.socket,
    clock: host.clock,
    read: (config) => readFileSync(join(made.configs, config), 'utf8'),
    device(name, there) {
      if (!there) return made.ip('link', 'del', name);
      made.ip('link', 'add', name, 'type', 'veth', 'peer', 'name', `${name}p`);
      made.ip('link', 'set', `${name}p`, 'up');
    },
    pass: () => new Promise((resolve) => setTimeout(resolve, 50)),
    stop: made.stop,
  };
}

export async function grounds(configs: Readonly<Record<string, string>>): Promise<readonly Ground[]> {
  const first = await fake(configs);
  return realRouter.daemons.every(realRouter.isHere) ? [first, await real(configs)] : [first];
}

/** Lets time pass until it is so, or until `most` has passed on the ground's own clock. */
export async function until(ground: Ground, isSo: () => boolean | Promise<boolean>, most: Millis = millis(15_000)): Promise<boolean> {
  const end = ground.clock.monotonic() + most;
  for (;;) {
    if (await isSo()) return true;
    if (ground.clock.monotonic() > end) return false;
    await ground.pass();
  }
}
