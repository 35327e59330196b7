// In the place of the agent, in its jail: tries what it may and what it may not. What is forbidden on pain of death it tries last, one
// thing in each life.

import '../../../agent/host/globals.ts';
import * as ubus from '../../../agent/adapters/ubus-client.ts';
import { millis } from '../../../agent/core/brand.ts';
import { ok, type Result } from '../../../agent/core/result.ts';
import { host } from '../../../agent/host/quickjs.ts';
import { busOf } from '../../../agent/role.ts';

const { files, net, process, clock } = host;
const own = '/etc/weir/agent';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const tried = (r: Result<unknown>): string => (r.ok ? 'ok' : r.fault.code);
const ignore = (): void => undefined;

async function calls(): Promise<Record<string, string>> {
  const opened = await ubus.open(host, { ...busOf(host), whenLost: 'end', lost: ignore });
  if (!opened.ok) return { open: opened.fault.code };
  const bus = opened.value;
  const call = async (path: string, method: string): Promise<string> => tried(await bus.call(path, method, [], millis(5000)));
  const publish = async (path: string): Promise<string> => tried(await bus.publish(path, { a: { args: {}, run: () => ok([]) } }));
  // The enforcer begins at the same time.
  for (let n = 0; n < 100 && (await call('weir.enforcer', 'settings')) === 'missing'; n += 1)
    await new Promise<void>((resolve) => void clock.after(millis(100), resolve));
  return {
    settings: await call('weir.enforcer', 'settings'),
    pause: await call('weir.enforcer', 'pause'),
    uci: await call('uci', 'configs'),
    network: await call('network.interface', 'dump'),
    publish: await publish('weir'),
    publishOther: await publish('weir.enforcer2'),
    listen: tried(await bus.listen('*', ignore)),
    send: tried(await bus.send('network.interface', [])),
  };
}

async function report(): Promise<void> {
  const readable = ['/etc/shadow', '/etc/config/weir', '/etc/weir/enforcer/key', '/proc/sys/kernel/random/boot_id', '/etc/resolv.conf'];
  const writable = [own, '/', '/etc', '/usr/sbin', '/var/run', '/var/run/ubus', '/dev/shm'];
  const found = {
    uid: process.uid,
    pid: process.pid,
    memory: process.memory().limit,
    read: Object.fromEntries(readable.map((path) => [path, tried(files.read(path, 65_536))])),
    create: Object.fromEntries(writable.map((path) => [path, tried(files.create(`${path}/probe`, bytes('x'), 0o600))])),
    bus: await calls(),
  };
  files.create(`${own}/report`, bytes(JSON.stringify(found)), 0o600);
}

const lived = files.read(`${own}/lives`, 100);
const lives = lived.ok ? lived.value.length : 0;
files.append(`${own}/lives`, bytes('x'), 0o600);
process.onSignal('SIGTERM', () => process.exit(0));
if (lives === 0) {
  await report();
  net.openNetlink(12, [], { received: ignore, overrun: ignore, closed: ignore });
  files.append(`${own}/survived`, bytes('netlink '), 0o600);
} else if (lives === 1) {
  process.spawn({ argv: ['/usr/sbin/weir', '--host-help'], deadline: millis(1000), most: 1000 }, ignore);
  files.append(`${own}/survived`, bytes('spawn '), 0o600);
}
clock.after(millis(600_000), ignore);
