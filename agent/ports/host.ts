// What a host gives the agent: sockets, TLS, timers, files, processes, randomness, clocks. Interfaces only; native QuickJS, QuickJS in
// WebAssembly and Node implement them, and test/host/conformance holds all three to the same behaviour.
//
// Rules that every host keeps:
// - What the outside causes is a Result or a `closed(fault)`. Only a bug (a closed handle used again, a wrong type) throws.
// - No event is delivered from inside the call that caused it, and none after `close()`.
// - Bytes handed over belong to the receiver.
// - Addresses are IPv4 or IPv6 literals; names are resolved by adapters/resolver.

import type { Millis } from '../core/brand.ts';
import type { Fault, Result } from '../core/result.ts';

/** What a host may lack. Asking for it anyway gives Fault `unsupported`. */
export type Ability = 'netlink' | 'spawn' | 'tls' | 'memory-limit';

export type Host = Readonly<{
  kind: 'quickjs' | 'wasm' | 'node';
  lacks: ReadonlySet<Ability>;
  net: Net;
  files: Files;
  clock: Clock;
  process: Process;
  /** From the kernel's generator (getrandom), never from the engine. */
  random(size: number): Uint8Array;
  sha256(bytes: Uint8Array): Uint8Array;
  sha512(bytes: Uint8Array): Uint8Array;
  /** One line to stderr, where procd picks it up. */
  log(line: string): void;
  /** Text to stdout, for the command line only. */
  print(text: string): void;
}>;

export type Timer = Readonly<{ cancel(): void }>;

export type Clock = Readonly<{
  /** Milliseconds since 1970, as the router believes it. May jump. */
  wall(): Millis;
  /** Milliseconds powered on (CLOCK_BOOTTIME). Never jumps, starts anew with each boot. */
  monotonic(): Millis;
  /** Differs after each boot. */
  bootId(): string;
  after(delay: Millis, fire: () => void): Timer;
}>;

export type StreamEvents = Readonly<{
  opened(): void;
  received(bytes: Uint8Array): void;
  /** The other side will send nothing more; we still may. */
  ended(): void;
  /** After a `write` that returned false: the queue has gone out. */
  drained(): void;
  /** Exactly once and last, unless we called `close`. null: both sides ended in order. */
  closed(fault: Fault | null): void;
}>;

export type Stream = Readonly<{
  /** Takes the bytes in any case; false says: wait for `drained` before you write more. */
  write(bytes: Uint8Array): boolean;
  /** Half-close after all that was written. */
  end(): void;
  /** At once, both ways; what was queued may be lost. No event follows. Closing twice is harmless. */
  close(): void;
  /** Stop and go on reading: the kernel's buffer then slows the peer down. */
  pause(): void;
  resume(): void;
}>;

export type Endpoint = Readonly<{ address: string; port: number }>;

export type TlsOptions = Readonly<{
  /** The name sent (SNI) and checked against the certificate. */
  name: string;
  /** PEM of the one or few authorities trusted; the host brings none of its own. */
  authorities?: string;
  /** SHA-256 of the peer's SubjectPublicKeyInfo. With a pin alone (no authorities) the key is all that is checked:
   *  neither chain, name nor validity, so that a router without a clock can still know its broker. With both, both must hold. */
  pin?: Uint8Array;
  /** PEM of our own certificate chain and key, when the peer asks for them. */
  identity?: Readonly<{ certificate: string; key: string }>;
}>;

export type Datagram = Readonly<{
  port: number;
  send(bytes: Uint8Array, to: Endpoint): Result<void>;
  close(): void;
}>;

export type Netlink = Readonly<{
  /** One datagram of one or more netlink messages to the kernel. */
  send(bytes: Uint8Array): Result<void>;
  close(): void;
}>;

export type NetlinkEvents = Readonly<{
  received(bytes: Uint8Array): void;
  /** The kernel dropped messages for us (ENOBUFS): what we know is stale. */
  overrun(): void;
  closed(fault: Fault): void;
}>;

export type Net = Readonly<{
  connectUnix(path: string, events: StreamEvents): Stream;
  connectTcp(to: Endpoint, events: StreamEvents): Stream;
  connectTls(to: Endpoint, tls: TlsOptions, events: StreamEvents): Stream;
  /** Port 0 takes a free one. */
  bindUdp(
    at: Endpoint,
    events: Readonly<{ received(bytes: Uint8Array, from: Endpoint): void; closed(fault: Fault): void }>,
  ): Result<Datagram>;
  /** protocol: 0 NETLINK_ROUTE, 12 NETLINK_NETFILTER, 16 NETLINK_GENERIC; groups: multicast group numbers. */
  openNetlink(protocol: number, groups: readonly number[], events: NetlinkEvents): Result<Netlink>;
  /** The attributes of a netlink payload from `offset` on, as [type, start, end] triples of the value; type without its flag bits.
   *  null when a length does not fit. Native code on a router, where parsing dumps in the engine is the cost. */
  splitAttributes(bytes: Uint8Array, offset: number, end: number): Int32Array | null;
  /** Of the message at `offset`, and of those behind it that have its type, its flags and its number: [start, end] of the attribute at each
   *  of up to 16 `paths`, -1, -1 where it is not there; and last where the messages end. `head`: bytes before the attributes of each. A path
   *  is a type; in the nest of another it is inner << 16 | outer. null when a length does not fit. */
  pickMessages(bytes: Uint8Array, offset: number, end: number, head: number, paths: Int32Array): Int32Array | null;
}>;

export type FileStat = Readonly<{ kind: 'file' | 'directory' | 'other'; size: number; mode: number; uid: number }>;

export type Files = Readonly<{
  /** Fault `limit` when the file holds more than `most` bytes. */
  read(path: string, most: number): Result<Uint8Array>;
  /** Write aside, fsync, rename, fsync the directory: after a power cut there is the old file or the new one, whole. */
  replace(path: string, bytes: Uint8Array, mode: number): Result<void>;
  /** Only if nothing is there (O_EXCL), then fsync of file and directory. Fault `EEXIST` otherwise. */
  create(path: string, bytes: Uint8Array, mode: number): Result<void>;
  /** Appends in one write and fdatasyncs; creates the file with `mode` when missing. */
  append(path: string, bytes: Uint8Array, mode: number): Result<void>;
  list(path: string): Result<readonly string[]>;
  remove(path: string): Result<void>;
  makeDirectory(path: string, mode: number): Result<void>;
  stat(path: string): Result<FileStat>;
}>;

export type SpawnRequest = Readonly<{
  /** argv[0] is an absolute path. There is never a shell. */
  argv: readonly [string, ...string[]];
  stdin?: Uint8Array;
  /** The whole environment of the child; default empty. */
  env?: Readonly<Record<string, string>>;
  /** Then the child and its process group are killed. */
  deadline: Millis;
  /** Bytes of stdout and of stderr that are kept; a child that writes more is killed. */
  most: number;
}>;

export type Ended = Readonly<{
  how: 'exited' | 'signalled' | 'timed-out' | 'flooded';
  /** Exit code, or number of the signal. */
  status: number;
  stdout: Uint8Array;
  stderr: Uint8Array;
}>;

export type Signal = 'SIGTERM' | 'SIGINT' | 'SIGHUP' | 'SIGUSR1';

export type Process = Readonly<{
  /** After the role. */
  args: readonly string[];
  env(name: string): string | null;
  /** One line of the standard input, of up to 1,023 bytes; where that is a terminal, after the prompt and not shown. Nothing else goes on meanwhile. */
  ask(prompt: string): Result<string>;
  pid: number;
  uid: number;
  onSignal(signal: Signal, fire: () => void): void;
  /** A program that cannot be started is Fault ENOENT, EACCES … */
  spawn(request: SpawnRequest, done: (ended: Result<Ended>) => void): Readonly<{ kill(): void }>;
  exit(status: number): never;
  /** Bytes of the engine's heap now, and its ceiling (0: none). */
  memory(): Readonly<{ used: number; limit: number }>;
}>;
