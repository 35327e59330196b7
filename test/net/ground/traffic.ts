// Traffic, as seen from inside one namespace: servers that say who they are and count what comes, clients that say what they got. Every
// function is bounded by a number or a deadline and answers with plain JSON. Knows no topology and no rules.
//
// Datagrams begin with their purpose: `e TOKEN|` is echoed with the server's name, `s TOKEN|` is only counted, `p JSON|` asks for a
// download. A TCP server greets with its name, then does what one line of JSON asks for.

import { execFile } from 'node:child_process';
import * as dgram from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import * as net from 'node:net';
import { networkInterfaces } from 'node:os';
import { performance } from 'node:perf_hooks';

export type Count = { datagrams: number; bytes: number };
export type Progress = Readonly<{ ms: number; sent: number; received: number }>;
/** `end`: complete, timeout, closed, an errno name, or running. */
export type Transfer = Readonly<{ sent: number; received: number; log: readonly Progress[]; end: string }>;

const counts = new Map<string, Count>();
type Tally = { sent: number; received: number; log: Progress[]; end: string };
type Order = Readonly<{ token: string; up: number; down: number; intervalMs: number; withinMs: number }>;
const transfers = new Map<string, Tally>();
const tally = (received: number): Tally => ({ sent: 0, received, log: [], end: 'running' });
const waiters = new Set<() => void>();
const open = new Set<string>();
const receiveBuffer = 1 << 20;

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const isSix = (address: string): boolean => address.includes(':');
const reason = (e: unknown): string => (e as NodeJS.ErrnoException).code ?? String(e);

function count(token: string, bytes: number): void {
  const c = counts.get(token) ?? { datagrams: 0, bytes: 0 };
  counts.set(token, { datagrams: c.datagrams + 1, bytes: c.bytes + bytes });
  for (const wake of waiters) wake();
}

/** Resolves when `done` says so, looked at after every datagram; at the latest after `withinMs`. */
function until(done: () => boolean, withinMs: number): Promise<void> {
  if (done()) return Promise.resolve();
  return new Promise((resolve) => {
    const finish = (): void => {
      clearTimeout(timer);
      waiters.delete(look);
      resolve();
    };
    const look = (): void => {
      if (done()) finish();
    };
    const timer = setTimeout(finish, withinMs);
    waiters.add(look);
  });
}

function datagram(head: string, size: number): Buffer {
  const text = `${head}|`;
  if (text.length > size) throw new Error(`a datagram of ${size} bytes cannot hold ${text}`);
  return Buffer.from(text.padEnd(size, '.'));
}

async function udpSocket(address: string, port: number, reuseAddr = false): Promise<dgram.Socket> {
  const socket = dgram.createSocket(isSix(address) ? { type: 'udp6', ipv6Only: true, reuseAddr } : { type: 'udp4', reuseAddr });
  socket.bind(port, address);
  await once(socket, 'listening');
  // The kernel's default holds some 40 full datagrams, which a busy machine easily makes wait for longer.
  socket.setRecvBufferSize(receiveBuffer);
  socket.on('error', () => socket.close());
  return socket;
}

function send(socket: dgram.Socket, payload: Buffer, port: number, to: string): Promise<boolean> {
  return new Promise((resolve) => socket.send(payload, port, to, (e) => resolve(e === null)));
}

/** Runs `shoot` that many times, at most `perSecond`; how often it succeeded. Bursts would test the queues of a busy machine instead: who
 *  was held up for longer than `slackMs` is late from then on. */
async function pace(total: number, perSecond: number, shoot: () => Promise<boolean>): Promise<number> {
  const slackMs = 20;
  let due = performance.now();
  let sent = 0;
  for (let tried = 0; tried < total; tried++) {
    const early = due - performance.now();
    if (early > 1) await pause(early);
    if (await shoot()) sent += 1;
    due = Math.max(due, performance.now() - slackMs) + 1000 / perSecond;
  }
  return sent;
}

// ── servers ──

async function serveUdp(name: string, address: string, port: number): Promise<dgram.Socket> {
  const socket = await udpSocket(address, port, true);
  socket.on('message', async (payload, from) => {
    const head = payload.subarray(2, payload.indexOf('|')).toString();
    const purpose = String.fromCharCode(payload[0] ?? 0);
    if (purpose === 'p') {
      const { token, total, size, perSecond } = JSON.parse(head) as { token: string; total: number; size: number; perSecond: number };
      const payload = datagram(`s ${token}`, size);
      await pace(total, perSecond, () => send(socket, payload, from.port, from.address));
    } else if (purpose === 'e' || purpose === 's') {
      count(head, payload.length);
      if (purpose === 'e') await send(socket, datagram(`r ${name} ${head}`, Math.max(payload.length, 64)), from.port, from.address);
    }
  });
  return socket;
}

function serveTcp(name: string, address: string, port: number): Promise<void> {
  const server = net.createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.write(`${name}\n`);
    socket.once('readable', async () => {
      const first: Buffer | null = socket.read();
      if (first === null) return;
      const end = first.indexOf(10);
      const order = JSON.parse(first.subarray(0, end).toString()) as Order;
      const transfer = tally(first.length - end - 1);
      transfers.set(order.token, transfer);
      await carry(socket, transfer, { ...order, give: order.down, take: order.up });
      for (const wake of waiters) wake();
      socket.end();
    });
  });
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host: address, port, ipv6Only: true }, resolve);
  });
}

/** Writes `give` bytes and reads `take`, until both are done, the connection is, or the time. */
function carry(
  socket: net.Socket,
  t: Tally,
  { give, take, intervalMs, withinMs }: Readonly<{ give: number; take: number; intervalMs: number; withinMs: number }>,
): Promise<void> {
  const chunk = Buffer.alloc(1 << 16, '.');
  const started = performance.now();
  const note = (): void => {
    t.log.push({ ms: Math.round(performance.now() - started), sent: t.sent, received: t.received });
  };
  return new Promise((resolve) => {
    const ticker = setInterval(note, intervalMs);
    const finish = (end: string): void => {
      if (t.end !== 'running') return;
      clearInterval(ticker);
      clearTimeout(timer);
      note();
      t.end = end;
      resolve();
    };
    const timer = setTimeout(() => finish('timeout'), withinMs);
    const check = (): void => {
      if (t.sent >= give && t.received >= take) finish('complete');
    };
    const push = (): void => {
      const size = Math.min(chunk.length, give - t.sent);
      if (size <= 0) return;
      socket.write(chunk.subarray(0, size), (e) => {
        if (e !== null && e !== undefined) return;
        t.sent += size;
        check();
        push();
      });
    };
    socket.on('data', (bytes: Buffer) => {
      t.received += bytes.length;
      check();
    });
    socket.on('error', (e) => finish(reason(e)));
    socket.on('close', () => finish('closed'));
    push();
    check();
  });
}

/** Servers on all these ports and on every address that the namespace has now, TCP and UDP. What is open already stays. */
export async function serve(q: { name: string; ports: readonly number[] }): Promise<null> {
  const ensure = async (key: string, start: () => Promise<unknown>): Promise<void> => {
    if (open.has(key)) return;
    open.add(key);
    await start();
  };
  // A datagram must be answered from the address it was sent to, which a socket bound to no address does not see to. Those two are for
  // broadcasts and multicast.
  const own = Object.entries(networkInterfaces()).flatMap(([link, addresses]) =>
    (addresses ?? []).map((a) => (a.address.startsWith('fe80:') ? `${a.address}%${link}` : a.address)),
  );
  for (const port of q.ports) {
    for (const address of ['0.0.0.0', '::', ...own]) await ensure(`udp ${address} ${port}`, () => serveUdp(q.name, address, port));
    for (const address of ['0.0.0.0', '::']) await ensure(`tcp ${address} ${port}`, () => serveTcp(q.name, address, port));
  }
  return null;
}

/** Whoever comes to this port comes out at this unix socket, which may be held by somebody outside of the namespace. */
export async function relay(q: { port: number; path: string }): Promise<null> {
  const server = net.createServer({ noDelay: true }, (here) => {
    const there = net.connect({ path: q.path });
    for (const [one, other] of [
      [here, there],
      [there, here],
    ] as const) {
      one.pipe(other);
      one.on('error', () => other.destroy());
    }
  });
  server.listen(q.port);
  await once(server, 'listening');
  return null;
}

/** A name server that knows no name, as fast as it can. */
export async function answerNames(q: { port: number }): Promise<null> {
  const socket = await udpSocket('0.0.0.0', q.port);
  socket.on('message', (query, from) => {
    const answer = Buffer.from(query);
    // It answers, and there is no such name (RFC 1035 4.1.1).
    answer.writeUInt16BE(0x8183, 2);
    socket.send(answer, from.port, from.address);
  });
  return null;
}

/** Joins a multicast group on one link, as a router's discovery daemons do. The servers then hear it. */
export async function join(q: { group: string; link: string }): Promise<null> {
  const key = `join ${q.group} ${q.link}`;
  if (open.has(key)) return null;
  const own = networkInterfaces()[q.link]?.find((a) => a.family === 'IPv4')?.address;
  const socket = await udpSocket(isSix(q.group) ? '::' : '0.0.0.0', 0);
  socket.addMembership(q.group, isSix(q.group) ? `::%${q.link}` : own);
  open.add(key);
  return null;
}

/** What arrived here under this token, as soon as it is `datagrams` or the time is up. */
export async function counted(q: { token: string; datagrams: number; withinMs: number }): Promise<Count> {
  await until(() => (counts.get(q.token)?.datagrams ?? 0) >= q.datagrams, q.withinMs);
  return counts.get(q.token) ?? { datagrams: 0, bytes: 0 };
}

/** Every token that arrived here so far. */
export const seen = async (_: null): Promise<string[]> => [...counts.keys()];

/** The server's side of a transfer, as soon as it has ended or the time is up. */
export async function transferred(q: { token: string; withinMs: number }): Promise<Transfer> {
  await until(() => (transfers.get(q.token)?.end ?? 'running') !== 'running', q.withinMs);
  return transfers.get(q.token) ?? tally(0);
}

// ── clients ──

export type Reply = Readonly<{ by: string } | { why: string }>;

/** One datagram and its echo, tried again every `againMs`; a try may get lost on the way (path MTU), the probe must not. */
export async function udpEcho(q: {
  to: string;
  port: number;
  token: string;
  withinMs: number;
  againMs?: number;
  size?: number;
  from?: string;
  fromPort?: number;
}): Promise<Reply> {
  let socket: dgram.Socket;
  try {
    socket = await udpSocket(q.from ?? (isSix(q.to) ? '::' : '0.0.0.0'), q.fromPort ?? 0);
  } catch (e) {
    return { why: reason(e) };
  }
  if (q.to.endsWith('.255')) socket.setBroadcast(true);
  if (/^(22[4-9]|23\d)\./.test(q.to) && q.from !== undefined) socket.setMulticastInterface(q.from);
  const payload = datagram(`e ${q.token}`, q.size ?? 64);
  return new Promise((resolve) => {
    let why = 'timeout';
    const finish = (reply: Reply): void => {
      clearInterval(again);
      clearTimeout(timer);
      socket.close();
      resolve(reply);
    };
    const shoot = (): void => {
      socket.send(payload, q.port, q.to, (e) => {
        if (e !== null) why = reason(e);
      });
    };
    const again = setInterval(shoot, q.againMs ?? 250);
    const timer = setTimeout(() => finish({ why }), q.withinMs);
    socket.on('message', (answer) => {
      const [, by, token] = answer.subarray(0, answer.indexOf('|')).toString().split(' ');
      if (by !== undefined && token === q.token) finish({ by });
    });
    shoot();
  });
}

/** Whether somebody answers a datagram to a closed port with an ICMP error. */
export async function udpRefused(q: { to: string; port: number; withinMs: number }): Promise<boolean> {
  const socket = dgram.createSocket(isSix(q.to) ? 'udp6' : 'udp4');
  socket.connect(q.port, q.to);
  await once(socket, 'connect');
  return new Promise((resolve) => {
    const finish = (refused: boolean): void => {
      clearInterval(again);
      clearTimeout(timer);
      socket.close();
      resolve(refused);
    };
    const again = setInterval(() => socket.send('s refuse|'), 250);
    const timer = setTimeout(() => finish(false), q.withinMs);
    socket.once('error', () => finish(true));
    socket.send('s refuse|');
  });
}

/** Connects and reads who greets. */
export function tcpGreet(q: { to: string; port: number; withinMs: number; from?: string }): Promise<Reply> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: q.to, port: q.port, ...(q.from === undefined ? {} : { localAddress: q.from }) });
    const finish = (reply: Reply): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(reply);
    };
    const timer = setTimeout(() => finish({ why: 'timeout' }), q.withinMs);
    socket.once('data', (greeting: Buffer) => finish({ by: greeting.toString().trim() }));
    socket.once('error', (e) => finish({ why: reason(e) }));
    socket.once('close', () => finish({ why: 'closed' }));
  });
}

/** Exactly `total` datagrams of `size` bytes of payload; the receiver counts them under `token`. */
export async function udpSend(q: {
  to: string;
  port: number;
  token: string;
  total: number;
  size: number;
  perSecond: number;
  from?: string;
  fromPort?: number;
}): Promise<Count> {
  const socket = await udpSocket(q.from ?? (isSix(q.to) ? '::' : '0.0.0.0'), q.fromPort ?? 0);
  const payload = datagram(`s ${q.token}`, q.size);
  const sent = await pace(q.total, q.perSecond, () => send(socket, payload, q.port, q.to));
  socket.close();
  return { datagrams: sent, bytes: sent * q.size };
}

/** Asks a server for `total` datagrams of `size` bytes and counts what comes. The order itself is one datagram of 128 bytes. */
export async function udpFetch(q: {
  to: string;
  port: number;
  token: string;
  total: number;
  size: number;
  perSecond: number;
  withinMs: number;
}): Promise<Count> {
  const socket = await udpSocket(isSix(q.to) ? '::' : '0.0.0.0', 0);
  socket.on('message', (payload) => count(q.token, payload.length));
  const order = JSON.stringify({ token: q.token, total: q.total, size: q.size, perSecond: q.perSecond });
  await send(socket, datagram(`p ${order}`, 128), q.port, q.to);
  const got = await counted({ token: q.token, datagrams: q.total, withinMs: q.withinMs });
  socket.close();
  return got;
}

/** `total` datagrams of 64 bytes, each from a port of its own. */
export async function udpFlows(q: { to: string; port: number; token: string; total: number; perSecond: number }): Promise<Count> {
  const payload = datagram(`s ${q.token}`, 64);
  const sent = await pace(q.total, q.perSecond, async () => {
    const socket = await udpSocket(isSix(q.to) ? '::' : '0.0.0.0', 0);
    const gone = await send(socket, payload, q.port, q.to);
    socket.close();
    return gone;
  });
  return { datagrams: sent, bytes: sent * 64 };
}

/** `up` bytes to the server and `down` bytes from it over one connection. Bytes sent are those the kernel took; the server knows better. */
export function tcpTransfer(q: Order & Readonly<{ to: string; port: number }>): Promise<Transfer> {
  return new Promise((resolve) => {
    const t = tally(0);
    const socket = net.connect({ host: q.to, port: q.port });
    const finish = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(t);
    };
    const fail = (end: string): void => {
      if (t.end !== 'running') return;
      t.end = end;
      finish();
    };
    const timer = setTimeout(() => fail('timeout'), q.withinMs);
    socket.once('error', (e) => fail(reason(e)));
    socket.once('data', (greeting: Buffer) => {
      clearTimeout(timer);
      socket.write(`${JSON.stringify({ token: q.token, up: q.up, down: q.down, intervalMs: q.intervalMs, withinMs: q.withinMs })}\n`);
      t.received = greeting.length - greeting.indexOf(10) - 1;
      carry(socket, t, { ...q, give: q.up, take: q.down }).then(finish);
    });
  });
}

/** Many connects at once; how each of them ended. */
export async function tcpBurst(q: { to: string; port: number; total: number; withinMs: number }): Promise<Record<string, number>> {
  const replies = await Promise.all(Array.from({ length: q.total }, () => tcpGreet({ to: q.to, port: q.port, withinMs: q.withinMs })));
  const ends: Record<string, number> = {};
  for (const reply of replies) {
    const end = 'by' in reply ? 'greeted' : reply.why;
    ends[end] = (ends[end] ?? 0) + 1;
  }
  return ends;
}

/** What `ping` printed, and whether a reply came. `exceeded` means that a router on the way has said so. */
export function ping(q: {
  to: string;
  withinMs: number;
  from?: string;
  hops?: number;
  size?: number;
}): Promise<{ replied: boolean; exceeded: boolean; text: string }> {
  const seconds = Math.max(1, Math.ceil(q.withinMs / 1000));
  const args = ['-n', '-c', '1', '-W', String(seconds), '-w', String(seconds), '-s', String(q.size ?? 56)];
  if (q.from !== undefined) args.push('-I', q.from);
  if (q.hops !== undefined) args.push('-t', String(q.hops));
  if (/^(22[4-9]|23\d)\.|\.255$/.test(q.to)) args.push('-b');
  return new Promise((resolve) => {
    execFile('ping', [...args, q.to], (_, stdout, stderr) => {
      const text = `${stdout}${stderr}`;
      resolve({ replied: / bytes from /.test(text), exceeded: /exceeded/.test(text), text });
    });
  });
}

/** For what lies in files: kernel settings, keys. */
export async function write(q: { path: string; text: string }): Promise<null> {
  writeFileSync(q.path, q.text);
  return null;
}
