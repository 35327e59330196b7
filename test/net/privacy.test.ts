import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as base64 from '../../agent/wire/base64.ts';
import { formsOf, traces } from './privacy.ts';

const [v4, v6] = ['45.83.219.77', '2a0d:5c3e:91b7:4f2a:8d1e:63b9:f407:1e52'] as const;
const six = Buffer.from('2a0d5c3e91b74f2a8d1e63b9f4071e52', 'hex');
const text = (bytes: Buffer): Buffer => Buffer.from(base64.encode(new Uint8Array(bytes)));
const around = (bytes: Buffer, before: number): Buffer => Buffer.concat([Buffer.alloc(before, 'x'), bytes, Buffer.from('yyy')]);

const planted: readonly Readonly<{ name: string; in: Buffer; want: readonly string[] }>[] = [
  { name: 'nothing', in: Buffer.from('45.83.219.7 2a0d:5c3e:91b7:4f2a'), want: [] },
  { name: 'text', in: Buffer.from(`to ${v4}:443`), want: [`in: ${v4}, text`] },
  { name: 'text, as IPv6 is written in capitals', in: Buffer.from(v6.toUpperCase()), want: [`in: ${v6}, text`] },
  { name: 'bytes', in: Buffer.from([1, 45, 83, 219, 77, 2]), want: [`in: ${v4}, binary`] },
  { name: 'bytes, the last one first', in: Buffer.from([77, 219, 83, 45]), want: [`in: ${v4}, binary`] },
  { name: 'bytes of IPv6', in: around(six, 1), want: [`in: ${v6}, binary`] },
  { name: 'hex, as a database dumps bytes', in: Buffer.from('\\x002d53db4d00'), want: [`in: ${v4}, hex`] },
  ...[0, 1, 2].map((n) => ({ name: `base64 of IPv6, place ${n}`, in: text(around(six, n)), want: [`in: ${v6}, base64`] })),
  ...[0, 1, 2].map((n) => ({ name: `base64 of text, place ${n}`, in: text(around(Buffer.from(v4), n)), want: [`in: ${v4}, base64`] })),
  { name: 'hex of text', in: Buffer.from(Buffer.from(`{"to":"${v4}"}`).toString('hex')), want: [`in: ${v4}, hex of text`] },
];
const find = suite('privacy: traces');
for (const c of planted) find(c.name, () => assert.equal(traces(new Map([['in', c.in]]), [v4, v6]), c.want));
find('no form is empty', () => {
  for (const forms of [formsOf(v4), formsOf(v6)])
    for (const [name, needles] of Object.entries(forms)) assert.ok(needles.length > 0 && needles.every(({ length }) => length >= 4), name);
});
find.run();
