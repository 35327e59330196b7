// Writes numbers and bytes into a buffer that grows. Knows no format and refuses nothing: what may be written is the codec's to say.

export type Writer = { view: DataView<ArrayBuffer>; at: number };

export const open = (capacity = 256): Writer => ({ view: new DataView(new ArrayBuffer(capacity)), at: 0 });

/** What was written so far: a view, not a copy. */
export const done = (w: Writer): Uint8Array<ArrayBuffer> => new Uint8Array(w.view.buffer, 0, w.at);

/** Makes room for `size` bytes, zero until written, and returns where they start. May replace `view`. */
export function room(w: Writer, size: number): number {
  const at = w.at;
  w.at += size;
  if (w.at > w.view.byteLength) {
    const grown = new Uint8Array(Math.max(w.at, 2 * w.view.byteLength));
    grown.set(new Uint8Array(w.view.buffer, 0, at));
    w.view = new DataView(grown.buffer);
  }
  return at;
}

export function u8(w: Writer, value: number): void {
  const at = room(w, 1);
  w.view.setUint8(at, value);
}

export function u16be(w: Writer, value: number): void {
  const at = room(w, 2);
  w.view.setUint16(at, value);
}

export function u32be(w: Writer, value: number): void {
  const at = room(w, 4);
  w.view.setUint32(at, value);
}

export function i64be(w: Writer, value: bigint): void {
  const at = room(w, 8);
  w.view.setBigInt64(at, value);
}

export function f64be(w: Writer, value: number): void {
  const at = room(w, 8);
  w.view.setFloat64(at, value);
}

export function bytes(w: Writer, value: Uint8Array): void {
  const at = room(w, value.length);
  new Uint8Array(w.view.buffer).set(value, at);
}
