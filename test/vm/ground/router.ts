// Runs one script on one emulated router and brings back what it printed and how it ended. Knows nothing of what the script tests.

import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { runBounded } from './bounded.ts';
import * as cpio from './cpio.ts';
import { bring, type Machine, machines } from './machines.ts';

/** Where the router finds the loopback of the machine that runs the test, every TCP and UDP port of it. */
export const host = '10.0.2.2';

export type File = Readonly<{ bytes: Uint8Array | string; mode?: number }>;

export type Order = Readonly<{
  machine: Machine;
  /** For busybox's sh. Everything it prints comes back. */
  script: string;
  timeoutMs: number;
  /** Our static program, as /usr/sbin/weir. */
  binary?: Uint8Array;
  /** By absolute path; the mode is 0644 unless it says otherwise. */
  files?: Readonly<Record<string, File>>;
  /** Kernel modules that are loaded, with all they depend on, before the script runs. */
  modules?: readonly string[];
  /** An image of this machine that is /dev/vda there, and outlives the router. */
  disk?: string;
  /** Two cards more, eth1 and eth2, with a cable from the one to the other. */
  cable?: boolean;
  /** Its clock counts instructions while it is busy: how long something takes there then does not depend on this machine's other work. */
  countsInstructions?: boolean;
  /** What it runs at `addresses` (FIRST..LAST), of whatever process, is written to the file `path`, as QEMU translates it. */
  trace?: Readonly<{ path: string; addresses: string }>;
}>;

export type Outcome = Readonly<{ output: string; status: number }>;

export async function runRouter(order: Order): Promise<Outcome> {
  const parts = bring(order.machine);
  const folder = mkdtempSync(join(tmpdir(), 'weir-router-'));
  const mark = randomBytes(16).toString('hex');
  const initrd = join(folder, 'initrd');
  const console = join(folder, 'console');
  const disk = order.disk === undefined ? [] : ['-drive', `file=${order.disk},format=raw,if=virtio`];
  const modules = parts.modules([
    'virtio_pci',
    'virtio_net',
    ...(order.disk === undefined ? [] : ['virtio_blk', 'ext4']),
    ...(order.modules ?? []),
  ]);
  const files: Record<string, File> = {
    '/init': {
      bytes: init(
        mark,
        modules.map((module) => module.name),
      ),
      mode: 0o755,
    },
    '/bin/busybox': { bytes: parts.busybox, mode: 0o755 },
    '/script': { bytes: order.script },
    ...Object.fromEntries(modules.map((module) => [`/modules/${module.name}.ko`, { bytes: module.bytes }])),
    ...(order.binary === undefined ? {} : { '/usr/sbin/weir': { bytes: order.binary, mode: 0o755 } }),
    ...order.files,
  };
  try {
    writeFileSync(
      initrd,
      cpio.encode(Object.entries(files).map(([path, { bytes, mode = 0o644 }]) => ({ path, mode, bytes: Buffer.from(bytes) }))),
    );
    const qemu = [
      ...machines[order.machine].qemu,
      ...['-kernel', parts.kernel, '-initrd', initrd, '-append', 'console=ttyS0 panic=-1'],
      ...['-nodefaults', '-display', 'none', '-no-reboot', '-serial', `file:${console}`, '-serial', 'stdio'],
      // Not `restrict=on`, which closes the way to our loopback too: the router simply has no route further than that.
      ...['-netdev', 'user,id=lan,ipv6=off', '-device', 'virtio-net-pci,netdev=lan,romfile='],
      ...(order.cable === true ? ['near', 'far'].flatMap(card) : []),
      ...disk,
      ...(order.trace === undefined ? [] : ['-d', 'in_asm', '-D', order.trace.path, '-dfilter', order.trace.addresses]),
      ...(order.countsInstructions ? ['-icount', 'shift=0', '-rtc', 'clock=vm'] : []),
    ];
    const said = await runBounded(qemu, order.timeoutMs);
    const framed = new RegExp(`${mark} begin\n([^]*)${mark} end (\\d+)\n`).exec(said.stdout);
    if (framed?.[1] !== undefined) return { output: framed[1], status: Number(framed[2]) };
    const end = said.inTime ? 'ended before its script did' : `did not end within ${order.timeoutMs} ms`;
    throw new Error(
      [`${order.machine} ${end}`, said.stderr, '--- console', tail(readFileSync(console, 'latin1')), '--- output', tail(said.stdout)].join(
        '\n',
      ),
    );
  } finally {
    rmSync(folder, { recursive: true });
  }
}

const card = (id: string): string[] => ['-netdev', `hubport,id=${id},hubid=0`, '-device', `virtio-net-pci,netdev=${id},romfile=`];

const tail = (text: string): string => text.split('\n').slice(-40).join('\n');

// The marks are random, so that nothing a script prints can end it early or lie about its status.
const init = (mark: string, modules: readonly string[]): string => `#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/usr/sbin:/bin HOME=/root TMPDIR=/tmp
mkdir -p /proc /sys /dev /tmp /run /root /etc /var
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
mkdir -p /dev/pts
mount -t devpts pts /dev/pts
mount -t tmpfs tmp /tmp
mount -t tmpfs run /run
ln -s /run /var/run
date -s @${Math.ceil(Date.now() / 1000)} >/dev/null
for name in ${modules.join(' ')}; do
  insmod /modules/$name.ko || { echo "router-vm: module $name does not load"; reboot -f; }
done
ip link set lo up
ip address add 10.0.2.15/24 dev eth0
ip link set eth0 up
exec 3>/dev/ttyS1
stty -F /dev/ttyS1 raw
echo "${mark} begin" >&3
sh /script >&3 2>&3 </dev/null
echo "${mark} end $?" >&3
exec 3>&-
reboot -f
`;
