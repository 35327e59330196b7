import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { corpusOf, run, tried } from './fuzz.ts';
import { targets } from './inbound.ts';

for (const target of targets) {
  const fuzz = suite(`fuzz ${target.name}`);
  fuzz('the corpus', () => {
    for (const [i, input] of corpusOf(target).entries()) assert.ok(tried(target, input, `line ${i + 1}`), `line ${i + 1} does not decode`);
  });
  // Few, because each has signatures to make and to check.
  fuzz('3,000 inputs', () => {
    const { decoded, refused } = run(target, 1, 3000);
    assert.ok(decoded > 20 && refused > 20, `${decoded} decoded, ${refused} refused`);
  });
  fuzz.run();
}
