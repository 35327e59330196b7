// The enforcer at its post on an emulated router: the router's bus and daemons run beside the test, and so do the agent (user weir, under the
// package's ACL) and the owner (root). netifd's part, the addresses of weir0, is done here.

import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Bus } from '../../../agent/adapters/ubus-client.ts';
import * as ubus from '../../../agent/adapters/ubus-client.ts';
import { millis } from '../../../agent/core/brand.ts';
import type { Result } from '../../../agent/core/result.ts';
import type { PeerKey } from '../../../agent/core/seat.ts';
import type { Row } from '../../../agent/core/session.ts';
import { host as node } from '../../../agent/host/node.ts';
import type { Batch, Method } from '../../../agent/wire/enforcer.ts';
import * as wire from '../../../agent/wire/enforcer.ts';
import * as fields from '../../../agent/wire/fields.ts';
import * as network from '../../fakes/network.ts';
import type { Router } from '../../fakes/router.ts';
import * as objects from '../../fakes/router.ts';
import { startUbusd } from '../../fakes/ubusd.ts';
import * as at from '../../net/ground/addresses.ts';
import * as post from '../../net/post.ts';
import { createGround, type Ground, input, ip } from './enforce.ts';
import * as acts from './enforce-acts.ts';
import type { Machine } from './machines.ts';
import { relay } from './relay.ts';
import { host, type Order } from './router.ts';

export const key = post.keys.c.public as PeerKey;

export type Post = Readonly<{
  ground: Ground;
  /** The enforcer's process begins, to the point where it is on the bus. */
  start(): Promise<void>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Waits for a line of its log behind the first `after` lines; answers how many there are. */
  says(pattern: string, after?: number): Promise<number>;
  lines(): Promise<string>;
  /** As root. */
  order(method: string): Promise<void>;
  /** As user weir. */
  items<M extends Method>(method: M, ...asked: readonly wire.Asked[M][]): Promise<Batch<Result<wire.Answers[M]>>['items']>;
  /** The session of c. */
  row(): Promise<Row>;
  /** What the owner's month has used, in line bytes. */
  month(): Promise<bigint>;
  /** From the first start to sharing, as an owner does it. */
  begin(): Promise<void>;
  /** As netifd does when the device is there. */
  address(): Promise<void>;
  /** Tells c the router's key. */
  connect(): Promise<void>;
  close(): Promise<void>;
}>;

const networkConfig = `
config interface 'lan'
	option device 'br-lan'
	option proto 'static'
	list ipaddr '${at.home.v4}/24'

config interface 'wan'
	option device 'wan'
	option proto 'static'
	option ipaddr '${at.wan.v4}'
	option netmask '255.255.255.0'
	option gateway '${at.gateway.v4}'

`;

const patience = millis(30_000);
const log = '/run/enforcer.log';

/** The bus outlives a router; its daemons' files do too. */
export async function startBus(weir: string) {
  const dir = mkdtempSync(join(tmpdir(), 'weir-bus-'));
  // A test that ends in the midst does not come to `stop`.
  process.once('exit', () => rmSync(dir, { recursive: true, force: true }));
  const acl = join(dir, 'acl');
  mkdirSync(acl);
  copyFileSync('openwrt/weir/files/weir.acl.json', join(acl, 'weir.json'));
  const socket = join(dir, 'root.sock');
  const weirs = { path: join(dir, 'weir.sock'), user: 'weir', group: 'weir' };
  const ubusd = await startUbusd({ path: socket, acl, others: [weirs] });
  const fakes: Router & { stop(): void } = await objects.start(socket, node.clock, {
    network: networkConfig,
    firewall: String(objects.configs['firewall']),
    weir,
  });
  for (const name of ['wan', 'br-lan']) fakes.link(name, network.ethernet);
  const client = async (path: string): Promise<Bus> =>
    post.must(await ubus.open(node, { path, deadline: millis(5000), whenLost: 'end', lost: () => undefined }));
  const [root, agent] = [await client(socket), await client(weirs.path)];
  const doors: Server[] = [];
  /** A port behind which `path` is. */
  const doorTo = async (path: string): Promise<number> => {
    const door = createServer({ noDelay: true }, (guest) => {
      const inside = connect(path);
      for (const side of [guest, inside]) side.on('error', () => [guest, inside].forEach((s) => void s.destroy()));
      guest.pipe(inside).pipe(guest);
    });
    doors.push(door);
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    return (door.address() as AddressInfo).port;
  };
  return {
    root,
    agent,
    port: await doorTo(socket),
    /** Whoever comes in here is user weir. */
    agentPort: await doorTo(weirs.path),
    async stop() {
      root.close();
      agent.close();
      for (const door of doors) door.close();
      fakes.stop();
      await ubusd.stop();
    },
  };
}
export type BusOfRouter = Awaited<ReturnType<typeof startBus>>;

/** `prepare` runs on the router before anything else. */
export async function open(machine: Machine, bus: BusOfRouter, order: Partial<Order> = {}, prepare = ''): Promise<Post> {
  const ground = await createGround(machine, {
    ...order,
    files: {
      ...order.files,
      '/bin/relay': { bytes: relay(machine), mode: 0o755 },
      '/etc/passwd': { bytes: 'root:x:0:0:root:/root:/bin/sh\nweir:x:453:453:weir:/var:/bin/false\n' },
    },
  });
  const place = ground.in('router');
  await ground.root.run(`
    ${prepare}
    mkdir -p -m 700 /etc/weir/enforcer /var/run/ubus
    touch ${log}
    relay /var/run/ubus/ubus.sock ${host} ${bus.port}
    echo '${post.keys.c.secret}' >/run/c.key`);

  const says = async (pattern: string, after = 0): Promise<number> => {
    const found = await place.run(`
      for try in $(seq 1500); do
        tail -n +${after + 1} ${log} | grep -qE '${pattern}' && break
        usleep 20000
      done
      tail -n +${after + 1} ${log} | grep -qE '${pattern}' || { echo "the enforcer never said ${pattern}"; cat ${log}; exit 1; }
      wc -l <${log}`);
    return Number(found);
  };
  const order_ = async (method: string): Promise<void> => {
    const told = post.must(await bus.root.call('weir.enforcer', method, [], patience));
    if (told.some(({ name }) => name === 'fault')) throw new Error(`${method}: ${JSON.stringify(told)}`);
  };
  const start = async (): Promise<void> => {
    const after = Number(await place.run(`wc -l <${log}`));
    await place.run(`weir enforcer >>${log} 2>&1 & echo $! >/run/enforcer.pid`);
    await says('weir.enforcer is there', after);
  };
  const address = async (): Promise<void> => {
    const lines = [`${at.tunnel.v4}/16`, `${at.tunnel.v6}/64`, `${at.tunnel.local}/64`].map(
      (a) => `address replace ${a} dev weir0${a.includes(':') ? ' nodad' : ''}`,
    );
    await place.run(`${ip} -batch - ${input(lines.join('\n'))}`);
    await acts.plug(ground);
  };
  return {
    ground,
    start,
    async kill() {
      await place.run('kill -9 $(cat /run/enforcer.pid)');
    },
    says,
    lines: () => place.run(`cat ${log}`),
    order: order_,
    async items(method, ...asked) {
      const isBatch = asked.length !== 1;
      const answer = post.must(
        await bus.agent.call('weir.enforcer', method, wire.encodeAsked(method, { isBatch, items: asked }), patience),
      );
      return post.must(wire.decodeAnswers(method, answer)).items;
    },
    async row() {
      const { rows } = post.must(wire.decodePage(post.must(await bus.agent.call('weir.enforcer', 'read', [], patience))));
      const found = rows.find((r) => r.key === key);
      if (found === undefined) throw new Error(`there is no session of c: ${await place.run(`cat ${log}`)}`);
      return found;
    },
    async month() {
      return post.must(fields.integer(post.must(await bus.agent.call('weir.enforcer', 'facts', [], patience)), 'month_used'));
    },
    async begin() {
      await start();
      await order_('setup');
      await order_('share');
      await says('shares on weir0');
      await address();
    },
    address,
    async connect() {
      await ground.connect((await place.run('wg show weir0 public-key')).trim());
    },
    close: ground.close,
  };
}
