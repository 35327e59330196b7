import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as utf8 from '../../agent/wire/utf8.ts';

const round = suite('utf8 both ways');
const texts: readonly (readonly [text: string, bytes: readonly number[]])[] = [
  ['', []],
  ['\u0000a\u007f', [0, 0x61, 0x7f]],
  ['\u0080\u07ff', [0xc2, 0x80, 0xdf, 0xbf]],
  ['\u0800\uffff', [0xe0, 0xa0, 0x80, 0xef, 0xbf, 0xbf]],
  ['\u{10000}\u{10ffff}', [0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf]],
];
for (const [text, bytes] of texts)
  round(JSON.stringify(text), () => {
    assert.equal([...utf8.encode(text)], bytes);
    assert.is(utf8.length(text), bytes.length);
    assert.equal(utf8.decode(Uint8Array.from(bytes)), { ok: true, value: text });
  });
round('longer than one piece', () => {
  const text = 'aß€😀'.repeat(1000);
  assert.equal(utf8.decode(utf8.encode(text)), { ok: true, value: text });
});
round('a lone surrogate', () => assert.equal([...utf8.encode('a\ud800b')], [0x61, 0xef, 0xbf, 0xbd, 0x62]));
round.run();

const refused = suite('utf8 refuses');
const bad: readonly (readonly [name: string, bytes: readonly number[], at: number])[] = [
  ['a continuation alone', [0x61, 0x80], 1],
  ['a cut sequence', [0xe2, 0x82], 0],
  ['a broken sequence', [0xe2, 0x28, 0xa1], 0],
  ['overlong slash', [0xc0, 0xaf], 0],
  ['overlong of three', [0xe0, 0x9f, 0xbf], 0],
  ['overlong of four', [0xf0, 0x8f, 0xbf, 0xbf], 0],
  ['a surrogate', [0xed, 0xa0, 0x80], 0],
  ['past the last code point', [0xf4, 0x90, 0x80, 0x80], 0],
  ['five bytes', [0xf8, 0x88, 0x80, 0x80, 0x80], 0],
  ['a byte order mark of another kind', [0xff, 0xfe], 0],
];
for (const [name, bytes, at] of bad)
  refused(name, () =>
    assert.equal(utf8.decode(Uint8Array.from(bytes)), {
      ok: false,
      fault: { code: 'malformed', path: `byte ${at}`, reason: 'not UTF-8' },
    }),
  );
refused.run();
