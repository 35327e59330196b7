import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as base64 from '../../agent/wire/base64.ts';

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);

const both = suite('base64');
// RFC 4648 §10, and digits that others write otherwise.
for (const [plain, text] of [
  [bytes(''), ''],
  [bytes('f'), 'Zg=='],
  [bytes('fo'), 'Zm8='],
  [bytes('foo'), 'Zm9v'],
  [bytes('foob'), 'Zm9vYg=='],
  [bytes('fooba'), 'Zm9vYmE='],
  [bytes('foobar'), 'Zm9vYmFy'],
  [Uint8Array.of(0xfb, 0xef, 0xff), '++//'],
] as const)
  both(`"${text}"`, () => {
    assert.is(base64.encode(plain), text);
    assert.equal(base64.decode(text), { ok: true, value: plain });
  });
both('every byte in every place', () => {
  const all = Uint8Array.from({ length: 1024 }, (_, i) => (i * 7) & 0xff);
  for (let n = 0; n < 9; n++) assert.equal(base64.decode(base64.encode(all.subarray(n))), { ok: true, value: all.slice(n) });
});
for (const text of ['Z', 'Zg', 'Zg=', 'Zg===', 'Zh==', 'Zm9=', '====', 'Zg==Zg==', 'Zm 8', 'Zm8=\n', '-_//', 'Zm8\0'])
  both(`${JSON.stringify(text)} is refused`, () => {
    const read = base64.decode(text);
    assert.is(!read.ok && read.fault.code, 'malformed');
  });
both.run();
