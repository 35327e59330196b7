// Archives as opkg unpacks them: ustar, root's, sorted by whoever calls. Writes and reads back what it writes, and nothing else.

export type Member = Readonly<{ name: string; mode: number; time: number; bytes: Uint8Array | null }>;

const block = 512;
const padded = (size: number): number => Math.ceil(size / block) * block;

function header({ name, mode, time, bytes }: Member): Buffer {
  const head = Buffer.alloc(block);
  const octal = (value: number, at: number, width: number): number => head.write(value.toString(8).padStart(width - 1, '0'), at);
  if (Buffer.byteLength(name) > 99) throw new Error(`tar: ${name} is longer than 99 bytes`);
  head.write(name, 0);
  octal(mode, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(bytes === null ? 0 : bytes.length, 124, 12);
  octal(time, 136, 12);
  head.write(' '.repeat(8), 148);
  // 5: a folder, which has no content.
  head.write(bytes === null ? '5' : '0', 156);
  head.write('ustar\u000000', 257, 'latin1');
  head.write('root', 265);
  head.write('root', 297);
  const sum = head.reduce((total, byte) => total + byte, 0);
  head.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return head;
}

export const write = (members: readonly Member[]): Buffer =>
  Buffer.concat([
    ...members.flatMap((member) => {
      const bytes = member.bytes ?? Buffer.alloc(0);
      return [header(member), bytes, Buffer.alloc(padded(bytes.length) - bytes.length)];
    }),
    Buffer.alloc(2 * block),
  ]);

export function read(archive: Buffer): Member[] {
  const members: Member[] = [];
  let at = 0;
  for (;;) {
    const head = archive.subarray(at, at + block);
    if (head.length < block) throw new Error('tar: ends before its end');
    if (head.every((byte) => byte === 0)) break;
    const text = (from: number, to: number): string => head.toString('latin1', from, to).split('\0', 1)[0] ?? '';
    const number = (from: number, to: number): number => Number.parseInt(text(from, to), 8);
    const isFolder = text(156, 157) === '5';
    const bytes = archive.subarray(at + block, at + block + number(124, 136));
    const member = { name: text(0, 100), mode: number(100, 108), time: number(136, 148), bytes: isFolder ? null : bytes };
    if (!header(member).equals(head)) throw new Error(`tar: ${member.name}: a header that is not as we write it`);
    members.push(member);
    at += block + padded(bytes.length);
  }
  if (archive.length !== at + 2 * block || archive.subarray(at).some((byte) => byte !== 0))
    throw new Error('tar: something behind its end');
  return members;
}
