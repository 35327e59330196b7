// ports/host.ts over Node: for development, and the ground under the WebAssembly host. Has no netlink and no ceiling on memory.

import { spawnSync, spawn as startChild } from 'node:child_process';
import { createHash, randomBytes, X509Certificate } from 'node:crypto';
import { createSocket } from 'node:dgram';
import * as fs from 'node:fs';
import { connect, isIP, Socket } from 'node:net';
import { constants, endianness, uptime } from 'node:os';
import { dirname } from 'node:path';
import { Duplex } from 'node:stream';
import { checkServerIdentity, connect as connectSecure, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { isatty } from 'node:tty';
import { walk } from '../core/attributes.ts';
import { type Millis, millis } from '../core/brand.ts';
import { type Code, type Fault, fail, fault, ok, type Result } from '../core/result.ts';
import type { Clock, Ended, Endpoint, Files, Host, Net, Process, SpawnRequest, Stream, StreamEvents, TlsOptions } from '../ports/host.ts';

const errorCode = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : '';

/** Only what the kernel refused becomes a Fault; Node's own complaints are bugs of ours. */
function attempt<T>(path: string, call: () => T): Result<T> {
  try {
    return ok(call());
  } catch (error) {
    if (error instanceof Error && 'syscall' in error) return fail(errorCode(error) as Code, path, error.message);
    throw error;
  }
}

const view = (bytes: Uint8Array): Uint8Array => new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);

// Streams

/** An error on its way through Node's streams, whose fault is known already. */
class Refused extends Error {
  readonly fault: Fault;
  constructor(why: Fault) {
    super(why.reason);
    this.fault = why;
  }
}

function faultOf(path: string, error: Error): Fault {
  if (error instanceof Refused) return error.fault;
  const code = errorCode(error);
  const ours = code === 'EPROTO' || code.startsWith('ERR_SSL_') || code.startsWith('ERR_TLS_') ? 'tls-protocol' : (code as Code);
  return fault(ours, path, error.message);
}

/** Events of Node's socket as events of the port. `prove` says what is wrong with the other side; until it said null nothing is sent. */
function stream(
  path: string,
  socket: Socket,
  opening: 'connect' | 'secureConnect',
  events: StreamEvents,
  prove: () => Fault | null,
): Stream {
  let state: 'opening' | 'open' | 'closed' = 'opening';
  let ending = false;
  let broken: Fault | null = null;
  const unlessClosed =
    <A extends readonly unknown[]>(deliver: (...a: A) => void) =>
    (...a: A): void => {
      if (state !== 'closed') deliver(...a);
    };
  socket.cork();
  socket.once(
    opening,
    unlessClosed(() => {
      const why = prove();
      if (why !== null) return void socket.destroy(new Refused(why));
      state = 'open';
      socket.uncork();
      if (ending) socket.end();
      events.opened();
    }),
  );
  // What arrives before the proof waits in the kernel.
  socket.once(opening, () =>
    socket.on(
      'data',
      unlessClosed((bytes: Buffer) => events.received(view(bytes))),
    ),
  );
  socket.on('end', unlessClosed(events.ended));
  socket.on('drain', unlessClosed(events.drained));
  socket.on('error', (error) => {
    broken ??= faultOf(path, error);
  });
  socket.on(
    'close',
    unlessClosed(() => {
      state = 'closed';
      events.closed(broken);
    }),
  );
  const living = (): void => {
    if (state === 'closed') throw new Error(`stream to ${path}: used after it was closed`);
  };
  return {
    write(bytes) {
      living();
      if (ending) throw new Error(`stream to ${path}: write after end`);
      return socket.write(bytes.slice());
    },
    end() {
      living();
      ending = true;
      if (state === 'open') socket.end();
    },
    close() {
      state = 'closed';
      socket.destroy();
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
  };
}

const notLiteral = (to: Endpoint): Error => new Refused(fault('malformed', to.address, 'expected an IPv4 or IPv6 address'));

function openTcp(to: Endpoint): Socket {
  // Node would ask a resolver for anything else, and names are not ours to resolve.
  if (isIP(to.address) === 0) return new Socket().destroy(notLiteral(to));
  return connect({ host: to.address, port: to.port, allowHalfOpen: true, noDelay: true });
}

const proven = (): null => null;

function connectTls(to: Endpoint, tls: TlsOptions, events: StreamEvents): Stream {
  let secureContext: SecureContext;
  try {
    // Node takes what is no certificate for no authority.
    if (tls.authorities !== undefined) new X509Certificate(tls.authorities);
    // An empty list, or Node would bring authorities of its own.
    secureContext = createSecureContext({
      ca: tls.authorities ?? [],
      cert: tls.identity?.certificate,
      key: tls.identity?.key,
      minVersion: 'TLSv1.2',
    });
  } catch (error) {
    const why = fault('malformed', to.address, `certificate or key unreadable: ${errorCode(error)}`);
    return stream(to.address, new Socket().destroy(new Refused(why)), 'connect', events, proven);
  }
  const raw = openTcp(to);
  // Between the two, because Node's own wrapping hides an end of the connection that no close_notify announced.
  const records = new Duplex({
    read: () => void raw.resume(),
    write: (bytes, _, done) => void raw.write(bytes, done),
    final: (done) => void raw.end(done),
  });
  const secure = connectSecure({
    socket: records,
    // Node is about to send no address as a name (RFC 6066, 3), and then would check none.
    servername: isIP(tls.name) === 0 ? tls.name : '',
    checkServerIdentity: (_, certificate) => checkServerIdentity(tls.name, certificate),
    secureContext,
    rejectUnauthorized: false,
  });
  raw.on('data', (bytes) => {
    if (!records.push(bytes)) raw.pause();
  });
  raw.on('end', () => records.push(null));
  raw.on('error', (error) => secure.destroy(error));
  secure.on('close', () => raw.destroy());
  records.prependListener('end', () => {
    if (!hasEnded(secure)) secure.destroy(new Refused(fault('ECONNRESET', to.address, 'connection ended without a TLS close_notify')));
  });
  return stream(to.address, secure, 'secureConnect', events, () => distrust(to.address, secure, tls));
}

/** Whether the end is in the queue to the reader: a close_notify came. Node has no public word for it. */
const hasEnded = (socket: TLSSocket): boolean => (socket as unknown as { _readableState: { ended: boolean } })._readableState.ended;

function distrust(path: string, socket: TLSSocket, tls: TlsOptions): Fault | null {
  if (tls.pin !== undefined) {
    const key = socket.getPeerX509Certificate()?.publicKey.export({ type: 'spki', format: 'der' });
    if (key === undefined || !createHash('sha256').update(key).digest().equals(tls.pin)) {
      return fault('tls-pin', path, 'the key of the other side is not the pinned one');
    }
    if (tls.authorities === undefined) return null;
  }
  if (socket.authorized) return null;
  // Node sets a code here, and types it as an Error.
  const why = String(socket.authorizationError);
  return fault(why === 'ERR_TLS_CERT_ALTNAME_INVALID' ? 'tls-name' : 'tls-certificate', path, `certificate refused: ${why}`);
}

// Datagrams

const bindUdp: Net['bindUdp'] = (at, events) => {
  const family = isIP(at.address);
  if (family === 0) return fail('malformed', at.address, 'expected an IPv4 or IPv6 address');
  // A lookup that answers at once makes Node's `bind` take effect at once.
  const socket = createSocket({
    type: family === 4 ? 'udp4' : 'udp6',
    lookup: (address, _, found) => found(null, address, family),
  });
  let open = true;
  let refused: Error | null = null;
  socket.on('error', (error) => {
    refused = error;
  });
  socket.bind({ address: at.address, port: at.port, exclusive: true });
  if (refused !== null) return { ok: false, fault: faultOf(at.address, refused) };
  const close = (): void => {
    if (open) socket.close();
    open = false;
  };
  const breakOff = (error: Error | null): void => {
    if (error === null || !open) return;
    close();
    events.closed(faultOf(at.address, error));
  };
  socket.removeAllListeners('error').on('error', breakOff);
  socket.on('message', (bytes, from) => {
    if (open) events.received(view(bytes), { address: from.address, port: from.port });
  });
  return ok({
    port: socket.address().port,
    send(bytes, to) {
      if (!open) throw new Error('datagram socket: used after it was closed');
      if (isIP(to.address) !== family) return fail('EAFNOSUPPORT', to.address, `expected an IPv${family} address`);
      if (bytes.length > 65_507) return fail('EMSGSIZE', to.address, `${bytes.length} bytes do not fit into a datagram`);
      socket.send(bytes.slice(), to.port, to.address, breakOff);
      return ok(undefined);
    },
    close,
  });
};

const { split, pick } = walk(endianness() === 'LE');

const net: Net = {
  connectUnix: (path, events) => stream(path, connect({ path, allowHalfOpen: true }), 'connect', events, proven),
  connectTcp: (to, events) => stream(to.address, openTcp(to), 'connect', events, proven),
  connectTls,
  bindUdp,
  openNetlink: () => fail('unsupported', 'netlink', 'Node has no netlink sockets'),
  splitAttributes: split,
  pickMessages: pick,
};

// Files

const { O_APPEND, O_CREAT, O_EXCL, O_NOCTTY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY, O_TRUNC, O_WRONLY } = fs.constants;

function withFile<T>(path: string, flags: number, mode: number, use: (fd: number) => T): T {
  const fd = fs.openSync(path, flags, mode);
  try {
    return use(fd);
  } finally {
    fs.closeSync(fd);
  }
}

const syncDirectory = (path: string): void => withFile(dirname(path), O_RDONLY, 0, fs.fsyncSync);

/** Writes a file that is of no use half written: what does not succeed leaves nothing. */
function writeWhole(path: string, flags: number, bytes: Uint8Array, mode: number, then: () => void): void {
  const fd = fs.openSync(path, O_WRONLY | O_CREAT | flags, mode);
  try {
    // The umask takes bits from the mode of open.
    fs.fchmodSync(fd, mode);
    fs.writeFileSync(fd, bytes);
    fs.fsyncSync(fd);
    then();
  } catch (error) {
    fs.unlinkSync(path);
    throw error;
  } finally {
    fs.closeSync(fd);
  }
}

const files: Files = {
  read(path, most) {
    // A fifo without a writer would hold us for ever.
    const read = attempt(path, () =>
      withFile(path, O_RDONLY | O_NONBLOCK | O_NOCTTY, 0, (fd) => {
        // The files of /proc say that they are empty: read on until nothing comes.
        const chunks: Buffer[] = [];
        for (let left = most + 1; left > 0; ) {
          const chunk = Buffer.alloc(Math.min(left, 65_536));
          const size = fs.readSync(fd, chunk);
          if (size === 0) break;
          chunks.push(chunk.subarray(0, size));
          left -= size;
        }
        return new Uint8Array(Buffer.concat(chunks));
      }),
    );
    return read.ok && read.value.length > most ? fail('limit', path, `more than ${most} bytes`) : read;
  },
  replace: (path, bytes, mode) =>
    attempt(path, () => {
      const aside = `${path}.new`;
      writeWhole(aside, O_TRUNC | O_NOFOLLOW, bytes, mode, () => fs.renameSync(aside, path));
      syncDirectory(path);
    }),
  create: (path, bytes, mode) => attempt(path, () => writeWhole(path, O_EXCL, bytes, mode, () => syncDirectory(path))),
  append: (path, bytes, mode) =>
    attempt(path, () =>
      withFile(path, O_WRONLY | O_CREAT | O_APPEND, mode, (fd) => {
        fs.writeFileSync(fd, bytes);
        fs.fdatasyncSync(fd);
      }),
    ),
  list: (path) => attempt(path, () => fs.readdirSync(path).sort()),
  remove: (path) => attempt(path, () => (fs.lstatSync(path).isDirectory() ? fs.rmdirSync(path) : fs.unlinkSync(path))),
  makeDirectory: (path, mode) =>
    attempt(path, () => {
      fs.mkdirSync(path, mode);
      fs.chmodSync(path, mode);
    }),
  stat: (path) =>
    attempt(path, () => {
      const stat = fs.lstatSync(path);
      const kind = stat.isFile() ? 'file' : stat.isDirectory() ? 'directory' : 'other';
      return { kind, size: stat.size, mode: stat.mode & 0o7777, uid: stat.uid };
    }),
};

// Clock

/** Node's own monotonic clock starts anywhere; the kernel's at boot. */
const sinceBoot = uptime() * 1000 - performance.now();

/** Node fires at once what is to wait longer than this. */
const longestTimer = 2 ** 31 - 1;

const clock: Clock = {
  wall: () => millis(Date.now()),
  monotonic: () => millis(Math.floor(sinceBoot + performance.now())),
  bootId: () => fs.readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim(),
  after(delay: Millis, fire: () => void) {
    const wait = (left: number): NodeJS.Timeout =>
      left <= longestTimer
        ? setTimeout(fire, left)
        : setTimeout(() => {
            timer = wait(left - longestTimer);
          }, longestTimer);
    let timer = wait(delay);
    return { cancel: () => clearTimeout(timer) };
  },
};

// Processes

function spawn(request: SpawnRequest, done: (ended: Result<Ended>) => void): { kill(): void } {
  const [program, ...args] = request.argv;
  if (!program.startsWith('/')) throw new Error(`spawn: ${program} is no absolute path`);
  const child = startChild(program, args, { env: { ...request.env }, detached: true, stdio: 'pipe' });
  const output = { stdout: new Uint8Array(0), stderr: new Uint8Array(0) };
  let how: Ended['how'] | null = null;
  let open = true;
  const settle = (ended: Result<Ended>): void => {
    clearTimeout(deadline);
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
    if (open) {
      open = false;
      done(ended);
    }
  };
  const ended = (): void => {
    const { exitCode, signalCode } = child;
    const status = signalCode === null ? Number(exitCode) : constants.signals[signalCode];
    settle(ok({ how: how ?? (signalCode === null ? 'exited' : 'signalled'), status, ...output }));
  };
  const kill = (why: Ended['how']): void => {
    how ??= why;
    // The group may be gone already (ESRCH).
    if (child.pid !== undefined) attempt(program, () => process.kill(-Number(child.pid), 'SIGKILL'));
    // A grandchild that left the group can hold the pipes open: do not wait for their end.
    if (child.exitCode !== null || child.signalCode !== null) ended();
    else child.once('exit', ended);
  };
  const deadline = setTimeout(() => kill('timed-out'), request.deadline);
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].on('data', (bytes: Buffer) => {
      const room = request.most - output[name].length;
      output[name] = new Uint8Array(Buffer.concat([output[name], bytes.subarray(0, room)]));
      if (bytes.length > room) kill('flooded');
    });
  }
  child.on('error', (error) => settle({ ok: false, fault: faultOf(program, error) }));
  child.on('close', ended);
  // A child need not read its input (EPIPE).
  child.stdin.on('error', () => undefined);
  child.stdin.end(request.stdin);
  return {
    kill() {
      open = false;
      kill('signalled');
    },
  };
}

const mostLine = 1024;

function ask(prompt: string): Result<string> {
  const isTerminal = isatty(0);
  const echo = (how: 'echo' | '-echo'): void => void spawnSync('stty', [how], { stdio: ['inherit', 'ignore', 'ignore'] });
  if (isTerminal) {
    echo('-echo');
    process.stderr.write(prompt);
  }
  const line: number[] = [];
  const byte = new Uint8Array(1);
  try {
    while (line.length < mostLine && fs.readSync(0, byte) === 1 && byte[0] !== 10) line.push(...byte);
  } catch (error) {
    return { ok: false, fault: faultOf('stdin', error as Error) };
  } finally {
    if (isTerminal) {
      echo('echo');
      process.stderr.write('\n');
    }
  }
  return line.length < mostLine ? ok(new TextDecoder().decode(Uint8Array.from(line))) : fail('EMSGSIZE', 'stdin', 'a line too long');
}

const processPort: Process = {
  args: process.argv.slice(2),
  env: (name) => process.env[name] ?? null,
  pid: process.pid,
  uid: Number(process.getuid?.()),
  ask,
  onSignal: (signal, fire) => void process.on(signal, fire),
  spawn,
  exit: (status) => process.exit(status),
  memory: () => ({ used: process.memoryUsage().heapUsed, limit: 0 }),
};

const digest = (algorithm: string, bytes: Uint8Array): Uint8Array => new Uint8Array(createHash(algorithm).update(bytes).digest());

export const host: Host = {
  kind: 'node',
  lacks: new Set(['netlink', 'memory-limit']),
  net,
  files,
  clock,
  process: processPort,
  random: (size) => new Uint8Array(randomBytes(size)),
  sha256: (bytes) => digest('sha256', bytes),
  sha512: (bytes) => digest('sha512', bytes),
  log: (line) => void process.stderr.write(`${line}\n`),
  print: (text) => void process.stdout.write(text),
};
