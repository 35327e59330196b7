// The other end of a stream under test, for TCP, unix sockets and TLS alike. The first line it reads says what it shall do; a key
// in it lets a second connection ask about the first or direct it.

import { createHash } from 'node:crypto';
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { pattern } from '../host/conformance/fixture.ts';

type Waiting<T> = Readonly<{ promise: Promise<T>; resolve(value: T): void }>;

/** A value that one connection leaves and another one fetches, in either order. */
class Board<T> {
  readonly #notes = new Map<string, Waiting<T>>();
  note(key: string): Waiting<T> {
    const known = this.#notes.get(key);
    if (known !== undefined) return known;
    let resolve: (value: T) => void = () => undefined;
    const promise = new Promise<T>((settle) => {
      resolve = settle;
    });
    const made = { promise, resolve };
    this.#notes.set(key, made);
    return made;
  }
}

/** Everything up to the end of the other side; unlike an iteration it leaves our own side open. */
function drink(socket: Duplex): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks)));
    socket.on('close', () => reject(new Error('the client went away')));
    socket.resume();
  });
}

const digest = (bytes: Uint8Array): string => `${bytes.length} ${createHash('sha256').update(bytes).digest('hex')}`;

/** How much of a flood has left us, as soon as it leaves no more. */
function whenStuck(socket: Duplex, total: number): Promise<number> {
  return new Promise((resolve) => {
    let last = -1;
    const timer = setInterval(() => {
      const sent = total - socket.writableLength;
      if (sent === last) {
        clearInterval(timer);
        resolve(sent);
      }
      last = sent;
    }, 200);
  });
}

/** `cut` ends the connection under a stream of TLS. */
export function makePeer(cut: (socket: Duplex) => void = () => undefined): (socket: Duplex) => void {
  const heard = new Board<Buffer>();
  const held = new Board<Duplex>();
  const known = new Set<string>();
  const floods = new Board<() => Promise<number>>();

  const acts: Readonly<Record<string, (socket: Duplex, key: string, text: string) => Promise<unknown>>> = {
    echo: async (socket) => socket.pipe(socket),
    /** Reads to the end, then tells how much and what it was. */
    hash: async (socket) => socket.end(digest(await drink(socket))),
    /** Speaks and ends, then listens on. */
    say: async (socket, key, text) => {
      socket.end(text);
      heard.note(key).resolve(await drink(socket));
    },
    heard: async (socket, key) => socket.end(await heard.note(key).promise),
    /** Whether anybody ever said this key here. */
    known: async (socket, key) => socket.end(known.has(key) ? 'yes' : 'no'),
    reset: async (socket) => (socket instanceof Socket ? socket.resetAndDestroy() : socket.destroy()),
    /** Reads nothing until another connection says `release`. */
    stall: async (socket, key) => held.note(key).resolve(socket),
    release: async (socket, key) => {
      const stalled = await held.note(key).promise;
      socket.end('released');
      stalled.end(digest(await drink(stalled)));
    },
    flood: async (socket, key, size) => {
      const bytes = pattern(Number(size));
      const total = bytes.length;
      floods.note(key).resolve(() => whenStuck(socket, total));
      // In small pieces, because a stream counts a piece as waiting until all of it is gone.
      for (let at = 0; at < total; at += 16_384) socket.write(bytes.subarray(at, at + 16_384));
      socket.end();
      socket.resume();
    },
    stuck: async (socket, key) => socket.end(String(await (await floods.note(key).promise)())),
    cut: async (socket) => cut(socket),
    hold: async (socket) => socket.resume(),
  };

  return (socket) => {
    let head = Buffer.alloc(0);
    const read = (chunk: Buffer): void => {
      head = Buffer.concat([head, chunk]);
      const end = head.indexOf('\n');
      if (end < 0) return;
      socket.off('data', read);
      socket.pause();
      if (head.length > end + 1) socket.unshift(head.subarray(end + 1));
      const [act = '', key = '', ...text] = head.subarray(0, end).toString().split(' ');
      if (act !== 'known') known.add(key);
      // A client may go away in the middle of any act.
      acts[act]?.(socket, key, text.join(' ')).catch(() => socket.destroy()) ?? socket.destroy();
    };
    socket.on('data', read);
    socket.on('error', () => socket.destroy());
    socket.on('end', () => {
      if (head.indexOf('\n') < 0) socket.end();
    });
  };
}
