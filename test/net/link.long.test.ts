import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alone } from './link/alone.ts';

const link = suite('link');
link('behind a bad line for ten minutes', async () => assert.is(await alone('test/net/link/receipts.ts', 1_500_000), 0));
link.run();
