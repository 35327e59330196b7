import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { alone } from './link/alone.ts';

const link = suite('link');
link('in trouble', async () => assert.is(await alone('test/net/link/program.ts', 500_000), 0));
link.run();
