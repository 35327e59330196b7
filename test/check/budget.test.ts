import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { accepted, complaints, weigh } from '../../build/budget.ts';

const budget = suite('budget');

const cases = [
  { name: 'a tenth is free', now: { a: 110 }, last: { a: 100 }, want: '' },
  { name: 'more needs a reason', now: { a: 111 }, last: { a: 100 }, want: 'grown from 100' },
  { name: 'new needs a reason', now: { a: 1 }, last: {}, want: 'never accepted' },
  {
    name: 'a limit is a limit',
    now: { 'mipsel_24kc static, gzip': 900_000 },
    last: { 'mipsel_24kc static, gzip': 900_000 },
    want: 'over the limit',
  },
];
for (const c of cases) {
  budget(c.name, () => {
    const said = complaints(c.now, c.last).join('\n');
    if (c.want === '') assert.is(said, '');
    else assert.match(said, c.want);
  });
}

budget('what is built is within', async () => {
  assert.equal(complaints(await weigh(), accepted().bytes), []);
});

budget.run();
