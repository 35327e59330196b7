import { suite } from 'uvu';
import { host } from '../../agent/host/node.ts';
import { testCountersign } from './kept/countersign.ts';
import { passesNatively } from './kept/native.ts';

testCountersign(host);

const native = suite('countersign: on the C host');
native('the same', () => passesNatively('test/host/kept/countersign-program.ts'));
native.run();
