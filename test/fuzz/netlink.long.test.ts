import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { run } from './fuzz.ts';
import { target, textTarget } from './netlink.ts';

const fuzz = suite('fuzz netlink, long');
for (const t of [target, textTarget])
  for (let seed = 2; seed < 8; seed++)
    fuzz(`50,000 inputs to ${t.name} from seed ${seed}`, () => {
      const { decoded, refused } = run(t, seed, 50_000);
      assert.ok(decoded > 2500 && refused > 2500, `${decoded} decoded, ${refused} refused`);
    });
fuzz.run();
