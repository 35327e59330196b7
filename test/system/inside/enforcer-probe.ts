// In the place of the enforcer, in its jail: keeps a secret, speaks netlink, starts nft.

import '../../../agent/host/globals.ts';
import * as ubus from '../../../agent/adapters/ubus-client.ts';
import { millis } from '../../../agent/core/brand.ts';
import { ok, type Result } from '../../../agent/core/result.ts';
import { host } from '../../../agent/host/quickjs.ts';
import type { Ended } from '../../../agent/ports/host.ts';
import { busOf } from '../../../agent/role.ts';

const { files, net, process, clock } = host;
const own = '/etc/weir/enforcer';
const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const tried = (r: Result<unknown>): string => (r.ok ? 'ok' : r.fault.code);
const ignore = (): void => undefined;

const nft = (text: string): Promise<string> =>
  new Promise((resolve) => {
    const done = (ended: Result<Ended>): void =>
      resolve(ended.ok ? `${ended.value.how} ${ended.value.status}${new TextDecoder().decode(ended.value.stderr)}` : ended.fault.code);
    process.spawn({ argv: ['/usr/sbin/nft', '-f', '-'], stdin: bytes(text), deadline: millis(10_000), most: 10_000 }, done);
  });

process.onSignal('SIGTERM', () => process.exit(0));
files.create(`${own}/key`, bytes('secret'), 0o600);
const readable = [
  `${own}/key`,
  '/etc/passwd',
  '/etc/shadow',
  '/etc/weir/agent/report',
  '/etc/config/weir',
  '/proc/sys/kernel/random/boot_id',
];
const writable = ['/', '/etc', '/usr/sbin', '/var/run'];
const found = {
  read: Object.fromEntries(readable.map((path) => [path, tried(files.read(path, 65_536))])),
  create: Object.fromEntries(writable.map((path) => [path, tried(files.create(`${path}/probe`, bytes('x'), 0o600))])),
  forward: tried(files.append('/proc/sys/net/ipv4/ip_forward', bytes('1'), 0o600)),
  device: tried(files.append('/sys/devices/virtual/net/lo/gro_flush_timeout', bytes('0'), 0o600)),
  netlink: tried(net.openNetlink(12, [], { received: ignore, overrun: ignore, closed: ignore })),
  nft: await nft('add table inet probe; add chain inet probe c; add rule inet probe c meta l4proto { tcp, udp } th dport 53 counter'),
};
const opened = await ubus.open(host, { ...busOf(host), whenLost: 'reconnect', lost: ignore });
if (opened.ok) {
  const run = (): Result<[]> => ok([]);
  await opened.value.publish('weir.enforcer', { settings: { args: {}, run }, pause: { args: {}, run } });
}
files.create(`${own}/report`, bytes(JSON.stringify(found)), 0o600);
clock.after(millis(600_000), ignore);
