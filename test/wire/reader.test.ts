import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Result } from '../../agent/core/result.ts';
import type { Reader } from '../../agent/wire/reader.ts';
import * as reader from '../../agent/wire/reader.ts';
import * as writer from '../../agent/wire/writer.ts';

const bytes = Uint8Array.of(0x81, 0x02, 0x03, 0x84, 0, 0);
const reads: readonly { name: string; read: (r: Reader) => Result<unknown>; skip?: number; want: unknown }[] = [
  { name: 'u8', read: reader.u8, want: 0x81 },
  { name: 'u16be', read: reader.u16be, want: 0x8102 },
  { name: 'u32be', read: reader.u32be, want: 0x81020384 },
  { name: 'u8 at the end', read: reader.u8, skip: 6, want: 'byte 6' },
  { name: 'u16be over the end', read: reader.u16be, skip: 5, want: 'byte 5' },
  { name: 'u32be over the end', read: reader.u32be, skip: 3, want: 'byte 3' },
  { name: 'zeros', read: (r) => reader.zeros(r, 2), skip: 4, want: undefined },
  { name: 'zeros that are none', read: (r) => reader.zeros(r, 2), skip: 3, want: 'byte 3' },
  { name: 'zeros over the end', read: (r) => reader.zeros(r, 3), skip: 4, want: 'byte 6' },
  { name: 'part over the end', read: (r) => reader.part(r, 5), skip: 2, want: 'byte 2' },
];
const read = suite('reader');
for (const c of reads)
  read(c.name, () => {
    // A view inside a larger buffer: offsets must be those of the view.
    const r = reader.open(Uint8Array.of(9, 9, ...bytes, 9, 9, 9, 9, 9, 9, 9, 9).subarray(2, 8));
    r.at = c.skip ?? 0;
    const got = c.read(r);
    if (got.ok) assert.is(got.value, c.want);
    else assert.equal([got.fault.code, got.fault.path], ['malformed', c.want]);
  });
read('a part is its own end, the outer reader goes past it', () => {
  const r = reader.open(bytes);
  const part = reader.part(r, 2);
  assert.ok(part.ok && reader.left(part.value) === 2 && reader.left(r) === 4);
  assert.equal([...reader.rest(part.value)], [0x81, 0x02]);
  const more = reader.u8(part.value);
  assert.ok(!more.ok && more.fault.path === 'byte 2');
  assert.equal([...reader.rest(r)], [0x03, 0x84, 0, 0]);
});
read.run();

const write = suite('writer');
write('grows and keeps what it has', () => {
  const w = writer.open(1);
  writer.u8(w, 1);
  writer.u16be(w, 0x0203);
  writer.u32be(w, 0x04050607);
  writer.i64be(w, -2n);
  writer.f64be(w, 1.5);
  writer.bytes(w, Uint8Array.of(8, 9));
  writer.room(w, 1);
  assert.equal([...writer.done(w)], [1, 2, 3, 4, 5, 6, 7, 255, 255, 255, 255, 255, 255, 255, 254, 0x3f, 0xf8, 0, 0, 0, 0, 0, 0, 8, 9, 0]);
});
write.run();
