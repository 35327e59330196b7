// The demo's stage on this machine's kernel: the ground of the tests, with the native enforcer and agent in the namespace that is the router,
// and scripts/consumer in those that are somebody's computer.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import * as mosquitto from '../test/fakes/mosquitto.ts';
import * as at from '../test/net/ground/addresses.ts';
import * as post from '../test/net/post.ts';
import type { Stage } from './demo-stage.ts';

const places = ['c', 'd'] as const;
/** Nothing comes any more: so long it is waited for. */
const patience = 5000;
/** Of a program of ours, on a busy machine. */
const begun = 30_000;

export async function open(): Promise<Stage> {
  const it = await post.open(undefined, { consumers: places });
  const free: string[] = [...places];
  let tokens = 0;
  return {
    scene: [
      'real: this kernel, nftables, WireGuard (wireguard-go), the native agent and enforcer, scripts/consumer',
      'Mosquitto on the router itself, with TLS and a password, to which the agent is connected',
      'six network namespaces are the router, its LAN, its provider, the Internet, and two computers elsewhere; a stand-in: the bus',
    ],
    hints: [
      `the router:  nsenter -t ${it.ground.in('router').pid} -n nft list ruleset`,
      `a consumer:  nsenter -t ${it.ground.in('c').pid} -n ip -brief address`,
    ],
    async begin() {
      const authority = join(tmpdir(), 'authority.pem');
      const broker = await mosquitto.start('127.0.0.1', (argv) => it.ground.in('router').spawn(argv));
      writeFileSync(authority, broker.authority);
      it.fakes.files.set(
        'weir',
        `${post.config().replace(/config broker 'broker'\n+/, '')}${mosquitto.section(broker, '127.0.0.1', authority)}`,
      );
      await it.ground.in('internet').ask('serve', { name: 'internet', ports: [443] });
      await it.start();
      post.must(await it.order('setup'));
      // A kernel with WireGuard makes the device itself.
      await it.ground.startDevice();
      await it.served.start();
    },
    async share() {
      await it.says(/shares on weir0/);
      await it.address();
    },
    bus: it.root,
    weir: it.weir,
    async join(ticket, lie) {
      const name = free.shift();
      if (name === undefined) throw new Error('all places are taken');
      await it.ground.bare(name);
      const place = it.ground.in(name);
      const files = ['--keys', ticket.keys, '--config', ticket.config, '--grant', ticket.grant];
      const argv = ['scripts/consumer.ts', 'run', ...files, ...(lie === null ? [] : ['--lie', lie])];
      const child = place.spawn([process.execPath, resolve('scripts/run.mjs'), ...argv]);
      const says = follow(child);
      await says(/^session /);
      return {
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
          return (await place.ask('tcpTransfer', order)).received;
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
    close: it.close,
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
