import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { walk } from '../../agent/core/attributes.ts';

const both = [
  { name: 'little', little: true, u16: (n: number) => [n & 255, n >> 8] },
  { name: 'big', little: false, u16: (n: number) => [n >> 8, n & 255] },
] as const;
const attributes = suite('attributes');
for (const { name, little, u16 } of both) {
  const { split } = walk(little);
  const attribute = (type: number, ...value: readonly number[]): readonly number[] => [
    ...[...u16(4 + value.length), ...u16(type), ...value],
    ...Array<number>(-value.length & 3).fill(0),
  ];
  const bytes = Uint8Array.of(...attribute(1, 9, 8, 7), ...attribute(0x8002), ...attribute(3, 1, 2, 3, 4));
  attributes(`${name}: type without its flags, start and end of each value, padding left out`, () => {
    assert.equal(split(bytes, 0, bytes.length), Int32Array.of(1, 4, 7, 2, 12, 12, 3, 16, 20));
    assert.equal(split(bytes, 8, 12), Int32Array.of(2, 12, 12));
    assert.equal(split(bytes, 0, 0), Int32Array.of());
  });
  attributes(`${name}: a length that does not fit is null, wherever it is cut`, () => {
    // At 7 only padding is missing, at 8 and 12 an attribute ends.
    const whole = [0, 7, 8, 12, 20];
    for (let end = 0; end <= bytes.length; end++) assert.is(split(bytes, 0, end) !== null, whole.includes(end), `${end}`);
    assert.is(split(Uint8Array.of(...u16(3), ...u16(1)), 0, 4), null, 'shorter than its own head');
  });
}
attributes.run();
