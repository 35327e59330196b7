// A fleet that loses its broker: hundreds of agents at a Mosquitto that is killed and restarted, when each of them tries to connect; and the
// same decisions for a hundred thousand, in numbers alone.

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import * as ubus from '../../agent/adapters/ubus-client.ts';
import { millis, seconds } from '../../agent/core/brand.ts';
import type { Trail } from '../../agent/core/link.ts';
import * as way from '../../agent/core/link.ts';
import { host } from '../../agent/host/node.ts';
import type { Host } from '../../agent/ports/host.ts';
import { type Bundle, bundle } from '../../build/bundle.ts';
import { brokerAt } from '../../test/core/broker.ts';
import * as enforcer from '../../test/fakes/enforcer.ts';
import type { Guest } from '../../test/fakes/guest.ts';
import * as guests from '../../test/fakes/guest.ts';
import * as mosquitto from '../../test/fakes/mosquitto.ts';
import * as router from '../../test/fakes/router.ts';
import * as seats from '../../test/fakes/seats.ts';
import { startUbusd } from '../../test/fakes/ubusd.ts';
import { must } from '../demo-stage.ts';
import { type Bench, render } from './bench.ts';

const real = { agents: 300, spread: 30, outage: 45 } as const;
const simulated = { agents: 100_000, spread: 120, outage: 600 } as const;
const mostPerSecond = 2000;
/** Five deviations of what comes by chance. */
const bound = (mean: number): number => Math.floor(mean + 5 * Math.sqrt(mean));

export const link: Bench = {
  what: 'hundreds of agents whose broker is killed and restarted; a hundred thousand in numbers',
  needs: ['mosquitto:mosquitto', 'openssl:openssl'],
  async run() {
    const { back, took, megabytes, attempts } = await outlive();
    const most = bound(real.agents / real.spread);
    const peaks = (moments: readonly number[]): readonly [first: number, later: number] => {
      const isFirst = (at: number): boolean => at < real.spread * 1000;
      return [peakOf(moments.filter(isFirst)), peakOf(moments.filter((at) => !isFirst(at)))];
    };
    const [first, later] = peaks(attempts.map(({ at }) => at));
    const [meantFirst, meantLater] = peaks(attempts.map(({ due }) => due));
    const late = Math.ceil(Math.max(...attempts.map(({ at, due }) => at - due)) / 1000);
    const lost = peakOf(simulate());
    const powered = peakOf(Array.from({ length: simulated.agents }, (_, n) => way.first(`n${n}`, `b${n}`, seconds(simulated.spread))));
    return {
      on: 'this machine, and in virtual time',
      body: [
        render([
          ['', 'agents', 'spread, s', 'broker gone, s', 'most attempts in a second', 'as decided', 'limit'],
          ['lost their broker, first window', ...[real.agents, real.spread, real.outage, first, meantFirst, '–'].map(String)],
          ['lost their broker, all that follows', ...[real.agents, real.spread, real.outage, later, meantLater, most].map(String)],
          [
            'simulated: lost their broker',
            ...[simulated.agents, simulated.spread, simulated.outage, lost, lost, mostPerSecond].map(String),
          ],
          ['simulated: power returns', ...[simulated.agents, simulated.spread, '–', powered, powered, mostPerSecond].map(String)],
        ]),
        `All ${back} agents were back ${took} s after the broker. Each is an engine in WebAssembly with a bus of its own, connected by TLS to ` +
          `Mosquitto, which got SIGKILL; all in one process of ${megabytes} MB. The limit is N/spread and five deviations. The first window is ` +
          'the spread: who lost the broker comes once within it, whether it is there or not, and who came early and found nobody comes once ' +
          `more, so that its last seconds have half as much again. As decided: at the moments that the agents waited for; in one process they came up to ${late} s late.`,
      ].join('\n\n'),
      numbers: {
        agents: real.agents,
        agents_back: back,
        back_after_s: took,
        peak_first_window_per_s: first,
        peak_first_window_decided_per_s: meantFirst,
        peak_later_per_s: later,
        peak_later_decided_per_s: meantLater,
        late_s: late,
        simulated_peak_lost_per_s: lost,
        simulated_peak_power_per_s: powered,
      },
      broken: [
        ...(back < real.agents ? [`back: ${back} agents of ${real.agents}`] : []),
        ...(later > most ? [`attempts: ${later} in a second, limit ${most}`] : []),
        ...[lost, powered].filter((peak) => peak > mostPerSecond).map((peak) => `simulated: ${peak} in a second, limit ${mostPerSecond}`),
      ],
    };
  },
};

/** The most that fall into one second. */
function peakOf(moments: readonly number[]): number {
  const counts = new Map<number, number>();
  for (const at of moments) counts.set(Math.floor(at / 1000), (counts.get(Math.floor(at / 1000)) ?? 0) + 1);
  return Math.max(0, ...counts.values());
}

function simulate(): number[] {
  const broker = brokerAt('broker.example', simulated.spread);
  const moments: number[] = [];
  for (let n = 0; n < simulated.agents; n++) {
    const now = (at: number): way.Moment => ({ at: millis(at), luck: Math.random() });
    let trail: Trail = way.ended(new Map(), broker, 'closed', millis(3_600_000), now(0));
    for (let at = way.pause(trail, broker, now(0)); ; at = millis(at + way.pause(trail, broker, now(at)))) {
      moments.push(at);
      if (at >= simulated.outage * 1000) break;
      trail = way.ended(trail, broker, 'ECONNREFUSED', null, now(at));
    }
  }
  return moments;
}

const published = /published .*\/state$/;
const startedAtOnce = 8;
/** A connection that held for less counts as none. */
const settled = 61_000;
/** The longest wait after the failures that an outage leaves room for. */
const patience = 900_000;

/** `due`: when the agent's own timer was to end. */
type Attempt = Readonly<{ at: number; due: number }>;
type Outcome = Readonly<{ back: number; took: number; megabytes: number; attempts: readonly Attempt[] }>;

/** One agent's ground, which tells of each connection that it begins. */
function watched(tried: (one: Attempt) => void): Host {
  let due = 0;
  return {
    ...host,
    clock: {
      ...host.clock,
      after(pause, act) {
        const end = performance.now() + pause;
        return host.clock.after(pause, () => {
          due = end;
          act();
        });
      },
    },
    net: {
      ...host.net,
      connectTls(...call) {
        tried({ at: performance.now(), due });
        return host.net.connectTls(...call);
      },
    },
  };
}

async function outlive(): Promise<Outcome> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-fleet-'));
  const broker = await mosquitto.start();
  const authority = join(folder, 'authority.pem');
  writeFileSync(authority, broker.authority);
  const made = await bundle();
  const homes: Home[] = [];
  let attempts: Attempt[] = [];
  const tried = (one: Attempt): void => void attempts.push(one);
  const section = mosquitto.section(broker, '127.0.0.1', authority).replace("spread '0'", `spread '${real.spread}'`);
  try {
    for (let n = 0; n < real.agents; n += startedAtOnce) {
      const some = Array.from({ length: Math.min(startedAtOnce, real.agents - n) }, (_, i) => join(folder, `${n + i}`));
      homes.push(...(await Promise.all(some.map((own) => settle(made, watched(tried), own, section)))));
    }
    await Promise.all(homes.map(({ agent }) => agent.says(published)));
    await sleep(settled);
    const megabytes = Math.round(process.memoryUsage().rss / 2 ** 20);
    attempts = [];
    const lost = performance.now();
    await broker.kill();
    await sleep(real.outage * 1000);
    await broker.restart();
    const restarted = performance.now();
    let back = 0;
    const returned = homes.map(async ({ agent }) => {
      await agent.says(published, 2);
      back += 1;
    });
    await Promise.race([Promise.all(returned), sleep(patience, undefined, { ref: false })]);
    const took = Math.round((performance.now() - restarted) / 1000);
    return { back, took, megabytes, attempts: attempts.map(({ at, due }) => ({ at: at - lost, due: due - lost })) };
  } finally {
    for (const home of homes) await home.close();
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
}

type Home = Readonly<{ agent: Guest; close(): Promise<void> }>;

/** A router of numbers, and the agent on it. */
async function settle(made: Bundle, ground: Host, folder: string, section: string): Promise<Home> {
  mkdirSync(folder, { mode: 0o700 });
  const socket = join(folder, 'ubus.sock');
  const ubusd = await startUbusd({ path: socket });
  const objects = await router.start(socket, host.clock, { ...router.configs, weir: section });
  const bus = must(await ubus.open(host, { path: socket, deadline: millis(60_000), whenLost: 'end', lost: () => undefined }));
  must(await bus.publish('weir.enforcer', enforcer.methods(bus, seats.seats(host.clock.monotonic), {})));
  const env = { UBUS_SOCKET: socket, WEIR_FOLDER: folder };
  const agent = await guests.inWasm(made, ground, { role: 'agent', args: [], env, onLine: () => undefined });
  await agent.says(/waits for its turn|connected to/);
  return {
    agent,
    async close() {
      agent.stop();
      bus.close();
      objects.stop();
      await ubusd.stop();
    },
  };
}
