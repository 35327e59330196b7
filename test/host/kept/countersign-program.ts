// The countersignature's suites as a program of a QuickJS host.

import '../../../agent/host/globals.ts';
import { host } from '../../../agent/host/quickjs.ts';
import { testCountersign } from './countersign.ts';

testCountersign(host);
