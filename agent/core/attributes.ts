// The walk through netlink messages and their attributes (struct nlattr: u16 length, u16 type with two flag bits, value, padded to 4), in
// TypeScript: for hosts without a native one, and for the other byte order. Knows no family.

/** splitAttributes and pickMessages of ports/host.ts, which says what they answer. */
export type Walk = Readonly<{
  split(bytes: Uint8Array, offset: number, end: number): Int32Array | null;
  pick(bytes: Uint8Array, offset: number, end: number, head: number, paths: Int32Array): Int32Array | null;
}>;

export const walk = (little: boolean): Walk => ({
  split: (bytes, offset, end) => split(bytes, offset, end, little),
  pick(bytes, offset, end, head, paths) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const rows: number[] = [];
    let at = offset;
    while (end - at >= 16) {
      const length = view.getUint32(at, little);
      // Type and flags, and the number.
      if (view.getUint32(at + 4) !== view.getUint32(offset + 4) || view.getUint32(at + 8) !== view.getUint32(offset + 8)) break;
      const fits = length >= 16 + head && length <= end - at;
      const row = fits ? pickOne(bytes, at + 16 + head, at + length, paths, little) : null;
      if (row === null) return null;
      rows.push(...row);
      at += (length + 3) & ~3;
    }
    return Int32Array.of(...rows, Math.min(at, end));
  },
});

function split(bytes: Uint8Array, offset: number, end: number, little: boolean): Int32Array | null {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  const triples: number[] = [];
  for (let at = offset; at < end; ) {
    const length = at + 4 <= end ? view.getUint16(at, little) : 0;
    if (length < 4 || at + length > end) return null;
    triples.push(view.getUint16(at + 2, little) & 0x3fff, at + 4, at + length);
    at += (length + 3) & ~3;
  }
  return Int32Array.from(triples);
}

/** `outer`: the nest we are in. */
function pickOne(bytes: Uint8Array, offset: number, end: number, paths: Int32Array, little: boolean, outer = 0): Int32Array | null {
  const triples = split(bytes, offset, end, little);
  if (triples === null) return null;
  const row = new Int32Array(2 * paths.length).fill(-1);
  for (let i = 0; i < triples.length; i += 3) {
    const type = triples[i] as number;
    const [start, stop] = [triples[i + 1] as number, triples[i + 2] as number];
    for (const [n, path] of paths.entries()) if (path === (outer === 0 ? type : (type << 16) | outer)) row.set([start, stop], 2 * n);
    if (outer !== 0 || !paths.some((path) => path > 0xffff && (path & 0xffff) === type)) continue;
    const inner = pickOne(bytes, start, stop, paths, little, type);
    if (inner === null) return null;
    for (const [n, value] of inner.entries()) if (value >= 0) row[n] = value;
  }
  return row;
}
