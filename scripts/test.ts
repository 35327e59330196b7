// The test runner. A suite is a folder under test/; a test file is a program of its own that prints uvu's totals. The totals are read
// here, not the exit code alone: under QuickJS uvu ends with 0 even when tests failed.

import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';

type Suite = Readonly<{ what: string; needs: readonly string[]; pure?: true }>;

/** For the native host: a compiler, and what unpacks and verifies the sources. */
const native = [
  'cc:gcc',
  '/usr/include/stdio.h:libc6-dev',
  'xz:xz-utils',
  'bzip2:bzip2',
  'patch:patch',
  '/usr/share/keyrings/debian-archive-keyring.gpg:debian-archive-keyring',
];

/** A small Internet, with tunnels. */
const namespaces = ['ip:iproute2', 'nft:nftables', 'wireguard-go:wireguard-go', 'wg:wireguard-tools'];

const suites: Readonly<Record<string, Suite>> = {
  check: { what: 'types, lint, room rules, budgets', needs: [...native] },
  core: { what: 'decisions; on Node and on QuickJS', needs: [...native], pure: true },
  crypto: { what: 'signatures and hashes; on Node and on QuickJS', needs: [...native], pure: true },
  wire: { what: 'codecs; on Node and on QuickJS', needs: [...native, 'nft:nftables', 'ip:iproute2'], pure: true },
  twin: {
    what: 'what is signed, against a second implementation in Python',
    needs: [
      '/usr/bin/python3:python3',
      '/usr/lib/python3/dist-packages/cbor2:python3-cbor2',
      '/usr/lib/python3/dist-packages/cryptography:python3-cryptography',
    ],
  },
  fuzz: { what: 'every decoder against mutated input', needs: [] },
  bus: { what: 'the ubus client against the fake ubusd, and the real one when on PATH', needs: [...native, '/usr/bin/python3:python3'] },
  host: {
    what: 'one conformance suite on three hosts, the C host under sanitizers',
    needs: [...native, 'openssl:openssl', 'qemu-mips-static:qemu-user-static'],
  },
  link: {
    what: 'MQTT against Mosquitto on three hosts, and NATS; the demo',
    needs: [...native, ...namespaces, 'mosquitto:mosquitto', 'nats-server:nats-server', 'openssl:openssl'],
  },
  consumer: { what: 'the other end of the tunnel: what it is granted, countersigns and disputes', needs: [] },
  coordinator: {
    what: 'registry, verification and ledger on PGlite and PostgreSQL; MQTT and HTTP',
    needs: ['/usr/lib/postgresql:postgresql', 'mosquitto:mosquitto', 'openssl:openssl'],
  },
  loop: { what: 'the warden over a model of its ports', needs: [] },
  system: {
    what: 'package files; the real procd, ujail and fw4 when on PATH',
    needs: [...native, 'mosquitto:mosquitto', 'openssl:openssl'],
  },
  luci: {
    what: "the owner's pages in a browser, over the fakes and a real agent; and on a real kernel",
    needs: [...native, ...namespaces, 'chromium:chromium', '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core'],
  },
  page: {
    what: "the coordinator's page in a browser",
    needs: ['chromium:chromium', '/usr/share/fonts/truetype/dejavu/DejaVuSans.ttf:fonts-dejavu-core'],
  },
  package: {
    what: '.apk and .ipk, parts, feed, scripts; the real apk, opkg and usign when on PATH',
    needs: ['busybox:busybox-static', 'unshare:util-linux'],
  },
  net: {
    what: 'sessions on a real kernel, and a link in trouble, in network namespaces',
    needs: [
      ...native,
      ...namespaces,
      'ping:iputils-ping',
      'mosquitto:mosquitto',
      'nats-server:nats-server',
      'openssl:openssl',
      'faketime:faketime',
      '/usr/lib/postgresql:postgresql',
    ],
  },
  vm: {
    what: 'emulated routers',
    needs: [
      ...native,
      'qemu-system-mipsel:qemu-system-mips',
      'qemu-system-x86_64:qemu-system-x86',
      'qemu-mips-static:qemu-user-static',
      'openssl:openssl',
    ],
  },
};

const help = `scripts/test [--all] [SUITE | FILE.test.ts ...]

Runs the test suites; without names, all of them. The last line is the sum over all.
  --all    adds the long forms (*.long.test.ts)

${Object.entries(suites)
  .map(([name, s]) => `  ${name.padEnd(11)} ${s.what}`)
  .join('\n')}
`;

type Totals = { passed: number; failed: number; skipped: number };

function totalsIn(output: string): Totals | null {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: colours are control characters
  const plain = output.replace(/\x1b\[[0-9;]*m/g, '');
  const sum = (label: string): number =>
    [...plain.matchAll(new RegExp(`^ *${label}: +(\\d+)`, 'gm'))].reduce((n, m) => n + Number(m[1]), 0);
  if (!/^ *Total: +\d+/m.test(plain)) return null;
  const passed = sum('Passed');
  return { passed, failed: sum('Total') - passed, skipped: sum('Skipped') };
}

/** Test programs under way. Each leads a process group, so that all it started can be stopped with it. */
const groups = new Set<number>();

function stop(group: number): void {
  try {
    process.kill(-group, 'SIGKILL');
  } catch (error) {
    // Gone; what still holds its output is not of the group.
    if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
  }
}

function run(command: string, args: string[], limitMs: number): Promise<{ output: string; status: string | number }> {
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
      env: { ...process.env, FORCE_COLOR: '0', NO_COLOR: '1' },
    });
    const { pid } = child;
    if (pid === undefined) throw new Error(`cannot start ${command}`);
    groups.add(pid);
    const chunks: Buffer[] = [];
    child.stdout.on('data', (c: Buffer) => chunks.push(c));
    child.stderr.on('data', (c: Buffer) => chunks.push(c));
    const timer = setTimeout(() => {
      chunks.push(Buffer.from(`\nstopped: still running after ${limitMs / 1000} s\n`));
      stop(pid);
    }, limitMs);
    child.on('close', (code, signal) => {
      groups.delete(pid);
      clearTimeout(timer);
      resolve({ output: Buffer.concat(chunks).toString(), status: code ?? signal ?? 'unknown' });
    });
  });
}

function filesOf(suite: string, long: boolean): string[] {
  const dir = join('test', suite);
  if (!statSync(dir, { throwIfNoEntry: false })?.isDirectory()) return [];
  return readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((e) => e.isFile() && e.name.endsWith('.test.ts') && (long || !e.name.endsWith('.long.test.ts')))
    .map((e) => join(e.parentPath, e.name))
    .sort();
}

async function main(): Promise<number> {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(help);
    return 0;
  }
  const long = args.includes('--all');
  const named = args.filter((a) => a !== '--all');
  const strays = readdirSync('test').filter((folder) => !(folder in suites) && filesOf(folder, true).length > 0);
  if (strays.length > 0) {
    console.error(`scripts/test: test/${strays.join(', test/')} holds tests and is in no suite; give it a line in scripts/test.ts`);
    return 2;
  }
  const unknown = named.filter((a) => !(a in suites) && !(a.endsWith('.test.ts') && existsSync(a)));
  if (unknown.length > 0) {
    console.error(`scripts/test: no suite or file called ${unknown.join(', ')}\n\n${help}`);
    return 2;
  }
  const sum: Totals = { passed: 0, failed: 0, skipped: 0 };
  const broken: string[] = [];
  const wanted = named.length > 0 ? named : Object.keys(suites);
  type Job = Readonly<{ label: string; program: string[]; limitMs: number }>;
  const jobs: Job[] = [];
  for (const want of wanted) {
    const suite = suites[want] ?? suites[want.split('/')[1] ?? ''];
    const files = want in suites ? filesOf(want, long) : [want];
    if (suite === undefined || files.length === 0) continue;
    const ready = spawnSync('scripts/need', [...suite.needs], { stdio: 'inherit' });
    if (ready.status !== 0) {
      console.log(`✘ ${want}: this machine lacks what the suite needs`);
      sum.skipped += files.length;
      continue;
    }
    for (const file of files) {
      const limitMs = file.endsWith('.long.test.ts') ? 1_800_000 : 600_000;
      jobs.push({ label: file, program: [file], limitMs });
      if (suite.pure === true) jobs.push({ label: `${file} (QuickJS)`, program: ['scripts/on-quickjs.ts', file], limitMs });
    }
  }
  const work = async (): Promise<void> => {
    for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) await one(job);
  };
  const one = async ({ label, program, limitMs }: Job): Promise<void> => {
    const started = Date.now();
    const { output, status } = await run(process.execPath, ['scripts/run.mjs', ...program], limitMs);
    const totals = totalsIn(output);
    const clean = status === 0 && totals !== null && totals.failed === 0;
    const counts = totals === null ? 'no totals printed' : `${totals.passed} passed${totals.failed > 0 ? `, ${totals.failed} failed` : ''}`;
    console.log(`${clean ? '•' : '✘'} ${label}: ${counts} (${((Date.now() - started) / 1000).toFixed(1)} s)`);
    if (!clean) {
      // On QuickJS each of uvu's dots is a line.
      console.log(output.replace(/^(\s*[•✘]\s*)$\n?/gm, ''));
      console.log(`  exit ${status}`);
      broken.push(label);
    }
    if (totals !== null) {
      sum.passed += totals.passed;
      sum.failed += totals.failed;
      sum.skipped += totals.skipped;
    }
    // A program that died, or printed nothing, has failed even when every test it still counted passed.
    if (!clean && (totals === null || totals.failed === 0)) sum.failed += 1;
  };
  // Much of a test is waiting for others, so three at a time on two cores; the first job alone builds what the others need.
  const first = jobs.shift();
  if (first !== undefined) await one(first);
  await Promise.all([work(), work(), work()]);
  for (const label of broken) console.log(`✘ ${label}`);
  console.log(`${sum.passed} passed, ${sum.failed} failed${sum.skipped > 0 ? `, ${sum.skipped} skipped` : ''}`);
  const strict = process.env['CI'] === 'true';
  return sum.failed > 0 || sum.passed === 0 || (strict && sum.skipped > 0) ? 1 : 0;
}

for (const [signal, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const)
  process.on(signal, () => {
    // A terminal's Ctrl-C does not reach other groups.
    for (const group of groups) stop(group);
    process.exit(status);
  });
process.exitCode = await main();
