import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { target, tryVariants } from './enforcer.ts';
import { corpusOf, run, tried } from './fuzz.ts';

const fuzz = suite('fuzz enforcer');
fuzz('the corpus', () => {
  for (const [i, input] of corpusOf(target).entries()) assert.ok(tried(target, input, `line ${i + 1}`), `line ${i + 1} does not decode`);
});
fuzz('every value of the corpus replaced by every hostile one', () => {
  const tried = corpusOf(target).reduce((sum, input) => sum + tryVariants(input), 0);
  assert.ok(tried > 2000, `${tried} tables`);
});
fuzz('20,000 inputs', () => {
  const { decoded, refused } = run(target, 1, 20_000);
  // Else the mutations are too wild or too tame to show anything.
  assert.ok(decoded > 300 && refused > 1000, `${decoded} decoded, ${refused} refused`);
});
fuzz.run();
