import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from './fuzz.ts';
import { target } from './ubus.ts';

const fuzz = suite('fuzz ubus, long');
for (let seed = 2; seed < 12; seed++)
  fuzz(`100,000 inputs from seed ${seed}`, () => {
    const { decoded, refused } = run(target, seed, 100_000);
    assert.ok(decoded > 5000 && refused > 5000, `${decoded} decoded, ${refused} refused`);
  });
fuzz.run();
