// Reads of an ELF file what tells machines apart. Knows nothing of sections.

export type Elf = Readonly<{ bits: number; order: 'little' | 'big'; machine: number; flags: number; segments: readonly Segment[] }>;
type Segment = Readonly<{ type: number; bytes: Buffer }>;

export const INTERPRETER = 3;
export const MIPS_ABI_FLAGS = 0x70000003;

export function readElf(file: Buffer): Elf {
  if (file.toString('latin1', 0, 4) !== '\x7fELF') throw new Error('no ELF file');
  const wide = file[4] === 2;
  const little = file[5] === 1;
  const u16 = (at: number): number => (little ? file.readUInt16LE(at) : file.readUInt16BE(at));
  const u32 = (at: number): number => (little ? file.readUInt32LE(at) : file.readUInt32BE(at));
  const word = (at: number): number => (wide ? Number(little ? file.readBigUInt64LE(at) : file.readBigUInt64BE(at)) : u32(at));
  const table = word(wide ? 32 : 28);
  const size = u16(wide ? 54 : 42);
  const count = u16(wide ? 56 : 44);
  const segments = Array.from({ length: count }, (_, i): Segment => {
    const at = table + i * size;
    const offset = word(at + (wide ? 8 : 4));
    return { type: u32(at), bytes: file.subarray(offset, offset + word(at + (wide ? 32 : 16))) };
  });
  return { bits: wide ? 64 : 32, order: little ? 'little' : 'big', machine: u16(18), flags: u32(wide ? 48 : 36), segments };
}
