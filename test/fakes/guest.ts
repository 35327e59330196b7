// One process of Weir's, in a WebAssembly engine of its own or as the native program: what it says, and how it ends.

import { spawn } from 'node:child_process';
import { millis } from '../../agent/core/brand.ts';
import { fail, ok, type Result } from '../../agent/core/result.ts';
import { runWasm } from '../../agent/host/wasm.ts';
import type { Host, Signal } from '../../agent/ports/host.ts';
import type { Bundle, Role } from '../../build/bundle.ts';
import { native } from '../../build/native.ts';

export type Guest = Readonly<{
  ended: Promise<Result<number>>;
  /** Lines of its log so far, and what it printed. */
  lines: readonly string[];
  printed(): string;
  /** Resolves with the first line, past or future, that matches, or with the so manieth; fails when the process ends without it. */
  says(pattern: RegExp, times?: number): Promise<string>;
  signal(name: Signal): void;
  /** As by SIGKILL. */
  stop(): void;
}>;

export type Start = Readonly<{
  role: Role;
  args: readonly string[];
  env: Readonly<Record<string, string>>;
  onLine(line: string): void;
}>;

/** Several times what an agent uses when it is connected. */
const memoryLimit = 4 << 20;

/** `ground`: what the engine runs on. */
export async function inWasm({ entries, modules }: Bundle, ground: Host, { role, args, env, onLine }: Start): Promise<Guest> {
  const signals = new Map<Signal, () => void>();
  const voice = listen(role, onLine);
  let printed = '';
  const running = await runWasm({
    host: {
      ...ground,
      process: {
        ...ground.process,
        env: (name) => env[name] ?? null,
        onSignal: (name, fire) => void signals.set(name, fire),
      },
      log: voice.heard,
      print(text) {
        printed += text;
      },
    },
    modules: new Map(modules.map((module) => [module.name, module.source])),
    entry: entries[role],
    args,
    memoryLimit,
    deadline: millis(5000),
  });
  return {
    ended: running.ended,
    lines: voice.lines,
    printed: () => printed,
    says: voice.says(running.ended),
    signal: (name) => signals.get(name)?.(),
    stop: running.stop,
  };
}

export async function asProgram({ role, args, env, onLine }: Start): Promise<Guest> {
  const voice = listen(role, onLine);
  const child = spawn(await native('host'), [role, ...args], { env, stdio: ['ignore', 'ignore', 'pipe'] });
  let half = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    const [rest = '', ...lines] = (half + text).split('\n').reverse();
    half = rest;
    for (const line of lines.reverse()) voice.heard(line);
  });
  const ended = new Promise<Result<number>>((resolve) =>
    child.on('close', (code, signal) => resolve(code === null ? fail('closed', role, String(signal)) : ok(code))),
  );
  return {
    ended,
    lines: voice.lines,
    printed: () => '',
    says: voice.says(ended),
    signal: (name) => void child.kill(name),
    stop: () => void child.kill('SIGKILL'),
  };
}

function listen(role: Role, onLine: Start['onLine']) {
  const lines: string[] = [];
  const waiting = new Set<() => void>();
  return {
    lines,
    heard(line: string): void {
      lines.push(line);
      onLine(line);
      for (const check of [...waiting]) check();
    },
    says:
      (ended: Guest['ended']): Guest['says'] =>
      (pattern, times = 1) =>
        new Promise((resolve, reject) => {
          const check = (): void => {
            const line = lines.filter((l) => pattern.test(l))[times - 1];
            if (line !== undefined) resolve(line);
          };
          waiting.add(check);
          check();
          ended.then((how) =>
            reject(new Error(`${role} ended (${JSON.stringify(how)}) and never said ${pattern} ${times} times:\n${lines.join('\n')}`)),
          );
        }),
  };
}
