// The globals that QuickJS lacks and our packages reach: timers, text codecs, console, and a thread of `process`. A composition root for
// QuickJS imports this file first. No more than is reached; the code of our own needs none of it but the text codecs.

import { millis } from '../core/brand.ts';
import type { Timer } from '../ports/host.ts';
import { host } from './quickjs.ts';

type Callback = (...values: unknown[]) => void;

const timers = new Map<number, Timer>();
let lastTimer = 0;

function start(callback: Callback, delay: unknown, repeat: boolean, values: unknown[]): number {
  const id = ++lastTimer;
  const wait = millis(Math.max(typeof delay === 'number' ? Math.trunc(delay) : 0, repeat ? 1 : 0));
  const fire = (): void => {
    if (repeat) timers.set(id, host.clock.after(wait, fire));
    else timers.delete(id);
    callback(...values);
  };
  timers.set(id, host.clock.after(wait, fire));
  return id;
}

function stop(id: number): void {
  timers.get(id)?.cancel();
  timers.delete(id);
}

function queueMicrotask(callback: Callback, ...values: unknown[]): void {
  // A rejection that nobody awaits could pass unseen; thrown from a timer it ends the program as every other bug does.
  Promise.resolve()
    .then(() => callback(...values))
    .catch((bug: unknown) => {
      host.clock.after(millis(0), () => {
        throw bug;
      });
    });
}

class TextEncoder {
  readonly encoding = 'utf-8';

  encode(text = ''): Uint8Array {
    const bytes: number[] = [];
    for (const character of text) {
      // A lone surrogate has no UTF-8.
      const point = /^[\ud800-\udfff]$/.test(character) ? 0xfffd : Number(character.codePointAt(0));
      if (point < 0x80) bytes.push(point);
      else if (point < 0x800) bytes.push(0xc0 | (point >> 6), tail(point));
      else if (point < 0x10000) bytes.push(0xe0 | (point >> 12), tail(point >> 6), tail(point));
      else bytes.push(0xf0 | (point >> 18), tail(point >> 12), tail(point >> 6), tail(point));
    }
    return Uint8Array.from(bytes);
  }
}

const tail = (bits: number): number => 0x80 | (bits & 0x3f);

class TextDecoder {
  readonly encoding = 'utf-8';
  readonly fatal: boolean;
  readonly ignoreBOM: boolean;

  constructor(label = 'utf-8', options: Readonly<{ fatal?: boolean; ignoreBOM?: boolean }> = {}) {
    if (!/^utf-?8$/i.test(label)) throw new RangeError(`TextDecoder: no ${label} here`);
    this.fatal = options.fatal === true;
    this.ignoreBOM = options.ignoreBOM === true;
  }

  decode(input: ArrayBuffer | ArrayBufferView = new ArrayBuffer(0)): string {
    const bytes = input instanceof ArrayBuffer ? new Uint8Array(input) : new Uint8Array(input.buffer, input.byteOffset, input.byteLength);
    const points: string[] = [];
    for (let at = 0; at < bytes.length; ) {
      const [point, size] = decodePoint(bytes, at);
      if (point === null && this.fatal) throw new TypeError(`TextDecoder: no UTF-8 at byte ${at}`);
      if (point !== 0xfeff || at > 0 || this.ignoreBOM) points.push(String.fromCodePoint(point ?? 0xfffd));
      at += size;
    }
    return points.join('');
  }
}

/** [lead from, lead to, second byte from, second byte to, bytes in all]: the well-formed sequences of Unicode, table 3-7. */
const sequences = [
  [0x00, 0x7f, 0, 0, 1],
  [0xc2, 0xdf, 0x80, 0xbf, 2],
  [0xe0, 0xe0, 0xa0, 0xbf, 3],
  [0xe1, 0xec, 0x80, 0xbf, 3],
  [0xed, 0xed, 0x80, 0x9f, 3],
  [0xee, 0xef, 0x80, 0xbf, 3],
  [0xf0, 0xf0, 0x90, 0xbf, 4],
  [0xf1, 0xf3, 0x80, 0xbf, 4],
  [0xf4, 0xf4, 0x80, 0x8f, 4],
] as const;

/** The code point at `at`, or null, and how many bytes it takes: of a broken sequence those that could have begun one. */
function decodePoint(bytes: Uint8Array, at: number): readonly [number | null, number] {
  const lead = bytes[at] ?? 0xff;
  const sequence = sequences.find(([from, to]) => from <= lead && lead <= to);
  if (sequence === undefined) return [null, 1];
  const [, , low, high, size] = sequence;
  let point = size === 1 ? lead : lead & (0x7f >> size);
  for (let i = 1; i < size; i++) {
    const byte = bytes[at + i] ?? 0xff;
    if (byte < (i === 1 ? low : 0x80) || byte > (i === 1 ? high : 0xbf)) return [null, i];
    point = (point << 6) | (byte & 0x3f);
  }
  return [point, size];
}

const render = (value: unknown): string => {
  if (typeof value === 'string') return value;
  if (value instanceof Error) return `${value}\n${value.stack ?? ''}`;
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
};
const line = (values: readonly unknown[]): string => values.map(render).join(' ');
const print = (...values: unknown[]): void => host.print(`${line(values)}\n`);
const log = (...values: unknown[]): void => host.log(line(values));

Object.assign(globalThis, {
  setTimeout: (callback: Callback, delay?: unknown, ...values: unknown[]) => start(callback, delay, false, values),
  setInterval: (callback: Callback, delay?: unknown, ...values: unknown[]) => start(callback, delay, true, values),
  clearTimeout: stop,
  clearInterval: stop,
  queueMicrotask,
  TextEncoder,
  TextDecoder,
  console: { log: print, info: print, debug: print, warn: log, error: log },
  performance: { now: () => host.clock.monotonic() },
  process: { nextTick: queueMicrotask, env: {} },
});
