// Makes ports/host.ts of the flat module `weir-host`, inside QuickJS: native on a router or in WebAssembly. Knows the contract of that
// module and nothing of who keeps it. What the host cannot do for an outside reason it throws as an Error with a `code`; here, and only
// here, that becomes a Fault.

import * as flat from 'weir-host';
import { type Millis, millis } from '../core/brand.ts';
import { type Code, type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import type { Ability, Clock, Ended, FileStat, Files, Host, Net, Process, Stream, StreamEvents } from '../ports/host.ts';

type Event = Readonly<{ name: string; values: readonly unknown[] }>;

const listeners = new Map<number, (event: Event) => void>();

flat.onEvent((handle, name, ...values) => {
  const listener = listeners.get(handle);
  if (listener === undefined) throw new Error(`weir-host: ${name} for handle ${handle}, which is closed`);
  listener({ name, values });
});

function attempt<T>(path: string, call: () => T): Result<T> {
  try {
    return ok(call());
  } catch (error) {
    if (error instanceof Error && 'code' in error && typeof error.code === 'string') return fail(error.code as Code, path, error.message);
    throw error;
  }
}

const brokenContract = (what: string): Error => new Error(`weir-host: ${what}`);

function bytesAt(event: Event, index: number): Uint8Array {
  const value = event.values[index];
  if (!(value instanceof ArrayBuffer)) throw brokenContract(`${event.name} without bytes`);
  return new Uint8Array(value);
}

function textAt(event: Event, index: number): string {
  const value = event.values[index];
  if (typeof value !== 'string') throw brokenContract(`${event.name} without text`);
  return value;
}

function numberAt(event: Event, index: number): number {
  const value = event.values[index];
  if (typeof value !== 'number') throw brokenContract(`${event.name} without a number`);
  return value;
}

const closedFault = (path: string, event: Event): Fault => fault(textAt(event, 0) as Code, path, textAt(event, 1));

// The engine has no SharedArrayBuffer, so the buffer under a view is always an ArrayBuffer.
const bufferOf = (bytes: Uint8Array): ArrayBuffer => bytes.buffer as ArrayBuffer;

/** Forgets first, so that a handle closed twice reaches the host once. */
function closeOnce(handle: number): void {
  if (listeners.delete(handle)) flat.close(handle);
}

const nothing = (): void => undefined;

function stream(path: string, events: StreamEvents, connect: () => number): Stream {
  const connected = attempt(path, connect);
  if (!connected.ok) {
    // A stream that never came to be says so as every other one does: later.
    const timer = clock.after(millis(0), () => events.closed(connected.fault));
    return { write: () => true, end: nothing, close: timer.cancel, pause: nothing, resume: nothing };
  }
  const handle = connected.value;
  listeners.set(handle, (event) => {
    switch (event.name) {
      case 'opened':
        return events.opened();
      case 'received':
        return events.received(bytesAt(event, 0));
      case 'ended':
        return events.ended();
      case 'drained':
        return events.drained();
      case 'closed':
        listeners.delete(handle);
        return events.closed(textAt(event, 0) === '' ? null : closedFault(path, event));
      default:
        throw brokenContract(`${event.name} for a stream`);
    }
  });
  return {
    write: (bytes) => flat.write(handle, bufferOf(bytes), bytes.byteOffset, bytes.length),
    end: () => flat.end(handle),
    close: () => closeOnce(handle),
    pause: () => flat.pause(handle),
    resume: () => flat.resume(handle),
  };
}

const net: Net = {
  connectUnix: (path, events) => stream(path, events, () => flat.connectUnix(path)),
  connectTcp: (to, events) => stream(to.address, events, () => flat.connectTcp(to.address, to.port)),
  connectTls: (to, tls, events) =>
    stream(to.address, events, () =>
      flat.connectTls(
        to.address,
        to.port,
        tls.name,
        tls.authorities ?? '',
        tls.pin === undefined ? new ArrayBuffer(0) : (tls.pin.slice().buffer as ArrayBuffer),
        tls.identity?.certificate ?? '',
        tls.identity?.key ?? '',
      ),
    ),
  bindUdp(at, events) {
    const bound = attempt(at.address, () => flat.bindUdp(at.address, at.port));
    if (!bound.ok) return bound;
    const handle = bound.value;
    listeners.set(handle, (event) => {
      if (event.name === 'received') return events.received(bytesAt(event, 0), { address: textAt(event, 1), port: numberAt(event, 2) });
      if (event.name !== 'closed') throw brokenContract(`${event.name} for a datagram socket`);
      listeners.delete(handle);
      events.closed(closedFault(at.address, event));
    });
    return ok({
      port: flat.localPort(handle),
      send: (bytes, to) =>
        attempt(to.address, () => flat.sendTo(handle, bufferOf(bytes), bytes.byteOffset, bytes.length, to.address, to.port)),
      close: () => closeOnce(handle),
    });
  },
  openNetlink(protocol, groups, events) {
    const opened = attempt('netlink', () => flat.openNetlink(protocol, groups.join(',')));
    if (!opened.ok) return opened;
    const handle = opened.value;
    listeners.set(handle, (event) => {
      if (event.name === 'received') return events.received(bytesAt(event, 0));
      if (event.name === 'overrun') return events.overrun();
      if (event.name !== 'closed') throw brokenContract(`${event.name} for netlink`);
      listeners.delete(handle);
      events.closed(closedFault('netlink', event));
    });
    return ok({
      send: (bytes) => attempt('netlink', () => flat.sendNetlink(handle, bufferOf(bytes), bytes.byteOffset, bytes.length)),
      close: () => closeOnce(handle),
    });
  },
  splitAttributes(bytes, offset, end) {
    const base = bytes.byteOffset;
    const split = flat.splitAttributes(bufferOf(bytes), base + offset, base + end);
    if (split === null) return null;
    const triples = new Int32Array(split);
    // The host counts from the start of the buffer, the caller from the start of the view.
    return base === 0 ? triples : triples.map((value, i) => (i % 3 === 0 ? value : value - base));
  },
  pickMessages(bytes, offset, end, head, paths) {
    const base = bytes.byteOffset;
    const picked = flat.pickMessages(bufferOf(bytes), base + offset, base + end, head, paths.buffer as ArrayBuffer);
    if (picked === null) return null;
    const rows = new Int32Array(picked);
    return base === 0 ? rows : rows.map((value) => (value < 0 ? value : value - base));
  },
};

const files: Files = {
  read: (path, most) => attempt(path, () => new Uint8Array(flat.read(path, most))),
  replace: (path, bytes, mode) => attempt(path, () => flat.replace(path, bufferOf(bytes), bytes.byteOffset, bytes.length, mode)),
  create: (path, bytes, mode) => attempt(path, () => flat.create(path, bufferOf(bytes), bytes.byteOffset, bytes.length, mode)),
  append: (path, bytes, mode) => attempt(path, () => flat.append(path, bufferOf(bytes), bytes.byteOffset, bytes.length, mode)),
  list: (path) => attempt(path, () => JSON.parse(flat.list(path)) as string[]),
  remove: (path) => attempt(path, () => flat.remove(path)),
  makeDirectory: (path, mode) => attempt(path, () => flat.makeDirectory(path, mode)),
  stat: (path) => attempt(path, () => JSON.parse(flat.stat(path)) as FileStat),
};

const clock: Clock = {
  wall: () => millis(flat.wall()),
  monotonic: () => millis(flat.monotonic()),
  bootId: () => String.fromCharCode(...new Uint8Array(flat.read('/proc/sys/kernel/random/boot_id', 64))).trim(),
  after(delay: Millis, fire: () => void) {
    const handle = flat.startTimer(delay);
    listeners.set(handle, () => {
      listeners.delete(handle);
      fire();
    });
    return { cancel: () => closeOnce(handle) };
  },
};

const process: Process = {
  args: JSON.parse(flat.args) as string[],
  env: (name) => flat.env(name),
  ask: (prompt) => attempt('stdin', () => flat.ask(prompt)),
  pid: flat.pid,
  uid: flat.uid,
  onSignal(signal, fire) {
    listeners.set(flat.watchSignal(signal), fire);
  },
  spawn(request, done) {
    const [program] = request.argv;
    const env = Object.entries(request.env ?? {}).map(([name, value]) => `${name}=${value}`);
    const stdin = request.stdin === undefined ? new ArrayBuffer(0) : (request.stdin.slice().buffer as ArrayBuffer);
    const spawned = attempt(program, () =>
      flat.spawn(JSON.stringify(request.argv), JSON.stringify(env), stdin, request.deadline, request.most),
    );
    if (!spawned.ok) {
      const timer = clock.after(millis(0), () => done(spawned));
      return { kill: timer.cancel };
    }
    const handle = spawned.value;
    listeners.set(handle, (event) => {
      listeners.delete(handle);
      if (event.name === 'closed') return done({ ok: false, fault: closedFault(program, event) });
      const how = textAt(event, 0) as Ended['how'];
      done(ok({ how, status: numberAt(event, 1), stdout: bytesAt(event, 2), stderr: bytesAt(event, 3) }));
    });
    return { kill: () => closeOnce(handle) };
  },
  exit: (status) => flat.exit(status),
  memory: () => ({ used: flat.memoryUsed(), limit: flat.memoryLimit() }),
};

export const host: Host = {
  kind: flat.kind,
  lacks: new Set(flat.lacks.split(',').filter((ability): ability is Ability => ability !== '')),
  net,
  files,
  clock,
  process,
  random: (size) => new Uint8Array(flat.random(size)),
  sha256: (bytes) => new Uint8Array(flat.sha256(bufferOf(bytes), bytes.byteOffset, bytes.length)),
  sha512: (bytes) => new Uint8Array(flat.sha512(bufferOf(bytes), bytes.byteOffset, bytes.length)),
  log: flat.log,
  print: flat.print,
};
