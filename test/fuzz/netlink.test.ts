import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { corpusOf, run, tried } from './fuzz.ts';
import { target, textTarget } from './netlink.ts';

const fuzz = suite('fuzz netlink');
for (const t of [target, textTarget]) {
  fuzz(`the corpus of ${t.name}`, () => {
    for (const [i, input] of corpusOf(t).entries()) assert.ok(tried(t, input, `line ${i + 1}`), `line ${i + 1} does not decode`);
  });
  fuzz(`10,000 inputs to ${t.name}`, () => {
    const { decoded, refused } = run(t, 1, 10_000);
    // Else the mutations are too wild or too tame to show anything.
    assert.ok(decoded > 500 && refused > 500, `${decoded} decoded, ${refused} refused`);
  });
}
fuzz.run();
