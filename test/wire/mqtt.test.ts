import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as mqtt from '../../agent/wire/mqtt.ts';

const most = 65_536;
const follow = (bytes: readonly number[], from = mqtt.start) => mqtt.follow(from, Uint8Array.from(bytes), most);
const filled = (n: number): number[] => Array<number>(n).fill(0xff);

const test = suite('packets');
const cases: readonly (readonly [name: string, bytes: readonly number[], want: mqtt.Cursor | string])[] = [
  ['nothing', [], mqtt.start],
  ['an empty packet', [0xd0, 0], mqtt.start],
  ['two of them', [0xd0, 0, 0xd0, 0], mqtt.start],
  ['a type alone', [0x30], { left: 0, size: 0, digits: 0 }],
  ['half a length', [0x30, 0x80], { left: 0, size: 0, digits: 1 }],
  ['a packet of one digit', [0x30, 3, 1, 2], { left: 1, size: 3, digits: null }],
  ['a packet of two', [0x30, 0x80, 1, ...filled(128)], { left: 0, size: 128, digits: null }],
  ['the largest', [0x30, 0xfc, 0xff, 3], { left: 65_532, size: 65_532, digits: null }],
  ['one byte more', [0x30, 0xfd, 0xff, 3], 'limit'],
  ['256 MB', [0x30, 0xff, 0xff, 0xff, 0x7f], 'limit'],
  ['more than there can be, before it is said', [0x30, 0xff, 0xff, 0xff], 'limit'],
  ['zeros without end', [0x30, 0x80, 0x80, 0x80, 0x80], 'malformed'],
  ['the second one', [0xd0, 0, 0x30, 0xff, 0xff, 0xff], 'limit'],
];
for (const [name, bytes, want] of cases)
  test(name, () => {
    const whole = follow(bytes);
    assert.equal(whole.ok ? whole.value : whole.fault.code, want);
  });
test('byte by byte it is the same', () => {
  for (const [name, bytes, want] of cases) {
    let cursor = mqtt.start;
    let code = '';
    for (const byte of bytes) {
      const next = follow([byte], cursor);
      if (!next.ok) {
        code = next.fault.code;
        break;
      }
      cursor = next.value;
    }
    if (typeof want === 'string') assert.is(code, want, name);
    else assert.equal([cursor.left, cursor.digits, code], [want.left, want.digits, ''], name);
  }
});
test.run();
