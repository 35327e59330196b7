import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { corpusOf, run, tried } from './fuzz.ts';
import { targets } from './signed.ts';

for (const target of targets) {
  const fuzz = suite(`fuzz ${target.name}`);
  fuzz('the corpus', () => {
    for (const [i, input] of corpusOf(target).entries()) assert.ok(tried(target, input, `line ${i + 1}`), `line ${i + 1} does not decode`);
  });
  fuzz('10,000 inputs', () => {
    const { decoded, refused } = run(target, 1, 10_000);
    // Else the mutations are too wild or too tame to show anything.
    assert.ok(decoded > 500 && refused > 500, `${decoded} decoded, ${refused} refused`);
  });
  fuzz.run();
}
