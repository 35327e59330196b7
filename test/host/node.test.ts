import { suite } from 'uvu';
import { host } from '../../agent/host/node.ts';
import { conform } from './conformance/suite.ts';
import { startFixture } from './fixture.ts';

const { fixture, close } = await startFixture();
conform(host, fixture);

const node = suite('node');
node.after(close);
node.run();
