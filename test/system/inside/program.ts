// Runs as a process of a router with the real daemons: installs the package's files, starts the service as its init script says, and
// looks at what became of it. Arguments: the binary, and one with probes in the place of the roles.

import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import {
  appendFileSync,
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as ubus from '../../../agent/adapters/ubus-client.ts';
import * as uci from '../../../agent/adapters/uci.ts';
import { millis } from '../../../agent/core/brand.ts';
import * as ip from '../../../agent/core/ip.ts';
import type { Result } from '../../../agent/core/result.ts';
import { host } from '../../../agent/host/node.ts';
import * as mosquitto from '../../fakes/mosquitto.ts';
import { isHere } from '../../fakes/real-router.ts';

const [binary = '', probes = ''] = process.argv.slice(2);
const folder = 'openwrt/weir/files';
const value = <T>(r: Result<T>): T => {
  if (!r.ok) throw new Error(JSON.stringify(r.fault));
  return r.value;
};
const ask = (...args: readonly string[]): string => execFileSync('ubus', ['-S', 'call', ...args], { encoding: 'utf8' });
const init = (...args: readonly string[]) => spawnSync('/etc/init.d/weir', args, { encoding: 'utf8' });
const config = (...commands: readonly string[]): void => {
  for (const command of commands) execFileSync('uci', command.split(' '));
};
const commit = (name: string): void => void ask('uci', 'commit', JSON.stringify({ config: name }));

async function until(isSo: () => boolean, seconds = 30): Promise<boolean> {
  for (let n = 0; n < seconds * 20; n += 1) {
    if (isSo()) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return isSo();
}

type Role = 'agent' | 'enforcer';
/** ujail's; null: the instance does not run. */
function jailOf(role: Role): number | null {
  const answer = JSON.parse(ask('service', 'list', '{"name":"weir"}'));
  const instance = answer.weir?.instances?.[role];
  return instance?.running === true ? instance.pid : null;
}
/** The process inside; null: none yet. */
function pidOf(role: Role): number | null {
  const jail = jailOf(role);
  const children = `/proc/${jail}/task/${jail}/children`;
  const [child] = jail !== null && existsSync(children) ? readFileSync(children, 'utf8').trim().split(' ') : [];
  if (child === undefined || child === '') return null;
  const name = `/proc/${child}/comm`;
  return existsSync(name) && readFileSync(name, 'utf8') === 'weir\n' ? Number(child) : null;
}
const running = (): boolean => pidOf('agent') !== null && pidOf('enforcer') !== null;
function statusOf(role: Role, ...names: readonly string[]): readonly (string | undefined)[] {
  const lines = readFileSync(`/proc/${pidOf(role)}/status`, 'utf8').split('\n');
  return names.map((name) => lines.find((line) => line.startsWith(`${name}:`))?.split(/\s+/)[1]);
}
const link = (): string => {
  const { status, stdout } = spawnSync('ubus', ['-S', 'call', 'weir', 'status'], { encoding: 'utf8' });
  return status === 0 ? JSON.parse(stdout).link : '';
};
const users = readFileSync('/etc/passwd', 'utf8');
if (!/^weir:/m.test(users)) {
  appendFileSync('/etc/passwd', 'weir:x:32768:32768:weir:/var/run/weir:/bin/false\n');
  appendFileSync('/etc/group', 'weir:x:32768:\n');
}
const weirUid = /^weir:[^:]*:(\d+)/m.exec(readFileSync('/etc/passwd', 'utf8'))?.[1];

function install(program: string): void {
  for (const dir of ['/etc/capabilities', '/etc/seccomp', '/etc/hotplug.d/ntp', '/usr/share/acl.d']) mkdirSync(dir, { recursive: true });
  const copies = [
    [program, '/usr/sbin/weir', 0o755],
    [`${folder}/weir.init`, '/etc/init.d/weir', 0o755],
    [`${folder}/capabilities-agent.json`, '/etc/capabilities/weir-agent.json', 0o644],
    [`${folder}/capabilities-enforcer.json`, '/etc/capabilities/weir-enforcer.json', 0o644],
    [`${folder}/seccomp-agent.json`, '/etc/seccomp/weir-agent.json', 0o644],
    [`${folder}/weir.ntp`, '/etc/hotplug.d/ntp/60-weir', 0o755],
    [`${folder}/weir.acl.json`, '/usr/share/acl.d/weir.json', 0o644],
    [`${folder}/weir.config`, '/etc/config/weir', 0o600],
  ] as const;
  for (const [from, to, mode] of copies) {
    rmSync(to, { force: true });
    copyFileSync(from, to);
    chmodSync(to, mode);
  }
  rmSync('/etc/weir', { recursive: true, force: true });
  execFileSync('killall', ['-HUP', 'ubusd']);
}
async function stop(): Promise<void> {
  init('stop');
  assert.ok(await until(() => jailOf('agent') === null && jailOf('enforcer') === null), 'stopped');
}

const none = '0000000000000000';
const netAdmin = '0000000000001000';
const caps = ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb'];

const jails = suite('the real procd and ujail: two jails');
jails.before(() => install(probes));
jails.after(stop);

jails('start', async () => {
  const { status, stderr } = init('start');
  assert.is(`${status} ${stderr}`, '0 ');
  assert.ok(await until(() => existsSync('/etc/weir/agent/report') && existsSync('/etc/weir/enforcer/report')), 'both report');
});

jails('what the agent can reach', () => {
  assert.equal(JSON.parse(readFileSync('/etc/weir/agent/report', 'utf8')), {
    uid: Number(weirUid),
    pid: 1,
    memory: 4096 * 1024,
    read: {
      '/etc/shadow': 'ENOENT',
      '/etc/config/weir': 'ENOENT',
      '/etc/weir/enforcer/key': 'ENOENT',
      '/proc/sys/kernel/random/boot_id': 'ok',
      '/etc/resolv.conf': 'ok',
    },
    create: {
      '/etc/weir/agent': 'ok',
      '/': 'EROFS',
      '/etc': 'EROFS',
      '/usr/sbin': 'EROFS',
      '/var/run': 'EROFS',
      '/var/run/ubus': 'EROFS',
      '/dev/shm': 'EROFS',
    },
    bus: {
      settings: 'ok',
      pause: 'denied',
      uci: 'denied',
      network: 'denied',
      publish: 'ok',
      publishOther: 'malformed',
      listen: 'denied',
      send: 'denied',
    },
  });
});

jails('what the enforcer can reach', () => {
  assert.equal(JSON.parse(readFileSync('/etc/weir/enforcer/report', 'utf8')), {
    read: {
      '/etc/weir/enforcer/key': 'ok',
      '/etc/passwd': 'ok',
      '/etc/shadow': 'ENOENT',
      '/etc/weir/agent/report': 'ENOENT',
      '/etc/config/weir': 'ENOENT',
      '/proc/sys/kernel/random/boot_id': 'ok',
    },
    create: { '/': 'EROFS', '/etc': 'EROFS', '/usr/sbin': 'EROFS', '/var/run': 'EROFS' },
    forward: 'EROFS',
    device: 'ok',
    netlink: 'ok',
    nft: 'exited 0',
  });
  execFileSync('nft', ['delete', 'table', 'inet', 'probe']);
});

jails('netlink ends the agent, and so does starting a program; each time it is back', async () => {
  assert.ok(await until(() => readFileSync('/etc/weir/agent/lives', 'utf8') === 'xxx'), 'three lives');
  assert.not.ok(existsSync('/etc/weir/agent/survived'));
});

jails('without ujail nothing starts', async () => {
  await stop();
  const jail = execFileSync('readlink', ['-f', '/sbin/ujail'], { encoding: 'utf8' }).trim();
  renameSync(jail, `${jail}.away`);
  init('start');
  assert.equal([jailOf('agent'), jailOf('enforcer')], [null, null]);
  renameSync(`${jail}.away`, jail);
});

const broker = await mosquitto.start();
const service = suite('the real procd and ujail: the service itself');

// As on a router without dnsmasq: a link to a link to what netifd writes.
const resolver = '/tmp/resolv.conf.d/resolv.conf.auto';
const dns = createSocket('udp4');
dns.on('message', (query, from) => {
  const end = query.indexOf(0, 12) + 5;
  const isFour = query.readUInt16BE(end - 4) === 1;
  const head = Buffer.from([query[0] ?? 0, query[1] ?? 0, 0x81, 0x80, 0, 1, 0, isFour ? 1 : 0, 0, 0, 0, 0]);
  const answer = isFour ? [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1] : [];
  dns.send(Buffer.concat([head, query.subarray(12, end), Buffer.from(answer)]), from.port, from.address);
});

service.before(async () => {
  install(binary);
  rmSync('/etc/resolv.conf');
  symlinkSync('/tmp/resolv.conf', '/etc/resolv.conf');
  rmSync('/tmp/resolv.conf', { force: true });
  symlinkSync(resolver, '/tmp/resolv.conf');
  await new Promise<void>((resolve) => dns.bind(53, '127.0.0.1', resolve));
  mkdirSync('/etc/weir', { recursive: true });
  writeFileSync('/etc/weir/authority.pem', broker.authority);
  config(
    'set weir.node.id=roof-1',
    `set weir.broker.host=${broker.name}`,
    `set weir.broker.port=${broker.tlsPort}`,
    `set weir.broker.user=${broker.user}`,
    'set weir.broker.spread=0',
    'set weir.broker.authority=/etc/weir/authority.pem',
  );
  execFileSync('uci', ['set', `weir.broker.password=${broker.password}`]);
  commit('weir');
});
service.after(async () => {
  await stop();
  dns.close();
  await broker.stop();
});

service('two processes with the rights of their files', async () => {
  const { status, stderr } = init('start');
  assert.is(`${status} ${stderr}`, '0 ');
  assert.ok(await until(running), 'running');
  const own = ['Uid', 'Gid', 'NoNewPrivs', 'Seccomp', ...caps] as const;
  const gid = /^weir:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1];
  // ujail is the process before it is ours.
  assert.ok(await until(() => statusOf('agent', 'Seccomp')[0] === '2'));
  assert.equal(statusOf('agent', ...own), [weirUid, gid, '1', '2', none, none, none, none, none]);
  assert.equal(statusOf('enforcer', ...own), ['0', '0', '1', '0', none, netAdmin, netAdmin, netAdmin, none]);
});

service('name servers that netifd learns later reach the agent, and it connects with TLS', async () => {
  assert.not.equal(link(), 'connected');
  config('set network.wan.dns=127.0.0.1');
  commit('network');
  assert.ok(await until(() => readFileSync(resolver, 'utf8').includes('nameserver 127.0.0.1')), 'written');
  assert.ok(await until(() => link() === 'connected', 90), 'connected');
});

service('a change of settings: the agent anew, the enforcer goes on', async () => {
  const [agent, enforcer] = [pidOf('agent'), pidOf('enforcer')];
  config('set weir.node.id=roof-2');
  commit('weir');
  init('reload');
  assert.ok(await until(() => pidOf('agent') !== agent && pidOf('agent') !== null), 'another agent');
  assert.ok(await until(() => link() === 'connected', 60), 'connected');
  assert.is(JSON.parse(ask('weir', 'status')).node, 'roof-2');
  assert.is(pidOf('enforcer'), enforcer);
  const again = pidOf('agent');
  init('reload');
  assert.equal([pidOf('agent'), pidOf('enforcer')], [again, enforcer]);
});

service('what each broker is trusted by is in the jail, and a key that root has restored is the agent’s', async () => {
  const agent = pidOf('agent');
  for (const name of ['authority', 'second']) writeFileSync(`/etc/weir/${name}.pem`, broker.authority);
  config('set weir.second=broker', 'set weir.second.host=second.example', 'set weir.second.authority=/etc/weir/second.pem');
  commit('weir');
  writeFileSync('/etc/weir/agent/saved', '');
  for (const name of ['key', 'saved']) chownSync(`/etc/weir/agent/${name}`, 0, 0);
  init('reload');
  assert.ok(await until(() => pidOf('agent') !== agent && pidOf('agent') !== null), 'another agent');
  assert.ok(await until(() => link() === 'connected', 60), 'connected');
  assert.equal(readdirSync(`/proc/${pidOf('agent')}/root/etc/weir`), ['agent', 'authority.pem', 'second.pem']);
  for (const name of ['key', 'saved']) assert.is(`${statSync(`/etc/weir/agent/${name}`).uid}`, weirUid);
});

service('the enforcer hears of NTP, and the doctor of the filter', () => {
  const clock = (): string => JSON.parse(ask('weir.enforcer', 'facts')).clock;
  const happens = (action: string): string => {
    execFileSync('/etc/hotplug.d/ntp/60-weir', { env: { ...process.env, ACTION: action } });
    return clock();
  };
  assert.equal([clock(), happens('step'), happens('stratum')], ['unknown', 'unknown', 'network']);
  const { stdout } = spawnSync('/usr/sbin/weir', ['doctor', '--json'], { encoding: 'utf8' });
  const { findings } = JSON.parse(stdout) as { findings: readonly { about: string; grade: string }[] };
  assert.equal(
    findings.filter(({ about }) => about === 'seccomp').map(({ grade }) => grade),
    ['good'],
  );
});

service('ubusd is started anew, and all is as before', async () => {
  execFileSync('killall', ['-9', 'ubusd', 'rpcd', 'netifd']);
  rmSync('/run/ubus/ubus.sock', { force: true });
  for (const [command = '', ...args] of [['ubusd'], ['rpcd', '-t', '30'], ['netifd']]) {
    spawn(command, [...args, '-s', '/run/ubus/ubus.sock'], { stdio: 'ignore', detached: true }).unref();
    assert.ok(await until(() => existsSync('/run/ubus/ubus.sock')));
  }
  assert.ok(await until(() => spawnSync('ubus', ['-t', '1', 'wait_for', 'weir.enforcer']).status === 0, 60), 'the enforcer');
  assert.ok(await until(() => link() === 'connected', 90), 'connected');
  assert.equal(statusOf('agent', 'Uid', 'NoNewPrivs', 'CapBnd'), [weirUid, '1', none]);
});

const firewall = suite('the real fw4: what it makes of the claim');
if (isHere('fw4'))
  firewall('both families are masqueraded, guests reach the uplink’s zone and the countersign port, nothing else', async () => {
    const bus = value(
      await ubus.open(host, { path: '/run/ubus/ubus.sock', deadline: millis(5000), whenLost: 'end', lost: () => undefined }),
    );
    const prefix = (text: string) => value(ip.parsePrefix(text));
    const pool = { four: prefix('10.213.0.0/22'), six: prefix('fd12:3456:789a:ffff::/64'), slots: 1021 };
    const plan = { pool, listenPort: 51820, countersignPort: 4720, uplinks: ['wan'] };
    value(await uci.setup({ call: bus.call, clock: host.clock }, plan));
    execFileSync('ip', ['tuntap', 'add', 'weir0', 'mode', 'tun']);
    const isUp = (): boolean =>
      spawnSync('ubus', ['-S', 'call', 'network.interface.weir0', 'status'], { encoding: 'utf8' }).stdout.includes('"up":true');
    assert.ok(await until(isUp), 'up');
    rmSync('/var/run/fw4.state', { force: true });
    const { status, stdout, stderr } = spawnSync('fw4', ['print'], { encoding: 'utf8' });
    assert.is(status, 0, stderr);
    const chain = (name: string): string[] => {
      const [, body = ''] = new RegExp(`chain ${name} \\{\\n(.*?)\\n\\t\\}`, 's').exec(stdout) ?? [];
      return body.split('\n').flatMap((line) => {
        const rule = line.replace(/ comment ".*"$/, '').trim();
        return rule === '' ? [] : [rule];
      });
    };
    assert.equal(chain('forward_weir'), ['jump accept_to_wan', 'jump reject_to_weir']);
    assert.equal(chain('input_weir'), ['udp dport 4720 counter accept', 'jump reject_from_weir']);
    assert.ok(chain('input_wan').includes('udp dport 51820 counter accept'));
    assert.equal(chain('srcnat_wan').slice(0, 2), [
      'ip saddr 10.213.0.0/22 counter masquerade',
      'ip6 saddr fd12:3456:789a:ffff::/64 counter masquerade',
    ]);
    assert.not.match(stdout, 'helper_weir');
    value(await uci.teardown({ call: bus.call, clock: host.clock }));
    bus.close();
  });

for (const one of [jails, service, firewall]) one.run();
