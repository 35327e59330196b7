// The real ubusd, procd, rpcd and netifd of this machine's PATH, on a root of their own: an overlay in memory, own mounts, network and
// processes, two devices. The machine's /etc/config, /tmp and /var/run stay as they are, and everything is gone when the test is.
// Needs root. Knows no build of these daemons and no test.

import { spawn, spawnSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

/** `network`: a process whose network, with its devices, is the router's. `files`: more of the router's, by their paths. */
export type Options = Readonly<{ network?: number; files?: Readonly<Record<string, string>> }>;

export const daemons = ['ubusd', 'ubus', 'procd', 'rpcd', 'netifd', 'unshare', 'nsenter', 'ip'] as const;

export type RealRouter = Readonly<{
  /** ubusd's, reachable from outside. */
  socket: string;
  /** /etc/config */
  configs: string;
  /** A command among the router's devices. */
  ip(...args: string[]): void;
  /** A program of the project's as a process of the router, which sees its files; what it prints is ours. Its exit status. */
  run(...args: string[]): Promise<number | null>;
  stop(): Promise<void>;
}>;

export const isHere = (program: string): boolean =>
  (process.env['PATH'] ?? '').split(':').some((dir) => {
    try {
      accessSync(join(dir, program), constants.X_OK);
      return true;
    } catch (_notThere) {
      return false;
    }
  });

// The last line waits for the end of stdin: when the test is gone, so is the router.
const script = `
set -e
mount -t tmpfs weir /mnt
mkdir /mnt/up /mnt/work /mnt/root
mount -t overlay overlay -o lowerdir=/,upperdir=/mnt/up,workdir=/mnt/work /mnt/root
cd /mnt/root
mount -t proc proc proc
mount -t sysfs sys sys
mount --rbind /dev dev
mount -t tmpfs run run
mkdir -p etc/config run/ubus run/rpcd run/lock tmp/.uci tmp/resolv.conf.d etc/init.d mnt
mount --bind "$1/ubus" run/ubus
mount --bind "$1/config" etc/config
cp -r "$1/files/." .
mkdir -p "./$2"
mount --rbind "$2" "./$2"
[ -L var/run ] || mount --rbind run var/run
printf '#!/bin/sh\\n[ "$1" != reload ] || exec ubus call network reload\\n' >etc/init.d/network
printf '#!/bin/sh\\n' >etc/init.d/firewall
chmod +x etc/init.d/network etc/init.d/firewall
pivot_root . mnt
umount -l /mnt
ip link set lo up
[ -n "$3" ] || for n in 0 1; do
  ip link add eth$n type veth peer name eth\${n}p
  ip link set eth\${n}p up
done
ubusd -s /run/ubus/ubus.sock &
while [ ! -S /run/ubus/ubus.sock ]; do kill -0 $!; read -t 0.02 _ || true; done
procd -S -s /run/ubus/ubus.sock &
ubus -t 10 wait_for service
for n in network firewall; do
  ubus call service set '{"name":"'$n'","triggers":[["config.change",["if",["eq","package","'$n'"],["run_script","/etc/init.d/'$n'","reload"]],1000]]}'
done
rpcd -s /run/ubus/ubus.sock -t 30 &
netifd -s /run/ubus/ubus.sock &
ubus -t 10 wait_for uci session network network.interface.lan network.interface.wan
echo ready
read _ || true
`;

export async function start(configs: Readonly<Record<string, string>>, { network, files = {} }: Options = {}): Promise<RealRouter> {
  const dir = mkdtempSync(join(tmpdir(), 'weir-router-'));
  mkdirSync(join(dir, 'ubus'));
  mkdirSync(join(dir, 'config'));
  for (const [name, text] of Object.entries(configs)) writeFileSync(join(dir, 'config', name), text);
  mkdirSync(join(dir, 'files'));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(dir, 'files', dirname(path)), { recursive: true });
    writeFileSync(join(dir, 'files', path), text);
  }
  const [own, into] = network === undefined ? [['--net'], []] : [[], ['nsenter', `--net=/proc/${network}/ns/net`]];
  const [command = '', ...args] = [...into, 'unshare', '--mount', ...own, '--pid', '--ipc', '--fork', '--kill-child'];
  const child = spawn(command, [...args, 'bash', '-c', script, 'router', dir, process.cwd(), `${network ?? ''}`], {
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  let complaints = '';
  child.stderr.on('data', (chunk: Buffer) => {
    complaints += chunk;
  });
  const stop = async (): Promise<void> => {
    child.kill('SIGKILL');
    await ended;
    rmSync(dir, { recursive: true });
  };
  const ready = await new Promise<boolean>((resolve) => {
    const timer = setTimeout(() => resolve(false), 30_000);
    const settle = (value: boolean): void => {
      clearTimeout(timer);
      resolve(value);
    };
    let said = '';
    child.stdout.on('data', (chunk: Buffer) => {
      said += chunk;
      if (/^ready$/m.test(said)) settle(true);
    });
    child.once('close', () => settle(false));
  });
  if (!ready) {
    await stop();
    throw new Error(`the daemons did not start: ${complaints}`);
  }
  const inside = firstChild(child.pid ?? 0);
  return {
    socket: join(dir, 'ubus/ubus.sock'),
    configs: join(dir, 'config'),
    ip(...args) {
      const done = spawnSync('nsenter', ['--target', inside, '--net', 'ip', ...args], { encoding: 'utf8' });
      if (done.status !== 0) throw new Error(`ip ${args.join(' ')}: ${done.stderr}`);
    },
    run(...args) {
      const into = ['--target', inside, '--mount', '--net', '--pid', '--ipc', `--wdns=${process.cwd()}`];
      const program = spawn('nsenter', [...into, process.execPath, 'scripts/run.mjs', ...args], { stdio: 'inherit' });
      return new Promise((resolve) => program.once('close', resolve));
    },
    stop,
  };
}

const firstChild = (pid: number): string => readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ')[0] ?? '';
