// Runs a bundled program in QuickJS compiled to WebAssembly, each with an instance, a heap and a memory ceiling of its own, and keeps
// the contract of `weir-host` (weir-host.d.ts) for it, over any host that keeps ports/host.ts. Knows nothing of what the program does.

import { newQuickJSWASMModule, newVariant, type QuickJSHandle, RELEASE_SYNC } from 'quickjs-emscripten';
import { type Millis, millis } from '../core/brand.ts';
import { type Fault, fail, ok, type Result } from '../core/result.ts';
import type { Datagram, Endpoint, Host, Signal, Stream, StreamEvents, TlsOptions } from '../ports/host.ts';

// Node's types do not know it.
type Memories = Readonly<{
  WebAssembly: Readonly<{ Memory: new (size: { initial: number; maximum: number }) => Readonly<{ buffer: ArrayBuffer }> }>;
}>;
const { Memory } = (globalThis as unknown as Memories).WebAssembly;

export type Program = Readonly<{
  /** What the program sees of the world. Spread one over another to change its boot id, clock, environment or log. */
  host: Host;
  /** Sources by name, as the bundler names its chunks; `entry` is one of them. */
  modules: ReadonlyMap<string, string>;
  entry: string;
  args: readonly string[];
  /** Bytes for all that the program and its engine hold; at least `leastMemory`. */
  memoryLimit: number;
  /** How long the program may compute on one event. */
  deadline: Millis;
}>;

export type Running = Readonly<{
  /** The exit status, or why it was ended: `timeout` (deadline), `limit` (memory), `foreign` (uncaught error), `closed` (stop). */
  ended: Promise<Result<number>>;
  stop(): void;
}>;

type Value = number | string | boolean | null | undefined | Uint8Array;
type Call = (...values: never[]) => unknown;

/** What the WebAssembly module is born with. It is address space; what is not touched costs nothing. */
export const leastMemory = 16 << 20;
const pageSize = 65_536;

/** The engine counts its stack in the module's memory, but V8 keeps a larger part on its own; with more than this, deep JSON meets the end
 *  of V8's first, and that breaks the instance. */
const stackLimit = 128 << 10;

const bootIdPath = '/proc/sys/kernel/random/boot_id';

class Refusal extends Error {
  readonly fault: Fault;
  constructor(why: Fault) {
    super(why.reason);
    this.fault = why;
  }
}

function got<T>(result: Result<T>): T {
  if (!result.ok) throw new Refusal(result.fault);
  return result.value;
}

/** What stands behind a handle number. */
type Handle = Readonly<{ close(): void; stream?: Stream; datagram?: Datagram; isIdle?: true }>;

/** The functions of `weir-host`. `deliver` brings an event to the program; `leave` ends it. */
function callsOf(program: Program, handles: Map<number, Handle>, deliver: Deliver, leave: (status: number) => void, used: () => number) {
  const { host } = program;
  let last = 0;

  function handle(number: number): Handle {
    const found = handles.get(number);
    if (found === undefined) throw new RangeError(`handle ${number} is closed`);
    return found;
  }
  function stream(number: number): Stream {
    const found = handle(number).stream;
    if (found === undefined) throw new RangeError(`handle ${number} is no stream`);
    return found;
  }
  function datagram(number: number): Datagram {
    const found = handle(number).datagram;
    if (found === undefined) throw new RangeError(`handle ${number} is no datagram socket`);
    return found;
  }
  function openStream(connect: (events: StreamEvents) => Stream): number {
    const number = ++last;
    const opened = connect({
      opened: () => deliver(number, 'opened'),
      received: (bytes) => deliver(number, 'received', bytes),
      ended: () => deliver(number, 'ended'),
      drained: () => deliver(number, 'drained'),
      closed: (why) => {
        handles.delete(number);
        deliver(number, 'closed', why?.code ?? '', why?.reason ?? '');
      },
    });
    handles.set(number, { close: opened.close, stream: opened });
    return number;
  }
  const tlsOf = (name: string, authorities: string, pin: Uint8Array, certificate: string, key: string): TlsOptions => ({
    name,
    ...(authorities === '' ? {} : { authorities }),
    ...(pin.length === 0 ? {} : { pin }),
    ...(certificate === '' ? {} : { identity: { certificate, key } }),
  });

  return {
    connectUnix: (path: string) => openStream((events) => host.net.connectUnix(path, events)),
    connectTcp: (address: string, port: number) => openStream((events) => host.net.connectTcp({ address, port }, events)),
    connectTls: (address: string, port: number, ...tls: Parameters<typeof tlsOf>) =>
      openStream((events) => host.net.connectTls({ address, port }, tlsOf(...tls), events)),
    write: (number: number, bytes: Uint8Array) => stream(number).write(bytes),
    end: (number: number) => stream(number).end(),
    close(number: number) {
      handle(number).close();
      handles.delete(number);
    },
    pause: (number: number) => stream(number).pause(),
    resume: (number: number) => stream(number).resume(),

    bindUdp(address: string, port: number) {
      const number = ++last;
      const bound = host.net.bindUdp(
        { address, port },
        {
          received: (bytes, from: Endpoint) => deliver(number, 'received', bytes, from.address, from.port),
          closed: (why) => {
            handles.delete(number);
            deliver(number, 'closed', why.code, why.reason);
          },
        },
      );
      const socket = got(bound);
      handles.set(number, { close: socket.close, datagram: socket });
      return number;
    },
    localPort: (number: number) => datagram(number).port,
    sendTo: (number: number, bytes: Uint8Array, address: string, port: number) => got(datagram(number).send(bytes, { address, port })),

    openNetlink: () => got(fail('unsupported', 'netlink', 'WebAssembly has no netlink sockets')),
    splitAttributes(bytes: Uint8Array, offset: number, end: number) {
      const triples = host.net.splitAttributes(bytes, offset, end);
      return triples === null ? null : new Uint8Array(triples.buffer);
    },
    pickMessages(bytes: Uint8Array, offset: number, end: number, head: number, paths: Uint8Array) {
      const rows = host.net.pickMessages(bytes, offset, end, head, new Int32Array(paths.slice().buffer));
      return rows === null ? null : new Uint8Array(rows.buffer);
    },

    startTimer(delay: number) {
      const number = ++last;
      const timer = host.clock.after(millis(delay), () => {
        handles.delete(number);
        deliver(number, 'fired');
      });
      handles.set(number, { close: timer.cancel });
      return number;
    },
    monotonic: () => host.clock.monotonic(),
    wall: () => host.clock.wall(),
    watchSignal(name: Signal) {
      const number = ++last;
      host.process.onSignal(name, () => deliver(number, 'signalled'));
      handles.set(number, { close: () => undefined, isIdle: true });
      return number;
    },

    read(path: string, most: number) {
      // The one file through which a program learns what the host has a function for.
      if (path === bootIdPath) return new TextEncoder().encode(`${host.clock.bootId()}\n`);
      return got(host.files.read(path, most));
    },
    replace: (path: string, bytes: Uint8Array, mode: number) => got(host.files.replace(path, bytes, mode)),
    create: (path: string, bytes: Uint8Array, mode: number) => got(host.files.create(path, bytes, mode)),
    append: (path: string, bytes: Uint8Array, mode: number) => got(host.files.append(path, bytes, mode)),
    list: (path: string) => JSON.stringify(got(host.files.list(path))),
    remove: (path: string) => got(host.files.remove(path)),
    makeDirectory: (path: string, mode: number) => got(host.files.makeDirectory(path, mode)),
    stat: (path: string) => JSON.stringify(got(host.files.stat(path))),

    spawn(argv: string, env: string, stdin: Uint8Array, deadline: number, most: number) {
      const number = ++last;
      const pairs = (JSON.parse(env) as string[]).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)]);
      const child = host.process.spawn(
        { argv: JSON.parse(argv) as [string, ...string[]], env: Object.fromEntries(pairs), stdin, deadline: millis(deadline), most },
        (ended) => {
          handles.delete(number);
          if (ended.ok) deliver(number, 'exited', ended.value.how, ended.value.status, ended.value.stdout, ended.value.stderr);
          else deliver(number, 'closed', ended.fault.code, ended.fault.reason);
        },
      );
      handles.set(number, { close: child.kill });
      return number;
    },

    env: (name: string) => host.process.env(name),
    ask: (prompt: string) => got(host.process.ask(prompt)),
    random: (size: number) => host.random(size),
    sha256: (bytes: Uint8Array) => host.sha256(bytes),
    sha512: (bytes: Uint8Array) => host.sha512(bytes),
    log: (line: string) => host.log(line),
    print: (text: string) => host.print(text),
    memoryUsed: used,
    memoryLimit: () => Math.max(program.memoryLimit, leastMemory),
    exit: leave,
  } satisfies Record<string, Call>;
}

type Deliver = (handle: number, event: string, ...values: Value[]) => void;

/** `weir-host` as the program imports it. Cuts the bytes out inside, so that no more than what is meant crosses the border. */
function moduleSource(host: Host, args: readonly string[], names: readonly string[]): string {
  const withBytes: Readonly<Record<string, string>> = {
    write: '(h, b, o, n) => calls.write(h, b.slice(o, o + n))',
    sendTo: '(h, b, o, n, address, port) => calls.sendTo(h, b.slice(o, o + n), address, port)',
    replace: '(path, b, o, n, mode) => calls.replace(path, b.slice(o, o + n), mode)',
    create: '(path, b, o, n, mode) => calls.create(path, b.slice(o, o + n), mode)',
    append: '(path, b, o, n, mode) => calls.append(path, b.slice(o, o + n), mode)',
    sha256: '(b, o, n) => calls.sha256(b.slice(o, o + n))',
    sha512: '(b, o, n) => calls.sha512(b.slice(o, o + n))',
  };
  const lacks = [...host.lacks].filter((ability) => ability !== 'memory-limit').join(',');
  const constants = { kind: 'wasm', lacks, args: JSON.stringify(args), pid: host.process.pid, uid: host.process.uid };
  return [
    'const calls = globalThis.weirCalls;',
    'delete globalThis.weirCalls;',
    ...Object.entries(constants).map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`),
    ...names.map((name) => `export const ${name} = ${withBytes[name] ?? `calls.${name}`};`),
    "export const sendNetlink = () => { throw new RangeError('no handle of netlink'); };",
  ].join('\n');
}

export async function runWasm(program: Program): Promise<Running> {
  // An instance and a memory of its own for each program: V8 compiles the code once, but a heap cannot be taken from a neighbour.
  // The memory itself is the ceiling, because QuickJS does not know the size of its blocks in WebAssembly and so counts 8 bytes for each.
  // It is all there from the start: when it grows, quickjs-emscripten (0.32) looks for the context of a job where it no longer is.
  const pages = Math.ceil(Math.max(program.memoryLimit, leastMemory) / pageSize);
  const wasmMemory = new Memory({ initial: pages, maximum: pages });
  const vm = (await newQuickJSWASMModule(newVariant(RELEASE_SYNC, { wasmMemory }))).newContext();
  const { runtime } = vm;
  const handles = new Map<number, Handle>();
  let finish: (ended: Result<number>) => void = () => undefined;
  const ended = new Promise<Result<number>>((resolve) => {
    finish = resolve;
  });
  let handler: QuickJSHandle | null = null;
  let main: QuickJSHandle | null = null;
  let ending: Result<number> | null = null;
  let inside = false;
  let over = false;
  let until = 0;

  const end = (how: Result<number>): void => {
    ending ??= how;
  };
  runtime.setMaxStackSize(stackLimit);
  const isOver = (): boolean => {
    if (performance.now() > until) end(fail('timeout', program.entry, `computed for more than ${program.deadline} ms on one event`));
    return ending !== null;
  };
  runtime.setInterruptHandler(isOver);

  function toGuest(value: Value): QuickJSHandle {
    if (typeof value === 'number') return vm.newNumber(value);
    if (typeof value === 'string') return vm.newString(value);
    if (typeof value === 'boolean') return value ? vm.true : vm.false;
    if (value === undefined) return vm.undefined;
    if (value === null) return vm.null;
    return vm.newArrayBuffer(value.slice().buffer);
  }
  function fromGuest(value: QuickJSHandle): number | string | Uint8Array {
    const type = vm.typeof(value);
    if (type === 'number') return vm.getNumber(value);
    if (type === 'string') return vm.getString(value);
    return vm.getArrayBuffer(value).consume((bytes) => bytes.value.slice());
  }

  function uncaught(error: QuickJSHandle): void {
    if (ending === null) {
      const { name, message, stack } = vm.dump(error) as Readonly<Record<string, unknown>>;
      const trace = String(stack).split('\n').slice(0, 10).join('\n');
      if (message === 'out of memory')
        end(fail('limit', program.entry, `out of memory: ${wasmMemory.buffer.byteLength} bytes were not enough`));
      else end(fail('foreign', program.entry, `uncaught ${name}: ${message}\n${trace}`));
    }
    error.dispose();
  }

  function isPending(promise: QuickJSHandle): boolean {
    const state = vm.getPromiseState(promise);
    if (state.type === 'rejected') uncaught(state.error);
    if (state.type === 'fulfilled' && state.notAPromise !== true) state.value.dispose();
    return state.type === 'pending';
  }

  /** Runs the program until it has nothing to do at this moment. A step returns what was thrown. */
  function enter(step: () => QuickJSHandle | null): void {
    if (over) return;
    inside = true;
    until = performance.now() + program.deadline;
    try {
      const thrown = step();
      if (thrown !== null) uncaught(thrown);
      while (!isOver() && runtime.hasPendingJob()) {
        const done = runtime.executePendingJobs(1);
        if (done.error) uncaught(done.error);
      }
      const waiting = ending === null && main !== null && isPending(main);
      if ([...handles.values()].every((handle) => handle.isIdle)) {
        end(waiting ? fail('closed', program.entry, 'waits for what can never come') : ok(0));
      }
    } catch (trap) {
      // The instance is not to be trusted any more, not even with its own cleaning up: it is left to the garbage collector.
      over = true;
      end(fail('foreign', program.entry, `the engine broke: ${trap}`));
    }
    inside = false;
    if (ending !== null) close(ending);
  }

  function close(how: Result<number>): void {
    for (const handle of handles.values()) handle.close();
    handles.clear();
    if (!over) {
      over = true;
      handler?.dispose();
      main?.dispose();
      vm.dispose();
    }
    finish(how);
  }

  const deliver: Deliver = (number, event, ...values) =>
    enter(() => {
      if (handler === null) throw new Error(`${event}, and the program has no ear`);
      const given = [number, event, ...values].map(toGuest);
      const result = vm.callFunction(handler, vm.undefined, given);
      for (const value of given) value.dispose();
      if (result.error) return result.error;
      result.value.dispose();
      return null;
    });

  const leave = (status: number): never => {
    end(ok(status));
    throw new Error('the program has left');
  };
  const used = (): number => runtime.computeMemoryUsage().consume((usage) => vm.getProp(usage, 'memory_used_size').consume(vm.getNumber));
  const calls = callsOf(program, handles, deliver, leave, used);

  function give(object: QuickJSHandle, name: string, call: (...values: QuickJSHandle[]) => QuickJSHandle): void {
    const guard = (...values: QuickJSHandle[]): QuickJSHandle | { error: QuickJSHandle } => {
      if (ending !== null) throw new Error('the program has left');
      try {
        return call(...values);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        const thrown = vm.newError(error.message);
        vm.newString(error.fault.code).consume((code) => vm.setProp(thrown, 'code', code));
        return { error: thrown };
      }
    };
    vm.newFunction(name, guard).consume((made) => vm.setProp(object, name, made));
  }
  vm.newObject().consume((object) => {
    for (const [name, call] of Object.entries(calls)) {
      give(object, name, (...values) => toGuest((call as (...given: unknown[]) => Value)(...values.map(fromGuest))));
    }
    give(object, 'onEvent', (listener) => {
      handler?.dispose();
      handler = listener.dup();
      return vm.undefined;
    });
    vm.setProp(vm.global, 'weirCalls', object);
  });
  const sources = new Map(program.modules).set('weir-host', moduleSource(program.host, program.args, [...Object.keys(calls), 'onEvent']));
  runtime.setModuleLoader((name) => sources.get(name) ?? { error: new Error(`no module ${name}`) });
  enter(() => {
    const result = vm.evalCode(sources.get(program.entry) ?? `import ${JSON.stringify(program.entry)}`, program.entry, { type: 'module' });
    if (result.error) return result.error;
    main = result.value;
    return null;
  });
  return {
    ended,
    stop() {
      end(fail('closed', program.entry, 'stopped'));
      if (!inside && !over && ending !== null) close(ending);
    },
  };
}
