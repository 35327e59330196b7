// The program of this folder, run on the native host in the ground's router and driven from a test.

import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bundleProgram } from '../../../build/bundle.ts';
import { interpreter } from '../../../build/native.ts';
import type { Namespace } from '../ground/namespace.ts';
import * as json from './json.ts';

export type Said = Readonly<{ event: string; why?: unknown }>;
export type Remote = Readonly<{
  pid: number;
  /** A Fault throws. */
  ask<T>(verb: string, ...args: readonly unknown[]): Promise<T>;
  /** As the program's port answers. */
  attempt<T>(verb: string, ...args: readonly unknown[]): Promise<T>;
  /** All that has been told so far, and is forgotten then. */
  told(): readonly string[];
  /** The next telling of this event that nobody has waited for. */
  wait(event: string): Promise<Said>;
  /** SIGKILL. */
  kill(): Promise<void>;
  /** Of the last answer. */
  took(): number;
}>;

let program: Promise<Readonly<{ source: string; binary: string }>> | undefined;

async function make(): Promise<Readonly<{ source: string; binary: string }>> {
  const { entry, modules } = await bundleProgram('test/net/kernel/program.ts');
  return { source: String(modules.get(entry)), binary: await interpreter('host') };
}

const patienceMs = 60_000;

/** `enter`: words before its argv. */
export async function start(router: Namespace, enter: readonly string[] = []): Promise<Remote> {
  program ??= make();
  const { source, binary } = await program;
  const folder = mkdtempSync(join(tmpdir(), 'weir-kernel-'));
  const [script, path] = [join(folder, 'program.js'), join(folder, 'socket')];
  writeFileSync(script, source);
  const server = net.createServer().listen(path);
  await once(server, 'listening');
  const child: ChildProcess = router.spawn([...enter, binary, '--script', script, path]);
  child.stderr?.on('data', (chunk: Buffer) => process.stderr.write(chunk));
  const [connection] = (await Promise.race([
    once(server, 'connection'),
    once(child, 'exit').then(() => {
      throw new Error('the program ended at once');
    }),
  ])) as [net.Socket];
  // The program is loaded and connected: it needs neither any more, however it ends.
  server.close();
  rmSync(folder, { recursive: true });

  const waiting = new Map<number, (value: unknown) => void>();
  const listeners = new Map<string, (said: Said) => void>();
  const heard: Said[] = [];
  let pending = '';
  let took = 0;
  connection.on('error', () => connection.destroy());
  connection.on('data', (chunk: Buffer) => {
    const lines = (pending + chunk.toString()).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) {
      const said = json.read(line) as Said & Readonly<{ id?: number; value?: unknown; ms?: number }>;
      if (said.id === undefined) {
        const listener = listeners.get(said.event);
        listeners.delete(said.event);
        if (listener === undefined) heard.push(said);
        else listener(said);
      } else {
        took = said.ms ?? 0;
        waiting.get(said.id)?.(said.value);
        waiting.delete(said.id);
      }
    }
  });

  const within = <T>(what: string, begin: (resolve: (value: T) => void) => void): Promise<T> =>
    new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`${what}: nothing within ${patienceMs} ms`)), patienceMs);
      begin((value) => {
        clearTimeout(timer);
        resolve(value);
      });
    });
  let id = 0;
  const attempt = <T>(verb: string, ...args: readonly unknown[]): Promise<T> =>
    within<T>(verb, (resolve) => {
      id += 1;
      waiting.set(id, resolve as (value: unknown) => void);
      connection.write(`${json.write({ id, verb, args })}\n`);
    });
  return {
    pid: child.pid ?? 0,
    attempt,
    async ask<T>(verb: string, ...args: readonly unknown[]): Promise<T> {
      const r = await attempt<{ ok: boolean; value: T; fault: { code: string; path: string; reason: string } }>(verb, ...args);
      if (!r.ok) throw new Error(`${verb}: ${r.fault.path}: ${r.fault.reason} (${r.fault.code})`);
      return r.value;
    },
    told: () => heard.splice(0).map((s) => s.event),
    wait(event) {
      const at = heard.findIndex((s) => s.event === event);
      const [there] = at < 0 ? [] : heard.splice(at, 1);
      return there === undefined ? within<Said>(event, (resolve) => listeners.set(event, resolve)) : Promise.resolve(there);
    },
    async kill() {
      const exited = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : null;
      // Under another command the program ends only after that, and holds its tables until then.
      const closed = connection.closed ? null : once(connection, 'close');
      child.kill('SIGKILL');
      await exited;
      await closed;
    },
    took: () => took,
  };
}
