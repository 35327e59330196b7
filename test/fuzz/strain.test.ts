import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import * as blobmsg from '../../agent/wire/blobmsg.ts';
import { variants } from './enforcer.ts';
import { corpusOf, run, tried } from './fuzz.ts';
import { target } from './strain.ts';

const fuzz = suite('fuzz strain');
fuzz('the corpus', () => {
  for (const [i, input] of corpusOf(target).entries()) assert.ok(tried(target, input, `line ${i + 1}`), `line ${i + 1} does not decode`);
});
fuzz('every value of the corpus replaced by every hostile one', () => {
  let refused = 0;
  for (const input of corpusOf(target)) {
    const t = blobmsg.decode(input);
    for (const variant of t.ok ? variants(t.value) : []) {
      const bytes = blobmsg.encode(variant);
      if (bytes.ok && !tried(target, bytes.value, 'a variant')) refused += 1;
    }
  }
  assert.ok(refused > 40, `${refused} refused`);
});
fuzz('20,000 inputs', () => {
  const { decoded, refused } = run(target, 1, 20_000);
  assert.ok(decoded > 300 && refused > 1000, `${decoded} decoded, ${refused} refused`);
});
fuzz.run();
