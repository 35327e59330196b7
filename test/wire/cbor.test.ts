import { Encoder } from 'cbor-x';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as cbor from '../../agent/wire/cbor.ts';

const hex = (bytes: Uint8Array): string => [...bytes].map((b) => b.toString(16).padStart(2, '0')).join('');
const bytes = (text: string): Uint8Array => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
const nested = (depth: number): string => `${'81'.repeat(depth)}00`;

// RFC 8949, appendix A, as far as the profile goes, and the edges of each length of an integer.
const vectors: readonly (readonly [value: cbor.Value, hex: string])[] = [
  [0, '00'],
  [23, '17'],
  [24, '1818'],
  [255, '18ff'],
  [256, '190100'],
  [65_535, '19ffff'],
  [65_536, '1a00010000'],
  [1_000_000, '1a000f4240'],
  [4_294_967_295, '1affffffff'],
  [4_294_967_296, '1b0000000100000000'],
  [1_000_000_000_000, '1b000000e8d4a51000'],
  [Number.MAX_SAFE_INTEGER, '1b001fffffffffffff'],
  [9_007_199_254_740_992n, '1b0020000000000000'],
  [18_446_744_073_709_551_615n, '1bffffffffffffffff'],
  [-1, '20'],
  [-24, '37'],
  [-25, '3818'],
  [-1000, '3903e7'],
  [-4_294_967_297, '3b0000000100000000'],
  [-18_446_744_073_709_551_616n, '3bffffffffffffffff'],
  [false, 'f4'],
  [true, 'f5'],
  [null, 'f6'],
  [new Uint8Array(), '40'],
  [Uint8Array.of(1, 2, 3, 4), '4401020304'],
  ['', '60'],
  ['"\\', '62225c'],
  ['ü', '62c3bc'],
  ['水', '63e6b0b4'],
  ['\u{10151}', '64f0908591'],
  ['\ufeffa', '64efbbbf61'],
  ['a'.repeat(24), `7818${'61'.repeat(24)}`],
  [[], '80'],
  [[1, [2, 3], [4, 5]], '8301820203820405'],
  [new Map(), 'a0'],
  [
    new Map([
      [1, 2],
      [3, 4],
    ]),
    'a201020304',
  ],
];

const codec = suite('cbor both ways');
for (const [value, want] of vectors) {
  codec(want, () => {
    assert.is(hex(cbor.encode(value)), want);
    assert.equal(cbor.decode(bytes(want)), { ok: true, value });
  });
  codec(`${want} cut anywhere`, () => {
    for (let end = 0; end < want.length; end += 2) {
      const cut = cbor.decode(bytes(want.slice(0, end)));
      assert.is(cut.ok, false, `after ${end / 2} bytes`);
      if (!cut.ok) assert.is(cut.fault.code, 'malformed');
    }
  });
}
codec('keys in the order of their bytes, whatever the order given', () => {
  const map = new Map([-1, 256, 24, 10, -2, 0].map((key) => [key, key]));
  assert.is(hex(cbor.encode(map)), 'a60000' + '0a0a' + '18181818' + '190100190100' + '2020' + '2121');
});
codec('as deep as allowed', () => assert.ok(cbor.decode(bytes(nested(16))).ok));
codec('what has no encoding is a bug', () => {
  assert.throws(() => cbor.encode(1.5), /RangeError|integer/i);
  assert.throws(() => cbor.encode(1n << 64n), /64 bits/);
});
codec('decoded bytes are a copy', () => {
  const source = bytes('4101');
  const copy = cbor.decode(source);
  source[1] = 9;
  assert.equal(copy, { ok: true, value: Uint8Array.of(1) });
});
codec.run();

const refused = suite('cbor refuses');
const bad: readonly (readonly [name: string, hex: string, code: string, path: string])[] = [
  ['nothing', '', 'malformed', 'byte 0'],
  ['two values', '0000', 'malformed', 'byte 1'],
  ['23 in two bytes', '1817', 'malformed', 'byte 0'],
  ['255 in three bytes', '1900ff', 'malformed', 'byte 0'],
  ['65535 in five bytes', '1a0000ffff', 'malformed', 'byte 0'],
  ['2^32-1 in nine bytes', '1b00000000ffffffff', 'malformed', 'byte 0'],
  ['a length not in its shortest form', '580101', 'malformed', 'byte 0'],
  ['bytes left open', '5f4101ff', 'malformed', 'byte 0'],
  ['an array left open', '9f01ff', 'malformed', 'byte 0'],
  ['a map left open', 'bfff', 'malformed', 'byte 0'],
  ['a stray break', 'ff', 'malformed', 'byte 0'],
  ['a reserved length', '1c', 'malformed', 'byte 0'],
  ['a half float', 'f93e00', 'unsupported', 'byte 0'],
  ['a double', 'fb3ff8000000000000', 'unsupported', 'byte 0'],
  ['undefined', 'f7', 'unsupported', 'byte 0'],
  ['a simple value', 'e0', 'unsupported', 'byte 0'],
  ['a simple value in two bytes', 'f820', 'unsupported', 'byte 0'],
  ['a tag', 'c100', 'unsupported', 'byte 0'],
  ['a key twice', 'a201010102', 'malformed', 'byte 3'],
  ['keys out of order', 'a202010101', 'malformed', 'byte 3'],
  ['a text key', 'a1616101', 'unsupported', 'byte 1'],
  ['a huge key', 'a11b002000000000000000', 'unsupported', 'byte 1'],
  ['text that is not UTF-8', '61ff', 'malformed', 'byte 0'],
  ['an overlong slash', '62c0af', 'malformed', 'byte 0'],
  ['an array longer than its bytes', '9affffffff00', 'malformed', 'byte 0'],
  ['bytes longer than their bytes', '5bffffffffffffffff00', 'malformed', 'byte 0'],
  ['deeper than allowed', nested(17), 'limit', 'byte 17'],
];
for (const [name, text, code, path] of bad)
  refused(name, () => {
    const result = cbor.decode(bytes(text));
    assert.is(result.ok, false);
    if (!result.ok) assert.equal([result.fault.code, result.fault.path], [code, path]);
  });
refused.run();

// Where both should agree: what we write, cbor-x reads as the same value, and its encoding of it is ours.
const oracle = suite('cbor against cbor-x');
const other = new Encoder({ variableMapSize: true, useRecords: false, mapsAsObjects: false, tagUint8Array: false });
for (const [value, text] of vectors.filter(([v]) => typeof v !== 'bigint' && !(typeof v === 'number' && Math.abs(v) >= 2 ** 31)))
  oracle(text, () => {
    assert.is(hex(other.encode(value)), text);
    const read: unknown = other.decode(bytes(text));
    assert.is(hex(cbor.encode(read as cbor.Value)), text);
  });
oracle.run();
