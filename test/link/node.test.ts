import { suite } from 'uvu';
import { host } from '../../agent/host/node.ts';
import { converse } from './conversation/suite.ts';
import { startFixture } from './fixture.ts';

const { fixture, close } = await startFixture();
converse(host, fixture);

const node = suite('node');
node.after(close);
node.run();
