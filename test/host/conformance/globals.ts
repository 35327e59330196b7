// What agent/host/globals.ts brings to QuickJS. On Node the same tests run against Node's own, which keeps them honest.

import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import type { Host } from '../../../agent/ports/host.ts';
import { later } from './line.ts';

export function globals(host: Host): void {
  const test = suite('globals');

  const texts = [
    { name: 'empty', text: '', bytes: [] },
    { name: 'ASCII', text: 'a\0~', bytes: [0x61, 0, 0x7e] },
    { name: 'two bytes', text: '\u0080\u07ff', bytes: [0xc2, 0x80, 0xdf, 0xbf] },
    {
      name: 'three bytes',
      text: '\u0800\ud7ff\ue000\uffff',
      bytes: [0xe0, 0xa0, 0x80, 0xed, 0x9f, 0xbf, 0xee, 0x80, 0x80, 0xef, 0xbf, 0xbf],
    },
    { name: 'four bytes', text: '\u{10000}\u{10ffff}', bytes: [0xf0, 0x90, 0x80, 0x80, 0xf4, 0x8f, 0xbf, 0xbf] },
    { name: 'a long one', text: 'äöü€😀'.repeat(5000), bytes: null },
  ];
  for (const c of texts) {
    test(`UTF-8 there and back: ${c.name}`, () => {
      const bytes = new TextEncoder().encode(c.text);
      if (c.bytes !== null) assert.equal([...bytes], c.bytes);
      assert.is(new TextDecoder().decode(bytes), c.text);
      assert.is(new TextDecoder('utf-8', { fatal: true }).decode(bytes.slice().buffer), c.text);
    });
  }

  test('a lone surrogate has no UTF-8', () => {
    assert.equal([...new TextEncoder().encode('a\ud800b\udc00')], [0x61, 0xef, 0xbf, 0xbd, 0x62, 0xef, 0xbf, 0xbd]);
  });

  const broken = [
    { name: 'no lead', bytes: [0x80], want: '\ufffd' },
    { name: 'never a lead', bytes: [0xc0, 0xff], want: '\ufffd\ufffd' },
    { name: 'cut off', bytes: [0xf0, 0x90, 0x80], want: '\ufffd' },
    { name: 'broken off', bytes: [0xf0, 0x90, 0x80, 0x41], want: '\ufffdA' },
    { name: 'longer than it need be', bytes: [0xe0, 0x80, 0x80], want: '\ufffd\ufffd\ufffd' },
    { name: 'a surrogate', bytes: [0xed, 0xa0, 0x80], want: '\ufffd\ufffd\ufffd' },
    { name: 'beyond Unicode', bytes: [0xf4, 0x90, 0x80, 0x80], want: '\ufffd\ufffd\ufffd\ufffd' },
    { name: 'a good one after a cut one', bytes: [0xe2, 0x82, 0xc3, 0xa4], want: '\ufffdä' },
  ];
  for (const c of broken) {
    test(`no UTF-8: ${c.name}`, () => {
      assert.is(new TextDecoder().decode(Uint8Array.from(c.bytes)), c.want);
      assert.throws(
        () => new TextDecoder('utf8', { fatal: true }).decode(Uint8Array.from(c.bytes)),
        (e: unknown) => e instanceof TypeError,
      );
    });
  }

  test('a byte order mark is dropped, once, unless wanted', () => {
    const marked = Uint8Array.from([0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 0x61]);
    assert.is(new TextDecoder().decode(marked), '\ufeffa');
    assert.is(new TextDecoder('utf-8', { ignoreBOM: true }).decode(marked), '\ufeff\ufeffa');
  });

  test('other encodings are refused', () => {
    assert.throws(
      () => new TextDecoder('none-such'),
      (e: unknown) => e instanceof RangeError,
    );
  });

  test('timers pass values, repeat, and can be cleared', async () => {
    const seen: string[] = [];
    setTimeout((a: string, b: string) => seen.push(a + b), 1, 'a', 'b');
    clearTimeout(setTimeout(() => seen.push('never'), 1));
    clearTimeout(undefined);
    let count = 0;
    await new Promise<void>((resolve) => {
      const timer = setInterval(
        (step: number) => {
          count += step;
          if (count < 3) return;
          clearInterval(timer);
          resolve();
        },
        2,
        1,
      );
    });
    await later(host, 20);
    assert.equal(seen, ['ab']);
    assert.is(count, 3);
  });

  test('microtasks come before timers', async () => {
    const seen: string[] = [];
    setTimeout(() => seen.push('timer'), 0);
    queueMicrotask(() => seen.push('micro'));
    process.nextTick((value: string) => seen.push(value), 'tick');
    await later(host, 20);
    assert.equal(seen.slice(0, 2).sort(), ['micro', 'tick']);
    assert.is(seen[2], 'timer');
  });

  test('performance', async () => {
    const before = performance.now();
    await later(host, 30);
    assert.ok(performance.now() - before >= 28);
  });

  test.run();
}
