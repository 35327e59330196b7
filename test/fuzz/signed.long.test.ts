import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from './fuzz.ts';
import { targets } from './signed.ts';

for (const target of targets) {
  const fuzz = suite(`fuzz ${target.name}, long`);
  for (let seed = 2; seed < 6; seed++)
    fuzz(`100,000 inputs from seed ${seed}`, () => {
      const { decoded, refused } = run(target, seed, 100_000);
      assert.ok(decoded > 2000 && refused > 2000, `${decoded} decoded, ${refused} refused`);
    });
  fuzz.run();
}
