import { suite } from 'uvu';
import { walk } from './walk.ts';

/** QuickJS takes three times as long, and has a `process` of ours. */
const hundreds = 'versions' in globalThis.process ? 100 : 10;

const lives = suite('random lives of an agent');
// Never billed more than was counted, never asked beyond the owner's ceilings, twice is once, everybody is answered, and everything ends.
for (let hundred = 0; hundred < hundreds; hundred++)
  lives(`${100 * hundred} to ${100 * hundred + 99}`, () => {
    for (let seed = 100 * hundred; seed < 100 * hundred + 100; seed++)
      try {
        walk(seed, 40);
      } catch (error) {
        throw new Error(`life ${seed}: ${(error as Error).message}`, { cause: error });
      }
  });
lives.run();
