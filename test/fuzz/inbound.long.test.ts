import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from './fuzz.ts';
import { targets } from './inbound.ts';

for (const target of targets) {
  const fuzz = suite(`fuzz ${target.name}, long`);
  for (let seed = 2; seed < 6; seed++)
    fuzz(`5,000 inputs from seed ${seed}`, () => {
      const { decoded, refused } = run(target, seed, 5000);
      assert.ok(decoded > 200 && refused > 200, `${decoded} decoded, ${refused} refused`);
    });
  fuzz.run();
}
