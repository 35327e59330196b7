// One network namespace with a mount namespace of its own, held by the resident program. Neither has a name, and everything started here
// dies with the process that started it: when a test ends, by whatever signal, the kernel takes namespaces, links and mounts away.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readlinkSync } from 'node:fs';
import { build } from 'esbuild';
import type { Verbs } from './resident.ts';

export type Ran = Readonly<{ code: number | NodeJS.Signals; stdout: string; stderr: string }>;
export type RunOptions = Readonly<{ input?: string; withinMs?: number }>;

export type Namespace = Readonly<{
  pid: number;
  /** Words to put before an argv so that it runs in here, and ends with its parent. */
  enter: readonly string[];
  /** Runs to the end; a deadline is a failure. */
  attempt(argv: readonly string[], options?: RunOptions): Promise<Ran>;
  /** The same, and anything but exit code 0 throws what was said on stderr. */
  run(argv: readonly string[], options?: RunOptions): Promise<string>;
  /** A long-running program; its pid is the program's own, so that it can be killed. Ended by `close` at the latest. */
  spawn(argv: readonly string[], env?: Readonly<Record<string, string>>): ChildProcess;
  /** One of the verbs of `traffic.ts`, done by the resident. */
  ask<V extends keyof Verbs>(verb: V, request: Parameters<Verbs[V]>[0]): Promise<Awaited<ReturnType<Verbs[V]>>>;
  close(): Promise<void>;
}>;

const bound = ['setpriv', '--pdeathsig', 'KILL'];
/** Who counts and who encrypts must not fall behind on a busy machine: a full buffer would look like a rule that drops. */
export const eager = ['nice', '-n', '-10'];
const path = `${process.env['PATH'] ?? ''}:/usr/sbin:/sbin`;

/** The network namespace of a process. */
export const spaceOf = (pid: number): string => readlinkSync(`/proc/${pid}/ns/net`);

/** Every process that lives in one of these. */
export const inhabitants = (spaces: ReadonlySet<string>): number[] =>
  readdirSync('/proc')
    .filter((name) => {
      try {
        return /^\d+$/.test(name) && spaces.has(spaceOf(Number(name)));
      } catch {
        // It has ended since the directory was read.
        return false;
      }
    })
    .map(Number);

function end(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (e) {
    // It may have ended by itself in the meantime.
    if ((e as NodeJS.ErrnoException).code !== 'ESRCH') throw e;
  }
}

/** The resident, bundled into one text that Node takes as an argument. */
async function bundleResident(): Promise<string> {
  const built = await build({
    entryPoints: ['test/net/ground/resident.ts'],
    bundle: true,
    write: false,
    platform: 'node',
    target: 'node20',
    format: 'esm',
  });
  const [output] = built.outputFiles;
  if (output === undefined) throw new Error('esbuild made no resident');
  return output.text;
}

let resident: Promise<string> | undefined;

export async function openNamespace(name: string): Promise<Namespace> {
  resident ??= bundleResident();
  const [command = '', ...args] = [
    ...bound,
    ...eager,
    'unshare',
    '--net',
    '--mount',
    process.execPath,
    '--input-type=module',
    '-e',
    await resident,
  ];
  const holder = spawn(command, args, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const children = new Set<ChildProcess>([holder]);
  const waiting = new Map<number, { resolve(value: never): void; reject(e: Error): void }>();
  let next = 0;

  const answer = new Promise<null>((resolve, reject) => waiting.set(next, { resolve, reject }));
  holder.on('message', (m: { id: number; value?: never; error?: string }) => {
    const asked = waiting.get(m.id);
    waiting.delete(m.id);
    if (m.error === undefined) asked?.resolve(m.value as never);
    else asked?.reject(new Error(`${name}: ${m.error}`));
  });
  holder.on('exit', (code, signal) => {
    for (const asked of waiting.values()) asked.reject(new Error(`${name}: the resident ended (${code ?? signal})`));
    waiting.clear();
  });
  await answer;
  const pid = holder.pid;
  if (pid === undefined) throw new Error(`${name}: the resident did not start`);
  const space = spaceOf(pid);
  const enter = [...bound, 'nsenter', '-t', String(pid), '-n', '-m', '-w', '--'];

  const start = (argv: readonly string[], env: Readonly<Record<string, string>> = {}): ChildProcess => {
    const [first = '', ...rest] = [...enter, ...argv];
    const child = spawn(first, rest, { stdio: 'pipe', env: { ...process.env, PATH: path, ...env } });
    children.add(child);
    child.on('exit', () => children.delete(child));
    return child;
  };

  const attempt = (argv: readonly string[], { input = '', withinMs = 30_000 }: RunOptions = {}): Promise<Ran> => {
    const child = start(argv);
    const said: Record<'stdout' | 'stderr', Buffer[]> = { stdout: [], stderr: [] };
    child.stdout?.on('data', (c: Buffer) => said.stdout.push(c));
    child.stderr?.on('data', (c: Buffer) => said.stderr.push(c));
    // A program that reads nothing and ends at once makes this pipe fail; its exit code is what counts.
    child.stdin?.on('error', () => child.stdin?.destroy());
    child.stdin?.end(input);
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${name}: ${argv.join(' ')}: still running after ${withinMs} ms`));
      }, withinMs);
      child.on('error', reject);
      child.on('close', (code, signal) => {
        clearTimeout(timer);
        const [stdout, stderr] = [Buffer.concat(said.stdout).toString(), Buffer.concat(said.stderr).toString()];
        resolve({ code: code ?? signal ?? 'SIGKILL', stdout, stderr });
      });
    });
  };

  return {
    pid,
    enter,
    attempt,
    spawn: start,
    async run(argv, options) {
      const ran = await attempt(argv, options);
      if (ran.code !== 0) throw new Error(`${name}: ${argv.join(' ')}: ${ran.code}: ${ran.stderr}${ran.stdout}`);
      return ran.stdout;
    },
    ask: (verb, request) =>
      new Promise((resolve, reject) => {
        next += 1;
        waiting.set(next, { resolve, reject });
        holder.send({ id: next, verb, request });
      }),
    async close() {
      await Promise.all(
        [...children].map((child) => {
          const gone = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
          child.kill('SIGKILL');
          return gone;
        }),
      );
      // What a program of ours had started in its turn.
      for (const stray of inhabitants(new Set([space]))) end(stray);
    },
  };
}
