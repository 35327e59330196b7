import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { target } from './enforcer.ts';
import { run } from './fuzz.ts';

const fuzz = suite('fuzz enforcer, long');
for (let seed = 2; seed < 12; seed++)
  fuzz(`100,000 inputs from seed ${seed}`, () => {
    const { decoded, refused } = run(target, seed, 100_000);
    assert.ok(decoded > 1500 && refused > 5000, `${decoded} decoded, ${refused} refused`);
  });
fuzz.run();
