// A stream with a memory: tests wait for what happened, and every event is held against the rules of ports/host.ts.

import { millis } from '../../../agent/core/brand.ts';
import { type Fault, text } from '../../../agent/core/result.ts';
import type { Endpoint, Host, Stream, StreamEvents, TlsOptions } from '../../../agent/ports/host.ts';

export type Line = Readonly<{
  stream: Stream;
  /** Kinds of events so far; a run of `received` stands there once. */
  log(): string;
  received(): Uint8Array;
  /** Resolves at the event, past or future; fails when the stream closes without it. */
  until(kind: string): Promise<void>;
  untilReceived(size: number): Promise<void>;
  /** Resolves with what `closed` brought. */
  closed(): Promise<Fault | null>;
  say(line: string): boolean;
}>;

/** What hosts did against the rules, over the whole run. */
export const violations: string[] = [];

const patience = millis(20_000);

export function within<T>(host: Host, what: string, promise: Promise<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = host.clock.after(patience, () => reject(new Error(`${what}: nothing came`)));
    promise.then(resolve, reject).finally(timer.cancel);
  });
}

const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

export const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');

export function join(chunks: readonly Uint8Array[]): Uint8Array {
  const all = new Uint8Array(chunks.reduce((n, c) => n + c.length, 0));
  let at = 0;
  for (const chunk of chunks) {
    all.set(chunk, at);
    at += chunk.length;
  }
  return all;
}

export function open(host: Host, name: string, connect: (events: StreamEvents) => Stream, onReceived = (): void => undefined): Line {
  const kinds: string[] = [];
  const chunks: Uint8Array[] = [];
  const waiters = new Set<() => void>();
  let size = 0;
  let inside = false;
  let over = false;
  let ending: Fault | null = null;

  const happened = (kind: string): void => {
    if (inside) violations.push(`${name}: ${kind} from inside a call`);
    if (over) violations.push(`${name}: ${kind} after the end`);
    if (kind !== 'received' || kinds.at(-1) !== kind) kinds.push(kind);
    if (kind === 'closed') over = true;
    for (const check of [...waiters]) check();
  };
  const call = <T>(run: () => T): T => {
    const before = inside;
    inside = true;
    try {
      return run();
    } finally {
      inside = before;
    }
  };
  const inner = call(() =>
    connect({
      opened: () => happened('opened'),
      received: (bytes) => {
        chunks.push(bytes);
        size += bytes.length;
        if (bytes.length === 0) violations.push(`${name}: received nothing`);
        happened('received');
        onReceived();
      },
      ended: () => happened('ended'),
      drained: () => happened('drained'),
      closed: (fault) => {
        ending = fault;
        happened('closed');
      },
    }),
  );
  const when = (what: string, holds: () => boolean): Promise<void> =>
    within(
      host,
      `${name}: ${what}`,
      new Promise((resolve, reject) => {
        const check = (): void => {
          if (!holds() && !over) return;
          waiters.delete(check);
          if (holds()) resolve();
          else reject(new Error(`${name}: closed before ${what}: ${ending === null ? 'in order' : text(ending)}; saw ${kinds.join(' ')}`));
        };
        waiters.add(check);
        check();
      }),
    );
  const stream: Stream = {
    write: (bytes) => call(() => inner.write(bytes)),
    end: () => call(inner.end),
    close: () => {
      over = true;
      call(inner.close);
    },
    pause: () => call(inner.pause),
    resume: () => call(inner.resume),
  };
  return {
    stream,
    log: () => kinds.join(' '),
    received: () => join(chunks),
    until: (kind) => when(kind, () => kinds.includes(kind)),
    untilReceived: (wanted) => when(`${wanted} bytes`, () => size >= wanted),
    closed: async () => {
      await when('closed', () => kinds.includes('closed'));
      return ending;
    },
    say: (line) => stream.write(bytesOf(line)),
  };
}

export const overUnix = (host: Host, path: string): Line => open(host, 'unix', (events) => host.net.connectUnix(path, events));
export const overTcp = (host: Host, to: Endpoint): Line => open(host, 'tcp', (events) => host.net.connectTcp(to, events));
export const overTls = (host: Host, to: Endpoint, tls: TlsOptions): Line =>
  open(host, 'tls', (events) => host.net.connectTls(to, tls, events));

/** What the peer answers to one line. */
export async function ask(line: Line, question: string): Promise<string> {
  line.say(`${question}\n`);
  line.stream.end();
  await line.closed();
  return textOf(line.received());
}

export const later = (host: Host, delay = 0): Promise<void> => new Promise((resolve) => host.clock.after(millis(delay), resolve));
