// The demo's stage on this machine's kernel: three grounds of the tests, each with the native enforcer and agent in the namespace that is the
// router and scripts/consumer in the one that is somebody's computer. The coordinator is on this machine's loopback: in each ground it is found
// at an address of the Internet, from where a unix socket leads out.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import * as net from 'node:net';
import { join, resolve } from 'node:path';
import * as at from '../test/net/ground/addresses.ts';
import * as post from '../test/net/post.ts';
import * as coordinators from './demo-coordinator.ts';
import type { Router, Stage } from './demo-stage.ts';

const place = 'c';
/** Where the coordinator is in each Internet: consumers reach it outside of their tunnels, and what they download within. */
const coordinatorAt = at.hop.v4;
/** Nothing comes any more: so long it is waited for. */
const patience = 3000;
/** Of a program of ours, on a busy machine. */
const begun = 60_000;
const ports = { http: 80, mqtt: 8883 } as const;
const outage = `table inet outage {
  chain from { type filter hook prerouting priority raw; iifname "to-r" drop; }
  chain to { type filter hook postrouting priority raw; oifname "to-r" drop; }
}
`;

export async function open(folder: string): Promise<Stage> {
  const starting = coordinators.start(folder, ['127.0.0.1', coordinatorAt]);
  // Whoever waits for it hears of it.
  starting.catch(() => undefined);
  const posts: post.Post[] = [];
  const close = async (): Promise<void> => {
    for (const one of posts) await one.close();
    await starting.then(
      (coordinator) => coordinator.close(),
      () => undefined,
    );
  };
  try {
    while (posts.length < 3) posts.push(await post.open(undefined, { consumers: [place] }));
    const coordinator = await starting;
    for (const name of ['http', 'mqtt'] as const) {
      const path = await lead(join(folder, `${name}.sock`), coordinator.ports[name]);
      for (const { ground } of posts) await ground.in('internet').ask('relay', { port: ports[name], path });
    }
    const [north, middle, south] = posts.map((it) => router(it, coordinator));
    const [near] = posts;
    if (near === undefined || north === undefined || middle === undefined || south === undefined)
      throw new Error('three that are not three');
    return {
      scene: [
        'real: this kernel, nftables, WireGuard (wireguard-go), TLS; agent and',
        'enforcer, native; the coordinator, its broker and its database;',
        'scripts/consumer',
        'three times five network namespaces are a router, its LAN, its',
        "provider, the Internet, and somebody's computer",
        'a stand-in: the bus of each router',
      ],
      hints: [
        `a router:    nsenter -t ${near.ground.in('router').pid} -n nft list ruleset`,
        `a consumer:  nsenter -t ${near.ground.in(place).pid} -n ip -brief address`,
      ],
      coordinator,
      routers: [north, middle, south],
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

/** From a unix socket to a port of this machine's loopback, as long as this process is there. */
async function lead(path: string, port: number): Promise<string> {
  const server = net.createServer({ noDelay: true }, (here) => {
    const there = net.connect({ host: '127.0.0.1', port });
    for (const [one, other] of [
      [here, there],
      [there, here],
    ] as const) {
      one.pipe(other);
      one.on('error', () => other.destroy());
    }
  });
  server.listen(path);
  await once(server, 'listening');
  return path;
}

function router(it: post.Post, { settings, root }: coordinators.Coordinator): Router {
  let tokens = 0;
  let lost = 0;
  const nft = (...args: readonly string[]) => it.ground.in('uplink').run(['nft', ...args]);
  return {
    async begin(code) {
      const own = post.config().replace(/config broker 'broker'\n+/, '');
      it.fakes.files.set('weir', own + settings({ host: coordinatorAt, port: ports.mqtt }, code));
      await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
      await it.start();
      post.must(await it.order('setup'));
      // A kernel with WireGuard makes the device itself.
      await it.ground.startDevice();
    },
    async share() {
      await it.says(/shares on weir0/);
      await it.address();
      await it.served.start();
    },
    bus: it.root,
    weir: it.weir,
    async join(files, wish, lie) {
      await it.ground.bare(place);
      const here = it.ground.in(place);
      const asked = ['--from', `http://${coordinatorAt}:${ports.http}`, '--key', root, '--offer', wish.offer];
      const terms = ['--quota', wish.quota, '--days', wish.days, ...(wish.node === null ? [] : ['--node', wish.node])];
      const own = ['--keys', files.keys, '--config', files.config, '--grant', files.grant];
      const argv = ['scripts/consumer.ts', 'open', ...asked, ...terms, ...own, ...(lie === null ? [] : ['--lie', lie])];
      const child = here.spawn([process.execPath, resolve('scripts/run.mjs'), ...argv]);
      const says = follow(child);
      await says(/^session \w+ by /);
      return {
        opened: await says(/^session \w+ of /),
        async download(bytes) {
          const order = {
            to: at.internet.v4,
            port: 443,
            token: `demo${++tokens}`,
            up: 0,
            down: bytes,
            intervalMs: 100,
            withinMs: patience,
          };
          return (await here.ask('tcpTransfer', order)).received;
        },
        says,
        async leave() {
          child.kill('SIGINT');
          if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
        },
      };
    },
    kill: it.served.kill,
    restart: it.served.start,
    says: it.served.says,
    async cut() {
      lost = it.served.lines.length;
      await it.ground.in('uplink').run(['nft', '-f', '-'], { input: outage });
      return it.served.says(/goes on in/, lost);
    },
    async mend() {
      await nft('delete', 'table', 'inet', 'outage');
      return it.served.says(/link: connected to/, lost);
    },
  };
}

function follow(child: ChildProcess): (pattern: RegExp) => Promise<string> {
  let said = '';
  const heard = new Set<() => void>();
  for (const stream of [child.stdout, child.stderr])
    stream?.on('data', (chunk: Buffer) => {
      said += chunk.toString();
      for (const check of [...heard]) check();
    });
  return (pattern) =>
    new Promise((done, reject) => {
      const timer = setTimeout(() => finish(() => reject(new Error(`the consumer never said ${pattern}:\n${said}`))), begun);
      const finish = (act: () => void): void => {
        clearTimeout(timer);
        heard.delete(check);
        act();
      };
      const check = (): void => {
        const line = said.split('\n').find((l) => pattern.test(l));
        if (line !== undefined) finish(() => done(line));
      };
      heard.add(check);
      check();
    });
}
