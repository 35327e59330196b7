// Traffic for routers without Node: a program of our own binary. One line of JSON says what came of it.
//   echo ADDRESS PORT                             sends back every datagram, until it is killed
//   shoot ADDRESS PORT TOTAL SIZE PER_SECOND      TOTAL datagrams of SIZE bytes; ends when all have come back, or none any more
//   push|pull ADDRESS PORT TOTAL                  TOTAL bytes over one connection; ends when done, or when nothing moves any more

import '../../../agent/host/globals.ts';
import { millis } from '../../../agent/core/brand.ts';
import { text } from '../../../agent/core/result.ts';
import { host } from '../../../agent/host/quickjs.ts';
import type { Timer } from '../../../agent/ports/host.ts';

/** Longer than TCP waits before it sends again for the third time. */
const patience = millis(1500);

const [act, address = '', port = '', total = '0', size = '0', perSecond = '0'] = host.process.args;
const to = { address, port: Number(port) };
const limit = Number(total);

function finish(answer: unknown): never {
  host.print(`${JSON.stringify(answer)}\n`);
  return host.process.exit(0);
}

/** Calls `done` when it was not touched for as long as patience lasts. */
function untilIdle(done: () => void): { touch(): void } {
  let timer: Timer = host.clock.after(patience, done);
  return {
    touch() {
      timer.cancel();
      timer = host.clock.after(patience, done);
    },
  };
}

function bind(at: string, atPort: number, received: (bytes: Uint8Array, from: typeof to) => void) {
  const socket = host.net.bindUdp({ address: at, port: atPort }, { received, closed: (why) => finish({ why: text(why) }) });
  return socket.ok ? socket.value : finish({ why: text(socket.fault) });
}

function echo(): void {
  const socket = bind(address, to.port, (bytes, from) => void socket.send(bytes, from));
  host.print('ready\n');
}

function shoot(): void {
  let sent = 0;
  let tried = 0;
  let back = 0;
  const end = (): never => finish({ sent, back });
  const idle = untilIdle(end);
  const socket = bind(address.includes(':') ? '::' : '0.0.0.0', 0, () => {
    back += 1;
    if (back === limit) end();
    idle.touch();
  });
  const bytes = new Uint8Array(Number(size));
  const started = host.clock.monotonic();
  // Bursts would test the queues of an emulated machine instead.
  const most = 16;
  const beat = (): void => {
    const due = Math.ceil(((host.clock.monotonic() - started + 1) / 1000) * Number(perSecond));
    for (let n = 0; n < most && tried < Math.min(limit, due); n++) {
      tried += 1;
      if (socket.send(bytes, to).ok) sent += 1;
    }
    idle.touch();
    if (tried < limit) host.clock.after(millis(1), beat);
  };
  beat();
}

function transfer(kind: 'push' | 'pull'): void {
  let moved = 0;
  let started = host.clock.monotonic();
  const end = (how: string): never => finish({ bytes: moved, end: how, ms: host.clock.monotonic() - started });
  const idle = untilIdle(() => end('idle'));
  const chunk = new Uint8Array(1 << 14);
  const push = (): void => {
    if (moved >= limit) {
      stream.end();
      return;
    }
    const part = chunk.subarray(0, Math.min(chunk.length, limit - moved));
    moved += part.length;
    idle.touch();
    if (stream.write(part)) push();
  };
  const stream = host.net.connectTcp(to, {
    opened() {
      started = host.clock.monotonic();
      if (kind === 'push') push();
    },
    received(bytes) {
      moved += bytes.length;
      idle.touch();
      if (kind === 'pull' && moved >= limit) end('complete');
    },
    ended: () => end(kind === 'push' && moved >= limit ? 'complete' : 'ended'),
    drained: () => (kind === 'push' ? push() : undefined),
    closed: (why) => end(why === null ? 'complete' : text(why)),
  });
}

if (act === 'echo') echo();
else if (act === 'shoot') shoot();
else if (act === 'push' || act === 'pull') transfer(act);
else finish({ why: `no such act: ${act}` });
