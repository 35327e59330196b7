// How much room Weir takes: its binaries on flash, its roles in the memory of an emulated router.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { version } from '../../agent/core/version.ts';
import { host as node } from '../../agent/host/node.ts';
import { native, nativeBorrowing, type Target, targets } from '../../build/native.ts';
import * as apk from '../../build/package/apk.ts';
import * as ipk from '../../build/package/ipk.ts';
import { weir } from '../../build/package/weir.ts';
import * as mosquitto from '../../test/fakes/mosquitto.ts';
import * as objects from '../../test/fakes/router.ts';
import { startUbusd } from '../../test/fakes/ubusd.ts';
import { relay } from '../../test/vm/ground/relay.ts';
import { host, runRouter } from '../../test/vm/ground/router.ts';
import { type Bench, render } from './bench.ts';

type Limit = Readonly<{ most: number; aim: number }>;
const limits = {
  static: { most: 850, aim: 650 },
  borrowing: { most: 600, aim: 450 },
  agent: { most: 4096, aim: 3072 },
  enforcer: { most: 1536, aim: 1229 },
  both: { most: 6144, aim: 4608 },
} satisfies Record<string, Limit>;
type Limited = keyof typeof limits;

/** The one that has the least room. */
const small: Target = 'mipsel_24kc';

export const footprint: Bench = {
  what: 'sizes of the binaries; memory of agent and enforcer on a MIPS router with 128 MB',
  needs: [
    'qemu-system-mipsel:qemu-system-mips',
    'mosquitto:mosquitto',
    'openssl:openssl',
    '/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring',
  ],
  async run() {
    const sizes = await weigh();
    const { kernel, agent, enforcer } = await remember();
    const smallest = sizes.get(small);
    if (smallest === undefined) throw new Error(`footprint: no binary for ${small}`);
    const held: Readonly<Record<Limited, number>> = {
      static: smallest.packed,
      borrowing: smallest.borrowing,
      agent: agent.resident,
      enforcer: enforcer.resident,
      both: agent.resident + enforcer.resident,
    };
    const sizeTable = [
      ['architecture', 'static, KB', 'static, gzip KB', "with the router's libraries, gzip KB", '.apk, KB', '.ipk, KB', 'installed, KB'],
      ...[...sizes].map(([target, size]) => [
        target,
        ...[size.bytes, size.packed, size.borrowing, size.apk, size.ipk, size.installed].map(String),
      ]),
      ['limit (aim), mipsel_24kc', '', bounds('static'), bounds('borrowing'), '', '', ''],
    ];
    const each = (figure: keyof Size): Record<string, number> =>
      Object.fromEntries([...sizes].map(([target, size]) => [target, size[figure]]));
    const memoryTable = [
      ['role', 'resident KB', 'anonymous KB', 'private KB', 'limit (aim) of resident'],
      ['agent, connected by TLS', ...Object.values(agent).map(String), bounds('agent')],
      ['enforcer, idle', ...Object.values(enforcer).map(String), bounds('enforcer')],
      ['both', ...sumOf(agent, enforcer).map(String), bounds('both')],
    ];
    return {
      on: `Linux ${kernel} (an emulated MIPS 24Kc with 128 MB)`,
      body: [
        render(sizeTable),
        "Static: what the packages carry, unsigned here; installed is what their files hold on a router. With the router's libraries: the same objects, linked dynamically to `libc.so`, `libmbedtls.so.21`, " +
          '`libmbedx509.so.7` and `libmbedcrypto.so.16`, not position-independent, stripped, sections collected; without the C start-up files.',
        render(memoryTable),
        'The broker is Mosquitto, its certificate checked against one authority. Resident: VmRSS, the pages of the binary included, which ' +
          'both roles share. Anonymous: RssAnon. Private: the private pages of smaps_rollup.',
      ].join('\n\n'),
      numbers: {
        bin_kb: each('bytes'),
        gz_kb: each('packed'),
        gz_borrowing_kb: each('borrowing'),
        apk_kb: each('apk'),
        ipk_kb: each('ipk'),
        installed_kb: each('installed'),
        agent_rss_kb: agent.resident,
        enforcer_rss_kb: enforcer.resident,
      },
      broken: (Object.keys(limits) as Limited[])
        .filter((name) => held[name] > limits[name].most)
        .map((name) => `${name}: ${held[name]} KB, limit ${limits[name].most} KB`),
    };
  },
};

const sumOf = (a: Memory, b: Memory): number[] => [a.resident + b.resident, a.anonymous + b.anonymous, a.private + b.private];

const bounds = (name: Limited): string => `${limits[name].most} (${limits[name].aim})`;

type Size = Readonly<Record<'bytes' | 'packed' | 'borrowing' | 'apk' | 'ipk' | 'installed', number>>;

async function weigh(): Promise<ReadonlyMap<Target, Size>> {
  const sizes = new Map<Target, Size>();
  for (const target of targets.filter((name) => name !== 'host' && name !== 'asan')) {
    const [whole, borrowing] = [readFileSync(await native(target)), readFileSync(await nativeBorrowing(target))];
    const [asApk, asIpk] = [weir('apk', target, whole, version, 0), weir('ipk', target, whole, version, 0)];
    sizes.set(target, {
      bytes: inKb(whole.length),
      packed: gzipped(whole),
      borrowing: gzipped(borrowing),
      apk: inKb(apk.write(asApk, null).length),
      ipk: inKb(ipk.write(asIpk).length),
      installed: inKb(apk.listed(asApk).reduce((sum, { bytes }) => sum + bytes.length, 0)),
    });
  }
  return sizes;
}

const inKb = (bytes: number): number => Math.ceil(bytes / 1024);
const gzipped = (bytes: Buffer): number => inKb(gzipSync(bytes, { level: 9 }).length);

type Memory = Readonly<{ resident: number; anonymous: number; private: number }>;

/** The roles run on the router; broker and bus here. */
async function remember(): Promise<Readonly<{ kernel: string; agent: Memory; enforcer: Memory }>> {
  const folder = mkdtempSync(join(tmpdir(), 'weir-footprint-'));
  const socket = join(folder, 'ubus.sock');
  const broker = await mosquitto.start(host);
  const ubusd = await startUbusd({ path: socket });
  const router = await objects.start(socket, node.clock, { ...objects.configs, weir: configOf(broker) });
  const door = createServer({ noDelay: true }, (guest) =>
    guest
      .pipe(connect(socket))
      .pipe(guest)
      .on('error', () => guest.destroy()),
  );
  try {
    await new Promise<void>((resolve) => door.listen(0, '127.0.0.1', resolve));
    const { output, status } = await runRouter({
      machine: 'mipsel',
      binary: readFileSync(await native(small)),
      files: {
        '/bin/relay': { bytes: relay('mipsel'), mode: 0o755 },
        '/etc/authority.pem': { bytes: broker.authority },
        '/etc/resolv.conf': { bytes: '' },
      },
      script: script((door.address() as AddressInfo).port),
      timeoutMs: 180_000,
    });
    if (status !== 0) throw new Error(`footprint: the roles did not come up\n${output}`);
    return {
      kernel: /^kernel (.*)$/m.exec(output)?.[1] ?? 'unknown',
      agent: memoryIn(output, 'agent'),
      enforcer: memoryIn(output, 'enforcer'),
    };
  } finally {
    door.close();
    router.stop();
    await ubusd.stop();
    await broker.stop();
    rmSync(folder, { recursive: true });
  }
}

const configOf = (broker: mosquitto.Broker): string => `
config node 'node'
	option id 'roof-1'

config broker 'broker'
	option host '${host}'
	option port '${broker.tlsPort}'
	option user '${broker.user}'
	option password '${broker.password}'
	option authority '/etc/authority.pem'
	option spread '0'
`;

const script = (port: number): string => `
wait_for() {
  for second in $(seq 60); do grep -q "$2" /tmp/$1.log && return; sleep 1; done
  echo "$1 never said $2"; cat /tmp/*.log; exit 1
}
mkdir -p /var/run/ubus /etc/weir/agent /etc/weir/enforcer
relay /var/run/ubus/ubus.sock ${host} ${port}
weir enforcer 2>/tmp/enforcer.log & enforcer=$!
wait_for enforcer 'weir.enforcer is there'
weir agent 2>/tmp/agent.log & agent=$!
wait_for agent 'published .*/birth'
wait_for agent 'published .*/state'
echo "kernel $(uname -r)"
cat /proc/$agent/status /proc/$agent/smaps_rollup | sed 's/^/agent /'
cat /proc/$enforcer/status /proc/$enforcer/smaps_rollup | sed 's/^/enforcer /'
`;

function memoryIn(output: string, role: string): Memory {
  const field = (name: string): number => {
    const kb = new RegExp(`^${role} ${name}:\\s+(\\d+) kB$`, 'm').exec(output)?.[1];
    if (kb === undefined) throw new Error(`footprint: no ${name} of ${role} in\n${output}`);
    return Number(kb);
  };
  return { resident: field('VmRSS'), anonymous: field('RssAnon'), private: field('Private_Clean') + field('Private_Dirty') };
}
