// The brokers' rules as they are shipped, at real brokers: a node speaks for itself and hears what is meant for it; nobody else does.

import type { ChildProcess } from 'node:child_process';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { host } from '../../agent/host/node.ts';
import { begin, ended, here } from '../fakes/mosquitto.ts';
import { freePort } from '../fakes/port.ts';
import { type Talk, talk, textOf } from './conversation/talk.ts';

const users = ['roof-1', 'roof-2', 'coordinator'] as const;
type User = (typeof users)[number];
const passwordOf = (user: User): string => `of ${user}`;

const brokers: Readonly<Record<'mosquitto' | 'nats', (dir: string, port: number) => Promise<ChildProcess>>> = {
  mosquitto(dir, port) {
    for (const [i, user] of users.entries())
      execFileSync('mosquitto_passwd', ['-b', ...(i === 0 ? ['-c'] : []), join(dir, 'passwords'), user, passwordOf(user)]);
    writeFileSync(
      join(dir, 'conf'),
      `user ${userInfo().username}
allow_anonymous false
password_file ${join(dir, 'passwords')}
acl_file docs/broker/mosquitto.acl
log_dest stderr
log_type all
listener ${port} 127.0.0.1
`,
    );
    return begin(here, ['mosquitto', '-c', join(dir, 'conf')], / running$/m);
  },
  nats(dir, port) {
    writeFileSync(
      join(dir, 'conf'),
      `server_name: test
listen: "127.0.0.1:-1"
jetstream { store_dir: "${dir}/store" }
mqtt { listen: "127.0.0.1:${port}" }
${readFileSync('docs/broker/nats.conf', 'utf8')}
`,
    );
    return begin(here, ['nats-server', '-c', join(dir, 'conf')], /Server is ready/);
  },
};

const version = { mosquitto: '5', nats: '3.1.1' } as const;
const own = ['birth', 'state', 'telemetry', 'roots', 'receipts/x', 'replies/x', 'enrol'];
const told = ['certificates', 'commands', 'enrolled'];

/** Each of them once; NATS keeps no order between topics. */
async function hears(who: Talk, topics: readonly string[]): Promise<void> {
  const heard: string[] = [];
  for (const _ of topics) {
    const message = await who.next();
    heard.push(`${message.topic} ${textOf(message)}`);
  }
  assert.equal(heard.sort(), topics.map((topic) => `weir/roof-1/${topic} ${topic}`).sort());
}

for (const [kind, start] of Object.entries(brokers) as [keyof typeof brokers, (typeof brokers)['nats']][]) {
  const acl = suite(`rules of ${kind}`);
  acl('a node speaks for itself, a coordinator to all, and to nobody else', async () => {
    const dir = mkdtempSync(join(tmpdir(), 'weir-acl-'));
    const port = await freePort();
    const broker = await start(dir, port);
    try {
      const as = async (user: User) => {
        const t = talk(host, { port, tlsPort: port, user, password: passwordOf(user) }, { version: version[kind], clientId: `as-${user}` });
        await t.connected();
        return t;
      };
      const [one, two, coordinator] = [await as('roof-1'), await as('roof-2'), await as('coordinator')];
      for (const topic of own) await coordinator.subscribe(`weir/+/${topic.replace('/x', '/+')}`);
      for (const topic of told) await one.subscribe(`weir/roof-1/${topic}`);
      // Listening in is refused, or brings nothing.
      for (const topic of told) await two.subscribe(`weir/roof-1/${topic}`);
      await two.subscribe('weir/roof-2/commands');

      for (const topic of own) {
        await two.publish(`weir/roof-1/${topic}`, 'forged');
        await one.publish(`weir/roof-1/${topic}`, topic);
      }
      await hears(coordinator, own);
      for (const topic of told) {
        for (const other of [one, two]) await other.publish(`weir/roof-1/${topic}`, 'forged');
        await coordinator.publish(`weir/roof-1/${topic}`, topic);
      }
      await hears(one, told);
      // The first that the other node hears is its own.
      await coordinator.publish('weir/roof-2/commands', 'yours');
      assert.is(textOf(await two.next()), 'yours');
      for (const t of [one, two, coordinator]) t.link.end();
    } finally {
      await ended(broker, 'SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    }
  });
  acl.run();
}
