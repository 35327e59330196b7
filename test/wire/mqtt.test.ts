import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as mqtt from '../../agent/wire/mqtt.ts';

const most = 65_536;
const filled = (n: number, of = 0xff): number[] => Array<number>(n).fill(of);
/** What is passed on of these bytes, come in such pieces, and what is still to come of the last packet; or the code of the Fault. */
function follow(pieces: readonly (readonly number[])[]): Readonly<{ passed: readonly number[]; cursor: mqtt.Cursor }> | string {
  let cursor = mqtt.start;
  const passed: number[] = [];
  for (const piece of pieces) {
    const next = mqtt.follow(cursor, Uint8Array.from(piece), most);
    if (!next.ok) return next.fault.code;
    cursor = next.value.cursor;
    for (const run of next.value.passed) for (const byte of run) passed.push(byte);
  }
  return { passed, cursor };
}

const test = suite('packets');
const message = (digits: readonly number[], size: number, type = 0x32): number[] => [type, ...digits, ...filled(size, 7)];
const next = [0x30, 3, 1, 2, 3];
const cases: readonly (readonly [name: string, bytes: readonly number[], want: readonly number[] | string, left?: number])[] = [
  ['nothing', [], []],
  ['an empty packet', [0xd0, 0], [0xd0, 0]],
  ['two of them', [0xd0, 0, 0xd0, 0], [0xd0, 0, 0xd0, 0]],
  ['a type alone', [0x30], []],
  ['half a length', [0xd0, 0, 0x30, 0x80], [0xd0, 0]],
  ['a packet of one digit', [0x30, 3, 1, 2], [0x30, 3, 1, 2], 1],
  ['a packet of two', message([0x80, 1], 128), message([0x80, 1], 128)],
  ['the largest', [0x30, 0xfc, 0xff, 3], [0x30, 0xfc, 0xff, 3], 65_532],
  ['a message of one byte more', [...message([0xfd, 0xff, 3], 65_533), ...next], [...message([0xfd, 0xff, 3], 65_533), ...next]],
  ['of a longer one the beginning', [...message([0xf0, 0xa2, 4], 70_000), ...next], [...message([0x80, 0x80, 4], 65_536), ...next]],
  ['in the midst of it', message([0xf0, 0xa2, 4], 69_000), message([0x80, 0x80, 4], 65_536), 1000],
  ['of the longest', message([0x80, 0x80, 0x40], 99), message([0x80, 0x80, 4], 99), (1 << 20) - 99],
  ['a message that is longer still', [0x30, 0x81, 0x80, 0x40], 'limit'],
  ['a message of 256 MB', [0x30, 0xff, 0xff, 0xff, 0x7f], 'limit'],
  ['anything else of one byte more', [0x20, 0xfd, 0xff, 3], 'limit'],
  ['zeros without end', [0x30, 0x80, 0x80, 0x80, 0x80], 'malformed'],
  ['the second one', [0xd0, 0, 0x20, 0xff, 0xff, 0xff, 0x7f], 'limit'],
];
for (const [name, bytes, want, left = 0] of cases)
  for (const [how, size] of [
    ['at once', bytes.length],
    ['in pieces', 7],
    ['byte by byte', 1],
  ] as const)
    test(`${name}, ${how}`, () => {
      const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.slice(i * size, (i + 1) * size));
      const got = follow(pieces);
      if (typeof got === 'string' || typeof want === 'string') return assert.is(typeof got === 'string' ? got : 'taken', want);
      // Not `equal`, whose account of 64 KiB takes longer than the test.
      assert.ok(got.passed.join() === want.join(), `${got.passed.length} bytes: ${got.passed.slice(0, 9)}`);
      assert.is(got.cursor.left + got.cursor.rest, left);
    });
test.run();
