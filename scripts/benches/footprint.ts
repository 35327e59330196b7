// How much room Weir takes: its binaries on flash, its roles in the memory of an emulated router, idle and at work.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import * as journal from '../../agent/core/journal.ts';
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
import { type Memory, memoryIn, sessions, work } from './footprint-work.ts';

type Limit = Readonly<{ most: number; aim: number }>;
const limits = {
  static: { most: 850, aim: 650 },
  borrowing: { most: 600, aim: 450 },
  agent: { most: 4096, aim: 3072 },
  enforcer: { most: 1536, aim: 1229 },
  both: { most: 6144, aim: 4608 },
  'agent at work': { most: 4096, aim: 3072 },
  'enforcer at work': { most: 1536, aim: 1229 },
  'both at work': { most: 6144, aim: 4608 },
  processor: { most: 3, aim: 2 },
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
    const [{ kernel, agent, enforcer }, { memory, quiet, perReceipt }] = await Promise.all([remember(), work()]);
    const processor = quiet.agent + quiet.enforcer + (100 * sessions * perReceipt) / receiptsEvery;
    const smallest = sizes.get(small);
    if (smallest === undefined) throw new Error(`footprint: no binary for ${small}`);
    const held: Readonly<Record<Limited, number>> = {
      static: smallest.packed,
      borrowing: smallest.borrowing,
      agent: agent.resident,
      enforcer: enforcer.resident,
      both: agent.resident + enforcer.resident,
      'agent at work': memory.agent.resident,
      'enforcer at work': memory.enforcer.resident,
      'both at work': memory.agent.resident + memory.enforcer.resident,
      processor,
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
      ['role', 'resident KB', 'proportional KB', 'anonymous KB', 'private KB', 'limit (aim) of resident'],
      ['agent, connected by TLS', ...wordsOf(agent), bounds('agent')],
      ['enforcer, idle', ...wordsOf(enforcer), bounds('enforcer')],
      ['both', ...wordsOf(sumOf(agent, enforcer)), bounds('both')],
      [`agent, ${sessions} sessions`, ...wordsOf(memory.agent), bounds('agent at work')],
      [`enforcer, ${sessions} sessions`, ...wordsOf(memory.enforcer), bounds('enforcer at work')],
      ['both', ...wordsOf(sumOf(memory.agent, memory.enforcer)), bounds('both at work')],
    ];
    const workTable = [
      ['of the processor, with sessions', 'figure'],
      ['agent, %', share(quiet.agent)],
      ['enforcer, %', share(quiet.enforcer)],
      ['both for a receipt, s', share(perReceipt)],
      [`both, and ${sessions} receipts in ${receiptsEvery / 60} minutes, %`, `${share(processor)}, limit ${bounds('processor')}`],
    ];
    return {
      on: `Linux ${kernel} (an emulated MIPS 24Kc with 128 MB)`,
      body: [
        render(sizeTable),
        "Static: what the packages carry, unsigned here; installed is what their files hold on a router. With the router's libraries: the same objects, linked dynamically to `libc.so`, `libmbedtls.so.21`, " +
          '`libmbedx509.so.7` and `libmbedcrypto.so.16`, not position-independent, stripped, sections collected; without the C start-up files.',
        render(memoryTable),
        'The broker is Mosquitto, its certificate checked against one authority. Resident: VmRSS, the pages of the binary included, which ' +
          'both roles share. Proportional, and private: Pss, and the private pages, of smaps_rollup. Anonymous: RssAnon. Without the jails, whose ' +
          "processes are procd's.",
        render(workTable),
        `At work: ${sessions} sessions that a coordinator has opened over TLS, telemetry every minute, accounting every 10 s, a packet of 1 KB in ` +
          'each session every 5 s, kernel WireGuard, no jail. The clock counts instructions, a thousand million in a second, and the shares are exact ' +
          "(schedstat against uptime, over 40 s). A receipt is here a session's last: an order verified, the session stopped, receipt and root " +
          "signed, its consumer's countersignature verified, the session evicted, an answer signed.",
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
        agent_pss_kb: agent.proportional,
        enforcer_pss_kb: enforcer.proportional,
        work_agent_rss_kb: memory.agent.resident,
        work_enforcer_rss_kb: memory.enforcer.resident,
        work_agent_pss_kb: memory.agent.proportional,
        work_enforcer_pss_kb: memory.enforcer.proportional,
        work_cpu_percent: processor,
        work_receipt_s: perReceipt,
      },
      broken: (Object.keys(limits) as Limited[])
        .filter((name) => held[name] > limits[name].most)
        .map((name) => `${name}: ${share(held[name])}, limit ${bounds(name)}`),
    };
  },
};

/** In seconds. By time alone each of twenty sessions waits for five turns of the flash (core/journal.ts). */
const receiptsEvery = (5 * journal.refill) / 1000;

const sumOf = (a: Memory, b: Memory): Memory => ({
  resident: a.resident + b.resident,
  proportional: a.proportional + b.proportional,
  anonymous: a.anonymous + b.anonymous,
  private: a.private + b.private,
});
const wordsOf = ({ resident, proportional, anonymous, private: own }: Memory): string[] =>
  [resident, proportional, anonymous, own].map(String);

const share = (n: number): string => String(Math.round(100 * n) / 100);

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
      agent: memoryIn(output, 'agent '),
      enforcer: memoryIn(output, 'enforcer '),
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
