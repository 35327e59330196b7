// Node's Buffer as far as mqtt, mqtt-packet and bl reach it; the npm package `buffer` is 28 KB of bundle and 200 KB of heap.
// What is not here is not reached: test/link drives every packet kind we use through it.

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { ignoreBOM: true });

type Source = string | ArrayLike<number> | ArrayBuffer;

// @ts-expect-error Node's Buffer gives `from` another meaning than Uint8Array does.
export class Buffer extends Uint8Array {
  static override from(source: Source, offset?: unknown, length?: number): Buffer {
    if (typeof source === 'string') return view(encoder.encode(source));
    if (source instanceof ArrayBuffer) return new Buffer(source, typeof offset === 'number' ? offset : 0, length);
    return new Buffer(source);
  }
  static alloc(size: number): Buffer {
    return new Buffer(size);
  }
  static allocUnsafe(size: number): Buffer {
    return new Buffer(size);
  }
  static isBuffer(value: unknown): value is Buffer {
    return value instanceof Buffer;
  }
  static byteLength(value: string | ArrayBufferView | ArrayBuffer): number {
    return typeof value === 'string' ? encoder.encode(value).length : value.byteLength;
  }
  static concat(parts: readonly Uint8Array[]): Buffer {
    const all = new Buffer(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      all.set(part, at);
      at += part.length;
    }
    return all;
  }

  override slice(start?: number, end?: number): Buffer {
    return view(this.subarray(start, end));
  }
  copy(target: Uint8Array, at = 0, start = 0, end = this.length): number {
    const part = this.subarray(start, Math.min(end, start + target.length - at));
    target.set(part, at);
    return part.length;
  }
  write(text: string, at = 0): number {
    const bytes = encoder.encode(text);
    this.set(bytes, at);
    return bytes.length;
  }
  /** Not fatal: a broker can send any bytes as a topic, and that must not throw inside the package. */
  override toString(): string {
    return decoder.decode(this);
  }
  readUInt8(at: number): number {
    return dataView(this).getUint8(at);
  }
  readUInt16BE(at: number): number {
    return dataView(this).getUint16(at);
  }
  readUInt32BE(at: number): number {
    return dataView(this).getUint32(at);
  }
  writeUInt8(value: number, at: number): number {
    dataView(this).setUint8(at, value);
    return at + 1;
  }
  writeUInt16BE(value: number, at: number): number {
    dataView(this).setUint16(at, value);
    return at + 2;
  }
  writeUInt32BE(value: number, at: number): number {
    dataView(this).setUint32(at, value);
    return at + 4;
  }
}

const view = (bytes: Uint8Array): Buffer => new Buffer(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length);
const dataView = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
