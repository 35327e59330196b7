// The container of apk's version 3: a tree of whole numbers, blobs, arrays and objects with numbered fields, in typed blocks. Writes it, and
// reads it back more strictly than apk does: one tree has one form. Knows no schema and no signature.

/** An object is a map of its fields; nothing, an empty blob and an empty array are one and the same. */
export type Item = number | string | Uint8Array | readonly Item[] | { readonly fields: ReadonlyMap<number, Item> };
export type Block = Readonly<{ kind: 'adb' | 'signature' | 'data'; bytes: Uint8Array }>;

const types = { int: 0x1, int32: 0x2, int64: 0x3, blob8: 0x8, blob16: 0x9, blob32: 0xa, array: 0xd, object: 0xe } as const;
const headerSize = 8;
const nothing = 0;
const most = 2 ** 28;

const tag = (type: number, value: number): number => type * most + value;

type Fields = Extract<Item, { readonly fields: unknown }>;
export const isObject = (item: Item | undefined): item is Fields => typeof item === 'object' && 'fields' in item;

// ── Writing ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

/** `apart`: a blob with a place of its own, which is answered, so that it can be filled in later. */
export function encode(root: Item, apart: Uint8Array | null = null): Readonly<{ bytes: Buffer; at: number }> {
  const chunks: Buffer[] = [Buffer.alloc(headerSize)];
  const places = new Map<string, number>();
  let length = headerSize;
  let at = -1;

  function place(bytes: Buffer, alignment: number, isShared = true): number {
    const key = bytes.toString('latin1');
    const known = isShared ? places.get(key) : undefined;
    if (known !== undefined && known % alignment === 0) return known;
    const padding = (alignment - (length % alignment)) % alignment;
    const offset = length + padding;
    if (offset + bytes.length >= most) throw new Error('adb: more than 256 MiB');
    chunks.push(Buffer.alloc(padding), bytes);
    length = offset + bytes.length;
    if (isShared) places.set(key, offset);
    return offset;
  }

  function blob(bytes: Uint8Array): number {
    const { length: size } = bytes;
    if (size === 0) return nothing;
    const [type, width] = size > 0xffff ? [types.blob32, 4] : size > 0xff ? [types.blob16, 2] : [types.blob8, 1];
    const head = Buffer.alloc(width);
    head.writeUIntLE(size, 0, width);
    const offset = place(Buffer.concat([head, bytes]), width, bytes !== apart);
    if (bytes === apart) at = offset + width;
    return tag(type, offset);
  }

  function number(n: number): number {
    if (!Number.isSafeInteger(n) || n < 0) throw new Error(`adb: ${n} is no whole number`);
    if (n < most) return tag(types.int, n);
    const isLong = n >= 2 ** 32;
    const bytes = Buffer.alloc(isLong ? 8 : 4);
    if (isLong) bytes.writeBigUInt64LE(BigInt(n));
    else bytes.writeUInt32LE(n);
    return tag(isLong ? types.int64 : types.int32, place(bytes, 4));
  }

  function slots(type: number, values: readonly number[]): number {
    const used = values.findLastIndex((value) => value !== nothing) + 1;
    return used === 0 ? nothing : tag(type, place(words([used + 1, ...values.slice(0, used)]), 4));
  }

  function item(value: Item): number {
    if (typeof value === 'number') return number(value);
    if (typeof value === 'string') return blob(Buffer.from(value));
    if (value instanceof Uint8Array) return blob(value);
    if (!isObject(value)) return slots(types.array, value.map(item));
    const last = Math.max(0, ...value.fields.keys());
    return slots(
      types.object,
      Array.from({ length: last }, (_, i) => {
        const field = value.fields.get(i + 1);
        return field === undefined ? nothing : item(field);
      }),
    );
  }

  const rootTag = item(root);
  const bytes = Buffer.concat(chunks);
  bytes.writeUInt32LE(rootTag, 4);
  return { bytes, at };
}

function words(values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(4 * values.length);
  for (const [i, value] of values.entries()) bytes.writeUInt32LE(value, 4 * i);
  return bytes;
}

const kinds = ['adb', 'signature', 'data'] as const;
const aligned = (size: number): number => Math.ceil(size / 8) * 8;

export function file(schema: number, blocks: readonly Block[]): Buffer {
  const head = Buffer.concat([Buffer.from('ADB.'), words([schema])]);
  return Buffer.concat([
    head,
    ...blocks.flatMap(({ kind, bytes }) => {
      const size = 4 + bytes.length;
      if (size >= 2 ** 30) throw new Error('adb: a block of a GiB');
      return [words([kinds.indexOf(kind) * 2 ** 30 + size]), bytes, Buffer.alloc(aligned(size) - size)];
    }),
  ]);
}

// ── Reading ──────────────────────────────────────────────────────────────────────────────────────────────────────────────────────────

const must = (isSo: boolean, why: string): void => {
  if (!isSo) throw new Error(`adb: ${why}`);
};

export function blocksOf(bytes: Buffer, schema: number): Block[] {
  must(bytes.length >= 8 && bytes.toString('latin1', 0, 4) === 'ADB.', 'does not begin with ADB.');
  must(bytes.readUInt32LE(4) === schema, `schema ${bytes.readUInt32LE(4).toString(16)}`);
  const blocks: Block[] = [];
  for (let at = 8; at < bytes.length; ) {
    must(at + 4 <= bytes.length, 'ends within the head of a block');
    const head = bytes.readUInt32LE(at);
    const kind = kinds[Math.floor(head / 2 ** 30)];
    const size = head % 2 ** 30;
    const end = at + aligned(size);
    if (kind === undefined) throw new Error('adb: a kind of block that nobody writes');
    must(size >= 4 && end <= bytes.length, 'a block longer than the file');
    must(
      bytes.subarray(at + size, end).every((byte) => byte === 0),
      'something behind a block',
    );
    const order = blocks.length === 0 ? kind === 'adb' : kind !== 'adb' && (kind === 'data' || blocks.at(-1)?.kind !== 'data');
    must(order, `block ${blocks.length} is ${kind}`);
    blocks.push({ kind, bytes: bytes.subarray(at + 4, at + size) });
    at = end;
  }
  must(blocks.length > 0, 'no block');
  return blocks;
}

/** Whatever decodes here is exactly what `encode` makes of it, but for the order in which it was written. */
export function decode(bytes: Buffer): Item {
  must(bytes.length >= headerSize && bytes.readUInt32LE(0) === 0, 'another version');

  function blob(width: number, offset: number): Buffer {
    must(offset >= headerSize && offset + width <= bytes.length && offset % width === 0, 'a blob out of place');
    const start = offset + width;
    const end = start + bytes.readUIntLE(offset, width);
    must(end <= bytes.length, 'a blob longer than the file');
    return bytes.subarray(start, end);
  }

  /** Children stand before their parents, so that nothing holds itself. */
  function slots(offset: number, parent: number): (Item | undefined)[] {
    must(offset % 4 === 0 && offset >= headerSize && offset < parent && offset + 4 <= bytes.length, 'an object out of place');
    const count = bytes.readUInt32LE(offset);
    must(count >= 2 && offset + 4 * count <= bytes.length, 'an object longer than the file');
    return Array.from({ length: count - 1 }, (_, i) => item(bytes.readUInt32LE(offset + 4 * (i + 1)), offset));
  }

  function item(word: number, parent: number): Item | undefined {
    const [type, value] = [Math.floor(word / most), word % most];
    switch (type) {
      case 0:
        must(value === nothing, 'true and false are nowhere expected');
        return undefined;
      case types.int:
        return value;
      case types.int32:
      case types.int64: {
        const width = type === types.int32 ? 4 : 8;
        must(value % 4 === 0 && value >= headerSize && value + width <= bytes.length, 'a number out of place');
        return type === types.int32 ? bytes.readUInt32LE(value) : Number(bytes.readBigUInt64LE(value));
      }
      case types.blob8:
        return blob(1, value);
      case types.blob16:
        return blob(2, value);
      case types.blob32:
        return blob(4, value);
      case types.array:
        return slots(value, parent).map((each) => {
          if (each === undefined) throw new Error('adb: a hole in an array');
          return each;
        });
      case types.object: {
        const values = slots(value, parent);
        return { fields: new Map(values.flatMap((each, i): [number, Item][] => (each === undefined ? [] : [[i + 1, each]]))) };
      }
      default:
        throw new Error(`adb: type ${type}`);
    }
  }

  const root = item(bytes.readUInt32LE(4), bytes.length);
  if (root === undefined) throw new Error('adb: nothing inside');
  return root;
}
