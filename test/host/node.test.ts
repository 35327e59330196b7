import { suite } from 'uvu';
import { host } from '../../agent/host/node.ts';
import { conform } from './conformance/suite.ts';
import { survivesKilling } from './crash.ts';
import { startFixture } from './fixture.ts';

const { fixture, close } = await startFixture();
conform(host, fixture);

const node = suite('node');
node('a killed writer leaves the old file or the new one', () =>
  survivesKilling(process.execPath, 'scripts/run.mjs', 'test/host/writer.ts', 'node'),
);
node.after(close);
node.run();
